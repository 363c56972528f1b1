#include "tape/embedded/rows.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "base/rng.hpp"
#include "base/wire.hpp"
#include "tape/embedded/column.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Correction;
using market::Decimal;
using market::FeedMark;
using market::PriceTick;
using market::Quote;
using market::RawFrame;
using market::Record;
using market::Trade;
using market::VendorBar;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

// Makes events of any kind: ordinary ones, and ones at the edge of what their types can hold.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : rng_(seed) {}

  template <class Event>
  std::vector<Event> events(std::size_t count, bool extreme) {
    extreme_ = extreme;
    std::vector<Event> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(event(Event{}));
    return out;
  }
  market::Catalog& catalog() { return catalog_; }
  Rng& rng() { return rng_; }

 private:
  // What all kinds of a series have.
  template <class Event>
  Event common(Event event) {
    event.series = catalog_.intern(
        market::Series{.key = {"v", "c", "S" + std::to_string(rng_.below(extreme_ ? 40 : 3))}});
    event.conditions = extreme_ ? rng_.next() >> rng_.below(64) : 1u << rng_.below(3);
    now_ += static_cast<std::int64_t>(rng_.below(5)) * 1'000'000;
    event.ts_event = {extreme_ ? integer() : now_};
    event.ts_recv = {extreme_ ? integer() : now_ + static_cast<std::int64_t>(rng_.below(9'000))};
    event.identity = identity();
    event.venue_sequence = extreme_ ? natural() : event.identity.seq + 10;
    return event;
  }
  Trade event(Trade trade) {
    trade = common(trade);
    trade.side = static_cast<market::Side>(rng_.below(3));
    trade.price = decimal();
    trade.size = decimal();
    return trade;
  }
  Quote event(Quote quote) {
    quote = common(quote);
    quote.bid = decimal();
    quote.bid_size = decimal();
    quote.ask = decimal();
    quote.ask_size = decimal();
    return quote;
  }
  PriceTick event(PriceTick tick) {
    tick = common(tick);
    tick.price = decimal();
    return tick;
  }
  VendorBar event(VendorBar bar) {
    bar = common(bar);
    bar.adjusted = static_cast<market::Adjusted>(rng_.below(3));
    bar.interval = {extreme_ ? integer() : 60'000'000'000};
    bar.open = decimal();
    bar.high = decimal();
    bar.low = decimal();
    bar.close = decimal();
    bar.volume = decimal();
    return bar;
  }
  Correction event(Correction correction) {
    correction = common(correction);
    correction.kind = static_cast<market::CorrectionKind>(rng_.below(2));
    correction.side = static_cast<market::Side>(rng_.below(3));
    correction.price = decimal();
    correction.size = decimal();
    correction.target = identity();  // of an origin of its own, at times
    return correction;
  }
  Record event(Record record) {
    record = common(record);
    record.body = text();
    return record;
  }
  RawFrame event(RawFrame frame) {
    frame.ts_recv = {integer()};
    frame.identity = identity();
    frame.body = text();
    return frame;
  }
  FeedMark event(FeedMark mark) {
    mark.feed = text();
    mark.state = static_cast<market::FeedState>(rng_.below(3));
    mark.ts_recv = {integer()};
    return mark;
  }

  market::Identity identity() {
    const OriginId origin = catalog_.intern(
        market::Origin{.kind = market::OriginKind::kFile,
                       .key = "file" + std::to_string(rng_.below(extreme_ ? 20 : 2)),
                       .first = {kMin}});
    return {origin, extreme_ ? natural() : ++seq_, extreme_ ? natural() : rng_.below(2)};
  }
  // All scales from 0 to 18, so that many share no scale at which both are integers.
  Decimal decimal() {
    if (!extreme_) return Decimal::make(static_cast<std::int64_t>(rng_.below(100'000)), 2);
    return Decimal::make(integer(), static_cast<int>(rng_.below(19)));
  }
  std::int64_t integer() {
    switch (rng_.below(8)) {
      case 0:
        return kMax;
      case 1:
        return kMin;
      case 2:
        return 0;
      default:
        return static_cast<std::int64_t>(rng_.next()) >> rng_.below(64);
    }
  }
  std::uint64_t natural() { return rng_.below(8) == 0 ? kMost : rng_.next() >> rng_.below(64); }
  std::string text() {
    std::string out(rng_.below(3) == 0 ? 0 : rng_.below(200), '\0');
    for (char& c : out) c = static_cast<char>(rng_.next() >> (extreme_ ? 0 : 62));
    return out;
  }

  Rng rng_;
  bool extreme_ = false;
  std::int64_t now_ = 1'700'000'000'000'000'000;
  std::uint64_t seq_ = 0;
  market::Catalog catalog_;
};

template <class Event>
struct Encoded {
  std::string payload;
  SegmentIds ids;
};

template <class Event>
Encoded<Event> encoded(const std::vector<Event>& events, market::Catalog& catalog) {
  Encoded<Event> out;
  SegmentDictionary dictionary(catalog);
  out.payload = encode_rows(std::span<const Event>(events), dictionary).payload;
  EXPECT_TRUE(decode_dictionary(dictionary.take_new_entries(), catalog, out.ids));
  return out;
}

template <class Event>
std::vector<Event> round_trip(const std::vector<Event>& events, market::Catalog& catalog) {
  const auto written = encoded(events, catalog);
  std::vector<Event> out;
  const Status decoded =
      decode_rows(written.payload, static_cast<std::uint32_t>(events.size()), written.ids, out);
  EXPECT_TRUE(decoded) << decoded.error().message;
  return out;
}

template <class Event>
class Rows : public testing::Test {};
using AllKinds =
    testing::Types<Trade, Quote, PriceTick, VendorBar, Correction, Record, FeedMark, RawFrame>;
TYPED_TEST_SUITE(Rows, AllKinds);

TYPED_TEST(Rows, OrdinaryEventsComeBack) {
  Maker maker(1);
  for (const std::size_t count : {1u, 2u, 7u, 1'023u, 1'024u, 1'025u, 5'000u}) {
    const auto events = maker.events<TypeParam>(count, false);
    EXPECT_EQ(round_trip(events, maker.catalog()), events) << count;
  }
}

TYPED_TEST(Rows, ExtremesComeBack) {
  Maker maker(2);
  for (int round = 0; round < 60; ++round) {
    const auto events = maker.events<TypeParam>(1 + maker.rng().below(90), true);
    EXPECT_EQ(round_trip(events, maker.catalog()), events) << round;
  }
  const auto many = maker.events<TypeParam>(3'000, true);
  EXPECT_EQ(round_trip(many, maker.catalog()), many);
}

TYPED_TEST(Rows, AFullBlockComesBack) {
  Maker maker(3);
  auto events = maker.events<TypeParam>(512, false);
  while (events.size() < kBlockEventsMax) {
    const auto again = events;
    events.insert(events.end(), again.begin(), again.end());
  }
  ASSERT_EQ(events.size(), kBlockEventsMax);
  EXPECT_EQ(round_trip(events, maker.catalog()), events);
}

TYPED_TEST(Rows, EventsAreAddedBehindThoseThatAreThere) {
  Maker maker(4);
  const auto events = maker.events<TypeParam>(5, false);
  const auto written = encoded(events, maker.catalog());
  std::vector<TypeParam> out = events;
  ASSERT_TRUE(decode_rows(written.payload, 5, written.ids, out));
  ASSERT_EQ(out.size(), 10u);
  EXPECT_TRUE(std::equal(events.begin(), events.end(), out.begin() + 5));
}

TYPED_TEST(Rows, CutAnywhereTheyAreRefused) {
  Maker maker(5);
  const auto events = maker.events<TypeParam>(6, false);
  const auto written = encoded(events, maker.catalog());
  for (std::size_t cut = 0; cut < written.payload.size(); ++cut) {
    std::vector<TypeParam> out;
    const Status decoded =
        decode_rows(std::string_view(written.payload).substr(0, cut), 6, written.ids, out);
    ASSERT_FALSE(decoded) << cut;
    EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt);
  }
}

TYPED_TEST(Rows, AnotherNumberOfEventsIsRefused) {
  Maker maker(6);
  const auto written = encoded(maker.events<TypeParam>(20, true), maker.catalog());
  for (const std::uint32_t count : {0u, 1u, 19u, 21u, kBlockEventsMax, kBlockEventsMax + 1,
                                    std::numeric_limits<std::uint32_t>::max()}) {
    std::vector<TypeParam> out;
    EXPECT_FALSE(decode_rows(written.payload, count, written.ids, out)) << count;
  }
}

TYPED_TEST(Rows, BytesBehindTheLastAreRefused) {
  Maker maker(7);
  const auto written = encoded(maker.events<TypeParam>(3, false), maker.catalog());
  std::vector<TypeParam> out;
  EXPECT_FALSE(decode_rows(written.payload + '\0', 3, written.ids, out));
}

// A checksum that matches says nothing about what the bytes mean.
TYPED_TEST(Rows, FlippedTheyAreRefusedOrDecode) {
  Maker maker(8);
  for (const bool extreme : {false, true}) {
    const auto written = encoded(maker.events<TypeParam>(12, extreme), maker.catalog());
    for (std::size_t i = 0; i < written.payload.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string flipped = written.payload;
        flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
        std::vector<TypeParam> out;
        if (decode_rows(flipped, 12, written.ids, out)) {
          EXPECT_EQ(out.size(), 12u);
        }
      }
    }
  }
}

// Only marks name nothing of the dictionary.
TYPED_TEST(Rows, WithoutTheirDictionaryTheyAreRefused) {
  Maker maker(9);
  const auto written = encoded(maker.events<TypeParam>(3, false), maker.catalog());
  std::vector<TypeParam> out;
  EXPECT_EQ(decode_rows(written.payload, 3, {}, out).has_value(),
            (std::is_same_v<TypeParam, FeedMark>));
}

// Most of what a feed does not use is constant, and costs two bytes a block.
TEST(RowsSize, WhatAFeedDoesNotUseIsNearlyFree) {
  Maker maker(10);
  std::vector<Trade> trades(10'000, maker.events<Trade>(1, false).front());
  EXPECT_LT(encoded(trades, maker.catalog()).payload.size(), 200u);
  for (std::size_t i = 0; i < trades.size(); ++i) {
    trades[i].identity.seq = 1'000 + i;
    trades[i].venue_sequence = trades[i].identity.seq;
  }
  EXPECT_LT(encoded(trades, maker.catalog()).payload.size(), 200u) << "ids that count on";
}

TEST(RowsTimes, AreKeptInTheLargestUnitThatHoldsThem) {
  struct Case {
    std::int64_t step;
    std::uint8_t exponent;
  };
  for (const auto& [step, exponent] :
       {Case{1, 0}, Case{1'000, 3}, Case{1'000'000, 6}, Case{1'000'000'000, 9}}) {
    std::vector<PriceTick> ticks(3, PriceTick{.price = {}});
    Maker maker(11);
    for (std::size_t i = 0; i < ticks.size(); ++i) {
      ticks[i].series = maker.catalog().intern(market::Series{.key = {"v", "c", "S"}});
      ticks[i].identity = {maker.catalog().intern(market::Origin{}), i, 0};
      ticks[i].ts_event = {(static_cast<std::int64_t>(i) - 1) * step};
      ticks[i].ts_recv = {static_cast<std::int64_t>(i) * 7'000'000'000};
    }
    const auto written = encoded(ticks, maker.catalog());
    // One lane of a series and a scale, one origin, one set of conditions; then the units.
    EXPECT_EQ(written.payload[14], static_cast<char>(exponent));
    EXPECT_EQ(round_trip(ticks, maker.catalog()), ticks) << step;
  }
}

TEST(RowsTimes, BeyondWhatFitsAreRefused) {
  Maker maker(12);
  std::vector<PriceTick> ticks(1, PriceTick{.ts_event = {9'000'000'000'000'000'000},
                                            .ts_recv = {9'000'000'000'000'000'000}});
  ticks[0].series = maker.catalog().intern(market::Series{.key = {"v", "c", "S"}});
  ticks[0].identity.origin = maker.catalog().intern(market::Origin{});
  auto written = encoded(ticks, maker.catalog());
  ASSERT_EQ(written.payload[14], 9);
  std::vector<PriceTick> out;
  EXPECT_TRUE(decode_rows(written.payload, 1, written.ids, out));
  std::string held;
  put_varint(held, zigzag(9'000'000'000));
  std::string larger;
  put_varint(larger, zigzag(19'000'000'000));
  const std::size_t at = written.payload.find(held);
  ASSERT_NE(at, std::string::npos);
  written.payload.replace(at, held.size(), larger);
  const Status decoded = decode_rows(written.payload, 1, written.ids, out);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message, "a block holds a time beyond 64 bits");
}

TEST(RowsTexts, EmptyAndLargeOnesComeBack) {
  Maker maker(13);
  std::string megabyte(1u << 20, 'x');
  for (std::size_t i = 0; i < megabyte.size(); i += 3) {
    megabyte[i] = static_cast<char>(maker.rng().next());
  }
  auto records = maker.events<Record>(5, false);
  for (Record& record : records) record.body.clear();
  EXPECT_EQ(round_trip(records, maker.catalog()), records);
  records[1].body = megabyte;
  records[4].body = std::string(1u << 20, '\0');
  EXPECT_EQ(round_trip(records, maker.catalog()), records);
  auto frames = maker.events<RawFrame>(3, false);
  frames[0].body = megabyte;
  frames[2].body.clear();
  EXPECT_EQ(round_trip(frames, maker.catalog()), frames);
}

TEST(RowsTexts, MoreOrLessThanTheirLengthsAreRefused) {
  // One frame: one origin, no conditions, four columns of 0; its length, then the text.
  const auto decodes = [](char length, std::string_view text) {
    std::string payload("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12);
    payload += length;
    put_compressed(payload, text);
    std::vector<RawFrame> out;
    return decode_rows(payload, 1, {.series = {}, .origins = {OriginId(0)}}, out).has_value();
  };
  EXPECT_TRUE(decodes(2, "ab"));
  EXPECT_FALSE(decodes(1, "ab"));
  EXPECT_FALSE(decodes(3, "ab"));
}

TEST(RowsTargets, MayHaveAnotherOriginThanTheCorrection) {
  Maker maker(14);
  auto corrections = maker.events<Correction>(4, false);
  const auto origin = [&](const std::string& key) {
    return maker.catalog().intern(
        market::Origin{.kind = market::OriginKind::kSession, .key = key, .first = {}});
  };
  for (Correction& correction : corrections) correction.identity.origin = origin("own");
  corrections[0].target.origin = origin("own");
  corrections[1].target = {origin("other"), kMost, 5};
  corrections[2].target = {origin("third"), 0, kMost};
  EXPECT_EQ(round_trip(corrections, maker.catalog()), corrections);
}

// A price of another scale than its neighbours goes into a lane of its own.
TEST(RowsLanes, AMisfitChangesNothingForItsNeighbours) {
  Maker maker(15);
  auto trades = maker.events<Trade>(9, false);
  for (Trade& trade : trades) trade.series = trades[0].series;
  trades[3].price = {kMax, 0};
  trades[4].price = {1, 18};
  trades[5].price = {kMin, 0};
  trades[6].size = {1, 18};
  EXPECT_EQ(round_trip(trades, maker.catalog()), trades);
  // No price of them fits the widest scales: the lane of those stays empty.
  trades.resize(2);
  trades[0].price = {kMax, 0};
  trades[0].size = {1, 18};
  trades[1].price = {1, 18};
  trades[1].size = {kMax, 0};
  EXPECT_EQ(round_trip(trades, maker.catalog()), trades);
}

// A few bytes must not ask for the memory of millions of rows.
TEST(RowsBombs, TablesBeyondWhatTheEventsNeedAreRefused) {
  std::string payload;
  put_varint(payload, 100'000);  // lanes, for one event
  for (int lane = 0; lane < 100'000; ++lane) payload += std::string(3, '\0');
  put_varint(payload, 1);
  put_varint(payload, 0);
  put_varint(payload, 1);
  put_fixed(payload, std::uint64_t{0});
  payload += std::string(4, '\0');   // units and forms
  payload += std::string(22, '\0');  // eleven columns
  SegmentIds ids{.series = {SeriesId(0)}, .origins = {OriginId(0)}};
  std::vector<Trade> out;
  EXPECT_FALSE(decode_rows(payload, 1, ids, out));
}

}  // namespace
}  // namespace tapedeck::tape::embedded
