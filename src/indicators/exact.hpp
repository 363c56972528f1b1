// src/indicators/exact.hpp: integers of 256 bits, in which sums and squares of prices are exact and
// so cannot drift, and the one rounding that makes a decimal of their ratio. Thread: any.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>

#include "base/wide.hpp"
#include "market/decimal.hpp"

namespace tapedeck::indicators {

// A price in units of 10^-18, the finest that a Decimal can say.
using PriceUnits = Int128;
inline constexpr Int128 kUnitsPerPrice = 1'000'000'000'000'000'000;
// Prices below 10^15 count. So 10'000 of them, and the squares of as many, can be summed exactly.
inline constexpr PriceUnits kPriceUnitsEnd = kUnitsPerPrice * 1'000'000'000'000'000;

// nullopt where there is no price, or one of 10^15 or more.
std::optional<PriceUnits> price_units(const std::optional<market::Decimal>& price);
// The nearest double, for a mantissa below 2^53. The same on every machine.
double price_double(const market::Decimal& price);
inline double units_double(PriceUnits units) {
  return static_cast<double>(units) / static_cast<double>(kUnitsPerPrice);
}

// Two's complement, 256 bits; arithmetic wraps, so callers bound what they put in.
class Wide {
 public:
  Wide() = default;
  Wide(Int128 value);  // NOLINT(google-explicit-constructor): every integer is one
  static Wide product(Int128 a, Int128 b);

  Wide& operator+=(const Wide& other);
  Wide& operator-=(const Wide& other);
  Wide operator+(const Wide& other) const { return Wide(*this) += other; }
  Wide operator-(const Wide& other) const { return Wide(*this) -= other; }
  Wide operator-() const { return Wide() - *this; }
  Wide times(std::uint64_t factor) const;
  Wide halved() const;  // of one that is not negative

  bool negative() const { return limbs_[3] >> 63 != 0; }
  bool operator==(const Wide&) const = default;
  std::strong_ordering operator<=>(const Wide& other) const;
  double to_double() const;  // within 2^-52 of it, the same on every machine

  static constexpr std::size_t kLimbs = 4;
  const std::array<std::uint64_t, kLimbs>& limbs() const { return limbs_; }  // low ones first
  static Wide from_limbs(const std::array<std::uint64_t, kLimbs>& limbs);

 private:
  std::array<std::uint64_t, kLimbs> limbs_{};
};

// numerator / denominator, rounded half-even to 18 significant digits, of which at most 18 stand
// after the point. nullopt for a ratio of 10^18 or more. denominator > 0; both below 10^75.
std::optional<market::Decimal> rounded_ratio(const Wide& numerator, const Wide& denominator);

}  // namespace tapedeck::indicators
