#include "tape/embedded/block.hpp"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "base/check.hpp"
#include "base/crc32c.hpp"
#include "base/wide.hpp"
#include "tape/embedded/wire.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Decimal;
using market::FeedMark;
using market::StreamKind;
using market::Trade;

constexpr std::uint32_t kBlockMagic = 0x4B424454;  // "TDBK"
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr int kZstdLevel = 1;

enum class EntryType : std::uint8_t { kSeries = 1, kOrigin = 2 };

std::unexpected<Error> corrupt(std::string what) {
  return fail(ErrorCode::kCorrupt, std::move(what));
}

// `value` in units of 10^-scale, if int64 holds it.
std::optional<std::int64_t> mantissa_at(const Decimal& value, int scale) {
  Int128 wide = value.mantissa;
  for (int i = value.scale; i < scale; ++i) wide *= 10;
  if (wide > std::numeric_limits<std::int64_t>::max() ||
      wide < std::numeric_limits<std::int64_t>::min()) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(wide);
}

// Trades of one series share a lane, with scales at which all their values are integers. A trade
// that does not fit those gets a lane of its own scales, and changes nothing for the others.
struct Lane {
  std::uint32_t series = 0;  // local id
  std::uint8_t price_scale = 0;
  std::uint8_t size_scale = 0;
  auto operator<=>(const Lane&) const = default;
};

// What the next trade of a lane is written as a difference to.
struct LaneState {
  std::int64_t price = 0;
  std::uint64_t seq = 0;
};

enum Column {
  kLane,
  kEvent,
  kRecv,
  kSide,
  kConditions,
  kPrice,
  kSize,
  kOrigin,
  kSeq,
  kPosition,
  kVenueSequence,
  kColumns
};

template <class Value>
class Numbering {
 public:
  std::uint64_t of(const Value& value) {
    const auto [entry, added] = ids_.emplace(value, values_.size());
    if (added) values_.push_back(value);
    return entry->second;
  }
  const std::vector<Value>& values() const { return values_; }

 private:
  std::map<Value, std::uint64_t> ids_;
  std::vector<Value> values_;
};

}  // namespace

std::optional<BlockHeader> read_block_header(std::string_view bytes) {
  if (bytes.size() < kBlockHeaderBytes) return std::nullopt;
  const char* p = bytes.data();
  if (get_fixed<std::uint32_t>(p) != kBlockMagic) return std::nullopt;
  if (get_fixed<std::uint32_t>(p + 60) != crc32c(bytes.substr(0, 60))) return std::nullopt;
  BlockHeader header;
  header.kind = static_cast<StreamKind>(p[4]);
  header.version = static_cast<std::uint8_t>(p[5]);
  header.codec = static_cast<std::uint8_t>(p[6]);
  header.stored_bytes = get_fixed<std::uint32_t>(p + 8);
  header.raw_bytes = get_fixed<std::uint32_t>(p + 12);
  header.count = get_fixed<std::uint32_t>(p + 16);
  header.payload_crc = get_fixed<std::uint32_t>(p + 20);
  header.first = Offset(get_fixed<std::uint64_t>(p + 24));
  header.ts_event_min = {get_fixed<std::int64_t>(p + 32)};
  header.ts_event_max = {get_fixed<std::int64_t>(p + 40)};
  header.commit_position = get_fixed<std::uint64_t>(p + 48);
  if (header.stored_bytes > kBlockRawBytesMax || header.raw_bytes > kBlockRawBytesMax) {
    return std::nullopt;
  }
  return header;
}

std::uint32_t SegmentDictionary::local(SeriesId id) {
  if (series_.size() <= id.value) series_.resize(id.value + 1, kNone);
  std::uint32_t& local_id = series_[id.value];
  if (local_id == kNone) {
    local_id = series_count_++;
    const market::Series& series = catalog_->series(id);
    put_fixed(new_entries_, static_cast<std::uint8_t>(EntryType::kSeries));
    put_text(new_entries_, series.key.venue);
    put_text(new_entries_, series.key.channel);
    put_text(new_entries_, series.key.instrument);
    put_fixed(new_entries_, static_cast<std::uint8_t>(series.order));
    put_text(new_entries_, series.calendar);
    put_text(new_entries_, series.conditions);
  }
  return local_id;
}

