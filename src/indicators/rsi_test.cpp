#include "indicators/rsi.hpp"

#include <gtest/gtest.h>

#include "indicators/test_bars.hpp"

namespace tapedeck::indicators {
namespace {

TEST(Rsi, IsTheShareOfGainsInMoves) {
  // Steps +1 +2 -1, then +4: gain 3/3 = 1, loss 1/3; then gain (2 + 4)/3 = 2, loss (2/3)/3 = 2/9.
  const auto values = numbers_of("rsi(3)", closes({"10", "11", "13", "12", "16"}));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(values[static_cast<std::size_t>(i)]));
  EXPECT_NEAR(values[3], 75.0, 1e-12);
  EXPECT_NEAR(values[4], 90.0, 1e-12);
}

TEST(Rsi, IsAtItsEndsWhereThePriceWentOneWay) {
  EXPECT_EQ(values_of("rsi(2)", closes({"1", "2", "3"})).back(), "100");
  EXPECT_EQ(values_of("rsi(2)", closes({"3", "2", "1"})).back(), "0");
}

TEST(Rsi, HasNoValueBeforeThePriceMoved) {
  EXPECT_EQ(values_of("rsi(2)", closes({"5", "5", "5", "5", "6", "6"})),
            (std::vector<std::string>{"-", "-", "-", "-", "100", "100"}));
}

}  // namespace
}  // namespace tapedeck::indicators
