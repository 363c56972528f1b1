#include "feeds/kraken/kraken_feed.hpp"

#include <gtest/gtest.h>

#include "feeds/recording_sink.hpp"

namespace tapedeck::feeds::kraken {
namespace {

using market::to_string;
constexpr Timestamp kRecv{1'783'465'205'000'000'000};
constexpr std::string_view kFrame =
    R"({"channel":"trade","type":"update","data":[{"symbol":"ETH/USD","side":"buy",)"
    R"("price":1774.14,"qty":0.00147959,"ord_type":"limit","trade_id":64175815,)"
    R"("timestamp":"2026-07-07T23:00:04.585581Z"},{"symbol":"ETH/USD","side":"sell",)"
    R"("price":1774.10,"qty":2,"ord_type":"market","trade_id":64175816,)"
    R"("timestamp":"2026-07-07T23:00:04.585581Z"}]})";

class KrakenFeedTest : public testing::Test {
 protected:
  void frame(std::string_view text) { feed.on_frame(text, kRecv, "capture: line 1", sink); }

  market::Catalog catalog;
  KrakenFeed feed{catalog};
  RecordingSink sink;
};

std::string with(std::string_view from, std::string_view to) {
  std::string text(kFrame);
  const auto at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

TEST_F(KrakenFeedTest, Recorded) {
  for (const auto& line :
       lines_of(read_test_file(TD_SOURCE_DIR "/kraken/testdata/trades.ndjson"))) {
    frame(line);
  }
  EXPECT_EQ(sink.trades.size(), 17u);
  EXPECT_EQ(sink.controls, 7);
  EXPECT_TRUE(sink.refusals.empty());
  const market::Trade& trade = sink.trades.front();
  EXPECT_EQ(to_string(catalog.series(trade.series).key), "kraken/trade/ETH/USD");
  EXPECT_EQ(trade.ts_event.ns, 1'783'465'204'585'581'000);
  EXPECT_EQ(trade.side, market::Side::kBuy);
  EXPECT_EQ(to_string(trade.price), "1774.14");
  EXPECT_EQ(to_string(trade.size), "0.00147959");
  EXPECT_EQ(trade.identity.seq, 64'175'815u);
}

TEST_F(KrakenFeedTest, NumbersKeepTheirDigits) {
  frame(with("0.00147959", "1.00000000000000001"));  // no double holds it
  frame(with("0.00147959", "1.50E-7"));
  ASSERT_EQ(sink.trades.size(), 4u);
  EXPECT_EQ(to_string(sink.trades[0].size), "1.00000000000000001");
  EXPECT_EQ(to_string(sink.trades[2].size), "0.00000015");
}

TEST_F(KrakenFeedTest, EscapedSymbolsAndOtherOrdersOfKeys) {
  frame(with(R"("ETH/USD")", R"("ETH\/USD")"));
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(sink.trades[0].series, sink.trades[1].series);
  const auto data = kFrame.substr(kFrame.find(R"("data")"));
  frame("{" + std::string(data.substr(0, data.size() - 1)) +
        R"(,"type":"snapshot","channel":"trade"})");
  ASSERT_EQ(sink.trades.size(), 4u);
  EXPECT_EQ(sink.trades[2], sink.trades[0]);
}

TEST_F(KrakenFeedTest, OneBadTradeDoesNotTakeTheOthersWithIt) {
  frame(with("1774.14", "-5"));
  EXPECT_EQ(sink.reasons(), std::vector<std::string>{"bad_price"});
  ASSERT_EQ(sink.trades.size(), 1u);
  EXPECT_EQ(sink.trades[0].identity.seq, 64'175'816u);
}

TEST_F(KrakenFeedTest, ErrorsAreRefusedInTheVenuesWords) {
  frame(R"({"error":"Currency pair not supported","method":"subscribe","success":false})");
  ASSERT_EQ(sink.reasons(), std::vector<std::string>{"venue_error"});
  EXPECT_NE(sink.refusals[0].detail.find("Currency pair not supported"), std::string::npos);
}

TEST_F(KrakenFeedTest, WhatIsWrongIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {with("0.00147959", "-1"), "bad_size"},          {with("0.00147959", "[]"), "missing_field"},
      {with("2026-07-07", "2026-17-07"), "bad_time"},  {with("64175815", R"("x")"), "bad_id"},
      {with(R"("side":"buy",)", ""), "missing_field"}, {with(R"("buy")", R"("b")"), "malformed"},
      {with(R"("ETH/USD")", R"("")"), "bad_symbol"},
  };
  for (const auto& [text, want] : cases) {
    sink = {};
    frame(text);
    EXPECT_EQ(sink.reasons(), std::vector<std::string>{want}) << text;
    EXPECT_EQ(sink.trades.size(), 1u) << text;
  }
  for (const auto& [text, want] : std::vector<std::pair<std::string, std::string>>{
           {R"({"channel":"trade","data":{}})", "malformed"},
           {R"({"channel":"trade","data":[1]})", "malformed"},
           {R"({"channel":"trade"})", "missing_field"},
           {R"({"x":1})", "unknown_message"},
           {std::string(kFrame) + ",", "malformed"},
           {"null", "malformed"},
           {"", "malformed"}}) {
    sink = {};
    frame(text);
    EXPECT_EQ(sink.reasons(), std::vector<std::string>{want}) << text;
    EXPECT_TRUE(sink.trades.empty()) << text;
  }
}

TEST_F(KrakenFeedTest, ACutFrameGivesNothingButItsRefusal) {
  for (std::size_t i = 0; i < kFrame.size(); ++i) frame(kFrame.substr(0, i));
  EXPECT_EQ(sink.reasons(), std::vector<std::string>(kFrame.size(), "malformed"));
  EXPECT_TRUE(sink.trades.empty());
}

// Its REST has finer times, and its own names for the pairs.
TEST_F(KrakenFeedTest, AnAnswerOfItsRest) {
  feed.on_answer("BTC/USD",
                 R"({"error":[],"result":{"XXBTZUSD":[)"
                 R"(["105433.60000","0.00027625",1762795433.9717445,"b","l","",10218208],)"
                 R"(["105410.10000","0.00005000",1762795457.8467,"s","m","",10218209]],)"
                 R"("last":"1762795457846700000"}})",
                 Timestamp{5}, "here", sink);
  ASSERT_EQ(sink.trades.size(), 2u);
  const market::Trade& trade = sink.trades.front();
  EXPECT_EQ(to_string(catalog.series(trade.series).key), "kraken/trade/BTC/USD");
  EXPECT_EQ(trade.ts_event.ns, 1'762'795'433'971'744'000);
  EXPECT_EQ(to_string(trade.price), "105433.6");
  EXPECT_EQ(to_string(trade.size), "0.00027625");
  EXPECT_EQ(trade.side, market::Side::kBuy);
  EXPECT_EQ(trade.identity.seq, 10'218'208u);
  EXPECT_EQ(sink.trades.back().side, market::Side::kSell);
  EXPECT_TRUE(sink.refusals.empty());
}

TEST_F(KrakenFeedTest, WhatItsRestComplainsOf) {
  feed.on_answer("BTC/USD", R"({"error":["EQuery:Unknown asset pair"]})", Timestamp{5}, "here",
                 sink);
  feed.on_answer("BTC/USD", R"({"error":[],"result":{"X":[[1,2,3]]}})", Timestamp{5}, "here", sink);
  feed.on_answer("BTC/USD", R"({"error":[],"result":{"X":[],"last":"1"}})", Timestamp{5}, "here",
                 sink);
  ASSERT_EQ(sink.refusals.size(), 2u);
  EXPECT_EQ(sink.refusals[0].reason, "venue_error");
  EXPECT_NE(sink.refusals[0].detail.find("Unknown asset pair"), std::string::npos);
  EXPECT_EQ(sink.refusals[1].reason, "missing_field");
  EXPECT_TRUE(sink.trades.empty());
}

}  // namespace
}  // namespace tapedeck::feeds::kraken
