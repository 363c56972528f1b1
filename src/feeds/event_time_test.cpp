#include "feeds/event_time.hpp"

#include <gtest/gtest.h>

namespace tapedeck::feeds {
namespace {

TEST(EventTime, EveryUnitGivesTheSameInstant) {
  constexpr Timestamp kWant{1'583'020'803'276'000'000};
  EXPECT_EQ(parse_event_time("1583020803.276", TimeUnit::kSeconds), kWant);
  EXPECT_EQ(parse_event_time("1583020803276", TimeUnit::kMilliseconds), kWant);
  EXPECT_EQ(parse_event_time("1583020803276.000", TimeUnit::kMilliseconds), kWant);
  EXPECT_EQ(parse_event_time("1583020803276000", TimeUnit::kMicroseconds), kWant);
  EXPECT_EQ(parse_event_time("1583020803276000000", TimeUnit::kNanoseconds), kWant);
  EXPECT_EQ(parse_event_time("1.583020803276e9", TimeUnit::kSeconds), kWant);
  EXPECT_EQ(parse_event_time("2020-03-01T00:00:03.276Z", TimeUnit::kIso), kWant);
  EXPECT_EQ(parse_event_time("2020-02-29T19:00:03.276-05:00", TimeUnit::kIso), kWant);
}

TEST(EventTime, FractionsAreExact) {
  EXPECT_EQ(parse_event_time("1614557123.123456", TimeUnit::kSeconds)->ns,
            1'614'557'123'123'456'000);
  EXPECT_EQ(parse_event_time("1762795433.9717445", TimeUnit::kSeconds)->ns,
            1'762'795'433'971'744'500);
  // Finer than a nanosecond: not cut off.
  EXPECT_FALSE(parse_event_time("1762795433.1234567891", TimeUnit::kSeconds));
  EXPECT_FALSE(parse_event_time("1762795433123456789.5", TimeUnit::kNanoseconds));
}

TEST(EventTime, AWrongUnitIsNamed) {
  const auto wrong = parse_event_time("1583020803276", TimeUnit::kSeconds);
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("as ms it is 2020-03-01T00:00:03.276"), std::string::npos)
      << wrong.error().message;
  EXPECT_FALSE(parse_event_time("1583020803276000", TimeUnit::kMilliseconds));
  EXPECT_FALSE(parse_event_time("9999999999999999999", TimeUnit::kSeconds));
  EXPECT_FALSE(parse_event_time("-1583020803", TimeUnit::kSeconds));
  EXPECT_FALSE(parse_event_time("0", TimeUnit::kSeconds));
  EXPECT_FALSE(parse_event_time("1889-01-01T00:00:00Z", TimeUnit::kIso));
}

TEST(EventTime, WhatIsNoTimeIsRefused) {
  for (const char* text : {"", "x", "1583020803276x", "NaN", "2020-13-01T00:00:00Z"}) {
    EXPECT_FALSE(parse_event_time(text, TimeUnit::kMilliseconds)) << text;
    EXPECT_FALSE(parse_event_time(text, TimeUnit::kIso)) << text;
  }
}

TEST(EventTime, UnitsByName) {
  for (const char* name : {"s", "ms", "us", "ns", "iso"}) {
    EXPECT_EQ(to_string(*parse_time_unit(name)), name);
  }
  EXPECT_FALSE(parse_time_unit("parsecs"));
}

}  // namespace
}  // namespace tapedeck::feeds
