// src/base/clock.hpp: the clock as an argument, so that tests can drive time.
#pragma once

#include <atomic>

#include "base/time.hpp"

namespace tapedeck {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;     // wall clock, UTC; may step
  virtual Duration elapsed() const = 0;  // monotonic, from an arbitrary start
};

class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
  Duration elapsed() const override;
};

// Time that moves only when told to. Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start = {}) : now_ns_(start.ns), start_(start) {}
  Timestamp now() const override { return {now_ns_.load()}; }
  Duration elapsed() const override { return now() - start_; }
  void advance(Duration d) { now_ns_ += d.ns; }

 private:
  std::atomic<std::int64_t> now_ns_;
  Timestamp start_;
};

}  // namespace tapedeck
