// src/indicators/vwap.hpp: volume-weighted average price since the anchor.
// Formula: sum of price x size / sum of size, over the trades that update volume, not over typical
// prices of bars; S. A. Berkowitz, D. E. Logue, E. A. Noser, "The Total Cost of Transactions on the
// NYSE", Journal of Finance 43 (1988).
// Warm-up: the first bar with volume. Unit: price. Exact: sums of integers, one rounding at the
// end. It reads no candle: a bar that has volume alone counts, one without volume leaves the value
// as it is. A bar of which a sum overflowed, is negative, or is 10^27 or more does not count.
#pragma once

#include "indicators/formula.hpp"

namespace tapedeck::indicators {

class Vwap final : public Formula {
 public:
  static constexpr std::string_view kUnit = "price";
  static constexpr std::span<const Parameter> kParameters{};
  static constexpr std::string_view kOutputs[]{"vwap"};
  static std::size_t warm_up(Arguments) { return 1; }

  explicit Vwap(Arguments) {}

  std::optional<Values> add(const market::Bar& bar) override;
  void write(SnapshotWriter& out) const override;
  void read(SnapshotReader& in) override;

 private:
  // In units of 10^-36, the finest that a DecimalSum can say.
  Wide notional_, volume_;
};

}  // namespace tapedeck::indicators
