// Raw trades as a person asks for them: from a tape made by hand, and the newest from memory.
#include "pipeline/trade_history.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/live_table.hpp"

namespace tapedeck::pipeline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Timestamp kOpen{1'381'152'600'000'000'000};  // 2013-10-07 09:30 New York

// One partition, in batches of a few events; offsets begin where retention has left them.
class ListedTape final : public tape::TapeView {
 public:
  static constexpr std::size_t kBatchEvents = 7;
  ListedTape(std::vector<market::Trade> trades, Offset first)
      : trades_(std::move(trades)), first_(first) {}

  std::uint32_t partitions() const override { return 1; }
  Offset first_offset(PartitionId) const override { return first_; }
  Offset durable_end(PartitionId) const override { return first_ + trades_.size(); }
  bool wait(PartitionId, Offset, Duration) const override { return false; }
  Status identities(const std::function<void(const tape::IdentityRun&)>&) const override {
    return {};
  }
  Result<std::unique_ptr<tape::TapeReader>> read(tape::ReadRange range) const override {
    class Reader final : public tape::TapeReader {
     public:
      Reader(const ListedTape& tape, std::size_t at) : tape_(tape), at_(at) {}
      Result<std::optional<market::Batch>> next() override {
        if (at_ >= tape_.trades_.size()) return std::nullopt;
        market::Batch batch{.first = tape_.first_ + at_};
        for (; batch.trades.size() < kBatchEvents && at_ < tape_.trades_.size(); ++at_) {
          batch.trades.push_back(tape_.trades_[at_]);
          ++tape_.events_read;
        }
        return batch;
      }

     private:
      const ListedTape& tape_;
      std::size_t at_;
    };
    return std::make_unique<Reader>(*this, range.first - first_);
  }
  mutable std::uint64_t events_read = 0;

 private:
  const std::vector<market::Trade> trades_;
  const Offset first_;
};

class TradeHistoryTest : public testing::Test {
 protected:
  TradeHistoryTest() {
    table_.flags[3] = {.name = "OddLot", .open_close = market::Answer::kNo};
    ours_ = catalog_.intern({.key = kKey, .calendar = "us_equity", .conditions = "some"});
    other_ = catalog_.intern(market::Series{.key = {"lean", "trade", "IBM"}});
    origin_ = catalog_.intern({.kind = market::OriginKind::kFile, .key = "f"});
  }
  market::Trade trade(std::int64_t second, SeriesId series, std::uint64_t conditions = 0) const {
    return {.series = series,
            .conditions = conditions,
            .ts_event = kOpen + seconds(second),
            .price = market::Decimal::make(second, 0),
            .size = market::Decimal::make(1, 0),
            .identity = {origin_, static_cast<std::uint64_t>(second), 0}};
  }
  // Seconds 0 to 99, of both series by turns, with 60 and 62 the wrong way around.
  ListedTape tape() const {
    std::vector<market::Trade> trades;
    for (std::int64_t i = 0; i < 100; ++i) {
      const std::int64_t second = i == 60 ? 62 : i == 62 ? 60 : i;
      trades.push_back(trade(second, i % 2 == 0 ? ours_ : other_, second == 98 ? 8 : 0));
    }
    return {std::move(trades), Offset(1000)};
  }
  std::vector<std::int64_t> seconds_of(const Result<TradePage>& page) const {
    std::vector<std::int64_t> found;
    EXPECT_TRUE(page) << page.error().message;
    if (!page) return found;
    for (const TradeRow& row : page->trades) found.push_back(row.trade.price.mantissa);
    return found;
  }
  Result<TradePage> read(const ListedTape& tape, const TradeQuery& query,
                         std::uint64_t most = kTradeEventsMax) const {
    return read_trades(tape, catalog_, tables_, query, most);
  }

  const market::SeriesKey kKey{"lean", "trade", "SPY"};
  market::Catalog catalog_;
  market::ConditionTable table_{};
  const market::ConditionTables tables_{{"some", &table_}};
  SeriesId ours_, other_;
  OriginId origin_;
};

TEST_F(TradeHistoryTest, TheNewestComeFirstByTheirOwnTime) {
  const ListedTape tape = this->tape();
  const auto newest = read(tape, {.series = kKey, .limit = 3});
  EXPECT_THAT(seconds_of(newest), ElementsAre(98, 96, 94));
  EXPECT_TRUE(newest->limited);
  EXPECT_EQ(newest->offset, Offset(1100));
  EXPECT_EQ(newest->trades[0].offset, Offset(1098));
  EXPECT_THAT(seconds_of(read(tape, {.series = kKey, .end = kOpen + seconds(64), .limit = 3})),
              ElementsAre(62, 60, 58));
}

