// src/pipeline/store_stage.hpp: writes results to the store with the checkpoint that they belong
// to, many changes of one revision of a bar as one; and makes them durable from time to time.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.hpp"
#include "pipeline/stage.hpp"
#include "pipeline/window_stage.hpp"
#include "store/store.hpp"

namespace tapedeck::pipeline {

class StoreStage final : public Stage {
 public:
  // What changed meanwhile is joined in one transaction, so often, or when it is so much. Who looks
  // at what is newest reads it from memory (see Live).
  static constexpr Duration kWriteEvery = milliseconds(100);
  static constexpr std::size_t kResultsMax = 50'000;  // about; a batch is not divided
  static constexpr Duration kSyncEvery = seconds(10);
  static constexpr Duration kRest = milliseconds(5);  // in which the windows cannot fill its queue
  // Entry of a checkpoint: what the bars in the store are made by.
  static constexpr std::string_view kDefinition = "definition";

  // `stored`: by partition, up to where results are in the store already. `upstream_done`: no batch
  // will come any more.
  StoreStage(BarQueue& in, store::Store& store, const Clock& clock, std::vector<Offset> stored,
             std::string definition, std::function<bool()> upstream_done);

  std::string_view name() const override { return "store"; }
  Result<Step> step() override;

  // Results of the events before it are in the store, and survive the end of the program. Any
  // thread.
  Offset stored(PartitionId partition) const { return Offset(stored_[partition.value].load()); }
  // As stored(), and they survive a power cut.
  std::vector<Offset> synced() const;

 private:
  // Of a partition, what is not written yet. Revisions stay apart: somebody may ask what was known
  // between two of them.
  struct Joined {
    using Key = std::tuple<market::SeriesKey, market::BarSpec, Timestamp, std::uint32_t>;
    std::map<Key, store::BarResult> bars;
    std::vector<store::MeanRow> means;
    std::map<std::string, std::string> entries;
    Offset applied;
  };
  bool take();  // true: there was something
  Status write();
  Status sync();

  BarQueue& in_;
  store::Store& store_;
  const Clock& clock_;
  const std::string definition_;
  std::function<bool()> upstream_done_;
  std::vector<bool> defined_;  // by partition: the definition is in the store
  std::vector<std::atomic<std::uint64_t>> stored_;
  std::vector<std::atomic<std::uint64_t>> synced_;
  Duration last_sync_;
  std::map<PartitionId, Joined> joined_;
  std::size_t results_ = 0;  // in joined_, about
  Duration next_write_{};
};

}  // namespace tapedeck::pipeline
