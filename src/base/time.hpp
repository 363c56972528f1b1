// src/base/time.hpp: instants and durations, int64 nanoseconds. Instants count from 1970 UTC.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace tapedeck {

struct Duration {
  std::int64_t ns = 0;
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration o) const { return {ns + o.ns}; }
  constexpr Duration operator-(Duration o) const { return {ns - o.ns}; }
  constexpr Duration operator*(std::int64_t n) const { return {ns * n}; }
};

constexpr Duration nanoseconds(std::int64_t n) { return {n}; }
constexpr Duration microseconds(std::int64_t n) { return {n * 1'000}; }
constexpr Duration milliseconds(std::int64_t n) { return {n * 1'000'000}; }
constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000'000}; }
constexpr Duration minutes(std::int64_t n) { return seconds(n * 60); }
constexpr Duration hours(std::int64_t n) { return minutes(n * 60); }

struct Timestamp {
  std::int64_t ns = 0;
  constexpr auto operator<=>(const Timestamp&) const = default;
  constexpr Timestamp operator+(Duration d) const { return {ns + d.ns}; }
  constexpr Timestamp operator-(Duration d) const { return {ns - d.ns}; }
  constexpr Duration operator-(Timestamp o) const { return {ns - o.ns}; }
};

// Market data outside of this range is refused: a wrong unit lands far outside.
// (ms taken as us lands in 1970, us taken as ms after 50 000.)
constexpr Timestamp kEarliestPlausible{631'152'000'000'000'000};  // 1990-01-01
constexpr Timestamp kLatestPlausible{4'102'444'800'000'000'000};  // 2100-01-01
constexpr bool is_plausible(Timestamp t) { return kEarliestPlausible <= t && t < kLatestPlausible; }

// Start of the interval of the UTC clock that holds `t`. Rounds towards the past, before 1970 too.
constexpr Timestamp floor_to(Timestamp t, Duration interval) {
  const std::int64_t rest = t.ns % interval.ns;
  return {t.ns - (rest < 0 ? rest + interval.ns : rest)};
}

// "2013-10-07T13:29:50.000000000Z": always nine digits, always UTC.
std::string to_iso(Timestamp t);

// RFC 3339 with 'T' or a blank, 0 to 9 fraction digits, and Z or an offset (+hh:mm). Exact.
// Errors: kMalformed.
Result<Timestamp> parse_iso(std::string_view text);

// "250ms", "15s", "1m", "1h", "1d". Errors: kInvalidArgument, naming the units.
Result<Duration> parse_duration(std::string_view text);
// The shortest of those forms that is exact.
std::string to_string(Duration d);

}  // namespace tapedeck
