#include "quality/connections.hpp"

#include <gtest/gtest.h>

namespace tapedeck::quality {
namespace {

using market::FeedState;

constexpr Timestamp kStart{1'700'000'000'000'000'000};
Timestamp at(double s) { return kStart + nanoseconds(static_cast<std::int64_t>(s * 1e9)); }

class ConnectionsTest : public testing::Test {
 protected:
  void mark(double s, FeedState state = FeedState::kLive, const std::string& feed = "v/a") {
    connections_.add({.feed = feed, .state = state, .ts_recv = at(s)});
  }
  void live(int from, int to, const std::string& feed = "v/a") {
    for (int s = from; s <= to; ++s) mark(s, FeedState::kLive, feed);
  }
  Connected of(double start, double end) { return connections_.of("v", at(start), at(end)); }

  Connections connections_;
};

TEST_F(ConnectionsTest, AsFarAsTheMarksGo) {
  EXPECT_EQ(of(0, 1), Connected::kUnknown);
  live(0, 10);
  EXPECT_EQ(of(0, 10), Connected::kYes);
  EXPECT_EQ(of(2.5, 7.5), Connected::kYes);
  EXPECT_EQ(of(-1, 5), Connected::kUnknown);
  EXPECT_EQ(of(5, 10.5), Connected::kUnknown);
  EXPECT_EQ(connections_.of("other", at(1), at(2)), Connected::kUnknown);
}

TEST_F(ConnectionsTest, ALostConnectionIsKnownUntilTheNext) {
  live(0, 10);
  mark(10.5, FeedState::kDown);
  live(14, 20);
  EXPECT_EQ(of(3, 10.4), Connected::kYes);
  EXPECT_EQ(of(3, 10.6), Connected::kNo);
  EXPECT_EQ(of(3, 19), Connected::kNo);
  EXPECT_EQ(of(11, 12), Connected::kNo);
  EXPECT_EQ(of(13, 15), Connected::kNo);
  EXPECT_EQ(of(14, 20), Connected::kYes);
}

TEST_F(ConnectionsTest, AStartSaysThatNobodyListenedBefore) {
  live(0, 10);                  // then the program was killed,
  mark(200, FeedState::kDown);  // and started
  live(201, 300);
  EXPECT_EQ(of(9, 202), Connected::kNo);
  EXPECT_EQ(of(50, 60), Connected::kNo);
  EXPECT_EQ(of(3, 9.9), Connected::kYes);
  EXPECT_EQ(of(201, 299), Connected::kYes);
}

TEST_F(ConnectionsTest, AStartSoonAfterIsOneToo) {
  live(0, 10);
  mark(13, FeedState::kDown);
  mark(13, FeedState::kLive);  // of the same instant: the next one counts
  live(14, 20);
  EXPECT_EQ(of(10.2, 12.8), Connected::kNo);
  EXPECT_EQ(of(10.5, 15), Connected::kNo);
  EXPECT_EQ(of(14, 20), Connected::kYes);
  ASSERT_EQ(connections_.outages().size(), 1u);
  EXPECT_EQ(connections_.outages()[0].from, at(10));
}

TEST_F(ConnectionsTest, OutagesAreBetweenTwoConnections) {
  mark(-5, FeedState::kDown);  // the first start
  live(0, 10);
  mark(10.5, FeedState::kDown);
  live(14, 20);
  mark(90, FeedState::kDown);  // a start after a kill
  live(91, 95);
  live(0, 5, "v/b");
  mark(5.5, FeedState::kDown, "v/b");
  live(0, 5, "w/c");
  mark(6, FeedState::kEnded, "w/c");
  const auto outages = connections_.outages();
  ASSERT_EQ(outages.size(), 3u);
  EXPECT_EQ(outages[0].feed, "v/b");
  EXPECT_EQ(outages[0].from, at(5.5));
  EXPECT_EQ(outages[0].to, std::nullopt);
  EXPECT_EQ(outages[1].feed, "v/a");
  EXPECT_EQ(outages[1].from, at(10.5));
  EXPECT_EQ(outages[1].to, at(14));
  EXPECT_EQ(outages[2].from, at(20));
  EXPECT_EQ(outages[2].to, at(91));
}

TEST_F(ConnectionsTest, SilenceTellsNothing) {
  live(0, 10);
  live(30, 40);
  EXPECT_EQ(of(5, 35), Connected::kUnknown);
  EXPECT_EQ(of(15, 20), Connected::kUnknown);
  EXPECT_EQ(of(30, 40), Connected::kYes);
}

TEST_F(ConnectionsTest, WhatHasEndedTellsNothingMore) {
  live(0, 10);
  mark(11, FeedState::kEnded);
  EXPECT_EQ(of(1, 11), Connected::kYes);
  EXPECT_EQ(of(1, 12), Connected::kUnknown);
}

TEST_F(ConnectionsTest, APartitionThatRepeatsThemChangesNothing) {
  for (int partition = 0; partition < 2; ++partition) {
    live(0, 10);
    if (partition > 0) {
      EXPECT_EQ(of(14, 20), Connected::kYes);  // as the first one told
    }
    mark(10, FeedState::kDown);
    live(14, 20);
    EXPECT_EQ(connections_.outages().size(), 1u);
    EXPECT_EQ(of(0, 9.9), Connected::kYes);
    EXPECT_EQ(of(9, 15), Connected::kNo);
    EXPECT_EQ(of(14, 20), Connected::kYes);
  }
}

TEST_F(ConnectionsTest, BetweenTwoEventsOnlyThoseThatWereThereSpeak) {
  const auto between = [&](double came, double next_came) {
    return connections_.between("v", at(came), at(next_came));
  };
  live(0, 50);
  mark(50.5, FeedState::kDown);
  live(60, 100);
  live(70, 100, "v/new");  // it was not there before
  live(0, 5, "v/old");     // it was left, and nothing is heard of it since
  mark(5.5, FeedState::kDown, "v/old");
  live(0, 3, "v/file");
  mark(3, FeedState::kEnded, "v/file");
  EXPECT_EQ(between(10, 40), Connected::kYes);
  EXPECT_EQ(between(40, 65), Connected::kNo);
  EXPECT_EQ(between(80, 90), Connected::kYes);
  EXPECT_EQ(between(100.5, 200), Connected::kUnknown);
  EXPECT_EQ(of(80, 90), Connected::kUnknown);  // of any time v/old may be down
}

TEST_F(ConnectionsTest, WhereTwoFeedsDifferNothingIsKnown) {
  live(0, 10);
  live(0, 5, "v/b");
  mark(6, FeedState::kDown, "v/b");
  live(0, 10, "w/c");
  EXPECT_EQ(of(1, 5), Connected::kYes);
  EXPECT_EQ(of(1, 8), Connected::kUnknown);
}

}  // namespace
}  // namespace tapedeck::quality
