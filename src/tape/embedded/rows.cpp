#include "tape/embedded/rows.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <unordered_map>

#include "base/check.hpp"
#include "tape/embedded/column.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Correction;
using market::Decimal;
using market::FeedMark;
using market::RawFrame;
using market::Record;

// Rows are taken apart and put together in pieces whose columns stay in the cache.
constexpr std::size_t kPiece = 1024;
using Piece = std::array<std::uint64_t, kPiece>;

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

constexpr std::array<std::int64_t, market::kScaleMax + 1> kPowersOfTen = [] {
  std::array<std::int64_t, market::kScaleMax + 1> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

std::unexpected<Error> corrupt(std::string what) {
  return fail(ErrorCode::kCorrupt, std::move(what));
}

// Columns that every kind of a series has, in this order; then decimals, extras, target, text.
enum CommonColumn {
  kLane,
  kEvent,
  kRecv,
  kConditions,
  kOrigin,
  kSeq,
  kPosition,
  kVenueSequence,
  kCommonColumns
};

template <class Event>
constexpr std::size_t kDecimals = RowSchema<Event>::kDecimals.size();
template <class Event>
constexpr std::size_t kColumns = kCommonColumns + kDecimals<Event> + RowSchema<Event>::kExtras;

// The power of ten (0, 3, 6 or 9) nanoseconds that divides every time it has seen: most venues
// stamp in milliseconds, and six zeros need not be stored.
class TimeUnit {
 public:
  void see(std::int64_t ns) {
    while (!divides(ns)) exponent_ -= 3;
  }
  std::uint8_t exponent() const { return exponent_; }

 private:
  bool divides(std::int64_t ns) const {
    switch (exponent_) {  // by constants: no division is left
      case 0:
        return true;
      case 3:
        return ns % 1'000 == 0;
      case 6:
        return ns % 1'000'000 == 0;
      default:
        return ns % 1'000'000'000 == 0;
    }
  }

  std::uint8_t exponent_ = 9;
};

std::int64_t divided(std::int64_t value, std::uint8_t exponent) {
  switch (exponent) {  // by constants, as above
    case 0:
      return value;
    case 3:
      return value / 1'000;
    case 6:
      return value / 1'000'000;
    default:
      return value / 1'000'000'000;
  }
}

std::optional<std::int64_t> multiplied(std::int64_t value, std::uint8_t exponent) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(value, kPowersOfTen[exponent], &product)) return std::nullopt;
  return product;
}

// ts_recv is written as the difference to the row before (frames carry several events) or to its
// own ts_event (a file without receive times), whichever is shorter.
enum class RecvForm : std::uint8_t { kToEvent = 0, kToLast = 1 };
// venue_sequence likewise: as the difference to the row's own seq (a venue whose ids are its order)
// or to the lane's last (none at all, or a count of its own).
enum class SequenceForm : std::uint8_t { kToSeq = 0, kToLast = 1 };

// Events of one series share a lane, with scales at which all their decimals are integers. One
// that does not fit those gets a lane of its own scales, and changes nothing for the others.
template <std::size_t N>
struct Lane {
  SeriesId series;
  std::array<std::uint8_t, N> scales{};
  // What its next event is written as a difference to.
  std::array<std::int64_t, N> last{};
  std::uint64_t seq = 0;
  std::uint64_t venue_sequence = 0;
  std::uint64_t origin = 0;  // by number
};

