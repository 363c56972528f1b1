#include "api/parameters.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tapedeck::api {
namespace {

using testing::HasSubstr;

constexpr Timestamp kNow{1'381'154'400'000'000'000};  // 2013-10-07T14:00:00Z

Result<store::BarQuery> bar_query(const net::Fields& query) {
  auto request = parse_bar_query(query, kNow);
  if (!request) return std::unexpected(request.error());
  return request->query;
}

const std::pair<std::string, std::string> kSeries{"series", "kraken/trade/BTC/USD"};

TEST(BarQuery, HasDefaults) {
  const auto query = bar_query({kSeries});
  ASSERT_TRUE(query) << query.error().message;
  EXPECT_EQ(query->series, (market::SeriesKey{"kraken", "trade", "BTC/USD"}));
  EXPECT_EQ(query->spec, market::BarSpec{});
  EXPECT_EQ(query->start, std::nullopt);
  EXPECT_EQ(query->end, std::nullopt);
  EXPECT_EQ(query->limit, 10'000u);
}

TEST(BarQuery, TakesAllOfThem) {
  const auto query = bar_query({{"limit", "1"},
                                {"session", "regular"},
                                {"end", "9223372036854775807"},
                                {"start", "0"},
                                {"conditions", "all"},
                                {"interval", "1h"},
                                kSeries});
  ASSERT_TRUE(query) << query.error().message;
  EXPECT_EQ(query->spec, (market::BarSpec{hours(1), market::ConditionMode::kAll,
                                          market::SessionMode::kRegular}));
  EXPECT_EQ(query->start, Timestamp{0});
  EXPECT_EQ(query->end, Timestamp{9223372036854775807});
  EXPECT_EQ(query->limit, 1u);
}

struct Wrong {
  net::Fields query;
  std::vector<std::string> says;  // the parameter, what was given, what is allowed
};

class WrongBarQuery : public testing::TestWithParam<Wrong> {};

TEST_P(WrongBarQuery, SaysWhatIsWrong) {
  const auto query = bar_query(GetParam().query);
  ASSERT_FALSE(query);
  EXPECT_EQ(query.error().code, ErrorCode::kInvalidArgument);
  for (const std::string& text : GetParam().says) {
    EXPECT_THAT(query.error().message, HasSubstr(text));
  }
}

INSTANTIATE_TEST_SUITE_P(
    , WrongBarQuery,
    testing::Values(
        Wrong{{}, {"parameter series is missing", "venue/channel/instrument"}},
        Wrong{{{"series", "SPY"}}, {"parameter series", "'SPY'", "venue/channel/instrument"}},
        Wrong{{{"series", ""}}, {"parameter series", "''"}},
        Wrong{{kSeries, {"interval", "2m"}}, {"parameter interval", "'2m'", "1s, 5s"}},
        Wrong{{kSeries, {"interval", ""}}, {"parameter interval", "''"}},
        Wrong{{kSeries, {"conditions", "some"}}, {"parameter conditions", "'some'", "eligible"}},
        Wrong{{kSeries, {"session", "night"}}, {"parameter session", "'night'", "extended"}},
        Wrong{{kSeries, {"limit", "0"}}, {"parameter limit", "'0'", "from 1 to 10000"}},
        Wrong{{kSeries, {"limit", "10001"}}, {"parameter limit", "'10001'"}},
        Wrong{{kSeries, {"limit", "-1"}}, {"parameter limit", "'-1'"}},
        Wrong{{kSeries, {"limit", "1e3"}}, {"parameter limit", "'1e3'"}},
        Wrong{{kSeries, {"limit", ""}}, {"parameter limit", "''"}},
        Wrong{{kSeries, {"limit", std::string(999, '9')}}, {"parameter limit", "999'..."}},
        Wrong{{kSeries, {"start", "-1"}}, {"parameter start", "'-1'", "-1h"}},
        Wrong{{kSeries, {"start", "2013-13-07"}}, {"parameter start", "'2013-13-07'"}},
        Wrong{{kSeries, {"start", ""}}, {"parameter start", "''"}},
        Wrong{{kSeries, {"end", "9223372036854775808"}},
              {"parameter end", "'9223372036854775808' is no time"}},
        Wrong{{kSeries, {"start", "5"}, {"end", "5"}}, {"parameter start", "is not before end"}},
        Wrong{{kSeries, {"start", "now"}, {"end", "-1h"}}, {"parameter start", "is not before"}},
        Wrong{{kSeries, {"as_of", "yesterday"}}, {"parameter as_of", "'yesterday'"}},
        Wrong{{kSeries, {"format", "xml"}}, {"parameter format", "'xml'", "ndjson"}},
        Wrong{{kSeries, {"time", "s"}}, {"parameter time", "'s'", "ns, ms, iso"}},
        Wrong{{kSeries, {"tz", "Mars/Base"}}, {"parameter tz", "Mars/Base"}},
        Wrong{{kSeries, {"numbers", "float"}}, {"parameter numbers", "string, number"}},
        Wrong{{kSeries, {"source", "quotes"}}, {"parameter source", "trades"}},
        Wrong{{kSeries, {"intervall", "1m"}}, {"'intervall' is not known", "interval, conditions"}},
        Wrong{{kSeries, {"resume", "1"}}, {"'resume' is not known"}},
        Wrong{{kSeries, kSeries}, {"parameter series is given twice"}}));

TEST(BarQuery, TakesTimesAsPeopleWriteThem) {
  const auto start = [](const std::string& text, const std::string& zone = "UTC") {
    const auto query = bar_query({kSeries, {"start", text}, {"tz", zone}});
    return query ? to_iso(*query->start) : query.error().message;
  };
  EXPECT_EQ(start("2013-10-07T13:30:00Z"), "2013-10-07T13:30:00.000000000Z");
  EXPECT_EQ(start("2013-10-07T09:30:00-04:00"), "2013-10-07T13:30:00.000000000Z");
  EXPECT_EQ(start("2013-10-07T15:30:00 02:00"), "2013-10-07T13:30:00.000000000Z");  // a '+'
  EXPECT_EQ(start("2013-10-07T09:30:00", "America/New_York"), "2013-10-07T13:30:00.000000000Z");
  EXPECT_EQ(start("2013-10-07", "America/New_York"), "2013-10-07T04:00:00.000000000Z");
  EXPECT_EQ(start("2013-10-07"), "2013-10-07T00:00:00.000000000Z");
  EXPECT_EQ(start("-1h"), "2013-10-07T13:00:00.000000000Z");
  EXPECT_EQ(start("-2d"), "2013-10-05T14:00:00.000000000Z");
  EXPECT_EQ(start("now"), "2013-10-07T14:00:00.000000000Z");
  EXPECT_EQ(start("1381152600000000000"), "2013-10-07T13:30:00.000000000Z");
}

TEST(BarQuery, TheSourceIsWhatTheSeriesHolds) {
  const auto spec_of = [](const net::Fields& query) { return bar_query(query)->spec; };
  const net::Fields prices{{"series", "yahoo/last/AAPL"}, {"conditions", "all"}};
  EXPECT_EQ(spec_of(prices).source, market::BarSource::kLast);
  EXPECT_EQ(spec_of(prices).conditions, market::ConditionMode::kEligible);
  EXPECT_EQ(spec_of({{"series", "av/bar/IBM"}}).source, market::BarSource::kVendor);
  EXPECT_EQ(spec_of({kSeries}).source, market::BarSource::kTrades);
  EXPECT_EQ(spec_of({{"series", "yahoo/last/AAPL"}, {"source", "trades"}}).source,
            market::BarSource::kTrades);
}

TEST(BarQuery, SplitsIndicatorsOutsideOfParentheses) {
  const auto request =
      parse_bar_query({kSeries, {"indicators", "sma(20),macd(12,26,9),vwap(session)"}}, kNow);
  ASSERT_TRUE(request);
  EXPECT_THAT(request->indicators,
              testing::ElementsAre("sma(20)", "macd(12,26,9)", "vwap(session)"));
  EXPECT_THAT(parse_bar_query({kSeries, {"indicators", ""}}, kNow)->indicators, testing::IsEmpty());
  EXPECT_THAT(split_indicators("sma(20),"), testing::ElementsAre("sma(20)", ""));
  EXPECT_THAT(split_indicators("a),b"), testing::ElementsAre("a),b"));
}

TEST(TradeQuery, HasARangeAndAnOrder) {
  const auto plain = parse_trade_query({kSeries}, kNow);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->query.limit, 1000u);
  EXPECT_FALSE(plain->query.oldest_first);
  const auto all = parse_trade_query({kSeries,
                                      {"start", "-1h"},
                                      {"end", "now"},
                                      {"order", "oldest"},
                                      {"limit", "10000"},
                                      {"format", "csv"}},
                                     kNow);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->query.start, kNow - hours(1));
  EXPECT_EQ(all->query.end, kNow);
  EXPECT_TRUE(all->query.oldest_first);
  EXPECT_EQ(all->form.format, Format::kCsv);
  EXPECT_FALSE(parse_trade_query({kSeries, {"order", "best"}}, kNow));
  EXPECT_FALSE(parse_trade_query({kSeries, {"limit", "10001"}}, kNow));
  EXPECT_FALSE(parse_trade_query({kSeries, {"interval", "1m"}}, kNow));
}

