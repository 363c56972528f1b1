#include "market/ratio.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace tapedeck::market {
namespace {

UInt128 magnitude(Int128 value) {
  return value < 0 ? -static_cast<UInt128>(value) : static_cast<UInt128>(value);
}

// As quotient_text(), where what is divided fits 128 bits and the digits 63, as they nearly always
// do.
std::optional<std::string> short_quotient_text(UInt128 numerator, UInt128 denominator, int shift,
                                               bool negative) {
  for (; shift < kRatioScale; ++shift) {
    if (__builtin_mul_overflow(numerator, UInt128{10}, &numerator)) return {};
  }
  for (; shift > kRatioScale; --shift) {
    if (__builtin_mul_overflow(denominator, UInt128{10}, &denominator)) return {};
  }
  UInt128 quotient = 0;
  UInt128 rest = 0;
  if ((numerator | denominator) >> 64 == 0) {  // divides ten times as fast
    quotient = static_cast<std::uint64_t>(numerator) / static_cast<std::uint64_t>(denominator);
    rest = static_cast<std::uint64_t>(numerator) % static_cast<std::uint64_t>(denominator);
  } else {
    quotient = numerator / denominator;
    rest = numerator - quotient * denominator;
  }
  const UInt128 missing = denominator - rest;
  if (rest > missing || (rest == missing && quotient % 2 != 0)) ++quotient;
  if (quotient > UInt128{std::numeric_limits<std::int64_t>::max()}) return {};
  const auto mantissa = static_cast<std::int64_t>(quotient);
  return to_string(Decimal::make(negative ? -mantissa : mantissa, kRatioScale));
}

// Long division: numerator / denominator x 10^-shift, to kRatioScale digits. Digits are texts, as
// the product of a sum and a power of ten need not fit 128 bits.
std::string quotient_text(UInt128 numerator, UInt128 denominator, int shift, bool negative) {
  if (denominator == 0) return {};
  if (auto text = short_quotient_text(numerator, denominator, shift, negative)) return *text;
  std::string digits;
  for (UInt128 whole = numerator / denominator; whole != 0; whole /= 10) {
    digits += static_cast<char>('0' + static_cast<int>(whole % 10));
  }
  std::ranges::reverse(digits);
  UInt128 rest = numerator % denominator;
  int fraction = 0;  // of `digits` stand behind the point
  for (; fraction < kRatioScale - shift; ++fraction) {
    int digit = 0;
    UInt128 ten_times = 0;  // modulo the denominator, which is at most 2^127: no sum overflows
    for (int i = 0; i < 10; ++i) {
      ten_times += rest;
      if (ten_times >= denominator) {
        ten_times -= denominator;
        ++digit;
      }
    }
    rest = ten_times;
    digits += static_cast<char>('0' + digit);
  }
  fraction += shift;  // at least kRatioScale now
  const auto dropped = static_cast<std::size_t>(fraction - kRatioScale);
  if (digits.size() < dropped + kRatioScale + 1) {
    digits.insert(0, dropped + kRatioScale + 1 - digits.size(), '0');
  }
  // The rest of the division may be half a digit, or more, or less; so may what is dropped.
  std::string tail = digits.substr(digits.size() - dropped);
  digits.resize(digits.size() - dropped);
  int half = 0;  // what is cut off against half a unit: -1 less, 0 equal, 1 more
  if (dropped == 0) {
    const UInt128 doubled = rest + rest;
    half = doubled > denominator ? 1 : doubled == denominator ? 0 : -1;
  } else {
    std::string middle = "5";
    middle.resize(dropped, '0');
    half = tail > middle ? 1 : tail < middle ? -1 : rest != 0 ? 1 : 0;
  }
  if (half > 0 || (half == 0 && (digits.back() - '0') % 2 != 0)) {
    auto at = digits.rbegin();
    for (; at != digits.rend() && *at == '9'; ++at) *at = '0';
    if (at == digits.rend()) {
      digits.insert(0, 1, '1');
    } else {
      ++*at;
    }
  }
  // A denominator of the greater scale makes zeros in front of a small quotient.
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - kRatioScale - 1));
  std::string text = digits.substr(0, digits.size() - kRatioScale) + "." +
                     digits.substr(digits.size() - kRatioScale);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return negative && text != "0" ? "-" + text : text;
}

}  // namespace

std::string ratio_text(const DecimalSum& numerator, const DecimalSum& denominator) {
  if (numerator.overflowed() || denominator.overflowed()) return {};
  return quotient_text(magnitude(numerator.mantissa()), magnitude(denominator.mantissa()),
                       numerator.scale() - denominator.scale(),
                       (numerator.mantissa() < 0) != (denominator.mantissa() < 0));
}

std::string ratio_text(const DecimalSum& numerator, std::uint64_t denominator) {
  if (numerator.overflowed()) return {};
  return quotient_text(magnitude(numerator.mantissa()), denominator, numerator.scale(),
                       numerator.mantissa() < 0);
}

}  // namespace tapedeck::market
