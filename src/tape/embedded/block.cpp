#include "tape/embedded/block.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.hpp"
#include "base/crc32c.hpp"
#include "base/wire.hpp"
#include "tape/embedded/column.hpp"
#include "tape/embedded/rows.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Batch;
using market::StreamKind;

constexpr std::uint32_t kBlockMagic = 0x4B424454;  // "TDBK"
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint8_t kVersion = 1;  // of every payload that this release writes

enum class EntryType : std::uint8_t { kSeries = 1, kOrigin = 2 };

std::unexpected<Error> corrupt(std::string what) {
  return fail(ErrorCode::kCorrupt, std::move(what));
}

void put_entry(std::string& out, const market::Series& series) {
  put_fixed(out, static_cast<std::uint8_t>(EntryType::kSeries));
  market::put_series(out, series);
}

void put_entry(std::string& out, const market::Origin& origin) {
  put_fixed(out, static_cast<std::uint8_t>(EntryType::kOrigin));
  market::put_origin(out, origin);
}

EncodedRows encode_slice(const Slice& slice, SegmentDictionary& dictionary) {
  EncodedRows rows;
  visit_events(*slice.batch, [&](const auto& events) {
    rows = encode_rows(std::span(events).subspan(slice.from, slice.count), dictionary);
  });
  return rows;
}

// Events of several kinds: each kind's events together, then the order of the runs.
EncodedRows encode_mixed(std::span<const Slice> slices, SegmentDictionary& dictionary) {
  std::vector<Batch> parts;  // by kind, in the order of first use
  std::string runs;
  for (const Slice& slice : slices) {
    const StreamKind kind = slice.batch->kind;
    auto part = std::ranges::find(parts, kind, &Batch::kind);
    if (part == parts.end()) part = parts.insert(part, Batch{.kind = kind});
    visit_events(*part, [&](auto& into) {
      visit_events(*slice.batch, [&](const auto& events) {
        if constexpr (std::is_same_v<decltype(into), std::remove_cvref_t<decltype(events)>&>) {
          const auto begin = events.begin() + static_cast<std::ptrdiff_t>(slice.from);
          into.insert(into.end(), begin, begin + static_cast<std::ptrdiff_t>(slice.count));
        }
      });
    });
    put_varint(runs, static_cast<std::uint64_t>(part - parts.begin()));
    put_varint(runs, slice.count);
  }
  EncodedRows encoded;
  std::string& payload = encoded.payload;
  put_varint(payload, parts.size());
  for (const Batch& part : parts) {
    put_fixed(payload, static_cast<std::uint8_t>(part.kind));
    put_fixed(payload, kVersion);
    put_varint(payload, part.size());
    const EncodedRows rows = encode_slice({&part, 0, part.size()}, dictionary);
    encoded.see(rows.min);
    encoded.see(rows.max);
    put_text(payload, rows.payload);
  }
  put_compressed(payload, runs);
  return encoded;
}

bool is_known(StreamKind kind, std::uint8_t version) {
  return version == kVersion && kind >= StreamKind::kTrade && kind <= StreamKind::kRawFrame;
}

// Events take offsets, and nothing else does. Kinds that this release does not know may hold any
// number of them.
bool is_possible(const BlockHeader& header) {
  switch (header.kind) {
    case StreamKind::kDictionary:
    case StreamKind::kIndex:
    case StreamKind::kIdentities:
      return header.count == 0;
    default:
      break;
  }
  const bool known = is_known(header.kind, header.version) ||
                     (header.kind == StreamKind::kMixed && header.version == kVersion);
  return !known || (header.count > 0 && header.count <= kBlockEventsMax);
}

// `out` has the kind already.
Status decode_part(std::string_view payload, std::uint32_t count, const SegmentIds& ids,
                   Batch& out) {
  Status status;
  visit_events(out, [&](auto& events) { status = decode_rows(payload, count, ids, events); });
  return status;
}

