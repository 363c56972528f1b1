// A live session as the server drives it: wakes, ticks, and a question after each message sent.
#include "api/live_session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/fake_pipeline.hpp"

namespace tapedeck::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class LiveSessionTest : public testing::Test {
 protected:
  void open(std::optional<LiveQuery::Resume> resume = {}) {
    auto session = LiveSession::open(source_, {.series = fake_.key, .spec = {}, .resume = resume});
    ASSERT_TRUE(session) << session.error().message;
    session_ = *std::move(session);
  }
  // The next message, or "" for none and "closed CODE REASON" for the end.
  std::string next() {
    const net::WebSocketStep step = session_->next();
    if (const auto* text = std::get_if<std::string>(&step)) return *text;
    if (const auto* end = std::get_if<net::CloseWebSocket>(&step)) {
      return "closed " + std::to_string(end->code) + " " + end->reason;
    }
    return "";
  }
  std::string next_after_wake() {
    session_->on_wake();
    return next();
  }
  std::int64_t open_sessions() { return metrics_.gauge("tapedeck_api_live_sessions", "").value(); }

  FakePipeline fake_;
  Metrics metrics_;
  LiveSource source_{fake_, fake_, "0.1.0", metrics_};
  std::unique_ptr<LiveSession> session_;
};

TEST_F(LiveSessionTest, BeginsWithASnapshotThenSendsWhatChanged) {
  fake_.put(bar(0, "10", 5));
  fake_.put(bar(1, "11", 8));
  open();
  EXPECT_THAT(next(), AllOf(StartsWith("{\"type\":\"snapshot\",\"run\":1,\"offset\":\"8\","
                                       "\"series\":\"lean/trade/SPY\",\"interval\":\"1m\""),
                            HasSubstr("\"open\":\"10\""), HasSubstr("\"open\":\"11\""),
                            HasSubstr("\"status\":{\"version\":\"0.1.0\"")));
  EXPECT_EQ(next(), "");
  EXPECT_EQ(next_after_wake(), "");  // nothing changed
  fake_.put(bar(1, "12", 9));
  EXPECT_EQ(next(), "");  // not woken yet
  EXPECT_THAT(next_after_wake(),
              AllOf(StartsWith("{\"type\":\"bars\",\"run\":1,\"offset\":\"9\""),
                    HasSubstr("\"open\":\"12\""), Not(HasSubstr("\"open\":\"10\""))));
  EXPECT_EQ(next(), "");
  fake_.put(bar(2, "13", 10));
  EXPECT_THAT(next_after_wake(),
              AllOf(HasSubstr("\"open\":\"13\""), Not(HasSubstr("\"open\":\"12\""))));
}

TEST_F(LiveSessionTest, ASlowClientGetsOneMessageWithTheNewest) {
  open();
  next();
  for (int i = 1; i <= 1000; ++i) {
    fake_.put(bar(i % 3, std::to_string(i), static_cast<std::uint64_t>(i)));
    session_->on_wake();
  }
  EXPECT_THAT(next(), AllOf(HasSubstr("\"offset\":\"1000\""), HasSubstr("\"open\":\"998\""),
                            HasSubstr("\"open\":\"999\""), HasSubstr("\"open\":\"1000\""),
                            Not(HasSubstr("\"open\":\"997\""))));
  EXPECT_EQ(next(), "");
}

TEST_F(LiveSessionTest, TradesOfOtherSeriesSendNothing) {
  fake_.put(bar(0, "10", 5));
  open();
  next();
  fake_.advance(100);
  EXPECT_EQ(next_after_wake(), "");
  fake_.put(bar(0, "11", 101));
  EXPECT_THAT(next_after_wake(), HasSubstr("\"offset\":\"101\""));
}

TEST_F(LiveSessionTest, ATickBringsTheStatusAndWhatAWakeMissed) {
  open();
  next();
  fake_.put(bar(0, "10", 5));
  session_->on_tick();
  EXPECT_THAT(next(), AllOf(StartsWith("{\"type\":\"status\",\"status\":{"),
                            HasSubstr("\"durable_offset\":\"5\"")));
  EXPECT_THAT(next(), StartsWith("{\"type\":\"bars\""));
  EXPECT_EQ(next(), "");
}

TEST_F(LiveSessionTest, ManyTicksOfASlowClientAreOneStatus) {
  open();
  next();
  for (int i = 0; i < 10; ++i) session_->on_tick();
  EXPECT_THAT(next(), StartsWith("{\"type\":\"status\""));
  EXPECT_EQ(next(), "");
}

