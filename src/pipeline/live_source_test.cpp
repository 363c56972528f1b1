#include "pipeline/live_source.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
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
  explicit PriceFeed(std::vector<std::string>& sessions) : sessions_(sessions) {}
  void begin_session(const market::Origin& session) override { sessions_.push_back(session.key); }
  std::string_view venue() const override { return "v"; }
  void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                feeds::EventSink& sink) override {
    if (frame.starts_with("heartbeat") || frame == "goodbye") return sink.control();
    if (frame == "complaint") {
      return sink.refuse({"venue_error", "no such symbol", std::string(where), frame});
    }
    if (frame == "bad") return sink.refuse({"malformed", "bad", std::string(where), frame});
    market::Trade trade{.ts_event = ts_recv, .ts_recv = ts_recv};
    if (frame.starts_with("trade ")) trade.identity.seq = std::stoull(std::string(frame.substr(6)));
    sink.trade(trade);
  }
  // Ids with blanks between them.
  void on_answer(std::string_view, std::string_view body, Timestamp ts_recv, std::string_view,
                 feeds::EventSink& sink) override {
    if (body == "quota") sink.refuse({"malformed", "no list of trades", "an answer", body});
    std::istringstream ids{std::string(body)};
    for (std::uint64_t id = 0; ids >> id;) {
      sink.trade({.ts_event = kStart + seconds(static_cast<std::int64_t>(id) - 100'000),
                  .ts_recv = ts_recv,
                  .identity = {.origin = {}, .seq = id}});
    }
  }

 private:
  std::vector<std::string>& sessions_;
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
  void event(const feeds::OtherEvent& event) override {
    records.push_back(std::get<market::Record>(event));
  }
  void mark(const market::FeedMark& mark) override { marks.push_back(mark); }
  void control() override { ++controls; }
  void refuse(const feeds::Refusal& refusal) override { refusals.push_back(refusal.where); }
  void frame(const market::RawFrame& frame) override { frames.push_back(frame); }
  std::vector<Timestamp> marks_of(FeedState state) const {
    std::vector<Timestamp> times;
    for (const auto& mark : marks) {
      if (mark.state == state) times.push_back(mark.ts_recv);
    }
    return times;
  }

  // When a connection was lost: the first mark of a source says that there was none before it.
  std::vector<Timestamp> lost() const {
    auto times = marks_of(FeedState::kDown);
    EXPECT_FALSE(times.empty());
    if (!times.empty()) times.erase(times.begin());
    return times;
  }

  int trades = 0;
  std::vector<std::uint64_t> repaired;  // ids
  int controls = 0;
  std::vector<market::Record> records;
  std::vector<market::FeedMark> marks;
  std::vector<std::string> refusals;
  std::vector<market::RawFrame> frames;
};

