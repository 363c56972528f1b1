#include "market/series.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "market/trade.hpp"

namespace tapedeck::market {
namespace {

TEST(SeriesKey, TheInstrumentIsAllAfterTheSecondSlash) {
  const SeriesKey key = parse_series_key("kraken/trade/BTC/USD").value();
  EXPECT_EQ(key, (SeriesKey{"kraken", "trade", "BTC/USD"}));
  EXPECT_EQ(to_string(key), "kraken/trade/BTC/USD");
}

TEST(SeriesKey, RefusesWhatIsNone) {
  for (const std::string_view text : {"", "a", "a/b", "a/b/", "/b/c", "a//c", "//"}) {
    const auto key = parse_series_key(text);
    ASSERT_FALSE(key) << text;
    EXPECT_EQ(key.error().code, ErrorCode::kInvalidArgument);
  }
}

Series series(const std::string& instrument) {
  return {.key = {"v", "trade", instrument}, .conditions = {}};
}

TEST(Catalog, IdsAreDenseAndStay) {
  Catalog catalog;
  EXPECT_EQ(catalog.intern(series("B")), SeriesId(0));
  EXPECT_EQ(catalog.intern(series("A")), SeriesId(1));
  EXPECT_EQ(catalog.intern(series("B")), SeriesId(0));
  EXPECT_EQ(catalog.series_count(), 2u);
  EXPECT_EQ(catalog.series(SeriesId(1)).key.instrument, "A");
  EXPECT_EQ(catalog.intern(Origin{OriginKind::kFile, "ab"}), OriginId(0));
  EXPECT_EQ(catalog.intern(Origin{OriginKind::kVenue, ""}), OriginId(1));
  EXPECT_EQ(catalog.intern(Origin{OriginKind::kFile, "ab"}), OriginId(0));
  EXPECT_EQ(catalog.origin(OriginId(0)).key, "ab");
  EXPECT_EQ(catalog.origin_count(), 2u);
}

TEST(Catalog, TheFirstDefinitionStays) {
  Catalog catalog;
  Series first = series("A");
  first.calendar = "us_equity";
  catalog.intern(first);
  catalog.intern(series("A"));
  EXPECT_EQ(catalog.series(SeriesId(0)).calendar, "us_equity");
}

TEST(Catalog, ReferencesStayWhileThreadsAdd) {
  Catalog catalog;
  const Series& kept = catalog.series(catalog.intern(series("first")));
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) {
          const SeriesId id = catalog.intern(series(std::to_string(i)));
          EXPECT_EQ(catalog.series(id).key.instrument, std::to_string(i));
        }
      });
    }
  }
  EXPECT_EQ(catalog.series_count(), 201u);
  EXPECT_EQ(kept.key.instrument, "first");
}

// ---- Order inside a series (trade.hpp)

TEST(OrderKey, ByVenueSequenceWhereDeclared) {
  Series ordered = series("A");
  ordered.order = TradeOrder::kVenueSequence;
  const Origin origin{OriginKind::kSession, "s"};
  Trade a;
  a.ts_event = Timestamp{5};
  a.venue_sequence = 1;
  a.identity.seq = 9;
  Trade b = a;
  b.venue_sequence = 2;
  b.identity.seq = 3;
  EXPECT_LT(order_key(a, ordered, origin), order_key(b, ordered, origin));
  EXPECT_GT(order_key(a, series("A"), origin), order_key(b, series("A"), origin));
  b.ts_event = Timestamp{4};
  EXPECT_GT(order_key(a, ordered, origin), order_key(b, ordered, origin));
}

TEST(OrderKey, ByOriginThenRecordThenPosition) {
  const Origin early{OriginKind::kFile, "zz", Timestamp{1}};
  const Origin late{OriginKind::kFile, "aa", Timestamp{2}};
  const Origin same_start{OriginKind::kFile, "aa", Timestamp{1}};
  const Series s = series("A");
  Trade trade;
  trade.ts_event = Timestamp{5};
  trade.identity = {OriginId(0), 7, 0};
  EXPECT_LT(order_key(trade, s, early), order_key(trade, s, late));
  EXPECT_LT(order_key(trade, s, same_start), order_key(trade, s, early));
  Trade next = trade;
  next.identity.seq = 8;
  EXPECT_LT(order_key(trade, s, early), order_key(next, s, early));
  next.identity = {OriginId(0), 7, 1};
  EXPECT_LT(order_key(trade, s, early), order_key(next, s, early));
  // The number that this process gave the origin says nothing.
  next = trade;
  next.identity.origin = OriginId(5);
  EXPECT_EQ(order_key(trade, s, early), order_key(next, s, early));
}

}  // namespace
}  // namespace tapedeck::market
