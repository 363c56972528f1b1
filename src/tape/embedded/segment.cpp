#include "tape/embedded/segment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/crc32c.hpp"
#include "tape/embedded/wire.hpp"

namespace tapedeck::tape::embedded {
namespace {

constexpr std::string_view kSegmentMagic("TDTAPE\r\n", 8);
constexpr std::uint16_t kFormatVersion = 1;
constexpr std::string_view kSegmentSuffix = ".tape";

}  // namespace

std::string write_segment_header(const SegmentHeader& header) {
  std::string out(kSegmentMagic);
  put_fixed(out, kFormatVersion);
  put_fixed(out, static_cast<std::uint16_t>(kSegmentHeaderBytes));
  put_fixed(out, header.partition);
  put_fixed(out, header.first.value);
  put_fixed(out, header.created.ns);
  out.append(28, '\0');
  put_fixed(out, crc32c(out));
  return out;
}

Result<SegmentHeader> read_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || !bytes.starts_with(kSegmentMagic) ||
      get_fixed<std::uint32_t>(bytes.data() + 60) != crc32c(bytes.substr(0, 60))) {
    return fail(ErrorCode::kCorrupt, "not the header of a tape segment");
  }
  const auto version = get_fixed<std::uint16_t>(bytes.data() + 8);
  if (version > kFormatVersion) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("written in format {}, this release reads up to {}: use the release "
                            "that wrote it, or a later one",
                            version, kFormatVersion));
  }
  SegmentHeader header;
  header.partition = get_fixed<std::uint32_t>(bytes.data() + 12);
  header.first = Offset(get_fixed<std::uint64_t>(bytes.data() + 16));
  header.created = {get_fixed<std::int64_t>(bytes.data() + 24)};
  return header;
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

Result<std::optional<BlockAt>> block_at(const File& file, std::uint64_t position,
                                        std::uint64_t end) {
  if (position + kBlockHeaderBytes > end) return std::nullopt;
  std::array<char, kBlockHeaderBytes> bytes{};
  TD_ASSIGN(const std::size_t got, file.read_at(position, bytes.data(), bytes.size()));
  const auto header = read_block_header({bytes.data(), got});
  if (!header) return std::nullopt;
  const BlockAt block{position, *header};
  if (block.next() > end) return std::nullopt;
  return block;
}

Result<std::string> payload_at(const File& file, const BlockAt& block) {
  std::string stored(block.header.stored_bytes, '\0');
  TD_ASSIGN(const std::size_t got,
            file.read_at(block.position + kBlockHeaderBytes, stored.data(), stored.size()));
  stored.resize(got);
  return read_payload(block.header, stored);
}

Result<bool> later_commit_follows(const File& file, std::uint64_t bad, std::uint64_t end) {
  constexpr std::size_t kWindow = 1u << 20;
  std::string window;
  for (std::uint64_t at = bad; at + kBlockHeaderBytes <= end; at += kWindow) {
    // Windows overlap by a header, so that none hides on an edge.
    window.resize(std::min<std::uint64_t>(kWindow + kBlockHeaderBytes - 1, end - at));
    TD_ASSIGN(const std::size_t got, file.read_at(at, window.data(), window.size()));
    window.resize(got);
    for (std::size_t i = window.find("TDBK"); i != window.npos; i = window.find("TDBK", i + 1)) {
      if (!read_block_header(std::string_view(window).substr(i))) continue;
      TD_ASSIGN(const auto block, block_at(file, at + i, end));
      if (!block || block->header.commit_position <= bad) continue;
      if (payload_at(file, *block)) return true;
    }
  }
  return false;
}

}  // namespace tapedeck::tape::embedded
