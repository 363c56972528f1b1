#include "market/decimal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/check.hpp"

namespace tapedeck::market {
namespace {

constexpr auto kPowersOfTen = [] {
  std::array<Int128, 39> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

Int128 power_of_ten(int n) { return kPowersOfTen.at(static_cast<std::size_t>(n)); }

constexpr std::string_view kOverflowText = "overflow";

// `magnitude` / 10^scale in canonical form. Magnitude: unsigned; 64 bits divide ten times as fast
// as 128, and nearly all sums fit them.
template <class Magnitude>
std::string plain_of(Magnitude magnitude, int scale, bool negative) {
  while (scale > 0 && magnitude % 10 == 0) {
    magnitude /= 10;
    --scale;
  }
  std::array<char, 1 + 39 + 1> text{};  // a sign, the digits of 2^127, a point
  auto at = text.end();
  for (int digits = 0; magnitude != 0 || digits <= scale; ++digits) {
    if (digits == scale && scale > 0) *--at = '.';
    *--at = static_cast<char>('0' + static_cast<int>(magnitude % 10));
    magnitude /= 10;
  }
  if (negative) *--at = '-';
  return {at, text.end()};
}

// `mantissa` / 10^scale in canonical form.
std::string plain(Int128 mantissa, int scale) {
  const bool negative = mantissa < 0;
  UInt128 magnitude = static_cast<UInt128>(mantissa);
  if (negative) magnitude = ~magnitude + 1;
  if (magnitude >> 64 == 0) {
    return plain_of(static_cast<std::uint64_t>(magnitude), scale, negative);
  }
  return plain_of(magnitude, scale, negative);
}

template <class Magnitude>
struct Parsed {
  Magnitude magnitude = 0;
  int scale = 0;
  bool negative = false;
};

std::unexpected<Error> not_a_number(std::string_view text) {
  return fail(ErrorCode::kMalformed,
              fmt::format("'{}' is not a decimal number", text.substr(0, 64)));
}
std::unexpected<Error> does_not_fit(std::string_view text) {
  return fail(ErrorCode::kOverflow,
              fmt::format("'{}' does not fit an exact decimal", text.substr(0, 64)));
}

// Reads a number whose significant digits, without zeros at either end, are at most `digits_max`,
// and whose scale is at most `scale_max`. Magnitude: unsigned, and wide enough for one digit less.
template <class Magnitude>
Result<Parsed<Magnitude>> parse(std::string_view text, int digits_max, int scale_max) {
  const std::string_view all = text;
  Parsed<Magnitude> out;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    out.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  bool any_digit = false;
  bool after_point = false;
  bool too_long = false;
  std::int64_t scale = 0;          // digits after the point that are in `magnitude`
  std::int64_t pending_zeros = 0;  // seen, not yet multiplied in: they may be trailing ones
  int digits = 0;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (after_point) return not_a_number(all);
      after_point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    any_digit = true;
    if (after_point) ++scale;
    if (c == '0') {
      if (digits > 0) ++pending_zeros;
      continue;
    }
    if (digits + pending_zeros + 1 > digits_max) {
      too_long = true;  // keep reading: it may still turn out to be no number at all
      continue;
    }
    const auto shift = static_cast<Magnitude>(power_of_ten(static_cast<int>(pending_zeros) + 1));
    const auto digit = static_cast<Magnitude>(c - '0');
    too_long |= __builtin_mul_overflow(out.magnitude, shift, &out.magnitude);
    too_long |= __builtin_add_overflow(out.magnitude, digit, &out.magnitude);
    digits += static_cast<int>(pending_zeros) + 1;
    pending_zeros = 0;
  }
  if (!any_digit) return not_a_number(all);
  std::int64_t exponent = 0;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    bool exponent_negative = false;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) exponent_negative = text[i++] == '-';
    if (i == text.size()) return not_a_number(all);
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      exponent = std::min<std::int64_t>(exponent * 10 + (text[i] - '0'), 1'000'000);
    }
    if (exponent_negative) exponent = -exponent;
  }
  if (i != text.size()) return not_a_number(all);
  if (too_long) return does_not_fit(all);
  if (out.magnitude == 0) return Parsed<Magnitude>{};  // also "-0" and "0e999"
  scale -= pending_zeros + exponent;
  if (scale < 0) {
    if (digits - scale > digits_max) return does_not_fit(all);
    const auto shift = static_cast<Magnitude>(power_of_ten(static_cast<int>(-scale)));
    if (__builtin_mul_overflow(out.magnitude, shift, &out.magnitude)) return does_not_fit(all);
    scale = 0;
  }
  if (scale > scale_max) return does_not_fit(all);
  out.scale = static_cast<int>(scale);
  return out;
}

}  // namespace

Decimal Decimal::make(std::int64_t mantissa, int scale) {
  TD_CHECK(scale >= 0 && scale <= kScaleMax);
  while (scale > 0 && mantissa % 10 == 0) {
    mantissa /= 10;
    --scale;
  }
  return {mantissa, static_cast<std::uint8_t>(scale)};
}

std::strong_ordering Decimal::compare_scaled(const Decimal& other) const {
  const int common = std::max(scale, other.scale);
  const Int128 a = Int128{mantissa} * power_of_ten(common - scale);
  const Int128 b = Int128{other.mantissa} * power_of_ten(common - other.scale);
  return a < b ? std::strong_ordering::less
               : (a > b ? std::strong_ordering::greater : std::strong_ordering::equal);
}

Result<Decimal> parse_decimal(std::string_view text) {
  auto parsed = parse<std::uint64_t>(text, 19, kScaleMax);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  constexpr std::uint64_t kLimit = std::numeric_limits<std::int64_t>::max();
  if (parsed->magnitude > kLimit) return does_not_fit(text);
  const auto magnitude = static_cast<std::int64_t>(parsed->magnitude);
  return Decimal::make(parsed->negative ? -magnitude : magnitude, parsed->scale);
}

std::string to_string(const Decimal& value) { return plain(value.mantissa, value.scale); }

double to_double(const Decimal& value) {
  return static_cast<double>(value.mantissa) / std::pow(10.0, value.scale);
}

Int128 DecimalSum::to_one_scale(Int128 mantissa, int scale) {
  Int128& coarser = scale > scale_ ? mantissa_ : mantissa;
  if (coarser != 0) {
    const Int128 power = power_of_ten(std::abs(scale - scale_));
    overflowed_ |= __builtin_mul_overflow(coarser, power, &coarser);
  }
  scale_ = std::max(scale, scale_);
  return mantissa;
}

std::string DecimalSum::to_string() const {
  return overflowed_ ? std::string(kOverflowText) : plain(mantissa_, scale_);
}

double DecimalSum::to_double() const {
  if (overflowed_) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(mantissa_) / std::pow(10.0, scale_);
}

bool DecimalSum::operator==(const DecimalSum& other) const {
  return to_string() == other.to_string();
}

Result<DecimalSum> parse_decimal_sum(std::string_view text) {
  DecimalSum sum;
  if (text == kOverflowText) {
    sum.overflowed_ = true;
    return sum;
  }
  auto parsed = parse<UInt128>(text, 39, 36);  // 2^127 has 39 digits
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  if (parsed->magnitude >> 127 != 0) return does_not_fit(text);
  sum.mantissa_ = static_cast<Int128>(parsed->magnitude);
  if (parsed->negative) sum.mantissa_ = -sum.mantissa_;
  sum.scale_ = parsed->scale;
  return sum;
}

}  // namespace tapedeck::market
