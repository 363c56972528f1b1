// src/feeds/replay/archive.hpp: what a file is packed in, by its first bytes, and the members that
// it holds: of a zip all its files, else itself.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "feeds/replay/byte_stream.hpp"

namespace tapedeck::feeds::replay {

enum class Packing : std::uint8_t { kPlain, kGzip, kZstd, kZipStored, kZipDeflated };

struct Member {
  std::string name{};  // without folders; of a gz or zst the file's own name without that suffix
  Packing packing = Packing::kPlain;
  std::uint64_t offset = 0;  // of its first packed byte; in a zip, of its local header
  std::uint64_t packed_size = 0;
  std::uint64_t size = 0;   // zip only
  std::uint32_t crc32 = 0;  // zip only

  bool in_zip() const { return packing >= Packing::kZipStored; }
};

// Reads a zip's central directory (zip64 too); the order is the archive's.
std::expected<std::vector<Member>, Flaw> list_members(const File& file, std::string_view path);

// The plain bytes of a member; may be called again. Borrows the file.
std::expected<std::unique_ptr<ByteStream>, Flaw> open_member(const File& file,
                                                             const Member& member);

}  // namespace tapedeck::feeds::replay
