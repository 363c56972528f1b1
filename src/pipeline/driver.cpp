#include "pipeline/driver.hpp"

#include <pthread.h>

#include <algorithm>
#include <string>

#include "base/check.hpp"

namespace tapedeck::pipeline {

Status SingleThreadDriver::run(const std::vector<Stage*>& stages) {
  std::vector<Stage*> running = stages;
  while (!running.empty() && !stopped_) {
    bool progress = false;
    std::optional<Duration> wait;
    for (std::size_t i = 0; i < running.size();) {
      auto step = running[i]->step();
      if (!step) return std::unexpected(std::move(step.error()));
      progress |= step->kind != Step::Kind::kIdle;
      if (step->kind == Step::Kind::kIdle && step->wait) {
        wait = wait ? std::min(*wait, *step->wait) : *step->wait;
      }
      if (step->kind == Step::Kind::kDone) {
        running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
    if (progress || running.empty()) continue;
    TD_CHECK(wait.has_value());
    if (!on_idle_(*wait)) break;
  }
  return {};
}

Status ThreadedDriver::run(const std::vector<Stage*>& stages) {
  {
    std::vector<std::jthread> threads;
    threads.reserve(stages.size());
    for (Stage* stage : stages) {
      threads.emplace_back([this, stage] { run_stage(*stage); });
    }
  }
  std::lock_guard lock(mutex_);
  if (failure_) return std::unexpected(*failure_);
  return {};
}

void ThreadedDriver::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  progress_made_.notify_all();
  stopping_.notify_all();
}

void ThreadedDriver::wake() {
  std::lock_guard lock(mutex_);
  ++progress_;
  progress_made_.notify_all();
}

void ThreadedDriver::run_stage(Stage& stage) {
  pthread_setname_np(pthread_self(), std::string(stage.name()).c_str());
  while (true) {
    std::uint64_t seen = 0;
    {
      std::lock_guard lock(mutex_);
      if (stopped_) return;
      seen = progress_;
    }
    auto step = stage.step();
    std::unique_lock lock(mutex_);
    if (!step) {
      if (!failure_) failure_ = std::move(step.error());
      stopped_ = true;
      progress_made_.notify_all();
      stopping_.notify_all();
      return;
    }
    if (step->kind == Step::Kind::kIdle) {
      // Progress that another stage made since `seen` was read may be what this one waits for.
      const auto woken = [&] { return stopped_ || progress_ != seen; };
      if (step->rest.ns > 0) {
        stopping_.wait_for(lock, std::chrono::nanoseconds(step->rest.ns), [&] { return stopped_; });
      }
      if (step->wait) {
        progress_made_.wait_for(lock, std::chrono::nanoseconds((*step->wait - step->rest).ns),
                                woken);
      } else {
        progress_made_.wait(lock, woken);
      }
      continue;
    }
    ++progress_;
    progress_made_.notify_all();
    if (step->kind == Step::Kind::kDone) return;
  }
}

}  // namespace tapedeck::pipeline
