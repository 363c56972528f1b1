#include "tape/embedded/segment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/check.hpp"
#include "base/crc32c.hpp"
#include "base/wire.hpp"
#include "tape/embedded/column.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::StreamKind;

constexpr std::string_view kSegmentMagic("TDTAPE\r\n", 8);
constexpr std::string_view kTrailerMagic("TDSEAL\r\n", 8);
constexpr std::string_view kSegmentSuffix = ".tape";
constexpr std::uint32_t kSealedFlag = 1;
constexpr std::uint32_t kUnsyncedFlag = 2;
constexpr std::size_t kWindowBytes = 256u << 10;
constexpr std::size_t kFirstWindowBytes = 16u << 10;  // often only a header is wanted

std::unexpected<Error> corrupt(std::string what) {
  return fail(ErrorCode::kCorrupt, std::move(what));
}

// Calls `f` with each whole, valid block after byte `from`; it returns true to end the search.
Result<std::optional<BlockAt>> search(const File& file, std::uint64_t from, std::uint64_t end,
                                      const std::function<bool(const BlockAt&)>& wanted) {
  constexpr std::size_t kPiece = 1u << 20;
  std::string piece;
  BlockWindow window(file);
  for (std::uint64_t at = from; at + kBlockHeaderBytes <= end; at += kPiece) {
    // Pieces overlap by a header, so that none hides on an edge.
    piece.resize(std::min<std::uint64_t>(kPiece + kBlockHeaderBytes - 1, end - at));
    TD_ASSIGN(const std::size_t got, file.read_at(at, piece.data(), piece.size()));
    piece.resize(got);
    for (std::size_t i = piece.find("TDBK"); i != piece.npos; i = piece.find("TDBK", i + 1)) {
      if (!read_block_header(std::string_view(piece).substr(i))) continue;
      TD_ASSIGN(const auto block, window.block(at + i, end));
      if (block && wanted(*block) && window.payload(*block)) return block;
    }
  }
  return std::nullopt;
}

auto by_identity(const IdentityRun& run) {
  return std::tie(run.kind, run.series, run.origin, run.position, run.first);
}

}  // namespace

std::string write_segment_header(const SegmentHeader& header) {
  std::string out(kSegmentMagic);
  put_fixed(out, kFormatVersion);
  put_fixed(out, static_cast<std::uint16_t>(kSegmentHeaderBytes));
  put_fixed(out, header.partition.value);
  put_fixed(out, header.first.value);
  put_fixed(out, header.created.ns);
  put_fixed(out, (header.sealed ? kSealedFlag : 0) | (header.unsynced ? kUnsyncedFlag : 0));
  out.append(24, '\0');
  put_fixed(out, crc32c(out));
  return out;
}

Result<SegmentHeader> read_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || !bytes.starts_with(kSegmentMagic) ||
      get_fixed<std::uint32_t>(bytes.data() + 60) != crc32c(bytes.substr(0, 60))) {
    return corrupt("not the header of a tape segment");
  }
  const auto version = get_fixed<std::uint16_t>(bytes.data() + 8);
  if (version != kFormatVersion) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("written in format {}, this release reads format {}: use the release "
                            "that wrote it",
                            version, kFormatVersion));
  }
  const auto flags = get_fixed<std::uint32_t>(bytes.data() + 32);
  SegmentHeader header;
  header.partition = PartitionId(get_fixed<std::uint32_t>(bytes.data() + 12));
  header.first = Offset(get_fixed<std::uint64_t>(bytes.data() + 16));
  header.created = {get_fixed<std::int64_t>(bytes.data() + 24)};
  header.sealed = (flags & kSealedFlag) != 0;
  header.unsynced = (flags & kUnsyncedFlag) != 0;
  if (header.created.ns < 0) return corrupt("a segment from before 1970");
  return header;
}

std::string write_trailer(const Trailer& trailer) {
  std::string out(kTrailerMagic);
  put_fixed(out, trailer.index_position);
  put_fixed(out, trailer.identities_position);
  put_fixed(out, trailer.end.value);
  put_fixed(out, trailer.ts_event_min.ns);
  put_fixed(out, trailer.ts_event_max.ns);
  put_fixed(out, trailer.sealed.ns);
  put_fixed(out, std::uint32_t{0});
  put_fixed(out, crc32c(out));
  TD_CHECK(out.size() == kTrailerBytes);
  return out;
}

