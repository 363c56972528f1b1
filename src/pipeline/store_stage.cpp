#include "pipeline/store_stage.hpp"

#include <map>
#include <tuple>

namespace tapedeck::pipeline {

Result<Step> StoreStage::step() {
  using Key = std::tuple<market::SeriesKey, market::BarSpec, Timestamp>;
  std::map<Key, market::BarRow> newest;
  Offset applied;
  std::size_t batches = 0;
  while (batches < kBatchesMax) {
    auto batch = in_.try_pop();
    if (!batch) break;
    ++batches;
    applied = batch->applied;
    for (market::BarRow& row : batch->rows) {
      Key key{row.series, row.spec, row.bar.ts_open};
      newest.insert_or_assign(std::move(key), std::move(row));
    }
  }
  if (batches == 0) return in_.drained() ? Step::done() : Step::idle();
  std::vector<store::BarResult> bars;
  bars.reserve(newest.size());
  for (auto& [key, row] : newest) bars.push_back({.row = std::move(row), .state = {}});
  if (Status written = store_.write(bars, {}, {.applied = applied}); !written) {
    return std::unexpected(written.error().within("store"));
  }
  return Step::progress();
}

}  // namespace tapedeck::pipeline
