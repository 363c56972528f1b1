// src/indicators/exponential_mean.hpp: a mean in which older values fade. It begins with the plain
// mean of the first `period` values; from then on mean += (value - mean) * weight. In doubles, one
// operation after the other: nothing is ever taken away again, so rounding errors fade as well.
// Thread: one.
#pragma once

#include <cstddef>
#include <optional>

#include "indicators/snapshot.hpp"

namespace tapedeck::indicators {

class ExponentialMean {
 public:
  static ExponentialMean of_period(std::size_t period);  // weight 2 / (period + 1)
  static ExponentialMean of_wilder(std::size_t period);  // weight 1 / period

  std::optional<double> add(double value);  // nullopt for the first period - 1
  void write(SnapshotWriter& out) const;
  void read(SnapshotReader& in);

 private:
  ExponentialMean(std::size_t period, double weight) : period_(period), weight_(weight) {}

  std::size_t period_;
  double weight_;
  std::size_t count_ = 0;  // up to period_
  double mean_ = 0;        // while count_ < period_: the sum
};

}  // namespace tapedeck::indicators
