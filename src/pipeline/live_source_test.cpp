#include "pipeline/live_source.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "market/conditions.hpp"

namespace tapedeck::pipeline {
namespace {

using feeds::LiveProtocol;
using market::FeedState;
using testing::ElementsAre;
using testing::HasSubstr;
using Kind = ScriptedNet::Step::Kind;
using Script = std::vector<ScriptedNet::Step>;

constexpr Timestamp kStart{1'700'000'000'000'000'000};

// A venue whose frames are prices.
class PriceFeed final : public feeds::Feed {
 public:
  std::string_view venue() const override { return "v"; }
  void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                feeds::EventSink& sink) override {
    if (frame == "heartbeat") return sink.control();
    if (frame == "bad") return sink.refuse({"malformed", "bad", std::string(where), frame});
    sink.trade({.ts_event = ts_recv, .ts_recv = ts_recv});
  }
  // Ids with blanks between them.
  void on_answer(std::string_view, std::string_view body, Timestamp ts_recv, std::string_view,
                 feeds::EventSink& sink) override {
    std::istringstream ids{std::string(body)};
    for (std::uint64_t id = 0; ids >> id;) {
      sink.trade({.ts_event = ts_recv, .ts_recv = ts_recv, .identity = {.origin = {}, .seq = id}});
    }
  }
};

std::string target(std::string_view symbol, std::uint64_t first, std::uint64_t last) {
  return fmt::format("/{}/{}-{}", symbol, first, last);
}

std::vector<std::string> subscribe(std::span<const std::string> symbols) {
  return {fmt::format("subscribe {}", symbols.size()), "and listen"};
}

class Heard final : public feeds::EventSink {
 public:
  void trade(const market::Trade& trade) override {
    ++trades;
    if (trade.conditions & market::kRepaired) repaired.push_back(trade.identity.seq);
  }
  void event(const feeds::OtherEvent&) override {}
  void mark(const market::FeedMark& mark) override { marks.push_back(mark); }
  void control() override { ++controls; }
  void refuse(const feeds::Refusal& refusal) override { refusals.push_back(refusal.where); }
  std::vector<Timestamp> marks_of(FeedState state) const {
    std::vector<Timestamp> times;
    for (const auto& mark : marks) {
      if (mark.state == state) times.push_back(mark.ts_recv);
    }
    return times;
  }

  int trades = 0;
  std::vector<std::uint64_t> repaired;  // ids
  int controls = 0;
  std::vector<market::FeedMark> marks;
  std::vector<std::string> refusals;
};

class LiveSourceTest : public testing::Test {
 protected:
  void start(std::vector<Script> scripts, std::optional<Duration> silence_max = {}) {
    auto net = std::make_unique<ScriptedNet>(clock_, std::move(scripts));
    net_ = net.get();
    source_.emplace(
        std::make_unique<PriceFeed>(),
        LiveProtocol{.url = "wss://venue/ws",
                     .symbols_max = 10,
                     .subscribe = subscribe,
                     .silence_max = silence_max,
                     .repair = feeds::RepairProtocol{.url = "https://rest", .target = target}},
        LiveOptions{.feed = "v/a", .symbols = {"X", "Y"}, .url = {}, .seed = 1}, std::move(net),
        catalog_, clock_, log_);
  }
  // As a driver does: pulls, and sleeps for as long as the source says. Returns how often it slept.
  int run_for(Duration time) {
    const Duration end = clock_.elapsed() + time;
    int sleeps = 0;
    while (true) {
      EXPECT_EQ(source_->pull(heard_, 100).value_or(false), true);
      const auto idle = source_->idle_for();
      if (!idle) continue;
      EXPECT_GT(*idle, Duration{});
      if (clock_.elapsed() + *idle > end) break;
      clock_.advance(*idle);
      ++sleeps;
    }
    clock_.advance(end - clock_.elapsed());
    EXPECT_EQ(source_->pull(heard_, 100).value_or(false), true);
    return sleeps;
  }

