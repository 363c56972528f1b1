#include "indicators/exact.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.hpp"
#include "indicators/test_bars.hpp"

namespace tapedeck::indicators {
namespace {

std::string ratio(Int128 numerator, Int128 denominator) {
  const auto value = rounded_ratio(numerator, denominator);
  return value ? market::to_string(*value) : "none";
}

TEST(RoundedRatio, HasEighteenSignificantDigitsRoundedHalfEven) {
  EXPECT_EQ(ratio(0, 7), "0");
  EXPECT_EQ(ratio(1, 3), "0.333333333333333333");
  EXPECT_EQ(ratio(2, 3), "0.666666666666666667");
  EXPECT_EQ(ratio(200, 3), "66.6666666666666667");
  EXPECT_EQ(ratio(-200, 3), "-66.6666666666666667");
  EXPECT_EQ(ratio(1, 8), "0.125");
  EXPECT_EQ(ratio(999'999'999'999'999'999, 1), "999999999999999999");
  // Halves go to the even neighbour, more than halves up.
  const Int128 digits = 100'000'000'000'000'002;
  EXPECT_EQ(ratio(digits * 10 + 5, 10), "100000000000000002");
  EXPECT_EQ(ratio(digits * 10 + 15, 10), "100000000000000004");
  EXPECT_EQ(ratio(-(digits * 10 + 15), 10), "-100000000000000004");
  EXPECT_EQ(ratio(digits * 100 + 51, 100), "100000000000000003");
  // Rounding up may give one digit more.
  EXPECT_EQ(ratio(Int128{999'999'999'999'999'999} * 10 + 5, 10), "1000000000000000000");
  EXPECT_EQ(ratio(kUnitsPerPrice, 1), "none");
  EXPECT_EQ(ratio(1, kUnitsPerPrice * 3), "0");
  EXPECT_EQ(ratio(2, kUnitsPerPrice * 3), "0.000000000000000001");
}

TEST(Wide, ComputesAsSchoolDoes) {
  const Int128 big = kPriceUnitsEnd - 1;
  const Wide square = Wide::product(big, big);
  EXPECT_EQ(square, Wide::product(-big, -big));
  EXPECT_EQ(-square, Wide::product(big, -big));
  EXPECT_TRUE((-square).negative());
  EXPECT_LT(-square, Wide(0));
  EXPECT_LT(Wide(-2), Wide(-1));
  EXPECT_LT(Wide(kPriceUnitsEnd), square);
  EXPECT_EQ(square.times(2).halved(), square);
  EXPECT_EQ(square - square, Wide());
  // (a + b)^2 = a^2 + 2ab + b^2, with carries through every limb.
  Rng rng(1);
  for (int i = 0; i < 1000; ++i) {
    const Int128 a = (Int128{rng.below(~std::uint64_t{0})} << 40) - 17;
    const Int128 b = Int128{rng.below(~std::uint64_t{0})} - (Int128{1} << 63);
    EXPECT_EQ(Wide::product(a + b, a + b),
              Wide::product(a, a) + Wide::product(a, b).times(2) + Wide::product(b, b));
  }
  EXPECT_DOUBLE_EQ(square.to_double(), 1e66);
  EXPECT_DOUBLE_EQ((-square).to_double(), -1e66);
  EXPECT_EQ(Wide(-5).to_double(), -5.0);
}

TEST(PriceUnits, ArePlainAndBounded) {
  EXPECT_EQ(price_units(std::nullopt), std::nullopt);
  EXPECT_EQ(price_units(decimal("0.000000000000000001")), PriceUnits{1});
  EXPECT_EQ(price_units(decimal("-1.5")), -kUnitsPerPrice * 3 / 2);
  EXPECT_EQ(price_units(decimal("999999999999999")), kPriceUnitsEnd - kUnitsPerPrice);
  EXPECT_EQ(price_units(decimal("1000000000000000")), std::nullopt);
  EXPECT_EQ(price_units(decimal("-1000000000000000")), std::nullopt);
  EXPECT_EQ(price_double(decimal("167.42")), 167.42);
  EXPECT_EQ(price_double(decimal("0.00002512")), 0.00002512);
}

}  // namespace
}  // namespace tapedeck::indicators
