#include "indicators/sma.hpp"

#include <gtest/gtest.h>

#include "indicators/test_bars.hpp"

namespace tapedeck::indicators {
namespace {

using Strings = std::vector<std::string>;

TEST(Sma, IsTheExactMeanOfTheLastCloses) {
  EXPECT_EQ(values_of("sma(3)", closes({"1", "2", "3.5", "-4", "0.25", "0.25"})),
            (Strings{"-", "-", "2.16666666666666667", "0.5", "-0.083333333333333333",
                     "-1.16666666666666667"}));
  EXPECT_EQ(values_of("sma(1)", closes({"0.1", "0.2"})), (Strings{"0.1", "0.2"}));
}

TEST(Sma, DoesNotDriftOverAnyNumberOfBars) {
  // In doubles 1e9 that comes and goes takes the small digits with it.
  std::vector<std::string> prices;
  for (int i = 0; i < 20'000; ++i) prices.push_back(i % 7 == 0 ? "123456789012345.67" : "0.0001");
  prices.insert(prices.end(), 5, "0.1");
  EXPECT_EQ(values_of("sma(5)", closes(prices)).back(), "0.1");
}

TEST(Sma, TheLongestWindowOfTheHighestPricesFits) {
  const std::vector<std::string> prices(10'005, "999999999999999.999");
  EXPECT_EQ(values_of("sma(10000)", closes(prices)).back(), "999999999999999.999");
}

}  // namespace
}  // namespace tapedeck::indicators
