#include "indicators/bollinger.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "indicators/test_bars.hpp"

namespace tapedeck::indicators {
namespace {

TEST(Bollinger, BandsLieSoManyDeviationsAroundTheMean) {
  // Of 2 4 4 4 5 5 7 9 the mean is 5 and the deviation of the population 2.
  const auto bars = closes({"2", "4", "4", "4", "5", "5", "7", "9"});
  EXPECT_EQ(values_of("bollinger(8,2)", bars).back(), "5 9 1");
  EXPECT_EQ(values_of("bollinger(8,0.5)", bars).back(), "5 6 4");
  EXPECT_EQ(values_of("bollinger(8,0)", bars).back(), "5 5 5");
  EXPECT_EQ(values_of("bollinger(8,2)", bars)[6], "- - -");
}

TEST(Bollinger, ItsMiddleIsTheSma) {
  const auto bars = random_bars(5, 300);
  Indicator bollinger = indicator_of("bollinger(20,2)");
  Indicator sma = indicator_of("sma(20)");
  for (const market::Bar& bar : bars) EXPECT_EQ(bollinger.add(bar)[0], sma.add(bar)[0]);
}

TEST(Bollinger, TheDeviationNeitherDriftsNorCancels) {
  // Far from zero, close together; sums of squares of doubles have no digit left for this.
  std::vector<std::string> prices(3000, "900000000000000");
  for (int i = 0; i < 4; ++i) prices.push_back(i % 2 == 0 ? "100000000.01" : "100000000.03");
  Indicator indicator = indicator_of("bollinger(4,1)");
  Values last;
  for (const market::Bar& bar : closes(prices)) last = indicator.add(bar);
  EXPECT_EQ(to_string(*last[0]), "100000000.02");
  EXPECT_NEAR(to_double(*last[1]) - 100000000.02, 0.01, 2e-8);  // what a double has there
}

TEST(Bollinger, WhatSlidOutLeavesNoTrace) {
  auto bars = random_bars(6, 2000);
  std::erase_if(bars, [](const market::Bar& bar) { return !bar.close; });
  const std::vector<market::Bar> last(bars.end() - 20, bars.end());
  EXPECT_EQ(values_of("bollinger(20,2)", last).back(), values_of("bollinger(20,2)", bars).back());
}

TEST(Bollinger, TheLongestWindowOfTheHighestPricesFits) {
  std::vector<std::string> prices;
  for (int i = 0; i < 10'000; ++i) {
    prices.push_back(i % 2 == 0 ? "999999999999999" : "-999999999999999");
  }
  EXPECT_EQ(values_of("bollinger(10000,1)", closes(prices)).back(),
            "0 999999999999999 -999999999999999");
}

}  // namespace
}  // namespace tapedeck::indicators
