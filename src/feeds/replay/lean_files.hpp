// src/feeds/replay/lean_files.hpp: trade files of Lean, told by their member names.
//   20131007_spy_Trade_Tick.csv       14400464,1674100,100,P,20002000,0
//     ms since midnight in New York, price x 10000, size, exchange, conditions (hex), suspicious
//   20131007_gc_tick_trade_201312.csv 4933381,1313.8,1,usa,,0
//     ms since midnight UTC, price, size, exchange, conditions, suspicious
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "feeds/replay/parsed_record.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::replay {

struct LeanFile {
  bool future = false;
  std::chrono::year_month_day date{};
  std::string instrument{};  // "SPY", "GC-201312"

  market::Series series() const;
};

// Nothing: the name is no Lean trade file's.
std::optional<LeanFile> parse_lean_name(std::string_view member_name);

// Errors: kUnavailable, no zone database.
Result<std::unique_ptr<RecordParser>> lean_parser(const LeanFile& file);

}  // namespace tapedeck::feeds::replay