TEST_F(TradeHistoryTest, ARangeHoldsItsStartAndNotItsEnd) {
  const ListedTape tape = this->tape();
  const auto range = read(
      tape, {.series = kKey, .start = kOpen + seconds(4), .end = kOpen + seconds(10), .limit = 9});
  EXPECT_THAT(seconds_of(range), ElementsAre(8, 6, 4));
  EXPECT_FALSE(range->limited);
  EXPECT_THAT(seconds_of(read(tape, {.series = kKey,
                                     .start = kOpen + seconds(56),
                                     .end = kOpen + seconds(66),
                                     .limit = 4,
                                     .oldest_first = true})),
              ElementsAre(56, 58, 60, 62));
  EXPECT_THAT(seconds_of(read(tape, {.series = kKey, .start = kOpen + hours(1)})), IsEmpty());
}

TEST_F(TradeHistoryTest, ATradeSaysWhatItMayDo) {
  const auto page = read(tape(), {.series = kKey, .limit = 2});
  ASSERT_TRUE(page);
  EXPECT_THAT(page->trades[0].conditions, ElementsAre("OddLot"));
  EXPECT_FALSE(page->trades[0].effect.open_close);
  EXPECT_TRUE(page->trades[0].effect.volume);
  EXPECT_EQ(page->trades[0].effect.session, market::TradeSession::kRegular);
  EXPECT_EQ(page->trades[0].origin, market::OriginKind::kFile);
  EXPECT_THAT(page->trades[1].conditions, IsEmpty());
  const auto unnamed = describe_trade(trade(1, ours_, 1), Offset(), catalog_, tables_);
  EXPECT_THAT(unnamed->conditions, ElementsAre("bit0"));
}

TEST_F(TradeHistoryTest, ReadsNoMoreThanItMay) {
  const ListedTape tape = this->tape();
  const auto refused = read(tape, {.series = kKey, .start = kOpen}, 50);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTimeout);
  const auto unknown = read(tape, {.series = {"a", "b", "c"}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(unknown.error().message, testing::HasSubstr("lean/trade/SPY, lean/trade/IBM"));
}

TEST_F(TradeHistoryTest, MemoryKeepsTheNewestAndSaysWhatItDropped) {
  LiveTable live({{}}, {});
  std::vector<market::Trade> trades;
  const auto count = static_cast<std::int64_t>(Live::kTradesKept) + 10;
  for (std::int64_t i = 0; i < count; ++i) trades.push_back(trade(i, ours_));
  live.publish_trades(trades, Offset(0));
  EXPECT_THAT(live.trades_since(ours_, Offset(0)).trades, IsEmpty());  // their bars come first
  live.publish({}, Offset(static_cast<std::uint64_t>(count)));
  const auto all = live.trades_since(ours_, Offset(0));
  EXPECT_EQ(all.trades.size(), Live::kTradesKept);
  EXPECT_EQ(all.trades.front().offset, Offset(10));
  EXPECT_TRUE(all.limited);
  EXPECT_FALSE(live.trades_since(ours_, Offset(10)).limited);
  EXPECT_EQ(live.trades_since(ours_, Offset(205)).trades.size(), 5u);
  EXPECT_THAT(live.trades_since(SeriesId(9), Offset(0)).trades, IsEmpty());
}

TEST_F(TradeHistoryTest, ALateTradeIsNotTheLast) {
  LiveTable live({{}}, {});
  const auto last = [&](Offset since) {
    std::vector<std::int64_t> found;
    live.last_since(
        since, [](const market::Trade& t) { return t.conditions == 0; },
        [&](const market::Trade& t, Offset) { found.push_back(t.price.mantissa); });
    return found;
  };
  EXPECT_THAT(last(Offset(0)), IsEmpty());
  live.publish_trades(std::vector{trade(10, ours_), trade(20, ours_, 8), trade(5, ours_)},
                      Offset(0));
  live.publish({}, Offset(3));
  EXPECT_THAT(last(Offset(0)), ElementsAre(10));
  EXPECT_THAT(last(Offset(3)), IsEmpty());  // nothing new
  live.publish_trades(std::vector{trade(7, other_), trade(4, ours_)}, Offset(3));
  live.publish({}, Offset(5));
  EXPECT_THAT(last(Offset(3)), ElementsAre(10, 7));
}

}  // namespace
}  // namespace tapedeck::pipeline