// Numbers values in the order of their first use.
class Numbering {
 public:
  std::uint64_t of(std::uint64_t value) {
    Recent& recent = recent_[(value * 0x9E37'79B9'7F4A'7C15u) >> 58];
    if (recent.known && recent.value == value) return recent.id;
    const auto [entry, added] = ids_.emplace(value, values_.size());
    if (added) values_.push_back(value);
    recent = {value, entry->second, true};
    return entry->second;
  }
  const std::vector<std::uint64_t>& values() const { return values_; }

 private:
  struct Recent {
    std::uint64_t value = 0;
    std::uint64_t id = 0;
    bool known = false;
  };
  std::array<Recent, 64> recent_{};
  std::unordered_map<std::uint64_t, std::uint64_t> ids_;
  std::vector<std::uint64_t> values_;
};

// Writes each decimal as an integer at its lane's scale; false where one does not fit.
template <class Event>
inline bool at_scales(const Event& event, const Lane<kDecimals<Event>>& lane,
                      std::array<std::int64_t, kDecimals<Event>>& out) {
  for (std::size_t d = 0; d < kDecimals<Event>; ++d) {
    const Decimal& value = event.*RowSchema<Event>::kDecimals[d].value;
    if (value.scale > lane.scales[d]) return false;
    const std::int64_t factor = kPowersOfTen[lane.scales[d] - value.scale];
    if (__builtin_mul_overflow(value.mantissa, factor, &out[d])) return false;
  }
  return true;
}

// Lanes of one block. The first lane of a series has its widest scales.
template <class Event>
class Lanes {
 public:
  static constexpr std::size_t kDecimalCount = kDecimals<Event>;

  // To be called with all events of the block before the first of() of one.
  void see(const Event& event) {
    Lane<kDecimalCount>& lane = lanes_[first_of(event.series)];
    for (std::size_t d = 0; d < kDecimalCount; ++d) {
      const std::uint8_t scale = (event.*RowSchema<Event>::kDecimals[d].value).scale;
      lane.scales[d] = std::max(lane.scales[d], scale);
    }
    widest_count_ = lanes_.size();
  }

  // The lane of an event, and its decimals there.
  std::uint64_t of(const Event& event, std::array<std::int64_t, kDecimalCount>& decimals) {
    const std::uint32_t first = by_series_[event.series.value];
    if (at_scales(event, lanes_[first], decimals)) return first;
    for (std::size_t i = widest_count_; i < lanes_.size(); ++i) {
      if (lanes_[i].series == event.series && at_scales(event, lanes_[i], decimals)) return i;
    }
    Lane<kDecimalCount> own{.series = event.series};
    for (std::size_t d = 0; d < kDecimalCount; ++d) {
      own.scales[d] = (event.*RowSchema<Event>::kDecimals[d].value).scale;
    }
    TD_CHECK(at_scales(event, own, decimals));
    lanes_.push_back(own);
    return lanes_.size() - 1;
  }

  std::vector<Lane<kDecimalCount>>& all() { return lanes_; }

 private:
  std::uint32_t first_of(SeriesId series) {
    if (by_series_.size() <= series.value) by_series_.resize(series.value + 1, kNone);
    std::uint32_t& lane = by_series_[series.value];
    if (lane == kNone) {
      lane = static_cast<std::uint32_t>(lanes_.size());
      lanes_.push_back({.series = series});
    }
    return lane;
  }

  std::vector<std::uint32_t> by_series_;  // by SeriesId
  std::vector<Lane<kDecimalCount>> lanes_;
  std::size_t widest_count_ = 0;
};

void put_texts(std::string& out, auto&& texts) {
  ColumnWriter lengths;
  std::string all;
  for (const auto& text : texts) {
    const std::uint64_t length = text.body.size();
    lengths.add({&length, 1});
    all += text.body;
  }
  lengths.finish(out);
  put_compressed(out, all);
}

// Cuts the texts of `count` events off `reader`; `set` takes each.
template <class F>
bool get_texts(WireReader& reader, std::uint32_t count, F&& set) {
  ColumnReader lengths(reader, count);
  const std::string all = get_compressed(reader, kBlockBytesMax);
  std::string_view rest = all;
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    std::uint64_t length = 0;
    lengths.read({&length, 1});
    if (length > rest.size()) return false;
    set(i, rest.substr(0, length));
    rest.remove_prefix(length);
  }
  return reader.ok() && lengths.complete() && rest.empty();
}

// Two tables that columns point into.
void put_tables(std::string& out, const Numbering& origins, const Numbering& conditions) {
  put_varint(out, origins.values().size());
  for (const std::uint64_t origin : origins.values()) put_varint(out, origin);
  put_varint(out, conditions.values().size());
  for (const std::uint64_t set : conditions.values()) put_fixed(out, set);
}

// The length of a table for `events`; its entries take at least `bytes_each`. A wrong one takes no
// memory. No table has more than two entries an event: two origins of a correction, or a lane of
// its own beside its series' first.
std::uint64_t get_count(WireReader& reader, std::uint32_t events, std::size_t bytes_each) {
  const std::uint64_t count = reader.varint();
  const bool fits = count <= reader.left() / bytes_each && count <= std::uint64_t{2} * events;
  return fits ? count : reader.spoil();
}

std::vector<OriginId> get_origins(WireReader& reader, std::uint32_t events, const SegmentIds& ids) {
  std::vector<OriginId> origins(get_count(reader, events, 1));
  for (OriginId& origin : origins) {
    const std::uint64_t local = reader.varint();
    if (local >= ids.origins.size()) {
      reader.spoil();
    } else {
      origin = ids.origins[local];
    }
  }
  return origins;
}

std::vector<std::uint64_t> get_conditions(WireReader& reader, std::uint32_t events) {
  std::vector<std::uint64_t> sets(get_count(reader, events, sizeof(std::uint64_t)));
  for (std::uint64_t& set : sets) set = reader.fixed<std::uint64_t>();
  return sets;
}

std::uint64_t zigzag_difference(std::uint64_t a, std::uint64_t b) {
  return zigzag(difference(a, b));
}

int bits(std::uint64_t value) { return 64 - std::countl_zero(value); }

// Calls `f(i)` for about a thousand rows from all over the block, never the first.
template <class F>
void for_sample(std::size_t rows, F&& f) {
  const std::size_t step = std::max<std::size_t>(1, rows / kPiece);
  for (std::size_t i = 1; i < rows; i += step) f(i);
}

template <class Event>
RecvForm shorter_recv_form(std::span<const Event> events, std::uint8_t to_event_unit,
                           std::uint8_t recv_unit) {
  std::int64_t to_event = 0;
  std::int64_t to_last = 0;
  for_sample(events.size(), [&](std::size_t i) {
    const std::int64_t recv = events[i].ts_recv.ns;
    to_event += bits(zigzag(
        difference(divided(recv, to_event_unit), divided(events[i].ts_event.ns, to_event_unit))));
    to_last += bits(
        zigzag(difference(divided(recv, recv_unit), divided(events[i - 1].ts_recv.ns, recv_unit))));
  });
  return to_last < to_event ? RecvForm::kToLast : RecvForm::kToEvent;
}

template <class Event>
SequenceForm shorter_sequence_form(std::span<const Event> events) {
  std::int64_t to_seq = 0;
  std::int64_t to_last = 0;
  for_sample(events.size(), [&](std::size_t i) {
    const std::uint64_t sequence = events[i].venue_sequence;
    to_seq += bits(zigzag_difference(sequence, events[i].identity.seq));
    to_last += bits(zigzag_difference(sequence, events[i - 1].venue_sequence));
  });
  return to_last < to_seq ? SequenceForm::kToLast : SequenceForm::kToSeq;
}

Decimal canonical(std::int64_t mantissa, std::uint8_t scale) {
  if (scale == 0 || mantissa % 10 != 0) return {mantissa, scale};
  return Decimal::make(mantissa, scale);
}

}  // namespace

