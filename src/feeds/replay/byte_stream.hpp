// src/feeds/replay/byte_stream.hpp: the plain bytes inside of a file, one piece after the other,
// whatever they are packed in. Fixed buffers (zstd: its window, at most 128 MiB).
// Thread: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>

#include "base/disk.hpp"
#include "feeds/flaw.hpp"

namespace tapedeck::feeds::replay {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // 0: the end, every checksum on the way was right. Why the bytes end before their end:
  // "truncated", "corrupt", "unreadable"; it then stays so.
  virtual std::expected<std::size_t, Flaw> read(char* out, std::size_t count) = 0;
};

// Reads to the end; what damaged it, if anything did.
std::optional<Flaw> drain(ByteStream& stream);

// Each borrows the file. [offset, offset + size) of it:
std::unique_ptr<ByteStream> plain_stream(const File& file, std::uint64_t offset,
                                         std::uint64_t size);
// gzip, every member of it; zstd, every frame of it.
std::unique_ptr<ByteStream> gzip_stream(std::unique_ptr<ByteStream> packed);
std::unique_ptr<ByteStream> zstd_stream(std::unique_ptr<ByteStream> packed);
// What a zip holds: raw deflate, or (`deflated` false) the bytes as they are; size and CRC-32 must
// come out as the archive says.
std::unique_ptr<ByteStream> zip_stream(std::unique_ptr<ByteStream> packed, bool deflated,
                                       std::uint64_t size, std::uint32_t crc32);

}  // namespace tapedeck::feeds::replay
