#include "pipeline/window_stage.hpp"

#include <fmt/format.h>

namespace tapedeck::pipeline {

WindowStage::WindowStage(std::unique_ptr<tape::TapeReader> reader, const market::Catalog& catalog,
                         std::vector<windows::BarBuilder> builders, WindowShare share,
                         std::function<bool()> upstream_done, LiveTable* live, BarQueue* store)
    : reader_(std::move(reader)),
      catalog_(catalog),
      builders_(std::move(builders)),
      share_(share),
      upstream_done_(std::move(upstream_done)),
      live_(live),
      store_(store),
      name_(share.count == 1 && share.partition == PartitionId()
                ? "windows"
                : fmt::format("win-p{}-{}", share.partition.value, share.index)),
      applied_(share.first.value) {}

Result<Step> WindowStage::step() {
  if (waiting_) {
    if (!store_->try_push(*waiting_)) return Step::idle();
    waiting_.reset();
  }
  // Asked before reading: what became durable before upstream was done is still read.
  const bool last_look = upstream_done_();
  const auto batch = reader_->next();
  if (!batch) return std::unexpected(batch.error());
  if (!*batch) {
    if (!last_look) return Step::idle();
    if (store_ != nullptr) store_->close();
    return Step::done();
  }
  TD_TRY(apply(**batch));
  if (live_ != nullptr || store_ != nullptr) {
    BarBatch changed{take_bars(), (*batch)->end()};
    if (live_ != nullptr) live_->publish(changed.rows, changed.applied);
    if (store_ != nullptr && !store_->try_push(changed)) waiting_ = std::move(changed);
  }
  applied_ = (*batch)->end().value;
  return Step::progress();
}

std::vector<market::BarRow> WindowStage::take_bars() {
  std::vector<market::BarRow> rows;
  for (windows::BarBuilder& builder : builders_) {
    for (const windows::BarChange& change : builder.take_changes()) {
      rows.push_back({catalog_.series(change.series).key, builder.spec(), change.bar});
    }
  }
  return rows;
}

Status WindowStage::apply(const market::Batch& batch) {
  for (windows::BarBuilder& builder : builders_) {
    Offset offset = batch.first;
    for (const market::Trade& trade : batch.trades) {
      if (share_.takes(trade.series)) TD_TRY(builder.add(trade, offset));
      ++offset;
    }
    for (const market::FeedMark& mark : batch.marks) {
      builder.add(mark, offset);
      ++offset;
    }
  }
  std::uint64_t late = 0;
  std::uint64_t not_applied = 0;
  for (const windows::BarBuilder& builder : builders_) {
    late += builder.late();
    not_applied += builder.not_applied();
  }
  late_ = late;
  not_applied_ = not_applied;
  return {};
}

}  // namespace tapedeck::pipeline
