// src/tape/embedded/segment.hpp: one file of the tape: header, blocks, and the index, identities
// and trailer that a sealed one ends with. FORMAT.md describes the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "tape/embedded/block.hpp"
#include "tape/tape.hpp"

namespace tapedeck::tape::embedded {

inline constexpr std::uint16_t kFormatVersion = 2;
inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kTrailerBytes = 64;

struct SegmentHeader {
  PartitionId partition;
  Offset first;
  Timestamp created;
  bool sealed = false;
  bool unsynced = false;  // written with fsync = never: its tail may be lost, or torn anywhere
};

std::string write_segment_header(const SegmentHeader& header);
// Errors: kCorrupt, kUnsupported (another format version).
Result<SegmentHeader> read_segment_header(std::string_view bytes);

struct Trailer {
  std::uint64_t index_position = 0;  // where the blocks of events end
  std::uint64_t identities_position = 0;
  Offset end;
  Timestamp ts_event_min{}, ts_event_max{};
  Timestamp sealed{};
};

std::string write_trailer(const Trailer& trailer);
Result<Trailer> read_trailer(std::string_view bytes);  // errors: kCorrupt

std::string segment_name(Offset first);  // "00000000000000012345.tape"
std::optional<Offset> parse_segment_name(std::string_view name);
inline constexpr std::string_view kSealingSuffix = ".sealing";  // a segment while it is rewritten

// A block of a sealed segment, and which series it holds.
struct IndexEntry {
  std::uint64_t position = 0;
  market::StreamKind kind = market::StreamKind::kTrade;
  Offset first;
  std::uint32_t count = 0;
  Timestamp ts_event_min{}, ts_event_max{};
  std::vector<std::uint32_t> series{};  // local ids, ascending
  bool operator==(const IndexEntry&) const = default;
};

std::string encode_index(const std::vector<IndexEntry>& entries);
// Of a segment whose blocks of events end at byte `end`, with so many series in its dictionary.
// Errors: kCorrupt.
Result<std::vector<IndexEntry>> decode_index(std::string_view payload, std::uint64_t end,
                                             std::size_t series_count);

// Identities of a segment as they are collected, with local ids while they are on disk.
class IdentityTable {
 public:
  void add(std::span<const Slice> slices);
  // In ascending order, merged. The table is empty after it.
  std::vector<IdentityRun> take();

 private:
  std::vector<IdentityRun> runs_;
  std::vector<std::size_t> last_;  // by SeriesId: index of the run that its last event is in
};

// At most this many runs go into one block: then it is below kBlockBytesMax whatever they are.
inline constexpr std::size_t kIdentityRunsMax = 1u << 20;
std::string encode_identities(std::span<const IdentityRun> runs, SegmentDictionary& dictionary);
Result<std::vector<IdentityRun>> decode_identities(std::string_view payload,
                                                   const SegmentIds& ids);  // errors: kCorrupt

// A block as it stands in a file.
struct BlockAt {
  std::uint64_t position = 0;  // byte offset of its header
  BlockHeader header;
  std::uint64_t next() const { return position + kBlockHeaderBytes + header.stored_bytes; }
};

// Reads a file from front to back in large pieces. Ownership: borrows the file.
class BlockWindow {
 public:
  explicit BlockWindow(const File& file) : file_(&file) {}
  // Up to `count` bytes at `position`; fewer at the end of the file. Valid until the next call.
  Result<std::string_view> bytes(std::uint64_t position, std::size_t count);
  // The block whose header stands at `position`; nothing where no whole, valid header does, or the
  // block would end after `end`.
  Result<std::optional<BlockAt>> block(std::uint64_t position, std::uint64_t end);
  // Its payload, checked. Valid until the next call. Errors: kCorrupt, kIo.
  Result<std::string_view> payload(const BlockAt& block);
  // What was read may have changed.
  void forget() { size_ = 0; }

 private:
  const File* file_;
  std::uint64_t position_ = 0;
  std::vector<char> buffer_;  // the first `size_` bytes are those at position_
  std::size_t size_ = 0;
};

// True if a whole, valid block of a commit that began after byte `bad` stands in (bad, end). Such a
// commit began only once what stands at `bad` was durable, so `bad` is damage; without one it is a
// torn tail, however the disk reordered the writes of the last commit.
Result<bool> later_commit_follows(const File& file, std::uint64_t bad, std::uint64_t end);

// The first whole, valid block after byte `from`, if there is one before `end`.
Result<std::optional<BlockAt>> find_block(const File& file, std::uint64_t from, std::uint64_t end);

}  // namespace tapedeck::tape::embedded