  ManualClock clock_{kStart};
  market::Catalog catalog_;
  std::vector<std::string> lines_;
  Log log_{clock_, LogFormat::kText, LogLevel::kInfo,
           [this](LogLevel, std::string_view line) { lines_.emplace_back(line); }};
  ScriptedNet* net_ = nullptr;
  std::optional<LiveSource> source_;
  Heard heard_;
};

TEST_F(LiveSourceTest, SubscribesAndHandsOnWhatComes) {
  start({{{seconds(1), Kind::kFrame, "1"},
          {seconds(1), Kind::kFrame, "heartbeat"},
          {seconds(2), Kind::kFrame, "bad"}}});
  EXPECT_EQ(source_->state(), "connecting");
  run_for(milliseconds(3500));
  EXPECT_EQ(source_->state(), "live");
  EXPECT_THAT(net_->sent(), ElementsAre("subscribe 2", "and listen"));
  EXPECT_EQ(heard_.trades, 1);
  EXPECT_EQ(heard_.controls, 1);
  EXPECT_THAT(heard_.refusals, ElementsAre("v/a: session 1, frame 3"));
}

TEST_F(LiveSourceTest, MarksSayEachSecondThatAllWasHandedOn) {
  start({{}});
  const int sleeps = run_for(seconds(10));
  const auto live = heard_.marks_of(FeedState::kLive);
  EXPECT_GE(live.size(), 9u);
  EXPECT_LE(live.size(), 11u);
  for (std::size_t i = 1; i < live.size(); ++i) EXPECT_EQ(live[i] - live[i - 1], seconds(1));
  EXPECT_EQ(heard_.marks.front().feed, "v/a");
  EXPECT_LE(sleeps, 15);  // it does not spin
}

TEST_F(LiveSourceTest, ACutIsToldAndConnectedAgainForEver) {
  std::vector<Script> scripts;
  for (int i = 0; i < 20; ++i) {
    scripts.push_back({{milliseconds(10), Kind::kFrame, "1"}, {seconds(1), Kind::kClose, "cut"}});
  }
  start(std::move(scripts));
  run_for(minutes(40));  // also beyond the scripts, where connecting fails
  EXPECT_EQ(heard_.trades, 20);
  EXPECT_EQ(net_->sent().size(), 40u);  // asked for the symbols each time
  EXPECT_EQ(heard_.marks_of(FeedState::kDown).size(), 20u);
  EXPECT_EQ(source_->state(), "down");
  // Never more than a minute between attempts, so at least one in each minute.
  EXPECT_GE(std::ranges::count_if(lines_,
                                  [](const auto& line) { return line.contains("a feed is down"); }),
            40);
  EXPECT_THAT(lines_.back(), HasSubstr("cannot connect to wss://venue/ws"));
}

TEST_F(LiveSourceTest, ASilentSubscriptionIsDead) {
  Script script;
  for (int i = 1; i <= 30; ++i) script.push_back({seconds(i), Kind::kFrame, "heartbeat"});
  start({script, {}}, seconds(5));
  run_for(seconds(34));
  EXPECT_EQ(source_->state(), "live");
  EXPECT_TRUE(heard_.marks_of(FeedState::kDown).empty());
  run_for(seconds(2));
  EXPECT_EQ(heard_.marks_of(FeedState::kDown).size(), 1u);
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("nothing came for 5 s")));
  run_for(seconds(3));
  EXPECT_EQ(net_->sent().size(), 4u);  // asked again
}

// A gap is told, and what the venue's REST says of it.
class RepairTest : public LiveSourceTest {
 protected:
  void start_with(std::function<Result<HttpAnswer>(const std::string& url)> rest) {
    start({{}});
    net_->rest = [this, rest = std::move(rest)](const std::string& url) {
      asked_.push_back(url);
      asked_at_.push_back(clock_.elapsed());
      return rest(url);
    };
    run_for(seconds(1));
  }
  static HttpAnswer answer(std::string body) {
    return {.status = 200, .body = std::move(body), .ts_recv = kStart};
  }

