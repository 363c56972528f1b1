#include "app/registry.hpp"

#include <fmt/format.h>

#include "feeds/binance/binance_feed.hpp"
#include "feeds/replay/lean_conditions.hpp"

namespace tapedeck::app {
namespace {

struct Slice {
  std::string_view room;
  std::string_view name;
  std::string_view help;
  bool is_venue = false;
};

constexpr Slice kSlices[]{
    {"feeds", "binance", "spot, USD-M and COIN-M trades, from captured frames", true},
    {"feeds", "coinbase", "Exchange matches, from captured frames", true},
    {"feeds", "kraken", "WebSocket v2 trades, from captured frames", true},
    {"feeds", "replay", "recorded files: Lean ticks, captures, CSV and JSON by a column map"},
    {"feeds", "simulator", "a market day made from a seed"},
    {"tape", "embedded", "segment files of one folder"},
    {"tape", "passing", "nothing is kept: for replay without a folder"},
    {"store", "embedded", "one SQLite file"},
};

}  // namespace

const market::ConditionTables& condition_tables() {
  static const market::ConditionTables tables{
      {std::string(feeds::binance::kFuturesConditions), &feeds::binance::futures_conditions()},
      {std::string(feeds::replay::kLeanConditions), &feeds::replay::lean_conditions()},
      {std::string(feeds::replay::kLeanFutureConditions), &feeds::replay::lean_future_conditions()},
  };
  return tables;
}

std::vector<std::string> venues() {
  std::vector<std::string> names;
  for (const Slice& slice : kSlices) {
    if (slice.is_venue) names.emplace_back(slice.name);
  }
  return names;
}

std::string registry_text() {
  std::string text = "| room | name | what |\n| --- | --- | --- |\n";
  for (const Slice& slice : kSlices) {
    text += fmt::format("| {} | {} | {} |\n", slice.room, slice.name, slice.help);
  }
  return text;
}

}  // namespace tapedeck::app
