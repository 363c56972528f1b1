#include "base/backoff.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace tapedeck {
namespace {

constexpr Backoff::Options kOptions{
    .least = milliseconds(100), .first = seconds(1), .cap = seconds(30), .stable = minutes(1)};

TEST(Backoff, WaitsAreSpreadBelowABoundThatDoublesUpToTheCap) {
  std::vector<Duration> least(10, hours(1));
  std::vector<Duration> most(10, Duration{});
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Backoff backoff(kOptions, seed);
    for (std::size_t attempt = 0; attempt < least.size(); ++attempt) {
      const Duration wait = backoff.next_wait({});
      least[attempt] = std::min(least[attempt], wait);
      most[attempt] = std::max(most[attempt], wait);
    }
  }
  const std::vector<int> bounds{1, 2, 4, 8, 16, 30, 30, 30, 30, 30};
  for (std::size_t attempt = 0; attempt < bounds.size(); ++attempt) {
    const Duration bound = seconds(bounds[attempt]);
    EXPECT_GE(least[attempt], kOptions.least);
    EXPECT_LT(least[attempt], kOptions.least + nanoseconds(bound.ns / 50)) << attempt;
    EXPECT_LT(most[attempt], bound);
    EXPECT_GT(most[attempt], bound - nanoseconds(bound.ns / 50)) << attempt;
  }
}

TEST(Backoff, TheSameSeedGivesTheSameWaitsAndAnotherSeedOthers) {
  Backoff a(kOptions, 7);
  Backoff b(kOptions, 7);
  Backoff c(kOptions, 8);
  int differing = 0;
  for (int i = 0; i < 20; ++i) {
    const Duration wait = a.next_wait({});
    EXPECT_EQ(wait, b.next_wait({}));
    differing += wait == c.next_wait({}) ? 0 : 1;
  }
  EXPECT_GT(differing, 15);
}

TEST(Backoff, OnlyAConnectionThatHeldStartsAfresh) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Backoff backoff(kOptions, seed);
    for (int i = 0; i < 8; ++i) backoff.next_wait({});
    backoff.next_wait(kOptions.stable - nanoseconds(1));
    EXPECT_LT(backoff.next_wait(kOptions.stable), kOptions.first);
  }
  Backoff flapping(kOptions, 1);
  Duration most{};
  for (int i = 0; i < 100; ++i) most = std::max(most, flapping.next_wait(seconds(59)));
  EXPECT_GT(most, seconds(15));
}

TEST(Backoff, GoesOnForEverWithoutOverflow) {
  Backoff backoff({.cap = nanoseconds(std::numeric_limits<std::int64_t>::max())}, 3);
  for (int i = 0; i < 1000; ++i) EXPECT_GE(backoff.next_wait({}), milliseconds(100));
  Backoff still({.least = seconds(5), .first = seconds(1), .cap = seconds(2)}, 3);
  EXPECT_EQ(still.next_wait({}), seconds(5));
}

}  // namespace
}  // namespace tapedeck
