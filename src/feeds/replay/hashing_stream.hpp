// src/feeds/replay/hashing_stream.hpp: bytes passed on, hashed, and what damaged them. Inside this
// slice only. Thread: one at a time.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/sha256.hpp"
#include "feeds/flaw.hpp"
#include "feeds/replay/byte_stream.hpp"

namespace tapedeck::feeds::replay {

class HashingStream final : public ByteStream {
 public:
  explicit HashingStream(std::unique_ptr<ByteStream> bytes) : bytes_(std::move(bytes)) {}

  std::expected<std::size_t, Flaw> read(char* out, std::size_t count) override {
    auto got = bytes_->read(out, count);
    if (got) sha_.update({out, *got});
    if (!got) damage_ = got.error();
    return got;
  }
  const std::optional<Flaw>& damage() const { return damage_; }
  std::string finish_hex() { return sha_.finish_hex(); }

 private:
  std::unique_ptr<ByteStream> bytes_;
  Sha256 sha_;
  std::optional<Flaw> damage_;
};

}  // namespace tapedeck::feeds::replay
