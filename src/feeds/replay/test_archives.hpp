// src/feeds/replay/test_archives.hpp: packs bytes for tests. For tests only.
#pragma once

#include <zlib.h>
#include <zstd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"

namespace tapedeck::feeds::replay {

inline std::string deflated(std::string_view text, int window_bits) {
  z_stream zlib{};
  TD_CHECK(deflateInit2(&zlib, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&zlib, static_cast<uLong>(text.size())) + 32, '\0');
  zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  zlib.avail_in = static_cast<uInt>(text.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  TD_CHECK(deflate(&zlib, Z_FINISH) == Z_STREAM_END);
  out.resize(zlib.total_out);
  deflateEnd(&zlib);
  return out;
}

inline std::string gzipped(std::string_view text) { return deflated(text, 16 + MAX_WBITS); }

inline std::string zstd_packed(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

struct ZipEntry {
  std::string name;
  std::string text;
  std::uint16_t method = 8;
  std::uint16_t flags = 0;
  bool zip64 = false;
};

inline std::string zipped(const std::vector<ZipEntry>& entries, std::string_view comment = {}) {
  std::string out;
  std::string directory;
  const auto put = [](std::string& to, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i) & 0xFF);
  };
  bool zip64 = false;
  for (const ZipEntry& entry : entries) {
    const std::string packed = entry.method == 8 ? deflated(entry.text, -MAX_WBITS) : entry.text;
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(entry.text.data()),
                           static_cast<uInt>(entry.text.size()));
    const std::uint64_t offset = out.size();
    zip64 |= entry.zip64;
    out += "PK\x03\x04";
    put(out, 20, 2);
    put(out, entry.flags, 2);
    put(out, entry.method, 2);
    put(out, 0, 4);  // time and date
    put(out, crc, 4);
    put(out, packed.size(), 4);
    put(out, entry.text.size(), 4);
    put(out, entry.name.size(), 2);
    put(out, 0, 2);
    out += entry.name + packed;

    directory += "PK\x01\x02";
    put(directory, 20, 2);
    put(directory, 20, 2);
    put(directory, entry.flags, 2);
    put(directory, entry.method, 2);
    put(directory, 0, 4);
    put(directory, crc, 4);
    put(directory, entry.zip64 ? 0xFFFFFFFF : packed.size(), 4);
    put(directory, entry.zip64 ? 0xFFFFFFFF : entry.text.size(), 4);
    put(directory, entry.name.size(), 2);
    put(directory, entry.zip64 ? 28 : 0, 2);
    put(directory, 0, 4);  // comment, disk
    put(directory, 0, 6);  // attributes
    put(directory, entry.zip64 ? 0xFFFFFFFF : offset, 4);
    directory += entry.name;
    if (entry.zip64) {
      put(directory, 1, 2);
      put(directory, 24, 2);
      put(directory, entry.text.size(), 8);
      put(directory, packed.size(), 8);
      put(directory, offset, 8);
    }
  }
  const std::uint64_t start = out.size();
  out += directory;
  if (zip64) {
    const std::uint64_t end64 = out.size();
    out += "PK\x06\x06";
    put(out, 44, 8);
    put(out, 45, 2);
    put(out, 45, 2);
    put(out, 0, 8);
    put(out, entries.size(), 8);
    put(out, entries.size(), 8);
    put(out, directory.size(), 8);
    put(out, start, 8);
    out += "PK\x06\x07";
    put(out, 0, 4);
    put(out, end64, 8);
    put(out, 1, 4);
  }
  out += "PK\x05\x06";
  put(out, 0, 4);
  put(out, zip64 ? 0xFFFF : entries.size(), 2);
  put(out, zip64 ? 0xFFFF : entries.size(), 2);
  put(out, zip64 ? 0xFFFFFFFF : directory.size(), 4);
  put(out, zip64 ? 0xFFFFFFFF : start, 4);
  put(out, comment.size(), 2);
  out += comment;
  return out;
}

}  // namespace tapedeck::feeds::replay
