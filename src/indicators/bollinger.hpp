// src/indicators/bollinger.hpp: Bollinger bands, the mean of the last `period` closes and how far
// they lie around it.
// Formula: middle = sma(period); upper, lower = middle +- width * sigma, sigma the standard
// deviation of those closes as a whole population; J. Bollinger, "Bollinger on Bollinger Bands"
// (2001).
// Warm-up: `period` bars. Unit: price. Sums and squares are exact integers, also when they slide;
// sigma and the two bands are doubles.
#pragma once

#include "indicators/formula.hpp"
#include "indicators/price_window.hpp"

namespace tapedeck::indicators {

class Bollinger final : public Formula {
 public:
  static constexpr std::string_view kUnit = "price";
  static constexpr Parameter kParameters[]{{"period", 1, kPeriodMax, 20},
                                           {"width", 0, 100, 2, false}};
  static constexpr std::string_view kOutputs[]{"middle", "upper", "lower"};
  static std::size_t warm_up(Arguments arguments) { return whole(arguments[0]); }

  explicit Bollinger(Arguments arguments)
      : window_(whole(arguments[0])), width_(price_double(arguments[1])) {}

  std::optional<Values> add(const market::Bar& bar) override;
  void write(SnapshotWriter& out) const override { window_.write(out); }
  void read(SnapshotReader& in) override;

 private:
  PriceWindow window_;
  double width_;
  Wide squares_;  // the sum of those of window_.prices()
};

}  // namespace tapedeck::indicators
