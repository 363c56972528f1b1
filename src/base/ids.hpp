// src/base/ids.hpp: integers that cannot be mixed up.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace tapedeck {

template <class Tag, class Rep>
struct StrongId {
  Rep value{};

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep v) : value(v) {}
  constexpr auto operator<=>(const StrongId&) const = default;

  constexpr StrongId& operator++() {
    ++value;
    return *this;
  }
  constexpr StrongId operator+(Rep n) const { return StrongId(static_cast<Rep>(value + n)); }
  constexpr Rep operator-(StrongId other) const { return static_cast<Rep>(value - other.value); }
};

// Position in a partition of the tape, dense from 0 over all stream kinds.
using Offset = StrongId<struct OffsetTag, std::uint64_t>;
// A (venue, channel, instrument), numbered by the process that holds its dictionary.
using SeriesId = StrongId<struct SeriesTag, std::uint32_t>;
// Where identities were numbered: a file, a feed session, a foreign topic, or the venue itself.
using OriginId = StrongId<struct OriginTag, std::uint32_t>;
using PartitionId = StrongId<struct PartitionTag, std::uint32_t>;

}  // namespace tapedeck

template <class Tag, class Rep>
struct std::hash<tapedeck::StrongId<Tag, Rep>> {
  std::size_t operator()(tapedeck::StrongId<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
