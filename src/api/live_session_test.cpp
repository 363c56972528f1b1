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
    auto session = LiveSession::open(
        source_,
        {.query = LiveQuery{.series = fake_.key, .spec = {}, .resume = resume}, .every = every_});
    ASSERT_TRUE(session) << session.error().message;
    session_ = *std::move(session);
  }
  void open_empty() { session_ = *LiveSession::open(source_, {}); }
  // The next message, or "" for none and "closed CODE REASON" for the end.
  std::string next() {
    const net::WebSocketStep step = session_->next();
    if (const auto* text = std::get_if<std::string>(&step)) return *text;
    if (const auto* end = std::get_if<net::CloseWebSocket>(&step)) {
      return "closed " + std::to_string(end->code) + " " + end->reason;
    }
    if (const auto* later = std::get_if<net::Later>(&step)) return "in " + to_string(later->wait);
    return "";
  }
  std::string next_after_wake() {
    session_->on_wake();
    return next();
  }
  std::int64_t open_sessions() { return metrics_.gauge("tapedeck_api_live_sessions", "").value(); }

  Duration every_{};
  FakePipeline fake_;
  Metrics metrics_;
  LastValues last_{fake_, fake_};
  ManualClock clock_;
  LiveSource source_{fake_, fake_, last_, clock_, "0.1.0", metrics_};
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

TEST_F(LiveSessionTest, ASnapshotIsMadeWhenTheClientIsReadyForIt) {
  fake_.put(bar(0, "10", 5));
  open_empty();
  session_->on_message(
      R"({"type":"subscribe","id":"c","channel":"bars","series":"lean/trade/SPY"})");
  fake_.put(bar(1, "11", 7));
  session_->on_wake();
  EXPECT_THAT(next(), AllOf(StartsWith("{\"type\":\"snapshot\",\"id\":\"c\""),
                            HasSubstr("\"offset\":\"7\""), HasSubstr("\"open\":\"11\"")));
  EXPECT_EQ(next(), "");  // it had all
}

