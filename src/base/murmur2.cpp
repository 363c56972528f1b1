#include "base/murmur2.hpp"

#include <cstddef>

#include "base/check.hpp"

namespace tapedeck {
namespace {

// Up to four bytes as a little-endian number.
std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

}  // namespace

std::uint32_t murmur2(std::string_view bytes) {
  constexpr std::uint32_t kSeed = 0x9747B28C;
  constexpr std::uint32_t kMultiplier = 0x5BD1E995;
  std::uint32_t hash = kSeed ^ static_cast<std::uint32_t>(bytes.size());
  for (; bytes.size() >= 4; bytes.remove_prefix(4)) {
    std::uint32_t word = little_endian(bytes.substr(0, 4)) * kMultiplier;
    word ^= word >> 24;
    hash = hash * kMultiplier ^ word * kMultiplier;
  }
  if (!bytes.empty()) hash = (hash ^ little_endian(bytes)) * kMultiplier;
  hash = (hash ^ hash >> 13) * kMultiplier;
  return hash ^ hash >> 15;
}

std::uint32_t partition_of_key(std::string_view key, std::uint32_t partitions) {
  TD_CHECK(partitions > 0);
  return (murmur2(key) & 0x7FFF'FFFF) % partitions;
}

}  // namespace tapedeck
