#include "pipeline/tape_stage.hpp"

namespace tapedeck::pipeline {

TapeStage::TapeStage(BatchQueue& in, tape::Tape& tape, std::function<Offset()> applied)
    : in_(in), tape_(tape), applied_(std::move(applied)) {}

Result<Step> TapeStage::step() {
  const Offset end = tape_.durable_end();
  if (end - std::min(end, applied_()) > kUnreadEventsMax) return Step::idle();
  std::size_t events = 0;
  while (events < kCommitEventsMax) {
    const auto batch = in_.try_pop();
    if (!batch) break;
    events += batch->size();
    const auto appended = tape_.append(*batch);
    if (!appended) return std::unexpected(appended.error());
  }
  if (events > 0) {
    const auto committed = tape_.commit();
    if (!committed) return std::unexpected(committed.error());
    return Step::progress();
  }
  if (!in_.drained()) return Step::idle();
  done_ = true;
  return Step::done();
}

}  // namespace tapedeck::pipeline
