#include "windows/bar_builder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <tuple>

#include "base/rng.hpp"

namespace tapedeck::windows {
namespace {

using market::Bar;
using market::BarSpec;
using market::ConditionMode;
using market::Decimal;
using market::SessionMode;
using market::Trade;

// 2013-10-07 13:30:00 UTC, 09:30 in New York: the regular session opens.
constexpr Timestamp kOpen{1'381'152'600'000'000'000};
constexpr Timestamp kClose{kOpen.ns + 390 * 60'000'000'000};

constexpr std::uint64_t kNoPrice = 1;  // volume only
constexpr std::uint64_t kNothing = 2;  // no column
constexpr std::uint64_t kFormT = 4;    // prices outside regular hours only
constexpr std::uint64_t kClosing = 8;  // belongs to the regular session
constexpr std::uint64_t kNoOpenClose = 16;

class BarBuilderTest : public testing::Test {
 protected:
  BarBuilderTest() {
    using enum market::Answer;
    table_.flags[0] = {"NoPrice", kNo, kNo, kYes, false};
    table_.flags[1] = {"Nothing", kNo, kNo, kNo, false};
    table_.flags[2] = {"FormT", kOutsideRegular, kOutsideRegular, kYes, false};
    table_.flags[3] = {"Closing", kYes, kYes, kYes, true};
    table_.flags[4] = {"NoOpenClose", kNo, kYes, kYes, false};
    tables_ = {{"test", &table_}};
    stock_ = catalog_.intern(market::Series{
        .key = {"x", "trade", "SPY"}, .calendar = "us_equity", .conditions = "test"});
    coin_ = catalog_.intern(
        market::Series{.key = {"x", "trade", "BTC"}, .order = market::TradeOrder::kVenueSequence});
    file_a_ = catalog_.intern(market::Origin{
        .kind = market::OriginKind::kFile, .key = "aa", .first = {1}, .recv_assumed = true});
    file_b_ = catalog_.intern(market::Origin{
        .kind = market::OriginKind::kFile, .key = "bb", .first = {2}, .recv_assumed = true});
  }

  Trade trade(Timestamp t, const char* price, const char* size, std::uint64_t seq,
              std::uint64_t conditions = 0) const {
    return {.series = stock_,
            .conditions = conditions,
            .ts_event = t,
            .ts_recv = t,
            .price = *market::parse_decimal(price),
            .size = *market::parse_decimal(size),
            .identity = {file_a_, seq, 0},
            .venue_sequence = seq};
  }

  static BarBuilderOptions options(ConditionMode conditions = ConditionMode::kEligible,
                                   SessionMode session = SessionMode::kExtended) {
    return {.specs = {{minutes(1), conditions, session}}};
  }

  std::map<Timestamp, Bar> bars_of(const std::vector<Trade>& trades,
                                   const BarBuilderOptions& with) {
    BarBuilder builder(catalog_, tables_, with);
    Offset offset;
    for (const Trade& t : trades) {
      EXPECT_TRUE(count(builder, t, offset));
      ++offset;
    }
    std::map<Timestamp, Bar> bars;
    for (const BarChange& change : builder.take_changes()) bars[change.bar.ts_open] = change.bar;
    return bars;
  }

  static Status count(BarBuilder& builder, const Trade& trade, Offset offset) {
    TD_TRY(builder.add(trade));
    return builder.flush(offset + 1);
  }

  market::ConditionTable table_;
  market::ConditionTables tables_;
  market::Catalog catalog_;
  SeriesId stock_, coin_;
  OriginId file_a_, file_b_;
};

std::string show(const std::optional<Decimal>& price) { return price ? to_string(*price) : "none"; }
std::string show(const Bar& bar) {
  return show(bar.open) + " " + show(bar.high) + " " + show(bar.low) + " " + show(bar.close) +
         " v" + bar.volume.to_string() + " n" + bar.notional.to_string() + " t" +
         std::to_string(bar.trades) + " x" + std::to_string(bar.excluded);
}

TEST_F(BarBuilderTest, MakesABar) {
  const auto bars = bars_of(
      {trade(kOpen, "10.5", "100", 0), trade(kOpen + seconds(1), "11", "1", 1),
       trade(kOpen + seconds(59), "9.75", "3", 2), trade(kOpen + seconds(60), "12", "7", 3)},
      options());
  ASSERT_EQ(bars.size(), 2u);
  EXPECT_EQ(show(bars.at(kOpen)), "10.5 11 9.75 9.75 v104 n1090.25 t3 x0");
  EXPECT_EQ(bars.at(kOpen).offset, Offset(3));
  EXPECT_EQ(show(bars.at(kOpen + minutes(1))), "12 12 12 12 v7 n84 t1 x0");
}

TEST_F(BarBuilderTest, TradesOfOneInstantAreOrderedByIdentityNotByArrival) {
  Trade first = trade(kOpen, "10", "1", 5);
  Trade second = trade(kOpen, "11", "1", 6);
  Trade third = trade(kOpen, "12", "1", 0);
  third.identity.origin = file_b_;  // a later file: after all of file a
  for (const auto& arrival : {std::vector{first, second, third}, std::vector{third, second, first},
                              std::vector{second, third, first}}) {
    EXPECT_EQ(show(bars_of(arrival, options()).at(kOpen)), "10 12 10 12 v3 n33 t3 x0");
  }
}

TEST_F(BarBuilderTest, WhereTheVenueOrdersItsSequenceDecides) {
  Trade first = trade(kOpen, "10", "1", 9);
  Trade second = trade(kOpen, "11", "1", 3);
  first.series = second.series = coin_;
  first.venue_sequence = 100;
  second.venue_sequence = 200;
  EXPECT_EQ(show(bars_of({second, first}, options()).at(kOpen)), "10 11 10 11 v2 n21 t2 x0");
}

TEST_F(BarBuilderTest, ConditionsDecideColumnByColumn) {
  const std::vector<Trade> trades{trade(kOpen, "99", "5", 0, kNoPrice),
                                  trade(kOpen + seconds(1), "10", "1", 1),
                                  trade(kOpen + seconds(2), "1", "1000", 2, kNothing),
                                  trade(kOpen + seconds(3), "8", "2", 3, kNoOpenClose)};
  EXPECT_EQ(show(bars_of(trades, options()).at(kOpen)), "10 10 8 10 v8 n521 t3 x1");
  EXPECT_EQ(show(bars_of(trades, options(ConditionMode::kAll)).at(kOpen)),
            "99 99 1 8 v1008 n1521 t4 x0");
}

TEST_F(BarBuilderTest, VolumeWithoutAPriceDrawsNoCandle) {
  const auto bars = bars_of({trade(kOpen, "99", "5", 0, kNoPrice)}, options());
  EXPECT_EQ(show(bars.at(kOpen)), "none none none none v5 n495 t1 x0");
}

TEST_F(BarBuilderTest, FormTSetsPricesByTheClock) {
  const Timestamp before = kOpen - nanoseconds(1);
  const auto bars = bars_of(
      {trade(before, "10", "1", 0, kFormT), trade(kOpen, "20", "1", 1, kFormT),
       trade(kClose - nanoseconds(1), "30", "1", 2, kFormT), trade(kClose, "40", "1", 3, kFormT)},
      options());
  EXPECT_EQ(show(bars.at(floor_to(before, minutes(1)))), "10 10 10 10 v1 n10 t1 x0");
  EXPECT_EQ(show(bars.at(kOpen)), "none none none none v1 n20 t1 x0");
  EXPECT_EQ(show(bars.at(kClose - minutes(1))), "none none none none v1 n30 t1 x0");
  EXPECT_EQ(show(bars.at(kClose)), "40 40 40 40 v1 n40 t1 x0");
}

TEST_F(BarBuilderTest, TheRegularSessionTakesItsClosingPrintAfterTheBell) {
  const auto bars =
      bars_of({trade(kOpen - seconds(1), "1", "1", 0), trade(kOpen, "2", "1", 1),
               trade(kClose, "3", "1", 2), trade(kClose + seconds(64), "4", "1", 3, kClosing)},
              options(ConditionMode::kEligible, SessionMode::kRegular));
  ASSERT_EQ(bars.size(), 2u);
  EXPECT_EQ(show(bars.at(kOpen)), "2 2 2 2 v1 n2 t1 x0");
  EXPECT_EQ(show(bars.at(kClose + minutes(1))), "4 4 4 4 v1 n4 t1 x0");
}

TEST_F(BarBuilderTest, ArrivalOrderNeverChangesABar) {
  Rng rng(7);
  std::vector<Trade> trades;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    Trade t = trade(kOpen + milliseconds(static_cast<std::int64_t>(rng.below(300) * 1000)), "1",
                    "1", i, rng.below(3) == 0 ? rng.below(32) : 0);
    t.price = Decimal::make(static_cast<std::int64_t>(1 + rng.below(1000)),
                            static_cast<int>(rng.below(4)));
    t.size =
        Decimal::make(static_cast<std::int64_t>(rng.below(1000)), static_cast<int>(rng.below(9)));
    if (rng.below(2) == 0) t.identity.origin = file_b_;
    trades.push_back(t);
  }
  for (const auto mode : {ConditionMode::kEligible, ConditionMode::kAll}) {
    std::vector<std::string> in_order;
    for (const auto& [ts, bar] : bars_of(trades, options(mode))) in_order.push_back(show(bar));
    for (int round = 0; round < 5; ++round) {
      for (std::size_t i = trades.size() - 1; i > 0; --i) {
        std::swap(trades[i], trades[rng.below(i + 1)]);
      }
      std::vector<std::string> shuffled;
      for (const auto& [ts, bar] : bars_of(trades, options(mode))) shuffled.push_back(show(bar));
      EXPECT_EQ(shuffled, in_order);
    }
  }
}

TEST_F(BarBuilderTest, HoweverTradesAreBatchedTheirBarsAreTheSame) {
  Rng rng(11);
  std::vector<Trade> trades;
  for (std::uint64_t i = 0; i < 3000; ++i) {  // a market opens, in no order, with prices anywhere
    Trade t = trade(kOpen + milliseconds(static_cast<std::int64_t>(rng.below(240'000)) - 120'000),
                    "1", "1", i, rng.below(3) == 0 ? rng.below(32) : 0);
    t.price = Decimal::make(static_cast<std::int64_t>(rng.below(2000)) - 500,
                            static_cast<int>(rng.below(4)));
    t.size =
        Decimal::make(static_cast<std::int64_t>(rng.below(1000)), static_cast<int>(rng.below(9)));
    t.side = static_cast<market::Side>(rng.below(3));
    if (rng.below(3) == 0) t.series = coin_;
    if (rng.below(2) == 0) t.identity.origin = file_b_;
    trades.push_back(t);
  }
  using Key = std::tuple<SeriesId, BarSpec, Timestamp>;
  const auto bars_in_batches_of = [&](std::size_t size, SeriesId only = SeriesId(~0u)) {
    const BarSpec minute{minutes(1)};
    const BarSpec all{minutes(1), ConditionMode::kAll};
    const BarSpec regular{minutes(1), ConditionMode::kEligible, SessionMode::kRegular};
    const BarSpec average{.interval = seconds(15), .slide = seconds(5)};
    const BarSpec day{market::kTradingDay};
    BarBuilder builder(catalog_, tables_,
                       {.specs = {minute, all, regular, average, day}, .lateness = {hours(48)}});
    const auto takes = [&](SeriesId series) { return only == SeriesId(~0u) || series == only; };
    for (std::size_t at = 0; at < trades.size(); at += size) {
      const auto batch = std::span(trades).subspan(at, std::min(size, trades.size() - at));
      EXPECT_TRUE(builder.add(batch, takes));
      EXPECT_TRUE(builder.flush(Offset(at + batch.size())));
    }
    std::map<Key, std::string> bars;
    for (const BarChange& change : builder.take_changes()) {
      const Bar& bar = change.bar;
      bars[{change.series, change.spec, bar.ts_open}] =
          show(bar) + " p" + bar.price_sum.to_string() + " b" + bar.buy_volume.to_string() + " s" +
          bar.sell_volume.to_string() + change.keys();
    }
    return bars;
  };
  const auto one_by_one = bars_in_batches_of(1);
  EXPECT_GT(one_by_one.size(), 100u);
  EXPECT_EQ(bars_in_batches_of(17), one_by_one);
  EXPECT_EQ(bars_in_batches_of(trades.size()), one_by_one);

  auto of_coin = one_by_one;
  std::erase_if(of_coin, [&](const auto& bar) { return std::get<0>(bar.first) != coin_; });
  EXPECT_EQ(bars_in_batches_of(100, coin_), of_coin);
}

TEST_F(BarBuilderTest, ABarBecomesFinalByTheWatermarkAndALateTradeRevisesIt) {
  BarBuilder builder(catalog_, tables_, options());
  ASSERT_TRUE(count(builder, trade(kOpen, "10", "1", 0), Offset(0)));
  ASSERT_TRUE(count(builder, trade(kOpen + seconds(65), "11", "1", 1), Offset(1)));
  auto changes = builder.take_changes();
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_FALSE(changes[0].bar.is_final || changes[1].bar.is_final);

  ASSERT_TRUE(
      count(builder, trade(kOpen + seconds(70), "11", "1", 2), Offset(2)));  // 10 s lateness
  changes = builder.take_changes();
  ASSERT_EQ(changes.size(), 2u);
  const auto first = std::ranges::find(changes, kOpen, [](const auto& c) { return c.bar.ts_open; });
  EXPECT_TRUE(first->bar.is_final);
  EXPECT_EQ(first->bar.revision, 0u);
  EXPECT_EQ(first->bar.offset, Offset(3));

  ASSERT_TRUE(count(builder, trade(kOpen + seconds(1), "9", "1", 3), Offset(3)));
  ASSERT_TRUE(count(builder, trade(kOpen + seconds(2), "8", "1", 4), Offset(4)));
  changes = builder.take_changes();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(show(changes[0].bar), "10 10 8 8 v3 n27 t3 x0");
  EXPECT_EQ(changes[0].bar.revision, 1u);  // one batch, one revision
  EXPECT_TRUE(changes[0].bar.is_final);
  EXPECT_EQ(builder.late(), 2u);
  EXPECT_TRUE(builder.take_changes().empty());
}

TEST_F(BarBuilderTest, EachKindOfBarsWaitsAsLongAsItIsTold) {
  BarBuilder builder(catalog_, tables_,
                     {.specs = {{minutes(1)}, {minutes(1), ConditionMode::kAll}},
                      .lateness = {seconds(0), seconds(30)}});
  const auto finals = [&](Timestamp mark) {
    builder.add({.feed = "x/one", .state = market::FeedState::kLive, .ts_recv = mark});
    EXPECT_TRUE(builder.flush(Offset(2)));
    std::vector<ConditionMode> modes;
    for (const BarChange& change : builder.take_changes()) {
      if (change.bar.is_final) modes.push_back(change.spec.conditions);
    }
    return modes;
  };
  ASSERT_TRUE(count(builder, trade(kOpen, "10", "1", 0), Offset(0)));
  EXPECT_EQ(finals(kOpen + seconds(59)), std::vector<ConditionMode>{});
  EXPECT_EQ(finals(kOpen + seconds(60)), std::vector{ConditionMode::kEligible});
  EXPECT_EQ(finals(kOpen + seconds(89)), std::vector<ConditionMode>{});
  EXPECT_EQ(finals(kOpen + seconds(90)), std::vector{ConditionMode::kAll});
}

TEST_F(BarBuilderTest, TheEndOfAFeedMakesAllFinal) {
  BarBuilder builder(catalog_, tables_, options());
  ASSERT_TRUE(count(builder, trade(kOpen, "10", "1", 0), Offset(0)));
  builder.add({.feed = "replay", .state = market::FeedState::kEnded, .ts_recv = kOpen});
  ASSERT_TRUE(builder.flush(Offset(2)));
  const auto changes = builder.take_changes();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].bar.is_final);
}

TEST_F(BarBuilderTest, ATradeOlderThanWhatIsKeptIsCountedAsNotApplied) {
  BarBuilderOptions with = options();
  with.bars_kept_max = 2;
  BarBuilder builder(catalog_, tables_, with);
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(count(builder, trade(kOpen + minutes(i), "10", "1", static_cast<std::uint64_t>(i)),
                      Offset(static_cast<std::uint64_t>(i))));
  }
  builder.take_changes();
  ASSERT_TRUE(count(builder, trade(kOpen, "99", "1", 7), Offset(6)));
  EXPECT_TRUE(builder.take_changes().empty());
  EXPECT_EQ(builder.unapplied(), 1u);
}

TEST_F(BarBuilderTest, SaysWhichSumDoesNotFit) {
  BarBuilder builder(catalog_, tables_, options());
  Trade huge = trade(kOpen, "9223372036854775807", "9223372036854775807", 0);
  Status status;
  for (std::uint64_t i = 0; status && i < 10; ++i) {
    huge.identity.seq = i;
    status = count(builder, huge, Offset(i));
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kOverflow);
  EXPECT_THAT(status.error().message, testing::HasSubstr("x/trade/SPY"));
}

TEST_F(BarBuilderTest, AnUnknownConditionTableIsAnError) {
  BarBuilder builder(catalog_, tables_, options());
  Trade t = trade(kOpen, "1", "1", 0);
  t.series = catalog_.intern(market::Series{.key = {"x", "trade", "Q"}, .conditions = "other"});
  const Status status = builder.add(t);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, testing::HasSubstr("'other'"));
}

