// src/indicators/rsi.hpp: relative strength index, the share of the gains in all moves of the
// close. Formula: 100 * gain / (gain + loss), each a Wilder mean of the steps from close to close,
// which is his 100 - 100 / (1 + gain / loss); J. W. Wilder, "New Concepts in Technical Trading
// Systems" (1978). Warm-up: `period` + 1 bars, for `period` steps. No value while the close has
// never moved: 0 / 0. Unit: 0 to 100. The steps are exact, their means doubles.
#pragma once

#include "indicators/exponential_mean.hpp"
#include "indicators/formula.hpp"

namespace tapedeck::indicators {

class Rsi final : public Formula {
 public:
  static constexpr std::string_view kUnit = "0 to 100";
  static constexpr Parameter kParameters[]{{"period", 1, kPeriodMax, 14}};
  static constexpr std::string_view kOutputs[]{"rsi"};
  static std::size_t warm_up(Arguments arguments) { return whole(arguments[0]) + 1; }

  explicit Rsi(Arguments arguments)
      : gain_(ExponentialMean::of_wilder(whole(arguments[0]))), loss_(gain_) {}

  std::optional<Values> add(const market::Bar& bar) override;
  void write(SnapshotWriter& out) const override;
  void read(SnapshotReader& in) override;

 private:
  std::optional<PriceUnits> close_;
  ExponentialMean gain_, loss_;
};

}  // namespace tapedeck::indicators