class LiveSourceTest : public testing::Test {
 protected:
  void start(std::vector<Script> scripts, std::optional<Duration> silence_max = {}) {
    auto net = std::make_unique<ScriptedNet>(clock_, std::move(scripts));
    net_ = net.get();
    protocol_.silence_max = silence_max;
    source_.emplace(std::make_unique<PriceFeed>(sessions_), protocol_,
                    LiveOptions{.feed = "v/a",
                                .symbols = {"X", "Y"},
                                .url = {},
                                .token = Secret("k&y"),
                                .directory = directory_,
                                .seed = 1,
                                .keep_raw = keep_raw_},
                    std::move(net), catalog_, clock_, log_);
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
  bool keep_raw_ = false;
  std::optional<feeds::Directory> directory_;
  LiveProtocol protocol_{.url = "wss://venue/ws",
                         .symbols_max = 10,
                         .subscribe = subscribe,
                         .repair = feeds::RepairProtocol{.url = "https://rest", .target = target}};
  std::vector<std::string> sessions_;
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

TEST_F(LiveSourceTest, FramesAreKeptAsTheyCameWhereThatIsWanted) {
  const Script script{{seconds(1), Kind::kFrame, "1"},
                      {seconds(1), Kind::kFrame, "heartbeat"},
                      {seconds(2), Kind::kFrame, "bad"},
                      {seconds(2), Kind::kClose, "cut"}};
  start({script});
  run_for(seconds(3));
  EXPECT_TRUE(heard_.frames.empty());
  keep_raw_ = true;
  start({script, script});
  run_for(seconds(10));
  std::vector<std::string> bodies, sessions;
  std::vector<std::uint64_t> numbers;
  for (const market::RawFrame& frame : heard_.frames) {
    bodies.push_back(frame.body);
    numbers.push_back(frame.identity.seq);
    const market::Origin& origin = catalog_.origin(frame.identity.origin);
    EXPECT_EQ(origin.kind, market::OriginKind::kSession);
    sessions.push_back(origin.key);
  }
  EXPECT_THAT(bodies, ElementsAre("1", "heartbeat", "bad", "1", "heartbeat", "bad"));
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 1, 2, 3));
  EXPECT_EQ(sessions[0], sessions[2]);
  EXPECT_NE(sessions[2], sessions[3]);
  EXPECT_TRUE(sessions[3].starts_with("v/a ")) << sessions[3];
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

TEST_F(LiveSourceTest, MarksTellWhenNobodyListened) {
  start({{{milliseconds(2500), Kind::kClose, "cut"}}, {}});
  clock_.advance(seconds(5));  // before the program began
  run_for(seconds(10));
  const Timestamp begun = kStart + seconds(5);
  ASSERT_GE(heard_.marks.size(), 6u);
  EXPECT_EQ(heard_.marks[0], (market::FeedMark{"v/a", FeedState::kDown, begun}));
  EXPECT_EQ(heard_.marks[1], (market::FeedMark{"v/a", FeedState::kLive, begun}));
  const auto lost = heard_.lost();
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_GE(lost[0], begun + milliseconds(2500));
  const auto live = heard_.marks_of(FeedState::kLive);
  const auto next = std::ranges::upper_bound(live, lost[0]);
  ASSERT_NE(next, live.end());
  // At once when it is connected again, though no second is over.
  EXPECT_NE((*next - begun).ns % seconds(1).ns, 0);
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
  EXPECT_EQ(heard_.lost().size(), 20u);
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
  EXPECT_TRUE(heard_.lost().empty());
  run_for(seconds(2));
  EXPECT_EQ(heard_.lost().size(), 1u);
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("nothing came for 5 s")));
  run_for(seconds(3));
  EXPECT_EQ(net_->sent().size(), 4u);  // asked again
}

// A frame each minute, from the first second on.
Script minutely(Duration length, bool is_ended) {
  Script script;
  for (Duration at = seconds(1); at < length; at = at + minutes(1)) {
    script.push_back({at, Kind::kFrame, "1"});
  }
  if (is_ended) script.push_back({length, Kind::kClose, "24 hours are over"});
  return script;
}

TEST_F(LiveSourceTest, TheNextConnectionIsThereBeforeTheVenueEndsTheOldOne) {
  protocol_.session_max = hours(24);
  start({minutely(hours(24), true), minutely(hours(24), true), minutely(hours(1), false)});
  run_for(hours(23) + minutes(49));
  EXPECT_EQ(net_->sent().size(), 2u);
  run_for(minutes(2));
  EXPECT_EQ(net_->sent().size(), 4u);  // ten minutes before its end
  EXPECT_EQ(source_->state(), "live");
  run_for(hours(24));
  EXPECT_EQ(net_->sent().size(), 6u);
  EXPECT_EQ(source_->state(), "live");
  EXPECT_TRUE(heard_.lost().empty());
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("before the venue ends the old one")));
  // No second is without a mark, and none without a connection: what both bring is known by ids.
  const auto live = heard_.marks_of(FeedState::kLive);
  for (std::size_t i = 1; i < live.size(); ++i) EXPECT_LE(live[i] - live[i - 1], seconds(2));
  EXPECT_GE(heard_.trades, 2870);
}