template <class Event>
EncodedRows encode_rows(std::span<const Event> events, SegmentDictionary& dictionary) {
  using Schema = RowSchema<Event>;
  constexpr std::size_t kDecimalCount = kDecimals<Event>;
  EncodedRows encoded;
  // One pass learns all that the other needs: a block does not fit the cache.
  TimeUnit event_unit;
  TimeUnit recv_unit;
  Lanes<Event> lanes;
  for (const Event& event : events) {
    encoded.see(event.ts_event);
    event_unit.see(event.ts_event.ns);
    recv_unit.see(event.ts_recv.ns);
    lanes.see(event);
  }
  const std::uint8_t to_event_unit = std::min(event_unit.exponent(), recv_unit.exponent());
  const RecvForm recv_form = shorter_recv_form(events, to_event_unit, recv_unit.exponent());
  const std::uint8_t recv_exponent =
      recv_form == RecvForm::kToEvent ? to_event_unit : recv_unit.exponent();

  const SequenceForm sequence_form = shorter_sequence_form(events);

  for (const Lane<kDecimalCount>& lane : lanes.all()) dictionary.local(lane.series);
  Numbering conditions;
  Numbering origins;
  OriginId last_origin{};
  std::uint64_t last_origin_index = 0;
  std::array<ColumnWriter, kColumns<Event> + 1> columns;  // the last: origin of a target
  static thread_local std::array<Piece, kColumns<Event> + 1> pieces;
  std::int64_t last_event = 0;
  std::int64_t last_recv = 0;
  for (std::size_t from = 0; from < events.size(); from += kPiece) {
    const auto piece = events.subspan(from, std::min(kPiece, events.size() - from));
    for (std::size_t i = 0; i < piece.size(); ++i) {
      const Event& event = piece[i];
      std::array<std::int64_t, kDecimalCount> decimals{};
      const std::uint64_t lane_index = lanes.of(event, decimals);
      Lane<kDecimalCount>& lane = lanes.all()[lane_index];
      pieces[kLane][i] = lane_index;
      const std::int64_t at = divided(event.ts_event.ns, event_unit.exponent());
      pieces[kEvent][i] = zigzag(difference(at, last_event));
      last_event = at;
      const std::int64_t recv = divided(event.ts_recv.ns, recv_exponent);
      if (recv_form == RecvForm::kToEvent) {
        pieces[kRecv][i] = zigzag(difference(recv, divided(event.ts_event.ns, recv_exponent)));
      } else {
        pieces[kRecv][i] = zigzag(difference(recv, last_recv));
        last_recv = recv;
      }
      pieces[kConditions][i] = conditions.of(event.conditions);
      if (event.identity.origin != last_origin || origins.values().empty()) {
        last_origin = event.identity.origin;
        last_origin_index = origins.of(dictionary.local(last_origin));
      }
      pieces[kOrigin][i] = zigzag_difference(last_origin_index, lane.origin);
      lane.origin = last_origin_index;
      pieces[kSeq][i] = zigzag_difference(event.identity.seq, lane.seq);
      lane.seq = event.identity.seq;
      pieces[kPosition][i] = event.identity.position;
      pieces[kVenueSequence][i] = zigzag_difference(
          event.venue_sequence,
          sequence_form == SequenceForm::kToSeq ? event.identity.seq : lane.venue_sequence);
      lane.venue_sequence = event.venue_sequence;
      for (std::size_t d = 0; d < kDecimalCount; ++d) {
        pieces[kCommonColumns + d][i] = Schema::kDecimals[d].as_difference
                                            ? zigzag(difference(decimals[d], lane.last[d]))
                                            : static_cast<std::uint64_t>(decimals[d]);
        lane.last[d] = decimals[d];
      }
      for (std::size_t e = 0; e < Schema::kExtras; ++e) {
        pieces[kCommonColumns + kDecimalCount + e][i] = Schema::extra(event, e);
      }
      if constexpr (std::is_same_v<Event, Correction>) {
        pieces[kColumns<Event>][i] = origins.of(dictionary.local(event.target.origin));
      }
    }
    for (std::size_t c = 0; c < columns.size(); ++c) {
      columns[c].add(std::span(pieces[c]).first(piece.size()));
    }
  }

  std::string& out = encoded.payload;
  put_varint(out, lanes.all().size());
  for (const Lane<kDecimalCount>& lane : lanes.all()) {
    put_varint(out, dictionary.local(lane.series));
    for (const std::uint8_t scale : lane.scales) put_fixed(out, scale);
  }
  put_tables(out, origins, conditions);
  put_fixed(out, event_unit.exponent());
  put_fixed(out, static_cast<std::uint8_t>(recv_form));
  put_fixed(out, recv_exponent);
  put_fixed(out, static_cast<std::uint8_t>(sequence_form));
  for (std::size_t c = 0; c < kColumns<Event>; ++c) columns[c].finish(out);
  if constexpr (std::is_same_v<Event, Correction>) columns.back().finish(out);
  if constexpr (std::is_same_v<Event, Record>) put_texts(out, events);
  return encoded;
}