TEST(SqlQuery, IsAParameterOrABody) {
  EXPECT_EQ(parse_sql_query({{"query", "SELECT 1"}}, "")->statement, "SELECT 1");
  EXPECT_EQ(parse_sql_query({}, "SELECT 2")->statement, "SELECT 2");
  EXPECT_FALSE(parse_sql_query({}, ""));
  EXPECT_FALSE(parse_sql_query({{"query", "SELECT 1"}}, "SELECT 2"));
  EXPECT_FALSE(parse_sql_query({{"query", "SELECT 1"}, {"limit", "0"}}, ""));
}

TEST(Subscription, EachChannelTakesWhatItNeeds) {
  const auto bars = parse_subscription({{"channel", "bars"}, kSeries, {"interval", "5m"}});
  ASSERT_TRUE(bars);
  EXPECT_EQ(bars->channel, LiveChannel::kBars);
  EXPECT_EQ(bars->spec.interval, minutes(5));
  EXPECT_EQ(parse_subscription({{"channel", "last"}})->channel, LiveChannel::kLast);
  EXPECT_EQ(parse_subscription({{"channel", "trades"}, kSeries})->series.instrument, "BTC/USD");
  EXPECT_FALSE(parse_subscription({{"channel", "last"}, kSeries}));
  EXPECT_FALSE(parse_subscription({{"channel", "trades"}, kSeries, {"interval", "5m"}}));
  EXPECT_FALSE(parse_subscription({{"channel", "trades"}}));
  EXPECT_FALSE(parse_subscription({{"channel", "quotes"}}));
  EXPECT_FALSE(parse_subscription({kSeries}));
}

