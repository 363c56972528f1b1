#include "indicators/exact.hpp"

#include "base/check.hpp"

namespace tapedeck::indicators {
namespace {

constexpr auto kPowersOfTen = [] {
  std::array<std::int64_t, market::kScaleMax + 1> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

constexpr std::uint64_t kSignificantEnd = 1'000'000'000'000'000'000;  // 18 digits

}  // namespace

std::optional<PriceUnits> price_units(const std::optional<market::Decimal>& price) {
  if (!price) return std::nullopt;
  const int shift = market::kScaleMax - price->scale;
  const PriceUnits units =
      PriceUnits{price->mantissa} * kPowersOfTen.at(static_cast<std::size_t>(shift));
  if (units >= kPriceUnitsEnd || units <= -kPriceUnitsEnd) return std::nullopt;
  return units;
}

double price_double(const market::Decimal& price) {
  return static_cast<double>(price.mantissa) / static_cast<double>(kPowersOfTen.at(price.scale));
}

Wide::Wide(Int128 value) {
  const auto bits = static_cast<UInt128>(value);
  limbs_[0] = static_cast<std::uint64_t>(bits);
  limbs_[1] = static_cast<std::uint64_t>(bits >> 64);
  limbs_[2] = limbs_[3] = value < 0 ? ~std::uint64_t{0} : 0;
}

Wide Wide::product(Int128 a, Int128 b) {
  const auto magnitude = [](Int128 value) {
    const auto bits = static_cast<UInt128>(value);
    return value < 0 ? ~bits + 1 : bits;
  };
  const UInt128 left = magnitude(a);
  Wide low, high;
  low.limbs_[0] = high.limbs_[1] = static_cast<std::uint64_t>(left);
  low.limbs_[1] = high.limbs_[2] = static_cast<std::uint64_t>(left >> 64);
  const UInt128 right = magnitude(b);
  const Wide sum = low.times(static_cast<std::uint64_t>(right)) +
                   high.times(static_cast<std::uint64_t>(right >> 64));
  return (a < 0) == (b < 0) ? sum : -sum;
}

Wide& Wide::operator+=(const Wide& other) {
  UInt128 carry = 0;
  for (std::size_t i = 0; i < kLimbs; ++i) {
    carry += UInt128{limbs_[i]} + other.limbs_[i];
    limbs_[i] = static_cast<std::uint64_t>(carry);
    carry >>= 64;
  }
  return *this;
}

Wide& Wide::operator-=(const Wide& other) {
  UInt128 borrow = 0;
  for (std::size_t i = 0; i < kLimbs; ++i) {
    const UInt128 rest = UInt128{limbs_[i]} - other.limbs_[i] - borrow;
    limbs_[i] = static_cast<std::uint64_t>(rest);
    borrow = (rest >> 64) & 1;
  }
  return *this;
}

Wide Wide::times(std::uint64_t factor) const {
  Wide out;
  UInt128 carry = 0;
  for (std::size_t i = 0; i < kLimbs; ++i) {
    carry += UInt128{limbs_[i]} * factor;
    out.limbs_[i] = static_cast<std::uint64_t>(carry);
    carry >>= 64;
  }
  return out;
}

Wide Wide::halved() const {
  Wide out;
  for (std::size_t i = 0; i < kLimbs; ++i) {
    out.limbs_[i] = limbs_[i] >> 1 | (i + 1 < kLimbs ? limbs_[i + 1] << 63 : 0);
  }
  return out;
}

std::strong_ordering Wide::operator<=>(const Wide& other) const {
  if (negative() != other.negative()) {
    return negative() ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  for (std::size_t i = kLimbs; i-- > 0;) {
    if (limbs_[i] != other.limbs_[i]) return limbs_[i] <=> other.limbs_[i];
  }
  return std::strong_ordering::equal;
}

double Wide::to_double() const {
  if (negative()) return -(-*this).to_double();
  const UInt128 high = UInt128{limbs_[3]} << 64 | limbs_[2];
  const UInt128 low = UInt128{limbs_[1]} << 64 | limbs_[0];
  return static_cast<double>(high) * 0x1p128 + static_cast<double>(low);
}

Wide Wide::from_limbs(const std::array<std::uint64_t, kLimbs>& limbs) {
  Wide out;
  out.limbs_ = limbs;
  return out;
}

std::optional<market::Decimal> rounded_ratio(const Wide& numerator, const Wide& denominator) {
  TD_CHECK(denominator > Wide(0));
  const bool negative = numerator.negative();
  Wide rest = negative ? -numerator : numerator;

  // The integer part, by long division in base two.
  constexpr int kShiftEnd = 60;  // 10^18 < 2^60
  Wide step = denominator;
  int shift = 0;
  while (step.times(2) <= rest) {
    step = step.times(2);
    if (++shift == kShiftEnd) return std::nullopt;
  }
  std::uint64_t digits = 0;
  for (; shift >= 0; --shift, step = step.halved()) {
    if (rest < step) continue;
    rest -= step;
    digits |= std::uint64_t{1} << shift;
  }
  if (digits >= kSignificantEnd) return std::nullopt;

  // Then a decimal digit at a time.
  int scale = 0;
  for (; scale < market::kScaleMax && digits < kSignificantEnd / 10; ++scale) {
    rest = rest.times(10);
    digits *= 10;
    for (; rest >= denominator; rest -= denominator) ++digits;
  }
  const auto half = rest.times(2) <=> denominator;
  if (half > 0 || (half == 0 && digits % 2 == 1)) ++digits;
  const auto mantissa = static_cast<std::int64_t>(digits);
  return market::Decimal::make(negative ? -mantissa : mantissa, scale);
}

}  // namespace tapedeck::indicators
