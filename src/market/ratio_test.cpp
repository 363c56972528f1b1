#include "market/ratio.hpp"

#include <gtest/gtest.h>

#include <limits>

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

TEST(Ratio, ScalesDoNotMatterNorDoesSize) {
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
