#include "app/registry.hpp"

#include <fmt/format.h>

#include <array>

#include "feeds/binance/binance_feed.hpp"
#include "feeds/coinbase/coinbase_feed.hpp"
#include "feeds/events/events_feed.hpp"
#include "feeds/finnhub/finnhub_feed.hpp"
#include "feeds/kraken/kraken_feed.hpp"
#include "feeds/replay/lean_conditions.hpp"
#include "feeds/yahoo/yahoo_feed.hpp"

namespace tapedeck::app {
namespace {

// What is no venue's.
struct Slice {
  std::string_view room;
  std::string_view name;
  std::string_view help;
};

constexpr std::string_view kLean = "lean";

constexpr Slice kSlices[]{
    {"feeds", kLean, "US equities and futures, from tick files of QuantConnect's Lean"},
    {"feeds", kEventsVenue,
     "events of every kind, one JSON object a line, as 'tape cat' prints them"},
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
      {std::string(feeds::finnhub::kConditions), &feeds::finnhub::conditions()},
      {std::string(feeds::replay::kLeanConditions), &feeds::replay::lean_conditions()},
      {std::string(feeds::replay::kLeanFutureConditions), &feeds::replay::lean_future_conditions()},
  };
  return tables;
}

std::span<const feeds::FeedKind> recorded_kinds() {
  static const std::array kinds{
      feeds::binance::feed_kind(),
      feeds::coinbase::feed_kind(),
      feeds::kraken::feed_kind(),
      feeds::finnhub::feed_kind(),
      feeds::yahoo::feed_kind(),
      feeds::events::feed_kind<condition_tables>(),  // the last: it is no venue
  };
  return kinds;
}

std::span<const feeds::FeedKind> feed_kinds() {
  return recorded_kinds().first(recorded_kinds().size() - 1);
}

std::vector<config::VenueRules> venues() {
  std::vector<config::VenueRules> all{{.name = std::string(kLean)},
                                      {.name = std::string(kEventsVenue)}};
  for (const feeds::FeedKind& feed : feed_kinds()) {
    config::VenueRules rules{.name = std::string(feed.venue)};
    if (feed.live) {
      rules.needs_token = !feed.live->key_parameter.empty();
      if (feed.live->one_connection) rules.symbols_max_of_token = feed.live->symbols_max;
    }
    all.push_back(std::move(rules));
  }
  return all;
}

std::vector<market::BarSpec> chart_specs() {
  std::vector<market::BarSpec> specs;
  for (const Duration interval : {minutes(1), minutes(5), minutes(15), hours(1)}) {
    for (const auto conditions : {market::ConditionMode::kEligible, market::ConditionMode::kAll}) {
      for (const auto session : {market::SessionMode::kExtended, market::SessionMode::kRegular}) {
        specs.push_back({interval, conditions, session});
      }
    }
  }
  return specs;
}

std::string registry_text() {
  std::string text = "| room | name | what |\n| --- | --- | --- |\n";
  for (const feeds::FeedKind& feed : feed_kinds()) {
    text += fmt::format("| feeds | {} | {} |\n", feed.venue, feed.help);
  }
  for (const Slice& slice : kSlices) {
    text += fmt::format("| {} | {} | {} |\n", slice.room, slice.name, slice.help);
  }
  return text;
}

}  // namespace tapedeck::app
