// src/base/crc32c.hpp: CRC-32C (Castagnoli, RFC 3720 appendix B.4), with the CPU's own
// instruction where there is one.
#pragma once

#include <cstdint>
#include <string_view>

namespace tapedeck {

// `crc` continues an earlier call's result.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

// Whether the CPU's instruction is used.
bool crc32c_is_by_instruction();

}  // namespace tapedeck
