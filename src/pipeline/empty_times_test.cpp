// Why there is no bar: from a store and marks made by hand.
#include "pipeline/empty_times.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tapedeck::pipeline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using enum EmptyReason;

constexpr Timestamp kOpen{1'381'152'600'000'000'000};  // 2013-10-07 09:30 New York

EmptyTime empty(int from_minute, int to_minute, EmptyReason reason) {
  return {kOpen + minutes(from_minute), kOpen + minutes(to_minute), reason};
}

// Bars as they are put in; the rest of a store is not asked.
class FewBars final : public store::Store {
 public:
  Status write(std::span<const store::BarResult>, std::span<const store::MeanRow>,
               const store::Checkpoint&) override {
    return {};
  }
  Status sync() override { return {}; }
  Result<store::Checkpoint> checkpoint(PartitionId) const override { return store::Checkpoint{}; }
  Result<std::optional<store::BarResult>> find(const market::SeriesKey&, const market::BarSpec&,
                                               Timestamp) const override {
    return std::nullopt;
  }
  Result<std::vector<market::Bar>> bars(const store::BarQuery& query) const override {
    std::vector<market::Bar> out;
    for (const market::Bar& bar : there) {
      if (query.start && bar.ts_open < *query.start) continue;
      if (query.end && bar.ts_open >= *query.end) continue;
      out.push_back(bar);
    }
    if (out.size() > query.limit) out.erase(out.begin(), out.end() - std::ptrdiff_t(query.limit));
    return out;
  }
  Result<std::optional<Timestamp>> kept_from(const market::SeriesKey&,
                                             const market::BarSpec&) const override {
    return kept;
  }
  Result<std::vector<market::Bar>> revisions(const market::SeriesKey&, const market::BarSpec&,
                                             Timestamp) const override {
    return std::vector<market::Bar>();
  }
  Result<std::vector<store::MeanRow>> means(const market::SeriesKey&, market::ConditionMode,
                                            std::optional<Timestamp>, std::optional<Timestamp>,
                                            std::size_t) const override {
    return std::vector<store::MeanRow>();
  }
  Status clear() override { return {}; }

  std::vector<market::Bar> there;
  std::optional<Timestamp> kept;
};

class Marks final : public tape::TapeView {
 public:
  std::uint32_t partitions() const override { return 1; }
  Offset first_offset(PartitionId) const override { return Offset(0); }
  Offset durable_end(PartitionId) const override { return Offset(there.size()); }
  bool wait(PartitionId, Offset, Duration) const override { return false; }
  Status identities(const std::function<void(const tape::IdentityRun&)>&) const override {
    return {};
  }
  Result<std::unique_ptr<tape::TapeReader>> read(tape::ReadRange range) const override {
    class Reader final : public tape::TapeReader {
     public:
      explicit Reader(std::vector<market::FeedMark> marks) : marks_(std::move(marks)) {}
      Result<std::optional<market::Batch>> next() override {
        if (marks_.empty()) return std::nullopt;
        market::Batch batch{.kind = market::StreamKind::kStatus};
        batch.marks.swap(marks_);
        return batch;
      }

     private:
      std::vector<market::FeedMark> marks_;
    };
    std::vector<market::FeedMark> asked;
    for (const market::FeedMark& mark : there) {
      if (mark.ts_recv >= *range.from && mark.ts_recv < *range.to) asked.push_back(mark);
    }
    return std::make_unique<Reader>(std::move(asked));
  }

  void live(int from_second, int to_second, const std::string& feed = "lean/day") {
    for (int s = from_second; s <= to_second; ++s) {
      there.push_back({.feed = feed, .ts_recv = kOpen + seconds(s)});
    }
  }

  std::vector<market::FeedMark> there;
};

class EmptyTimesTest : public testing::Test {
 protected:
  void bar(int minute, bool is_final = true) {
    market::Bar one{.ts_open = kOpen + minutes(minute)};
    one.is_final = is_final;
    store_.there.push_back(one);
  }
  std::vector<EmptyTime> told() {
    auto found = empty_times(store_, marks_, series_, query_, now_);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : std::vector<EmptyTime>();
  }

  FewBars store_;
  Marks marks_;
  market::Series series_{.key = {"lean", "trade", "SPY"}, .calendar = "us_equity"};
  store::BarQuery query_{.series = series_.key, .spec = {}};
  Timestamp now_ = kOpen + hours(48);
};

