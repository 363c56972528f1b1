#include "indicators/exponential_mean.hpp"

namespace tapedeck::indicators {

ExponentialMean ExponentialMean::of_period(std::size_t period) {
  return {period, 2.0 / (static_cast<double>(period) + 1.0)};
}

ExponentialMean ExponentialMean::of_wilder(std::size_t period) {
  return {period, 1.0 / static_cast<double>(period)};
}

std::optional<double> ExponentialMean::add(double value) {
  if (count_ == period_) {
    mean_ += (value - mean_) * weight_;
    return mean_;
  }
  mean_ += value;
  if (++count_ < period_) return std::nullopt;
  mean_ /= static_cast<double>(period_);
  return mean_;
}

void ExponentialMean::write(SnapshotWriter& out) const {
  out.u32(static_cast<std::uint32_t>(count_));
  out.f64(mean_);
}

void ExponentialMean::read(SnapshotReader& in) {
  count_ = in.u32();
  mean_ = in.f64();
  if (count_ > period_) in.spoil();
}

}  // namespace tapedeck::indicators