Status decode_mixed(const BlockHeader& header, std::string_view payload, const SegmentIds& ids,
                    std::vector<Batch>& out) {
  struct Part {
    Batch events;
    bool known = false;
    std::size_t used = 0;
    std::uint64_t count = 0;
  };
  if (header.count > kBlockEventsMax) {
    return corrupt("a block holds more events than a block can");
  }
  WireReader reader(payload);
  std::vector<Part> parts;
  std::uint64_t events = 0;
  const std::uint64_t part_count = reader.varint();
  for (std::uint64_t i = 0; i < part_count && reader.ok(); ++i) {
    Part& part = parts.emplace_back();
    part.events.kind = static_cast<StreamKind>(reader.fixed<std::uint8_t>());
    const auto version = reader.fixed<std::uint8_t>();
    part.count = reader.varint();
    const std::string_view rows = reader.text();
    part.known = is_known(part.events.kind, version);
    // Checked before anything is decoded: a few bytes can claim many events.
    if (!reader.ok() || part.count == 0 || part.count > header.count - events) {
      return corrupt("a mixed block's parts are cut");
    }
    events += part.count;
    if (part.known) {
      TD_TRY(decode_part(rows, static_cast<std::uint32_t>(part.count), ids, part.events));
    }
  }
  constexpr std::uint64_t kRunBytesMax = 20;
  const std::string runs = get_compressed(reader, header.count * kRunBytesMax);
  if (!reader.ok() || !reader.at_end()) return corrupt("a mixed block's parts do not fit");
  WireReader order(runs);
  std::uint64_t done = 0;
  while (order.ok() && !order.at_end()) {
    const std::uint64_t index = order.varint();
    const std::uint64_t count = order.varint();
    if (!order.ok() || index >= parts.size() || count == 0 ||
        count > parts[index].count - parts[index].used) {
      return corrupt("a mixed block's runs do not match its parts");
    }
    Part& part = parts[index];
    if (part.known) {
      Batch& run = out.emplace_back(Batch{.kind = part.events.kind, .first = header.first + done});
      visit_events(part.events, [&](auto& from) {
        visit_events(run, [&](auto& into) {
          if constexpr (std::is_same_v<decltype(from), decltype(into)>) {
            const auto begin = from.begin() + static_cast<std::ptrdiff_t>(part.used);
            into.assign(std::make_move_iterator(begin),
                        std::make_move_iterator(begin + static_cast<std::ptrdiff_t>(count)));
          }
        });
      });
    }
    part.used += count;
    done += count;
  }
  if (!order.ok() || done != header.count) return corrupt("a mixed block's runs do not add up");
  return {};
}

}  // namespace

std::optional<BlockHeader> read_block_header(std::string_view bytes) {
  if (bytes.size() < kBlockHeaderBytes) return std::nullopt;
  const char* p = bytes.data();
  if (get_fixed<std::uint32_t>(p) != kBlockMagic) return std::nullopt;
  if (get_fixed<std::uint32_t>(p + 60) != crc32c(bytes.substr(0, 60))) return std::nullopt;
  BlockHeader header;
  header.kind = static_cast<StreamKind>(p[4]);
  header.version = static_cast<std::uint8_t>(p[5]);
  header.stored_bytes = get_fixed<std::uint32_t>(p + 8);
  header.count = get_fixed<std::uint32_t>(p + 12);
  header.payload_crc = get_fixed<std::uint32_t>(p + 16);
  header.first = Offset(get_fixed<std::uint64_t>(p + 24));
  header.ts_event_min = {get_fixed<std::int64_t>(p + 32)};
  header.ts_event_max = {get_fixed<std::int64_t>(p + 40)};
  header.commit_position = get_fixed<std::uint64_t>(p + 48);
  if (header.stored_bytes > kBlockBytesMax || !is_possible(header)) return std::nullopt;
  return header;
}

void write_block(std::string& out, BlockHeader header, std::string_view payload) {
  TD_CHECK(payload.size() <= kBlockBytesMax);
  const std::size_t start = out.size();
  put_fixed(out, kBlockMagic);
  put_fixed(out, static_cast<std::uint8_t>(header.kind));
  put_fixed(out, header.version);
  put_fixed(out, std::uint16_t{0});
  put_fixed(out, static_cast<std::uint32_t>(payload.size()));
  put_fixed(out, header.count);
  put_fixed(out, crc32c(payload));
  put_fixed(out, std::uint32_t{0});
  put_fixed(out, header.first.value);
  put_fixed(out, header.ts_event_min.ns);
  put_fixed(out, header.ts_event_max.ns);
  put_fixed(out, header.commit_position);
  put_fixed(out, std::uint32_t{0});
  put_fixed(out, crc32c(std::string_view(out).substr(start, 60)));
  TD_CHECK(out.size() - start == kBlockHeaderBytes);
  out += payload;
}

