#include "pipeline/deck.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>

#include "pipeline/fakes_test.hpp"
#include "tape/passing/passing_tape.hpp"

namespace tapedeck::pipeline {
namespace {

const market::ConditionTables kNoTables;

class DeckTest : public testing::Test {
 protected:
  DeckTest()
      : log_(clock_, LogFormat::kText, LogLevel::kInfo,
             [this](LogLevel, std::string_view l) { logged_ += l; }) {}

  Deck::Factory factory() {
    return [this](std::uint64_t run,
                  std::function<void()> on_change) -> Result<std::unique_ptr<Pipeline>> {
      if (run == failing_run_) return fail(ErrorCode::kNoSpace, "no room for a run");
      PipelineParts parts;
      parts.catalog = std::make_unique<market::Catalog>();
      parts.quarantine = std::make_unique<quality::Quarantine>();
      parts.feeds.push_back({.id = "fake",
                             .source = std::make_unique<FakeSource>(
                                 in_order_ ? in_order(fake_trades(*parts.catalog, trades_))
                                           : fake_trades(*parts.catalog, trades_)),
                             .pace = pace_});
      parts.tape = tape::passing::make_passing_tape();
      parts.store = std::make_unique<FakeStore>();
      return std::make_unique<Pipeline>(std::move(parts), kNoTables, clock_,
                                        PipelineOptions{.specs = {query_.spec}},
                                        std::move(on_change));
    };
  }
  static std::vector<market::Trade> in_order(std::vector<market::Trade> trades) {
    std::ranges::stable_sort(trades, {}, &market::Trade::ts_event);
    return trades;
  }
  static void wait_for(const Deck& deck, PlayState state, std::uint64_t run) {
    for (PlayStatus now = deck.status(); now.state != state || now.run != run;) {
      std::this_thread::yield();
      now = deck.status();
    }
  }

