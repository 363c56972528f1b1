#include "quality/completeness.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/rng.hpp"
#include "market/conditions.hpp"

namespace tapedeck::quality {
namespace {

using market::OriginKind;
using market::TradeOrder;

// 2013-10-07 in New York: a regular session from 13:30 to 20:00 UTC.
constexpr Timestamp kOpen{1'381'152'600'000'000'000};

class CompletenessTest : public testing::Test {
 protected:
  SeriesId series(const std::string& instrument, const std::string& calendar, TradeOrder order) {
    return catalog_.intern(
        market::Series{{"v", "trade", instrument}, order, calendar, std::string()});
  }
  OriginId venue() { return catalog_.intern(market::Origin{}); }
  OriginId file() {
    return catalog_.intern(
        market::Origin{.kind = OriginKind::kFile, .key = "f", .first = {}, .recv_assumed = true});
  }
  static market::Trade trade(SeriesId series, OriginId origin, std::uint64_t id, Timestamp t,
                             Duration delay = {}) {
    return {.series = series,
            .ts_event = t,
            .ts_recv = t + delay,
            .identity = {.origin = origin, .seq = id},
            .venue_sequence = id};
  }
  void add(const std::vector<market::Trade>& trades) {
    market::Batch batch;
    batch.trades = trades;
    ASSERT_TRUE(completeness_.add(batch));
  }

  market::Catalog catalog_;
  Completeness completeness_{catalog_};
};

TEST_F(CompletenessTest, ADayInNumbers) {
  const SeriesId spy = series("SPY", "us_equity", TradeOrder::kIdentity);
  add({trade(spy, file(), 0, kOpen - minutes(10)),  // before the session
       trade(spy, file(), 1, kOpen), trade(spy, file(), 2, kOpen + seconds(59)),
       trade(spy, file(), 3, kOpen + minutes(389)), trade(spy, file(), 4, kOpen + minutes(380)),
       trade(spy, file(), 5, kOpen + minutes(388)),
       trade(spy, file(), 6, kOpen + minutes(390))});  // it has closed
  const auto days = completeness_.days();
  ASSERT_EQ(days.size(), 1u);
  const DayQuality& day = days.front();
  EXPECT_EQ(day.date, (std::chrono::year_month_day{std::chrono::year(2013), std::chrono::month(10),
                                                   std::chrono::day(7)}));
  EXPECT_EQ(day.trades, 7u);
  EXPECT_EQ(day.others, 0u);
  EXPECT_EQ(day.first, kOpen - minutes(10));
  EXPECT_EQ(day.last, kOpen + minutes(390));
  EXPECT_EQ(day.minutes, 4u);
  EXPECT_EQ(day.session_minutes, 390u);
  EXPECT_EQ(day.reordered, 2u);
  EXPECT_EQ(day.disorder, minutes(9));
  EXPECT_EQ(day.late, 2u);
  EXPECT_FALSE(day.duplicates);
  EXPECT_FALSE(day.delay_min);  // the file has no receive time
  EXPECT_FALSE(day.missing);    // and numbers no trades of the venue
}

TEST_F(CompletenessTest, AHoleInTheIdsIsNamed) {
  const SeriesId btc = series("BTC", "24x7", TradeOrder::kVenueSequence);
  const Timestamp day_two = Timestamp{1'381'190'400'000'000'000};  // 2013-10-08
  add({trade(btc, venue(), 10, kOpen, milliseconds(-3)),
       trade(btc, venue(), 11, kOpen + seconds(1), milliseconds(8)),
       trade(btc, venue(), 15, day_two, milliseconds(40)),
       trade(btc, venue(), 16, day_two + seconds(2))});
  const auto gaps = completeness_.gaps();
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].first, 12u);
  EXPECT_EQ(gaps[0].last, 14u);
  EXPECT_EQ(gaps[0].count(), 3u);
  EXPECT_EQ(gaps[0].after, kOpen + seconds(1));
  EXPECT_EQ(gaps[0].before, day_two);
  const auto days = completeness_.days();
  ASSERT_EQ(days.size(), 2u);
  EXPECT_EQ(days[0].missing, 3u);
  EXPECT_EQ(days[1].missing, 0u);
  EXPECT_EQ(days[0].delay_min, milliseconds(-3));
  EXPECT_EQ(days[0].delay_max, milliseconds(8));
  EXPECT_EQ(days[0].session_minutes, 1440u);

  // A repair brings them, in any order.
  add({trade(btc, venue(), 14, kOpen + seconds(9)), trade(btc, venue(), 12, kOpen + seconds(5)),
       trade(btc, venue(), 13, kOpen + seconds(7))});
  EXPECT_TRUE(completeness_.gaps().empty());
  EXPECT_EQ(completeness_.days()[0].missing, 0u);
}

