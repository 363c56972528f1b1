#include "indicators/ema.hpp"

namespace tapedeck::indicators {

std::optional<Values> Ema::add(const market::Bar& bar) {
  if (!price_units(bar.close)) return std::nullopt;
  return Values{mean_.add(price_double(*bar.close))};
}

}  // namespace tapedeck::indicators
