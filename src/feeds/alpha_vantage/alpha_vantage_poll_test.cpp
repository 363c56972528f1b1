#include "feeds/alpha_vantage/alpha_vantage_poll.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "feeds/recording_sink.hpp"
#include "market/bar.hpp"

namespace tapedeck::feeds::alpha_vantage {
namespace {

using Outcome = PollVerdict::Outcome;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr Timestamp kNow{1'800'000'000'000'000'000};  // 2027

std::string note(std::string_view name, std::string_view text) {
  return fmt::format(R"({{"{}":"{}"}})", name, text);
}

class AlphaVantageTest : public testing::Test {
 protected:
  void make(Options options) {
    options.key = Secret("SECRETKEY");
    auto made = make_poll(std::move(options), catalog_);
    ASSERT_TRUE(made) << made.error().message;
    poll_ = *std::move(made);
  }
  PollVerdict answer(const std::string& body, Timestamp now = kNow) {
    return poll_->on_answer(body, now, "here", sink_);
  }
  const market::VendorBar& bar(std::size_t i) {
    return std::get<market::VendorBar>(sink_.others.at(i));
  }
  std::string recorded(std::string_view name) {
    return read_test_file(fmt::format("{}/alpha_vantage/testdata/{}", TD_SOURCE_DIR, name));
  }

