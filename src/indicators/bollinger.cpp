#include "indicators/bollinger.hpp"

#include <cmath>

namespace tapedeck::indicators {

std::optional<Values> Bollinger::add(const market::Bar& bar) {
  const auto close = price_units(bar.close);
  if (!close) return std::nullopt;
  squares_ += Wide::product(*close, *close);
  if (const auto left = window_.add(*close)) squares_ -= Wide::product(*left, *left);
  const auto middle = window_.mean();
  if (!middle) return Values{};
  // n^2 times the variance = n * (sum of squares) - (sum)^2: no rounding, and so never negative.
  const std::size_t n = window_.prices().size();
  const Wide spread = squares_.times(n) - Wide::product(window_.sum(), window_.sum());
  const double divisor = static_cast<double>(n) * static_cast<double>(kUnitsPerPrice);
  const double distance = width_ * (std::sqrt(spread.to_double()) / divisor);
  const double mean = static_cast<double>(window_.sum()) / divisor;
  return Values{*middle, mean + distance, mean - distance};
}

void Bollinger::read(SnapshotReader& in) {
  window_.read(in);
  for (const PriceUnits price : window_.prices()) squares_ += Wide::product(price, price);
}

}  // namespace tapedeck::indicators
