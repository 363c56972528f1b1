#include "indicators/rsi.hpp"

#include <algorithm>
#include <utility>

namespace tapedeck::indicators {

std::optional<Values> Rsi::add(const market::Bar& bar) {
  const auto close = price_units(bar.close);
  if (!close) return std::nullopt;
  const auto before = std::exchange(close_, close);
  if (!before) return Values{};
  const PriceUnits step = *close - *before;
  const auto gain = gain_.add(units_double(std::max<PriceUnits>(step, 0)));
  const auto loss = loss_.add(units_double(std::max<PriceUnits>(-step, 0)));
  if (!gain || !loss || *gain + *loss == 0) return Values{};
  return Values{100.0 * *gain / (*gain + *loss)};
}

void Rsi::write(SnapshotWriter& out) const {
  out.price(close_);
  gain_.write(out);
  loss_.write(out);
}

void Rsi::read(SnapshotReader& in) {
  close_ = in.optional_price();
  gain_.read(in);
  loss_.read(in);
}

}  // namespace tapedeck::indicators
