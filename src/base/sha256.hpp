// src/base/sha256.hpp: SHA-256 (FIPS 180-4), fed piece by piece.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tapedeck {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  std::string finish_hex();  // 64 lower-case hex digits; call once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);
// The numbers of its first and second 16 hex digits.
std::pair<std::uint64_t, std::uint64_t> sha256_numbers(std::string_view bytes);

// `bytes` random bytes of the operating system as hex digits: for tokens and names of sessions.
std::string random_hex(std::size_t bytes);

}  // namespace tapedeck
