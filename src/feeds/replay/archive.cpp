#include "feeds/replay/archive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace tapedeck::feeds::replay {
namespace {

// Fixed parts of the records of a zip (APPNOTE 6.3, sections 4.3 and 4.5).
constexpr std::uint64_t kEndBytes = 22;
constexpr std::uint64_t kEnd64Bytes = 56;
constexpr std::uint64_t kLocator64Bytes = 20;
constexpr std::uint64_t kEntryBytes = 46;
constexpr std::uint64_t kLocalBytes = 30;
constexpr std::uint64_t kCommentMax = 65'535;
constexpr std::uint32_t kIn64 = 0xFFFF'FFFF;  // the value is in the zip64 record

constexpr std::uint64_t kDirectoryBytesMax = 64u << 20;
constexpr std::size_t kMembersMax = 100'000;

std::unexpected<Flaw> corrupt(std::string detail) {
  return std::unexpected(Flaw{"corrupt", std::move(detail)});
}

template <class Int>
Int little_endian(std::string_view bytes, std::size_t at) {
  Int value = 0;
  for (std::size_t i = sizeof(Int); i-- > 0;) {
    value = static_cast<Int>((value << 8 % (8 * sizeof(Int))) |
                             static_cast<unsigned char>(bytes[at + i]));
  }
  return value;
}
std::uint32_t u16(std::string_view bytes, std::size_t at) {
  return little_endian<std::uint16_t>(bytes, at);
}
std::uint32_t u32(std::string_view bytes, std::size_t at) {
  return little_endian<std::uint32_t>(bytes, at);
}
std::uint64_t u64(std::string_view bytes, std::size_t at) {
  return little_endian<std::uint64_t>(bytes, at);
}

std::expected<std::string, Flaw> read_range(const File& file, std::uint64_t offset,
                                            std::uint64_t count) {
  std::string bytes(static_cast<std::size_t>(count), '\0');
  auto got = file.read_at(offset, bytes.data(), bytes.size());
  if (!got) return std::unexpected(Flaw{"unreadable", std::move(got.error().message)});
  if (*got != count) {
    return std::unexpected(Flaw{"truncated", fmt::format("ends before byte {}", offset + count)});
  }
  return bytes;
}

// Printable whatever the archive says.
std::string base_name(std::string_view path) {
  if (const auto slash = path.rfind('/'); slash != path.npos) path.remove_prefix(slash + 1);
  std::string name(path.substr(0, 255));
  std::ranges::replace_if(name, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, '?');
  return name;
}

struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
};

std::expected<Directory, Flaw> find_directory(const File& file, std::uint64_t file_size) {
  const std::uint64_t tail_bytes = std::min(file_size, kEndBytes + kCommentMax);
  auto tail = read_range(file, file_size - tail_bytes, tail_bytes);
  if (!tail) return std::unexpected(std::move(tail.error()));

  std::optional<std::size_t> end;
  for (std::size_t at = tail->rfind("PK\x05\x06"); at != tail->npos;
       at = at == 0 ? tail->npos : tail->rfind("PK\x05\x06", at - 1)) {
    if (tail->size() - at >= kEndBytes && at + kEndBytes + u16(*tail, at + 20) == tail->size()) {
      end = at;
      break;
    }
  }
  if (!end) {
    return std::unexpected(Flaw{
        "truncated", "a zip without its central directory, which is at its end: get it again"});
  }
  const std::string_view record = std::string_view(*tail).substr(*end);
  Directory out{u32(record, 16), u32(record, 12), u16(record, 10)};
  std::uint32_t disk = u16(record, 4) | u16(record, 6);
  std::uint64_t directory_end = file_size - tail_bytes + *end;

  if (*end >= kLocator64Bytes && tail->compare(*end - kLocator64Bytes, 4, "PK\x06\x07") == 0) {
    const std::uint64_t at = u64(*tail, *end - kLocator64Bytes + 8);
    if (at > directory_end || directory_end - at < kEnd64Bytes) {
      return corrupt("its zip64 locator points outside of it");
    }
    auto end64 = read_range(file, at, kEnd64Bytes);
    if (!end64) return std::unexpected(std::move(end64.error()));
    if (!end64->starts_with("PK\x06\x06")) return corrupt("its zip64 record is damaged");
    out = {u64(*end64, 48), u64(*end64, 40), u64(*end64, 32)};
    disk = u32(*end64, 16) | u32(*end64, 20);
    directory_end = at;
  }
  if (disk != 0) {
    return std::unexpected(Flaw{"unsupported", "a zip in several parts: join them first"});
  }
  if (out.offset > directory_end || out.bytes > directory_end - out.offset) {
    return corrupt("its central directory does not fit into it");
  }
  if (out.bytes > kDirectoryBytesMax || out.entries > kMembersMax) {
    return std::unexpected(
        Flaw{"unsupported", fmt::format("a zip of more than {} members", kMembersMax)});
  }
  return out;
}

