#include "feeds/replay/byte_stream.hpp"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/check.hpp"

namespace tapedeck::feeds::replay {
namespace {

using Piece = std::expected<std::size_t, Flaw>;
constexpr std::size_t kBufferBytes = 64u << 10;

std::unexpected<Flaw> flaw(std::string_view reason, std::string detail) {
  return std::unexpected(Flaw{reason, std::move(detail)});
}

class PlainStream final : public ByteStream {
 public:
  PlainStream(const File& file, std::uint64_t offset, std::uint64_t size)
      : file_(file), offset_(offset), left_(size) {}

  Piece read(char* out, std::size_t count) override {
    count = static_cast<std::size_t>(std::min<std::uint64_t>(count, left_));
    if (count == 0) return std::size_t{0};
    auto got = file_.read_at(offset_, out, count);
    if (!got) return flaw("unreadable", std::move(got.error().message));
    if (*got == 0) return flaw("truncated", fmt::format("the file ends at byte {}", offset_));
    offset_ += *got;
    left_ -= *got;
    return *got;
  }

 private:
  const File& file_;
  std::uint64_t offset_;
  std::uint64_t left_;
};

// The packed bytes in pieces, with the place of the next one.
class Packed {
 public:
  explicit Packed(std::unique_ptr<ByteStream> stream)
      : stream_(std::move(stream)), buffer_(kBufferBytes) {}

  // Makes unread() non-empty, unless the end is reached.
  std::expected<void, Flaw> fill() {
    if (begin_ < end_ || at_end_) return {};
    auto got = stream_->read(buffer_.data(), buffer_.size());
    if (!got) return std::unexpected(std::move(got.error()));
    begin_ = 0;
    end_ = *got;
    at_end_ = *got == 0;
    return {};
  }
  std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void take(std::size_t count) {
    begin_ += count;
    offset_ += count;
  }
  bool at_end() const { return at_end_; }
  std::uint64_t offset() const { return offset_; }

 private:
  std::unique_ptr<ByteStream> stream_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;
  bool at_end_ = false;
};

// Remembers the first failure.
class UnpackingStream : public ByteStream {
 public:
  explicit UnpackingStream(std::unique_ptr<ByteStream> packed) : packed_(std::move(packed)) {}

  Piece read(char* out, std::size_t count) final {
    if (damage_) return std::unexpected(*damage_);
    auto got = unpack(out, count);
    if (!got) damage_ = got.error();
    return got;
  }

 protected:
  virtual Piece unpack(char* out, std::size_t count) = 0;
  Packed packed_;

 private:
  std::optional<Flaw> damage_;
};

class InflateStream : public UnpackingStream {
 public:
  InflateStream(std::unique_ptr<ByteStream> packed, int window_bits)
      : UnpackingStream(std::move(packed)) {
    TD_CHECK(inflateInit2(&zlib_, window_bits) == Z_OK);
  }
  ~InflateStream() override { inflateEnd(&zlib_); }
  InflateStream(const InflateStream&) = delete;
  InflateStream& operator=(const InflateStream&) = delete;

 protected:
  // Bytes of one deflate stream; 0 at its end.
  Piece inflate_some(char* out, std::size_t count) {
    count = std::min<std::size_t>(count, kBufferBytes);
    if (count == 0 || ended_) return std::size_t{0};
    for (;;) {
      if (auto filled = packed_.fill(); !filled) return std::unexpected(std::move(filled.error()));
      const std::string_view unread = packed_.unread();
      zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(unread.data()));
      zlib_.avail_in = static_cast<uInt>(unread.size());
      zlib_.next_out = reinterpret_cast<Bytef*>(out);
      zlib_.avail_out = static_cast<uInt>(count);
      const int code = inflate(&zlib_, Z_NO_FLUSH);
      packed_.take(unread.size() - zlib_.avail_in);
      const std::size_t got = count - zlib_.avail_out;
      if (code == Z_STREAM_END) ended_ = true;
      if (got > 0 || ended_) return got;
      if (code == Z_BUF_ERROR && packed_.at_end()) {
        return flaw("truncated", fmt::format("the packed bytes end at {}", packed_.offset()));
      }
      if (code != Z_OK && code != Z_BUF_ERROR) {
        return flaw("corrupt", fmt::format("{} at packed byte {}",
                                           zlib_.msg != nullptr ? zlib_.msg : "bad deflate data",
                                           packed_.offset()));
      }
    }
  }
  bool ended() const { return ended_; }
  void again() {
    TD_CHECK(inflateReset(&zlib_) == Z_OK);
    ended_ = false;
  }

 private:
  z_stream zlib_{};
  bool ended_ = false;
};

class GzipStream final : public InflateStream {
 public:
  explicit GzipStream(std::unique_ptr<ByteStream> packed)
      : InflateStream(std::move(packed), 16 + MAX_WBITS) {}