TEST_F(LiveSourceTest, BothAreListenedToForAWhile) {
  protocol_.session_max = hours(1);
  start({{{minutes(50) + seconds(2), Kind::kFrame, "late on the old one"},
          {minutes(50) + seconds(20), Kind::kFrame, "not heard any more"}},
         {{seconds(1), Kind::kFrame, "1"}}});
  run_for(minutes(55));
  EXPECT_EQ(heard_.trades, 2);
  EXPECT_EQ(source_->state(), "live");
}

TEST_F(LiveSourceTest, ASuccessorThatDoesNotComeIsTriedAgain) {
  protocol_.session_max = hours(1);
  start({{{hours(1), Kind::kClose, "over"}}, {{milliseconds(1), Kind::kClose, "no"}}, {}, {}});
  run_for(minutes(52));
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("the next connection of a feed is not there")));
  EXPECT_EQ(source_->state(), "live");
  EXPECT_TRUE(heard_.lost().empty());
  EXPECT_EQ(net_->sent().size(), 6u);
  // It brings nothing, so nobody knows whether it is subscribed: the old one's end is an end.
  run_for(minutes(8) + milliseconds(1));
  EXPECT_EQ(heard_.lost().size(), 1u);
  run_for(seconds(5));
  EXPECT_EQ(source_->state(), "live");
}

TEST_F(LiveSourceTest, AnAnnouncedEndIsNotWaitedFor) {
  protocol_.says_goodbye = [](std::string_view frame) { return frame == "goodbye"; };
  start({{{seconds(10), Kind::kFrame, "goodbye"}, {seconds(12), Kind::kClose, "as said"}},
         {{milliseconds(500), Kind::kFrame, "1"}}});
  run_for(seconds(30));
  EXPECT_EQ(net_->sent().size(), 4u);
  EXPECT_TRUE(heard_.lost().empty());
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("for the old one ended")));
}

TEST_F(LiveSourceTest, AMuteSymbolIsNoticedBesideOthers) {
  protocol_.beat_of = [](std::string_view frame) -> std::optional<std::string_view> {
    if (!frame.starts_with("heartbeat ")) return std::nullopt;
    return frame.substr(10);
  };
  Script script;
  for (int i = 1; i < 60; ++i) {
    script.push_back({seconds(i), Kind::kFrame, "heartbeat X"});
    if (i < 20) script.push_back({seconds(i), Kind::kFrame, "heartbeat Y"});
    script.push_back({seconds(i), Kind::kFrame, "heartbeat of nobody's"});
  }
  start({script, {}}, seconds(5));
  run_for(seconds(23));
  EXPECT_TRUE(heard_.lost().empty());
  run_for(seconds(3));
  EXPECT_EQ(heard_.lost().size(), 1u);
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("nothing came of Y for 5 s")));
}

TEST_F(LiveSourceTest, WhoForgetsIsAskedAgain) {
  protocol_.subscribe_every = minutes(5);
  start({{}});
  run_for(minutes(16));
  EXPECT_EQ(net_->sent().size(), 8u);
  EXPECT_EQ(source_->state(), "live");
}

TEST_F(LiveSourceTest, OtherSymbolsOnTheSameConnection) {
  protocol_.subscribe = [](std::span<const std::string> symbols) {
    return std::vector{fmt::format("+{}", fmt::join(symbols, "+"))};
  };
  protocol_.unsubscribe = [](std::span<const std::string> symbols) {
    return std::vector{fmt::format("-{}", fmt::join(symbols, "-"))};
  };
  start({{{minutes(1), Kind::kClose, "cut"}}, {}});
  run_for(seconds(1));
  EXPECT_TRUE(source_->set_symbols({"Y", "Z", "A"}));
  run_for(seconds(2));
  EXPECT_TRUE(source_->set_symbols({"Y", "A"}));
  run_for(seconds(2));
  EXPECT_THAT(net_->sent(), ElementsAre("+X+Y", "-X", "+Z+A", "-Z"));
  EXPECT_TRUE(heard_.lost().empty());
  run_for(minutes(2));
  EXPECT_EQ(net_->sent().back(), "+Y+A");  // also of the next connection
  EXPECT_FALSE(source_->set_symbols(std::vector<std::string>(11, "S")));  // more than one takes
}

