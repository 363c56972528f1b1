// src/market/trade.hpp: a trade as an immutable value, its identity and its place in its series.
// Times are ns since 1970 UTC.
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

}  // namespace tapedeck::market