TEST_F(LiveSessionTest, CountsWhatASlowClientGetsWithLaterThings) {
  fake_.put(bar(0, "10", 5));
  open();
  next();
  const Counter& conflated = metrics_.counter("tapedeck_api_conflated_total", "");
  for (std::uint64_t i = 0; i < 3; ++i) {
    fake_.put(bar(0, "10", 6 + i));
    session_->on_wake();
    EXPECT_EQ(conflated.value(), i);
  }
  session_->on_tick();  // nothing changed by that
  EXPECT_EQ(conflated.value(), 2u);
  EXPECT_THAT(next(), StartsWith("{\"type\":\"status\""));
  EXPECT_THAT(next(), HasSubstr("\"offset\":\"8\""));
  EXPECT_EQ(next_after_wake(), "");
  EXPECT_EQ(conflated.value(), 2u);
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
  for (std::uint64_t i = 1; i <= 10; ++i) fake_.put(bar(static_cast<std::int64_t>(i), "10", i));
  fake_.bars_gone = Offset(1);
  open(LiveQuery::Resume{2, Offset(5)});  // of another run
  EXPECT_THAT(next(), StartsWith("{\"type\":\"snapshot\""));
  open(LiveQuery::Resume{1, Offset(5000)});  // from the future: of another program
  EXPECT_THAT(next(), StartsWith("{\"type\":\"snapshot\""));
  open(LiveQuery::Resume{1, Offset(0)});  // more has changed than is kept
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

TEST_F(LiveSessionTest, WatchesSeveralThingsAtOnce) {
  fake_.put(bar(0, "10", 5));
  fake_.put_trade("10.5", Timestamp{70}, 5);
  open_empty();
  EXPECT_EQ(next(), "");
  session_->on_message(
      R"({"type":"subscribe","id":"chart","channel":"bars","series":"lean/trade/SPY"})");
  session_->on_message(R"({"type":"subscribe","id":"list","channel":"last"})");
  session_->on_message(
      R"({"type":"subscribe","id":"table","channel":"trades","series":"lean/trade/SPY"})");
  std::vector<std::string> first{next(), next(), next()};
  EXPECT_EQ(next(), "");
  EXPECT_THAT(first, testing::UnorderedElementsAre(
                         AllOf(StartsWith("{\"type\":\"snapshot\",\"id\":\"chart\",\"run\":1,"),
                               HasSubstr("\"open\":\"10\""), Not(HasSubstr("\"status\""))),
                         AllOf(StartsWith("{\"type\":\"snapshot\",\"id\":\"list\",\"run\":1,"),
                               HasSubstr("\"channel\":\"last\""), HasSubstr("\"price\":\"10.5\"")),
                         AllOf(StartsWith("{\"type\":\"snapshot\",\"id\":\"table\",\"run\":1,"),
                               HasSubstr("\"ts_event\":\"70\""))));
  fake_.put_trade("11", Timestamp{80}, 6);
  fake_.put(bar(1, "11", 7));
  session_->on_wake();
  std::vector<std::string> then{next(), next(), next()};
  EXPECT_EQ(next(), "");
  EXPECT_THAT(
      then,
      testing::UnorderedElementsAre(
          AllOf(StartsWith("{\"type\":\"bars\",\"id\":\"chart\""), HasSubstr("\"open\":\"11\""),
                Not(HasSubstr("\"open\":\"10\""))),
          AllOf(StartsWith("{\"type\":\"last\",\"id\":\"list\""), HasSubstr("\"price\":\"11\"")),
          AllOf(StartsWith("{\"type\":\"trades\",\"id\":\"table\""),
                HasSubstr("\"ts_event\":\"80\""), Not(HasSubstr("\"ts_event\":\"70\"")))));
  session_->on_message(R"({"type":"unsubscribe","id":"chart"})");
  session_->on_message(R"({"type":"unsubscribe","id":"list"})");
  EXPECT_EQ(next(), "{\"type\":\"unsubscribed\",\"id\":\"chart\"}");
  EXPECT_EQ(next(), "{\"type\":\"unsubscribed\",\"id\":\"list\"}");
  fake_.put(bar(1, "12", 8));
  EXPECT_EQ(next_after_wake(), "");  // no trade came
}

TEST_F(LiveSessionTest, BarsComeWithTheIndicatorsThatWereAskedFor) {
  fake_.put(bar(0, "10", 5));
  fake_.put(bar(1, "11", 6));
  open_empty();
  session_->on_message(R"({"type":"subscribe","id":"c","channel":"bars","series":"lean/trade/SPY",)"
                       R"-("indicators":"sma(20),macd(12,26,9)"})-");
  EXPECT_THAT(next(), AllOf(StartsWith("{\"type\":\"snapshot\",\"id\":\"c\""),
                            HasSubstr("\"sma(20)\":null,\"macd(12,26,9)\":null}"),
                            HasSubstr("\"sma(20)\":\"1.5\",\"macd(12,26,9)\":\"1.5\"}"),
                            HasSubstr("],\"indicators\":[\"sma(20)\",\"macd(12,26,9)\"],"
                                      "\"indicator_anchor\":\"7\"}")));
  fake_.put(bar(2, "12", 7));
  EXPECT_THAT(next_after_wake(),
              AllOf(StartsWith("{\"type\":\"bars\""), HasSubstr("\"indicators\":[")));
  session_->on_message(
      R"-({"type":"subscribe","id":"l","channel":"last","indicators":"sma(20)"})-");
  EXPECT_THAT(next(), HasSubstr("parameter 'indicators' is not known here"));
}

TEST_F(LiveSessionTest, ASnapshotWaitsForIndicatorsThatAreBeingCounted) {
  fake_.put(bar(0, "10", 5));
  fake_.fail_bars(Error{ErrorCode::kBusy, "being counted"});
  open_empty();
  session_->on_message(R"({"type":"subscribe","id":"c","channel":"bars","series":"lean/trade/SPY",)"
                       R"-("indicators":"sma(20)"})-");
  EXPECT_EQ(next(), "");
  EXPECT_EQ(next_after_wake(), "");
  fake_.fail_bars(std::nullopt);
  EXPECT_THAT(next_after_wake(), StartsWith("{\"type\":\"snapshot\",\"id\":\"c\""));
}

TEST_F(LiveSessionTest, EachSubscriptionResumesOnItsOwn) {
  fake_.put_trade("10", Timestamp{70}, 5);
  fake_.put_trade("11", Timestamp{80}, 6);
  open_empty();
  session_->on_message(
      R"({"type":"subscribe","id":"t","channel":"trades","series":"lean/trade/SPY",)"
      R"("run":1,"resume":"6"})");
  EXPECT_THAT(next(),
              AllOf(StartsWith("{\"type\":\"resumed\",\"id\":\"t\""),
                    HasSubstr("\"ts_event\":\"80\""), Not(HasSubstr("\"ts_event\":\"70\""))));
  ASSERT_TRUE(fake_.restart());
  EXPECT_EQ(next_after_wake(), "{\"type\":\"restarted\",\"id\":\"t\",\"run\":2}");
  EXPECT_THAT(next(), AllOf(StartsWith("{\"type\":\"snapshot\",\"id\":\"t\",\"run\":2"),
                            HasSubstr("\"trades\":[]")));
}

TEST_F(LiveSessionTest, AWrongMessageIsAnsweredAndTheSocketStays) {
  open_empty();
  const auto answer = [&](std::string_view message) {
    session_->on_message(message);
    return next();
  };
  EXPECT_THAT(answer("hello"), AllOf(StartsWith("{\"type\":\"error\",\"id\":null"),
                                     HasSubstr("\"code\":\"malformed\"")));
  EXPECT_THAT(answer(R"({"type":"subscribe","channel":"last"})"), HasSubstr("id is missing"));
  EXPECT_THAT(answer(R"({"type":"subscribe","id":"<b>","channel":"last"})"),
              AllOf(HasSubstr("\"id\":null"), Not(HasSubstr("<b>"))));
  EXPECT_THAT(answer(R"({"type":"dance","id":"a"})"), HasSubstr("type is missing or wrong"));
  EXPECT_THAT(answer(R"({"type":"unsubscribe","id":"a"})"), HasSubstr("\"code\":\"not_found\""));
  EXPECT_THAT(
      answer(R"({"type":"subscribe","id":"a","channel":"bars","series":"lean/trade/XYZ"})"),
      AllOf(StartsWith("{\"type\":\"error\",\"id\":\"a\""), HasSubstr("there is no series")));
  EXPECT_THAT(answer(R"({"type":"subscribe","id":"a","channel":"last"})"),
              StartsWith("{\"type\":\"snapshot\",\"id\":\"a\""));
  EXPECT_THAT(answer(R"({"type":"subscribe","id":"a","channel":"last"})"),
              HasSubstr("\"code\":\"already_exists\""));
}

TEST_F(LiveSessionTest, SubscriptionsAndMessagesAreLimited) {
  open_empty();
  for (std::size_t i = 0; i < LiveSession::kSubscriptionsMax; ++i) {
    if (i % 50 == 0) session_->on_tick();
    session_->on_message("{\"type\":\"subscribe\",\"id\":\"s" + std::to_string(i) +
                         "\",\"channel\":\"last\"}");
  }
  EXPECT_EQ(metrics_.gauge("tapedeck_api_live_subscriptions", "").value(),
            static_cast<std::int64_t>(LiveSession::kSubscriptionsMax));
  session_->on_message(R"({"type":"subscribe","id":"more","channel":"last"})");
  EXPECT_THAT(next(), HasSubstr("at most 64 subscriptions"));
  session_.reset();
  EXPECT_EQ(metrics_.gauge("tapedeck_api_live_subscriptions", "").value(), 0);

  open_empty();
  for (std::size_t i = 0; i <= LiveSession::kMessagesPerTick; ++i) {
    session_->on_message("{}");
    next();
  }
  EXPECT_THAT(next(), StartsWith("closed 1008"));
  open_empty();
  for (int i = 0; i < 40; ++i) session_->on_message("{}");  // and takes no answer
  EXPECT_THAT(next(), StartsWith("closed 1008"));
}

TEST_F(LiveSessionTest, TellsNoMoreOftenThanItWasAsked) {
  every_ = milliseconds(50);
  fake_.put(bar(0, "10", 5));
  open();
  EXPECT_THAT(next(), StartsWith("{\"type\":\"snapshot\""));
  EXPECT_EQ(next(), "");
  clock_.advance(milliseconds(20));
  EXPECT_EQ(next_after_wake(), "in 30ms");  // there may be something
  fake_.put(bar(0, "11", 6));
  fake_.put(bar(0, "12", 7));
  EXPECT_EQ(next_after_wake(), "in 30ms");
  clock_.advance(milliseconds(30));
  EXPECT_THAT(next(), HasSubstr("\"close\":\"12\""));
  EXPECT_EQ(next(), "");
  EXPECT_EQ(next(), "");  // nothing is due
  clock_.advance(milliseconds(60));
  fake_.put(bar(0, "13", 8));
  EXPECT_THAT(next_after_wake(), HasSubstr("\"close\":\"13\""));  // at once after a quiet time
}

TEST_F(LiveSessionTest, DoesNotOpenOnAnUnknownSeries) {
  const auto session = LiveSession::open(
      source_, {.query = LiveQuery{.series = {"lean", "trade", "XYZ"}, .spec = {}, .resume = {}}});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(open_sessions(), 0);
}

TEST_F(LiveSessionTest, CountsHowLongAChangeTakesToTheClient) {
  const Histogram& pushed = metrics_.histogram("tapedeck_stage_seconds", "", {{"stage", "pushed"}});
  open();
  next();
  fake_.put(bar(0, "10", 5));
  source_.note_change();
  clock_.advance(microseconds(3));
  source_.note_change();  // and again, before anybody was woken: the first counts
  session_->on_wake();
  clock_.advance(microseconds(1));
  EXPECT_THAT(next(), StartsWith("{\"type\":\"bars\""));
  EXPECT_EQ(pushed.sum_ns(), 4000u);
  EXPECT_EQ(pushed.count(2), 1u);  // up to 4 us
  session_->on_tick();
  next();
  next();
  EXPECT_EQ(pushed.sum_ns(), 4000u);
}

TEST_F(LiveSessionTest, WhatChangedBeforeAnybodyListenedTookNoTime) {
  const Histogram& pushed = metrics_.histogram("tapedeck_stage_seconds", "", {{"stage", "pushed"}});
  fake_.put(bar(0, "10", 5));
  source_.note_change();
  clock_.advance(hours(1));
  open();
  next();
  fake_.put(bar(0, "11", 6));
  source_.note_change();
  clock_.advance(microseconds(4));
  EXPECT_THAT(next_after_wake(), StartsWith("{\"type\":\"bars\""));
  EXPECT_EQ(pushed.sum_ns(), 4000u);
}

TEST_F(LiveSessionTest, IsCounted) {
  open();
  EXPECT_EQ(open_sessions(), 1);
  session_.reset();
  EXPECT_EQ(open_sessions(), 0);
}

}  // namespace
}  // namespace tapedeck::api