std::uint32_t SegmentDictionary::local(OriginId id) {
  if (origins_.size() <= id.value) origins_.resize(id.value + 1, kNone);
  std::uint32_t& local_id = origins_[id.value];
  if (local_id == kNone) {
    local_id = origin_count_++;
    const market::Origin& origin = catalog_->origin(id);
    put_fixed(new_entries_, static_cast<std::uint8_t>(EntryType::kOrigin));
    put_fixed(new_entries_, static_cast<std::uint8_t>(origin.kind));
    put_text(new_entries_, origin.key);
    put_fixed(new_entries_, origin.first.ns);
    put_fixed(new_entries_, static_cast<std::uint8_t>(origin.recv_assumed));
  }
  return local_id;
}

std::string SegmentDictionary::take_new_entries() { return std::exchange(new_entries_, {}); }

void SegmentDictionary::restore(const SegmentIds& ids) {
  const auto index = [](auto& table, const auto& by_local) {
    for (std::uint32_t i = 0; i < by_local.size(); ++i) {
      if (table.size() <= by_local[i].value) table.resize(by_local[i].value + 1, kNone);
      table[by_local[i].value] = i;
    }
  };
  index(series_, ids.series);
  index(origins_, ids.origins);
  series_count_ = static_cast<std::uint32_t>(ids.series.size());
  origin_count_ = static_cast<std::uint32_t>(ids.origins.size());
}

std::string encode_trades(std::span<const Trade> trades, SegmentDictionary& dictionary) {
  std::unordered_map<SeriesId, Lane> widest;
  for (const Trade& trade : trades) {
    Lane& lane = widest[trade.series];
    lane.price_scale = std::max(lane.price_scale, trade.price.scale);
    lane.size_scale = std::max(lane.size_scale, trade.size.scale);
  }
  for (auto& [series, lane] : widest) lane.series = dictionary.local(series);

  Numbering<Lane> lanes;
  Numbering<std::uint64_t> condition_sets;
  Numbering<std::uint32_t> origins;
  std::vector<LaneState> states;
  std::array<std::string, kColumns> columns;
  std::int64_t last_event = 0;
  for (const Trade& trade : trades) {
    Lane lane = widest.at(trade.series);
    auto price = mantissa_at(trade.price, lane.price_scale);
    auto size = mantissa_at(trade.size, lane.size_scale);
    if (!price || !size) {
      lane.price_scale = trade.price.scale;
      lane.size_scale = trade.size.scale;
      price = trade.price.mantissa;
      size = trade.size.mantissa;
    }
    const std::uint64_t lane_index = lanes.of(lane);
    if (states.size() <= lane_index) states.resize(lane_index + 1);
    LaneState& state = states[lane_index];
    put_varint(columns[kLane], lane_index);
    put_varint(columns[kEvent], zigzag(difference(trade.ts_event.ns, last_event)));
    put_varint(columns[kRecv], zigzag(difference(trade.ts_recv.ns, trade.ts_event.ns)));
    columns[kSide] += static_cast<char>(trade.side);
    put_varint(columns[kConditions], condition_sets.of(trade.conditions));
    put_varint(columns[kPrice], zigzag(difference(*price, state.price)));
    put_varint(columns[kSize], zigzag(*size));
    put_varint(columns[kOrigin], origins.of(dictionary.local(trade.identity.origin)));
    put_varint(columns[kSeq], zigzag(difference(trade.identity.seq, state.seq)));
    put_varint(columns[kPosition], trade.identity.position);
    put_varint(columns[kVenueSequence],
               zigzag(difference(trade.venue_sequence, trade.identity.seq)));
    last_event = trade.ts_event.ns;
    state.price = *price;
    state.seq = trade.identity.seq;
  }

  std::string out;
  put_varint(out, lanes.values().size());
  for (const Lane& lane : lanes.values()) {
    put_varint(out, lane.series);
    put_fixed(out, lane.price_scale);
    put_fixed(out, lane.size_scale);
  }
  put_varint(out, condition_sets.values().size());
  for (const std::uint64_t conditions : condition_sets.values()) put_fixed(out, conditions);
  put_varint(out, origins.values().size());
  for (const std::uint32_t origin : origins.values()) put_varint(out, origin);
  for (const std::string& column : columns) put_text(out, column);
  return out;
}