// ---- Marks of clocks

market::FeedMark mark(const char* feed, Timestamp t,
                      market::FeedState state = market::FeedState::kLive) {
  return {.feed = feed, .state = state, .ts_recv = t};
}

class MarksTest : public BarBuilderTest {
 protected:
  MarksTest() {
    other_ = catalog_.intern(market::Series{.key = {"y", "trade", "BTC"}});
    for (const SeriesId series : {coin_, other_}) {
      Trade t = trade(kOpen, "10", "1", series.value);
      t.series = series;
      EXPECT_TRUE(builder_.add(t));
    }
    EXPECT_TRUE(builder_.flush(Offset(2)));
    builder_.take_changes();
    builder_.take_state();
  }

  // Venues whose bar became final by it.
  std::string final_after(const market::FeedMark& mark) {
    builder_.add(mark);
    EXPECT_TRUE(builder_.flush(Offset(++offset_)));
    std::string venues;
    for (const BarChange& change : builder_.take_changes()) {
      EXPECT_TRUE(change.bar.is_final);
      EXPECT_GE(change.bar.ts_known, mark.ts_recv);
      venues += catalog_.series(change.series).key.venue;
    }
    return venues;
  }

  SeriesId other_;
  std::uint64_t offset_ = 2;
  BarBuilder builder_{catalog_, tables_, options()};
};

