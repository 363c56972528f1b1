// src/indicators/macd.hpp: moving average convergence/divergence.
// Formula: macd = ema(fast) - ema(slow) of the closes, each begun as ema.hpp says; signal = the
// same mean of macd; histogram = macd - signal; G. Appel, "The Moving Average
// Convergence-Divergence Trading Method" (1979), the histogram by T. Aspray (1986). Warm-up: macd
// `slow` bars; signal and histogram `slow` + `signal` - 1. Unit: price difference. Doubles.
#pragma once

#include "indicators/exponential_mean.hpp"
#include "indicators/formula.hpp"

namespace tapedeck::indicators {

class Macd final : public Formula {
 public:
  static constexpr std::string_view kUnit = "price difference";
  static constexpr Parameter kParameters[]{
      {"fast", 1, kPeriodMax, 12}, {"slow", 1, kPeriodMax, 26}, {"signal", 1, kPeriodMax, 9}};
  static constexpr std::string_view kOutputs[]{"macd", "signal", "histogram"};
  static Status check(Arguments arguments);
  static std::size_t warm_up(Arguments arguments) {
    return whole(arguments[1]) + whole(arguments[2]) - 1;
  }

  explicit Macd(Arguments arguments)
      : fast_(ExponentialMean::of_period(whole(arguments[0]))),
        slow_(ExponentialMean::of_period(whole(arguments[1]))),
        signal_(ExponentialMean::of_period(whole(arguments[2]))) {}

  std::optional<Values> add(const market::Bar& bar) override;
  void write(SnapshotWriter& out) const override;
  void read(SnapshotReader& in) override;

 private:
  ExponentialMean fast_, slow_, signal_;
};

}  // namespace tapedeck::indicators
