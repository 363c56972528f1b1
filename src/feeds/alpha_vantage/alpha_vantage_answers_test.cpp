// Both sides of Alpha Vantage, spoken to each other.
#include "feeds/alpha_vantage/alpha_vantage_answers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "feeds/alpha_vantage/alpha_vantage_poll.hpp"
#include "feeds/recording_sink.hpp"
#include "market/bar.hpp"

namespace tapedeck::feeds::alpha_vantage {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// 2024-01-05 09:30 in New York.
constexpr Timestamp kOpen{1'704'465'000'000'000'000};

EmulatedTrade trade(Duration after_open, std::string_view price, std::string_view size,
                    std::string symbol = "IBM") {
  return {.symbol = std::move(symbol),
          .price = *market::parse_decimal(price),
          .size = *market::parse_decimal(size),
          .ts_event = kOpen + after_open};
}

class AnswersTest : public testing::Test {
 protected:
  VenueAnswer ask(std::string_view target) const {
    Parameters query;
    for (auto at = target.find('?') + 1; at < target.size();) {
      const auto end = std::min(target.find('&', at), target.size());
      const auto equals = target.find('=', at);
      query.emplace_back(target.substr(at, equals - at),
                         target.substr(equals + 1, end - equals - 1));
      at = end + 1;
    }
    return emulation().answer({.path = target.substr(0, target.find('?')),
                               .query = query,
                               .happened = trades_,
                               .symbols = symbols_});
  }

  // What our feed makes of it.
  std::vector<market::VendorBar> polled(Options options) const {
    options.symbols = {"IBM"};
    options.key = Secret("key");
    options.url = "http://here";
    market::Catalog catalog;
    const auto poll = make_poll(std::move(options), catalog);
    EXPECT_TRUE(poll);
    RecordingSink sink;
    const VenueAnswer answer =
        ask((*poll)->next().reveal().substr(std::string("http://here").size()));
    (*poll)->on_answer(answer.body, kOpen + hours(48), "here", sink);
    EXPECT_TRUE(sink.refusals.empty());
    std::vector<market::VendorBar> bars;
    for (const OtherEvent& event : sink.others) bars.push_back(std::get<market::VendorBar>(event));
    return bars;
  }

  std::vector<EmulatedTrade> trades_{trade(minutes(-331), "1", "1"),  // 03:59, which has no bar
                                     trade(minutes(-1), "99.5", "10"),
                                     trade({}, "100", "7"),
                                     trade(seconds(10), "102.25", "3", "OTHER"),
                                     trade(seconds(20), "101.5", "5"),
                                     trade(seconds(59), "98.0625", "2"),
                                     trade(minutes(2), "98", "1"),
                                     trade(hours(6) + minutes(30), "97", "4"),  // 16:00
                                     trade(hours(24) + minutes(3), "90", "8")};
  std::vector<std::string> symbols_{"IBM", "OTHER"};
};

TEST_F(AnswersTest, OurFeedGetsTheBarsOfTheTrades) {
  const auto bars = polled({});
  ASSERT_EQ(bars.size(), 5u);  // the newest first
  EXPECT_EQ(bars[4].ts_event, kOpen - minutes(1));
  EXPECT_EQ(bars[3].ts_event, kOpen);
  EXPECT_EQ(to_string(bars[3].open), "100");
  EXPECT_EQ(to_string(bars[3].high), "101.5");
  EXPECT_EQ(to_string(bars[3].low), "98.0625");
  EXPECT_EQ(to_string(bars[3].close), "98.0625");
  EXPECT_EQ(to_string(bars[3].volume), "14");
  EXPECT_EQ(bars[2].ts_event, kOpen + minutes(2));
  EXPECT_EQ(bars[0].ts_event, kOpen + hours(24) + minutes(3));
  EXPECT_EQ(polled({.months = {"2024-01"}}).size(), 5u);
  EXPECT_EQ(polled({.months = {"2023-12"}}).size(), 0u);
  EXPECT_EQ(polled({.interval = minutes(60)}).size(), 3u);  // of 9:00, 16:00 and 9:00
}

TEST_F(AnswersTest, ADayIsItsRegularSession) {
  const auto days = polled({.interval = market::kTradingDay});
  ASSERT_EQ(days.size(), 2u);
  EXPECT_EQ(to_string(days[1].open), "100");
  EXPECT_EQ(to_string(days[1].close), "98");
  EXPECT_EQ(to_string(days[1].volume), "15");
  EXPECT_EQ(to_string(days[0].close), "90");
}

TEST_F(AnswersTest, CompactIsTheNewestHundred) {
  for (int i = 0; i < 150; ++i) trades_.push_back(trade(hours(25) + minutes(i), "50", "1"));
  EXPECT_EQ(polled({}).size(), 100u);
  EXPECT_EQ(polled({.months = {"2024-01"}}).size(), 155u);
}

TEST_F(AnswersTest, CsvAndRegularHours) {
  const VenueAnswer answer =
      ask("/query?function=TIME_SERIES_INTRADAY&symbol=IBM&interval=1min&extended_hours=false"
          "&datatype=csv&apikey=k");
  EXPECT_EQ(answer.content_type, "text/csv");
  EXPECT_THAT(answer.body, StartsWith("timestamp,open,high,low,close,volume\r\n"
                                      "2024-01-06 09:33:00,90.0000,90.0000,90.0000,90.0000,8\r\n"));
  EXPECT_EQ(std::ranges::count(answer.body, '\n'), 4);
}

TEST_F(AnswersTest, ItRefusesInItsWords) {
  EXPECT_THAT(ask("/query?function=TIME_SERIES_INTRADAY&symbol=IBM&interval=1min").body,
              HasSubstr("apikey is invalid or missing"));
  for (const char* wrong : {"function=TIME_SERIES_INTRADAY&symbol=NONE&interval=1min",
                            "function=TIME_SERIES_INTRADAY&symbol=IBM&interval=2min",
                            "function=DANCE&symbol=IBM&interval=1min"}) {
    EXPECT_THAT(ask(std::string("/query?") + wrong + "&apikey=k").body,
                StartsWith(R"({"Error Message":"Invalid API call.)"))
        << wrong;
  }
  EXPECT_EQ(ask("/other?apikey=k").status, 404);
}

}  // namespace
}  // namespace tapedeck::feeds::alpha_vantage