TEST_F(LiveSourceTest, WhereNobodyCanUnsubscribeSymbolsStay) {
  start({{}});
  EXPECT_FALSE(source_->set_symbols({"Z"}));
}

TEST_F(LiveSourceTest, EachConnectionIsASession) {
  start({{{seconds(1), Kind::kClose, "cut"}}, {}});
  run_for(seconds(10));
  ASSERT_EQ(sessions_.size(), 2u);
  EXPECT_EQ(sessions_[0], fmt::format("v/a {}", kStart.ns));
  EXPECT_NE(sessions_[1], sessions_[0]);
}

TEST_F(LiveSourceTest, TheKeyStandsInTheAddress) {
  protocol_.key_parameter = "token";
  start({});
  run_for(milliseconds(1));
  EXPECT_THAT(lines_.front(), HasSubstr("cannot connect to wss://venue/ws?token=k%26y"));
}

TEST_F(LiveSourceTest, WhatIsRefusedIsToldAFewTimes) {
  Script script;
  for (int i = 0; i < 30; ++i) script.push_back({milliseconds(i), Kind::kFrame, "bad"});
  script.push_back({milliseconds(40), Kind::kFrame, "complaint"});
  start({script, {{milliseconds(1), Kind::kFrame, "complaint"}}});
  run_for(seconds(1));
  EXPECT_EQ(heard_.refusals.size(), 31u);
  EXPECT_EQ(std::ranges::count_if(
                lines_, [](const auto& line) { return line.contains("is not understood"); }),
            LiveSource::kRefusalsTold);
  EXPECT_THAT(lines_.back(), HasSubstr("v/a: session 1, frame 10"));
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
  source_->missing(series_, venue_, 10, 20, std::nullopt);
  source_->missing(series_, venue_, 10, 20, std::nullopt);  // the same
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
  source_->missing(series_, venue_, 5, 5, std::nullopt);
  run_for(minutes(2));
  ASSERT_EQ(asked_.size(), 3u);
  EXPECT_GE(asked_at_[2] - asked_at_[1], seconds(40));
  EXPECT_THAT(heard_.repaired, ElementsAre(5));
}

TEST_F(RepairTest, AnErrorThatCallsItselfSuccessIsAskedAgain) {
  start_with([this](const std::string&) { return answer(asked_.size() < 4 ? "quota" : "5"); });
  source_->missing(series_, venue_, 5, 5, std::nullopt);
  run_for(minutes(2));
  EXPECT_EQ(asked_.size(), 4u);
  EXPECT_GT(asked_at_[3] - asked_at_[2], milliseconds(250));
  EXPECT_THAT(heard_.repaired, ElementsAre(5));
}

TEST_F(RepairTest, ButNotForEver) {
  start_with([](const std::string&) { return answer("quota"); });
  source_->missing(series_, venue_, 5, 5, std::nullopt);
  run_for(hours(2));
  EXPECT_EQ(asked_.size(), static_cast<std::size_t>(LiveSource::kStrangeAnswersMax));
  EXPECT_THAT(lines_.back(), HasSubstr("missed trades stay missing"));
}

TEST_F(RepairTest, WhatTheVenueHasNotStaysMissing) {
  start_with([](const std::string&) { return answer(""); });
  source_->missing(series_, venue_, 5, 7, std::nullopt);
  run_for(seconds(20));
  source_->missing(series_, venue_, 5, 7, std::nullopt);
  run_for(seconds(20));
  EXPECT_EQ(asked_.size(), 1u);
  EXPECT_THAT(lines_.back(), HasSubstr("missed trades stay missing"));
}

