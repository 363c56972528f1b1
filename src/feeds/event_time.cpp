#include "feeds/event_time.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "base/wide.hpp"
#include "market/decimal.hpp"

namespace tapedeck::feeds {
namespace {

struct UnitName {
  TimeUnit unit;
  std::string_view name;
  std::int64_t ns;  // 0: no number of anything
};
constexpr std::array<UnitName, 5> kUnits{{{TimeUnit::kSeconds, "s", 1'000'000'000},
                                          {TimeUnit::kMilliseconds, "ms", 1'000'000},
                                          {TimeUnit::kMicroseconds, "us", 1'000},
                                          {TimeUnit::kNanoseconds, "ns", 1},
                                          {TimeUnit::kIso, "iso", 0}}};

const UnitName& row(TimeUnit unit) { return kUnits.at(static_cast<std::size_t>(unit)); }

// Nanoseconds, where they are a whole number that fits.
std::optional<Timestamp> scaled(const market::Decimal& value, std::int64_t ns_per_unit) {
  Int128 ns = Int128{value.mantissa} * ns_per_unit;
  for (int i = 0; i < value.scale; ++i) {
    if (ns % 10 != 0) return std::nullopt;
    ns /= 10;
  }
  if (ns > INT64_MAX || ns < INT64_MIN) return std::nullopt;
  return Timestamp{static_cast<std::int64_t>(ns)};
}

std::unexpected<Error> implausible(std::string_view text, TimeUnit unit,
                                   const market::Decimal* number) {
  std::string message = fmt::format("time '{}'", text.substr(0, 64));
  if (unit != TimeUnit::kIso) message += fmt::format(", read as {},", to_string(unit));
  message += " is not between 1990 and 2100";
  if (number != nullptr) {
    for (const UnitName& other : kUnits) {
      const auto instant = other.ns == 0 ? std::nullopt : scaled(*number, other.ns);
      if (instant && is_plausible(*instant)) {
        message += fmt::format("; as {} it is {}", other.name, to_iso(*instant));
      }
    }
  }
  return fail(ErrorCode::kOverflow, std::move(message));
}

// A whole number of up to 18 digits, as nearly every time is.
std::optional<std::int64_t> short_integer(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

std::string_view to_string(TimeUnit unit) { return row(unit).name; }

Result<TimeUnit> parse_time_unit(std::string_view text) {
  for (const UnitName& unit : kUnits) {
    if (unit.name == text) return unit.unit;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is no unit of time: there are s, ms, us, ns and iso (RFC 3339)",
                          text.substr(0, 64)));
}

Result<Timestamp> parse_event_time(std::string_view text, TimeUnit unit) {
  if (unit == TimeUnit::kIso) {
    auto instant = parse_iso(text);
    if (instant && !is_plausible(*instant)) return implausible(text, unit, nullptr);
    return instant;
  }
  if (const auto whole = short_integer(text)) {
    Timestamp instant;
    if (!__builtin_mul_overflow(*whole, row(unit).ns, &instant.ns) && is_plausible(instant)) {
      return instant;
    }
  }
  auto number = market::parse_decimal(text);
  if (!number) return fail_within(std::move(number), "time");
  const auto instant = scaled(*number, row(unit).ns);
  if (instant && is_plausible(*instant)) return *instant;
  return implausible(text, unit, &*number);
}

}  // namespace tapedeck::feeds