// Puts the 64-bit values of the extra field where the entry says that they are there.
bool take_zip64(std::string_view extra, Member& member) {
  while (extra.size() >= 4) {
    const std::uint32_t id = u16(extra, 0);
    const std::size_t bytes = u16(extra, 2);
    if (extra.size() - 4 < bytes) return false;
    if (id == 1) {
      std::string_view values = extra.substr(4, bytes);
      for (std::uint64_t* value : {&member.size, &member.packed_size, &member.offset}) {
        if (*value != kIn64) continue;
        if (values.size() < 8) return false;
        *value = u64(values, 0);
        values.remove_prefix(8);
      }
    }
    extra.remove_prefix(4 + bytes);
  }
  return true;
}

std::expected<std::vector<Member>, Flaw> read_directory(const File& file, std::uint64_t file_size) {
  auto directory = find_directory(file, file_size);
  if (!directory) return std::unexpected(std::move(directory.error()));
  auto bytes = read_range(file, directory->offset, directory->bytes);
  if (!bytes) return std::unexpected(std::move(bytes.error()));

  std::vector<Member> members;
  std::string_view left = *bytes;
  for (std::uint64_t i = 0; i < directory->entries; ++i) {
    const auto broken = [i] {
      return corrupt(fmt::format("entry {} of its central directory is damaged", i + 1));
    };
    if (left.size() < kEntryBytes || !left.starts_with("PK\x01\x02")) return broken();
    const std::size_t name_bytes = u16(left, 28);
    const std::size_t extra_bytes = u16(left, 30);
    const std::size_t all_bytes = kEntryBytes + name_bytes + extra_bytes + u16(left, 32);
    if (left.size() < all_bytes) return broken();
    const std::string_view name = left.substr(kEntryBytes, name_bytes);
    const std::uint32_t flags = u16(left, 8);
    const std::uint32_t method = u16(left, 10);
    Member member{.name = base_name(name),
                  .packing = method == 0 ? Packing::kZipStored : Packing::kZipDeflated,
                  .offset = u32(left, 42),
                  .packed_size = u32(left, 20),
                  .size = u32(left, 24),
                  .crc32 = u32(left, 16)};
    if (!take_zip64(left.substr(kEntryBytes + name_bytes, extra_bytes), member)) return broken();
    left.remove_prefix(all_bytes);
    if (name.ends_with('/')) continue;  // a folder
    if ((flags & 1) != 0) {
      return std::unexpected(Flaw{
          "unsupported", fmt::format("member '{}' is encrypted: unpack it first", member.name)});
    }
    if (method != 0 && method != 8) {
      return std::unexpected(
          Flaw{"unsupported",
               fmt::format("member '{}' is packed by method {}; stored (0) and deflate (8) can "
                           "be read: pack it again",
                           member.name, method)});
    }
    if (method == 0 && member.size != member.packed_size) return broken();
    if (member.offset > directory->offset ||
        member.packed_size > directory->offset - member.offset) {
      return broken();
    }
    members.push_back(std::move(member));
  }
  if (!left.empty()) return corrupt("its central directory holds more entries than it says");
  return members;
}

}  // namespace

std::expected<std::vector<Member>, Flaw> list_members(const File& file, std::string_view path) {
  const auto size = file.size();
  if (!size) return std::unexpected(Flaw{"unreadable", size.error().message});
  auto head = read_range(file, 0, std::min<std::uint64_t>(*size, 4));
  if (!head) return std::unexpected(std::move(head.error()));

  if (head->starts_with("PK\x03\x04") || head->starts_with("PK\x05\x06")) {
    return read_directory(file, *size);
  }
  Member member{.name = base_name(path), .packed_size = *size};
  const auto strip = [&](std::string_view suffix) {
    if (member.name.ends_with(suffix)) member.name.resize(member.name.size() - suffix.size());
  };
  if (head->starts_with("\x1f\x8b")) {
    member.packing = Packing::kGzip;
    strip(".gz");
  } else if (head->starts_with("\x28\xb5\x2f\xfd") ||
             (head->size() == 4 && (u32(*head, 0) & 0xFFFF'FFF0) == 0x184D'2A50)) {
    member.packing = Packing::kZstd;
    strip(".zst");
  }
  return std::vector<Member>{std::move(member)};
}

std::expected<std::unique_ptr<ByteStream>, Flaw> open_member(const File& file,
                                                             const Member& member) {
  if (!member.in_zip()) {
    auto plain = plain_stream(file, member.offset, member.packed_size);
    if (member.packing == Packing::kGzip) return gzip_stream(std::move(plain));
    if (member.packing == Packing::kZstd) return zstd_stream(std::move(plain));
    return plain;
  }
  auto header = read_range(file, member.offset, kLocalBytes);
  if (!header) return std::unexpected(std::move(header.error()));
  if (!header->starts_with("PK\x03\x04")) {
    return corrupt(fmt::format("there is no member at byte {}", member.offset));
  }
  const std::uint64_t first = member.offset + kLocalBytes + u16(*header, 26) + u16(*header, 28);
  return zip_stream(plain_stream(file, first, member.packed_size),
                    member.packing == Packing::kZipDeflated, member.size, member.crc32);
}

}  // namespace tapedeck::feeds::replay
