#include "pipeline/newest_trades.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace tapedeck::pipeline {
namespace {

class NewestTradesTest : public testing::Test {
 protected:
  void came(std::uint64_t id, std::int64_t at_s) {
    newest_.came({.series = series_, .identity = {.origin = {}, .seq = id}}, seconds(at_s));
  }
  // "first-last" of what is missed; empty: nothing.
  static std::string text(const std::optional<NewestTrades::Missed>& missed) {
    return missed ? std::to_string(missed->first) + "-" + std::to_string(missed->last) : "";
  }
  std::string answered(std::optional<std::uint64_t> id, std::int64_t at_s) {
    return text(newest_.answered("X", id, seconds(at_s)));
  }
  // When X is asked for from `from_s` on, second by second, if nothing comes; the venue says `id`.
  std::vector<std::int64_t> asked_for(std::int64_t from_s, std::int64_t to_s, std::uint64_t id) {
    std::vector<std::int64_t> times;
    for (std::int64_t s = from_s; s < to_s; ++s) {
      if (!newest_.next(kSymbols, seconds(s))) continue;
      times.push_back(s);
      answered(id, s);
    }
    return times;
  }

  const std::vector<std::string> kSymbols{"X"};
  market::Catalog catalog_;
  SeriesId series_ = catalog_.intern(market::Series{.key = {"v", "trade", "X"}});
  NewestTrades newest_{catalog_, nullptr};
};

TEST_F(NewestTradesTest, WhatIsToldIsMissedOnce) {
  EXPECT_EQ(text(newest_.told("X", 5)), "5-5");  // nothing came yet
  EXPECT_EQ(text(newest_.told("X", 7)), "6-7");
  EXPECT_EQ(text(newest_.told("X", 7)), "");
  came(8, 1);
  EXPECT_EQ(text(newest_.told("X", 8)), "");
  EXPECT_EQ(text(newest_.told("X", 10)), "9-10");
  EXPECT_EQ(text(newest_.told("X", 12)), "11-12");
  EXPECT_EQ(text(newest_.told("X", 3)), "");
  EXPECT_EQ(newest_.told("X", 13)->series, series_);
  EXPECT_EQ(newest_.told("Z", 1)->series, std::nullopt);
}

TEST_F(NewestTradesTest, ANewConnectionAsksOfEachSymbolOnce) {
  const std::vector<std::string> symbols{"X", "Y"};
  newest_.connected();
  EXPECT_EQ(newest_.next(symbols, seconds(1)), "X");
  newest_.answered("X", 5, seconds(1));
  EXPECT_EQ(newest_.next(symbols, seconds(1)), "Y");
  newest_.answered("Y", std::nullopt, seconds(1));  // it never traded
  EXPECT_EQ(newest_.next(symbols, seconds(2)), std::nullopt);
  newest_.connected();
  EXPECT_EQ(newest_.next(symbols, seconds(3)), "X");
}

TEST_F(NewestTradesTest, AQuietSymbolIsAskedForMoreAndMoreSeldom) {
  newest_.connected();
  EXPECT_THAT(asked_for(0, 1000, 5), testing::ElementsAre(0, 20, 60, 140, 300, 600, 900));
  came(6, 1000);
  EXPECT_THAT(asked_for(1000, 1070, 6), testing::ElementsAre(1020, 1040));
}

TEST_F(NewestTradesTest, WhoTradesIsNotAskedFor) {
  newest_.connected();
  asked_for(0, 1, 5);
  for (std::int64_t s = 1; s < 100; ++s) {
    came(static_cast<std::uint64_t>(s) + 5, s);
    EXPECT_EQ(newest_.next(kSymbols, seconds(s)), std::nullopt) << s;
  }
}

TEST_F(NewestTradesTest, WhatHappenedBeforeAConnectionIsNoDeafnessOfIt) {
  came(5, 0);
  newest_.connected();
  EXPECT_EQ(answered(9, 10), "6-9");
  EXPECT_EQ(newest_.deaf(seconds(100)), std::nullopt);
}

TEST_F(NewestTradesTest, AConnectionThatDoesNotBringWhatIsTradedIsDeaf) {
  newest_.connected();
  came(5, 0);
  EXPECT_EQ(answered(5, 0), "");
  EXPECT_EQ(answered(7, 20), "6-7");
  EXPECT_EQ(newest_.deaf(seconds(24)), std::nullopt);
  EXPECT_EQ(newest_.deaf(seconds(25)), "X");
  newest_.connected();
  EXPECT_EQ(newest_.deaf(seconds(30)), std::nullopt);
}

TEST_F(NewestTradesTest, WhoWasNotAskedForComesFirstThenWhoWaitsLongest) {
  std::vector<std::string> symbols;
  for (int i = 0; i < 100; ++i) symbols.push_back(std::to_string(i));
  newest_.connected();
  std::map<std::string, int> asked;
  for (std::int64_t s = 0; s < 300; ++s) {  // one a second, which is too seldom for all
    const auto symbol = newest_.next(symbols, seconds(s));
    ASSERT_TRUE(symbol) << s;
    ++asked[*symbol];
    newest_.answered(*symbol, std::nullopt, seconds(s));
    EXPECT_EQ(asked.size(), std::min<std::size_t>(static_cast<std::size_t>(s) + 1, 100));
  }
  for (const auto& [symbol, times] : asked) EXPECT_EQ(times, 3) << symbol;
}

TEST_F(NewestTradesTest, WhatWasRefusedMayHaveBeenIt) {
  newest_.connected();
  answered(5, 0);
  newest_.refused(seconds(10));
  EXPECT_EQ(answered(7, 20), "6-7");
  EXPECT_EQ(newest_.deaf(seconds(100)), std::nullopt);
  EXPECT_EQ(answered(9, 200), "8-9");
  newest_.refused(seconds(202));
  EXPECT_EQ(newest_.deaf(seconds(300)), std::nullopt);
}

TEST_F(NewestTradesTest, WhoStaysDeafIsCalledSoMoreAndMoreSeldom) {
  std::uint64_t id = 1;
  std::vector<std::int64_t> times;
  newest_.connected();
  for (std::int64_t s = 0; s < 3600; ++s) {  // it trades all the time, and nothing comes
    if (newest_.next(kSymbols, seconds(s))) answered(++id, s);
    if (!newest_.deaf(seconds(s))) continue;
    times.push_back(s);
    newest_.connected();
  }
  ASSERT_GE(times.size(), 4u);
  EXPECT_LE(times.size(), 8u);
  for (std::size_t i = 2; i < times.size(); ++i) {
    EXPECT_GT(times[i] - times[i - 1], times[i - 1] - times[i - 2]);
  }
}

TEST_F(NewestTradesTest, NobodyIsDeafToWhatIsNoLongerAskedFor) {
  newest_.connected();
  answered(5, 0);
  answered(7, 20);
  newest_.forget("X");
  EXPECT_EQ(newest_.deaf(seconds(100)), std::nullopt);
}

TEST_F(NewestTradesTest, OneThatWasOnItsWayIsHeard) {
  newest_.connected();
  answered(5, 0);
  EXPECT_EQ(answered(7, 20), "6-7");
  came(7, 22);
  EXPECT_EQ(newest_.deaf(seconds(25)), std::nullopt);
}

}  // namespace
}  // namespace tapedeck::pipeline
