// src/pipeline/window_stage.hpp: reads durable events from the tape and turns them into bars.
// Several of them share the work: each takes the series whose id falls to it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/bounded_queue.hpp"
#include "market/bar.hpp"
#include "pipeline/latencies.hpp"
#include "pipeline/live_table.hpp"
#include "pipeline/seen_entries.hpp"
#include "pipeline/stage.hpp"
#include "store/store.hpp"
#include "tape/tape.hpp"
#include "windows/bar_builder.hpp"

namespace tapedeck::pipeline {

// Changed bars and new means, and the offset up to which they hold; what is needed to go on there.
struct BarBatch {
  std::vector<store::BarResult> bars;
  std::vector<store::MeanRow> means;
  store::Checkpoint checkpoint;
};
// By the number of results: a batch holds none or a hundred thousand.
using BarQueue = BoundedQueue<BarBatch>;
inline std::size_t weight_of(const BarBatch& batch) {
  return 1 + batch.bars.size() + batch.means.size();
}

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
  // `store`; without both they stay in the builder, for take_bars(). `stored`: events before it
  // are in the store. `seen`: identities go into the checkpoint too.
  WindowStage(std::unique_ptr<tape::TapeReader> reader, const market::Catalog& catalog,
              windows::BarBuilder builder, WindowShare share, std::function<bool()> upstream_done,
              LiveTable* live, BarQueue* store, std::function<Offset()> stored,
              Latencies* latencies = nullptr, std::unique_ptr<SeenEntries> seen = nullptr);

  std::string_view name() const override { return name_; }
  Result<Step> step() override;
  PartitionId partition() const { return share_.partition; }
  Offset applied() const { return Offset(applied_.load()); }
  bool is_done() const { return done_.load(); }
  std::uint64_t late() const { return late_.load(); }
  std::uint64_t unapplied() const { return unapplied_.load(); }

  // All bars that changed since they were last taken, in no order. Only when it does not run.
  std::vector<market::BarRow> take_bars();
  // New means; `all`: those of ticks under way too, when nothing will come any more.
  std::vector<store::MeanRow> take_means(bool all);

 private:
  Status apply(const market::Batch& batch);
  BarBatch results(Offset applied);

  std::unique_ptr<tape::TapeReader> reader_;
  const market::Catalog& catalog_;
  windows::BarBuilder builder_;
  const WindowShare share_;
  std::function<bool()> upstream_done_;
  LiveTable* live_;
  BarQueue* store_;
  std::function<Offset()> stored_;
  Latencies* const latencies_;  // null: nobody asks
  const std::unique_ptr<SeenEntries> seen_;
  const std::string name_;
  std::optional<BarBatch> waiting_;  // for room in the store's queue
  std::atomic<std::uint64_t> applied_;
  std::atomic<bool> done_{false};
  std::atomic<std::uint64_t> late_{0};
  std::atomic<std::uint64_t> unapplied_{0};
};

}  // namespace tapedeck::pipeline
