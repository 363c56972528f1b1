#include "windows/feed_clock.hpp"

#include <gtest/gtest.h>

namespace tapedeck::windows {
namespace {

using market::FeedMark;
using market::FeedState;

constexpr Timestamp at(std::int64_t s) { return Timestamp{} + seconds(s); }
FeedMark mark(const char* feed, std::int64_t s, FeedState state = FeedState::kLive) {
  return {.feed = feed, .state = state, .ts_recv = at(s)};
}

TEST(FeedClock, AMarkNamesTheVenueThatItSpeaksFor) {
  EXPECT_EQ(venue_of(mark("coinbase/crypto", 0)), "coinbase");
  EXPECT_EQ(venue_of(mark("coinbase/crypto/2", 0)), "coinbase");
  EXPECT_EQ(venue_of(mark("replay", 0)), "");
}

TEST(FeedClock, IsAsFarAsTheSlowestFeed) {
  FeedClock clock;
  EXPECT_FALSE(clock.reading().passed);
  clock.observe(mark("v/a", 100));
  EXPECT_EQ(clock.reading().passed, at(100));
  clock.observe(mark("v/b", 90));
  clock.observe(mark("v/a", 150));
  EXPECT_EQ(clock.reading().passed, at(100)) << "it never goes back";
  clock.observe(mark("v/b", 120, FeedState::kDown));
  EXPECT_EQ(clock.reading().passed, at(120));
  clock.observe(mark("v/b", 110));
  clock.observe(mark("v/a", 160));
  EXPECT_EQ(clock.reading().passed, at(120));
}

TEST(FeedClock, AFeedThatNeverWasConnectedIsNotWaitedFor) {
  FeedClock clock;
  clock.observe(mark("v/b", 50, FeedState::kDown));
  EXPECT_FALSE(clock.reading().passed);
  clock.observe(mark("v/a", 100));
  EXPECT_EQ(clock.reading().passed, at(100));
  clock.observe(mark("v/b", 110));
  clock.observe(mark("v/a", 120));
  EXPECT_EQ(clock.reading().passed, at(110));
}

TEST(FeedClock, AFeedThatHasEndedHoldsNothingBackAndTheLastOneEndsIt) {
  FeedClock clock;
  clock.observe(mark("v/a", 100));
  clock.observe(mark("v/b", 90));
  clock.observe(mark("v/b", 91, FeedState::kEnded));
  EXPECT_EQ(clock.reading(), (ClockReading{.passed = at(100), .ends = 0}));
  clock.observe(mark("v/a", 101, FeedState::kEnded));
  EXPECT_EQ(clock.reading(), (ClockReading{.passed = at(100), .ends = 1}));
  clock.observe(mark("v/b", 200));  // it is there again
  clock.observe(mark("v/b", 201, FeedState::kEnded));
  EXPECT_EQ(clock.reading(), (ClockReading{.passed = at(200), .ends = 2}));
}

TEST(FeedClock, AFeedThatIsAnHourBehindIsNotWaitedFor) {
  FeedClock clock;
  clock.observe(mark("v/a", 100));
  clock.observe(mark("v/b", 100));
  clock.observe(mark("v/a", 3'700));
  EXPECT_EQ(clock.reading().passed, at(100));
  clock.observe(mark("v/a", 3'701));
  EXPECT_EQ(clock.reading().passed, at(3'701));
  clock.observe(mark("v/b", 100));  // still behind
  EXPECT_EQ(clock.reading(), (ClockReading{.passed = at(3'701), .ends = 0}));
  clock.observe(mark("v/a", 3'702, FeedState::kEnded));
  EXPECT_EQ(clock.reading().ends, 1u);
}

TEST(FeedClock, GoesOnFromACheckpoint) {
  FeedClock clock;
  clock.observe(mark("v/a", 100));
  clock.observe(mark("v/b", 90));
  clock.observe(mark("v/c", 95, FeedState::kEnded));
  std::string bytes;
  clock.encode(bytes);
  FeedClock restored;
  WireReader reader(bytes);
  ASSERT_TRUE(restored.decode(reader) && reader.at_end());
  for (FeedClock* one : {&clock, &restored}) {
    one->observe(mark("v/a", 110));
    EXPECT_EQ(one->reading().passed, at(100));
    one->observe(mark("v/b", 105));
    EXPECT_EQ(one->reading().passed, at(105));
    one->observe(mark("v/a", 111, FeedState::kEnded));
    EXPECT_EQ(one->reading().ends, 0u);
    one->observe(mark("v/b", 112, FeedState::kEnded));
    EXPECT_EQ(one->reading().ends, 1u);
  }
  bytes.pop_back();
  WireReader cut(bytes);
  EXPECT_FALSE(restored.decode(cut));
}

}  // namespace
}  // namespace tapedeck::windows
