#include "base/interval_set.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "base/rng.hpp"

namespace tapedeck {
namespace {

using Interval = IntervalSet::Interval;

// The runs of a set, found the slow way.
std::vector<Interval> runs_of(const std::set<std::uint64_t>& values) {
  std::vector<Interval> runs;
  for (const std::uint64_t v : values) {
    if (!runs.empty() && runs.back().last + 1 == v) {
      runs.back().last = v;
    } else {
      runs.push_back({v, v});
    }
  }
  return runs;
}

TEST(IntervalSet, MergesNeighbours) {
  IntervalSet set;
  EXPECT_FALSE(set.contains(5));
  EXPECT_TRUE(set.insert(5));
  EXPECT_FALSE(set.insert(5));
  EXPECT_TRUE(set.insert(7));
  EXPECT_EQ(set.intervals(), (std::vector<Interval>{{5, 5}, {7, 7}}));
  EXPECT_FALSE(set.contains(6));
  EXPECT_TRUE(set.insert(6));
  EXPECT_TRUE(set.insert(4));
  EXPECT_EQ(set.intervals(), (std::vector<Interval>{{4, 7}}));
  EXPECT_EQ(set.count(), 4u);
}

TEST(IntervalSet, TakesTheEndsOfTheRange) {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  IntervalSet set;
  EXPECT_TRUE(set.insert(kMax));
  EXPECT_TRUE(set.insert(0));
  EXPECT_FALSE(set.insert(kMax));
  EXPECT_FALSE(set.insert(0));
  EXPECT_TRUE(set.insert(kMax - 1));
  EXPECT_EQ(set.intervals(), (std::vector<Interval>{{0, 0}, {kMax - 1, kMax}}));
}

TEST(IntervalSet, AppendingIsOneRun) {
  IntervalSet set;
  for (std::uint64_t v = 1000; v < 21'000; ++v) ASSERT_TRUE(set.insert(v));
  EXPECT_EQ(set.intervals(), (std::vector<Interval>{{1000, 20'999}}));
}

// Beside std::set, through splits of blocks (sparse values) and back to few runs (dense values).
TEST(IntervalSet, DoesWhatASetDoes) {
  for (const std::uint64_t range : {30u, 3'000u, 1'000'000u}) {
    Rng rng(range);
    IntervalSet set;
    std::set<std::uint64_t> expected;
    for (int i = 0; i < 8'000; ++i) {
      const std::uint64_t v = rng.below(range);
      ASSERT_EQ(set.contains(v), expected.contains(v)) << v;
      ASSERT_EQ(set.insert(v), expected.insert(v).second) << v;
      ASSERT_TRUE(set.contains(v));
    }
    EXPECT_EQ(set.count(), expected.size());
    EXPECT_EQ(set.intervals(), runs_of(expected));
  }
}

TEST(IntervalSet, InsertsRuns) {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  IntervalSet set;
  EXPECT_EQ(set.insert(10, 19), 10u);
  EXPECT_EQ(set.insert(12, 15), 0u);   // inside
  EXPECT_EQ(set.insert(20, 24), 5u);   // touches the end
  EXPECT_EQ(set.insert(5, 9), 5u);     // touches the beginning
  EXPECT_EQ(set.insert(22, 29), 5u);   // overlaps the end
  EXPECT_EQ(set.insert(40, 49), 10u);  // apart
  EXPECT_EQ(set.insert(60, 69), 10u);
  EXPECT_EQ(set.insert(51, 51), 1u);
  EXPECT_EQ(set.intervals(), (std::vector<Interval>{{5, 29}, {40, 49}, {51, 51}, {60, 69}}));
  EXPECT_EQ(set.insert(30, 59), 19u);  // over all that is between
  EXPECT_EQ(set.intervals(), (std::vector<Interval>{{5, 69}}));
  EXPECT_EQ(set.insert(0, 2), 3u);
  EXPECT_EQ(set.insert(kMax - 1, kMax), 2u);
  EXPECT_EQ(set.insert(kMax, kMax), 0u);
  EXPECT_EQ(set.insert(70, kMax - 3), kMax - 72);
  EXPECT_EQ(set.intervals(), (std::vector<Interval>{{0, 2}, {5, kMax - 3}, {kMax - 1, kMax}}));
  EXPECT_EQ(set.insert(1, kMax), 3u);
  EXPECT_EQ(set.intervals(), (std::vector<Interval>{{0, kMax}}));
}

// Beside std::set: short runs that make many blocks, then longer ones that take many blocks away.
TEST(IntervalSet, RunsDoWhatASetDoes) {
  for (const std::uint64_t range : {60u, 5'000u, 60'000u}) {
    Rng rng(range);
    IntervalSet set;
    std::set<std::uint64_t> expected;
    std::size_t most_runs = 0;
    for (std::uint64_t i = 0; i < 12'000; ++i) {
      const std::uint64_t first = rng.below(range);
      const std::uint64_t length = i < 8'000 ? 1 + rng.below(2) : 1 + rng.below(1 + range / 50);
      const std::size_t before = expected.size();
      for (std::uint64_t v = first; v < first + length; ++v) expected.insert(v);
      ASSERT_EQ(set.insert(first, first + length - 1), expected.size() - before) << first;
      ASSERT_EQ(set.count(), expected.size());
      if (i == 7'999) most_runs = set.intervals().size();
      if (i % 500 == 0 || i == 11'999) {
        ASSERT_EQ(set.intervals(), runs_of(expected)) << i;
        for (std::uint64_t v = 0; v < range; v += 7) {
          ASSERT_EQ(set.contains(v), expected.contains(v)) << v;
        }
      }
    }
    EXPECT_TRUE(range < 60'000u || most_runs > 5'000u) << most_runs;
    EXPECT_LT(set.intervals().size(), 200u);
  }
}

TEST(IntervalSet, GapsClose) {
  IntervalSet set;
  for (std::uint64_t v = 0; v < 6'000; v += 2) set.insert(v);       // ascending, apart
  for (std::uint64_t v = 20'000; v > 6'000; v -= 2) set.insert(v);  // descending, apart
  EXPECT_EQ(set.intervals().size(), 10'000u);
  Rng rng(1);
  while (set.count() < 20'001) set.insert(rng.below(20'001));
  EXPECT_EQ(set.intervals(), (std::vector<Interval>{{0, 20'000}}));
}

TEST(IntervalSet, TheHoleBeforeAValue) {
  IntervalSet set;
  EXPECT_FALSE(set.hole_before(5));
  set.insert(5, 9);
  EXPECT_FALSE(set.hole_before(7));  // nothing came before it
  set.insert(20);
  EXPECT_EQ(set.hole_before(20), (IntervalSet::Interval{10, 19}));
  set.insert(21, 30);
  EXPECT_EQ(set.hole_before(25), (IntervalSet::Interval{10, 19}));
  EXPECT_FALSE(set.hole_before(15));  // it is in the hole itself
  set.insert(12);
  EXPECT_EQ(set.hole_before(25), (IntervalSet::Interval{13, 19}));
  EXPECT_EQ(set.hole_before(12), (IntervalSet::Interval{10, 11}));
  set.insert(0, 4);
  EXPECT_FALSE(set.hole_before(9));
}

}  // namespace
}  // namespace tapedeck