  SeriesId series_ = catalog_.intern(
      market::Series{.key = {"v", "trade", "X"}, .order = market::TradeOrder::kVenueSequence});
  OriginId venue_ = catalog_.intern(market::Origin{});
  std::vector<std::string> asked_;
  std::vector<Duration> asked_at_;
};

TEST_F(RepairTest, WhatIsMissingIsFetchedFromEitherEnd) {
  start_with([this](const std::string&) {
    const std::vector<std::string> bodies{"10 11 99", "19 20", "12 13 14 15 16 17 18"};
    return answer(bodies.at(asked_.size() - 1));
  });
  const Duration told = clock_.elapsed();
  source_->missing(series_, venue_, 10, 20);
  source_->missing(series_, venue_, 10, 20);  // the same
  run_for(seconds(10));
  EXPECT_THAT(asked_,
              ElementsAre("https://rest/X/10-20", "https://rest/X/12-20", "https://rest/X/12-18"));
  EXPECT_GE(asked_at_[0] - told, LiveSource::kRepairAfter);
  EXPECT_GE(asked_at_[1] - asked_at_[0], milliseconds(250));
  EXPECT_THAT(heard_.repaired, ElementsAre(10, 11, 99, 19, 20, 12, 13, 14, 15, 16, 17, 18));
  EXPECT_THAT(lines_.back(), HasSubstr("missed trades were fetched"));
}

TEST_F(RepairTest, AVenueThatAsksToStayAwayIsAskedLater) {
  start_with([this](const std::string&) -> Result<HttpAnswer> {
    if (asked_.size() == 1) return fail(ErrorCode::kUnavailable, "no route");
    if (asked_.size() == 2)
      return HttpAnswer{.status = 429, .body = {}, .ts_recv = {}, .stay_away = seconds(40)};
    return answer("5");
  });
  source_->missing(series_, venue_, 5, 5);
  run_for(minutes(2));
  ASSERT_EQ(asked_.size(), 3u);
  EXPECT_GE(asked_at_[2] - asked_at_[1], seconds(40));
  EXPECT_THAT(heard_.repaired, ElementsAre(5));
}

TEST_F(RepairTest, WhatTheVenueHasNotStaysMissing) {
  start_with([](const std::string&) { return answer(""); });
  source_->missing(series_, venue_, 5, 7);
  run_for(seconds(20));
  source_->missing(series_, venue_, 5, 7);
  run_for(seconds(20));
  EXPECT_EQ(asked_.size(), 1u);
  EXPECT_THAT(lines_.back(), HasSubstr("missed trades stay missing"));
}

TEST_F(RepairTest, TheVenueIsNotAskedForWhatItNeverNumbered) {
  start_with([](const std::string&) { return answer("5"); });
  const OriginId file = catalog_.intern(market::Origin{.kind = market::OriginKind::kFile});
  source_->missing(series_, file, 5, 7);  // records of a file that it has not
  const SeriesId other = catalog_.intern(
      market::Series{.key = {"v", "trade", "Z"}, .order = market::TradeOrder::kVenueSequence});
  source_->missing(other, venue_, 5, 7);  // nobody subscribed to it
  run_for(seconds(5));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(RepairTest, OfALongGapTheNewestAreFetched) {
  start_with([](const std::string&) { return answer(""); });
  source_->missing(series_, venue_, 1, 1'000'000);
  run_for(seconds(5));
  EXPECT_THAT(asked_, ElementsAre("https://rest/X/950001-1000000"));
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("too long to be fetched whole")));
}

TEST_F(LiveSourceTest, AQuietVenueMayBeSilent) {
  start({{}});
  run_for(hours(2));
  EXPECT_EQ(source_->state(), "live");
  EXPECT_TRUE(heard_.marks_of(FeedState::kDown).empty());
}

}  // namespace
}  // namespace tapedeck::pipeline
