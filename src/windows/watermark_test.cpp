#include "windows/watermark.hpp"

#include <gtest/gtest.h>

namespace tapedeck::windows {
namespace {

constexpr Timestamp at(std::int64_t s) { return Timestamp{} + seconds(s); }

TEST(Watermark, FollowsTheGreatestEventTimeLessLateness) {
  Watermark watermark(seconds(10));
  EXPECT_FALSE(watermark.has_passed(at(0)));
  watermark.observe(at(100), at(100), false);
  watermark.observe(at(95), at(101), false);
  EXPECT_TRUE(watermark.has_passed(at(90)));
  EXPECT_FALSE(watermark.has_passed(at(91)));
}

TEST(Watermark, AWrongStampOfTheVenueCountsOnlyUpToTheReceiveTime) {
  Watermark watermark(seconds(0));
  watermark.observe(at(100), at(100), false);
  watermark.observe(at(999'999), at(101), false);
  EXPECT_TRUE(watermark.has_passed(at(106)));  // 101 s and the 5 s that clocks may differ
  EXPECT_FALSE(watermark.has_passed(at(107)));
}

TEST(Watermark, WithoutReceiveTimesAStepOfOverAnHourWaitsForTheNextEvent) {
  Watermark watermark(seconds(0));
  watermark.observe(at(100), at(100), true);
  watermark.observe(at(101), at(101), true);  // confirms the first one: it was a step from nothing
  EXPECT_TRUE(watermark.has_passed(at(100)));

  watermark.observe(at(1'000'000), at(1'000'000), true);  // one wrong stamp
  EXPECT_FALSE(watermark.has_passed(at(200)));
  watermark.observe(at(150), at(150), true);  // not confirmed
  EXPECT_TRUE(watermark.has_passed(at(150)));
  EXPECT_FALSE(watermark.has_passed(at(151)));

  watermark.observe(at(90'000), at(90'000), true);  // the next day
  watermark.observe(at(90'060), at(90'060), true);  // confirms it
  EXPECT_TRUE(watermark.has_passed(at(90'000)));
  EXPECT_FALSE(watermark.has_passed(at(90'001)));
}

TEST(Watermark, MarksMoveItAndTheEndPassesEverything) {
  Watermark watermark(seconds(10));
  watermark.observe(at(100), at(100), false);
  watermark.observe_mark(at(200));
  EXPECT_TRUE(watermark.has_passed(at(190)));
  EXPECT_FALSE(watermark.has_passed(at(191)));
  watermark.observe_end();
  EXPECT_TRUE(watermark.has_passed(at(1'000'000)));
  watermark.observe(at(201), at(201), false);  // another file of the same series
  EXPECT_FALSE(watermark.has_passed(at(1'000'000)));
}

}  // namespace
}  // namespace tapedeck::windows
