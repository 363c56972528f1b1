// src/indicators/sma.hpp: simple moving average, the mean of the last `period` closes.
// Formula: (c[0] + ... + c[period - 1]) / period; J. J. Murphy, "Technical Analysis of the
// Financial Markets" (1999), chapter 9. Warm-up: `period` bars. Unit: price. Exact: a sliding sum
// of integers, one rounding at the end.
#pragma once

#include "indicators/formula.hpp"
#include "indicators/price_window.hpp"

namespace tapedeck::indicators {

class Sma final : public Formula {
 public:
  static constexpr std::string_view kUnit = "price";
  static constexpr Parameter kParameters[]{{"period", 1, kPeriodMax, 20}};
  static constexpr std::string_view kOutputs[]{"sma"};
  static std::size_t warm_up(Arguments arguments) { return whole(arguments[0]); }

  explicit Sma(Arguments arguments) : window_(whole(arguments[0])) {}

  std::optional<Values> add(const market::Bar& bar) override;
  void write(SnapshotWriter& out) const override { window_.write(out); }
  void read(SnapshotReader& in) override { window_.read(in); }

 private:
  PriceWindow window_;
};

}  // namespace tapedeck::indicators
