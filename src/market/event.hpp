// src/market/event.hpp: the events of the tape besides trades, and the run of events that a feed
// hands on. Immutable values; times are ns since 1970 UTC.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "market/trade.hpp"

namespace tapedeck::market {

// Best bid and ask. A side that is not quoted has size 0.
struct Quote {
  SeriesId series{};
  std::uint64_t conditions = 0;
  Timestamp ts_event{};
  Timestamp ts_recv{};
  Decimal bid{};
  Decimal bid_size{};
  Decimal ask{};
  Decimal ask_size{};
  Identity identity{};
  std::uint64_t venue_sequence = 0;
  bool operator==(const Quote&) const = default;
};

// A last price that came without a size: Yahoo, currencies, indices.
struct PriceTick {
  SeriesId series{};
  std::uint64_t conditions = 0;
  Timestamp ts_event{};
  Timestamp ts_recv{};
  Decimal price{};
  Identity identity{};
  std::uint64_t venue_sequence = 0;
  bool operator==(const PriceTick&) const = default;
};

enum class Adjusted : std::uint8_t { kRaw = 0, kSplit = 1, kTotal = 2 };

// A bar that came as a bar: Alpha Vantage, candles of Finnhub.
struct VendorBar {
  SeriesId series{};
  Adjusted adjusted = Adjusted::kRaw;
  std::uint64_t conditions = 0;
  Timestamp ts_event{};  // where the bar opens
  Timestamp ts_recv{};
  Duration interval{};
  Decimal open{};
  Decimal high{};
  Decimal low{};
  Decimal close{};
  Decimal volume{};
  Identity identity{};
  std::uint64_t venue_sequence = 0;
  bool operator==(const VendorBar&) const = default;
};

enum class CorrectionKind : std::uint8_t { kCancel = 0, kCorrect = 1 };

// A venue takes back a trade of the same series, or says what it should have been. The trade stays
// on the tape.
struct Correction {
  SeriesId series{};
  CorrectionKind kind = CorrectionKind::kCancel;
  Side side = Side::kUnknown;
  std::uint64_t conditions = 0;
  Timestamp ts_event{};
  Timestamp ts_recv{};
  Decimal price{};  // of kCorrect: what the trade is now
  Decimal size{};
  Identity identity{};  // its own
  std::uint64_t venue_sequence = 0;
  Identity target{};  // the trade's
  bool operator==(const Correction&) const = default;
};

// Something that is no price: a JSON document of a polled endpoint.
struct Record {
  SeriesId series{};
  std::uint64_t conditions = 0;
  Timestamp ts_event{};
  Timestamp ts_recv{};
  Identity identity{};
  std::uint64_t venue_sequence = 0;
  std::string body{};  // as received
  bool operator==(const Record&) const = default;
};

enum class FeedState : std::uint8_t { kLive = 0, kDown = 1, kEnded = 2 };

// A clock mark: "all that I received before ts_recv is before me" (stream kind `status`). A feed
// that is named "venue/id" speaks for the series of its venue, one without a '/' for all.
struct FeedMark {
  std::string feed;
  FeedState state = FeedState::kLive;
  Timestamp ts_recv;
  bool operator==(const FeedMark&) const = default;
};
// The venue that a mark speaks for: "coinbase" of "coinbase/crypto"; empty of a name without '/',
// which speaks for all.
inline std::string_view venue_of(const FeedMark& mark) {
  const std::string_view name = mark.feed;
  const auto slash = name.find('/');
  return slash == name.npos ? std::string_view() : name.substr(0, slash);
}

// Bytes as a venue sent them. Its origin is the feed session, seq the number of the frame.
struct RawFrame {
  Timestamp ts_recv{};
  Identity identity{};
  std::string body{};
  bool operator==(const RawFrame&) const = default;
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
  kMixed = 9,        // events of several kinds, in their order
  kLost = 10,        // offsets whose events were damaged beyond repair
  kIndex = 64,       // of a sealed segment; takes no offsets
  kIdentities = 65,  // of a sealed segment; takes no offsets
};

// A run of events of one kind with consecutive offsets. Only the vector of its kind holds any.
struct Batch {
  StreamKind kind = StreamKind::kTrade;
  Offset first{};
  std::vector<Trade> trades{};
  std::vector<Quote> quotes{};
  std::vector<PriceTick> ticks{};
  std::vector<VendorBar> vendor_bars{};
  std::vector<Correction> corrections{};
  std::vector<Record> records{};
  std::vector<FeedMark> marks{};  // kStatus
  std::vector<RawFrame> frames{};

  std::size_t size() const;
  Offset end() const { return first + size(); }
};

// Calls `f` with the vector that holds the events of `batch`; not at all for a kind that no Batch
// can have.
template <class B, class F>
  requires std::is_same_v<std::remove_const_t<B>, Batch>
void visit_events(B& batch, F&& f) {
  switch (batch.kind) {
    case StreamKind::kTrade:
      return std::forward<F>(f)(batch.trades);
    case StreamKind::kQuote:
      return std::forward<F>(f)(batch.quotes);
    case StreamKind::kPriceTick:
      return std::forward<F>(f)(batch.ticks);
    case StreamKind::kVendorBar:
      return std::forward<F>(f)(batch.vendor_bars);
    case StreamKind::kCorrection:
      return std::forward<F>(f)(batch.corrections);
    case StreamKind::kRecord:
      return std::forward<F>(f)(batch.records);
    case StreamKind::kStatus:
      return std::forward<F>(f)(batch.marks);
    case StreamKind::kRawFrame:
      return std::forward<F>(f)(batch.frames);
    default:
      return;
  }
}

inline std::size_t Batch::size() const {
  std::size_t count = 0;
  visit_events(*this, [&](const auto& events) { count = events.size(); });
  return count;
}

}  // namespace tapedeck::market