template <class Event>
Status decode_rows(std::string_view payload, std::uint32_t count, const SegmentIds& ids,
                   std::vector<Event>& out) {
  using Schema = RowSchema<Event>;
  constexpr std::size_t kDecimalCount = kDecimals<Event>;
  if (count > kBlockEventsMax) return corrupt("a block holds more events than a block can");
  WireReader reader(payload);
  std::vector<Lane<kDecimalCount>> lanes(get_count(reader, count, 1 + kDecimalCount));
  for (Lane<kDecimalCount>& lane : lanes) {
    const std::uint64_t series = reader.varint();
    for (std::uint8_t& scale : lane.scales) {
      scale = reader.fixed<std::uint8_t>();
      if (scale > market::kScaleMax) reader.spoil();
    }
    if (series >= ids.series.size()) {
      reader.spoil();
    } else {
      lane.series = ids.series[series];
    }
  }
  const std::vector<OriginId> origins = get_origins(reader, count, ids);
  const std::vector<std::uint64_t> conditions = get_conditions(reader, count);
  const auto event_exponent = reader.fixed<std::uint8_t>();
  const auto recv_form = reader.fixed<std::uint8_t>();
  const auto recv_exponent = reader.fixed<std::uint8_t>();
  const auto sequence_form = reader.fixed<std::uint8_t>();
  if (!reader.ok() || event_exponent > 9 || recv_form > 1 || recv_exponent > 9 ||
      sequence_form > 1) {
    return corrupt("a block's tables name what there is not");
  }
  const bool to_seq = sequence_form == static_cast<std::uint8_t>(SequenceForm::kToSeq);
  std::vector<ColumnReader> columns;
  constexpr std::size_t kAll = kColumns<Event> + (std::is_same_v<Event, Correction> ? 1 : 0);
  columns.reserve(kAll);
  for (std::size_t c = 0; c < kAll; ++c) columns.emplace_back(reader, count);
  if (!reader.ok()) return corrupt("a block's columns do not fit");

  static thread_local std::array<Piece, kColumns<Event> + 1> pieces;
  const std::size_t before = out.size();
  out.reserve(before + count);
  std::int64_t last_event = 0;
  std::int64_t last_recv = 0;
  for (std::size_t from = 0; from < count; from += kPiece) {
    // Piece by piece: what resize() has cleared is still in the cache when it is filled.
    out.resize(before + std::min<std::size_t>(from + kPiece, count));
    const auto piece = std::span(out).subspan(before + from);
    ColumnReader::read_each<kPiece>(columns, pieces, piece.size());
    for (std::size_t i = 0; i < piece.size(); ++i) {
      Event& event = piece[i];
      if (pieces[kLane][i] >= lanes.size() || pieces[kConditions][i] >= conditions.size()) {
        return corrupt("a block's row points outside of its tables");
      }
      Lane<kDecimalCount>& lane = lanes[pieces[kLane][i]];
      lane.origin = advance(lane.origin, unzigzag(pieces[kOrigin][i]));
      if (lane.origin >= origins.size()) {
        return corrupt("a block's row points outside of its tables");
      }
      event.series = lane.series;
      last_event = advance(last_event, unzigzag(pieces[kEvent][i]));
      const auto at = multiplied(last_event, event_exponent);
      std::int64_t recv = unzigzag(pieces[kRecv][i]);
      if (recv_form == static_cast<std::uint8_t>(RecvForm::kToEvent)) {
        recv = advance(divided(at.value_or(0), recv_exponent), recv);
      } else {
        last_recv = recv = advance(last_recv, recv);
      }
      const auto received = multiplied(recv, recv_exponent);
      if (!at || !received) return corrupt("a block holds a time beyond 64 bits");
      event.ts_event = {*at};
      event.ts_recv = {*received};
      event.conditions = conditions[pieces[kConditions][i]];
      lane.seq = advance(lane.seq, unzigzag(pieces[kSeq][i]));
      event.identity = {origins[lane.origin], lane.seq, pieces[kPosition][i]};
      lane.venue_sequence =
          advance(to_seq ? lane.seq : lane.venue_sequence, unzigzag(pieces[kVenueSequence][i]));
      event.venue_sequence = lane.venue_sequence;
      for (std::size_t d = 0; d < kDecimalCount; ++d) {
        const std::uint64_t value = pieces[kCommonColumns + d][i];
        lane.last[d] = Schema::kDecimals[d].as_difference ? advance(lane.last[d], unzigzag(value))
                                                          : static_cast<std::int64_t>(value);
        event.*Schema::kDecimals[d].value = canonical(lane.last[d], lane.scales[d]);
      }
      for (std::size_t e = 0; e < Schema::kExtras; ++e) {
        if (!Schema::set_extra(event, e, pieces[kCommonColumns + kDecimalCount + e][i])) {
          return corrupt("a block holds a value that its column cannot have");
        }
      }
      if constexpr (std::is_same_v<Event, Correction>) {
        if (pieces[kColumns<Event>][i] >= origins.size()) {
          return corrupt("a block's row points outside of its tables");
        }
        event.target.origin = origins[pieces[kColumns<Event>][i]];
      }
    }
  }
  bool complete = std::ranges::all_of(columns, &ColumnReader::complete);
  if constexpr (std::is_same_v<Event, Record>) {
    complete = complete && get_texts(reader, count, [&](std::uint32_t i, std::string_view text) {
                 out[before + i].body = text;
               });
  }
  if (!complete || !reader.ok() || !reader.at_end()) {
    return corrupt("a block's columns do not match");
  }
  return {};
}

