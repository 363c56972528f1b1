#include "feeds/declared/declared_venue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "feeds/recording_sink.hpp"

namespace tapedeck::feeds::declared {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Timestamp kNow{1'723'161'254'087'896'568};

// As `binance` sends it, in the words of ws_json.
const Declaration kBinance{.name = "bn",
                           .rows = "/data",
                           .only = "/data/e=trade",
                           .map = "time=/T:ms,price=/p,size=/q,id=/t,symbol=/s,side=/m:false",
                           .consecutive_ids = true};
constexpr std::string_view kFrame =
    R"({"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT",)"
    R"("t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}})";

class RowReaderTest : public testing::Test {
 protected:
  void declare(const Declaration& declared) {
    auto made = RowReader::make(declared, catalog_);
    ASSERT_TRUE(made) << made.error().message;
    reader_ = *std::move(made);
  }
  void read(std::string_view text, std::string_view symbol = {}) {
    reader_->read(text, symbol, kNow, "here", sink_);
  }
  std::string complaint(const Declaration& declared) {
    const auto made = RowReader::make(declared, catalog_);
    return made ? "" : made.error().message;
  }

  market::Catalog catalog_;
  std::unique_ptr<RowReader> reader_;
  RecordingSink sink_;
};

TEST_F(RowReaderTest, TakesATradeExactly) {
  declare(kBinance);
  read(kFrame);
  ASSERT_EQ(sink_.trades.size(), 1u);
  const market::Trade& trade = sink_.trades[0];
  EXPECT_EQ(to_string(catalog_.series(trade.series).key), "bn/trade/BTCUSDT");
  EXPECT_EQ(catalog_.series(trade.series).order, market::TradeOrder::kVenueSequence);
  EXPECT_EQ(to_string(trade.price), "61837.63");
  EXPECT_EQ(to_string(trade.size), "0.02");
  EXPECT_EQ(trade.side, market::Side::kSell);
  EXPECT_EQ(trade.ts_event.ns, 1'723'161'255'342'000'000);
  EXPECT_EQ(trade.ts_recv, kNow);
  EXPECT_EQ(trade.identity.seq, 3'735'683'259u);
  EXPECT_EQ(trade.venue_sequence, 3'735'683'259u);
}

TEST_F(RowReaderTest, OtherTrafficIsControlAndWhatBreaksIsRefused) {
  declare(kBinance);
  read(R"({"result":null,"id":1})");
  read(R"({"stream":"btcusdt@depth","data":{"e":"depthUpdate"}})");
  read("[]");
  EXPECT_EQ(sink_.controls, 3);
  read(R"({"data":{"e":"trade","T":1,"p":"1","q":"1","t":1,"s":"A"}})");
  read(R"({"data":{"e":"trade","p":"1","q":"1","t":1,"s":"A"}})");
  read(R"({"data":{"e":"trade","T":1723161255342,"p":"1","q":"1","t":"x","s":"A"}})");
  read(R"({"data":{"e":"trade","T":1723161255342,"p":"1e400","q":"1","t":1,"s":"A"}})");
  read(kFrame.substr(0, 100));
  read("");
  EXPECT_THAT(sink_.reasons(), ElementsAre("bad_time", "missing_field", "bad_id", "bad_price",
                                           "malformed", "malformed"));
  EXPECT_TRUE(sink_.trades.empty());
}

TEST_F(RowReaderTest, ListsOfListsAndListsAtTheTop) {
  declare({.name = "kr", .rows = "/result/XBT", .map = "price=/0,size=/1,time=/2:s,id=/6"});
  read(R"({"error":[],"result":{"XBT":[["5.1","1",1688669597.5,"b","l","",7],)"
       R"(["5.2","2",1688669598,"b","l","",8]],"last":"1"}})",
       "XBTUSD");
  ASSERT_EQ(sink_.trades.size(), 2u);
  EXPECT_EQ(sink_.trades[0].ts_event.ns, 1'688'669'597'500'000'000);
  EXPECT_EQ(catalog_.series(sink_.trades[1].series).key.instrument, "XBTUSD");
  declare({.name = "top", .map = "price=/p,size=/q,time=/t:iso,id=/i", .symbol = "ONE"});
  read(R"([{"p":1,"q":1,"t":"2024-05-01T00:00:00Z","i":"a"},)"
       R"({"p":0,"q":1,"t":"2024-05-01T00:00:00Z","i":"b"}])");
  EXPECT_EQ(sink_.trades.size(), 3u);
  EXPECT_THAT(sink_.reasons(), ElementsAre("bad_price"));
  EXPECT_EQ(sink_.refusals[0].where, "here: row 2");
}

TEST_F(RowReaderTest, ATickThatSaysTheSameAgainIsNoNews) {
  declare({.name = "q", .kind = RowKind::kTick, .map = "price=/c,time=/t:s"});
  const std::string_view quote = R"({"c":162.65,"d":null,"t":1680273039})";
  read(quote, "AAPL");
  read(quote, "AAPL");
  read(quote, "MSFT");
  read(R"({"c":162.66,"d":null,"t":1680273039})", "AAPL");
  EXPECT_EQ(sink_.others.size(), 3u);
  EXPECT_EQ(sink_.controls, 1);
  const auto& tick = std::get<market::PriceTick>(sink_.others[0]);
  EXPECT_EQ(to_string(tick.price), "162.65");
  EXPECT_NE(tick.identity, std::get<market::PriceTick>(sink_.others[2]).identity);
}

TEST_F(RowReaderTest, QuotesHaveTwoSides) {
  declare({.name = "q", .kind = RowKind::kQuote, .map = "bid=/b,bid_size=/B,ask=/a"});
  read(R"({"b":"1.1","B":"3","a":"1.2"})", "EUR");
  ASSERT_EQ(sink_.others.size(), 1u);
  const auto& quote = std::get<market::Quote>(sink_.others[0]);
  EXPECT_EQ(to_string(quote.bid), "1.1");
  EXPECT_EQ(to_string(quote.bid_size), "3");
  EXPECT_EQ(to_string(quote.ask), "1.2");
  EXPECT_EQ(quote.ts_event, kNow);
}

TEST_F(RowReaderTest, RecordsAreKeptAsTheyStand) {
  declare(
      {.name = "people", .kind = RowKind::kRecord, .rows = "/results", .map = "id=/login/uuid"});
  const std::string row =
      R"({"name":{"first":"S\u00e3o"},"postcode":91674,"login":{"uuid":"e75d8b4a"},"id":null})";
  read(R"({"results":[)" + row + R"(, {"login":{}}],"info":{"results":2}})");
  read(R"({"results":[],"info":{"results":1}})");
  read(R"({"error":"Uh oh, something has gone wrong."})");
  ASSERT_EQ(sink_.others.size(), 1u);
  EXPECT_EQ(std::get<market::Record>(sink_.others[0]).body, row);
  EXPECT_THAT(sink_.reasons(), ElementsAre("missing_field"));
  EXPECT_EQ(sink_.controls, 2);
}

TEST_F(RowReaderTest, WhatIsDeclaredWrongIsSaid) {
  EXPECT_THAT(complaint({.name = "a", .map = "price=/p"}), HasSubstr("a trade needs time"));
  EXPECT_THAT(complaint({.name = "a", .map = "time=/T"}), HasSubstr("needs a unit"));
  EXPECT_THAT(complaint({.name = "a", .map = "time=/T:h"}), HasSubstr("no unit of time"));
  EXPECT_THAT(complaint({.name = "a", .map = "prize=/p"}), HasSubstr("no field 'prize'"));
  EXPECT_THAT(complaint({.name = "a", .map = "price=p"}), HasSubstr("no JSON Pointer"));
  EXPECT_THAT(complaint({.name = "a", .map = "price=/~2"}), HasSubstr("no JSON Pointer"));
  EXPECT_THAT(complaint({.name = "a", .map = "id=/i,id=/j"}), HasSubstr("there twice"));
  EXPECT_THAT(complaint({.name = "a", .kind = RowKind::kTick, .map = "price=/p,size=/q"}),
              HasSubstr("a tick has no size"));
  EXPECT_THAT(complaint({.name = "a", .kind = RowKind::kRecord, .rows = "x", .map = "id=/i"}),
              HasSubstr("rows: 'x'"));
  EXPECT_THAT(complaint({.name = "a", .kind = RowKind::kRecord, .only = "x", .map = "id=/i"}),
              HasSubstr("no filter"));
}

TEST(Subscriptions, OncePerSymbolWhereItIsNamed) {
  const std::vector<std::string> texts{R"({"op":"auth"})", R"({"s":"{symbol}"})",
                                       "{symbol_lower}@trade"};
  const std::vector<std::string> symbols{"BTCUSDT", "A/B"};
  EXPECT_THAT(subscriptions(texts, symbols),
              ElementsAre(R"({"op":"auth"})", R"({"s":"BTCUSDT"})", R"({"s":"A/B"})",
                          "btcusdt@trade", "a/b@trade"));
}

TEST(HttpJson, AsksForOneSymbolAfterTheOther) {
  market::Catalog catalog;
  auto poll = make_http_json({.name = "q", .kind = RowKind::kTick, .map = "price=/c"},
                             {.url = "https://h/q?s={symbol}&k={token}",
                              .symbols = {"A", "B C"},
                              .token = Secret("s&p"),
                              .every = seconds(10)},
                             catalog);
  ASSERT_TRUE(poll);
  RecordingSink sink;
  EXPECT_EQ((*poll)->next().reveal(), "https://h/q?s=A&k=s%26p");
  auto verdict = (*poll)->on_answer(R"({"c":1})", kNow, "w", sink);
  EXPECT_EQ(verdict.wait, seconds(5));
  EXPECT_FALSE(verdict.is_current);
  EXPECT_EQ((*poll)->next().reveal(), "https://h/q?s=B%20C&k=s%26p");
  verdict = (*poll)->on_status(404, "w", sink);
  EXPECT_TRUE(verdict.is_current);
  EXPECT_THAT(sink.reasons(), ElementsAre("venue_error"));
  EXPECT_EQ(sink.others.size(), 1u);
}

}  // namespace
}  // namespace tapedeck::feeds::declared
