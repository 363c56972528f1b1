#include "feeds/schema_watch.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "feeds/binance/binance_feed.hpp"
#include "feeds/coinbase/coinbase_feed.hpp"
#include "feeds/finnhub/finnhub_feed.hpp"
#include "feeds/kraken/kraken_feed.hpp"
#include "feeds/yahoo/pricing.hpp"
#include "feeds/yahoo/yahoo_feed.hpp"

namespace tapedeck::feeds {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Timestamp kDay{1'700'006'400'000'000'000};  // 2023-11-15

class Drifts final : public EventSink {
 public:
  explicit Drifts(const market::Catalog& catalog) : catalog_(catalog) {}
  void trade(const market::Trade&) override { ++events; }
  void event(const OtherEvent& event) override {
    const auto* record = std::get_if<market::Record>(&event);
    if (record == nullptr) {
      ++events;
      return;
    }
    records.push_back(*record);
    const auto drift = market::parse_schema_drift(record->body);
    ASSERT_TRUE(drift) << record->body;
    told.push_back(fmt::format("{} {} {}", to_string(catalog_.series(record->series).key),
                               drift->field, drift->is_missing ? "missing" : "unknown"));
  }
  void mark(const market::FeedMark&) override {}
  void control() override {}
  void refuse(const Refusal& refusal) override { reasons.emplace_back(refusal.reason); }

  std::vector<std::string> told, reasons;
  std::vector<market::Record> records;
  int events = 0;

 private:
  const market::Catalog& catalog_;
};

class SchemaWatchTest : public testing::Test {
 protected:
  // With one unknown field; empty: without.
  void look(SchemaWatch& watch, std::string_view instrument, std::string_view unknown,
            const Flaw* flaw, Timestamp at) {
    UnknownFields fields;
    if (!unknown.empty()) fields.add(unknown);
    watch.look({"v", instrument, fields.names()}, flaw, at, sink_);
  }

