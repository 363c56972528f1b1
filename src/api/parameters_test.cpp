#include "api/parameters.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tapedeck::api {
namespace {

using testing::HasSubstr;

const std::pair<std::string, std::string> kSeries{"series", "kraken/trade/BTC/USD"};

TEST(BarQuery, HasDefaults) {
  const auto query = parse_bar_query({kSeries});
  ASSERT_TRUE(query) << query.error().message;
  EXPECT_EQ(query->series, (market::SeriesKey{"kraken", "trade", "BTC/USD"}));
  EXPECT_EQ(query->spec, market::BarSpec{});
  EXPECT_EQ(query->start, std::nullopt);
  EXPECT_EQ(query->end, std::nullopt);
  EXPECT_EQ(query->limit, 10'000u);
}

TEST(BarQuery, TakesAllOfThem) {
  const auto query = parse_bar_query({{"limit", "1"},
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
  const auto query = parse_bar_query(GetParam().query);
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
        Wrong{{kSeries, {"start", "-1"}}, {"parameter start", "'-1'", "from 0 to"}},
        Wrong{{kSeries, {"start", "2013-10-07"}}, {"parameter start", "whole number"}},
        Wrong{{kSeries, {"end", "9223372036854775808"}},
              {"parameter end", "to 9223372036854775807"}},
        Wrong{{kSeries, {"start", "5"}, {"end", "5"}}, {"parameter start", "5 is not before end"}},
        Wrong{{kSeries, {"intervall", "1m"}}, {"'intervall' is not known", "interval, conditions"}},
        Wrong{{kSeries, {"resume", "1"}}, {"'resume' is not known"}},
        Wrong{{kSeries, kSeries}, {"parameter series is given twice"}}));

TEST(LiveQuery, ResumesWithBothOrNeither) {
  const auto fresh = parse_live_query({kSeries});
  ASSERT_TRUE(fresh);
  EXPECT_FALSE(fresh->resume);
  const auto resumed =
      parse_live_query({kSeries, {"run", "2"}, {"resume", "18446744073709551615"}});
  ASSERT_TRUE(resumed);
  EXPECT_EQ(resumed->resume->run, 2u);
  EXPECT_EQ(resumed->resume->offset, Offset(18446744073709551615u));
  for (const net::Fields& query :
       {net::Fields{kSeries, {"run", "2"}}, net::Fields{kSeries, {"resume", "5"}}}) {
    const auto half = parse_live_query(query);
    ASSERT_FALSE(half);
    EXPECT_THAT(half.error().message, HasSubstr("belong together"));
  }
  EXPECT_FALSE(parse_live_query({kSeries, {"run", "one"}, {"resume", "5"}}));
  EXPECT_FALSE(parse_live_query({kSeries, {"limit", "5"}}));
}

}  // namespace
}  // namespace tapedeck::api
