// Each venue's two sides, spoken to each other: what the emulator sends is what the feed reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "feeds/binance/binance_feed.hpp"
#include "feeds/coinbase/coinbase_feed.hpp"
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
          {kraken::feed_kind(), "/v2", "BTC/USD"}};
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
      EXPECT_EQ(got.side, side) << venue.kind.venue;
      EXPECT_EQ(got.ts_event, sent.ts_event);
      EXPECT_EQ(got.ts_recv, Timestamp{5});
      EXPECT_EQ(got.identity.seq, sent.id);
      EXPECT_EQ(catalog.series(got.series).key.instrument, venue.symbol);
    }
  }
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
    }
    const std::string target = repair->target(venue.symbol, 105, 109);
    const auto mark = target.find('?');
    Parameters query;
    for (std::size_t at = mark + 1; at < target.size();) {
      const auto end = std::min(target.find('&', at), target.size());
      const auto equals = target.find('=', at);
      query.emplace_back(target.substr(at, equals - at),
                         target.substr(equals + 1, end - equals - 1));
      at = end + 1;
    }
    const VenueAnswer answer =
        venue.kind.emulation->answer(target.substr(0, mark), query, happened);
    EXPECT_EQ(answer.status, 200);
    market::Catalog catalog;
    const auto feed = venue.kind.make(catalog);
    RecordingSink sink;
    feed->on_answer(venue.symbol, answer.body, Timestamp{5}, "here", sink);
    EXPECT_TRUE(sink.refusals.empty());
    std::map<std::uint64_t, market::Trade> got;
    for (const market::Trade& trade : sink.trades) got[trade.identity.seq] = trade;
    EXPECT_EQ(got.size(), 5u) << venue.kind.venue;
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
  EXPECT_EQ(asked, 3);  // Binance twice, Coinbase
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

}  // namespace
}  // namespace tapedeck::feeds