  market::Catalog catalog_;
  Drifts sink_{catalog_};
  SchemaWatch watch_{catalog_};
};

TEST_F(SchemaWatchTest, EachIsToldOnceADay) {
  const auto see = [&](std::string_view instrument, std::string_view field, Timestamp at) {
    look(watch_, instrument, field, nullptr, at);
  };
  see("X", "f", kDay);
  see("X", "f", kDay + hours(23));
  see("Y", "f", kDay + hours(23));
  see("X", "g", kDay + hours(23));
  see("X", "", kDay + hours(23));
  EXPECT_THAT(sink_.told,
              ElementsAre("v/schema/X f unknown", "v/schema/Y f unknown", "v/schema/X g unknown"));
  see("X", "f", kDay + hours(24));
  EXPECT_EQ(sink_.told.size(), 4u);
  EXPECT_NE(sink_.records[0].identity, sink_.records[3].identity);
  SchemaWatch other(catalog_);  // of the next start
  look(other, "X", "f", nullptr, kDay + hours(1));
  EXPECT_EQ(sink_.records[4].identity, sink_.records[0].identity);
}

TEST_F(SchemaWatchTest, WhatATradeLacksIsToldOfItsFlaw) {
  const Flaw known{"missing_field", "no 'p', no 'q'", {"p", "q"}};
  const Flaw other{"bad_price", "'x'"};
  look(watch_, "X", "price", &known, kDay);
  look(watch_, "X", "", &other, kDay);
  EXPECT_THAT(sink_.told, ElementsAre("v/schema/X price unknown", "v/schema/X p missing",
                                      "v/schema/X q missing"));
}

TEST_F(SchemaWatchTest, OfManyUnknownFieldsTheFirstFewAreTold) {
  UnknownFields fields;
  for (const std::string_view name : {"a", "b", "c", "d", "e"}) fields.add(name);
  watch_.look({"v", "X", fields.names()}, nullptr, kDay, sink_);
  EXPECT_EQ(sink_.told.size(), 4u);
}

TEST_F(SchemaWatchTest, WhatIsLongIsCut) {
  const std::string name(1 << 20, 'f');
  look(watch_, "X", name, nullptr, kDay);
  look(watch_, "X", name + "g", nullptr, kDay);
  look(watch_, std::string(1 << 20, 'X'), "f", nullptr, kDay);
  EXPECT_THAT(sink_.told, ElementsAre("v/schema/X " + std::string(64, 'f') + " unknown",
                                      "v/schema/- f unknown"));
}

TEST_F(SchemaWatchTest, WhatIsNoSymbolIsNone) {
  look(watch_, "", "f", nullptr, kDay);
  look(watch_, "a\nb", "f", nullptr, kDay);
  look(watch_, "a\nb", "g", nullptr, kDay);
  EXPECT_THAT(sink_.told, ElementsAre("v/schema/- f unknown", "v/schema/- g unknown"));
}

TEST_F(SchemaWatchTest, NamesWithoutEndAreTold) {
  for (int i = 0; i < 30'000; ++i) look(watch_, "X", fmt::format("f{}", i), nullptr, kDay);
  EXPECT_EQ(sink_.told.size(), SchemaWatch::kToldMax);
  look(watch_, "X", "f0", nullptr, kDay + hours(24));
  EXPECT_EQ(sink_.told.size(), SchemaWatch::kToldMax + 1);
}

std::string yahoo_frame(std::string bytes_more) {
  const std::string bytes =
      yahoo::encode_pricing({.id = "AAPL", .price = 1.5f, .time_ms = kDay.ns / 1'000'000}) +
      bytes_more;
  return fmt::format(R"({{"type":"pricing","message":"{}"}})", yahoo::encode_base64(bytes));
}

// A trade as it is, one with a field more and one with a field renamed.
struct Venue {
  std::string name;
  std::unique_ptr<Feed> (*make)(market::Catalog&);
  std::string known, more, renamed;
  std::vector<std::string> of_more, of_renamed;
};
std::ostream& operator<<(std::ostream& out, const Venue& venue) { return out << venue.name; }

template <class F>
std::unique_ptr<Feed> make(market::Catalog& catalog) {
  return std::make_unique<F>(catalog);
}

std::string binance(std::string_view price, std::string_view more) {
  return fmt::format(R"({{"stream":"x@trade","data":{{"e":"trade","E":1700006400000,"s":"BTCUSDT",)"
                     R"("t":7,"{}":"1.5","q":"2","b":88,"a":50,"T":1700006400000,"m":true,"M":true)"
                     "{}}}}}",
                     price, more);
}
std::string coinbase(std::string_view price, std::string_view more) {
  return fmt::format(R"({{"type":"match","trade_id":7,"maker_order_id":"a","taker_order_id":"b",)"
                     R"("side":"buy","size":"2","{}":"1.5","product_id":"BTC-USD","sequence":9,)"
                     R"("time":"2023-11-15T00:00:00.000001Z"{}}})",
                     price, more);
}
std::string kraken(std::string_view price, std::string_view more) {
  return fmt::format(R"({{"channel":"trade","type":"update","data":[{{"symbol":"BTC/USD",)"
                     R"("side":"sell","{}":1.5,"qty":2,"ord_type":"market","trade_id":7,)"
                     R"("timestamp":"2023-11-15T00:00:00.000001Z"{}}}]}})",
                     price, more);
}
std::string finnhub(std::string_view price, std::string_view more) {
  return fmt::format(R"({{"data":[{{"c":["1"],"{}":1.5,"s":"AAPL","t":1700006400000,"v":2{}}}],)"
                     R"("type":"trade"}})",
                     price, more);
}

class VenueDrift : public testing::TestWithParam<Venue> {
 protected:
  void see(const std::string& frame) { feed_->on_frame(frame, kDay, "here", sink_); }
  market::Catalog catalog_;
  Drifts sink_{catalog_};
  std::unique_ptr<Feed> feed_ = [this] {
    auto feed = GetParam().make(catalog_);
    feed->begin_session({.kind = market::OriginKind::kSession, .key = "s", .first = kDay});
    return feed;
  }();
};

TEST_P(VenueDrift, OfATradeAsItIsThereIsNone) {
  see(GetParam().known);
  EXPECT_EQ(sink_.events, 1);
  EXPECT_THAT(sink_.told, IsEmpty());
}

TEST_P(VenueDrift, AFieldMoreIsToldAndTheTradeTaken) {
  see(GetParam().more);
  see(GetParam().more);
  EXPECT_EQ(sink_.told, GetParam().of_more);
  EXPECT_GE(sink_.events, 1);
  EXPECT_THAT(sink_.reasons, IsEmpty());
}

TEST_P(VenueDrift, ARenamedFieldIsToldUnderBothNames) {
  see(GetParam().renamed);
  EXPECT_EQ(sink_.told, GetParam().of_renamed);
  EXPECT_THAT(sink_.reasons, ElementsAre("missing_field"));
  EXPECT_EQ(sink_.events, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Venues, VenueDrift,
    testing::Values(
        Venue{"binance",
              make<binance::BinanceFeed>,
              binance("p", ""),
              binance("p", R"(,"Z":1)"),
              binance("pr", ""),
              {"binance/schema/BTCUSDT Z unknown"},
              {"binance/schema/BTCUSDT pr unknown", "binance/schema/BTCUSDT p missing"}},
        Venue{"coinbase",
              make<coinbase::CoinbaseFeed>,
              coinbase("price", ""),
              coinbase("price", R"(,"fee":"0")"),
              coinbase("px", ""),
              {"coinbase/schema/BTC-USD fee unknown"},
              {"coinbase/schema/BTC-USD px unknown", "coinbase/schema/BTC-USD price missing"}},
        Venue{"kraken",
              make<kraken::KrakenFeed>,
              kraken("price", ""),
              kraken("price", R"(,"liquidity":"m")"),
              kraken("px", ""),
              {"kraken/schema/BTC/USD liquidity unknown"},
              {"kraken/schema/BTC/USD px unknown", "kraken/schema/BTC/USD price missing"}},
        Venue{"finnhub",
              make<finnhub::FinnhubFeed>,
              finnhub("p", ""),
              finnhub("p", R"(,"x":"Q")"),
              finnhub("price", ""),
              {"finnhub/schema/AAPL x unknown"},
              {"finnhub/schema/AAPL price unknown", "finnhub/schema/AAPL p missing"}},
        // Field 34, a varint; a price under number 40, as four bytes.
        Venue{"yahoo",
              make<yahoo::YahooFeed>,
              yahoo_frame(""),
              yahoo_frame(std::string("\x90\x02\x01", 3)),
              fmt::format(R"({{"type":"pricing","message":"{}"}})",
                          yahoo::encode_base64(std::string("\x0a\x04"
                                                           "AAPL"
                                                           "\xc5\x02"
                                                           "\0\0\xc0\x3f",
                                                           12))),
              {"yahoo/schema/AAPL 34 unknown"},
              {"yahoo/schema/AAPL 40 unknown", "yahoo/schema/AAPL price missing"}}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace tapedeck::feeds
