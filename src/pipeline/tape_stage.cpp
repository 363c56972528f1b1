#include "pipeline/tape_stage.hpp"

namespace tapedeck::pipeline {

TapeStage::TapeStage(BatchQueue& in, tape::Tape& tape, std::function<bool()> upstream_done,
                     std::function<std::uint64_t()> unread, OnFullDisk on_full_disk,
                     Latencies* latencies)
    : in_(in),
      tape_(tape),
      upstream_done_(std::move(upstream_done)),
      unread_(std::move(unread)),
      on_full_disk_(on_full_disk),
      latencies_(latencies) {}

Result<Step> TapeStage::step() {
  // Asked before looking: what was put in before upstream was done is still taken.
  const bool last_look = upstream_done_();
  if (unread_() > kUnreadEventsMax) return Step::idle();
  for (std::size_t events = 0; !uncommitted_ && events < kCommitEventsMax;) {
    auto batch = in_.try_pop();
    if (!batch) {
      uncommitted_ = events > 0;
      break;
    }
    if (events == 0 && latencies_ != nullptr) taken_at_ = latencies_->now();
    events += batch->size();
    ++taken_;
    TD_TRY(tape_.append(*std::move(batch)));
    uncommitted_ = events >= kCommitEventsMax;
  }
  if (uncommitted_) {
    if (Status committed = tape_.commit(); !committed) {
      const ErrorCode code = committed.error().code;
      const bool may_pass = code == ErrorCode::kNoSpace || code == ErrorCode::kIo;
      if (on_full_disk_ == OnFullDisk::kWait && may_pass) return Step::idle_for(kTryAgainAfter);
      return std::unexpected(std::move(committed.error()));
    }
    uncommitted_ = false;
    committed_ = taken_;
    if (latencies_ != nullptr) latencies_->durable(taken_at_, tape_);
    return Step::progress();
  }
  if (!last_look) return Step::idle();
  done_ = true;
  return Step::done();
}

Result<Step> TapeCareStage::step() {
  if (upstream_done_()) return Step::done();
  const auto more = tape_.maintain(keep_from_());
  return more && *more ? Step::progress() : Step::idle_for(kLookEvery).after(kRest);
}

}  // namespace tapedeck::pipeline
