// src/pipeline/window_stage.hpp: reads durable events from the tape and turns them into bars.
// Several of them share the work: each takes the series whose id falls to it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/bounded_queue.hpp"
#include "market/bar.hpp"
#include "pipeline/live_table.hpp"
#include "pipeline/stage.hpp"
#include "tape/tape.hpp"
#include "windows/bar_builder.hpp"

namespace tapedeck::pipeline {

// Changed bars, and the offset up to which they hold.
struct BarBatch {
  std::vector<market::BarRow> rows;
  Offset applied;
};
using BarQueue = BoundedQueue<BarBatch>;

struct WindowShare {
  PartitionId partition{};
  Offset first{};  // where it begins to read
  std::uint32_t index = 0;
  std::uint32_t count = 1;
  bool takes(SeriesId series) const { return series.value % count == index; }
};

class WindowStage final : public Stage {
 public:
  // `upstream_done`: nothing more will become durable. Where changed bars go is up to `live` and
  // `store`; without both they stay in the builders, for take_bars().
  WindowStage(std::unique_ptr<tape::TapeReader> reader, const market::Catalog& catalog,
              std::vector<windows::BarBuilder> builders, WindowShare share,
              std::function<bool()> upstream_done, LiveTable* live, BarQueue* store);

  std::string_view name() const override { return name_; }
  Result<Step> step() override;
  PartitionId partition() const { return share_.partition; }
  Offset applied() const { return Offset(applied_.load()); }
  std::uint64_t late() const { return late_.load(); }
  std::uint64_t not_applied() const { return not_applied_.load(); }

  // All bars that changed since they were last taken, in no order. Only when it does not run.
  std::vector<market::BarRow> take_bars();

 private:
  Status apply(const market::Batch& batch);

  std::unique_ptr<tape::TapeReader> reader_;
  const market::Catalog& catalog_;
  std::vector<windows::BarBuilder> builders_;
  const WindowShare share_;
  std::function<bool()> upstream_done_;
  LiveTable* live_;
  BarQueue* store_;
  const std::string name_;
  std::optional<BarBatch> waiting_;  // for room in the store's queue
  std::atomic<std::uint64_t> applied_;
  std::atomic<std::uint64_t> late_{0};
  std::atomic<std::uint64_t> not_applied_{0};
};

}  // namespace tapedeck::pipeline
