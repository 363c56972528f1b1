#include "indicators/atr.hpp"

#include <algorithm>
#include <utility>

namespace tapedeck::indicators {

std::optional<Values> Atr::add(const market::Bar& bar) {
  const auto high = price_units(bar.high);
  const auto low = price_units(bar.low);
  const auto close = price_units(bar.close);
  if (!high || !low || !close) return std::nullopt;
  const auto before = std::exchange(close_, close);
  if (!before) return Values{};
  // As if the last close were a trade of this bar.
  const PriceUnits range = std::max(*high, *before) - std::min(*low, *before);
  return Values{mean_.add(units_double(range))};
}

void Atr::write(SnapshotWriter& out) const {
  out.price(close_);
  mean_.write(out);
}

void Atr::read(SnapshotReader& in) {
  close_ = in.optional_price();
  mean_.read(in);
}

}  // namespace tapedeck::indicators
