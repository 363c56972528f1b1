#include "quality/seen_identities.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <vector>

#include "base/rng.hpp"

namespace tapedeck::quality {
namespace {

market::Trade trade(std::uint32_t series, std::uint32_t origin, std::uint64_t seq,
                    std::uint64_t position = 0) {
  market::Trade t;
  t.series = SeriesId(series);
  t.identity = {OriginId(origin), seq, position};
  return t;
}

TEST(SeenIdentities, TheSameTwiceIsSeen) {
  SeenIdentities seen;
  EXPECT_FALSE(seen.contains(SeriesId(0), {OriginId(0), 7, 0}));
  EXPECT_TRUE(seen.insert(trade(0, 0, 7)));
  EXPECT_FALSE(seen.insert(trade(0, 0, 7)));
  EXPECT_TRUE(seen.contains(SeriesId(0), {OriginId(0), 7, 0}));
  EXPECT_EQ(seen.count(), 1u);
}

// Distinct trades stay distinct: each part of the identity, and the series, counts.
TEST(SeenIdentities, EachPartCounts) {
  SeenIdentities seen;
  EXPECT_TRUE(seen.insert(trade(1, 1, 1, 1)));
  EXPECT_TRUE(seen.insert(trade(2, 1, 1, 1)));
  EXPECT_TRUE(seen.insert(trade(1, 2, 1, 1)));
  EXPECT_TRUE(seen.insert(trade(1, 1, 2, 1)));
  EXPECT_TRUE(seen.insert(trade(1, 1, 1, 2)));
  EXPECT_TRUE(seen.insert(trade(1, 1, 1, 0)));
  EXPECT_EQ(seen.count(), 6u);
  EXPECT_FALSE(seen.insert(trade(1, 1, 1, 1)));
  EXPECT_FALSE(seen.contains(SeriesId(2), {OriginId(2), 1, 1}));
  // Content does not.
  market::Trade other = trade(1, 1, 1, 1);
  other.price = market::Decimal::make(5, 0);
  other.ts_event = Timestamp{9};
  EXPECT_FALSE(seen.insert(other));
}

TEST(SeenIdentities, TakesAnyId) {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  SeenIdentities seen;
  for (const std::uint64_t seq : {std::uint64_t{0}, kMax}) {
    for (const std::uint64_t position : {std::uint64_t{0}, std::uint64_t{1}, kMax}) {
      EXPECT_TRUE(seen.insert(trade(0, 0, seq, position)));
      EXPECT_FALSE(seen.insert(trade(0, 0, seq, position)));
    }
  }
  EXPECT_EQ(seen.count(), 6u);
}

// Beside std::set: small ids that repeat, and wide ones as of UUIDs.
TEST(SeenIdentities, DoesWhatASetDoes) {
  Rng rng(42);
  SeenIdentities seen;
  std::set<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>> expected;
  for (int i = 0; i < 20'000; ++i) {
    const bool wide = rng.below(2) == 0;
    const std::uint64_t seq = wide ? rng.below(64) << 58 : rng.below(500);
    const std::uint64_t position = wide ? rng.below(64) << 32 : rng.below(3);
    const auto series = static_cast<std::uint32_t>(rng.below(3));
    const auto origin = static_cast<std::uint32_t>(rng.below(2));
    const bool known = expected.contains({series, origin, seq, position});
    ASSERT_EQ(seen.contains(SeriesId(series), {OriginId(origin), seq, position}), known);
    ASSERT_EQ(seen.insert(trade(series, origin, seq, position)), !known);
    expected.emplace(series, origin, seq, position);
  }
  EXPECT_EQ(seen.count(), expected.size());
}

TEST(SeenIdentities, TakesRuns) {
  SeenIdentities seen;
  EXPECT_TRUE(seen.insert(trade(1, 2, 15)));
  EXPECT_TRUE(seen.insert(trade(1, 2, 15, 1)));
  EXPECT_EQ(seen.insert_run(SeriesId(1), OriginId(2), 10, 19), 9u);
  EXPECT_EQ(seen.insert_run(SeriesId(1), OriginId(3), 10, 19), 10u);
  EXPECT_EQ(seen.count(), 21u);
  EXPECT_FALSE(seen.insert(trade(1, 2, 19)));
  EXPECT_TRUE(seen.insert(trade(1, 2, 20)));
  EXPECT_FALSE(seen.contains(SeriesId(2), {OriginId(2), 12, 0}));
  EXPECT_FALSE(seen.contains(SeriesId(1), {OriginId(2), 12, 1}));
}

// What it shows is all that it holds, in order: another made from it is the same.
TEST(SeenIdentities, ShowsWhatItHolds) {
  Rng rng(7);
  SeenIdentities seen;
  for (int i = 0; i < 5'000; ++i) {
    seen.insert(trade(static_cast<std::uint32_t>(rng.below(20)),
                      static_cast<std::uint32_t>(rng.below(3)), rng.below(100), rng.below(3)));
  }
  using Shown = std::tuple<SeriesId, OriginId, std::uint64_t, std::uint64_t>;
  const auto show = [](const SeenIdentities& from, SeenIdentities* to) {
    std::vector<Shown> shown;
    from.for_each_run(
        [&](SeriesId series, OriginId origin, std::uint64_t first, std::uint64_t last) {
          shown.emplace_back(series, origin, first, last);
          if (to != nullptr) {
            EXPECT_EQ(to->insert_run(series, origin, first, last), last - first + 1);
          }
        });
    const auto runs = static_cast<std::ptrdiff_t>(shown.size());
    from.for_each_pair([&](SeriesId series, const market::Identity& id) {
      shown.emplace_back(series, id.origin, id.seq, id.position);
      if (to != nullptr) {
        EXPECT_TRUE(to->insert(series, id));
      }
    });
    EXPECT_TRUE(std::is_sorted(shown.begin(), shown.begin() + runs));
    EXPECT_TRUE(std::is_sorted(shown.begin() + runs, shown.end()));
    return shown;
  };
  SeenIdentities copy;
  const auto shown = show(seen, &copy);
  EXPECT_EQ(copy.count(), seen.count());
  EXPECT_EQ(show(copy, nullptr), shown);
  EXPECT_TRUE(show(SeenIdentities(), nullptr).empty());
}

}  // namespace
}  // namespace tapedeck::quality
