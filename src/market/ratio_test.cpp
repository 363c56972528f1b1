#include "market/ratio.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "base/rng.hpp"

namespace tapedeck::market {
namespace {

DecimalSum sum(const char* text) { return parse_decimal_sum(text).value(); }

TEST(Ratio, IsRoundedHalfToEvenAtNineDigits) {
  EXPECT_EQ(ratio_text(sum("10"), sum("4")), "2.5");
  EXPECT_EQ(ratio_text(sum("2"), sum("3")), "0.666666667");
  EXPECT_EQ(ratio_text(sum("1"), std::uint64_t{3}), "0.333333333");
  EXPECT_EQ(ratio_text(sum("0.0000000005"), std::uint64_t{1}), "0");
  EXPECT_EQ(ratio_text(sum("0.0000000015"), std::uint64_t{1}), "0.000000002");
  EXPECT_EQ(ratio_text(sum("0.00000000050000000001"), std::uint64_t{1}), "0.000000001");
  EXPECT_EQ(ratio_text(sum("-2"), sum("3")), "-0.666666667");
  EXPECT_EQ(ratio_text(sum("-0.0000000001"), std::uint64_t{1}), "0");
  EXPECT_EQ(ratio_text(sum("0"), sum("7")), "0");
}

// Multiplied by this, both sides are beyond what can be divided the short way.
TEST(Ratio, IsTheSameTheShortWayAndTheLong) {
  constexpr std::int64_t kFactor = (std::int64_t{1} << 62) + 1;
  Rng rng(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto n = static_cast<std::int64_t>((std::uint64_t{1} << 40) + rng.below(1ull << 59));
    const auto d = static_cast<std::int64_t>(1 + rng.below(1ull << (1 + rng.below(59))));
    const Decimal numerator = Decimal::make(i % 2 == 0 ? n : -n, static_cast<int>(rng.below(13)));
    const Decimal denominator = Decimal::make(d, static_cast<int>(rng.below(13)));
    DecimalSum a, b, a_long, b_long;
    a.add(numerator);
    b.add(denominator);
    a_long.add_product(numerator, Decimal::make(kFactor, 0));
    b_long.add_product(denominator, Decimal::make(kFactor, 0));
    ASSERT_EQ(ratio_text(a, b), ratio_text(a_long, b_long))
        << to_string(numerator) << " / " << to_string(denominator);
  }
}

TEST(Ratio, ScalesDoNotMatterNorDoesSize) {
  EXPECT_EQ(ratio_text(sum("1"), sum("1.25")), "0.8");
  EXPECT_EQ(ratio_text(sum("0.000000000000000001"), sum("0.000000000000000002")), "0.5");
  EXPECT_EQ(ratio_text(sum("170141183460469231731687303715884105727"), std::uint64_t{1}),
            "170141183460469231731687303715884105727");
  EXPECT_EQ(ratio_text(sum("1"), std::numeric_limits<std::uint64_t>::max()), "0");
}

TEST(Ratio, IsEmptyWhereThereIsNone) {
  EXPECT_EQ(ratio_text(sum("1"), sum("0")), "");
  EXPECT_EQ(ratio_text(sum("1"), std::uint64_t{0}), "");
  EXPECT_EQ(ratio_text(sum("overflow"), sum("1")), "");
}

}  // namespace
}  // namespace tapedeck::market
