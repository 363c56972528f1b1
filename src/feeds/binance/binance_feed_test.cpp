#include "feeds/binance/binance_feed.hpp"

#include <gtest/gtest.h>

#include "feeds/recording_sink.hpp"

namespace tapedeck::feeds::binance {
namespace {

using market::to_string;
constexpr Timestamp kRecv{1'723'161'254'000'000'000};

class BinanceFeedTest : public testing::Test {
 protected:
  void frame(std::string_view text) { feed.on_frame(text, kRecv, "capture: line 1", sink); }
  // Lines of a capture: receive time, blank, frame.
  void recorded(const std::string& name) {
    for (const std::string& line :
         lines_of(read_test_file(TD_SOURCE_DIR "/binance/testdata/" + name))) {
      frame(std::string_view(line).substr(line.find(' ') + 1));
    }
  }
  std::string series_of(const market::Trade& trade) {
    return to_string(catalog.series(trade.series).key);
  }
  // The only refusal there is.
  std::string reason() {
    EXPECT_EQ(sink.refusals.size(), 1u);
    EXPECT_TRUE(sink.trades.empty());
    return sink.refusals.empty() ? "" : std::string(sink.refusals.front().reason);
  }

  market::Catalog catalog;
  BinanceFeed feed{catalog};
  RecordingSink sink;
};

constexpr std::string_view kTrade =
    R"({"e":"trade","E":1783465157897,"s":"BTCUSDT","t":6486989273,"p":"63551.02000000",)"
    R"("q":"0.00317000","T":1783465157896,"m":true,"M":true})";

std::string with(std::string_view from, std::string_view to) {
  std::string text(kTrade);
  const auto at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

TEST_F(BinanceFeedTest, RecordedSpot) {
  recorded("spot.ndjson");
  ASSERT_EQ(sink.trades.size(), 4u);
  EXPECT_EQ(sink.controls, 1);
  EXPECT_TRUE(sink.refusals.empty());
  const market::Trade& trade = sink.trades.front();
  EXPECT_EQ(series_of(trade), "binance/trade/BTCUSDT");
  EXPECT_EQ(trade.ts_event.ns, 1'723'161'255'342'000'000);
  EXPECT_EQ(trade.ts_recv, kRecv);
  EXPECT_EQ(to_string(trade.price), "61837.63");
  EXPECT_EQ(to_string(trade.size), "0.02");
  EXPECT_EQ(trade.side, market::Side::kSell);
  EXPECT_EQ(trade.identity.seq, 3'735'683'259u);
  EXPECT_EQ(trade.venue_sequence, 3'735'683'259u);
  EXPECT_EQ(catalog.origin(trade.identity.origin), market::Origin{});
  const market::Series& series = catalog.series(trade.series);
  EXPECT_EQ(series.order, market::TradeOrder::kVenueSequence);
  EXPECT_EQ(series.calendar, "24x7");
  EXPECT_EQ(series.conditions, "");
}

TEST_F(BinanceFeedTest, RecordedFutures) {
  recorded("usdm.ndjson");
  recorded("coinm.ndjson");
  ASSERT_EQ(sink.trades.size(), 6u);
  EXPECT_EQ(sink.controls, 3);
  EXPECT_EQ(series_of(sink.trades[0]), "binance-usdm/trade/BTCUSDT");
  EXPECT_EQ(series_of(sink.trades[4]), "binance-coinm/trade/BTCUSD_PERP");
  EXPECT_EQ(sink.trades[0].side, market::Side::kBuy);
  EXPECT_EQ(sink.trades[0].conditions, 0u);
  EXPECT_EQ(catalog.series(sink.trades[0].series).conditions, kFuturesConditions);
}

TEST_F(BinanceFeedTest, BareAndInAnEnvelopeAreTheSame) {
  frame(kTrade);
  frame(R"({"stream":"btcusdt@trade","data":)" + std::string(kTrade) + "}");
  frame(R"( { "data" : )" + std::string(kTrade) + R"( , "stream" : "btcusdt@trade" } )");
  ASSERT_EQ(sink.trades.size(), 3u);
  EXPECT_EQ(sink.trades[0], sink.trades[1]);
  EXPECT_EQ(sink.trades[0], sink.trades[2]);
}

TEST_F(BinanceFeedTest, TradesThatNoMarketOrderMadeUpdateNothing) {
  for (const auto& [kind, names] : {std::pair{"MARKET", ""},
                                    {"INSURANCE_FUND", "InsuranceFund"},
                                    {"ADL", "AutoDeleverage"},
                                    {"NA", "NotAvailable"},
                                    {"SOMETHING_NEW", "UnknownKind"}}) {
    frame(with(R"("M":true)", R"("X":")" + std::string(kind) + '"'));
    const std::uint64_t conditions = sink.trades.back().conditions;
    EXPECT_EQ(describe(futures_conditions(), conditions), names);
    const auto effect = effect_of(futures_conditions(), conditions, market::TradeSession::kRegular);
    const bool counts = std::string_view(kind) == "MARKET";
    EXPECT_EQ(effect.open_close, counts);
    EXPECT_EQ(effect.high_low, counts);
    EXPECT_EQ(effect.volume, counts);
  }
  frame(with(R"(,"M":true)", ""));
  EXPECT_EQ(sink.trades.back().conditions, 0u);
}

TEST_F(BinanceFeedTest, FuturesByTheirSymbols) {
  for (const auto& [symbol, venue] : {std::pair{"BTCUSD_PERP", "binance-coinm"},
                                      {"ETHUSD_241227", "binance-coinm"},
                                      {"BTCUSDT_241227", "binance-usdm"},
                                      {"BTCUSD_24122X", "binance-usdm"}}) {
    sink.trades.clear();
    std::string text = with(R"("M":true)", R"("X":"MARKET")");
    frame(text.replace(text.find("BTCUSDT"), 7, symbol));
    ASSERT_EQ(sink.trades.size(), 1u);
    EXPECT_EQ(catalog.series(sink.trades[0].series).key.venue, venue) << symbol;
  }
}

TEST_F(BinanceFeedTest, MicrosecondsWhereDeclared) {
  BinanceFeed micro(catalog, TimeUnit::kMicroseconds);
  micro.on_frame(with("1783465157896", "1783465157896001"), kRecv, "x", sink);
  ASSERT_EQ(sink.trades.size(), 1u);
  EXPECT_EQ(sink.trades[0].ts_event.ns, 1'783'465'157'896'001'000);
  frame(with("1783465157896", "1783465157896001"));
  ASSERT_EQ(sink.refusals.size(), 1u);
  EXPECT_EQ(sink.refusals[0].reason, "bad_time");
  EXPECT_NE(sink.refusals[0].detail.find("as us"), std::string::npos);
}

// Of the venue's documentation.
constexpr std::string_view kAggregate =
    R"({"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100","f":100,)"
    R"("l":105,"T":1672515782136,"m":true,"M":true})";

TEST_F(BinanceFeedTest, AggregatesAreASeriesOfTheirOwn) {
  frame(kAggregate);
  frame(R"({"stream":"bnbbtc@aggTrade","data":)" + std::string(kAggregate) + "}");
  ASSERT_EQ(sink.trades.size(), 2u);
  const market::Trade& trade = sink.trades.front();
  EXPECT_EQ(trade, sink.trades.back());
  EXPECT_EQ(series_of(trade), "binance/aggTrade/BNBBTC");
  EXPECT_EQ(trade.identity.seq, 12'345u);
  EXPECT_EQ(trade.venue_sequence, 12'345u);
  EXPECT_EQ(to_string(trade.price), "0.001");
  EXPECT_EQ(to_string(trade.size), "100");
  EXPECT_EQ(trade.side, market::Side::kSell);
  EXPECT_EQ(catalog.series(trade.series).order, market::TradeOrder::kVenueSequence);
  std::string futures(kAggregate);
  frame(futures.replace(futures.find(R"(,"M":true)"), 9, ""));
  EXPECT_EQ(series_of(sink.trades.back()), "binance-usdm/aggTrade/BNBBTC");
  sink = {};
  std::string without_id(kAggregate);
  frame(without_id.replace(without_id.find(R"("a":12345,)"), 10, ""));
  EXPECT_EQ(reason(), "missing_field");
  EXPECT_NE(sink.refusals[0].detail.find("'a'"), std::string::npos);
}

TEST_F(BinanceFeedTest, MissedAggregatesAreAskedForAsSuch) {
  const LiveProtocol live = *feed_kind().live;
  EXPECT_EQ(live.subscribe(std::vector<std::string>{"BNBBTC@aggTrade", "BTCUSDT"}).front(),
            R"({"method":"SUBSCRIBE","params":["bnbbtc@aggTrade","btcusdt@trade"],"id":1})");
  const std::string symbol = live.repair->symbol_of({"binance", "aggTrade", "BNBBTC"});
  EXPECT_EQ(symbol, "BNBBTC@aggTrade");
  EXPECT_EQ(live.repair->symbol_of({"binance", "trade", "BNBBTC"}), "BNBBTC");
  EXPECT_EQ(live.repair->target(symbol, 5, 7), "/api/v3/aggTrades?symbol=BNBBTC&fromId=5&limit=3");
  frame(kAggregate);
  feed.on_answer(symbol,
                 R"([{"a":12345,"p":"0.00100000","q":"100.0","f":100,"l":105,"T":1672515782136,)"
                 R"("m":true,"M":true}])",
                 kRecv, "rest", sink);
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(sink.trades[0], sink.trades[1]);
}

TEST_F(BinanceFeedTest, TheNewestTradeIsAskedForByItsLastAggregate) {
  const RepairProtocol repair = *feed_kind().live->repair;
  const std::string_view body =
      R"([{"a":12345,"p":"0.001","q":"100.0","f":100,"l":105,"T":1672515782136,"m":true,)"
      R"("M":true}])";
  for (const auto& [symbol, newest] : {std::pair{"BNBBTC", 105u}, {"BNBBTC@aggTrade", 12345u}}) {
    EXPECT_EQ(repair.newest_target(symbol), "/api/v3/aggTrades?symbol=BNBBTC&limit=1");
    EXPECT_EQ(repair.newest_in(symbol, body), newest);
    // One that never traded, a quota, and what is nothing.
    for (const std::string_view none : {"[]", R"({"code":-1003,"msg":"Too many requests."})", "",
                                        R"([{"a":-1,"l":"x"}])", "[[[[", "null"}) {
      EXPECT_EQ(repair.newest_in(symbol, none), std::nullopt) << none;
    }
  }
}

TEST_F(BinanceFeedTest, OtherTrafficIsControl) {
  for (const char* text :
       {R"({"result":null,"id":1})", R"({"e":"kline","k":{}})", R"({"e":"serverShutdown","E":1})",
        R"({"lastUpdateId":1,"bids":[["1","2"]],"asks":[]})",
        R"({"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.2","a":"25.36","A":"40.6"})",
        R"({"stream":"!ticker@arr","data":[{"e":"24hrTicker"}]})"}) {
    frame(text);
  }
  EXPECT_EQ(sink.controls, 6);
  EXPECT_TRUE(sink.refusals.empty());
}

TEST_F(BinanceFeedTest, ErrorsAreRefusedInTheVenuesWords) {
  frame(R"({"code":2,"msg":"Invalid request: unknown stream"})");
  EXPECT_EQ(reason(), "venue_error");
  EXPECT_NE(sink.refusals[0].detail.find("Invalid request: unknown stream"), std::string::npos);
  EXPECT_EQ(sink.refusals[0].where, "capture: line 1");
  frame(R"({"error":{"code":3,"msg":"Invalid JSON"},"id":1})");
  EXPECT_NE(sink.refusals[1].detail.find("Invalid JSON"), std::string::npos);
}

TEST_F(BinanceFeedTest, WhatIsWrongIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {with(R"("63551.02000000")", R"("0")"), "bad_price"},
      {with(R"("63551.02000000")", R"("-1")"), "bad_price"},
      {with(R"("63551.02000000")", R"("NaN")"), "bad_price"},
      {with(R"("63551.02000000")", R"("1e400")"), "bad_price"},
      {with(R"("63551.02000000")", R"("99999999999999999999")"), "bad_price"},
      {with(R"("63551.02000000")", R"("")"), "bad_price"},
      {with(R"("63551.02000000")", "true"), "bad_price"},
      {with(R"("63551.02000000")", R"({"x":1})"), "missing_field"},
      {with(R"("0.00317000")", R"("-0.1")"), "bad_size"},
      {with(R"("0.00317000")", "null"), "bad_size"},
      {with("1783465157896", "17834651578"), "bad_time"},
      {with("1783465157896", R"("soon")"), "bad_time"},
      {with("6486989273", "-1"), "bad_id"},
      {with("6486989273", "1.5"), "bad_id"},
      {with("6486989273", "99999999999999999999"), "bad_id"},
      {with(R"("BTCUSDT")", R"("")"), "bad_symbol"},
      {with(R"("BTCUSDT")", R"("A\u0000B")"), "bad_symbol"},
      {with(R"("BTCUSDT")", '"' + std::string(129, 'A') + '"'), "bad_symbol"},
      {with(R"("m":true)", R"("m":1)"), "malformed"},
      {with(R"("m":true,)", ""), "missing_field"},
      {with(R"("T":1783465157896,)", ""), "missing_field"},
      {with(R"("t":6486989273,)", ""), "missing_field"},
      {with("BTCUSDT", "\xff\xfe"), "malformed"},
      {std::string(kTrade.substr(0, 60)), "malformed"},
      {std::string(kTrade) + "x", "malformed"},
      {"{}", "unknown_message"},
      {"[]", "malformed"},
      {"", "malformed"},
      {"17", "malformed"},
      {"rubbish", "malformed"},
      {std::string("\0\0\0", 3), "malformed"},
      {std::string(3000, '['), "malformed"},
      {std::string(3000, '{'), "malformed"},
      {R"({"data":{"data":{"data":{}}},"stream":1,"e")", "malformed"},
  };
  for (const auto& [text, want] : cases) {
    sink = {};
    frame(text);
    EXPECT_EQ(reason(), want) << text.substr(0, 200);
    EXPECT_EQ(sink.texts, std::vector<std::string>{text});
  }
}

TEST_F(BinanceFeedTest, ASizeOfZeroIsTaken) {
  frame(with("0.00317000", "0.00000000"));
  ASSERT_EQ(sink.trades.size(), 1u);
  EXPECT_EQ(to_string(sink.trades[0].size), "0");
}

// However a frame is cut or a byte of it changed, it is one event or one refusal.
TEST_F(BinanceFeedTest, EveryCutAndEveryFlipIsAnswered) {
  for (std::size_t i = 0; i < kTrade.size(); ++i) {
    sink = {};
    frame(kTrade.substr(0, i));
    EXPECT_EQ(reason(), "malformed") << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string text(kTrade);
      text[i] = static_cast<char>(text[i] ^ (1 << bit));
      sink = {};
      frame(text);
      EXPECT_EQ(sink.trades.size() + sink.refusals.size() + static_cast<unsigned>(sink.controls),
                1u)
          << text;
    }
  }
}

}  // namespace
}  // namespace tapedeck::feeds::binance