// A venue whose heartbeats are "heartbeat X 7": the newest trade of X is 7.
class NewestTest : public RepairTest {
 protected:
  void play(Script script, std::string_view body) {
    protocol_.beat_of = [](std::string_view frame) -> std::optional<std::string_view> {
      if (!frame.starts_with("heartbeat ")) return std::nullopt;
      return frame.substr(10, 1);
    };
    protocol_.newest_of = [](std::string_view beat) -> std::optional<std::uint64_t> {
      return std::stoull(std::string(beat.substr(12)));
    };
    start({std::move(script)});
    net_->rest = [this, body](const std::string& url) {
      asked_.push_back(url);
      return answer(std::string(body));
    };
  }
};

TEST_F(NewestTest, WhatWasTradedLastAndNeverCameIsFetched) {
  play({{seconds(1), Kind::kFrame, "trade 7"},
        {seconds(2), Kind::kFrame, "heartbeat X 7"},
        {seconds(3), Kind::kFrame, "heartbeat X 9"},
        {seconds(4), Kind::kFrame, "heartbeat X 9"},
        {seconds(5), Kind::kFrame, "heartbeat Z 9"}},  // which nobody asked for
       "8 9");
  run_for(seconds(10));
  EXPECT_THAT(asked_, ElementsAre("https://rest/X/8-9"));
  EXPECT_THAT(heard_.repaired, ElementsAre(8, 9));
}

TEST_F(NewestTest, AfterAStartTheNewestIsAskedForAlone) {
  play({{seconds(1), Kind::kFrame, "heartbeat X 9"}, {seconds(5), Kind::kFrame, "heartbeat X 11"}},
       "9 10 11");
  run_for(seconds(10));
  EXPECT_THAT(asked_, ElementsAre("https://rest/X/9-9", "https://rest/X/10-11"));
}

// A venue that is asked: the newest trade of X is `newest_`, and it has all up to there.
class AskedNewestTest : public RepairTest {
 protected:
  void play(std::vector<Script> scripts) {
    protocol_.repair->newest_target = [](std::string_view symbol) {
      return fmt::format("/{}/newest", symbol);
    };
    protocol_.repair->newest_in = [](std::string_view,
                                     std::string_view body) -> std::optional<std::uint64_t> {
      if (body == "none") return std::nullopt;
      return std::stoull(std::string(body));
    };
    start(std::move(scripts));
    net_->rest = [this](const std::string& url) -> Result<HttpAnswer> {
      asked_.push_back(url);
      if (url == "https://rest/Y/newest") return answer(std::to_string(other_newest_));
      if (url.ends_with("/newest")) {
        if (trouble_-- > 0) return HttpAnswer{.status = 429, .body = {}, .ts_recv = kStart};
        return answer(std::to_string(venues_newest_));
      }
      std::string ids;
      for (std::uint64_t id = 1; id <= venues_newest_; ++id) ids += std::to_string(id) + " ";
      return answer(ids);
    };
  }

  std::uint64_t venues_newest_ = 9;
  std::uint64_t other_newest_ = 100;
  int trouble_ = 0;
};

TEST_F(AskedNewestTest, WhatCameInASilenceIsFetchedWithoutATrade) {
  play({{{seconds(1), Kind::kFrame, "trade 7"}, {seconds(2), Kind::kClose, "cut"}},
        {{milliseconds(1), Kind::kFrame, "heartbeat"}}});
  run_for(seconds(10));
  EXPECT_THAT(asked_, testing::Contains("https://rest/X/8-9"));
  EXPECT_THAT(heard_.repaired, testing::IsSupersetOf({8u, 9u}));
  // Y never was on the tape: what it traded before is not missed.
  EXPECT_THAT(asked_, testing::Contains("https://rest/Y/newest"));
  EXPECT_THAT(asked_, Not(testing::Contains(HasSubstr("/Y/100"))));
}

TEST_F(AskedNewestTest, ItIsAskedAgainWhereTheVenueHasTrouble) {
  trouble_ = 3;
  play({{{milliseconds(1), Kind::kFrame, "heartbeat"}}});
  run_for(minutes(2));
  EXPECT_EQ(std::ranges::count(asked_, "https://rest/X/9-9"), 1);
}

