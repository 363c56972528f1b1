#include "windows/watermark.hpp"

#include <gtest/gtest.h>

namespace tapedeck::windows {
namespace {

constexpr Timestamp at(std::int64_t s) { return Timestamp{} + seconds(s); }
const ClockReading kNoMarks;

TEST(Watermark, FollowsTheGreatestEventTimeLessLateness) {
  Watermark watermark;
  EXPECT_FALSE(watermark.has_reached(at(10), kNoMarks));
  watermark.observe(at(100), at(100), false, kNoMarks);
  watermark.observe(at(95), at(101), false, kNoMarks);
  EXPECT_TRUE(watermark.has_reached(at(100), kNoMarks));
  EXPECT_FALSE(watermark.has_reached(at(101), kNoMarks));
}

TEST(Watermark, AWrongStampOfTheVenueCountsOnlyUpToTheReceiveTime) {
  Watermark watermark;
  watermark.observe(at(100), at(100), false, kNoMarks);
  watermark.observe(at(999'999), at(101), false, kNoMarks);
  EXPECT_TRUE(
      watermark.has_reached(at(106), kNoMarks));  // 101 s and the 5 s that clocks may differ
  EXPECT_FALSE(watermark.has_reached(at(107), kNoMarks));
}

TEST(Watermark, WithoutReceiveTimesAStepOfOverAnHourWaitsForTheNextEvent) {
  Watermark watermark;
  watermark.observe(at(100), at(100), true, kNoMarks);
  watermark.observe(at(101), at(101), true,
                    kNoMarks);  // confirms the first one: it was a step from nothing
  EXPECT_TRUE(watermark.has_reached(at(100), kNoMarks));

  watermark.observe(at(1'000'000), at(1'000'000), true, kNoMarks);  // one wrong stamp
  EXPECT_FALSE(watermark.has_reached(at(200), kNoMarks));
  watermark.observe(at(150), at(150), true, kNoMarks);  // not confirmed
  EXPECT_TRUE(watermark.has_reached(at(150), kNoMarks));
  EXPECT_FALSE(watermark.has_reached(at(151), kNoMarks));

  watermark.observe(at(90'000), at(90'000), true, kNoMarks);  // the next day
  watermark.observe(at(90'060), at(90'060), true, kNoMarks);  // confirms it
  EXPECT_TRUE(watermark.has_reached(at(90'000), kNoMarks));
  EXPECT_FALSE(watermark.has_reached(at(90'001), kNoMarks));
}

TEST(Watermark, MarksMoveItAndTheEndPassesEverything) {
  Watermark watermark;
  watermark.observe(at(100), at(100), false, kNoMarks);
  const ClockReading marked{.passed = at(200)};
  EXPECT_TRUE(watermark.has_reached(at(200), marked));
  EXPECT_FALSE(watermark.has_reached(at(201), marked));
  const ClockReading ended{.passed = at(200), .ends = 1};
  EXPECT_TRUE(watermark.has_reached(at(1'000'010), ended));
  watermark.observe(at(201), at(201), false, ended);  // another file of the same series
  EXPECT_FALSE(watermark.has_reached(at(1'000'010), ended));
  EXPECT_TRUE(watermark.has_reached(at(200), ended));
}

}  // namespace
}  // namespace tapedeck::windows