  market::Catalog catalog_;
  std::unique_ptr<PollFeed> poll_;
  RecordingSink sink_;
};

TEST_F(AlphaVantageTest, RecordedMinutesAreBarsInUtc) {
  make({.symbols = {"MSFT"}});
  const auto verdict = answer(recorded("intraday_1min.json"));
  EXPECT_EQ(verdict.outcome, Outcome::kTaken);
  EXPECT_EQ(verdict.wait, hours(1));
  ASSERT_THAT(sink_.reasons(), ElementsAre());
  ASSERT_EQ(sink_.others.size(), 5u);
  const market::VendorBar newest = bar(0);
  EXPECT_EQ(to_string(catalog_.series(newest.series).key), "alpha_vantage/bar/MSFT");
  EXPECT_EQ(catalog_.series(newest.series).calendar, "us_equity");
  EXPECT_EQ(to_iso(newest.ts_event), "2017-12-18T19:56:00.000000000Z");  // 14:56 in New York
  EXPECT_EQ(newest.interval, minutes(1));
  EXPECT_EQ(newest.adjusted, market::Adjusted::kRaw);
  EXPECT_EQ(to_string(newest.open), "86.49");
  EXPECT_EQ(to_string(newest.high), "86.5");
  EXPECT_EQ(to_string(newest.low), "86.475");
  EXPECT_EQ(to_string(newest.close), "86.5");
  EXPECT_EQ(to_string(newest.volume), "10494");
  // The same again is the same; what has changed is another, and the last received counts.
  const std::string again = recorded("intraday_1min.json");
  answer(again);
  EXPECT_EQ(bar(5).identity, newest.identity);
  std::string changed = again;
  changed.replace(changed.find("10494"), 5, "10495");
  answer(changed, kNow + seconds(1));
  EXPECT_EQ(bar(10).identity.seq, newest.identity.seq);
  EXPECT_NE(bar(10).identity.position, newest.identity.position);
  EXPECT_GT(bar(10).venue_sequence, newest.venue_sequence);
}

TEST_F(AlphaVantageTest, ABarThatIsNotOverIsLeft) {
  make({.symbols = {"MSFT"}});
  const auto at = parse_iso("2017-12-18T19:56:30Z");  // inside of the newest bar
  ASSERT_TRUE(at);
  answer(recorded("intraday_1min.json"), *at);
  EXPECT_EQ(sink_.others.size(), 4u);
  EXPECT_EQ(sink_.controls, 1);
}

TEST_F(AlphaVantageTest, DaysAndDaylightSaving) {
  make({.symbols = {"IBM"}, .interval = market::kTradingDay});
  EXPECT_EQ(poll_->next().reveal(),
            "https://www.alphavantage.co/query?function=TIME_SERIES_DAILY&symbol=IBM&"
            "outputsize=full&apikey=SECRETKEY");
  const std::string row =
      R"({"1. open":"1","2. high":"2","3. low":"1","4. close":"2","5. volume":"7"})";
  answer(R"J({"Meta Data":{"5. Time Zone":"US/Eastern"},"Time Series (Daily)":{"2024-07-01":)J" +
         row + R"(,"2024-01-02":)" + row + "}}");
  ASSERT_EQ(sink_.others.size(), 2u);
  EXPECT_EQ(to_iso(bar(0).ts_event), "2024-07-01T13:30:00.000000000Z");
  EXPECT_EQ(to_iso(bar(1).ts_event), "2024-01-02T14:30:00.000000000Z");
  EXPECT_THAT(poll_->next().reveal(), HasSubstr("outputsize=compact"));
}

TEST_F(AlphaVantageTest, MonthsComeFirstAndOnce) {
  make({.symbols = {"IBM", "BRK.B"},
        .interval = minutes(5),
        .months = {"2024-01", "2024-02"},
        .adjusted = true,
        .every = minutes(10),
        .url = "http://127.0.0.1:1"});
  const std::string none =
      R"J({"Meta Data":{"6. Time Zone":"US/Eastern"},"Time Series (5min)":{}})J";
  std::vector<std::string> asked;
  std::vector<bool> current;
  for (int i = 0; i < 7; ++i) {
    asked.push_back(poll_->next().reveal());
    current.push_back(answer(none).is_current);
  }
  EXPECT_EQ(asked[0],
            "http://127.0.0.1:1/query?function=TIME_SERIES_INTRADAY&symbol=IBM&interval=5min&"
            "adjusted=true&extended_hours=true&month=2024-01&outputsize=full&apikey=SECRETKEY");
  EXPECT_THAT(asked[1], HasSubstr("symbol=BRK.B"));
  EXPECT_THAT(asked[2], HasSubstr("month=2024-02"));
  EXPECT_THAT(asked[4], HasSubstr("symbol=IBM&interval=5min&adjusted=true&extended_hours=true&"
                                  "outputsize=compact"));
  EXPECT_THAT(asked[6], HasSubstr("symbol=IBM"));
  EXPECT_THAT(current, ElementsAre(false, false, false, false, false, true, false));
}

TEST_F(AlphaVantageTest, QuotasAreWaitedForAndTheKeyIsNotTold) {
  make({.symbols = {"IBM"}});
  const auto first = poll_->next().reveal();
  const auto expect_again = [&](const std::string& body, Duration wait) {
    const PollVerdict verdict = answer(body);
    EXPECT_EQ(verdict.outcome, Outcome::kAgain) << body;
    EXPECT_EQ(verdict.wait, wait) << body;
    EXPECT_THAT(verdict.why, Not(HasSubstr("SECRETKEY")));
    EXPECT_NE(verdict.why, "");
    EXPECT_EQ(poll_->next().reveal(), first);
  };
  expect_again(note("Information",
                    "Please consider spreading out your free API requests more sparingly (1 "
                    "request per second). You may subscribe to any of the premium plans to lift "
                    "the free key rate limit (25 requests per day)"),
               seconds(2));
  expect_again(note("Note",
                    "Our standard API call frequency is 5 calls per minute and 500 calls "
                    "per day."),
               minutes(1));
  expect_again(note("Information",
                    "We have detected your API key as SECRETKEY and our standard API rate limit is "
                    "25 requests per day. Please subscribe to any of the premium plans"),
               hours(1));
  expect_again(note("Error Message", "the parameter apikey is invalid or missing: SECRETKEY"),
               hours(1));
  expect_again(note("Information", "The **demo** API key is for demo purposes only. SECRETKEY"),
               hours(1));
  EXPECT_THAT(sink_.reasons(), ElementsAre());
}

TEST_F(AlphaVantageTest, WhatItRefusesIsToldAndTheNextIsAsked) {
  make({.symbols = {"IBM", "NONE"}, .interval = market::kTradingDay});
  // All days are for paid keys: the newest are asked for.
  EXPECT_EQ(answer(note("Information", "outputsize=full is a premium feature")).outcome,
            Outcome::kAgain);
  EXPECT_THAT(poll_->next().reveal(), HasSubstr("outputsize=compact"));
  EXPECT_EQ(answer(note("Information", "This is a premium endpoint SECRETKEY")).outcome,
            Outcome::kTaken);
  EXPECT_THAT(poll_->next().reveal(), HasSubstr("symbol=NONE"));
  answer(note("Error Message", "Invalid API call. SECRETKEY"));
  answer("{");
  answer(R"({"Meta Data":{}})");
  poll_->on_status(404, "here", sink_);
  EXPECT_THAT(sink_.reasons(), ElementsAre("venue_error", "venue_error", "malformed",
                                           "unknown_message", "venue_error"));
  for (const std::string& text : sink_.texts) EXPECT_THAT(text, Not(HasSubstr("SECRETKEY")));
  EXPECT_THAT(sink_.refusals[1].detail, HasSubstr("it does not know NONE"));
}

TEST_F(AlphaVantageTest, BadBarsAreRefusedAlone) {
  make({.symbols = {"IBM"}});
  const auto row = [](std::string_view open) {
    return fmt::format(
        R"({{"1. open":"{}","2. high":"2","3. low":"1","4. close":"2","5. volume":"7"}})", open);
  };
  answer(fmt::format(R"J({{"Meta Data":{{"6. Time Zone":"US/Eastern"}},"Time Series (1min)":{{
      "2024-07-01 10:00:00":{},"2024-07-01 25:00:00":{},"2024-07-01":{},"2024-07-01 10:01:00":{},
      "2024-07-01 10:02:00":{{"1. open":"1"}},"2024-07-01 10:03:00":7,
      "2024-02-30 10:00:00":{}}}}})J",
                     row("1"), row("1"), row("1"), row("0"), row("1")));
  EXPECT_THAT(sink_.reasons(), ElementsAre("bad_time", "bad_time", "bad_price", "missing_field",
                                           "malformed", "bad_time"));
  EXPECT_EQ(sink_.others.size(), 1u);
  answer(R"J({"Meta Data":{"6. Time Zone":"Mars/Base"},)J"
         R"J("Time Series (1min)":{"2024-07-01 10:00:00":)J" +
         row("1") + "}}");
  EXPECT_EQ(sink_.reasons().back(), "bad_time");
}

TEST_F(AlphaVantageTest, WhatCannotBeAskedForIsSaid) {
  const auto complaint = [&](Options options) {
    const auto made = make_poll(std::move(options), catalog_);
    return made ? std::string() : made.error().message;
  };
  EXPECT_THAT(complaint({.symbols = {}}), HasSubstr("symbols"));
  EXPECT_THAT(complaint({.symbols = {"A"}}), HasSubstr("wants a key"));
  EXPECT_THAT(complaint({.symbols = {"A"}, .key = Secret("k"), .interval = minutes(2)}),
              HasSubstr("1m, 5m"));
  EXPECT_THAT(complaint({.symbols = {"A"}, .key = Secret("k"), .months = {"2024-13"}}),
              HasSubstr("'2024-13'"));
  EXPECT_THAT(complaint({.symbols = {"A"},
                         .key = Secret("k"),
                         .interval = market::kTradingDay,
                         .months = {"2024-01"}}),
              HasSubstr("within a day"));
}

}  // namespace
}  // namespace tapedeck::feeds::alpha_vantage