TEST_F(CompletenessTest, LateIsMoreThanTenSecondsBack) {
  const SeriesId btc = series("BTC", "24x7", TradeOrder::kVenueSequence);
  add({trade(btc, venue(), 3, kOpen + seconds(10)), trade(btc, venue(), 1, kOpen),
       trade(btc, venue(), 2, kOpen - nanoseconds(1))});
  EXPECT_EQ(completeness_.days()[0].reordered, 2u);
  EXPECT_EQ(completeness_.days()[0].late, 1u);
}

TEST_F(CompletenessTest, WhatCameAgainIsCountedOnItsDay) {
  const SeriesId btc = series("BTC", "24x7", TradeOrder::kVenueSequence);
  const Timestamp day_two = Timestamp{1'381'190'400'000'000'000};
  add({trade(btc, venue(), 1, kOpen), trade(btc, venue(), 2, day_two)});
  ASSERT_TRUE(completeness_.add_duplicate(btc, kOpen));
  ASSERT_TRUE(completeness_.add_duplicate(btc, kOpen));
  const auto days = completeness_.days();
  ASSERT_EQ(days.size(), 2u);
  EXPECT_EQ(days[0].duplicates, 2u);
  EXPECT_EQ(days[0].trades, 1u);
  EXPECT_FALSE(days[1].duplicates);
}

TEST_F(CompletenessTest, EachSeriesForItself) {
  const SeriesId a = series("A", "24x7", TradeOrder::kVenueSequence);
  const SeriesId b = series("B", "24x7", TradeOrder::kVenueSequence);
  add({trade(b, venue(), 5, kOpen), trade(a, venue(), 1, kOpen - seconds(1)),
       trade(b, venue(), 6, kOpen), trade(a, venue(), 3, kOpen)});
  const auto days = completeness_.days();
  ASSERT_EQ(days.size(), 2u);
  EXPECT_EQ(days[0].series, catalog_.series(a).key);  // by key
  EXPECT_EQ(days[0].missing, 1u);
  EXPECT_EQ(days[0].reordered, 0u);
  EXPECT_EQ(days[1].missing, 0u);
}

TEST_F(CompletenessTest, OthersThanTradesAreCountedApart) {
  const SeriesId btc = series("BTC", "24x7", TradeOrder::kVenueSequence);
  market::Batch batch;
  batch.kind = market::StreamKind::kPriceTick;
  batch.ticks.push_back(
      {.series = btc, .ts_event = kOpen, .ts_recv = kOpen, .identity = {venue(), 7}});
  ASSERT_TRUE(completeness_.add(batch));
  const auto days = completeness_.days();
  ASSERT_EQ(days.size(), 1u);
  EXPECT_EQ(days[0].trades, 0u);
  EXPECT_EQ(days[0].others, 1u);
  EXPECT_FALSE(days[0].missing);
}

TEST_F(CompletenessTest, GapsAreThoseOfAPlainSetWhateverTheOrder) {
  Rng rng(7);
  for (int round = 0; round < 50; ++round) {
    market::Catalog catalog;
    Completeness completeness(catalog);
    const SeriesId id = catalog.intern(
        market::Series{{"v", "trade", "X"}, TradeOrder::kVenueSequence, "24x7", std::string()});
    const OriginId origin = catalog.intern(market::Origin{});
    std::vector<std::uint64_t> ids;
    for (std::uint64_t n = 1; n <= 60; ++n) {
      if (rng.below(3) != 0) ids.push_back(n);
    }
    if (ids.empty()) continue;
    const std::set<std::uint64_t> there(ids.begin(), ids.end());
    for (std::size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[rng.below(i)]);
    market::Batch batch;
    for (const std::uint64_t n : ids) {
      batch.trades.push_back(trade(id, origin, n, kOpen + seconds(static_cast<std::int64_t>(n))));
    }
    ASSERT_TRUE(completeness.add(batch));
    std::set<std::uint64_t> missing;
    for (const IdGap& gap : completeness.gaps()) {
      EXPECT_EQ(gap.after, kOpen + seconds(static_cast<std::int64_t>(gap.first - 1)));
      EXPECT_EQ(gap.before, kOpen + seconds(static_cast<std::int64_t>(gap.last + 1)));
      for (std::uint64_t n = gap.first; n <= gap.last; ++n) missing.insert(n);
    }
    std::set<std::uint64_t> expected;
    for (std::uint64_t n = *there.begin(); n <= *there.rbegin(); ++n) {
      if (!there.contains(n)) expected.insert(n);
    }
    EXPECT_EQ(missing, expected);

    // Of a range: the gaps that touch it, whole.
    const auto first = rng.below(62), last = first + rng.below(20);
    const auto at = [](std::uint64_t n) { return kOpen + seconds(static_cast<std::int64_t>(n)); };
    Missing in_range;
    for (const IdGap& gap : completeness.gaps()) {
      if (gap.first - 1 >= last || gap.last + 1 < first) continue;
      ++in_range.gaps;
      in_range.ids += gap.count();
    }
    EXPECT_EQ(completeness.missing({"v", "trade", "X"}, at(first), at(last)), in_range);
  }
}