TEST_F(AskedNewestTest, ADeafConnectionIsMadeAnew) {
  play({{{seconds(1), Kind::kFrame, "trade 9"}}, {{seconds(1), Kind::kFrame, "trade 13"}}});
  run_for(seconds(10));
  venues_newest_ = 12;
  run_for(seconds(20));
  EXPECT_EQ(sessions_.size(), 2u);
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("trades of X that did not come")));
  EXPECT_THAT(heard_.repaired, testing::IsSupersetOf({10u, 11u, 12u}));
}

TEST_F(AskedNewestTest, OneThatIsDeafToAllIsMadeAnewOnce) {
  play({{{seconds(1), Kind::kFrame, "trade 9"}, {minutes(9), Kind::kFrame, "trade 99"}}, {}});
  run_for(seconds(10));
  venues_newest_ = 12;
  other_newest_ = 105;
  run_for(minutes(1));
  EXPECT_EQ(sessions_.size(), 2u);
  EXPECT_EQ(std::ranges::count_if(
                lines_, [](const auto& line) { return line.contains("that did not come"); }),
            1);
  EXPECT_EQ(source_->state(), "live");
}

TEST_F(AskedNewestTest, AQuietOneIsLeftAlone) {
  play({{{seconds(1), Kind::kFrame, "trade 9"}}});
  run_for(minutes(10));
  EXPECT_EQ(sessions_.size(), 1u);
  EXPECT_LT(asked_.size(), 20u);  // of two symbols
}

TEST_F(RepairTest, TheVenueIsNotAskedForWhatItNeverNumbered) {
  start_with([](const std::string&) { return answer("5"); });
  const OriginId file = catalog_.intern(market::Origin{.kind = market::OriginKind::kFile});
  source_->missing(series_, file, 5, 7, std::nullopt);  // records of a file that it has not
  const SeriesId other = catalog_.intern(
      market::Series{.key = {"v", "trade", "Z"}, .order = market::TradeOrder::kVenueSequence});
  source_->missing(other, venue_, 5, 7, std::nullopt);  // nobody subscribed to it
  run_for(seconds(5));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(RepairTest, OneOfSeveralKindsOfTradeIsAskedForByItsName) {
  protocol_.repair->symbol_of = [](const market::SeriesKey& key) {
    return key.channel == "sums" ? "X" : key.instrument + "@" + key.channel;
  };
  start_with([](const std::string&) { return answer("5"); });
  source_->missing(series_, venue_, 5, 5, std::nullopt);  // "X@trade", which nobody subscribed to
  const SeriesId sums = catalog_.intern(
      market::Series{.key = {"v", "sums", "Z"}, .order = market::TradeOrder::kVenueSequence});
  source_->missing(sums, venue_, 6, 6, std::nullopt);
  run_for(seconds(5));
  EXPECT_THAT(asked_, testing::Contains("https://rest/X/6-6"));
  EXPECT_THAT(asked_, Not(testing::Contains(HasSubstr("5-5"))));
}

TEST_F(RepairTest, OfALongGapTheNewestAreFetched) {
  start_with([](const std::string&) { return answer(""); });
  source_->missing(series_, venue_, 1, 1'000'000, std::nullopt);
  run_for(seconds(5));
  EXPECT_THAT(asked_, ElementsAre("https://rest/X/950001-1000000"));
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("too long to be fetched whole")));
}

