#include "indicators/snapshot.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "base/crc32c.hpp"

namespace tapedeck::indicators {
namespace {

constexpr std::size_t kCrcBytes = 4;
constexpr double kDoubleEnd = 1e20;  // 10'000 prices in one sum are less

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::kCorrupt,
              fmt::format("snapshot of an indicator: {}; compute it again from the bars", what));
}

}  // namespace

void SnapshotWriter::fixed(std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) out_ += static_cast<char>(value >> (8 * i) & 0xFF);
}

void SnapshotWriter::f64(double value) { u64(std::bit_cast<std::uint64_t>(value)); }

void SnapshotWriter::price(PriceUnits value) {
  u64(static_cast<std::uint64_t>(value));
  u64(static_cast<std::uint64_t>(value >> 64));
}

void SnapshotWriter::price(std::optional<PriceUnits> value) {
  u8(value ? 1 : 0);
  if (value) price(*value);
}

void SnapshotWriter::wide(const Wide& value) {
  for (const std::uint64_t limb : value.limbs()) u64(limb);
}

void SnapshotWriter::bytes(std::string_view value) {
  u32(static_cast<std::uint32_t>(value.size()));
  out_ += value;
}

std::string SnapshotWriter::finish() && {
  u32(crc32c(out_));
  return std::move(out_);
}

Result<SnapshotReader> SnapshotReader::open(std::string_view bytes) {
  if (bytes.size() < 1 + kCrcBytes) return damaged("too short");
  const auto version = static_cast<std::uint8_t>(bytes.front());
  if (version != kSnapshotVersion) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("snapshot of an indicator: version {}, this program knows {}; compute "
                            "it again from the bars",
                            version, kSnapshotVersion));
  }
  const std::string_view body = bytes.substr(0, bytes.size() - kCrcBytes);
  SnapshotReader crc(bytes.substr(body.size()));
  if (crc.u32() != crc32c(body)) return damaged("its checksum is wrong");
  return SnapshotReader(body.substr(1));
}

std::uint64_t SnapshotReader::fixed(std::size_t width) {
  if (rest_.size() < width) {
    spoil();
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
  }
  rest_.remove_prefix(width);
  return value;
}

double SnapshotReader::f64() {
  const double value = std::bit_cast<double>(u64());
  if (std::abs(value) < kDoubleEnd) return value;  // neither is NaN
  spoil();
  return 0;
}

PriceUnits SnapshotReader::price() {
  const std::uint64_t low = u64();
  const auto value = static_cast<PriceUnits>(UInt128{u64()} << 64 | low);
  if (value < kPriceUnitsEnd && value > -kPriceUnitsEnd) return value;
  spoil();
  return 0;
}

std::optional<PriceUnits> SnapshotReader::optional_price() {
  if (!flag()) return std::nullopt;
  return price();
}

Wide SnapshotReader::wide() {
  static const Wide end = Wide::product(kPriceUnitsEnd, kPriceUnitsEnd).times(100'000'000);
  std::array<std::uint64_t, Wide::kLimbs> limbs{};
  for (std::uint64_t& limb : limbs) limb = u64();
  const Wide value = Wide::from_limbs(limbs);
  if (value < end && value > -end) return value;
  spoil();
  return {};
}

bool SnapshotReader::flag() {
  const std::uint8_t value = u8();
  if (value > 1) spoil();
  return value == 1;
}

std::string_view SnapshotReader::bytes() {
  const std::uint32_t size = u32();
  if (rest_.size() < size) {
    spoil();
    return {};
  }
  const std::string_view out = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return out;
}

Status SnapshotReader::finish() const {
  if (!ok_) return damaged("a value in it makes no sense");
  if (!rest_.empty()) return damaged(fmt::format("{} bytes too many", rest_.size()));
  return {};
}

}  // namespace tapedeck::indicators
