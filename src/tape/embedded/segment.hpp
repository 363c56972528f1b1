// src/tape/embedded/segment.hpp: one file of the tape: its header, and walking over its blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/disk.hpp"
#include "tape/embedded/block.hpp"

namespace tapedeck::tape::embedded {

inline constexpr std::size_t kSegmentHeaderBytes = 64;

struct SegmentHeader {
  std::uint32_t partition = 0;
  Offset first;
  Timestamp created;
};

std::string write_segment_header(const SegmentHeader& header);
// Errors: kCorrupt, kUnsupported (a later format version).
Result<SegmentHeader> read_segment_header(std::string_view bytes);

std::string segment_name(Offset first);  // "00000000000000012345.tape"
std::optional<Offset> parse_segment_name(std::string_view name);

// A block as it stands in a file.
struct BlockAt {
  std::uint64_t position = 0;  // byte offset of its header
  BlockHeader header;
  std::uint64_t next() const { return position + kBlockHeaderBytes + header.stored_bytes; }
};

// The block whose header stands at `position`; nothing where no whole, valid one does before `end`.
Result<std::optional<BlockAt>> block_at(const File& file, std::uint64_t position,
                                        std::uint64_t end);
// Its payload as the encoder made it, checked. Errors: kCorrupt, kIo, kUnsupported.
Result<std::string> payload_at(const File& file, const BlockAt& block);

// True if a whole, valid block of a commit that began after byte `bad` stands in (bad, end). Such a
// commit began only once what stands at `bad` was durable, so `bad` is damage; without one it is a
// torn tail, however the disk reordered the writes of the last commit.
Result<bool> later_commit_follows(const File& file, std::uint64_t bad, std::uint64_t end);

}  // namespace tapedeck::tape::embedded
