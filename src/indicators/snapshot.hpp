// src/indicators/snapshot.hpp: how the state of an indicator becomes bytes and comes back: little-
// endian, every length and number checked on reading (FORMAT.md). Thread: one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "indicators/exact.hpp"

namespace tapedeck::indicators {

inline constexpr std::uint8_t kSnapshotVersion = 1;

class SnapshotWriter {
 public:
  SnapshotWriter() { u8(kSnapshotVersion); }

  void u8(std::uint8_t value) { fixed(value, 1); }
  void u32(std::uint32_t value) { fixed(value, 4); }
  void u64(std::uint64_t value) { fixed(value, 8); }
  void i64(std::int64_t value) { fixed(static_cast<std::uint64_t>(value), 8); }
  void f64(double value);
  void price(PriceUnits value);                 // 16 bytes
  void price(std::optional<PriceUnits> value);  // whether there is one, then it
  void wide(const Wide& value);                 // 32 bytes
  void bytes(std::string_view value);           // u32 length, then they

  std::string finish() &&;  // all of it, and its CRC-32C

 private:
  void fixed(std::uint64_t value, int width);

  std::string out_;
};

// The first value that does not fit makes ok() false, for good, and every value from then on zero.
class SnapshotReader {
 public:
  // Errors: kCorrupt, for bytes that are none of ours or were damaged; kUnsupported, of a version
  // that this program does not know. The bytes outlive the reader.
  static Result<SnapshotReader> open(std::string_view bytes);

  std::uint8_t u8() { return static_cast<std::uint8_t>(fixed(1)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(fixed(4)); }
  std::uint64_t u64() { return fixed(8); }
  std::int64_t i64() { return static_cast<std::int64_t>(fixed(8)); }
  double f64();        // of a size that a mean of prices can have
  PriceUnits price();  // below kPriceUnitsEnd
  std::optional<PriceUnits> optional_price();
  Wide wide();  // below 10^74
  bool flag();  // 0 or 1
  std::string_view bytes();

  // What was read makes no sense.
  void spoil() {
    ok_ = false;
    rest_ = {};
  }
  bool ok() const { return ok_; }
  Status finish() const;  // kCorrupt unless all was read and all of it made sense

 private:
  explicit SnapshotReader(std::string_view rest) : rest_(rest) {}
  std::uint64_t fixed(std::size_t width);

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace tapedeck::indicators