  SystemClock clock_;
  std::string logged_;
  Log log_;
  std::uint64_t failing_run_ = 0;
  std::optional<Pace> pace_;
  std::size_t trades_ = 500;
  bool in_order_ = true;
  store::BarQuery query_{.series = {"fake", "trade", "S0"}, .spec = {}, .start = {}, .end = {}};
};

TEST_F(DeckTest, PlaysToItsEndAndAgain) {
  Deck deck({.mode = "demo"}, Deck::NextRun::kAnew, factory(), log_);
  std::atomic<int> changes = 0;
  const auto subscription = deck.subscribe([&] { ++changes; });
  ASSERT_TRUE(deck.start());
  wait_for(deck, PlayState::kEnded, 1);
  EXPECT_GT(changes, 0);
  EXPECT_EQ(deck.status().mode, "demo");
  EXPECT_EQ(deck.status().feeds.at(0).state, "ended");
  EXPECT_EQ(deck.instruments().size(), 4u);
  const BarPage first = *deck.bars(query_);
  EXPECT_EQ(first.run, 1u);
  EXPECT_FALSE(first.bars.empty());
  EXPECT_EQ(deck.bars_since(query_.series, query_.spec, Offset())->bars, first.bars);

  EXPECT_EQ(deck.restart(), 2u);
  wait_for(deck, PlayState::kEnded, 2);
  EXPECT_EQ(deck.bars(query_)->run, 2u);
  EXPECT_EQ(deck.bars(query_)->bars, first.bars);
  EXPECT_EQ(logged_, "");
}

TEST_F(DeckTest, AFailedStartIsReturnedAndAFailedRestartIsShown) {
  failing_run_ = 1;
  Deck never({}, Deck::NextRun::kAnew, factory(), log_);
  EXPECT_FALSE(never.start());

  failing_run_ = 2;
  Deck deck({}, Deck::NextRun::kAnew, factory(), log_);
  ASSERT_TRUE(deck.start());
  ASSERT_TRUE(deck.restart());
  wait_for(deck, PlayState::kFailed, 1);
  EXPECT_EQ(deck.status().error, "no room for a run");
  EXPECT_NE(logged_.find("no room for a run"), std::string::npos);
  failing_run_ = 0;
  ASSERT_TRUE(deck.restart());
  wait_for(deck, PlayState::kEnded, 2);
  EXPECT_FALSE(deck.status().error);
}

TEST_F(DeckTest, CanBeDestroyedAtAnyMoment) {
  for (int i = 0; i < 50; ++i) {
    Deck deck({}, Deck::NextRun::kAnew, factory(), log_);
    ASSERT_TRUE(deck.start());
    if (i % 2 == 0) static_cast<void>(deck.restart());
  }
}

TEST_F(DeckTest, APlayIsPausedSpedUpAndJumped) {
  pace_ = Pace{.from = kFakeOpen, .speed = 1};
  Deck deck({.speed = 1, .start_time = kFakeOpen, .end_time = kFakeOpen + minutes(20)},
            Deck::NextRun::kAnew, factory(), log_);
  ASSERT_TRUE(deck.start());
  ASSERT_TRUE(deck.pause(true));
  EXPECT_TRUE(deck.status().paused);
  EXPECT_FALSE(deck.set_speed(0));
  EXPECT_FALSE(deck.set_speed(Play::kSpeedMax + 1));
  EXPECT_EQ(deck.restart(kFakeOpen - seconds(1)).error().code, ErrorCode::kInvalidArgument);
  // What is before it is there at once, though the play stands still.
  const Timestamp to = kFakeOpen + minutes(10);
  ASSERT_TRUE(deck.restart(to));
  while (deck.status().run != 2 || deck.status().market_time < to - seconds(30)) {
    std::this_thread::yield();
  }
  EXPECT_LE(deck.status().market_time, to);
  EXPECT_TRUE(deck.status().paused);
  ASSERT_TRUE(deck.set_speed(1'000'000));
  ASSERT_TRUE(deck.pause(false));
  wait_for(deck, PlayState::kEnded, 2);
  EXPECT_EQ(deck.status().speed, 1'000'000);
}

TEST_F(DeckTest, ADrainedRunIsStoredAndGoesOnAsTheNext) {
  for (int i = 0; i < 20; ++i) {
    Deck deck({}, Deck::NextRun::kGoesOn, factory(), log_);
    ASSERT_TRUE(deck.start());
    EXPECT_EQ(deck.restart().error().code, ErrorCode::kUnsupported);
    deck.renew();
    wait_for(deck, PlayState::kEnded, 2);
    EXPECT_EQ(deck.bars(query_)->run, 2u);
    if (i % 2 == 0) deck.renew();
    EXPECT_TRUE(deck.drain(seconds(60)));
    EXPECT_EQ(deck.status().state, PlayState::kEnded);
  }
}

TEST_F(DeckTest, AFailedNextRunLeavesNothingToReadAndSaysSo) {
  failing_run_ = 2;
  Deck deck({}, Deck::NextRun::kGoesOn, factory(), log_);
  ASSERT_TRUE(deck.start());
  deck.renew();
  wait_for(deck, PlayState::kFailed, 1);
  EXPECT_EQ(deck.status().error, "no room for a run");
  EXPECT_EQ(deck.bars(query_).error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(deck.instruments().empty());
}

// What is pushed, put together, is what is stored: also where late trades correct bars, and bars go
// that the live table kept.
TEST_F(DeckTest, IndicatorsOfTheNewestBarsAreThoseOfAllBars) {
  in_order_ = false;
  trades_ = 20'000;
  query_.spec.interval = seconds(1);
  const std::vector<std::string> names{"ema(50)", "macd", "vwap", "sma(5)"};
  Deck deck({}, Deck::NextRun::kAnew, factory(), log_);
  ASSERT_TRUE(deck.start());
  struct Shown {
    market::Bar bar;
    std::vector<std::optional<std::string>> values;
    bool operator==(const Shown&) const = default;
  };
  std::map<Timestamp, Shown> shown, stored;
  const auto put = [](const BarPage& page, std::map<Timestamp, Shown>& into) {
    for (std::size_t i = 0; i < page.bars.size(); ++i) {
      Shown& one = into[page.bars[i].ts_open];
      one = {page.bars[i], {}};
      for (const auto& column : page.indicators) one.values.push_back(column.values[i]);
    }
  };
  Offset since;
  for (bool is_over = false; !is_over || since < deck.status().durable_offset;) {
    is_over = deck.status().state == PlayState::kEnded;
    const auto page = deck.bars_since(query_.series, query_.spec, since, names);
    if (!page) {
      ASSERT_EQ(page.error().code, ErrorCode::kBusy) << page.error().message;
      std::this_thread::yield();
      continue;
    }
    put(*page, shown);
    since = page->offset;
  }
  const auto all = deck.bars(query_, names);
  ASSERT_TRUE(all) << all.error().message;
  put(*all, stored);
  ASSERT_GT(stored.size(), Live::kBarsKept);
  EXPECT_EQ(all->indicators.size(), 6u);
  // Older ones may be gone before anybody asked.
  while (stored.size() > Live::kBarsKept) stored.erase(stored.begin());
  while (shown.size() > stored.size()) shown.erase(shown.begin());
  EXPECT_TRUE(shown == stored);
  EXPECT_EQ(deck.bars_since(query_.series, query_.spec, Offset(), names)->indicator_anchor,
            all->indicator_anchor);
}

TEST_F(DeckTest, UnknownIndicatorsAreRefused) {
  Deck deck({}, Deck::NextRun::kAnew, factory(), log_);
  ASSERT_TRUE(deck.start());
  wait_for(deck, PlayState::kEnded, 1);
  const std::vector<std::string> names{"sma(0)"};
  EXPECT_EQ(deck.bars_since(query_.series, query_.spec, Offset(), names).error().code,
            ErrorCode::kInvalidArgument);
}

TEST_F(DeckTest, MoreIndicatorsThanAreKeptAreCountedAnew) {
  Deck deck({}, Deck::NextRun::kAnew, factory(), log_);
  ASSERT_TRUE(deck.start());
  wait_for(deck, PlayState::kEnded, 1);
  const auto ask = [&](std::size_t length) {
    const std::vector<std::string> names{fmt::format("sma({})", length)};
    auto page = deck.bars_since(query_.series, query_.spec, Offset(), names);
    while (!page && page.error().code == ErrorCode::kBusy) {
      std::this_thread::yield();
      page = deck.bars_since(query_.series, query_.spec, Offset(), names);
    }
    return page;
  };
  const auto first = ask(1);
  ASSERT_TRUE(first);
  for (std::size_t i = 2; i <= LiveIndicators::kSetsMax + 2; ++i) ASSERT_TRUE(ask(i));
  EXPECT_EQ(ask(1)->indicators.at(0).values, first->indicators.at(0).values);
}

TEST_F(DeckTest, BarsThatAreNotKeptAreNamed) {
  Deck deck({}, Deck::NextRun::kAnew, factory(), log_);
  ASSERT_TRUE(deck.start());
  store::BarQuery query = query_;
  query.spec.interval = hours(1);
  const auto page = deck.bars(query);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tapedeck::pipeline