Status check_payload(const BlockHeader& header, std::string_view payload) {
  if (payload.size() != header.stored_bytes || crc32c(payload) != header.payload_crc) {
    return corrupt("a block's payload does not match its checksum");
  }
  return {};
}

std::uint32_t SegmentDictionary::local(SeriesId id) {
  if (series_.size() <= id.value) series_.resize(id.value + 1, kNone);
  std::uint32_t& local_id = series_[id.value];
  if (local_id == kNone) {
    local_id = series_count_++;
    put_entry(new_entries_, catalog_->series(id));
  }
  return local_id;
}

std::uint32_t SegmentDictionary::local(OriginId id) {
  if (origins_.size() <= id.value) origins_.resize(id.value + 1, kNone);
  std::uint32_t& local_id = origins_[id.value];
  if (local_id == kNone) {
    local_id = origin_count_++;
    put_entry(new_entries_, catalog_->origin(id));
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

std::string encode_dictionary(const SegmentIds& ids, const market::Catalog& catalog) {
  std::string out;
  for (const SeriesId id : ids.series) put_entry(out, catalog.series(id));
  for (const OriginId id : ids.origins) put_entry(out, catalog.origin(id));
  return out;
}

Status decode_dictionary(std::string_view raw, market::Catalog& catalog, SegmentIds& ids) {
  WireReader reader(raw);
  while (reader.ok() && !reader.at_end()) {
    const auto type = reader.fixed<std::uint8_t>();
    if (type == static_cast<std::uint8_t>(EntryType::kSeries)) {
      const market::Series series = market::read_series(reader);
      if (!reader.ok()) return corrupt("a dictionary block holds a broken series");
      ids.series.push_back(catalog.intern(series));
    } else if (type == static_cast<std::uint8_t>(EntryType::kOrigin)) {
      const market::Origin origin = market::read_origin(reader);
      if (!reader.ok()) return corrupt("a dictionary block holds a broken origin");
      ids.origins.push_back(catalog.intern(origin));
    } else {
      return corrupt("a dictionary block holds an entry of an unknown type");
    }
  }
  if (!reader.ok()) return corrupt("a dictionary block ends in the middle of an entry");
  return {};
}

std::size_t text_bytes(const Batch& batch, std::size_t index) {
  if (batch.kind == StreamKind::kRecord) return batch.records[index].body.size();
  if (batch.kind == StreamKind::kRawFrame) return batch.frames[index].body.size();
  return 0;
}

void write_event_block(std::string& out, std::span<const Slice> events, Offset first,
                       std::uint64_t commit_position, SegmentDictionary& dictionary) {
  TD_CHECK(!events.empty());
  BlockHeader header{.kind = events.front().batch->kind,
                     .version = kVersion,
                     .first = first,
                     .commit_position = commit_position};
  for (const Slice& slice : events) header.count += static_cast<std::uint32_t>(slice.count);
  if (events.size() > 1) header.kind = StreamKind::kMixed;
  const EncodedRows rows = events.size() == 1 ? encode_slice(events.front(), dictionary)
                                              : encode_mixed(events, dictionary);
  header.ts_event_min = rows.min;
  header.ts_event_max = rows.max;
  if (const std::string entries = dictionary.take_new_entries(); !entries.empty()) {
    write_block(out,
                {.kind = StreamKind::kDictionary,
                 .version = kVersion,
                 .first = first,
                 .commit_position = commit_position},
                entries);
  }
  write_block(out, header, rows.payload);
}

Status decode_block(const BlockHeader& header, std::string_view payload, const SegmentIds& ids,
                    std::vector<Batch>& out) {
  if (header.kind == StreamKind::kMixed && header.version == kVersion) {
    return decode_mixed(header, payload, ids, out);
  }
  if (!is_known(header.kind, header.version)) return {};
  Batch batch{.kind = header.kind, .first = header.first};
  TD_TRY(decode_part(payload, header.count, ids, batch));
  if (batch.size() != header.count) return corrupt("a block's events do not match its header");
  out.push_back(std::move(batch));
  return {};
}

}  // namespace tapedeck::tape::embedded
