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
#include "market/trade.hpp"

namespace tapedeck::tape::embedded {

inline constexpr std::size_t kBlockHeaderBytes = 64;
inline constexpr std::uint32_t kBlockEventsMax = 65'536;
inline constexpr std::uint32_t kBlockRawBytesMax = 64u << 20;

struct BlockHeader {
  market::StreamKind kind = market::StreamKind::kTrade;
  std::uint8_t version = 1;
  std::uint8_t codec = 0;  // 0: as it is, 1: zstd
  std::uint32_t stored_bytes = 0;
  std::uint32_t raw_bytes = 0;
  std::uint32_t count = 0;  // events; 0 in a dictionary
  std::uint32_t payload_crc = 0;
  Offset first;
  Timestamp ts_event_min{}, ts_event_max{};  // of trades; ts_recv of marks; 0 in a dictionary
  // Byte offset at which the commit that wrote this block began. It tells a torn tail, whose blocks
  // are all of one commit, from damage, which later commits follow.
  std::uint64_t commit_position = 0;

  Offset end() const { return first + count; }
};

// Empty where the 64 bytes are no block header: wrong magic, wrong CRC, impossible sizes.
std::optional<BlockHeader> read_block_header(std::string_view bytes);

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

// Payloads. Encoding may add to `dictionary`, whose new entries must be written before the block.
std::string encode_trades(std::span<const market::Trade> trades, SegmentDictionary& dictionary);
std::string encode_marks(std::span<const market::FeedMark> marks);

// Errors: kCorrupt for bytes that no encoder of ours writes.
Status decode_trades(std::string_view raw, std::uint32_t count, const SegmentIds& ids,
                     std::vector<market::Trade>& out);
Status decode_marks(std::string_view raw, std::uint32_t count, std::vector<market::FeedMark>& out);
// Adds the entries of a dictionary payload to `ids`, through `catalog`.
Status decode_dictionary(std::string_view raw, market::Catalog& catalog, SegmentIds& ids);

// Appends header and payload to `out`, the payload compressed where that makes it smaller.
void write_block(std::string& out, BlockHeader header, std::string_view payload);
// The payload of a block as the encoder made it. Errors: kCorrupt.
Result<std::string> read_payload(const BlockHeader& header, std::string_view stored);

}  // namespace tapedeck::tape::embedded
