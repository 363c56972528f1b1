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

TEST(IntervalSet, GapsClose) {
  IntervalSet set;
  for (std::uint64_t v = 0; v < 6'000; v += 2) set.insert(v);       // ascending, apart
  for (std::uint64_t v = 20'000; v > 6'000; v -= 2) set.insert(v);  // descending, apart
  EXPECT_EQ(set.intervals().size(), 10'000u);
  Rng rng(1);
  while (set.count() < 20'001) set.insert(rng.below(20'001));
  EXPECT_EQ(set.intervals(), (std::vector<Interval>{{0, 20'000}}));
}

}  // namespace
}  // namespace tapedeck
