// src/pipeline/stage.hpp: one stage of the way of the data, as a step function without threads. A
// driver calls the steps: one thread for all of them in tests, one thread each in a running
// program.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace tapedeck::pipeline {

struct Step {
  enum class Kind {
    kProgress,  // something was done: step again
    kIdle,      // nothing to do until another stage makes progress, or `wait` has passed
    kDone,      // nothing will ever be to do again; not stepped any more
  };
  Kind kind = Kind::kProgress;
  // kIdle only.
  std::optional<Duration> wait{};
  Duration rest{};  // before that no other stage's progress wakes it: it need not see each

  static Step progress() { return {Kind::kProgress}; }
  static Step idle() { return {Kind::kIdle}; }
  static Step idle_for(Duration wait) { return {Kind::kIdle, wait}; }
  Step after(Duration at_least) const { return {kind, wait, at_least}; }
  static Step done() { return {Kind::kDone}; }
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual std::string_view name() const = 0;  // at most 15 characters: the name of its thread
  // Does a bounded piece of work and never blocks on another stage. An error ends the pipeline.
  virtual Result<Step> step() = 0;
};

}  // namespace tapedeck::pipeline
