#include "indicators/macd.hpp"

#include <gtest/gtest.h>

#include "indicators/test_bars.hpp"

namespace tapedeck::indicators {
namespace {

TEST(Macd, IsTheDifferenceOfTwoMeansAndItsOwnMean) {
  // ema(1) is the close; ema(3), weight 1/2: 3 4 2 1.5. signal: the mean of two, then weight 2/3.
  const auto bars = closes({"1", "2", "6", "5", "0", "1"});
  EXPECT_EQ(
      values_of("macd(1,3,1)", bars),
      (std::vector<std::string>{"- - -", "- - -", "3 3 0", "1 1 0", "-2 -2 0", "-0.5 -0.5 0"}));
  const auto signal = numbers_of("macd(1,3,2)", bars, 1);
  EXPECT_TRUE(std::isnan(signal[2]));
  EXPECT_DOUBLE_EQ(signal[3], 2.0);
  EXPECT_DOUBLE_EQ(signal[4], 2.0 - 4.0 * 2 / 3);
}

TEST(Macd, AgreesWithTheTwoEmas) {
  const auto bars = random_bars(3, 300);
  const auto fast = numbers_of("ema(12)", bars);
  const auto slow = numbers_of("ema(26)", bars);
  const auto macd = numbers_of("macd(12,26,9)", bars);
  const auto signal = numbers_of("macd(12,26,9)", bars, 1);
  const auto histogram = numbers_of("macd(12,26,9)", bars, 2);
  int compared = 0;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    EXPECT_EQ(std::isnan(macd[i]), std::isnan(slow[i]));
    if (std::isnan(macd[i])) continue;
    EXPECT_EQ(macd[i], fast[i] - slow[i]);
    if (std::isnan(signal[i])) continue;
    EXPECT_EQ(histogram[i], macd[i] - signal[i]);
    ++compared;
  }
  EXPECT_GT(compared, 200);
}

TEST(Macd, FastMustBeLessThanSlow) {
  const auto spec = parse_indicator("macd(26,12,9)");
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().message, "indicator 'macd(26,12,9)': fast must be less than slow");
}

}  // namespace
}  // namespace tapedeck::indicators
