#include "tape/embedded/column.hpp"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/check.hpp"

namespace tapedeck::tape::embedded {
namespace {

constexpr int kZstdLevel = 1;
constexpr std::size_t kVarintBytesMax = 10;
constexpr std::size_t kPadding = 8;       // a reader may look this far beyond the end
constexpr std::size_t kCompressMin = 32;  // shorter ones gain nothing
// The most that zstd makes of a byte: a block of 128 KiB takes four at least.
constexpr std::uint64_t kRatioMax = 32u << 10;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_CCtx* compressor() {
  static thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  return context.get();
}

ZSTD_DCtx* decompressor() {
  static thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  return context.get();
}

// Exactly out.size() bytes come out of `stored`.
bool decompress(std::string_view stored, std::span<char> out) {
  const std::size_t size =
      ZSTD_decompressDCtx(decompressor(), out.data(), out.size(), stored.data(), stored.size());
  return !ZSTD_isError(size) && size == out.size();
}

// Bit groups of seven to bytes and back, all at once: a branch for each byte would be guessed wrong
// too often. `value` has 56 bits at most.
std::uint64_t spread(std::uint64_t value) {
  value = (value & 0x0000'0000'0FFF'FFFF) | (value & 0x00FF'FFFF'F000'0000) << 4;
  value = (value & 0x0000'3FFF'0000'3FFF) | (value & 0x0FFF'C000'0FFF'C000) << 2;
  return (value & 0x007F'007F'007F'007F) | (value & 0x3F80'3F80'3F80'3F80) << 1;
}
std::uint64_t gather(std::uint64_t bytes) {
  bytes = (bytes & 0x007F'007F'007F'007F) | (bytes & 0x7F00'7F00'7F00'7F00) >> 1;
  bytes = (bytes & 0x0000'3FFF'0000'3FFF) | (bytes & 0x3FFF'0000'3FFF'0000) >> 2;
  return (bytes & 0x0000'0000'0FFF'FFFF) | (bytes & 0x0FFF'FFFF'0000'0000) >> 4;
}

constexpr std::uint64_t kMore = 0x8080'8080'8080'8080;  // of each byte but a value's last

// Writes a varint; up to kVarintBytesMax bytes at `out` may be overwritten. Returns where it ends.
inline char* put_quickly(char* out, std::uint64_t value) {
  if (value >> 56 == 0) {
    const auto bytes = (std::bit_width(value | 1) + 6) / 7;
    const std::uint64_t more = kMore & ((std::uint64_t{1} << (8 * (bytes - 1))) - 1);
    const std::uint64_t word = spread(value) | more;
    std::memcpy(out, &word, sizeof word);
    return out + bytes;
  }
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

// Reads a varint and moves `at` behind it; false where there is none before `end`. kPadding bytes
// behind `end` may be looked at.
inline bool get_quickly(const unsigned char*& at, const unsigned char* end, std::uint64_t& value) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if (const std::uint64_t last = ~word & kMore; last != 0) {
    const int stop = std::countr_zero(last);  // the top bit of the last byte
    at += stop / 8 + 1;
    value = gather(word & (std::numeric_limits<std::uint64_t>::max() >> (63 - stop)));
    return at <= end;
  }
  value = gather(word & ~kMore);
  for (int i = 8; i < 10; ++i) {  // nine or ten bytes
    if (at + i >= end || (i == 9 && at[i] > 1)) return false;
    value |= std::uint64_t{at[i] & 0x7Fu} << (7 * i);
    if (at[i] < 0x80) {
      at += i + 1;
      return true;
    }
  }
  return false;
}

}  // namespace

void put_compressed(std::string& out, std::string_view bytes) {
  if (bytes.size() >= kCompressMin) {
    static thread_local std::vector<char> compressed;
    compressed.resize(std::max(compressed.size(), ZSTD_compressBound(bytes.size())));
    const std::size_t size = ZSTD_compressCCtx(compressor(), compressed.data(), compressed.size(),
                                               bytes.data(), bytes.size(), kZstdLevel);
    if (!ZSTD_isError(size) && size + kVarintBytesMax < bytes.size()) {
      put_fixed(out, static_cast<std::uint8_t>(Form::kZstd));
      put_varint(out, bytes.size());
      put_text(out, {compressed.data(), size});
      return;
    }
  }
  put_fixed(out, static_cast<std::uint8_t>(Form::kPlain));
  put_text(out, bytes);
}

std::string get_compressed(WireReader& reader, std::uint64_t bytes_max) {
  const auto form = static_cast<Form>(reader.fixed<std::uint8_t>());
  if (form == Form::kPlain) {
    const std::string_view bytes = reader.text();
    if (bytes.size() <= bytes_max) return std::string(bytes);
  } else if (form == Form::kZstd) {
    const std::uint64_t size = reader.varint();
    const std::string_view stored = reader.text();
    if (reader.ok() && size <= bytes_max && size <= stored.size() * kRatioMax) {
      std::string bytes(size, '\0');
      if (decompress(stored, bytes)) return bytes;
    }
  }
  reader.spoil();
  return {};
}

void ColumnWriter::add(std::span<const std::uint64_t> values) {
  if (values.empty()) return;
  if (constant_) {
    if (same_ == 0) first_ = values.front();
    const auto other = std::ranges::find_if(values, [&](std::uint64_t v) { return v != first_; });
    const auto same = static_cast<std::size_t>(other - values.begin());
    same_ += same;
    if (other == values.end()) return;
    constant_ = false;
    const std::vector<std::uint64_t> before(same_, first_);
    write(before);
    values = values.subspan(same);
  }
  write(values);
}

void ColumnWriter::write(std::span<const std::uint64_t> values) {
  reserve(values.size());
  char* out = varints_.data() + used_;
  while (values.size() >= 8) {
    std::uint64_t all = 0;
    for (int i = 0; i < 8; ++i) all |= values[static_cast<std::size_t>(i)];
    if (all < 0x80) {  // most values of most columns take one byte
      for (int i = 0; i < 8; ++i) *out++ = static_cast<char>(values[static_cast<std::size_t>(i)]);
    } else {
      for (int i = 0; i < 8; ++i) out = put_quickly(out, values[static_cast<std::size_t>(i)]);
    }
    values = values.subspan(8);
  }
  for (const std::uint64_t value : values) out = put_quickly(out, value);
  used_ = static_cast<std::size_t>(out - varints_.data());
}

void ColumnWriter::reserve(std::size_t values) {
  const std::size_t needed = used_ + values * kVarintBytesMax;
  if (varints_.size() < needed) varints_.resize(std::max(needed, varints_.size() * 2));
}

void ColumnWriter::finish(std::string& out) {
  if (constant_) {
    TD_CHECK(same_ > 0);
    put_fixed(out, static_cast<std::uint8_t>(Form::kConstant));
    put_varint(out, first_);
  } else {
    put_compressed(out, {varints_.data(), used_});
  }
  same_ = 0;
  constant_ = true;
  used_ = 0;
}

ColumnReader::ColumnReader(WireReader& reader, std::uint32_t count) : left_(count) {
  const auto form = static_cast<Form>(reader.fixed<std::uint8_t>());
  if (form == Form::kConstant) {
    constant_ = true;
    value_ = reader.varint();
  } else if (form == Form::kPlain || form == Form::kZstd) {
    const std::uint64_t size = form == Form::kZstd ? reader.varint() : 0;
    const std::string_view stored = reader.text();
    const std::uint64_t raw = form == Form::kZstd ? size : stored.size();
    // Each value takes at least a byte and at most ten, so a wrong size takes no memory.
    if (reader.ok() && raw >= count && raw <= std::uint64_t{count} * kVarintBytesMax) {
      storage_ = std::make_unique_for_overwrite<char[]>(raw + kPadding);
      std::memset(storage_.get() + raw, 0, kPadding);
      if (form == Form::kPlain) {
        std::memcpy(storage_.get(), stored.data(), raw);
      } else if (!decompress(stored, {storage_.get(), raw})) {
        reader.spoil();
      }
      at_ = reinterpret_cast<const unsigned char*>(storage_.get());
      end_ = at_ + raw;
    } else {
      reader.spoil();
    }
  } else {
    reader.spoil();
  }
  ok_ = reader.ok();
}

bool ColumnReader::is_mixed() const {
  const auto bytes = static_cast<std::uint64_t>(end_ - at_);
  return ok_ && !constant_ && bytes > left_ + left_ / 16;
}

void ColumnReader::read_side_by_side(const std::array<Turn, kSideBySide>& turns) {
  const unsigned char* a = turns[0].column->at_;
  const unsigned char* b = turns[1].column->at_;
  const unsigned char* const a_end = turns[0].column->end_;
  const unsigned char* const b_end = turns[1].column->end_;
  std::uint64_t* const a_out = turns[0].out.data();
  std::uint64_t* const b_out = turns[1].out.data();
  const std::size_t count = turns[0].out.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (!get_quickly(a, a_end, a_out[i]) || !get_quickly(b, b_end, b_out[i])) {
      // Once more, each for itself: one of them ends here.
      for (const Turn& turn : turns) turn.column->read(turn.out);
      return;
    }
  }
  turns[0].column->at_ = a;
  turns[1].column->at_ = b;
  for (const Turn& turn : turns) {
    turn.column->left_ -= std::min<std::uint64_t>(turn.column->left_, count);
  }
}

void ColumnReader::read(std::span<std::uint64_t> out) {
  left_ -= std::min<std::uint64_t>(left_, out.size());
  if (constant_ || !ok_) {
    std::ranges::fill(out, ok_ ? value_ : 0);
    return;
  }
  std::size_t i = 0;
  while (i < out.size()) {
    std::uint64_t eight = 0;
    if (out.size() - i >= 8 && end_ - at_ >= 8) {
      std::memcpy(&eight, at_, 8);
      if ((eight & kMore) == 0) {  // most values of most columns take one byte
        for (int k = 0; k < 8; ++k) out[i + static_cast<std::size_t>(k)] = at_[k];
        at_ += 8;
        i += 8;
        continue;
      }
    }
    // Up to eight values before it is worth looking for eight short ones again.
    const unsigned char* at = at_;
    for (const std::size_t stop = std::min(out.size(), i + 8); i < stop; ++i) {
      if (!get_quickly(at, end_, out[i])) {
        ok_ = false;
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(i), out.end(), 0);
        return;
      }
    }
    at_ = at;
  }
}

}  // namespace tapedeck::tape::embedded