TEST_F(LiveSessionTest, ResumesWithWhatChangedSince) {
  fake_.put(bar(0, "10", 5));
  fake_.put(bar(1, "11", 8));
  open(LiveQuery::Resume{1, Offset(5)});
  EXPECT_THAT(next(), AllOf(StartsWith("{\"type\":\"resumed\",\"run\":1,\"offset\":\"8\",\"bars\""),
                            HasSubstr("\"open\":\"11\""), Not(HasSubstr("\"open\":\"10\"")),
                            HasSubstr("\"status\":{")));
  fake_.put(bar(2, "12", 9));
  EXPECT_THAT(next_after_wake(),
              AllOf(StartsWith("{\"type\":\"bars\""), Not(HasSubstr("\"open\":\"11\""))));
}

TEST_F(LiveSessionTest, ResumesWithNothingNew) {
  fake_.put(bar(0, "10", 5));
  open(LiveQuery::Resume{1, Offset(5)});
  EXPECT_THAT(next(), AllOf(StartsWith("{\"type\":\"resumed\""), HasSubstr("\"bars\":[]")));
}

TEST_F(LiveSessionTest, ASnapshotWhereResumingCannotBeWhole) {
  for (std::uint64_t i = 1; i <= pipeline::Live::kBarsKept; ++i) {
    fake_.put(bar(static_cast<std::int64_t>(i), "10", i));
  }
  open(LiveQuery::Resume{2, Offset(5)});  // of another run
  EXPECT_THAT(next(), StartsWith("{\"type\":\"snapshot\""));
  open(LiveQuery::Resume{1, Offset(5000)});  // from the future: of another program
  EXPECT_THAT(next(), StartsWith("{\"type\":\"snapshot\""));
  open(LiveQuery::Resume{1, Offset(0)});  // more may have changed than is kept
  EXPECT_THAT(next(), StartsWith("{\"type\":\"snapshot\""));
  open(LiveQuery::Resume{1, Offset(1)});
  EXPECT_THAT(next(), StartsWith("{\"type\":\"resumed\""));
}

TEST_F(LiveSessionTest, ANewRunIsAnnouncedThenSnapped) {
  fake_.put(bar(0, "10", 5));
  open();
  next();
  ASSERT_TRUE(fake_.restart());
  fake_.put(bar(0, "20", 2));
  EXPECT_EQ(next_after_wake(), "{\"type\":\"restarted\",\"run\":2}");
  EXPECT_THAT(next(), AllOf(StartsWith("{\"type\":\"snapshot\",\"run\":2,\"offset\":\"2\""),
                            HasSubstr("\"open\":\"20\"")));
  EXPECT_EQ(next(), "");
}

TEST_F(LiveSessionTest, ARunThatEndsBeforeItsSnapshotIsSkipped) {
  open();
  next();
  ASSERT_TRUE(fake_.restart());
  EXPECT_EQ(next_after_wake(), "{\"type\":\"restarted\",\"run\":2}");
  ASSERT_TRUE(fake_.restart());
  EXPECT_EQ(next(), "{\"type\":\"restarted\",\"run\":3}");
  EXPECT_THAT(next(), StartsWith("{\"type\":\"snapshot\",\"run\":3,"));
}

TEST_F(LiveSessionTest, WaitsForASeriesThatANewRunHasNotMetYet) {
  open();
  next();
  ASSERT_TRUE(fake_.restart());
  fake_.fail_bars(Error{ErrorCode::kNotFound, "not yet"});
  EXPECT_EQ(next_after_wake(), "{\"type\":\"restarted\",\"run\":2}");
  EXPECT_EQ(next(), "");
  session_->on_tick();
  EXPECT_THAT(next(), StartsWith("{\"type\":\"status\""));
  EXPECT_EQ(next(), "");
  fake_.fail_bars(std::nullopt);
  EXPECT_THAT(next_after_wake(), StartsWith("{\"type\":\"snapshot\",\"run\":2,"));
}

TEST_F(LiveSessionTest, EndsOnAnErrorThatStays) {
  open();
  next();
  fake_.fail_bars(Error{ErrorCode::kCorrupt, "block 7 is damaged"});
  EXPECT_EQ(next_after_wake(), "closed 1011 block 7 is damaged");
}

TEST_F(LiveSessionTest, EndsWhenSpokenTo) {
  open();
  session_->on_message("hello");
  EXPECT_EQ(next(), "closed 1008 this socket takes no messages");
}

TEST_F(LiveSessionTest, DoesNotOpenOnAnUnknownSeries) {
  const auto session =
      LiveSession::open(source_, {.series = {"lean", "trade", "XYZ"}, .spec = {}, .resume = {}});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(open_sessions(), 0);
}

TEST_F(LiveSessionTest, IsCounted) {
  open();
  EXPECT_EQ(open_sessions(), 1);
  session_.reset();
  EXPECT_EQ(open_sessions(), 0);
}

}  // namespace
}  // namespace tapedeck::api
