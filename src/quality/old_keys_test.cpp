#include "quality/old_keys.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace tapedeck::quality {
namespace {

using market::Decimal;
using market::parse_decimal;
using market::Trade;

Timestamp at(std::string_view text) { return parse_iso(text).value(); }

// Trades of hand-made series, numbered from 1 in the order in which they are made.
class OldKeys : public testing::Test {
 protected:
  Trade trade(std::string_view time, std::string_view price, std::string_view size,
              std::string_view instrument = "S") {
    Trade t;
    t.series = catalog_.intern(market::Series{.key = {"v", "trade", std::string(instrument)},
                                              .order = market::TradeOrder::kVenueSequence});
    t.ts_event = at(time);
    t.ts_recv = t.ts_event;
    t.price = parse_decimal(price).value();
    t.size = parse_decimal(size).value();
    t.venue_sequence = ++last_;
    t.identity = {.origin = catalog_.intern(origin_), .seq = last_};
    return t;
  }

  OldKeyReport audit(OldPipeline pipeline, const std::vector<Trade>& trades,
                     const std::vector<Trade>& repeats = {}) {
    OldKeyAudit audit(catalog_, pipeline);
    for (const Trade& t : trades) audit.add(t);
    for (const Trade& t : repeats) audit.add_repeat(t);
    auto report = audit.finish();
    EXPECT_TRUE(report) << report.error().message;
    return *std::move(report);
  }

