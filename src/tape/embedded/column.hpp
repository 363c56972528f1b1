// src/tape/embedded/column.hpp: one column of a block, a list of integers, to bytes and back.
// FORMAT.md describes the bytes. A column whose values are all the same costs two or three bytes
// and next to no time, so that what a feed does not use is nearly free.
// Thread: one at a time; compression contexts are kept per thread.
#pragma once

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
  // No value was bad, and none is left.
  bool complete() const { return ok_ && left_ == 0 && at_ == end_; }

 private:
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