TEST_F(MarksTest, CloseTheBarsOfTheirVenueOnceTheSlowestFeedHasPassed) {
  const Timestamp due = kOpen + seconds(70);  // lateness 10 s
  EXPECT_EQ(final_after(mark("x/fast", kOpen)), "");
  EXPECT_EQ(final_after(mark("x/slow", kOpen)), "");
  EXPECT_EQ(final_after(mark("z/other", due + hours(1))), "");
  EXPECT_EQ(final_after(mark("x/fast", due)), "");
  EXPECT_EQ(final_after(mark("x/slow", due - nanoseconds(1))), "");
  EXPECT_EQ(final_after(mark("x/slow", due)), "x");
  EXPECT_EQ(final_after(mark("y/own", due)), "y");
}

TEST_F(MarksTest, OfAnotherVenueCloseNothingThatATradeTouchesEither) {
  EXPECT_EQ(final_after(mark("y/own", kOpen + hours(1))), "y");
  Trade next = trade(kOpen + seconds(1), "10", "1", 9);
  next.series = coin_;
  ASSERT_TRUE(count(builder_, next, Offset(9)));
  const auto changes = builder_.take_changes();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_FALSE(changes[0].bar.is_final);
  EXPECT_EQ(changes[0].bar.trades, 2u);
}