  market::Catalog catalog_;
  market::Origin origin_;
  std::uint64_t last_ = 0;
};

std::string price(const std::optional<Decimal>& value) { return value ? to_string(*value) : "-"; }

std::vector<std::uint64_t> ids(const std::vector<LostTrade>& lost) {
  std::vector<std::uint64_t> all;
  for (const LostTrade& one : lost) all.push_back(one.trade.identity.seq);
  return all;
}

TEST(ParseOldPipeline, KnowsFive) {
  EXPECT_EQ(parse_old_pipeline("s1").value(), OldPipeline::kS1);
  EXPECT_EQ(parse_old_pipeline("s5").value(), OldPipeline::kS5);
  const auto unknown = parse_old_pipeline("s6");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(unknown.error().message.find("s1, s2, s3, s4 or s5"), std::string::npos);
  EXPECT_EQ(definition_of(OldPipeline::kS4).name, "s4");
}

// ---- s2 and s5: ((symbol), trade_timestamp), in ms

TEST_F(OldKeys, OfOneMillisecondTheLastTradeStays) {
  for (const OldPipeline pipeline : {OldPipeline::kS2, OldPipeline::kS5}) {
    last_ = 0;
    const auto report = audit(pipeline, {trade("2020-01-01T10:00:00.001000000Z", "10", "1"),
                                         trade("2020-01-01T10:00:00.001000001Z", "12.5", "2"),
                                         trade("2020-01-01T10:00:00.001999999Z", "11", "4"),
                                         trade("2020-01-01T10:00:00.002000000Z", "9", "8")});
    ASSERT_EQ(report.series.size(), 1u);
    const OldSeries& s = report.series[0];
    EXPECT_EQ(s.trades, 4u);
    EXPECT_EQ(s.rows, 2u);
    EXPECT_EQ(s.lost, 2u);
    EXPECT_EQ(s.volume.to_string(), "15");
    EXPECT_EQ(s.volume_lost.to_string(), "3");
    EXPECT_EQ(s.notional_lost.to_string(), "35");
    ASSERT_EQ(report.lost.size(), 2u);
    EXPECT_EQ(report.lost[0].loss, Loss::kOverwritten);
    EXPECT_EQ(report.lost[0].trade.identity.seq, 1u);
    EXPECT_EQ(report.lost[0].other->identity.seq, 2u);
    EXPECT_EQ(report.lost[1].trade.identity.seq, 2u);
    EXPECT_EQ(report.lost[1].other->identity.seq, 3u);
  }
}

TEST_F(OldKeys, ASeriesOverwritesOnlyItsOwn) {
  const auto report = audit(OldPipeline::kS2, {trade("2020-01-01T10:00:00Z", "10", "1", "A"),
                                               trade("2020-01-01T10:00:00Z", "10", "1", "B")});
  ASSERT_EQ(report.series.size(), 2u);
  EXPECT_EQ(report.series[0].lost + report.series[1].lost, 0u);
  EXPECT_TRUE(report.lost.empty());
}

TEST_F(OldKeys, ARepeatTakesItsOwnRow) {
  const Trade t = trade("2020-01-01T10:00:00Z", "10", "1");
  const auto report = audit(OldPipeline::kS2, {t}, {t});
  EXPECT_EQ(report.series[0].repeats, 1u);
  EXPECT_EQ(report.series[0].rows, 1u);
  EXPECT_EQ(report.series[0].lost, 0u);
  EXPECT_EQ(report.series[0].bars.misstated, 0u);
}

// Written late, it overwrites all the same; the bar's own close is by time.
TEST_F(OldKeys, TheOrderOfWritingDecides) {
  const Trade first = trade("2020-01-01T10:00:00.001Z", "10", "1");
  const Trade last = trade("2020-01-01T10:00:00.001Z", "11", "1");
  const auto report = audit(OldPipeline::kS2, {last, first});
  EXPECT_EQ(report.lost[0].trade.identity.seq, last.identity.seq);
  const BarFault& worst = report.series[0].bars.worst.value();
  EXPECT_EQ(price(worst.truth.close), "11");
  EXPECT_EQ(price(worst.old->close), "10");
}

TEST_F(OldKeys, WhatItsBarsMisstate) {
  const auto report = audit(
      OldPipeline::kS2,
      {// 10:00: the open and the high are lost
       trade("2020-01-01T10:00:00.001Z", "20", "1"), trade("2020-01-01T10:00:00.001Z", "10", "1"),
       trade("2020-01-01T10:00:59.999Z", "11", "1"),
       // 10:01: nothing is
       trade("2020-01-01T10:01:00Z", "10", "1"), trade("2020-01-01T10:01:01Z", "12", "1"),
       // 10:02: the low is, and more money than at 10:00
       trade("2020-01-01T10:02:00Z", "10", "1"), trade("2020-01-01T10:02:01Z", "9", "100"),
       trade("2020-01-01T10:02:01Z", "11", "1"),
       // 10:03: a trade of size 0, which was the high
       trade("2020-01-01T10:03:00Z", "10", "1"), trade("2020-01-01T10:03:01Z", "11", "0"),
       trade("2020-01-01T10:03:01Z", "10", "1")});
  const BarFaults& bars = report.series[0].bars;
  EXPECT_EQ(bars.bars, 4u);
  EXPECT_EQ(bars.misstated, 3u);
  EXPECT_EQ(bars.absent, 0u);
  EXPECT_EQ(bars.volume, 2u);
  EXPECT_EQ(bars.open, 1u);
  EXPECT_EQ(bars.high, 2u);
  EXPECT_EQ(bars.low, 1u);
  EXPECT_EQ(bars.close, 0u);
  ASSERT_TRUE(bars.worst);
  EXPECT_EQ(bars.worst->ts_open, at("2020-01-01T10:02:00Z"));
  EXPECT_EQ(price(bars.worst->truth.low), "9");
  EXPECT_EQ(price(bars.worst->old->low), "10");
  EXPECT_EQ(bars.worst->truth.volume.to_string(), "102");
  EXPECT_EQ(bars.worst->old->volume.to_string(), "2");
}

TEST_F(OldKeys, TheEarliestFiveAreNamed) {
  std::vector<Trade> trades;
  for (int second = 9; second >= 0; --second) {  // the latest first
    for (const char* instrument : {"B", "A"}) {
      const std::string time = "2020-01-01T10:00:0" + std::to_string(second) + "Z";
      trades.push_back(trade(time, "10", "1", instrument));
      trades.push_back(trade(time, "10", "2", instrument));
    }
  }
  const auto report = audit(OldPipeline::kS2, trades);
  // Of second 0 A before B, and so on; the first of each pair is lost.
  EXPECT_EQ(ids(report.lost), (std::vector<std::uint64_t>{39, 37, 35, 33, 31}));
}

TEST_F(OldKeys, OfEqualOnesTheFirstComesFirst) {
  const auto report =
      audit(OldPipeline::kS2,
            {trade("2020-01-01T10:00:00Z", "10", "1"), trade("2020-01-01T10:00:00Z", "10", "1"),
             trade("2020-01-01T10:00:00Z", "10", "1"), trade("2020-01-01T10:01:00Z", "10", "2"),
             trade("2020-01-01T10:01:00Z", "10", "1")});
  EXPECT_EQ(ids(report.lost), (std::vector<std::uint64_t>{1, 2, 4}));
  // Both bars miss 20.
  EXPECT_EQ(report.series[0].bars.worst->ts_open, at("2020-01-01T10:00:00Z"));
}

// It is the mean since the start, not that of 15 s.
TEST_F(OldKeys, TheAverageOfFifteenSecondsIsNot) {
  for (const OldPipeline pipeline : {OldPipeline::kS2, OldPipeline::kS5}) {
    const auto report = audit(
        pipeline,
        {trade("2020-01-01T10:00:00Z", "10", "1"), trade("2020-01-01T10:00:14.999Z", "10", "3"),
         trade("2020-01-01T10:00:15Z", "10", "2"), trade("2020-01-01T10:01:00Z", "10", "6")});
    ASSERT_TRUE(report.series[0].averages);
    const AverageFaults& averages = *report.series[0].averages;
    EXPECT_EQ(averages.windows, 3u);  // means 20, 20, 60; shown 20, 20, 30
    EXPECT_EQ(averages.off_percent, 1u);
    EXPECT_EQ(averages.off_half, 0u);  // 30 is off by just a half
    ASSERT_TRUE(averages.worst);
    EXPECT_EQ(averages.worst->ts_open, at("2020-01-01T10:01:00Z"));
    EXPECT_DOUBLE_EQ(averages.last.truth, 60);
    EXPECT_DOUBLE_EQ(averages.last.shown, 30);
  }
}

TEST_F(OldKeys, AMeanOfNothingIsOffByMoreThanAnyShare) {
  const auto report = audit(OldPipeline::kS2, {trade("2020-01-01T10:00:00Z", "10", "1"),
                                               trade("2020-01-01T10:00:15Z", "10", "0")});
  EXPECT_EQ(report.series[0].averages->off_half, 1u);
  EXPECT_FALSE(report.series[0].averages->worst);
}

TEST_F(OldKeys, DrawnByWhenItWasTakenIn) {
  std::vector<Trade> trades;
  // Received: 10:00:55 just so, a little later, in the next minute.
  for (const char* recv : {"2020-01-01T10:00:55Z", "2020-01-01T10:00:55.000000001Z",
                           "2020-01-01T10:01:00.000000001Z"}) {
    trades.push_back(trade("2020-01-01T10:00:54Z", "10", "1"));
    trades.back().ts_recv = at(recv);
  }
  const auto s2 = audit(OldPipeline::kS2, trades).series[0].ingest.value();
  EXPECT_EQ(s2.other_minute, 1u);
  EXPECT_EQ(s2.without_recv, 0u);
  const auto s5 = audit(OldPipeline::kS5, trades).series[0].ingest.value();
  EXPECT_EQ(s5.other_minute, 2u);  // triggers at 10:00:55, 10:01:00, 10:01:05
  EXPECT_EQ(s5.average_rows, 3u);

  origin_.recv_assumed = true;
  const auto assumed = audit(OldPipeline::kS5, {trade("2020-01-01T10:00:56Z", "10", "1"),
                                                trade("2020-01-01T10:00:57Z", "10", "1")});
  EXPECT_EQ(assumed.series[0].ingest->without_recv, 2u);
  EXPECT_EQ(assumed.series[0].ingest->average_rows, 1u);
}

// ---- s1: bars of an hour

TEST_F(OldKeys, HoursInsteadOfTrades) {
  const auto report =
      audit(OldPipeline::kS1,
            {trade("2013-10-07T13:30:00Z", "10", "1"), trade("2013-10-07T13:59:59Z", "12", "1"),
             trade("2013-10-07T14:00:00Z", "11", "1"), trade("2013-10-07T14:01:00Z", "11.5", "1")});
  const OldSeries& s = report.series[0];
  EXPECT_EQ(s.rows, 2u);
  EXPECT_EQ(s.lost, 0u);
  EXPECT_EQ(s.bars.bars, 4u);
  EXPECT_EQ(s.bars.absent, 4u);
  const HourFaults& hours = s.hours.value();
  EXPECT_EQ(hours.hours, 2u);
  EXPECT_EQ(hours.overwritten, 0u);
  EXPECT_EQ(hours.last_date, "2013-10-07");
  EXPECT_EQ(hours.change_shown.to_string(), "0.5");
  EXPECT_EQ(hours.change.to_string(), "1.5");
  // All of the last day is later than its midnight.
  EXPECT_EQ(hours.hidden_bars, 2u);
  EXPECT_EQ(hours.hidden_trades, 4u);
  EXPECT_EQ(ids(report.lost), (std::vector<std::uint64_t>{1, 2, 3, 4}));
  EXPECT_EQ(report.lost[0].loss, Loss::kHidden);
}

TEST_F(OldKeys, AtMidnightABarIsShown) {
  const auto report = audit(OldPipeline::kS1, {trade("2013-10-07T03:59:59Z", "10", "1"),
                                               trade("2013-10-07T04:00:00Z", "10", "1"),
                                               trade("2013-10-07T05:00:00Z", "10", "1")});
  EXPECT_EQ(report.series[0].hours->hidden_bars, 1u);
  EXPECT_EQ(ids(report.lost), std::vector<std::uint64_t>{3});
}

// On 2013-11-03 the hour from 01:00 came twice in New York.
TEST_F(OldKeys, WhenTheClocksGoBackAnHourIsOverwritten) {
  const auto report =
      audit(OldPipeline::kS1,
            {trade("2013-11-03T05:30:00Z", "10", "3"), trade("2013-11-03T05:31:00Z", "10", "4"),
             trade("2013-11-03T06:30:00Z", "12", "1"), trade("2013-11-04T05:00:00Z", "12", "1")});
  const OldSeries& s = report.series[0];
  EXPECT_EQ(s.hours->hours, 3u);
  EXPECT_EQ(s.hours->overwritten, 1u);
  EXPECT_EQ(s.rows, 2u);
  EXPECT_EQ(s.lost, 2u);
  EXPECT_EQ(s.volume_lost.to_string(), "7");
  EXPECT_EQ(ids(report.lost), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(report.lost[0].loss, Loss::kBarOverwritten);
  EXPECT_EQ(report.lost[0].other->identity.seq, 3u);
}

TEST_F(OldKeys, ASymbolThatCannotNameATable) {
  const auto report = audit(OldPipeline::kS1, {trade("2013-10-07T13:30:00Z", "10", "3", "BTC/USD"),
                                               trade("2013-10-07T13:30:00Z", "10", "3", "b_9")});
  EXPECT_EQ(report.series[0].series.instrument, "BTC/USD");
  EXPECT_EQ(report.series[0].rows, 0u);
  EXPECT_EQ(report.series[0].lost, 1u);
  EXPECT_EQ(report.series[1].rows, 1u);
  EXPECT_EQ(report.lost[0].loss, Loss::kNoTable);
}

// ---- s3: a uuid for each row

TEST_F(OldKeys, UuidsLoseNothingButTheOrder) {
  const auto report =
      audit(OldPipeline::kS3,
            {trade("2020-01-01T10:00:00Z", "10", "1"), trade("2020-01-01T10:00:00Z", "10", "1"),
             trade("2020-01-01T10:00:30Z", "11", "1"), trade("2020-01-01T10:00:59Z", "12", "1"),
             trade("2020-01-01T10:00:59Z", "13", "1"),
             // later than both that it parts
             trade("2020-01-01T10:01:00Z", "10", "1"), trade("2020-01-01T10:01:00Z", "11", "1"),
             trade("2020-01-01T10:01:01Z", "10", "1")});
  const OldSeries& s = report.series[0];
  EXPECT_EQ(s.rows, 8u);
  EXPECT_EQ(s.lost, 0u);
  EXPECT_EQ(s.bars.bars, 2u);
  EXPECT_EQ(s.bars.misstated, 2u);
  EXPECT_EQ(s.bars.open, 1u);   // 10:01
  EXPECT_EQ(s.bars.close, 1u);  // 10:00
  EXPECT_EQ(s.bars.volume + s.bars.high + s.bars.low, 0u);
  ASSERT_EQ(report.lost.size(), 2u);
  EXPECT_EQ(report.lost[0].loss, Loss::kOrderUnknown);
  EXPECT_EQ(report.lost[0].trade.identity.seq, 4u);
  EXPECT_EQ(report.lost[0].other->identity.seq, 5u);
  EXPECT_EQ(report.lost[1].trade.identity.seq, 6u);
}

TEST_F(OldKeys, AMinuteOfOneInstantIsNamedOnce) {
  const auto report = audit(OldPipeline::kS3, {trade("2020-01-01T10:00:00Z", "10", "1"),
                                               trade("2020-01-01T10:00:00Z", "10", "1"),
                                               trade("2020-01-01T10:00:00Z", "11", "1")});
  EXPECT_EQ(report.series[0].bars.open, 1u);
  EXPECT_EQ(report.series[0].bars.close, 1u);
  ASSERT_EQ(report.lost.size(), 1u);
  EXPECT_EQ(report.lost[0].other->identity.seq, 3u);
}

TEST_F(OldKeys, UuidsCountARepeatTwice) {
  const Trade t = trade("2020-01-01T10:00:00Z", "10", "5");
  const auto report = audit(OldPipeline::kS3, {t, trade("2020-01-01T10:01:00Z", "10", "1")}, {t});
  const OldSeries& s = report.series[0];
  EXPECT_EQ(s.rows, 3u);
  EXPECT_EQ(s.volume_repeated.to_string(), "5");
  EXPECT_EQ(s.bars.volume, 1u);
  EXPECT_EQ(s.bars.worst->ts_open, at("2020-01-01T10:00:00Z"));
  EXPECT_EQ(s.bars.worst->old->volume.to_string(), "10");
}

// ---- s4: the ticker

TEST_F(OldKeys, OfATickerOneRowStays) {
  const auto report = audit(OldPipeline::kS4, {trade("2020-01-01T10:00:00Z", "10", "1", "A"),
                                               trade("2020-01-01T10:00:00Z", "50", "0", "B"),
                                               trade("2020-01-01T10:00:01Z", "20", "3", "A"),
                                               trade("2020-01-01T10:02:00Z", "30", "1", "A")});
  const OldSeries& a = report.series[0];
  EXPECT_EQ(a.rows, 1u);
  EXPECT_EQ(a.lost, 2u);
  EXPECT_EQ(a.volume_lost.to_string(), "5");  // ticks have no size
  EXPECT_EQ(a.bars.bars, 2u);
  EXPECT_EQ(a.bars.absent, 2u);
  EXPECT_EQ(a.bars.worst->ts_open, at("2020-01-01T10:00:00Z"));
  EXPECT_FALSE(a.bars.worst->old);
  EXPECT_DOUBLE_EQ(a.cumulative->shown, 20);
  EXPECT_DOUBLE_EQ(a.cumulative->vwap, 20);
  EXPECT_EQ(to_string(a.cumulative->last), "30");
  EXPECT_TRUE(std::isnan(report.series[1].cumulative->vwap));
  EXPECT_EQ(ids(report.lost), (std::vector<std::uint64_t>{1, 3}));
}

// ---- all of them

TEST_F(OldKeys, OfNothingNothingIsLost) {
  for (const auto pipeline :
       {OldPipeline::kS1, OldPipeline::kS2, OldPipeline::kS3, OldPipeline::kS4, OldPipeline::kS5}) {
    EXPECT_TRUE(audit(pipeline, {}).series.empty());
  }
}

TEST_F(OldKeys, ASumThatDoesNotFitIsAnError) {
  OldKeyAudit audit(catalog_, OldPipeline::kS2);
  const std::string most = "9223372036854775807";
  audit.add(trade("2020-01-01T10:00:00Z", most, most));
  audit.add(trade("2020-01-01T10:00:00Z", "0.000000000000000001", "0.000000000000000001"));
  const auto report = audit.finish();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kOverflow);
  EXPECT_NE(report.error().message.find("v/trade/S"), std::string::npos);
}

}  // namespace
}  // namespace tapedeck::quality
