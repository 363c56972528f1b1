// src/indicators/ema.hpp: exponential moving average of the closes.
// Formula: ema += (close - ema) * 2 / (period + 1); S. W. Roberts, "Control Chart Tests Based on
// Geometric Moving Averages", Technometrics 1 (1959), with the weight that is usual for prices.
// Warm-up: `period` bars; the first value is their plain mean. Unit: price. Doubles.
#pragma once

#include "indicators/exponential_mean.hpp"
#include "indicators/formula.hpp"

namespace tapedeck::indicators {

class Ema final : public Formula {
 public:
  static constexpr std::string_view kUnit = "price";
  static constexpr Parameter kParameters[]{{"period", 1, kPeriodMax, 20}};
  static constexpr std::string_view kOutputs[]{"ema"};
  static std::size_t warm_up(Arguments arguments) { return whole(arguments[0]); }

  explicit Ema(Arguments arguments) : mean_(ExponentialMean::of_period(whole(arguments[0]))) {}

  std::optional<Values> add(const market::Bar& bar) override;
  void write(SnapshotWriter& out) const override { mean_.write(out); }
  void read(SnapshotReader& in) override { mean_.read(in); }

 private:
  ExponentialMean mean_;
};

}  // namespace tapedeck::indicators
