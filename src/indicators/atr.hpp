// src/indicators/atr.hpp: average true range, how far the price goes in a bar, gaps included.
// Formula: the Wilder mean of the true range, the greatest of high - low, |high - last close| and
// |low - last close|; J. W. Wilder, "New Concepts in Technical Trading Systems" (1978).
// Warm-up: `period` + 1 bars, for the first has no last close. Unit: price difference. The ranges
// are exact, their mean a double. A bar counts if it has high, low and close.
#pragma once

#include "indicators/exponential_mean.hpp"
#include "indicators/formula.hpp"

namespace tapedeck::indicators {

class Atr final : public Formula {
 public:
  static constexpr std::string_view kUnit = "price difference";
  static constexpr Parameter kParameters[]{{"period", 1, kPeriodMax, 14}};
  static constexpr std::string_view kOutputs[]{"atr"};
  static std::size_t warm_up(Arguments arguments) { return whole(arguments[0]) + 1; }

  explicit Atr(Arguments arguments) : mean_(ExponentialMean::of_wilder(whole(arguments[0]))) {}

  std::optional<Values> add(const market::Bar& bar) override;
  void write(SnapshotWriter& out) const override;
  void read(SnapshotReader& in) override;

 private:
  std::optional<PriceUnits> close_;
  ExponentialMean mean_;
};

}  // namespace tapedeck::indicators
