#include "pipeline/window_stage.hpp"

#include <fmt/format.h>

namespace tapedeck::pipeline {

WindowStage::WindowStage(std::unique_ptr<tape::TapeReader> reader, const market::Catalog& catalog,
                         windows::BarBuilder builder, WindowShare share,
                         std::function<bool()> upstream_done, LiveTable* live, BarQueue* store,
                         std::function<Offset()> stored, Latencies* latencies,
                         std::unique_ptr<SeenEntries> seen)
    : reader_(std::move(reader)),
      catalog_(catalog),
      builder_(std::move(builder)),
      share_(share),
      upstream_done_(std::move(upstream_done)),
      live_(live),
      store_(store),
      stored_(std::move(stored)),
      latencies_(latencies),
      seen_(std::move(seen)),
      name_(share.count == 1 && share.partition == PartitionId()
                ? "windows"
                : fmt::format("win-p{}-{}", share.partition.value, share.index)),
      applied_(share.first.value) {}

Result<Step> WindowStage::step() {
  if (waiting_) {
    if (!store_->try_push(*waiting_, weight_of(*waiting_))) return Step::idle();
    waiting_.reset();
  }
  // Asked before reading: what became durable before upstream was done is still read.
  const bool last_look = upstream_done_();
  const auto batch = reader_->next();
  if (!batch) return std::unexpected(batch.error());
  if (!*batch) {
    if (!last_look) return Step::idle();
    done_ = true;
    return Step::done();
  }
  TD_TRY(apply(**batch));
  if (live_ != nullptr || store_ != nullptr) {
    BarBatch changed = results((*batch)->end());
    if (live_ != nullptr) {
      live_->publish_trades((*batch)->trades, (*batch)->first);
      live_->publish(changed.bars, changed.checkpoint.applied);
      if (latencies_ != nullptr) latencies_->applied(share_.partition, (*batch)->end());
    }
    if (store_ != nullptr && !store_->try_push(changed, weight_of(changed))) {
      waiting_ = std::move(changed);
    }
  }
  applied_ = (*batch)->end().value;
  return Step::progress();
}

BarBatch WindowStage::results(Offset applied) {
  BarBatch batch;
  batch.checkpoint = {.partition = share_.partition, .applied = applied, .changed = {}};
  for (windows::BarChange& change : builder_.take_changes(stored_ ? stored_() : applied)) {
    batch.bars.push_back({.row = {catalog_.series(change.series).key, change.spec, change.bar},
                          .state = store_ != nullptr ? change.keys() : std::string()});
  }
  batch.means = take_means(false);
  batch.checkpoint.changed = builder_.take_state();
  if (seen_) {
    for (auto& entry : seen_->take()) batch.checkpoint.changed.push_back(std::move(entry));
  }
  return batch;
}

std::vector<market::BarRow> WindowStage::take_bars() {
  std::vector<market::BarRow> rows;
  for (windows::BarChange& change : builder_.take_changes()) {
    if (change.bar.trades == 0 && change.bar.excluded == 0 &&
        change.spec.source != market::BarSource::kVendor) {
      continue;  // all of its trades were taken back
    }
    rows.push_back({catalog_.series(change.series).key, change.spec, change.bar});
  }
  return rows;
}

std::vector<store::MeanRow> WindowStage::take_means(bool all) {
  std::vector<store::MeanRow> rows;
  for (windows::MeanChange& mean : builder_.take_means(all)) {
    rows.push_back({.series = catalog_.series(mean.series).key,
                    .conditions = mean.conditions,
                    .ts_tick = mean.ts_tick,
                    .trades = mean.trades,
                    .price_sum = mean.price_sum,
                    .notional = mean.notional});
  }
  return rows;
}

Status WindowStage::apply(const market::Batch& batch) {
  const auto add_all = [&](const auto& events) -> Status {
    for (const auto& event : events) {
      if (share_.takes(event.series)) TD_TRY(builder_.add(event));
    }
    return {};
  };
  TD_TRY(builder_.add(batch.trades, [&](SeriesId series) { return share_.takes(series); }));
  TD_TRY(add_all(batch.ticks));
  TD_TRY(add_all(batch.vendor_bars));
  Offset offset = batch.first;
  for (const market::Correction& correction : batch.corrections) {
    if (share_.takes(correction.series)) TD_TRY(builder_.add(correction, offset));
    ++offset;
  }
  for (const market::FeedMark& mark : batch.marks) builder_.add(mark);
  if (seen_) seen_->add(batch);
  TD_TRY(builder_.flush(batch.end()));
  late_ = builder_.late();
  unapplied_ = builder_.unapplied();
  return {};
}

}  // namespace tapedeck::pipeline
