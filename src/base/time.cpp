#include "base/time.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>

namespace tapedeck {
namespace {

// Takes exactly `count` digits from the front of `text`.
bool take_digits(std::string_view& text, std::size_t count, int& value) {
  if (text.size() < count) return false;
  value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const char c = text[i];
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool take_char(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// Nanoseconds of ".5", ".164892", ...; at most nine digits, so that nothing is cut off.
bool take_fraction(std::string_view& text, std::int64_t& ns) {
  ns = 0;
  if (!take_char(text, '.')) return true;
  std::size_t digits = 0;
  std::int64_t unit = 100'000'000;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (++digits > 9) return false;
    ns += (text.front() - '0') * unit;
    unit /= 10;
    text.remove_prefix(1);
  }
  return digits > 0;
}

bool take_zone(std::string_view& text, std::int64_t& offset_s) {
  offset_s = 0;
  if (take_char(text, 'Z') || take_char(text, 'z')) return true;
  const bool east = !text.empty() && text.front() == '+';
  if (!take_char(text, '+') && !take_char(text, '-')) return false;
  int hour = 0;
  int minute = 0;
  if (!take_digits(text, 2, hour)) return false;
  take_char(text, ':');
  if (!take_digits(text, 2, minute) || hour > 23 || minute > 59) return false;
  offset_s = (std::int64_t{hour} * 3600 + std::int64_t{minute} * 60) * (east ? 1 : -1);
  return true;
}

struct Unit {
  std::string_view name;
  Duration duration;
};
constexpr std::array<Unit, 7> kUnits{{{"ns", nanoseconds(1)},
                                      {"us", microseconds(1)},
                                      {"ms", milliseconds(1)},
                                      {"s", seconds(1)},
                                      {"m", minutes(1)},
                                      {"h", hours(1)},
                                      {"d", hours(24)}}};

}  // namespace

std::string to_iso(Timestamp t) {
  using namespace std::chrono;
  const sys_time<std::chrono::nanoseconds> instant{std::chrono::nanoseconds(t.ns)};
  const auto day = floor<days>(instant);
  const year_month_day date{day};
  const hh_mm_ss time{instant - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", int(date.year()),
                     unsigned(date.month()), unsigned(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

Result<Timestamp> parse_iso(std::string_view text) {
  const std::string_view all = text;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::int64_t fraction_ns = 0, offset_s = 0;
  const bool shape = take_digits(text, 4, year) && take_char(text, '-') &&
                     take_digits(text, 2, month) && take_char(text, '-') &&
                     take_digits(text, 2, day) && (take_char(text, 'T') || take_char(text, ' ')) &&
                     take_digits(text, 2, hour) && take_char(text, ':') &&
                     take_digits(text, 2, minute) && take_char(text, ':') &&
                     take_digits(text, 2, second) && take_fraction(text, fraction_ns) &&
                     take_zone(text, offset_s) && text.empty();
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(year), std::chrono::month(unsigned(month)),
                            std::chrono::day(unsigned(day))};
  if (!shape || !date.ok() || hour > 23 || minute > 59 || second > 60 || year < 1678 ||
      year > 2261) {
    return fail(ErrorCode::kMalformed,
                fmt::format("'{}' is not an RFC 3339 time such as 2026-07-07T22:58:17.164892Z",
                            all.substr(0, 64)));
  }
  const std::int64_t days_since_1970 = sys_days{date}.time_since_epoch().count();
  const std::int64_t s = days_since_1970 * 86'400 + std::int64_t{hour} * 3600 +
                         std::int64_t{minute} * 60 + second - offset_s;
  return Timestamp{s * 1'000'000'000 + fraction_ns};
}

Result<Duration> parse_duration(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc{} && count >= 0) {
    for (const Unit& u : kUnits) {
      std::int64_t ns = 0;
      if (u.name == unit && !__builtin_mul_overflow(count, u.duration.ns, &ns)) {
        return Duration{ns};
      }
    }
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is not a duration: write a whole number and a unit "
                          "(ns, us, ms, s, m, h, d), such as 15s or 1m",
                          text.substr(0, 64)));
}

std::string to_string(Duration d) {
  for (auto unit = kUnits.rbegin(); unit != kUnits.rend(); ++unit) {
    if (d.ns % unit->duration.ns == 0 && d.ns != 0) {
      return fmt::format("{}{}", d.ns / unit->duration.ns, unit->name);
    }
  }
  return "0s";
}

}  // namespace tapedeck
