// src/market/series.hpp: what is traded where (series), who numbered its trades (origin), and the
// catalog that gives both short ids within one process.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "base/wire.hpp"

namespace tapedeck::market {

// A series is (venue, channel, instrument); series are never summed together.
struct SeriesKey {
  std::string venue;       // "binance", "lean"; no '/'
  std::string channel;     // "trade", "aggTrade"; no '/'
  std::string instrument;  // the venue's own symbol: "BTCUSDT", "BTC/USD"
  auto operator<=>(const SeriesKey&) const = default;
};

std::string to_string(const SeriesKey& key);  // "kraken/trade/BTC/USD"
Result<SeriesKey> parse_series_key(std::string_view text);

// What decides which of two trades of one instant came first (docs/time-order-identity.md).
enum class TradeOrder : std::uint8_t {
  kIdentity = 0,       // (ts_event, identity)
  kVenueSequence = 1,  // (ts_event, venue_sequence): the venue declares its ids ordered
};

struct Series {
  SeriesKey key{};
  TradeOrder order = TradeOrder::kIdentity;
  std::string calendar = "24x7";  // see calendar.hpp
  std::string conditions{};       // name of a condition table; empty: every trade is eligible
  bool operator==(const Series&) const = default;
};

// Who numbered the trades of an identity.
enum class OriginKind : std::uint8_t {
  kVenue = 0,    // the venue's own trade ids; key empty
  kFile = 1,     // key: SHA-256 of the decompressed member, in hex; seq: record number from 0
  kSession = 2,  // key: name of a feed session; seq: its events of a series, from 0
  kTopic = 3,    // key: "topic/partition"; seq: offset; position: place in the message
};

struct Origin {
  OriginKind kind = OriginKind::kVenue;
  std::string key{};
  Timestamp first{};          // file: ts_event of its first record; session: its first ts_recv
  bool recv_assumed = false;  // there was no receive time: ts_recv = ts_event
  auto operator<=>(const Origin&) const = default;
};

// Whether these ids are the venue's count of its trades, so that a missing one is a missed trade:
// they are its own, and it declares them ordered.
inline bool is_count_of_venue(const Series& series, const Origin& origin) {
  return series.order == TradeOrder::kVenueSequence && origin.kind == OriginKind::kVenue;
}

// As the tape and the checkpoints hold them (tape/embedded/FORMAT.md, "Dictionary"). What cannot be
// read, or makes no sense, leaves a reader that is not ok().
void put_series(std::string& out, const Series& series);
Series read_series(WireReader& reader);
void put_origin(std::string& out, const Origin& origin);
Origin read_origin(WireReader& reader);

// Ids are dense from 0 in the order of first use and mean something in this process only; a tape
// keeps its own numbering. Entries are never removed or changed. Thread: any.
class Catalog {
 public:
  SeriesId intern(const Series& series);  // the key decides; the first definition stays
  OriginId intern(const Origin& origin);

  // References stay valid as long as the catalog.
  const Series& series(SeriesId id) const;
  const Origin& origin(OriginId id) const;
  std::size_t series_count() const;
  std::size_t origin_count() const;

 private:
  mutable std::shared_mutex mutex_;
  std::deque<Series> series_;
  std::deque<Origin> origins_;
  std::map<SeriesKey, SeriesId> series_ids_;
  std::map<Origin, OriginId> origin_ids_;
};

}  // namespace tapedeck::market
