// src/tape/embedded/column.hpp: one column of a block, a list of integers, to bytes and back.
// FORMAT.md describes the bytes. A column whose values are all the same costs two or three bytes
// and next to no time, so that what a feed does not use is nearly free.
// Thread: one at a time; compression contexts are kept per thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/wire.hpp"

namespace tapedeck::tape::embedded {

// How a column or a text stands in a block. Numbers are on disk.
enum class Form : std::uint8_t { kConstant = 0, kPlain = 1, kZstd = 2 };

class ColumnWriter {
 public:
  void add(std::span<const std::uint64_t> values);
  // Appends the column to `out` and begins a new one. At least one value was added.
  void finish(std::string& out);

 private:
  void write(std::span<const std::uint64_t> values);
  void reserve(std::size_t values);

  std::uint64_t first_ = 0;
  std::uint64_t same_ = 0;     // values seen while all are first_
  bool constant_ = true;       // all of them so far
  std::vector<char> varints_;  // only the first `used_` bytes mean something
  std::size_t used_ = 0;
};

class ColumnReader {
 public:
  // Takes a column of `count` values off the front of what `reader` holds.
  ColumnReader(WireReader& reader, std::uint32_t count);
  // The next values. All zero once one was bad.
  void read(std::span<std::uint64_t> out);
  // As read(), of each column into the array of its number. A varint begins where the one before it
  // ends, so several columns side by side are read while one would wait for itself.
  template <std::size_t N>
  static void read_each(std::span<ColumnReader> columns,
                        std::span<std::array<std::uint64_t, N>> out, std::size_t count) {
    std::array<Turn, kSideBySide> turns{};
    std::size_t waiting = 0;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const std::span<std::uint64_t> values = std::span(out[c]).first(count);
      if (!columns[c].is_mixed()) {
        columns[c].read(values);
        continue;
      }
      turns[waiting++] = {&columns[c], values};
      if (waiting == kSideBySide) read_side_by_side(turns), waiting = 0;
    }
    for (const Turn& turn : std::span(turns).first(waiting)) turn.column->read(turn.out);
  }
  // No value was bad, and none is left.
  bool complete() const { return ok_ && left_ == 0 && at_ == end_; }

 private:
  static constexpr std::size_t kSideBySide = 2;
  struct Turn {
    ColumnReader* column = nullptr;
    std::span<std::uint64_t> out{};
  };
  // Not one value, and not nearly all of one byte: read() is faster for those.
  bool is_mixed() const;
  static void read_side_by_side(const std::array<Turn, kSideBySide>& turns);

  bool ok_ = true;
  bool constant_ = false;
  std::uint64_t value_ = 0;
  std::uint64_t left_ = 0;
  std::unique_ptr<char[]> storage_;
  const unsigned char* at_ = nullptr;
  const unsigned char* end_ = nullptr;
};

// Bytes, compressed where that makes them smaller.
void put_compressed(std::string& out, std::string_view bytes);
// What put_compressed wrote; at most `bytes_max` of it. Spoils `reader` where it is not that.
std::string get_compressed(WireReader& reader, std::uint64_t bytes_max);

}  // namespace tapedeck::tape::embedded