Status decode_trades(std::string_view raw, std::uint32_t count, const SegmentIds& ids,
                     std::vector<Trade>& out) {
  WireReader reader(raw);
  // Each entry takes at least a byte, so a count beyond the bytes is caught before memory is taken.
  const auto counted = [&] {
    const std::uint64_t n = reader.varint();
    return n <= raw.size() ? n : reader.bytes(raw.size() + 1).size();
  };
  std::vector<Lane> lanes(counted());
  for (Lane& lane : lanes) {
    lane.series = static_cast<std::uint32_t>(reader.varint());
    lane.price_scale = reader.fixed<std::uint8_t>();
    lane.size_scale = reader.fixed<std::uint8_t>();
    if (lane.series >= ids.series.size() || lane.price_scale > market::kScaleMax ||
        lane.size_scale > market::kScaleMax) {
      return corrupt("a trade block names a series or a scale that there is not");
    }
  }
  std::vector<std::uint64_t> condition_sets(counted());
  for (std::uint64_t& conditions : condition_sets) conditions = reader.fixed<std::uint64_t>();
  std::vector<std::uint64_t> origins(counted());
  for (std::uint64_t& origin : origins) {
    origin = reader.varint();
    if (origin >= ids.origins.size()) return corrupt("a trade block names an unknown origin");
  }
  std::array<WireReader, kColumns> columns = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<WireReader, kColumns>{((void)I, WireReader(reader.text()))...};
  }(std::make_index_sequence<kColumns>{});
  if (!reader.ok() || !reader.at_end()) return corrupt("a trade block's columns do not fit");

  std::vector<LaneState> states(lanes.size());
  std::int64_t last_event = 0;
  out.reserve(out.size() + count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t lane_index = columns[kLane].varint();
    const std::uint64_t condition_index = columns[kConditions].varint();
    const std::uint64_t origin_index = columns[kOrigin].varint();
    const std::string_view side = columns[kSide].bytes(1);
    if (lane_index >= lanes.size() || condition_index >= condition_sets.size() ||
        origin_index >= origins.size() || side.empty() || side[0] < 0 || side[0] > 2) {
      return corrupt("a trade block's row points outside of its tables");
    }
    const Lane& lane = lanes[lane_index];
    LaneState& state = states[lane_index];
    Trade& trade = out.emplace_back();
    trade.series = ids.series[lane.series];
    trade.side = static_cast<market::Side>(side[0]);
    trade.conditions = condition_sets[condition_index];
    last_event = advance(last_event, columns[kEvent].signed_varint());
    trade.ts_event = {last_event};
    trade.ts_recv = {advance(last_event, columns[kRecv].signed_varint())};
    state.price = advance(state.price, columns[kPrice].signed_varint());
    trade.price = Decimal::make(state.price, lane.price_scale);
    trade.size = Decimal::make(columns[kSize].signed_varint(), lane.size_scale);
    state.seq = advance(state.seq, columns[kSeq].signed_varint());
    trade.identity = {ids.origins[origins[origin_index]], state.seq, columns[kPosition].varint()};
    trade.venue_sequence = advance(state.seq, columns[kVenueSequence].signed_varint());
  }
  for (const WireReader& column : columns) {
    if (!column.ok() || !column.at_end()) return corrupt("a trade block's columns do not match");
  }
  return {};
}

std::string encode_marks(std::span<const FeedMark> marks) {
  std::string out;
  for (const FeedMark& mark : marks) {
    put_text(out, mark.feed);
    put_fixed(out, static_cast<std::uint8_t>(mark.state));
    put_fixed(out, mark.ts_recv.ns);
  }
  return out;
}