EncodedRows encode_rows(std::span<const FeedMark> marks, SegmentDictionary&) {
  EncodedRows encoded;
  std::string& out = encoded.payload;
  for (const FeedMark& mark : marks) {
    encoded.see(mark.ts_recv);
    put_text(out, mark.feed);
    put_fixed(out, static_cast<std::uint8_t>(mark.state));
    put_fixed(out, mark.ts_recv.ns);
  }
  return encoded;
}

Status decode_rows(std::string_view payload, std::uint32_t count, const SegmentIds&,
                   std::vector<FeedMark>& out) {
  WireReader reader(payload);
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    FeedMark mark;
    mark.feed = reader.text();
    const auto state = reader.fixed<std::uint8_t>();
    mark.ts_recv = {reader.fixed<std::int64_t>()};
    if (state > 2) return corrupt("a status block holds an unknown state");
    mark.state = static_cast<market::FeedState>(state);
    out.push_back(std::move(mark));
  }
  if (!reader.ok() || !reader.at_end()) return corrupt("a status block's rows do not match");
  return {};
}

EncodedRows encode_rows(std::span<const RawFrame> frames, SegmentDictionary& dictionary) {
  EncodedRows encoded;
  Numbering origins;
  std::array<ColumnWriter, 4> columns;
  std::int64_t last_recv = 0;
  std::uint64_t last_seq = 0;
  for (const RawFrame& frame : frames) {
    encoded.see(frame.ts_recv);
    const std::array<std::uint64_t, 4> row{zigzag(difference(frame.ts_recv.ns, last_recv)),
                                           origins.of(dictionary.local(frame.identity.origin)),
                                           zigzag_difference(frame.identity.seq, last_seq),
                                           frame.identity.position};
    for (std::size_t c = 0; c < row.size(); ++c) columns[c].add({&row[c], 1});
    last_recv = frame.ts_recv.ns;
    last_seq = frame.identity.seq;
  }
  std::string& out = encoded.payload;
  put_tables(out, origins, {});
  for (ColumnWriter& column : columns) column.finish(out);
  put_texts(out, frames);
  return encoded;
}

