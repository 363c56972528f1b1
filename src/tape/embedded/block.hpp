// src/tape/embedded/block.hpp: one block of a segment, to bytes and back. FORMAT.md describes the
// bytes. Pure functions: no file, no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "market/event.hpp"

namespace tapedeck::tape::embedded {

inline constexpr std::size_t kBlockHeaderBytes = 64;
inline constexpr std::uint32_t kBlockEventsMax = 65'536;
inline constexpr std::uint32_t kBlockBytesMax = 64u << 20;  // of a payload, compressed or not
// Of one frame or record; and a block takes no more events once it holds so much text.
inline constexpr std::uint32_t kTextBytesMax = 16u << 20;

struct BlockHeader {
  market::StreamKind kind = market::StreamKind::kTrade;
  std::uint8_t version = 1;
  std::uint32_t stored_bytes = 0;
  std::uint32_t count = 0;  // events; 0 in a dictionary, an index and identities
  std::uint32_t payload_crc = 0;
  Offset first;
  // Of events; ts_recv of marks and frames; 0 where there are no events.
  Timestamp ts_event_min{}, ts_event_max{};
  // Byte offset at which the commit that wrote this block began. It tells a torn tail, whose blocks
  // are all of one commit, from damage, which later commits follow. 0 in a sealed segment.
  std::uint64_t commit_position = 0;

  Offset end() const { return first + count; }
  bool operator==(const BlockHeader&) const = default;
};

// Empty where the 64 bytes are no block header: wrong magic, wrong CRC, impossible sizes.
std::optional<BlockHeader> read_block_header(std::string_view bytes);
// Appends header and payload to `out`.
void write_block(std::string& out, BlockHeader header, std::string_view payload);
// Errors: kCorrupt.
Status check_payload(const BlockHeader& header, std::string_view payload);

// Segments number series and origins on their own; 0 is the first.
struct SegmentIds {
  std::vector<SeriesId> series;  // by local id
  std::vector<OriginId> origins;
};

// Local ids of a segment that is being written, and what its next dictionary block must introduce.
class SegmentDictionary {
 public:
  explicit SegmentDictionary(const market::Catalog& catalog) : catalog_(&catalog) {}
  std::uint32_t local(SeriesId id);
  std::uint32_t local(OriginId id);
  // Bytes of a dictionary payload with all that was first asked for since the last call; empty if
  // nothing was.
  std::string take_new_entries();
  // As read back when a segment is opened for appending again.
  void restore(const SegmentIds& ids);

 private:
  const market::Catalog* catalog_;
  std::vector<std::uint32_t> series_;  // by SeriesId; kNone where not in this segment
  std::vector<std::uint32_t> origins_;
  std::uint32_t series_count_ = 0;
  std::uint32_t origin_count_ = 0;
  std::string new_entries_;
};

// A dictionary payload with all of these, numbered as they are here.
std::string encode_dictionary(const SegmentIds& ids, const market::Catalog& catalog);
// Adds the entries of a dictionary payload to `ids`, through `catalog`. Errors: kCorrupt.
Status decode_dictionary(std::string_view payload, market::Catalog& catalog, SegmentIds& ids);

// A part of a batch.
struct Slice {
  const market::Batch* batch = nullptr;
  std::size_t from = 0;
  std::size_t count = 0;
};

// Cuts runs of events into slices, and those into blocks: each at most kBlockEventsMax events and
// about kTextBytesMax of text. Calls `f(std::span<const Slice>)` for each block.
template <class F>
void for_each_block(std::span<const market::Batch> runs, F&& f);

// Appends the block of these events to `out`, after a dictionary block where it needs new entries.
// One stream kind gives a block of that kind, several a mixed one.
void write_event_block(std::string& out, std::span<const Slice> events, Offset first,
                       std::uint64_t commit_position, SegmentDictionary& dictionary);

// Appends the events of a block, in runs of one kind. Events of kinds and versions that this
// release does not know are left out; the others keep their offsets. Errors: kCorrupt for bytes
// that no encoder of ours writes.
Status decode_block(const BlockHeader& header, std::string_view payload, const SegmentIds& ids,
                    std::vector<market::Batch>& out);

// Bytes of text in one event, for for_each_block.
std::size_t text_bytes(const market::Batch& batch, std::size_t index);

template <class F>
void for_each_block(std::span<const market::Batch> runs, F&& f) {
  std::vector<Slice> block;
  std::size_t events = 0;
  std::size_t text = 0;
  const auto flush = [&] {
    if (!block.empty()) f(std::span<const Slice>(block));
    block.clear();
    events = text = 0;
  };
  for (const market::Batch& run : runs) {
    const bool has_text =
        run.kind == market::StreamKind::kRecord || run.kind == market::StreamKind::kRawFrame;
    for (std::size_t from = 0; from < run.size();) {
      if (events == kBlockEventsMax || text >= kTextBytesMax) flush();
      std::size_t count = std::min<std::size_t>(kBlockEventsMax - events, run.size() - from);
      if (has_text) {
        std::size_t taken = 0;
        while (taken < count && text < kTextBytesMax) text += text_bytes(run, from + taken++);
        count = taken;
      }
      block.push_back({&run, from, count});
      events += count;
      from += count;
    }
  }
  flush();
}

}  // namespace tapedeck::tape::embedded
