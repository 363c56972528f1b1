// src/market/ratio.hpp: what is derived from exact sums on reading: VWAP, means.
#pragma once

#include <cstdint>
#include <string>

#include "market/decimal.hpp"

namespace tapedeck::market {

// Digits after the point of every ratio that is shown.
inline constexpr int kRatioScale = 9;

// numerator / denominator, exact, rounded half-even at kRatioScale digits and written as a Decimal
// is. Empty where it would divide by zero or a sum overflowed.
std::string ratio_text(const DecimalSum& numerator, const DecimalSum& denominator);
std::string ratio_text(const DecimalSum& numerator, std::uint64_t denominator);

}  // namespace tapedeck::market