Status decode_rows(std::string_view payload, std::uint32_t count, const SegmentIds& ids,
                   std::vector<RawFrame>& out) {
  if (count > kBlockEventsMax) return corrupt("a block holds more events than a block can");
  WireReader reader(payload);
  const std::vector<OriginId> origins = get_origins(reader, count, ids);
  get_conditions(reader, count);
  std::vector<ColumnReader> columns;
  for (int c = 0; c < 4; ++c) columns.emplace_back(reader, count);
  if (!reader.ok()) return corrupt("a raw frame block's columns do not fit");
  const std::size_t before = out.size();
  std::int64_t last_recv = 0;
  std::uint64_t last_seq = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::array<std::uint64_t, 4> row{};
    for (std::size_t c = 0; c < row.size(); ++c) columns[c].read({&row[c], 1});
    if (row[1] >= origins.size()) return corrupt("a raw frame block names an unknown origin");
    last_recv = advance(last_recv, unzigzag(row[0]));
    last_seq = advance(last_seq, unzigzag(row[2]));
    out.push_back({.ts_recv = {last_recv}, .identity = {origins[row[1]], last_seq, row[3]}});
  }
  const bool texts = get_texts(
      reader, count, [&](std::uint32_t i, std::string_view text) { out[before + i].body = text; });
  if (!texts || !std::ranges::all_of(columns, &ColumnReader::complete) || !reader.at_end()) {
    return corrupt("a raw frame block's columns do not match");
  }
  return {};
}

#define TD_ROWS(Event)                                                            \
  template EncodedRows encode_rows(std::span<const Event>, SegmentDictionary&);   \
  template Status decode_rows(std::string_view, std::uint32_t, const SegmentIds&, \
                              std::vector<Event>&)
TD_ROWS(market::Trade);
TD_ROWS(market::Quote);
TD_ROWS(market::PriceTick);
TD_ROWS(market::VendorBar);
TD_ROWS(market::Correction);
TD_ROWS(market::Record);
#undef TD_ROWS

}  // namespace tapedeck::tape::embedded
