// src/pipeline/tape_stage.hpp: writes batches to the tape. Commits are self-clocked: while one is
// being made durable, what comes in gathers for the next.
#pragma once

#include "pipeline/feed_stage.hpp"
#include "pipeline/latencies.hpp"
#include "pipeline/stage.hpp"
#include "tape/tape.hpp"

namespace tapedeck::pipeline {

// What to do when the disk is full or fails.
enum class OnFullDisk {
  kStop,  // the pipeline ends with the error: a person waits for the result
  kWait,  // it tries again until there is room, and takes nothing more meanwhile
};

class TapeStage final : public Stage {
 public:
  // At most this many events go into one commit, and wait on the tape to be read.
  static constexpr std::size_t kCommitEventsMax = 65'536;
  static constexpr std::uint64_t kUnreadEventsMax = 1u << 20;
  static constexpr Duration kTryAgainAfter = milliseconds(200);

  // `upstream_done`: nothing more comes into the queue. `unread`: how many durable events the
  // slowest reader has before it; the stage waits for it.
  TapeStage(BatchQueue& in, tape::Tape& tape, std::function<bool()> upstream_done,
            std::function<std::uint64_t()> unread, OnFullDisk on_full_disk,
            Latencies* latencies = nullptr);

  std::string_view name() const override { return "tape"; }
  Result<Step> step() override;
  bool is_done() const { return done_.load(); }  // nothing more will become durable
  // How many batches of the queue are durable. Any thread.
  std::uint64_t committed() const { return committed_.load(); }

 private:
  BatchQueue& in_;
  tape::Tape& tape_;
  std::function<bool()> upstream_done_;
  std::function<std::uint64_t()> unread_;
  const OnFullDisk on_full_disk_;
  Latencies* const latencies_;  // null: nobody asks
  Duration taken_at_{};         // the first batch of the commit under way
  bool uncommitted_ = false;    // the tape holds what is not durable yet
  std::uint64_t taken_ = 0;     // batches
  std::atomic<std::uint64_t> committed_{0};
  std::atomic<bool> done_{false};
};

// Seals, drops and reads back in the background what the tape holds. It never ends a pipeline:
// what goes wrong here is tried again, and shows in the tape's status.
class TapeCareStage final : public Stage {
 public:
  static constexpr Duration kLookEvery = seconds(1);
  static constexpr Duration kRest = milliseconds(50);

  // `keep_from`: see Tape::maintain.
  TapeCareStage(tape::Tape& tape, std::function<bool()> upstream_done,
                std::function<std::vector<Offset>()> keep_from)
      : tape_(tape), upstream_done_(std::move(upstream_done)), keep_from_(std::move(keep_from)) {}

  std::string_view name() const override { return "tape-care"; }
  Result<Step> step() override;

 private:
  tape::Tape& tape_;
  std::function<bool()> upstream_done_;
  std::function<std::vector<Offset>()> keep_from_;
};

}  // namespace tapedeck::pipeline