Result<Trailer> read_trailer(std::string_view bytes) {
  if (bytes.size() != kTrailerBytes || !bytes.starts_with(kTrailerMagic) ||
      get_fixed<std::uint32_t>(bytes.data() + 60) != crc32c(bytes.substr(0, 60))) {
    return corrupt("not the trailer of a sealed segment");
  }
  const char* p = bytes.data() + 8;
  if (get_fixed<std::int64_t>(p + 40) < 0) return corrupt("a segment sealed before 1970");
  return Trailer{.index_position = get_fixed<std::uint64_t>(p),
                 .identities_position = get_fixed<std::uint64_t>(p + 8),
                 .end = Offset(get_fixed<std::uint64_t>(p + 16)),
                 .ts_event_min = {get_fixed<std::int64_t>(p + 24)},
                 .ts_event_max = {get_fixed<std::int64_t>(p + 32)},
                 .sealed = {get_fixed<std::int64_t>(p + 40)}};
}

std::string segment_name(Offset first) {
  return fmt::format("{:020}{}", first.value, kSegmentSuffix);
}

std::optional<Offset> parse_segment_name(std::string_view name) {
  if (name.size() != 20 + kSegmentSuffix.size() || !name.ends_with(kSegmentSuffix)) {
    return std::nullopt;
  }
  std::uint64_t first = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 20, first);
  if (error != std::errc{} || end != name.data() + 20) return std::nullopt;
  return Offset(first);
}

std::string encode_index(const std::vector<IndexEntry>& entries) {
  std::string raw;
  put_varint(raw, entries.size());
  std::uint64_t last_position = 0;
  std::int64_t last_min = 0;
  for (const IndexEntry& entry : entries) {
    put_varint(raw, entry.position - last_position);
    put_fixed(raw, static_cast<std::uint8_t>(entry.kind));
    put_varint(raw, entry.first.value);
    put_varint(raw, entry.count);
    put_varint(raw, zigzag(difference(entry.ts_event_min.ns, last_min)));
    put_varint(raw, zigzag(difference(entry.ts_event_max.ns, entry.ts_event_min.ns)));
    put_varint(raw, entry.series.size());
    std::uint32_t last_series = 0;
    for (const std::uint32_t series : entry.series) {
      put_varint(raw, series - last_series);
      last_series = series;
    }
    last_position = entry.position;
    last_min = entry.ts_event_min.ns;
  }
  std::string out;
  put_compressed(out, raw);
  return out;
}

Result<std::vector<IndexEntry>> decode_index(std::string_view payload, std::uint64_t end,
                                             std::size_t series_count) {
  WireReader outer(payload);
  const std::string raw = get_compressed(outer, kBlockBytesMax);
  WireReader reader(raw);
  std::vector<IndexEntry> entries;
  const std::uint64_t count = reader.varint();
  std::uint64_t position = 0;
  std::int64_t min = 0;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    IndexEntry entry;
    const std::uint64_t step = reader.varint();
    // Blocks do not overlap, so an index has no more entries than its file has room for.
    if (position >= end || step < kBlockHeaderBytes || step >= end - position) reader.spoil();
    entry.position = position += step;
    entry.kind = static_cast<StreamKind>(reader.fixed<std::uint8_t>());
    entry.first = Offset(reader.varint());
    entry.count = static_cast<std::uint32_t>(reader.varint());
    min = advance(min, reader.signed_varint());
    entry.ts_event_min = {min};
    entry.ts_event_max = {advance(min, reader.signed_varint())};
    const std::uint64_t series = reader.varint();
    std::uint64_t last_series = 0;
    for (std::uint64_t s = 0; s < series && reader.ok(); ++s) {
      const std::uint64_t ahead = reader.varint();
      if ((s > 0 && ahead == 0) || ahead >= series_count - last_series) reader.spoil();
      entry.series.push_back(static_cast<std::uint32_t>(last_series += ahead));
    }
    entries.push_back(std::move(entry));
  }
  if (!outer.ok() || !outer.at_end() || !reader.ok() || !reader.at_end()) {
    return corrupt("a segment's index does not decode");
  }
  return entries;
}

void IdentityTable::add(std::span<const Slice> slices) {
  for (const Slice& slice : slices) {
    const market::Batch& batch = *slice.batch;
    visit_events(batch, [&](const auto& events) {
      using Event = typename std::remove_cvref_t<decltype(events)>::value_type;
      if constexpr (requires(const Event& event) { event.series; }) {
        for (const Event& event : std::span(events).subspan(slice.from, slice.count)) {
          const market::Identity& identity = event.identity;
          // Ids mostly count on within their series.
          if (last_.size() <= event.series.value) last_.resize(event.series.value + 1, 0);
          std::size_t& last_index = last_[event.series.value];
          if (last_index < runs_.size()) {
            IdentityRun& last = runs_[last_index];
            if (identity.seq != 0 && last.last == identity.seq - 1 && last.series == event.series &&
                last.origin == identity.origin && last.position == identity.position &&
                last.kind == batch.kind) {
              last.last = identity.seq;
              continue;
            }
          }
          last_index = runs_.size();
          runs_.push_back({batch.kind, event.series, identity.origin, identity.seq, identity.seq,
                           identity.position});
        }
      }
    });
  }
}