// A venue whose list is symbols with blanks between them.
class ListedTest : public RepairTest {
 protected:
  ListedTest() {
    directory_ = feeds::Directory{
        .url = "https://rest",
        .target = [](std::string_view) -> std::string { return "/list"; },
        .read = [](std::string_view body) -> Result<std::vector<feeds::Listed>> {
          if (body == "busy") return fail(ErrorCode::kMalformed, "no list: busy");
          std::vector<feeds::Listed> all;
          std::istringstream symbols{std::string(body)};
          for (std::string one; symbols >> one;) {
            all.push_back(
                {.symbol = one, .name = {}, .type = "spot", .currency = "USD", .status = {}});
          }
          return all;
        },
        .lists_all = true};
    protocol_.unsubscribe = [](std::span<const std::string> symbols) {
      return std::vector<std::string>{fmt::format("leave {}", fmt::join(symbols, " "))};
    };
    protocol_.subscribe = [](std::span<const std::string> symbols) {
      return std::vector<std::string>{fmt::format("want {}", fmt::join(symbols, " "))};
    };
  }
};

TEST_F(ListedTest, WhatTheVenueDoesNotListIsLeftOutAndTold) {
  start_with([](const std::string&) { return answer("X Z"); });
  EXPECT_THAT(asked_, ElementsAre("https://rest/list"));
  EXPECT_THAT(net_->sent(), ElementsAre("want X"));
  EXPECT_THAT(heard_.refusals, ElementsAre("v/a"));
  EXPECT_THAT(lines_, testing::Contains(
                          AllOf(HasSubstr("does not list this symbol"), HasSubstr("symbol=Y"))));
  ASSERT_EQ(heard_.records.size(), 1u);
  EXPECT_EQ(to_string(catalog_.series(heard_.records[0].series).key), "v/instrument/X");
  EXPECT_EQ(heard_.records[0].body,
            R"({"venue":"v","symbol":"X","type":"spot","currency":"USD","zone":"UTC"})");
  EXPECT_TRUE(source_->set_symbols({"Y", "Z"}));
  run_for(seconds(1));
  EXPECT_THAT(net_->sent(), ElementsAre("want X", "leave X", "want Z"));
  EXPECT_EQ(heard_.refusals.size(), 2u);
}

TEST_F(ListedTest, WithoutAListTheyAreAskedForAsTheyAre) {
  start_with([](const std::string&) { return answer("busy"); });
  EXPECT_THAT(net_->sent(), ElementsAre("want X Y"));
  EXPECT_TRUE(heard_.refusals.empty());
  EXPECT_THAT(lines_, testing::Contains(HasSubstr("list cannot be had now")));
}

TEST_F(ListedTest, AListThatDoesNotComeIsNotWaitedForLong) {
  start_with([](const std::string&) { return answer("X"); });
  net_->is_rest_mute = true;
  EXPECT_TRUE(source_->set_symbols({"X", "Y", "Z"}));
  run_for(LiveSource::kListWait - milliseconds(100));
  EXPECT_THAT(net_->sent(), ElementsAre("want X"));
  run_for(milliseconds(200));
  EXPECT_THAT(net_->sent(), ElementsAre("want X", "want Y Z"));
  net_->is_rest_mute = false;  // it comes after all, and changes nothing
  run_for(seconds(1));
  EXPECT_THAT(net_->sent(), ElementsAre("want X", "want Y Z"));
  EXPECT_EQ(heard_.refusals.size(), 1u);  // of Y, at first
}

TEST_F(ListedTest, TheSameInstrumentIsTheSameEvent) {
  start_with([](const std::string&) { return answer("X Y"); });
  const auto first = heard_.records;
  heard_.records.clear();
  source_.reset();
  start_with([](const std::string&) { return answer("Y X Z"); });
  ASSERT_EQ(heard_.records.size(), 2u);
  EXPECT_EQ(heard_.records[0].identity, first[0].identity);
  EXPECT_EQ(heard_.records[1].identity, first[1].identity);
  EXPECT_FALSE(first[0].identity == first[1].identity);
}

