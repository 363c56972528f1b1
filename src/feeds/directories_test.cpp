// What venues list of their instruments, as they word it.
#include <gtest/gtest.h>

#include "feeds/binance/binance_feed.hpp"
#include "feeds/coinbase/coinbase_feed.hpp"
#include "feeds/finnhub/finnhub_feed.hpp"
#include "feeds/kraken/kraken_feed.hpp"

namespace tapedeck::feeds {
namespace {

Listed only(const FeedKind& kind, std::string_view body) {
  const auto all = kind.directory->read(body);
  EXPECT_TRUE(all) << (all ? "" : all.error().message);
  EXPECT_EQ(all ? all->size() : 0, 1u);
  return all && !all->empty() ? all->front() : Listed{};
}

TEST(Directories, Binance) {
  const Listed pair = only(
      binance::feed_kind(),
      R"({"timezone":"UTC","symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC",)"
      R"("quoteAsset":"USDT","filters":[{"filterType":"PRICE_FILTER"}]}]})");
  EXPECT_EQ(pair.symbol, "BTCUSDT");
  EXPECT_EQ(pair.name, "BTC/USDT");
  EXPECT_EQ(pair.type, "spot");
  EXPECT_EQ(pair.currency, "USDT");
  EXPECT_EQ(pair.status, "TRADING");
  EXPECT_EQ(binance::feed_kind().directory->listed_as("BTCUSDT@aggTrade"), "BTCUSDT");
  const auto wrong = binance::feed_kind().directory->read(R"({"code":-1003,"msg":"Too many"})");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("Too many"), std::string::npos);
}

TEST(Directories, Coinbase) {
  const Listed pair = only(
      coinbase::feed_kind(),
      R"([{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","display_name":"BTC/USD",)"
      R"("limit_only":false,"status":"online","status_message":"","fx_stablecoin":false}])");
  EXPECT_EQ(pair.symbol, "BTC-USD");
  EXPECT_EQ(pair.name, "BTC/USD");
  EXPECT_EQ(pair.currency, "USD");
  EXPECT_EQ(pair.status, "online");
}

// Its REST says XBT and XDG where its WebSocket says BTC and DOGE.
TEST(Directories, Kraken) {
  const auto all = kraken::feed_kind().directory->read(
      R"({"error":[],"result":{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","quote":"ZUSD",)"
      R"("fees":[[0,0.26]],"status":"online"},"XDGEUR":{"wsname":"XDG/EUR","status":"online"},)"
      R"("dark":{"altname":"X.d"}}})");
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(all->at(0).symbol, "BTC/USD");
  EXPECT_EQ(all->at(0).currency, "USD");
  EXPECT_EQ(all->at(1).symbol, "DOGE/EUR");
  EXPECT_FALSE(kraken::feed_kind().directory->read(R"({"error":["EService:Busy"]})"));
}

TEST(Directories, Finnhub) {
  const FeedKind kind = finnhub::feed_kind();
  const Listed share =
      only(kind, R"({"count":1,"result":[{"description":"APPLE INC","displaySymbol":"AAPL",)"
                 R"("symbol":"AAPL","type":"Common Stock"}]})");
  EXPECT_EQ(share.symbol, "AAPL");
  EXPECT_EQ(share.name, "APPLE INC");
  EXPECT_EQ(share.type, "Common Stock");
  EXPECT_EQ(kind.directory->target("apple%20inc"), "/api/v1/search?q=apple%20inc");
  EXPECT_FALSE(kind.directory->read(R"({"error":"You don't have access to this resource."})"));
}

TEST(Directories, WhatIsNoListIsRefused) {
  for (const FeedKind& kind :
       {binance::feed_kind(), coinbase::feed_kind(), kraken::feed_kind(), finnhub::feed_kind()}) {
    for (const std::string_view nonsense :
         {"", "7", "{", "[", "[7]", "[{]", "{}", R"({"result":7})", R"({"result":{"x":[}})",
          R"({"result":[{"symbol"}]})"}) {
      EXPECT_FALSE(kind.directory->read(nonsense)) << kind.venue << ": " << nonsense;
    }
  }
}

}  // namespace
}  // namespace tapedeck::feeds
