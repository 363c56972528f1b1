// src/tape/embedded/rows.hpp: events of one kind as the columns of a block, and back. One encoder
// for all kinds that belong to a series; what differs is in RowSchema.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tape/embedded/block.hpp"

namespace tapedeck::tape::embedded {

template <class Event>
struct RowSchema;

// A decimal of an event. A price is written as the difference to the lane's last, a size as it is
// (few are negative: those take ten bytes).
template <class Event>
struct DecimalField {
  market::Decimal Event::* value;
  bool as_difference;
};

template <>
struct RowSchema<market::Trade> {
  static constexpr std::array<DecimalField<market::Trade>, 2> kDecimals{
      {{&market::Trade::price, true}, {&market::Trade::size, false}}};
  static constexpr std::size_t kExtras = 1;
  static std::uint64_t extra(const market::Trade& trade, std::size_t) {
    return static_cast<std::uint64_t>(trade.side);
  }
  static bool set_extra(market::Trade& trade, std::size_t, std::uint64_t value) {
    trade.side = static_cast<market::Side>(value);
    return value <= 2;
  }
};

template <>
struct RowSchema<market::Quote> {
  static constexpr std::array<DecimalField<market::Quote>, 4> kDecimals{
      {{&market::Quote::bid, true},
       {&market::Quote::bid_size, false},
       {&market::Quote::ask, true},
       {&market::Quote::ask_size, false}}};
  static constexpr std::size_t kExtras = 0;
  static std::uint64_t extra(const market::Quote&, std::size_t) { return 0; }
  static bool set_extra(market::Quote&, std::size_t, std::uint64_t) { return true; }
};

template <>
struct RowSchema<market::PriceTick> {
  static constexpr std::array<DecimalField<market::PriceTick>, 1> kDecimals{
      {{&market::PriceTick::price, true}}};
  static constexpr std::size_t kExtras = 0;
  static std::uint64_t extra(const market::PriceTick&, std::size_t) { return 0; }
  static bool set_extra(market::PriceTick&, std::size_t, std::uint64_t) { return true; }
};

template <>
struct RowSchema<market::VendorBar> {
  static constexpr std::array<DecimalField<market::VendorBar>, 5> kDecimals{
      {{&market::VendorBar::open, true},
       {&market::VendorBar::high, true},
       {&market::VendorBar::low, true},
       {&market::VendorBar::close, true},
       {&market::VendorBar::volume, false}}};
  static constexpr std::size_t kExtras = 2;
  static std::uint64_t extra(const market::VendorBar& bar, std::size_t which) {
    return which == 0 ? static_cast<std::uint64_t>(bar.interval.ns)
                      : static_cast<std::uint64_t>(bar.adjusted);
  }
  static bool set_extra(market::VendorBar& bar, std::size_t which, std::uint64_t value) {
    if (which == 0) {
      bar.interval = {static_cast<std::int64_t>(value)};
      return true;
    }
    bar.adjusted = static_cast<market::Adjusted>(value);
    return value <= 2;
  }
};

template <>
struct RowSchema<market::Correction> {
  static constexpr std::array<DecimalField<market::Correction>, 2> kDecimals{
      {{&market::Correction::price, true}, {&market::Correction::size, false}}};
  static constexpr std::size_t kExtras = 4;
  static std::uint64_t extra(const market::Correction& correction, std::size_t which) {
    switch (which) {
      case 0:
        return static_cast<std::uint64_t>(correction.kind);
      case 1:
        return static_cast<std::uint64_t>(correction.side);
      case 2:
        return correction.target.seq;
      default:
        return correction.target.position;
    }
  }
  static bool set_extra(market::Correction& correction, std::size_t which, std::uint64_t value) {
    switch (which) {
      case 0:
        correction.kind = static_cast<market::CorrectionKind>(value);
        return value <= 1;
      case 1:
        correction.side = static_cast<market::Side>(value);
        return value <= 2;
      case 2:
        correction.target.seq = value;
        return true;
      default:
        correction.target.position = value;
        return true;
    }
  }
};

template <>
struct RowSchema<market::Record> {
  static constexpr std::array<DecimalField<market::Record>, 0> kDecimals{};
  static constexpr std::size_t kExtras = 0;
  static std::uint64_t extra(const market::Record&, std::size_t) { return 0; }
  static bool set_extra(market::Record&, std::size_t, std::uint64_t) { return true; }
};

struct EncodedRows {
  std::string payload;
  // Of the times by which the events are found: ts_event; ts_recv of marks and frames.
  Timestamp min{std::numeric_limits<std::int64_t>::max()};
  Timestamp max{std::numeric_limits<std::int64_t>::min()};

  void see(Timestamp t) {
    min = std::min(min, t);
    max = std::max(max, t);
  }
};

// A block of these events. May add to `dictionary`, whose new entries must be written before the
// block. At least one event.
template <class Event>
EncodedRows encode_rows(std::span<const Event> events, SegmentDictionary& dictionary);
EncodedRows encode_rows(std::span<const market::FeedMark> marks, SegmentDictionary& dictionary);
EncodedRows encode_rows(std::span<const market::RawFrame> frames, SegmentDictionary& dictionary);

// Appends `count` events to `out`. Errors: kCorrupt.
template <class Event>
Status decode_rows(std::string_view payload, std::uint32_t count, const SegmentIds& ids,
                   std::vector<Event>& out);
Status decode_rows(std::string_view payload, std::uint32_t count, const SegmentIds& ids,
                   std::vector<market::FeedMark>& out);
Status decode_rows(std::string_view payload, std::uint32_t count, const SegmentIds& ids,
                   std::vector<market::RawFrame>& out);

}  // namespace tapedeck::tape::embedded
