#include "pipeline/store_stage.hpp"

#include <utility>

namespace tapedeck::pipeline {

StoreStage::StoreStage(BarQueue& in, store::Store& store, const Clock& clock,
                       std::vector<Offset> stored, std::string definition,
                       std::function<bool()> upstream_done)
    : in_(in),
      store_(store),
      clock_(clock),
      definition_(std::move(definition)),
      upstream_done_(std::move(upstream_done)),
      defined_(stored.size()),
      stored_(stored.size()),
      synced_(stored.size()),
      last_sync_(clock.elapsed()) {
  for (std::size_t p = 0; p < stored.size(); ++p) {
    // What was found when the program started has survived.
    stored_[p] = synced_[p] = stored[p].value;
  }
}

Result<Step> StoreStage::step() {
  // Asked before looking: what was put in before upstream was done is still taken.
  const bool last_look = upstream_done_();
  const bool took = take();
  const Duration now = clock_.elapsed();
  if (!joined_.empty() && (last_look || results_ >= kResultsMax || now >= next_write_)) {
    TD_TRY(write());
    next_write_ = now + kWriteEvery;
  }
  if (now - last_sync_ >= kSyncEvery) TD_TRY(sync());
  if (took) return Step::progress();
  if (!last_look) {
    return Step::idle_for(joined_.empty() ? kSyncEvery : next_write_ - now).after(kRest);
  }
  TD_TRY(sync());
  return Step::done();
}

bool StoreStage::take() {
  bool took = false;
  while (results_ < kResultsMax) {
    auto batch = in_.try_pop();
    if (!batch) break;
    took = true;
    results_ += weight_of(*batch);
    Joined& joined = joined_[batch->checkpoint.partition];
    joined.applied = batch->checkpoint.applied;
    for (store::BarResult& bar : batch->bars) {
      Joined::Key key{bar.row.series, bar.row.spec, bar.row.bar.ts_open, bar.row.bar.revision};
      joined.bars.insert_or_assign(std::move(key), std::move(bar));
    }
    for (store::MeanRow& mean : batch->means) joined.means.push_back(std::move(mean));
    for (auto& [key, value] : batch->checkpoint.changed) {
      joined.entries.insert_or_assign(std::move(key), std::move(value));
    }
  }
  return took;
}

Status StoreStage::write() {
  for (auto& [partition, joined] : joined_) {
    if (!defined_[partition.value]) joined.entries.emplace(kDefinition, definition_);
    std::vector<store::BarResult> bars;
    bars.reserve(joined.bars.size());
    for (auto& [key, bar] : joined.bars) bars.push_back(std::move(bar));
    store::Checkpoint checkpoint{.partition = partition, .applied = joined.applied};
    for (auto& entry : joined.entries) checkpoint.changed.emplace_back(entry.first, entry.second);
    if (Status written = store_.write(bars, joined.means, checkpoint); !written) {
      return std::unexpected(written.error().within("store"));
    }
    defined_[partition.value] = true;
    stored_[partition.value] = joined.applied.value;
  }
  joined_.clear();
  results_ = 0;
  return {};
}

Status StoreStage::sync() {
  std::vector<std::uint64_t> now;
  for (const auto& stored : stored_) now.push_back(stored.load());
  if (Status synced = store_.sync(); !synced) {
    return std::unexpected(synced.error().within("store"));
  }
  for (std::size_t p = 0; p < now.size(); ++p) synced_[p] = now[p];
  last_sync_ = clock_.elapsed();
  return {};
}

std::vector<Offset> StoreStage::synced() const {
  std::vector<Offset> offsets;
  for (const auto& synced : synced_) offsets.emplace_back(synced.load());
  return offsets;
}

}  // namespace tapedeck::pipeline