TEST_F(CompletenessTest, AGapIsOursWhereTheConnectionWasDown) {
  const SeriesId btc = series("BTC", "24x7", TradeOrder::kVenueSequence);
  const auto at = [](std::int64_t s) { return kOpen + seconds(s); };
  const auto causes = [&] {
    std::vector<GapCause> all;
    for (const IdGap& gap : completeness_.gaps()) all.push_back(gap.cause);
    return all;
  };
  // The venue's clock is five seconds behind, which matters only where a neighbour was fetched.
  const auto stream = [&](std::uint64_t id, std::int64_t s) {
    return trade(btc, venue(), id, at(s) - seconds(5), seconds(5));
  };
  add({stream(1, 10), stream(3, 11), stream(5, 31), stream(7, 60)});
  EXPECT_EQ(causes(), std::vector<GapCause>(3, GapCause::kUnknown));
  market::Batch marks;
  marks.kind = market::StreamKind::kStatus;
  for (std::int64_t s = 0; s <= 40; ++s) {
    const auto state = s == 20 ? market::FeedState::kDown : market::FeedState::kLive;
    marks.marks.push_back({"v/a", state, at(s)});
  }
  ASSERT_TRUE(completeness_.add(marks));
  EXPECT_EQ(causes(), (std::vector{GapCause::kVenue, GapCause::kOurs, GapCause::kUnknown}));

  // One that was fetched an hour later tells nothing by when it came.
  market::Trade fetched = trade(btc, venue(), 9, at(61), hours(1));
  fetched.conditions = market::kRepaired;
  add({fetched, stream(11, 62)});
  marks.marks = {};
  for (std::int64_t s = 41; s <= 70; ++s) {
    marks.marks.push_back({"v/a", market::FeedState::kLive, at(s)});
  }
  ASSERT_TRUE(completeness_.add(marks));
  // Of the third more is known now, too.
  EXPECT_EQ(causes(), (std::vector{GapCause::kVenue, GapCause::kOurs, GapCause::kVenue,
                                   GapCause::kVenue, GapCause::kVenue}));
}

TEST_F(CompletenessTest, AChangedFormatIsKnownByTheDay) {
  const auto record = [&](const std::string& channel, std::string body, Timestamp at) {
    return market::Record{.series = catalog_.intern(market::Series{.key = {"v", channel, "X"}}),
                          .ts_event = at,
                          .ts_recv = at,
                          .body = std::move(body)};
  };
  const std::string more = market::to_json({"f", false}), less = market::to_json({"p", true});
  market::Batch batch;
  batch.records = {record("schema", more, kOpen + hours(1)),
                   record("schema", more, kOpen),  // of another program; the first counts
                   record("schema", less, kOpen),
                   record("schema", more, kOpen + hours(24)),
                   record("schema", "{}", kOpen),
                   record("page", more, kOpen)};
  ASSERT_TRUE(completeness_.add(batch));
  const auto drift = completeness_.drift();
  ASSERT_EQ(drift.size(), 3u);
  const auto day = [](unsigned number) {
    return std::chrono::year_month_day{std::chrono::year(2013), std::chrono::month(10),
                                       std::chrono::day(number)};
  };
  EXPECT_EQ(to_string(drift[0].series), "v/schema/X");
  EXPECT_EQ(drift[0].drift, (market::SchemaDrift{"f", false}));
  EXPECT_EQ(drift[0].date, day(7));
  EXPECT_EQ(drift[0].first, kOpen);
  EXPECT_EQ(drift[1].drift, (market::SchemaDrift{"p", true}));
  EXPECT_EQ(drift[2].date, day(8));
  EXPECT_TRUE(completeness_.days().empty());  // nothing was traded
}

TEST_F(CompletenessTest, WhoDoesNotCountHasNoKnownGaps) {
  EXPECT_FALSE(completeness_.missing({"v", "trade", "X"}, kOpen, kOpen + hours(1)));
}

}  // namespace
}  // namespace tapedeck::quality
