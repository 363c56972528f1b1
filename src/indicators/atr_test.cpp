#include "indicators/atr.hpp"

#include <gtest/gtest.h>

#include "indicators/test_bars.hpp"

namespace tapedeck::indicators {
namespace {

TEST(Atr, IsTheWilderMeanOfTheTrueRange) {
  // True ranges: none, 4 (its own), 7 (down from the last close), 9.5 (up to the high).
  const std::vector<market::Bar> bars{candle(0, "12", "8", "10"), candle(1, "12", "8", "12"),
                                      candle(2, "7", "5", "6"), candle(3, "15.5", "14", "15")};
  EXPECT_EQ(values_of("atr(2)", bars), (std::vector<std::string>{"-", "-", "5.5", "7.5"}));
}

TEST(Atr, ABarWithoutOneOfItsPricesDoesNotCount) {
  std::vector<market::Bar> bars{candle(0, "12", "8", "10"), candle(1, "99", "1", "50"),
                                candle(2, "11", "10", "11")};
  for (const auto missing : {&market::Bar::high, &market::Bar::low, &market::Bar::close}) {
    auto changed = bars;
    changed[1].*missing = std::nullopt;
    EXPECT_EQ(values_of("atr(1)", changed), (std::vector<std::string>{"-", "-", "1"}));
  }
  bars[1].open.reset();
  EXPECT_EQ(values_of("atr(1)", bars).back(), "40");
}

}  // namespace
}  // namespace tapedeck::indicators