Status decode_marks(std::string_view raw, std::uint32_t count, std::vector<FeedMark>& out) {
  WireReader reader(raw);
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

Status decode_dictionary(std::string_view raw, market::Catalog& catalog, SegmentIds& ids) {
  WireReader reader(raw);
  while (reader.ok() && !reader.at_end()) {
    const auto type = reader.fixed<std::uint8_t>();
    if (type == static_cast<std::uint8_t>(EntryType::kSeries)) {
      market::Series series;
      series.key.venue = reader.text();
      series.key.channel = reader.text();
      series.key.instrument = reader.text();
      const auto order = reader.fixed<std::uint8_t>();
      series.calendar = reader.text();
      series.conditions = reader.text();
      if (!reader.ok() || order > 1) return corrupt("a dictionary block holds a broken series");
      series.order = static_cast<market::TradeOrder>(order);
      ids.series.push_back(catalog.intern(series));
    } else if (type == static_cast<std::uint8_t>(EntryType::kOrigin)) {
      market::Origin origin;
      const auto kind = reader.fixed<std::uint8_t>();
      origin.key = reader.text();
      origin.first = {reader.fixed<std::int64_t>()};
      origin.recv_assumed = reader.fixed<std::uint8_t>() != 0;
      if (!reader.ok() || kind > 3) return corrupt("a dictionary block holds a broken origin");
      origin.kind = static_cast<market::OriginKind>(kind);
      ids.origins.push_back(catalog.intern(origin));
    } else {
      return corrupt("a dictionary block holds an entry of an unknown type");
    }
  }
  if (!reader.ok()) return corrupt("a dictionary block ends in the middle of an entry");
  return {};
}

void write_block(std::string& out, BlockHeader header, std::string_view payload) {
  TD_CHECK(payload.size() <= kBlockRawBytesMax);
  static thread_local std::string compressed;
  compressed.resize(ZSTD_compressBound(payload.size()));
  const std::size_t size = ZSTD_compress(compressed.data(), compressed.size(), payload.data(),
                                         payload.size(), kZstdLevel);
  header.codec = !ZSTD_isError(size) && size < payload.size() ? 1 : 0;
  const std::string_view stored =
      header.codec == 1 ? std::string_view(compressed.data(), size) : payload;
  header.raw_bytes = static_cast<std::uint32_t>(payload.size());
  header.stored_bytes = static_cast<std::uint32_t>(stored.size());
  header.payload_crc = crc32c(stored);

  const std::size_t start = out.size();
  put_fixed(out, kBlockMagic);
  put_fixed(out, static_cast<std::uint8_t>(header.kind));
  put_fixed(out, header.version);
  put_fixed(out, header.codec);
  put_fixed(out, std::uint8_t{0});
  put_fixed(out, header.stored_bytes);
  put_fixed(out, header.raw_bytes);
  put_fixed(out, header.count);
  put_fixed(out, header.payload_crc);
  put_fixed(out, header.first.value);
  put_fixed(out, header.ts_event_min.ns);
  put_fixed(out, header.ts_event_max.ns);
  put_fixed(out, header.commit_position);
  out.append(4, '\0');
  put_fixed(out, crc32c(std::string_view(out).substr(start, 60)));
  TD_CHECK(out.size() - start == kBlockHeaderBytes);
  out += stored;
}

Result<std::string> read_payload(const BlockHeader& header, std::string_view stored) {
  if (stored.size() != header.stored_bytes || crc32c(stored) != header.payload_crc) {
    return corrupt("a block's payload does not match its checksum");
  }
  if (header.codec == 0) return std::string(stored);
  if (header.codec != 1) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("a block is compressed by method {}, which this release does not know",
                            header.codec));
  }
  std::string raw(header.raw_bytes, '\0');
  const std::size_t size = ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size());
  if (ZSTD_isError(size) || size != raw.size()) {
    return corrupt("a block's payload does not decompress to its stated size");
  }
  return raw;
}

}  // namespace tapedeck::tape::embedded
