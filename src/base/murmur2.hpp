// src/base/murmur2.hpp: the partition of a key as Kafka's Java client chooses it, so that a key is
// in one place whoever writes it.
#pragma once

#include <cstdint>
#include <string_view>

namespace tapedeck {

// Austin Appleby's MurmurHash2 (32 bits) with Kafka's seed. Java shows it as a signed number.
std::uint32_t murmur2(std::string_view bytes);

// In [0, partitions); partitions > 0.
std::uint32_t partition_of_key(std::string_view key, std::uint32_t partitions);

}  // namespace tapedeck
