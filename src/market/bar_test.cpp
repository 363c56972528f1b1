#include "market/bar.hpp"

#include <gtest/gtest.h>

namespace tapedeck::market {
namespace {

TEST(BarSpec, WordsGoBothWays) {
  for (const auto mode : {ConditionMode::kEligible, ConditionMode::kAll}) {
    EXPECT_EQ(parse_condition_mode(to_string(mode)), mode);
  }
  for (const auto mode : {SessionMode::kExtended, SessionMode::kRegular}) {
    EXPECT_EQ(parse_session_mode(to_string(mode)), mode);
  }
  EXPECT_NE(parse_condition_mode("ALL").error().message.find("eligible or all"), std::string::npos);
  EXPECT_NE(parse_session_mode("").error().message.find("extended or regular"), std::string::npos);
}

TEST(BarSpec, SourcesAndAdjustments) {
  for (const std::string_view text : {"trades", "last", "vendor"}) {
    EXPECT_EQ(to_string(parse_bar_source(text).value()), text);
  }
  for (const std::string_view text : {"raw", "split", "total"}) {
    EXPECT_EQ(to_string(parse_adjusted(text).value()), text);
  }
  EXPECT_NE(parse_bar_source("Trades").error().message.find("trades, last or vendor"),
            std::string::npos);
  EXPECT_NE(parse_adjusted("").error().message.find("raw, split or total"), std::string::npos);
}

TEST(BarSpec, Intervals) {
  for (const std::string_view text :
       {"1s", "5s", "15s", "30s", "1m", "5m", "15m", "30m", "1h", "1d"}) {
    EXPECT_EQ(to_string(parse_interval(text).value()), text);
  }
  for (const std::string_view text : {"", "60s", "2m", "2d", "0s", "1M", "-1m"}) {
    const auto interval = parse_interval(text);
    ASSERT_FALSE(interval) << text;
    EXPECT_NE(interval.error().message.find("1s, 5s, 15s, 30s, 1m, 5m, 15m, 30m, 1h, 1d"),
              std::string::npos);
  }
}

BarRow row() {
  BarRow r;
  r.series = {"kraken", "trade", "BTC/USD"};
  r.bar.ts_open = Timestamp{60'000'000'000};
  r.bar.open = r.bar.low = Decimal::make(15, 1);
  r.bar.high = r.bar.close = Decimal::make(2, 0);
  r.bar.volume.add(Decimal::make(3, 0));
  r.bar.notional.add(Decimal::make(525, 2));
  r.bar.trades = 3;
  r.bar.excluded = 1;
  return r;
}

std::string digest_of(const std::vector<BarRow>& rows) {
  BarDigest digest;
  for (const BarRow& r : rows) digest.add(r);
  return digest.finish_hex();
}

TEST(BarDigest, IsTheHashOfItsLines) {
  BarRow empty = row();
  empty.spec = {minutes(5), ConditionMode::kAll, SessionMode::kRegular};
  empty.bar.open = empty.bar.high = empty.bar.low = empty.bar.close = std::nullopt;
  EXPECT_EQ(digest_of({row(), empty}),
            sha256_hex("kraken/trade/BTC/USD|60000000000|eligible|extended|60000000000|"
                       "1.5|2|1.5|2|3|3|1|5.25\n"
                       "kraken/trade/BTC/USD|300000000000|all|regular|60000000000|"
                       "||||3|3|1|5.25\n"));
  EXPECT_EQ(digest_of({}), sha256_hex(""));
}

// Whether a bar was final and how often it was revised is not in it.
TEST(BarDigest, LooksAtTheValuesOnly) {
  BarRow revised = row();
  revised.bar.is_final = true;
  revised.bar.revision = 3;
  revised.bar.offset = Offset(99);
  EXPECT_EQ(digest_of({revised}), digest_of({row()}));
  BarRow other = row();
  other.bar.excluded = 2;
  EXPECT_NE(digest_of({other}), digest_of({row()}));
}

}  // namespace
}  // namespace tapedeck::market