// A venue that is asked by time, of whose trades one is a second.
class RepairByTimeTest : public RepairTest {
 protected:
  void start_by_time() {
    protocol_.repair->target = nullptr;
    protocol_.repair->target_since = [](std::string_view symbol, Timestamp since) {
      return fmt::format("/{}?since={}", symbol, (since - kStart).ns / seconds(1).ns);
    };
    start_with([this](const std::string& url) {
      const std::int64_t since = std::stoll(url.substr(url.find('=') + 1));
      std::string ids;
      for (std::uint64_t id = 1, count = 0; id <= 100'000 && count < answer_max_; ++id) {
        const bool is_ahead = id >= ahead_.first && id <= ahead_.second;
        if (second_of(id) + (is_ahead ? 8 : 0) <= since || id == lost_) continue;
        ids += fmt::format("{} ", id);
        ++count;
      }
      return answer(ids);
    });
  }
  // The trade 100 000 is that of the start.
  static std::int64_t second_of(std::uint64_t id) {
    return static_cast<std::int64_t>(id) - 100'000;
  }
  static Timestamp time_of(std::uint64_t id) { return kStart + seconds(second_of(id)); }
  std::vector<std::uint64_t> ids(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> all;
    for (; first <= last; ++first) all.push_back(first);
    return all;
  }
  std::uint64_t answer_max_ = 100;
  std::uint64_t lost_ = 0;
  std::pair<std::uint64_t, std::uint64_t> ahead_;  // ids of which the venue's clock was 8 s ahead
};

TEST_F(RepairByTimeTest, FromTheTimeOfTheTradeBehind) {
  start_by_time();
  source_->missing(series_, venue_, 99'980, 99'989, time_of(99'990));
  run_for(seconds(5));
  EXPECT_THAT(asked_, ElementsAre("https://rest/X?since=-70"));
  EXPECT_EQ(heard_.repaired, ids(99'980, 99'989));  // and nothing that was not missing
}

TEST_F(RepairByTimeTest, BackToWhereItBeganAndOnToWhereItEnds) {
  start_by_time();
  source_->missing(series_, venue_, 98'000, 98'399, time_of(98'400));
  run_for(minutes(1));
  EXPECT_THAT(std::set<std::uint64_t>(heard_.repaired.begin(), heard_.repaired.end()).size(), 400u);
  EXPECT_THAT(lines_.back(), HasSubstr("missed trades were fetched"));
  EXPECT_LE(asked_.size(), 20u);
}

TEST_F(RepairByTimeTest, WithoutATimeItIsFoundToo) {
  start_by_time();
  source_->missing(series_, venue_, 50'000, 50'010, std::nullopt);
  run_for(minutes(10));
  EXPECT_GE(heard_.repaired.size(), 11u);
  EXPECT_THAT(lines_.back(), HasSubstr("missed trades were fetched"));
}

TEST_F(RepairByTimeTest, BehindAClockThatWasSetBack) {
  ahead_ = {99'920, 99'929};
  answer_max_ = 14;
  start_by_time();
  source_->missing(series_, venue_, 99'930, 99'939, time_of(99'940));
  run_for(seconds(20));
  EXPECT_THAT(lines_.back(), HasSubstr("missed trades were fetched"));
  EXPECT_THAT(std::set<std::uint64_t>(heard_.repaired.begin(), heard_.repaired.end()).size(), 10u);
}

TEST_F(RepairByTimeTest, WhatTheVenueHasNotStaysMissing) {
  lost_ = 99'985;
  start_by_time();
  source_->missing(series_, venue_, 99'980, 99'989, time_of(99'990));
  run_for(minutes(10));
  EXPECT_EQ(heard_.repaired.size(), 9u);
  EXPECT_EQ(asked_.size(), 7u);
  EXPECT_THAT(lines_.back(), HasSubstr("missed trades stay missing"));
  source_->missing(series_, venue_, 1, 3, time_of(4));
  run_for(minutes(10));
  EXPECT_THAT(lines_.back(), HasSubstr("missed trades were fetched"));
}

TEST_F(LiveSourceTest, AQuietVenueMayBeSilent) {
  start({{}});
  run_for(hours(2));
  EXPECT_EQ(source_->state(), "live");
  EXPECT_TRUE(heard_.lost().empty());
}

}  // namespace
}  // namespace tapedeck::pipeline
