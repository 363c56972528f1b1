// src/market/decimal.hpp: exact decimals, from the venue's text to the store.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/wide.hpp"

namespace tapedeck::market {

inline constexpr int kScaleMax = 18;

// mantissa / 10^scale. Always canonical: no trailing zeros, zero has scale 0; so equal values have
// equal members. Construct through make() or parse_decimal().
struct Decimal {
  std::int64_t mantissa = 0;
  std::uint8_t scale = 0;

  static Decimal make(std::int64_t mantissa, int scale);  // scale in [0, 18]

  constexpr bool operator==(const Decimal&) const = default;
  std::strong_ordering operator<=>(const Decimal& other) const {
    return scale == other.scale ? mantissa <=> other.mantissa : compare_scaled(other);
  }

 private:
  std::strong_ordering compare_scaled(const Decimal& other) const;
};

// Takes what JSON calls a number ("-12.50", "1e-7") and also "+1", ".5" and "5.". Exact, or
// refused: kMalformed for what is no number, kOverflow for one that int64 and 18 digits of scale
// cannot hold.
Result<Decimal> parse_decimal(std::string_view text);

// No exponent, no trailing zeros, no trailing dot: "167.42", "-0.5", "12000".
std::string to_string(const Decimal& value);
// As a double for drawing only. Not exact.
double to_double(const Decimal& value);

// A sum of decimals and of products of two. 128 bits wide, so the order of adding cannot change it.
// Overflow (beyond 1.7e38 units of its scale) sets overflowed(): the value is lost, and it says so.
class DecimalSum {
 public:
  DecimalSum() = default;

  void add(const Decimal& value) { add_scaled(value.mantissa, value.scale); }
  void add_product(const Decimal& a, const Decimal& b) {
    add_scaled(Int128{a.mantissa} * b.mantissa, a.scale + b.scale);
  }
  void add(const DecimalSum& other) {
    add_scaled(other.mantissa_, other.scale_);
    overflowed_ |= other.overflowed_;
  }

  bool overflowed() const { return overflowed_; }
  // The value is mantissa() / 10^scale(), unless it overflowed. Equal sums may differ in both.
  Int128 mantissa() const { return mantissa_; }
  int scale() const { return scale_; }
  std::string to_string() const;  // canonical, as for Decimal; "overflow" where it overflowed
  double to_double() const;       // NaN where it overflowed

  // Equal as numbers. One that overflowed equals any other.
  bool operator==(const DecimalSum& other) const;

 private:
  friend Result<DecimalSum> parse_decimal_sum(std::string_view text);
  void add_scaled(Int128 mantissa, int scale) {
    if (scale != scale_) mantissa = to_one_scale(mantissa, scale);
    overflowed_ |= __builtin_add_overflow(mantissa_, mantissa, &mantissa_);
  }
  // `mantissa` at the finer of both scales, which becomes this sum's.
  Int128 to_one_scale(Int128 mantissa, int scale);

  Int128 mantissa_ = 0;
  int scale_ = 0;  // 0 to 36
  bool overflowed_ = false;
};

// Reads what to_string() wrote. Errors: kMalformed, kOverflow.
Result<DecimalSum> parse_decimal_sum(std::string_view text);

}  // namespace tapedeck::market
