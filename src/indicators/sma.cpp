#include "indicators/sma.hpp"

namespace tapedeck::indicators {

std::optional<Values> Sma::add(const market::Bar& bar) {
  const auto close = price_units(bar.close);
  if (!close) return std::nullopt;
  window_.add(*close);
  return Values{window_.mean()};
}

}  // namespace tapedeck::indicators
