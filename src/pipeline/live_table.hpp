// src/pipeline/live_table.hpp: the newest bars of each bar series, in memory.
// Thread: any. Memory: at most Live::kBarsKept bars of each bar series.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "pipeline/live.hpp"

namespace tapedeck::pipeline {

class LiveTable {
 public:
  LiveTable(std::vector<market::BarSpec> specs, std::function<void()> on_change);

  void publish(std::span<const store::BarResult> results, Offset applied);
  // As Live::bars_since, without the run.
  Result<BarPage> bars_since(const market::SeriesKey& series, const market::BarSpec& spec,
                             Offset since) const;
  // Says which bar series there are, where `spec` is none of them.
  Status check(const market::BarSpec& spec) const;

 private:
  using Bars = std::map<Timestamp, market::Bar>;

  const std::vector<market::BarSpec> specs_;
  const std::function<void()> on_change_;
  mutable std::mutex mutex_;
  std::map<std::pair<market::SeriesKey, market::BarSpec>, Bars> bars_;
  Offset applied_;
};

}  // namespace tapedeck::pipeline
