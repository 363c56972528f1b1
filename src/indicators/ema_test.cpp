#include "indicators/ema.hpp"

#include <gtest/gtest.h>

#include "indicators/test_bars.hpp"

namespace tapedeck::indicators {
namespace {

TEST(Ema, BeginsWithTheMeanAndGoesOnByItsWeight) {
  // Weight 2 / (3 + 1) = 1/2: every number here is exact in binary.
  EXPECT_EQ(values_of("ema(3)", closes({"1", "2", "6", "5", "0", "1"})),
            (std::vector<std::string>{"-", "-", "3", "4", "2", "1.5"}));
}

TEST(Ema, OfOnePriceIsThatPrice) {
  const auto values = numbers_of("ema(20)", closes(std::vector<std::string>(1000, "0.1")));
  EXPECT_NEAR(values.back(), 0.1, 1e-16);
}

}  // namespace
}  // namespace tapedeck::indicators
