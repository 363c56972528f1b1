#include "feeds/coinbase/coinbase_feed.hpp"

#include <gtest/gtest.h>

#include "feeds/recording_sink.hpp"

namespace tapedeck::feeds::coinbase {
namespace {

using market::to_string;
constexpr Timestamp kRecv{1'783'465'097'200'000'000};
constexpr std::string_view kMatch =
    R"({"type":"match","trade_id":1052119289,"maker_order_id":"15bc","taker_order_id":"13d7",)"
    R"("side":"sell","size":"0.2","price":"63514.6","product_id":"BTC-USD",)"
    R"("sequence":132235026010,"time":"2026-07-07T22:58:17.164892Z"})";

class CoinbaseFeedTest : public testing::Test {
 protected:
  void frame(std::string_view text) { feed.on_frame(text, kRecv, "capture: line 1", sink); }

  market::Catalog catalog;
  CoinbaseFeed feed{catalog};
  RecordingSink sink;
};

std::string with(std::string_view from, std::string_view to) {
  std::string text(kMatch);
  const auto at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

TEST_F(CoinbaseFeedTest, Recorded) {
  for (const auto& line :
       lines_of(read_test_file(TD_SOURCE_DIR "/coinbase/testdata/matches.ndjson"))) {
    frame(line);
  }
  ASSERT_EQ(sink.trades.size(), 8u);
  EXPECT_EQ(sink.controls, 3);
  EXPECT_TRUE(sink.refusals.empty());
  // The first is a last_match; the maker bought, so the taker sold.
  EXPECT_EQ(to_string(catalog.series(sink.trades[0].series).key), "coinbase/trade/ETH-USD");
  EXPECT_EQ(sink.trades[0].side, market::Side::kSell);
  const market::Trade& trade = sink.trades[2];
  EXPECT_EQ(to_string(catalog.series(trade.series).key), "coinbase/trade/BTC-USD");
  EXPECT_EQ(trade.ts_event.ns, 1'783'465'097'164'892'000);
  EXPECT_EQ(trade.ts_recv, kRecv);
  EXPECT_EQ(trade.side, market::Side::kBuy);
  EXPECT_EQ(to_string(trade.price), "63514.6");
  EXPECT_EQ(to_string(trade.size), "0.2");
  EXPECT_EQ(trade.identity.seq, 1'052'119'289u);
  EXPECT_EQ(trade.venue_sequence, 1'052'119'289u);
  EXPECT_EQ(catalog.origin(trade.identity.origin), market::Origin{});
}

TEST_F(CoinbaseFeedTest, ErrorsAreRefusedInTheVenuesWords) {
  frame(R"({"type":"error","message":"Failed to subscribe","reason":"X-USD is no product"})");
  ASSERT_EQ(sink.reasons(), std::vector<std::string>{"venue_error"});
  EXPECT_NE(sink.refusals[0].detail.find("X-USD is no product"), std::string::npos);
}

TEST_F(CoinbaseFeedTest, WhatIsWrongIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {with(R"("63514.6")", R"("0")"), "bad_price"},
      {with(R"("63514.6")", R"("abc")"), "bad_price"},
      {with(R"("0.2")", R"("-1")"), "bad_size"},
      {with("2026-07-07T22", "2026-07-07X22"), "bad_time"},
      {with("2026-07-07", "1926-07-07"), "bad_time"},
      {with("1052119289", "null"), "bad_id"},
      {with(R"("sell")", R"("up")"), "malformed"},
      {with(R"("product_id":"BTC-USD",)", ""), "missing_field"},
      {with(R"("BTC-USD")", "[1]"), "missing_field"},
      {with(R"("BTC-USD")", R"("\n")"), "bad_symbol"},
      {with("BTC-USD", "\xc3\x28"), "malformed"},
      {std::string(kMatch) + "}", "malformed"},
      {R"({"no":"type"})", "unknown_message"},
      {"[1,2]", "malformed"},
      {"", "malformed"},
  };
  for (const auto& [text, want] : cases) {
    sink = {};
    frame(text);
    EXPECT_EQ(sink.reasons(), std::vector<std::string>{want}) << text;
    EXPECT_TRUE(sink.trades.empty());
  }
}

TEST_F(CoinbaseFeedTest, EveryCutIsRefused) {
  for (std::size_t i = 0; i < kMatch.size(); ++i) frame(kMatch.substr(0, i));
  EXPECT_EQ(sink.reasons(), std::vector<std::string>(kMatch.size(), "malformed"));
}

}  // namespace
}  // namespace tapedeck::feeds::coinbase
