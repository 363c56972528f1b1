#include "feeds/finnhub/finnhub_feed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "feeds/recording_sink.hpp"

namespace tapedeck::feeds::finnhub {
namespace {

using market::to_string;
using testing::ElementsAre;
using testing::HasSubstr;
constexpr Timestamp kRecv{1'680'286'540'000'000'000};

class FinnhubFeedTest : public testing::Test {
 protected:
  void frame(std::string_view text) { feed.on_frame(text, kRecv, "capture: line 1", sink); }
  const market::Series& series_of(SeriesId id) { return catalog.series(id); }
  std::string reason() {
    EXPECT_EQ(sink.refusals.size(), 1u);
    EXPECT_TRUE(sink.trades.empty());
    return sink.refusals.empty() ? "" : std::string(sink.refusals.front().reason);
  }

  market::Catalog catalog;
  FinnhubFeed feed{catalog};
  RecordingSink sink;
};

std::string message(const std::string& trades) {
  return R"({"data":[)" + trades + R"(],"type":"trade"})";
}

// As they come: "data" before "type", keys in the order of the alphabet.
const std::string kShares =
    message(R"({"c":["1","12"],"p":170.0601,"s":"AAPL","t":1680286537580,"v":5},)"
            R"({"c":["1","8"],"p":170.06,"s":"AAPL","t":1680286537001,"v":142},)"
            R"({"c":["1","24","12"],"p":222457,"s":"BRK.A","t":1680286537580,"v":1})");

TEST_F(FinnhubFeedTest, TradesOfShares) {
  frame(kShares);
  ASSERT_EQ(sink.trades.size(), 3u);
  EXPECT_TRUE(sink.refusals.empty());
  const market::Trade& first = sink.trades[0];
  EXPECT_EQ(to_string(series_of(first.series).key), "finnhub/trade/AAPL");
  EXPECT_EQ(series_of(first.series).calendar, "us_equity");
  EXPECT_EQ(series_of(first.series).conditions, kConditions);
  EXPECT_EQ(series_of(first.series).order, market::TradeOrder::kIdentity);
  EXPECT_EQ(first.ts_event.ns, 1'680'286'537'580'000'000);
  EXPECT_EQ(first.ts_recv, kRecv);
  EXPECT_EQ(to_string(first.price), "170.0601");
  EXPECT_EQ(to_string(first.size), "5");
  EXPECT_EQ(first.side, market::Side::kUnknown);
  EXPECT_EQ(describe(conditions(), first.conditions), "Regular, OddLot");
  EXPECT_EQ(describe(conditions(), sink.trades[1].conditions), "Regular, IntermarketSweep");
  EXPECT_EQ(describe(conditions(), sink.trades[2].conditions), "Regular, OddLot, FormT");
  EXPECT_EQ(to_string(sink.trades[2].price), "222457");
}

TEST_F(FinnhubFeedTest, PairsTradeAllDayAndHaveNoConditions) {
  frame(message(R"({"c":null,"p":66972.77,"s":"BINANCE:BTCUSDT","t":1721555886208,"v":0.00008},)"
                R"({"p":1e-05,"s":"BINANCE:BTCUSDT","t":1721555886208,"v":2.5e-7})"));
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(series_of(sink.trades[0].series).calendar, "24x7");
  EXPECT_EQ(series_of(sink.trades[0].series).conditions, "");
  EXPECT_EQ(to_string(sink.trades[0].size), "0.00008");
  EXPECT_EQ(to_string(sink.trades[1].price), "0.00001");
  EXPECT_EQ(to_string(sink.trades[1].size), "0.00000025");
  EXPECT_EQ(sink.trades[0].conditions, 0u);
}

TEST_F(FinnhubFeedTest, WithoutASizeItIsAPrice) {
  frame(message(R"({"c":null,"p":1.08512,"s":"OANDA:EUR_USD","t":1721555886208,"v":0})"));
  EXPECT_TRUE(sink.trades.empty());
  ASSERT_EQ(sink.others.size(), 1u);
  const auto& tick = std::get<market::PriceTick>(sink.others[0]);
  EXPECT_EQ(to_string(series_of(tick.series).key), "finnhub/last/OANDA:EUR_USD");
  EXPECT_EQ(to_string(tick.price), "1.08512");
  EXPECT_EQ(tick.ts_event.ns, 1'721'555'886'208'000'000);
}

// Two trades of one message may be alike in everything: both are.
TEST_F(FinnhubFeedTest, IdentityIsThePlaceInTheSession) {
  const market::Origin session{.kind = market::OriginKind::kSession, .key = "a 1", .first = {1}};
  feed.begin_session(session);
  const std::string twin = R"({"c":["1"],"p":164.06,"s":"AAPL","t":1680286538064,"v":4})";
  frame(message(twin + "," + twin + R"(,{"p":1,"s":"IBM","t":1680286538064,"v":1})"));
  frame(message(twin));
  ASSERT_EQ(sink.trades.size(), 4u);
  std::map<std::string, std::vector<std::uint64_t>> seqs;
  for (const market::Trade& trade : sink.trades) {
    EXPECT_EQ(catalog.origin(trade.identity.origin), session);
    EXPECT_EQ(trade.identity.position, 0u);
    seqs[series_of(trade.series).key.instrument].push_back(trade.identity.seq);
  }
  EXPECT_THAT(seqs["AAPL"], ElementsAre(0, 1, 2));
  EXPECT_THAT(seqs["IBM"], ElementsAre(0));
  feed.begin_session({.kind = market::OriginKind::kSession, .key = "a 2", .first = {2}});
  frame(message(twin));
  EXPECT_EQ(sink.trades.back().identity.seq, 0u);
  EXPECT_NE(sink.trades.back().identity.origin, sink.trades.front().identity.origin);
}

TEST_F(FinnhubFeedTest, WhatIsRefusedKeepsItsPlace) {
  frame(message(R"({"p":-1,"s":"AAPL","t":1680286538064,"v":4},)"
                R"({"p":1,"s":"AAPL","t":1680286538064,"v":4})"));
  ASSERT_EQ(sink.trades.size(), 1u);
  EXPECT_EQ(sink.trades[0].identity.seq, 1u);
}

TEST_F(FinnhubFeedTest, AMessageThatIsSentTwiceCountsAndIsMarked) {
  frame(kShares);
  frame(kShares);
  frame(R"({"type":"ping"})");
  frame(message(R"({"p":1,"s":"AAPL","t":1680286538064,"v":4})"));
  ASSERT_EQ(sink.trades.size(), 7u);
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ((sink.trades[i].conditions & kSameMessage) != 0, i >= 3 && i < 6) << i;
  }
  const auto effect = effect_of(conditions(), kSameMessage, market::TradeSession::kRegular);
  EXPECT_TRUE(effect.open_close && effect.high_low && effect.volume);
}

TEST_F(FinnhubFeedTest, ConditionsAreKept) {
  for (const auto& [codes, names] : {std::pair{R"(["2"])", "Code2"},
                                     {"[12]", "OddLot"},
                                     {R"(["59","60"])", "Code59, OtherCode"},
                                     {R"(["@"])", "OtherCode"},
                                     {R"([["1"]])", "OtherCode"},
                                     {"[]", ""},
                                     {"null", ""},
                                     {R"("12")", ""}}) {
    frame(
        message(R"({"c":)" + std::string(codes) + R"(,"p":1,"s":"AAPL","t":1680286538064,"v":4})"));
    ASSERT_FALSE(sink.trades.empty()) << codes;
    EXPECT_EQ(describe(conditions(), sink.trades.back().conditions), names) << codes;
  }
  const auto odd_lot = effect_of(conditions(), 1u << 12, market::TradeSession::kRegular);
  EXPECT_FALSE(odd_lot.open_close);
  EXPECT_FALSE(odd_lot.high_low);
  EXPECT_TRUE(odd_lot.volume);
  EXPECT_FALSE(effect_of(conditions(), 1u << 24, market::TradeSession::kRegular).high_low);
  EXPECT_TRUE(effect_of(conditions(), 1u << 24, market::TradeSession::kPre).high_low);
}

TEST_F(FinnhubFeedTest, OtherTrafficIsControl) {
  for (const char* text :
       {R"({"type":"ping"})", R"({"data":[],"type":"trade"})",
        R"({"data":[{"category":"company","datetime":1679920200,"related":"X"}],"type":"news"})",
        R"({"type":"pr","data":[{"fullText":"x"}]})"}) {
    frame(text);
  }
  EXPECT_EQ(sink.controls, 4);
  EXPECT_TRUE(sink.refusals.empty());
  EXPECT_TRUE(sink.trades.empty());
}

TEST_F(FinnhubFeedTest, ErrorsSayWhatToDo) {
  frame(R"({"msg":"Subscribing to too many symbols","type":"error"})");
  frame(R"({"msg":"Invalid symbol XXX","type":"error"})");
  frame(R"({"msg":"Invalid API key","type":"error"})");
  EXPECT_THAT(sink.reasons(), ElementsAre("venue_error", "venue_error", "venue_error"));
  EXPECT_THAT(sink.refusals[0].detail, HasSubstr("too many symbols: a free key gets 50 symbols"));
  EXPECT_THAT(sink.refusals[1].detail, HasSubstr("write it as finnhub does"));
  EXPECT_THAT(sink.refusals[2].detail, HasSubstr("check the feed's token"));
}

TEST_F(FinnhubFeedTest, WhatIsWrongIsNamed) {
  const std::string good = R"({"c":["1"],"p":164.06,"s":"AAPL","t":1680286538064,"v":4})";
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    return message(text.replace(text.find(from), from.size(), to));
  };
  const std::vector<std::pair<std::string, std::string>> cases{
      {with("164.06", "0"), "bad_price"},
      {with("164.06", "-0"), "bad_price"},
      {with("164.06", "1e400"), "bad_price"},
      {with("164.06", "0.1e-18"), "bad_price"},
      {with("164.06", "9223372036854775808"), "bad_price"},
      {with("164.06", "null"), "bad_price"},
      {with("164.06", "[]"), "missing_field"},
      {with(R"("p":164.06,)", ""), "missing_field"},
      {with(R"(,"v":4)", ""), "missing_field"},
      {with(R"("v":4)", R"("v":-4)"), "bad_size"},
      {with(R"("v":4)", R"("v":null)"), "bad_size"},
      {with("1680286538064", "1680286538"), "bad_time"},
      {with("1680286538064", "\"now\""), "bad_time"},
      {with(R"("AAPL")", R"("")"), "bad_symbol"},
      {with(R"("AAPL")", R"("A\u0000B")"), "bad_symbol"},
      {with("AAPL", "\xff\xfe"), "malformed"},
      {message("1"), "malformed"},
      {R"({"type":"trade"})", "missing_field"},
      {R"({"type":"trade","data":{}})", "missing_field"},
      {R"({"type":"dance"})", "unknown_message"},
      {"{}", "unknown_message"},
      {kShares + "x", "malformed"},
      {"[]", "malformed"},
      {"", "malformed"},
      {std::string(3000, '['), "malformed"},
  };
  for (const auto& [text, want] : cases) {
    sink = {};
    frame(text);
    EXPECT_EQ(reason(), want) << text.substr(0, 200);
  }
}

TEST_F(FinnhubFeedTest, EveryCutAndEveryFlipIsAnswered) {
  for (std::size_t i = 0; i < kShares.size(); ++i) {
    sink = {};
    frame(kShares.substr(0, i));
    EXPECT_EQ(reason(), "malformed") << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string text = kShares;
      text[i] = static_cast<char>(text[i] ^ (1 << bit));
      sink = {};
      frame(text);
      EXPECT_GE(sink.trades.size() + sink.others.size() + sink.refusals.size() +
                    static_cast<unsigned>(sink.controls),
                1u)
          << text;
    }
  }
}

}  // namespace
}  // namespace tapedeck::feeds::finnhub
