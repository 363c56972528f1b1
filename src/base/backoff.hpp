// src/base/backoff.hpp: how long to wait before connecting again: exponential with full jitter, so
// that many that lost the same venue do not come back at the same moment. A value: it neither
// sleeps nor reads a clock.
#pragma once

#include <algorithm>

#include "base/rng.hpp"
#include "base/time.hpp"

namespace tapedeck {

class Backoff {
 public:
  struct Options {
    Duration least = milliseconds(100);  // never sooner: full jitter alone would allow 0
    Duration first = seconds(1);         // upper bound of the first wait; doubled by each failure
    Duration cap = minutes(1);           // upper bound of all waits
    Duration stable = minutes(1);        // a connection that held so long starts afresh
  };
  Backoff(const Options& options, std::uint64_t seed) : options_(options), rng_(seed) {}

  // A connection or an attempt ended, having been open for `open_for` (0: it never was). Returns
  // the wait before the next attempt, uniform in [least, bound).
  Duration next_wait(Duration open_for) {
    if (open_for > Duration{} && open_for >= options_.stable) bound_ = Duration{};
    bound_ = bound_ == Duration{} ? options_.first : doubled(bound_);
    bound_ = std::min(bound_, options_.cap);
    const std::int64_t width = bound_.ns - options_.least.ns;
    if (width <= 0) return options_.least;
    return options_.least +
           nanoseconds(static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(width))));
  }

 private:
  Duration doubled(Duration d) const { return d.ns > options_.cap.ns / 2 ? options_.cap : d * 2; }

  Options options_;
  Rng rng_;
  Duration bound_{};  // of the last wait; 0: there was none since the last stable connection
};

}  // namespace tapedeck
