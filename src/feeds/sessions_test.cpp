// Each venue's two sides, spoken to each other: what the emulator sends is what the feed reads.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "feeds/binance/binance_feed.hpp"
#include "feeds/coinbase/coinbase_feed.hpp"
#include "feeds/finnhub/finnhub_feed.hpp"
#include "feeds/kraken/kraken_feed.hpp"
#include "feeds/recording_sink.hpp"

namespace tapedeck::feeds {
namespace {

using market::Decimal;
using market::Side;
using testing::ElementsAre;
using testing::HasSubstr;

struct Venue {
  FeedKind kind;
  std::string_view target;
  std::string symbol;
};

std::vector<Venue> venues() {
  return {{binance::feed_kind(), "/stream", "BTCUSDT"},
          {binance::feed_kind(), "/ws", "BTCUSDT"},
          {coinbase::feed_kind(), "/", "BTC-USD"},
          {kraken::feed_kind(), "/v2", "BTC/USD"},
          {finnhub::feed_kind(), "/?token=key", "BINANCE:BTCUSDT"}};
}

EmulatedTrade trade_of(const std::string& symbol, Side side) {
  return {.symbol = symbol,
          .id = 6'486'989'273,
          .price = *market::parse_decimal("63551.02"),
          .size = *market::parse_decimal("0.00317"),
          .side = side,
          .ts_event = Timestamp{1'783'465'157'897'000'000}};
}

TEST(Sessions, WhatAFeedAsksForIsGranted) {
  for (const Venue& venue : venues()) {
    const auto session = venue.kind.emulation->open(venue.target);
    ASSERT_NE(session, nullptr) << venue.kind.venue;
    market::Catalog catalog;
    const auto feed = venue.kind.make(catalog);
    RecordingSink sink;
    for (const std::string& wish : venue.kind.live->subscribe(std::vector{venue.symbol})) {
      for (const std::string& answer : session->on_message(wish)) {
        feed->on_frame(answer, Timestamp{1}, "here", sink);
      }
    }
    EXPECT_THAT(session->symbols(), ElementsAre(venue.symbol));
    const std::vector<std::string> other{"OTHER"};
    for (const auto& wishes :
         {venue.kind.live->subscribe(other), venue.kind.live->unsubscribe(other)}) {
      for (const std::string& wish : wishes) {
        for (const std::string& answer : session->on_message(wish)) {
          feed->on_frame(answer, Timestamp{1}, "here", sink);
        }
      }
    }
    EXPECT_THAT(session->symbols(), ElementsAre(venue.symbol));
    EXPECT_TRUE(sink.refusals.empty()) << venue.kind.venue << ": " << sink.refusals.front().detail;
    for (const std::string& beat : session->heartbeat({}, Timestamp{1})) {
      feed->on_frame(beat, Timestamp{1}, "here", sink);
    }
    EXPECT_TRUE(sink.refusals.empty()) << venue.kind.venue;
    EXPECT_EQ(venue.kind.live->silence_max.has_value(),
              !session->heartbeat({}, Timestamp{1}).empty());
  }
}

TEST(Sessions, ATradeComesThroughExactly) {
  for (const Venue& venue : venues()) {
    for (const Side side : {Side::kBuy, Side::kSell}) {
      const auto session = venue.kind.emulation->open(venue.target);
      market::Catalog catalog;
      const auto feed = venue.kind.make(catalog);
      RecordingSink sink;
      const EmulatedTrade sent = trade_of(venue.symbol, side);
      feed->on_frame(session->trade_frame(sent), Timestamp{5}, "here", sink);
      ASSERT_EQ(sink.trades.size(), 1u) << venue.kind.venue;
      const market::Trade& got = sink.trades.front();
      EXPECT_EQ(got.price, sent.price);
      EXPECT_EQ(got.size, sent.size);
      EXPECT_EQ(got.ts_event, sent.ts_event);
      EXPECT_EQ(got.ts_recv, Timestamp{5});
      // Who gives no ids tells no side either.
      EXPECT_EQ(got.side, venue.kind.has_ids ? side : Side::kUnknown) << venue.kind.venue;
      EXPECT_EQ(got.identity.seq, venue.kind.has_ids ? sent.id : 0);
      EXPECT_EQ(catalog.series(got.series).key.instrument, venue.symbol);
    }
  }
}

// As cryptofeed reads it: assets apart, a first filter with the tick.
TEST(Sessions, BinanceSaysWhatIsTraded) {
  const std::vector<std::string> symbols{"BTCUSDT", "ETHBTC", "X"};
  const std::string body =
      binance::feed_kind()
          .emulation
          ->answer(
              {.path = "/api/v3/exchangeInfo", .query = {}, .happened = {}, .symbols = symbols})
          .body;
  simdjson::dom::parser parser;
  const simdjson::dom::element said = parser.parse(body);
  const simdjson::dom::array all = said["symbols"];
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(std::string_view(all.at(0)["baseAsset"]), "BTC");
  EXPECT_EQ(std::string_view(all.at(0)["quoteAsset"]), "USDT");
  EXPECT_EQ(std::string_view(all.at(1)["baseAsset"]), "ETH");
  EXPECT_EQ(std::string_view(all.at(1)["filters"].at(0)["tickSize"]), "0.00000001");
  EXPECT_EQ(std::string_view(all.at(2)["baseAsset"]), "X");
}

// A venue's list, as its own feed reads it.
TEST(Sessions, WhatIsTradedIsFoundByItsSymbol) {
  int asked = 0;
  for (const Venue& venue : venues()) {
    ASSERT_TRUE(venue.kind.directory) << venue.kind.venue;
    const std::string target = venue.kind.directory->target("BTC");
    const Parameters query{{"q", "BTC"}};
    const std::vector<std::string> symbols{venue.symbol};
    const VenueAnswer answer =
        venue.kind.emulation->answer({.path = target.substr(0, target.find('?')),
                                      .query = query,
                                      .happened = {},
                                      .symbols = symbols});
    const auto listed = venue.kind.directory->read(answer.body);
    ASSERT_TRUE(listed) << venue.kind.venue << ": " << listed.error().message;
    ASSERT_EQ(listed->size(), 1u) << venue.kind.venue;
    EXPECT_EQ(listed->front().symbol, venue.symbol);
    ++asked;
  }
  EXPECT_EQ(asked, 5);
}

TEST(Sessions, WhatWasMissedIsAnswered) {
  int asked = 0;
  for (const Venue& venue : venues()) {
    const auto& repair = venue.kind.live->repair;
    if (!repair) continue;
    ++asked;
    std::vector<EmulatedTrade> happened;
    for (std::uint64_t id = 100; id < 120; ++id) {
      happened.push_back(trade_of(venue.symbol, id % 2 == 0 ? Side::kBuy : Side::kSell));
      happened.back().id = id;
      happened.back().ts_event = happened.back().ts_event + milliseconds(static_cast<int>(id));
    }
    const bool is_by_time = repair->target == nullptr;
    const std::string target = is_by_time ? repair->target_since(venue.symbol, happened[4].ts_event)
                                          : repair->target(venue.symbol, 105, 109);
    const auto mark = target.find('?');
    Parameters query;
    for (std::size_t at = mark + 1; at < target.size();) {
      const auto end = std::min(target.find('&', at), target.size());
      const auto equals = target.find('=', at);
      query.emplace_back(target.substr(at, equals - at),
                         target.substr(equals + 1, end - equals - 1));
      at = end + 1;
    }
    const VenueAnswer answer = venue.kind.emulation->answer(
        {.path = target.substr(0, mark), .query = query, .happened = happened, .symbols = {}});
    EXPECT_EQ(answer.status, 200);
    market::Catalog catalog;
    const auto feed = venue.kind.make(catalog);
    RecordingSink sink;
    feed->on_answer(venue.symbol, answer.body, Timestamp{5}, "here", sink);
    EXPECT_TRUE(sink.refusals.empty());
    std::map<std::uint64_t, market::Trade> got;
    for (const market::Trade& trade : sink.trades) got[trade.identity.seq] = trade;
    EXPECT_EQ(got.size(), is_by_time ? 15u : 5u) << venue.kind.venue;
    for (std::uint64_t id = 105; id < 110; ++id) {
      const EmulatedTrade& sent = happened[id - 100];
      EXPECT_EQ(got[id].price, sent.price);
      EXPECT_EQ(got[id].size, sent.size);
      EXPECT_EQ(got[id].side, sent.side);
      EXPECT_EQ(got[id].ts_event, sent.ts_event);
      // As the frame of the same trade says: the same series, so it is the same trade.
      feed->on_frame(venue.kind.emulation->open(venue.target)->trade_frame(sent), Timestamp{5},
                     "here", sink);
      EXPECT_EQ(sink.trades.back(), got[id]) << venue.kind.venue;
    }
    for (const std::string_view nonsense : {"{}", "[1]", "[{", R"([{"id":1}])", ""}) {
      RecordingSink refused;
      feed->on_answer(venue.symbol, nonsense, Timestamp{5}, "here", refused);
      EXPECT_EQ(refused.refusals.size(), 1u) << nonsense;
      EXPECT_TRUE(refused.trades.empty());
    }
  }
  EXPECT_EQ(asked, 4);  // Binance twice, Coinbase, Kraken
}

TEST(Sessions, WhatAVenueDoesNotKnowIsRefusedAndTheFeedSaysSo) {
  for (const Venue& venue : venues()) {
    const auto session = venue.kind.emulation->open(venue.target);
    market::Catalog catalog;
    const auto feed = venue.kind.make(catalog);
    for (const std::string_view nonsense : {"{", "[]", R"({"method":"DANCE","id":7})"}) {
      RecordingSink sink;
      for (const std::string& answer : session->on_message(nonsense)) {
        feed->on_frame(answer, Timestamp{1}, "here", sink);
      }
      ASSERT_EQ(sink.refusals.size(), 1u) << venue.kind.venue << " to " << nonsense;
      EXPECT_EQ(sink.refusals.front().reason, "venue_error");
    }
    EXPECT_TRUE(session->symbols().empty());
    EXPECT_EQ(venue.kind.emulation->open("/nowhere"), nullptr);
  }
}

TEST(Sessions, KrakenSendsTheLastTradesFirst) {
  const FeedKind kind = kraken::feed_kind();
  std::vector<EmulatedTrade> happened;
  for (std::uint64_t id = 1; id <= 60; ++id) {
    happened.push_back(trade_of(id % 10 == 0 ? "ETH/USD" : "BTC/USD", Side::kBuy));
    happened.back().id = id;
  }
  const auto session = kind.emulation->open("/v2");
  EXPECT_TRUE(session->snapshot("BTC/USD", happened).empty());
  session->on_message(kind.live->subscribe(std::vector<std::string>{"BTC/USD"}).front());
  const auto frames = session->snapshot("BTC/USD", happened);
  ASSERT_EQ(frames.size(), 1u);
  market::Catalog catalog;
  RecordingSink sink;
  kind.make(catalog)->on_frame(frames.front(), Timestamp{5}, "here", sink);
  ASSERT_EQ(sink.trades.size(), 50u);
  EXPECT_EQ(sink.trades.front().identity.seq, 5u);  // of 54; the oldest four are left out
  EXPECT_EQ(sink.trades.back().identity.seq, 59u);
}

TEST(Sessions, FinnhubWantsAKeyAndServesFiftySymbols) {
  const auto open = finnhub::feed_kind().emulation->open;
  const std::string wish = R"({"type":"subscribe","symbol":"AAPL"})";
  for (const std::string_view target : {"/", "/?token=", "/?token=&x=1", "/?x=token"}) {
    const auto session = open(target);
    EXPECT_THAT(session->on_message(wish), ElementsAre(HasSubstr("Invalid API key"))) << target;
    EXPECT_TRUE(session->symbols().empty());
  }
  const auto session = open("/?x=1&token=key");
  for (int i = 0; i < 51; ++i) {
    const auto answers =
        session->on_message(R"({"type":"subscribe","symbol":"S)" + std::to_string(i) + "\"}");
    EXPECT_EQ(answers.size(), i < 50 ? 0u : 1u);
  }
  EXPECT_TRUE(session->on_message(R"({"type":"unsubscribe","symbol":"S0"})").empty());
  EXPECT_TRUE(session->on_message(wish).empty());
  EXPECT_EQ(session->symbols().size(), 50u);
  EXPECT_TRUE(session->symbols().contains("AAPL"));
}

TEST(Sessions, FinnhubQuotesTheLastPrice) {
  const auto answer = finnhub::feed_kind().emulation->answer;
  std::vector<EmulatedTrade> happened{trade_of("AAPL", Side::kBuy), trade_of("MSFT", Side::kBuy),
                                      trade_of("AAPL", Side::kBuy)};
  happened[2].price = *market::parse_decimal("63552.5");
  const auto ask = [&](const Parameters& query) {
    return answer({.path = "/api/v1/quote", .query = query, .happened = happened, .symbols = {}});
  };
  EXPECT_EQ(ask({{"symbol", "AAPL"}, {"token", "k"}}).body,
            R"({"c":63552.5,"d":1.4800,"dp":0.0023,"h":63552.5,"l":63551.02,"o":63551.02,)"
            R"("pc":63551.02,"t":1783465157})");
  EXPECT_THAT(ask({{"symbol", "NONE"}, {"token", "k"}}).body, HasSubstr(R"("c":0,"d":null)"));
  EXPECT_EQ(ask({{"symbol", "AAPL"}}).status, 401);
}

TEST(Sessions, BinanceTakesStreamsFromTheAddress) {
  EXPECT_THAT(binance::feed_kind().emulation->open("/ws/btcusdt@trade")->symbols(),
              ElementsAre("BTCUSDT"));
  const auto two =
      binance::feed_kind().emulation->open("/stream?streams=btcusdt@trade/ethusdt@trade");
  EXPECT_THAT(two->symbols(), ElementsAre("BTCUSDT", "ETHUSDT"));
  EXPECT_THAT(two->on_message(R"({"method":"UNSUBSCRIBE","params":["ethusdt@trade"],"id":"a"})"),
              ElementsAre(R"({"result":null,"id":"a"})"));
  EXPECT_THAT(two->on_message(R"({"method":"LIST_SUBSCRIPTIONS","id":3})"),
              ElementsAre(R"({"result":["btcusdt@trade"],"id":3})"));
  EXPECT_THAT(two->trade_frame(trade_of("BTCUSDT", Side::kBuy)),
              HasSubstr(R"("stream":"btcusdt@trade")"));
}

TEST(Sessions, BinanceServesAggregates) {
  const FeedKind kind = binance::feed_kind();
  const std::string symbol = "BTCUSDT@aggTrade";
  const auto session = kind.emulation->open("/stream");
  session->on_message(kind.live->subscribe(std::vector{symbol}).front());
  EXPECT_THAT(session->symbols(), ElementsAre("BTCUSDT"));
  const EmulatedTrade sent = trade_of("BTCUSDT", Side::kSell);
  market::Catalog catalog;
  const auto feed = kind.make(catalog);
  RecordingSink sink;
  feed->on_frame(session->trade_frame(sent), Timestamp{5}, "here", sink);
  const Parameters query{
      {"symbol", "BTCUSDT"}, {"fromId", std::to_string(sent.id)}, {"limit", "1"}};
  const std::vector happened{sent};
  const VenueAnswer answer = kind.emulation->answer(
      {.path = "/api/v3/aggTrades", .query = query, .happened = happened, .symbols = {}});
  feed->on_answer(symbol, answer.body, Timestamp{5}, "here", sink);
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(sink.trades[0], sink.trades[1]);
  EXPECT_EQ(sink.trades[0].identity.seq, sent.id);
  EXPECT_EQ(catalog.series(sink.trades[0].series).key.channel, "aggTrade");
}

TEST(Sessions, BinanceAnswersTheNewestWhereNoIdIsGiven) {
  const FeedKind kind = binance::feed_kind();
  std::vector<EmulatedTrade> happened;
  for (std::uint64_t id = 1; id <= 9; ++id) {
    happened.push_back(trade_of(id % 2 ? "BTCUSDT" : "ETHUSDT", Side::kBuy));
    happened.back().id = id;
  }
  const auto ids = [&](const Parameters& query) {
    const VenueAnswer answer = kind.emulation->answer(
        {.path = "/api/v3/historicalTrades", .query = query, .happened = happened, .symbols = {}});
    market::Catalog catalog;
    RecordingSink sink;
    kind.make(catalog)->on_answer("BTCUSDT", answer.body, Timestamp{5}, "here", sink);
    std::vector<std::uint64_t> all;
    for (const market::Trade& trade : sink.trades) all.push_back(trade.identity.seq);
    return all;
  };
  EXPECT_THAT(ids({{"symbol", "BTCUSDT"}, {"limit", "2"}}), ElementsAre(7, 9));
  EXPECT_THAT(ids({{"symbol", "BTCUSDT"}, {"limit", "2"}, {"fromId", "3"}}), ElementsAre(3, 5));
  const Parameters query{{"symbol", "BTCUSDT"}, {"limit", "1"}};
  const VenueAnswer newest = kind.emulation->answer(
      {.path = "/api/v3/aggTrades", .query = query, .happened = happened, .symbols = {}});
  EXPECT_EQ(kind.live->repair->newest_in("BTCUSDT", newest.body), 9u);
}

// What a price may be replaced by, and what it is then; empty: it is refused.
struct Hostile {
  std::string text;
  std::string_view exact;
};

TEST(Sessions, HostileNumbersAreExactOrRefused) {
  const std::string many_ones(100'000, '1');
  const std::vector<Hostile> hostile{{"1e400", ""},
                                     {"1e-400", ""},
                                     {"-0", ""},
                                     {"-1.5", ""},
                                     {"0.1e-18", ""},
                                     {"1e-18", "0.000000000000000001"},
                                     {"9223372036854775808", ""},
                                     {"9223372036854775807", "9223372036854775807"},
                                     {"0.1000000000000000000000", "0.1"},
                                     {"NaN", ""},
                                     {"0x10", ""},
                                     {"\xff\xfe", ""},
                                     {"\xc3", ""},
                                     {std::string("1\0005", 3), ""},
                                     {many_ones, ""}};
  for (const Venue& venue : venues()) {
    for (const auto& [text, exact] : hostile) {
      const auto session = venue.kind.emulation->open(venue.target);
      market::Catalog catalog;
      const auto feed = venue.kind.make(catalog);
      RecordingSink sink;
      std::string frame = session->trade_frame(trade_of(venue.symbol, Side::kBuy));
      constexpr std::string_view kPrice = "63551.02";
      ASSERT_TRUE(frame.contains(kPrice)) << venue.kind.venue;
      frame.replace(frame.find(kPrice), kPrice.size(), text);
      feed->on_frame(frame, Timestamp{5}, "here", sink);
      const std::string about = fmt::format("{}: {:.40}", venue.kind.venue, text);
      ASSERT_EQ(sink.trades.size() + sink.refusals.size(), 1u) << about;
      ASSERT_EQ(sink.trades.size(), exact.empty() ? 0u : 1u) << about;
      const std::string price = exact.empty() ? "" : to_string(sink.trades.front().price);
      EXPECT_EQ(price, exact) << about;
      // And the next one is taken as ever.
      feed->on_frame(session->trade_frame(trade_of(venue.symbol, Side::kBuy)), Timestamp{6}, "here",
                     sink);
      EXPECT_EQ(to_string(sink.trades.back().price), kPrice) << about;
    }
  }
}

}  // namespace
}  // namespace tapedeck::feeds
