#include "pipeline/poll_source.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tapedeck::pipeline {
namespace {

using feeds::PollVerdict;
using market::FeedState;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

HttpAnswer answer(int status, std::string body = {}, std::optional<Duration> stay_away = {}) {
  return {.status = status, .body = std::move(body), .ts_recv = {}, .stay_away = stay_away};
}

// Pages in turn; an answer is what to do with it.
class Pages final : public feeds::PollFeed {
 public:
  std::string_view venue() const override { return "v"; }
  Secret next() override { return Secret(fmt::format("https://v/{}?key=secret", page_)); }
  PollVerdict on_answer(std::string_view body, Timestamp, std::string_view where,
                        feeds::EventSink& sink) override {
    if (body == "quota") {
      return {.outcome = PollVerdict::Outcome::kAgain, .wait = minutes(60), .why = "as it says"};
    }
    ++page_;
    sink.refuse({"malformed", "seen", std::string(where), body});
    return {.wait = seconds(10), .is_current = body != "old"};
  }
  PollVerdict on_status(int status, std::string_view where, feeds::EventSink& sink) override {
    ++page_;
    sink.refuse({"venue_error", fmt::format("{}", status), std::string(where), {}});
    return {.wait = seconds(10)};
  }

 private:
  int page_ = 1;
};

class Heard final : public feeds::EventSink {
 public:
  void trade(const market::Trade&) override {}
  void event(const feeds::OtherEvent&) override {}
  void mark(const market::FeedMark& mark) override { marks.push_back(mark); }
  void control() override {}
  void refuse(const feeds::Refusal& refusal) override { texts.emplace_back(refusal.text); }
  std::vector<market::FeedMark> marks;
  std::vector<std::string> texts;
};

class PollSourceTest : public testing::Test {
 protected:
  // Runs with a clock that moves to what is waited for next.
  void run_for(Duration length) {
    const Duration end = clock_.elapsed() + length;
    while (clock_.elapsed() < end) {
      ASSERT_TRUE(source_.pull(heard_, 100));
      const auto idle = source_.idle_for();
      if (idle) clock_.advance(std::min(*idle, end - clock_.elapsed()));
    }
  }
  static std::unique_ptr<ScriptedNet> make_net(PollSourceTest& test) {
    auto net =
        std::make_unique<ScriptedNet>(test.clock_, std::vector<std::vector<ScriptedNet::Step>>{});
    net->rest = [&test](const std::string& url) -> Result<HttpAnswer> {
      test.asked_.push_back(url);
      if (test.answers_.empty()) test.answers_.push_back(answer(200, "a"));
      HttpAnswer next = test.answers_.front();
      test.answers_.erase(test.answers_.begin());
      if (next.status == 0) return fail(ErrorCode::kUnavailable, "no way");
      next.ts_recv = test.clock_.now();
      return next;
    };
    return net;
  }

  ManualClock clock_{Timestamp{1'700'000'000'000'000'000}};
  std::vector<std::string> lines_;
  Log log_{clock_, LogFormat::kText, LogLevel::kInfo,
           [this](LogLevel, std::string_view line) { lines_.emplace_back(line); }};
  std::vector<std::string> asked_;
  std::vector<HttpAnswer> answers_;  // then "a" for ever; status 0: a failure
  Heard heard_;
  PollSource source_{"v/x", std::make_unique<Pages>(), 1, make_net(*this), clock_, log_};
};

TEST_F(PollSourceTest, AsksAsOftenAsItIsTold) {
  EXPECT_EQ(source_.state(), "connecting");
  run_for(seconds(35));
  EXPECT_EQ(asked_.size(), 4u);
  EXPECT_EQ(asked_.back(), "https://v/4?key=secret");
  EXPECT_EQ(source_.state(), "live");
  ASSERT_EQ(heard_.marks.size(), 4u);
  EXPECT_EQ(heard_.marks[1].ts_recv - heard_.marks[0].ts_recv, seconds(10));
}

TEST_F(PollSourceTest, WhatFailsIsAskedAgainAndAQuotaIsWaitedFor) {
  answers_ = {answer(0),        answer(500), answer(429, {}, seconds(90)), answer(200, "quota"),
              answer(200, "b"), answer(429)};
  run_for(seconds(80));
  EXPECT_EQ(asked_.size(), 3u);
  EXPECT_EQ(source_.state(), "down");
  run_for(minutes(60));
  EXPECT_EQ(asked_.size(), 4u);
  EXPECT_EQ(asked_.back(), "https://v/1?key=secret");
  run_for(minutes(3));
  EXPECT_THAT(heard_.texts, Contains("b"));
  EXPECT_THAT(asked_, Contains("https://v/2?key=secret"));
  EXPECT_EQ(source_.state(), "live");
  std::vector<FeedState> states;
  for (const auto& mark : heard_.marks) states.push_back(mark.state);
  EXPECT_THAT(states, Contains(FeedState::kDown).Times(1));
  EXPECT_THAT(lines_, Contains(HasSubstr("as it says")));
  EXPECT_THAT(lines_, Not(Contains(HasSubstr("secret"))));
}

TEST_F(PollSourceTest, OtherStatusesAreTheFeedsAndOldAnswersMoveNoClock) {
  answers_ = {answer(404), answer(200, "old")};
  run_for(seconds(15));
  EXPECT_EQ(asked_.size(), 2u);
  EXPECT_EQ(heard_.texts.size(), 2u);
  EXPECT_EQ(heard_.marks.size(), 1u);
}

}  // namespace
}  // namespace tapedeck::pipeline