std::vector<IdentityRun> IdentityTable::take() {
  std::ranges::sort(runs_, {}, by_identity);
  std::vector<IdentityRun> merged;
  for (const IdentityRun& run : runs_) {
    if (!merged.empty()) {
      IdentityRun& last = merged.back();
      const bool same = last.kind == run.kind && last.series == run.series &&
                        last.origin == run.origin && last.position == run.position;
      if (same && (run.first <= last.last || run.first - 1 == last.last)) {
        last.last = std::max(last.last, run.last);
        continue;
      }
    }
    merged.push_back(run);
  }
  runs_ = {};
  last_ = {};
  return merged;
}

std::string encode_identities(std::span<const IdentityRun> runs, SegmentDictionary& dictionary) {
  std::string raw;
  put_varint(raw, runs.size());
  std::uint64_t last = 0;
  for (const IdentityRun& run : runs) {
    put_fixed(raw, static_cast<std::uint8_t>(run.kind));
    put_varint(raw, dictionary.local(run.series));
    put_varint(raw, dictionary.local(run.origin));
    put_varint(raw, run.position);
    put_varint(raw, zigzag(difference(run.first, last)));
    put_varint(raw, run.last - run.first);
    last = run.last;
  }
  std::string out;
  put_compressed(out, raw);
  return out;
}

Result<std::vector<IdentityRun>> decode_identities(std::string_view payload,
                                                   const SegmentIds& ids) {
  WireReader outer(payload);
  const std::string raw = get_compressed(outer, kBlockBytesMax);
  WireReader reader(raw);
  std::vector<IdentityRun> runs;
  const std::uint64_t count = reader.varint();
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    IdentityRun run;
    run.kind = static_cast<StreamKind>(reader.fixed<std::uint8_t>());
    const std::uint64_t series = reader.varint();
    const std::uint64_t origin = reader.varint();
    run.position = reader.varint();
    run.first = advance(last, reader.signed_varint());
    run.last = last = run.first + reader.varint();
    if (series >= ids.series.size() || origin >= ids.origins.size() || run.last < run.first) {
      return corrupt("a segment's identities name what there is not");
    }
    run.series = ids.series[series];
    run.origin = ids.origins[origin];
    runs.push_back(run);
  }
  if (!outer.ok() || !outer.at_end() || !reader.ok() || !reader.at_end()) {
    return corrupt("a segment's identities do not decode");
  }
  return runs;
}

Result<std::string_view> BlockWindow::bytes(std::uint64_t position, std::size_t count) {
  const bool inside = position >= position_ && position - position_ <= size_ &&
                      count <= size_ - (position - position_);
  if (!inside) {
    const std::size_t wanted = std::max(count, buffer_.empty() ? kFirstWindowBytes : kWindowBytes);
    if (buffer_.size() < wanted) buffer_.resize(wanted);
    size_ = 0;
    position_ = position;
    TD_ASSIGN(size_, file_->read_at(position, buffer_.data(), wanted));
  }
  const std::size_t from = position - position_;
  return std::string_view(buffer_.data() + from, std::min(count, size_ - from));
}

Result<std::optional<BlockAt>> BlockWindow::block(std::uint64_t position, std::uint64_t end) {
  if (position + kBlockHeaderBytes > end) return std::nullopt;
  TD_ASSIGN(const std::string_view head, bytes(position, kBlockHeaderBytes));
  const auto header = read_block_header(head);
  if (!header) return std::nullopt;
  const BlockAt block{position, *header};
  if (block.next() > end) return std::nullopt;
  return block;
}

Result<std::string_view> BlockWindow::payload(const BlockAt& block) {
  TD_ASSIGN(const std::string_view stored,
            bytes(block.position + kBlockHeaderBytes, block.header.stored_bytes));
  TD_TRY(check_payload(block.header, stored));
  return stored;
}

Result<bool> later_commit_follows(const File& file, std::uint64_t bad, std::uint64_t end) {
  TD_ASSIGN(const auto found, search(file, bad, end, [&](const BlockAt& block) {
              return block.header.commit_position > bad;
            }));
  return found.has_value();
}

Result<std::optional<BlockAt>> find_block(const File& file, std::uint64_t from, std::uint64_t end) {
  return search(file, from, end, [&](const BlockAt& block) { return block.position > from; });
}

}  // namespace tapedeck::tape::embedded