TEST_F(MarksTest, OneWithoutAVenueSpeaksForAll) {
  EXPECT_EQ(final_after(mark("x/own", kOpen)), "");
  const std::string venues = final_after(mark("replay", kOpen + seconds(70)));
  EXPECT_TRUE(venues == "xy" || venues == "yx") << venues;
}

TEST_F(MarksTest, TheEndOfAFeedClosesItsVenueOnceNoOtherFeedIsOpen) {
  using enum market::FeedState;
  EXPECT_EQ(final_after(mark("x/b", kOpen)), "");
  EXPECT_EQ(final_after(mark("x/a", kOpen, kEnded)), "");
  EXPECT_EQ(final_after(mark("x/b", kOpen, kEnded)), "x");
  EXPECT_EQ(final_after(mark("replay", kOpen, kEnded)), "y");
}

// A mark comes each second, and most of ten thousand series have nothing to close by it.
TEST_F(MarksTest, CostNothingForSeriesWithoutOpenBars) {
  EXPECT_EQ(builder_.take_state().size(), 1u);
  EXPECT_EQ(final_after(mark("x/own", kOpen + seconds(30))), "");
  EXPECT_EQ(builder_.take_state().size(), 2u);  // the clock of the venue; what is known
  EXPECT_EQ(final_after(mark("x/own", kOpen + seconds(70))), "x");
  EXPECT_EQ(builder_.take_state().size(), 3u);  // and the series that closed a bar
  EXPECT_EQ(final_after(mark("x/own", kOpen + hours(1))), "");
  EXPECT_EQ(builder_.take_state().size(), 2u);
}

TEST_F(MarksTest, ABarThatBeginsWhenMarksHavePassedItIsFinalAtOnce) {
  EXPECT_EQ(final_after(mark("x/own", kOpen + hours(1))), "x");
  Trade late = trade(kOpen + minutes(5), "10", "1", 9);
  late.series = coin_;
  ASSERT_TRUE(count(builder_, late, Offset(9)));
  const auto changes = builder_.take_changes();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].bar.is_final);
  EXPECT_EQ(changes[0].bar.reason, market::RevisionReason::kLate);
  EXPECT_EQ(builder_.late(), 1u);
}

}  // namespace
}  // namespace tapedeck::windows
