#include "base/time.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/rng.hpp"

namespace tapedeck {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t iso(std::string_view text) {
  const auto parsed = parse_iso(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? parsed->ns : -1;
}

TEST(Iso, Reads) {
  EXPECT_EQ(iso("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(iso("1970-01-01T00:00:00.000000001Z"), 1);
  EXPECT_EQ(iso("1969-12-31T23:59:59.999999999Z"), -1);
  EXPECT_EQ(iso("2026-07-07T22:58:17.164892Z"), 1783465097'164892000);
  EXPECT_EQ(iso("2013-10-07 13:30:00z"), 1381152600 * kSecond);
  EXPECT_EQ(iso("2013-10-07T13:30:00.5Z"), 1381152600 * kSecond + kSecond / 2);
  EXPECT_EQ(iso("2013-10-07T09:30:00-04:00"), 1381152600 * kSecond);
  EXPECT_EQ(iso("2013-10-07T19:00:00+0530"), 1381152600 * kSecond);
  EXPECT_EQ(iso("2000-02-29T00:00:00Z"), 951782400 * kSecond);
  // A leap second is the second after it, as on the clocks of venues.
  EXPECT_EQ(iso("2016-12-31T23:59:60Z"), iso("2017-01-01T00:00:00Z"));
  // The ends of what int64 holds, by whole years.
  EXPECT_EQ(iso("1678-01-01T00:00:00Z"), -9214560000 * kSecond);
  EXPECT_EQ(iso("2261-12-31T23:59:59.999999999-23:59"), 9214732740 * kSecond - 1);
}

TEST(Iso, Refuses) {
  for (const std::string_view text : {"",
                                      "now",
                                      "2013-10-07",
                                      "2013-10-07T13:30Z",
                                      "2013-10-07T13:30:00",
                                      "2013-10-07T13:30:00+04",
                                      "2013-10-07T13:30:00.Z",
                                      "2013-10-07T13:30:00.1234567890Z",
                                      "2013-10-07T13:30:00Zjunk",
                                      "2013-02-29T00:00:00Z",
                                      "2013-13-01T00:00:00Z",
                                      "2013-00-01T00:00:00Z",
                                      "2013-10-32T00:00:00Z",
                                      "2013-10-07T24:00:00Z",
                                      "2013-10-07T13:60:00Z",
                                      "2013-10-07T13:30:61Z",
                                      "2013-10-07T13:30:00+24:00",
                                      "2013-10-07T13:30:00+04:60",
                                      "13-10-07T13:30:00Z",
                                      "+2013-10-07T13:30:00Z",
                                      "2013/10/07T13:30:00Z",
                                      "1677-12-31T00:00:00Z",
                                      "2262-01-01T00:00:00Z",
                                      "2013-10-07T13:30:00 Z",
                                      " 2013-10-07T13:30:00Z"}) {
    const auto parsed = parse_iso(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kMalformed);
  }
}

TEST(Iso, WritesNineDigitsInUtc) {
  EXPECT_EQ(to_iso(Timestamp{}), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(to_iso(Timestamp{-1}), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(to_iso(kEarliestPlausible), "1990-01-01T00:00:00.000000000Z");
  EXPECT_EQ(to_iso(kLatestPlausible), "2100-01-01T00:00:00.000000000Z");
  Rng rng(3);
  for (int i = 0; i < 1000; ++i) {
    const Timestamp t{static_cast<std::int64_t>(rng.next() >> 1) - (std::int64_t{1} << 62)};
    ASSERT_EQ(parse_iso(to_iso(t)).value(), t) << to_iso(t);
  }
}

TEST(Timestamp, PlausibleIsHalfOpen) {
  EXPECT_TRUE(is_plausible(kEarliestPlausible));
  EXPECT_FALSE(is_plausible(kEarliestPlausible - nanoseconds(1)));
  EXPECT_FALSE(is_plausible(kLatestPlausible));
}

TEST(FloorTo, RoundsTowardsThePast) {
  EXPECT_EQ(floor_to(Timestamp{61 * kSecond}, minutes(1)), Timestamp{60 * kSecond});
  EXPECT_EQ(floor_to(Timestamp{60 * kSecond}, minutes(1)), Timestamp{60 * kSecond});
  EXPECT_EQ(floor_to(Timestamp{60 * kSecond - 1}, minutes(1)), Timestamp{});
  EXPECT_EQ(floor_to(Timestamp{-1}, minutes(1)), Timestamp{-60 * kSecond});
  EXPECT_EQ(floor_to(Timestamp{-60 * kSecond}, minutes(1)), Timestamp{-60 * kSecond});
  EXPECT_EQ(floor_to(Timestamp{-60 * kSecond - 1}, minutes(1)), Timestamp{-120 * kSecond});
  EXPECT_EQ(floor_to(Timestamp{5}, nanoseconds(1)), Timestamp{5});
}

TEST(Duration, Reads) {
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("15s"), seconds(15));
  EXPECT_EQ(parse_duration("1m"), minutes(1));
  EXPECT_EQ(parse_duration("1h"), hours(1));
  EXPECT_EQ(parse_duration("1d"), hours(24));
  EXPECT_EQ(parse_duration("3us"), microseconds(3));
  EXPECT_EQ(parse_duration("7ns"), nanoseconds(7));
  EXPECT_EQ(parse_duration("0s"), Duration{});
  EXPECT_EQ(parse_duration("9223372036s"), seconds(9223372036));
}

TEST(Duration, Refuses) {
  for (const std::string_view text : {"", "s", "15", "15 s", " 15s", "+15s", "-1s", "1.5s", "1S",
                                      "1min", "10parsec", "9223372037s", "99999999999999999999s"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(parsed.error().message.find("ns, us, ms, s, m, h, d"), std::string::npos);
  }
}

TEST(Duration, WritesTheShortestExactForm) {
  EXPECT_EQ(to_string(seconds(90)), "90s");
  EXPECT_EQ(to_string(seconds(120)), "2m");
  EXPECT_EQ(to_string(hours(48)), "2d");
  EXPECT_EQ(to_string(milliseconds(1500)), "1500ms");
  EXPECT_EQ(to_string(nanoseconds(1)), "1ns");
  EXPECT_EQ(to_string(Duration{}), "0s");
}

}  // namespace
}  // namespace tapedeck
