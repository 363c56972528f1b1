// src/pipeline/tape_stage.hpp: writes batches to the tape. Commits are self-clocked: while one is
// being made durable, what comes in gathers for the next.
#pragma once

#include "pipeline/feed_stage.hpp"
#include "pipeline/stage.hpp"
#include "tape/tape.hpp"

namespace tapedeck::pipeline {

class TapeStage final : public Stage {
 public:
  // At most this many events go into one commit, and wait on the tape to be read.
  static constexpr std::size_t kCommitEventsMax = 65'536;
  static constexpr std::uint64_t kUnreadEventsMax = 1u << 20;

  // `applied`: offset up to which the slowest reader is; the stage waits for it.
  TapeStage(BatchQueue& in, tape::Tape& tape, std::function<Offset()> applied);

  std::string_view name() const override { return "tape"; }
  Result<Step> step() override;
  bool is_done() const { return done_.load(); }  // nothing more will become durable

 private:
  BatchQueue& in_;
  tape::Tape& tape_;
  std::function<Offset()> applied_;
  std::atomic<bool> done_{false};
};

}  // namespace tapedeck::pipeline