TEST_F(EmptyTimesTest, NothingIsEmptyBetweenNeighbours) {
  EXPECT_THAT(told(), IsEmpty());
  for (int minute : {0, 1, 2}) bar(minute);
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(EmptyTimesTest, WithoutMarksItIsNotKnown) {
  for (int minute : {0, 3, 4, 6}) bar(minute);
  EXPECT_THAT(told(), ElementsAre(empty(1, 3, kUnknown), empty(5, 6, kUnknown)));
}

TEST_F(EmptyTimesTest, WhoWasConnectedAllTheTimeHadNoTrade) {
  for (int minute : {0, 3}) bar(minute);
  marks_.live(0, 200);
  marks_.live(0, 200, "kraken/other");
  EXPECT_THAT(told(), ElementsAre(empty(1, 3, kNoTrade)));
}

TEST_F(EmptyTimesTest, ADownFeedWasNotConnected) {
  for (int minute : {0, 4}) bar(minute);
  marks_.live(0, 130);
  marks_.there.push_back({"lean/day", market::FeedState::kDown, kOpen + seconds(131)});
  marks_.live(150, 300);
  EXPECT_THAT(told(), ElementsAre(empty(1, 2, kNoTrade), empty(2, 3, kNotConnected),
                                  empty(3, 4, kNoTrade)));
}

TEST_F(EmptyTimesTest, SilenceOfTheMarksTellsNothing) {
  for (int minute : {0, 4}) bar(minute);
  marks_.live(0, 90);  // then the program was away, or the machine
  marks_.live(150, 300);
  EXPECT_THAT(told(), ElementsAre(empty(1, 3, kUnknown), empty(3, 4, kNoTrade)));
}

TEST_F(EmptyTimesTest, OfTwoFeedsOneThatIsDownLeavesItOpen) {
  for (int minute : {0, 2}) bar(minute);
  marks_.live(0, 200);
  marks_.there.push_back({"lean/second", market::FeedState::kDown, kOpen + seconds(50)});
  EXPECT_THAT(told(), ElementsAre(empty(1, 2, kUnknown)));
}

TEST_F(EmptyTimesTest, OutsideTradingItIsClosed) {
  bar(629);            // 19:59, the last minute of late trading
  bar(24 * 60 - 330);  // 04:00 of the next day
  EXPECT_THAT(told(), ElementsAre(empty(630, 24 * 60 - 330, kClosed)));
  query_.spec.session = market::SessionMode::kRegular;
  store_.there.clear();
  bar(388);
  bar(24 * 60 + 1);
  EXPECT_THAT(told(), ElementsAre(empty(389, 390, kUnknown), empty(390, 24 * 60, kClosed),
                                  empty(24 * 60, 24 * 60 + 1, kUnknown)));
}

TEST_F(EmptyTimesTest, AfterTheLastFinalBarATradeMayStillCome) {
  bar(0);
  bar(2);
  bar(4, false);
  query_.end = kOpen + minutes(9);
  now_ = kOpen + minutes(6);
  EXPECT_THAT(told(), ElementsAre(empty(1, 2, kUnknown), empty(3, 4, kProvisional),
                                  empty(5, 6, kProvisional)));
}

TEST_F(EmptyTimesTest, AFinalBarBehindTheRangeSaysThatItsTimeIsOver) {
  bar(0);
  bar(3);
  query_.end = kOpen + minutes(3);
  EXPECT_THAT(told(), ElementsAre(empty(1, 3, kUnknown)));
  store_.there.back().is_final = false;
  EXPECT_THAT(told(), ElementsAre(empty(1, 3, kProvisional)));
}

TEST_F(EmptyTimesTest, WhatIsNoLongerKeptIsNotCalledEmpty) {
  store_.kept = kOpen + minutes(2);
  query_.start = kOpen;
  bar(3);
  EXPECT_THAT(told(), ElementsAre(empty(0, 2, kDropped), empty(2, 3, kUnknown)));
  // The limit keeps the newest bars, before which there are others.
  query_.limit = 1;
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(EmptyTimesTest, ALongRangeIsRefused) {
  series_.calendar = "24x7";
  query_.spec.interval = seconds(1);
  query_.start = kOpen;
  query_.end = kOpen + hours(24) * 3;
  now_ = *query_.end;
  bar(0);
  EXPECT_EQ(empty_times(store_, marks_, series_, query_, now_).error().code, ErrorCode::kOverflow);
  query_.spec.interval = hours(24);
  EXPECT_EQ(empty_times(store_, marks_, series_, query_, now_).error().code,
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace tapedeck::pipeline