TEST(LiveQuery, ResumesWithBothOrNeither) {
  const auto fresh = parse_live_address({kSeries});
  ASSERT_TRUE(fresh);
  EXPECT_FALSE(fresh->query->resume);
  const auto resumed =
      parse_live_address({kSeries, {"run", "2"}, {"resume", "18446744073709551615"}});
  ASSERT_TRUE(resumed);
  EXPECT_EQ(resumed->query->resume->run, 2u);
  EXPECT_EQ(resumed->query->resume->offset, Offset(18446744073709551615u));
  for (const net::Fields& query :
       {net::Fields{kSeries, {"run", "2"}}, net::Fields{kSeries, {"resume", "5"}}}) {
    const auto half = parse_live_address(query);
    ASSERT_FALSE(half);
    EXPECT_THAT(half.error().message, HasSubstr("belong together"));
  }
  EXPECT_FALSE(parse_live_address({kSeries, {"run", "one"}, {"resume", "5"}}));
  EXPECT_FALSE(parse_live_address({kSeries, {"limit", "5"}}));
}

TEST(LiveAddress, SaysHowOften) {
  EXPECT_FALSE(parse_live_address({})->query);
  EXPECT_EQ(parse_live_address({})->every, Duration());
  const auto alone = parse_live_address({{"every", "50ms"}});
  ASSERT_TRUE(alone);
  EXPECT_FALSE(alone->query);
  EXPECT_EQ(alone->every, milliseconds(50));
  EXPECT_TRUE(parse_live_address({{"every", "1m"}, kSeries})->query);
  for (const char* wrong : {"", "50", "-1s", "61s", "soon"}) {
    EXPECT_FALSE(parse_live_address({{"every", wrong}})) << wrong;
  }
}

}  // namespace
}  // namespace tapedeck::api
