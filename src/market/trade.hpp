// src/market/trade.hpp: the events of the tape, as immutable values. Times are ns since 1970 UTC.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "market/decimal.hpp"
#include "market/series.hpp"

namespace tapedeck::market {

enum class Side : std::uint8_t { kUnknown = 0, kBuy = 1, kSell = 2 };  // the taker's

// What makes a trade itself; never its content (docs/time-order-identity.md).
struct Identity {
  OriginId origin{};
  std::uint64_t seq = 0;
  std::uint64_t position = 0;
  bool operator==(const Identity&) const = default;
};

// A match.
struct Trade {
  SeriesId series{};
  Side side = Side::kUnknown;
  std::uint64_t conditions = 0;  // bits; the series' condition table says what they mean
  Timestamp ts_event{};          // the venue's clock
  Timestamp ts_recv{};           // ours at arrival
  Decimal price{};
  Decimal size{};
  Identity identity{};
  std::uint64_t venue_sequence = 0;  // orders trades where Series::order says so
  bool operator==(const Trade&) const = default;
};

// Place of a trade inside its series. It depends on nothing but the trade and its origin, so it is
// the same however trades arrived (docs/time-order-identity.md).
struct OrderKey {
  Timestamp ts_event;
  std::uint64_t venue_sequence = 0;  // 0 where the series is ordered by identity
  Timestamp origin_first{};
  std::string_view origin_key{};  // points into the catalog
  std::uint64_t seq = 0;
  std::uint64_t position = 0;
  auto operator<=>(const OrderKey&) const = default;
};

inline OrderKey order_key(const Trade& trade, const Series& series, const Origin& origin) {
  if (series.order == TradeOrder::kVenueSequence) {
    return {.ts_event = trade.ts_event, .venue_sequence = trade.venue_sequence};
  }
  return {.ts_event = trade.ts_event,
          .origin_first = origin.first,
          .origin_key = origin.key,
          .seq = trade.identity.seq,
          .position = trade.identity.position};
}

enum class FeedState : std::uint8_t { kLive = 0, kDown = 1, kEnded = 2 };

// A clock mark: "all that I received before ts_recv is before me" (stream kind `status`).
struct FeedMark {
  std::string feed;
  FeedState state = FeedState::kLive;
  Timestamp ts_recv;
  bool operator==(const FeedMark&) const = default;
};

// The kinds of block on the tape. Numbers are on disk: never change or reuse one.
enum class StreamKind : std::uint8_t {
  kDictionary = 0,  // series and origins; takes no offsets
  kTrade = 1,
  kQuote = 2,
  kPriceTick = 3,
  kVendorBar = 4,
  kCorrection = 5,  // a cancel or a correction
  kRecord = 6,
  kStatus = 7,
  kRawFrame = 8,
};

// A run of events of one kind with consecutive offsets.
struct Batch {
  StreamKind kind = StreamKind::kTrade;
  Offset first{};
  std::vector<Trade> trades{};    // kTrade
  std::vector<FeedMark> marks{};  // kStatus

  std::size_t size() const { return kind == StreamKind::kTrade ? trades.size() : marks.size(); }
  Offset end() const { return first + size(); }
};

}  // namespace tapedeck::market
