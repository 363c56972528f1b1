// src/pipeline/driver.hpp: runs stages until all are done, one fails, or it is told to stop. The
// same stages run under both drivers and give the same results.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "pipeline/stage.hpp"

namespace tapedeck::pipeline {

class Driver {
 public:
  virtual ~Driver() = default;
  // Returns when every stage is done (success), one failed (its error), or after stop().
  virtual Status run(const std::vector<Stage*>& stages) = 0;
  // Ends run() early, after the steps under way. Any thread.
  virtual void stop() = 0;
  // Steps idle stages again: something that no stage did has changed. Any thread.
  virtual void wake() = 0;
};

// Steps the stages in turn, in the calling thread. When all are idle it calls `on_idle` with the
// shortest wait: a test advances its clock there, a program sleeps.
class SingleThreadDriver final : public Driver {
 public:
  // False from `on_idle`: give up. All idle without a wait is a deadlock, a bug of ours.
  using OnIdle = std::function<bool(Duration wait)>;
  explicit SingleThreadDriver(OnIdle on_idle) : on_idle_(std::move(on_idle)) {}

  Status run(const std::vector<Stage*>& stages) override;
  void stop() override { stopped_ = true; }
  void wake() override {}  // on_idle is asked each time

 private:
  OnIdle on_idle_;
  std::atomic<bool> stopped_{false};
};

// One thread a stage, named like it. An idle stage sleeps until another makes progress.
class ThreadedDriver final : public Driver {
 public:
  Status run(const std::vector<Stage*>& stages) override;
  void stop() override;
  void wake() override;

 private:
  void run_stage(Stage& stage);

  std::mutex mutex_;
  std::condition_variable progress_made_;
  std::condition_variable stopping_;  // alone wakes who rests
  std::uint64_t progress_ = 0;        // rises with each step that did something
  bool stopped_ = false;
  std::optional<Error> failure_;
};

}  // namespace tapedeck::pipeline