 protected:
  Piece unpack(char* out, std::size_t count) override {
    for (;;) {
      auto got = inflate_some(out, count);
      if (!got || *got > 0 || !ended()) return got;
      // A member ended, its checksum was right. Another one may follow, or padding of zeros.
      for (;;) {
        if (auto filled = packed_.fill(); !filled) {
          return std::unexpected(std::move(filled.error()));
        }
        if (packed_.at_end()) return std::size_t{0};
        if (packed_.unread().front() != '\0') break;
        packed_.take(1);
      }
      if (packed_.unread().front() != '\x1f') {
        return flaw("corrupt", fmt::format("bytes that are no gzip follow at packed byte {}",
                                           packed_.offset()));
      }
      again();
    }
  }
};

class ZstdStream final : public UnpackingStream {
 public:
  explicit ZstdStream(std::unique_ptr<ByteStream> packed)
      : UnpackingStream(std::move(packed)), zstd_(ZSTD_createDStream()) {
    TD_CHECK(zstd_ != nullptr);
  }
  ~ZstdStream() override { ZSTD_freeDStream(zstd_); }
  ZstdStream(const ZstdStream&) = delete;
  ZstdStream& operator=(const ZstdStream&) = delete;

 protected:
  Piece unpack(char* out, std::size_t count) override {
    if (count == 0) return std::size_t{0};
    for (;;) {
      if (auto filled = packed_.fill(); !filled) return std::unexpected(std::move(filled.error()));
      const std::string_view unread = packed_.unread();
      if (unread.empty() && frame_ended_) return std::size_t{0};
      ZSTD_inBuffer in{unread.data(), unread.size(), 0};
      ZSTD_outBuffer into{out, count, 0};
      const std::size_t code = ZSTD_decompressStream(zstd_, &into, &in);
      packed_.take(in.pos);
      if (ZSTD_isError(code) != 0) {
        return flaw("corrupt", fmt::format("{} near packed byte {}", ZSTD_getErrorName(code),
                                           packed_.offset()));
      }
      frame_ended_ = code == 0;
      if (into.pos > 0) return into.pos;
      if (unread.empty() && !frame_ended_) {
        return flaw("truncated", fmt::format("the packed bytes end at {}", packed_.offset()));
      }
    }
  }

 private:
  ZSTD_DStream* zstd_;
  bool frame_ended_ = false;  // nothing of a frame has been read yet, or the last one is complete
};

class ZipStream final : public InflateStream {
 public:
  ZipStream(std::unique_ptr<ByteStream> packed, bool deflated, std::uint64_t size,
            std::uint32_t crc)
      : InflateStream(std::move(packed), -MAX_WBITS),
        deflated_(deflated),
        left_(size),
        wanted_crc_(crc) {}

 protected:
  Piece unpack(char* out, std::size_t count) override {
    if (count == 0) return std::size_t{0};
    auto got = deflated_ ? inflate_some(out, count) : copy_some(out, count);
    if (!got) return got;
    crc_ = static_cast<std::uint32_t>(
        crc32(crc_, reinterpret_cast<const Bytef*>(out), static_cast<uInt>(*got)));
    if (*got > left_) return flaw("corrupt", "holds more bytes than the archive says");
    left_ -= *got;
    if (*got > 0) return got;
    if (left_ > 0) return flaw("corrupt", fmt::format("ends {} bytes too early", left_));
    if (auto filled = packed_.fill(); !filled) return std::unexpected(std::move(filled.error()));
    if (!packed_.at_end()) return flaw("corrupt", "its packed bytes go on behind their end");
    if (crc_ != wanted_crc_) return flaw("corrupt", "its CRC-32 is wrong");
    return std::size_t{0};
  }

 private:
  Piece copy_some(char* out, std::size_t count) {
    if (auto filled = packed_.fill(); !filled) return std::unexpected(std::move(filled.error()));
    const std::size_t got = packed_.unread().copy(out, count);
    packed_.take(got);
    return got;
  }

  bool deflated_;
  std::uint64_t left_;
  std::uint32_t wanted_crc_;
  std::uint32_t crc_ = 0;
};

}  // namespace

std::optional<Flaw> drain(ByteStream& stream) {
  std::vector<char> buffer(kBufferBytes);
  for (;;) {
    const auto got = stream.read(buffer.data(), buffer.size());
    if (!got) return got.error();
    if (*got == 0) return std::nullopt;
  }
}

std::unique_ptr<ByteStream> plain_stream(const File& file, std::uint64_t offset,
                                         std::uint64_t size) {
  return std::make_unique<PlainStream>(file, offset, size);
}
std::unique_ptr<ByteStream> gzip_stream(std::unique_ptr<ByteStream> packed) {
  return std::make_unique<GzipStream>(std::move(packed));
}
std::unique_ptr<ByteStream> zstd_stream(std::unique_ptr<ByteStream> packed) {
  return std::make_unique<ZstdStream>(std::move(packed));
}
std::unique_ptr<ByteStream> zip_stream(std::unique_ptr<ByteStream> packed, bool deflated,
                                       std::uint64_t size, std::uint32_t crc32) {
  return std::make_unique<ZipStream>(std::move(packed), deflated, size, crc32);
}

}  // namespace tapedeck::feeds::replay
