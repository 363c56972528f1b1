#include "indicators/vwap.hpp"

#include <gtest/gtest.h>

#include "indicators/test_bars.hpp"

namespace tapedeck::indicators {
namespace {

using market::Bar;

TEST(Vwap, IsTheRatioOfTheTwoSums) {
  EXPECT_EQ(values_of("vwap", {volume_only(0, "10", "1"), volume_only(1, "13", "2"),
                               volume_only(2, "0.000001", "0.5")}),
            (std::vector<std::string>{"10", "12", "10.2857144285714286"}));
}

TEST(Vwap, ABarWithoutVolumeLeavesItAsItIs) {
  Indicator vwap = indicator_of("vwap");
  EXPECT_EQ(values_of(vwap, {bar_at(0, "7"), volume_only(1, "10", "1"), bar_at(2, "7")}),
            (std::vector<std::string>{"-", "10", "10"}));
  EXPECT_EQ(vwap.not_counted(), 0u);
}

TEST(Vwap, ASumThatCannotBeDoesNotCount) {
  Bar overflowed = volume_only(1, "1", "1");
  const auto most = market::parse_decimal_sum("170141183460469231731687303715884105727").value();
  overflowed.notional.add(most);
  overflowed.notional.add(most);
  ASSERT_TRUE(overflowed.notional.overflowed());
  Bar huge = volume_only(2, "1", "1");
  huge.volume.add(most);
  Bar negative = volume_only(3, "1", "-1");
  Indicator vwap = indicator_of("vwap");
  EXPECT_EQ(values_of(vwap, {volume_only(0, "3", "1"), overflowed, huge, negative,
                             volume_only(4, "5", "1")}),
            (std::vector<std::string>{"3", "-", "-", "-", "4"}));
  EXPECT_EQ(vwap.not_counted(), 3u);
}

TEST(Vwap, StartsAgainWithEachTradingDateOfItsSession) {
  // kTestStart is 09:30 in New York; its date ends 14 h 30 min later.
  const std::vector<Bar> bars{volume_only(0, "10", "1"), volume_only(869, "20", "1"),
                              volume_only(870, "7", "1"), volume_only(1440, "9", "1")};
  EXPECT_EQ(values_of("vwap(session)", bars), (std::vector<std::string>{"10", "15", "7", "8"}));
  EXPECT_EQ(values_of("vwap", bars),
            (std::vector<std::string>{"10", "15", "12.3333333333333333", "11.5"}));
}

}  // namespace
}  // namespace tapedeck::indicators
