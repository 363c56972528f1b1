// src/feeds/event_time.hpp: a venue's or a file's idea of time, made ns since 1970 UTC. Exact.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace tapedeck::feeds {

enum class TimeUnit : std::uint8_t { kSeconds, kMilliseconds, kMicroseconds, kNanoseconds, kIso };

std::string_view to_string(TimeUnit unit);  // "s", "ms", "us", "ns", "iso"
// Errors: kInvalidArgument, naming the units.
Result<TimeUnit> parse_time_unit(std::string_view text);

// Decimals are taken ("1614557123.123456" in s) as long as they are whole nanoseconds.
// Errors: kMalformed; kOverflow for an instant outside of what is plausible, saying which unit
// would make it plausible.
Result<Timestamp> parse_event_time(std::string_view text, TimeUnit unit);

}  // namespace tapedeck::feeds
