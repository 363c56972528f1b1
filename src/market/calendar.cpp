#include "market/calendar.hpp"

#include <date/tz.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <mutex>

namespace tapedeck::market {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::last;
using std::chrono::sys_days;
using std::chrono::weekday;
using std::chrono::year;
using std::chrono::year_month_day;

Timestamp utc_midnight(year_month_day date) {
  return Timestamp{} + hours(24) * sys_days{date}.time_since_epoch().count();
}

year_month_day utc_date(Timestamp t) {
  return sys_days{days{floor_to(t, hours(24)).ns / hours(24).ns}};
}

year_month_day day_after(year_month_day date) { return sys_days{date} + days{1}; }

// ---- Zones. The library reads the system's database and throws; nothing passes this section.

Result<const date::time_zone*> find_zone(std::string_view name) {
  try {
    date::get_tzdb();
  } catch (const std::exception& e) {
    std::string_view why = e.what();
    while (why.ends_with('\n')) why.remove_suffix(1);
    return fail(ErrorCode::kUnavailable,
                fmt::format("the time zone database cannot be read ({}): install the system's "
                            "package for it, such as tzdata",
                            why));
  }
  try {
    const date::time_zone* zone = date::locate_zone(name);
    zone->get_info(date::sys_seconds{});  // reads the zone's file now, not at first use
    return zone;
  } catch (const std::exception&) {
    return fail(ErrorCode::kNotFound,
                fmt::format("the time zone '{}' is not in the system's database (package tzdata): "
                            "use an IANA name such as Europe/Berlin",
                            name.substr(0, 64)));
  }
}

// The instant `local` and `fraction` of a second after midnight on the clocks of `zone`.
Timestamp to_utc(const date::time_zone& zone, year_month_day date, std::chrono::seconds local,
                 Duration fraction = {}) {
  const date::local_seconds wall{sys_days{date}.time_since_epoch() + local};
  const date::local_info info = zone.get_info(wall);
  if (info.result == date::local_info::nonexistent) {
    return Timestamp{} + seconds(info.first.end.time_since_epoch().count());
  }
  return Timestamp{} + seconds((wall.time_since_epoch() - info.first.offset).count()) + fraction;
}

Duration offset_at(const date::time_zone& zone, Timestamp t) {
  const date::sys_seconds instant{std::chrono::seconds{floor_to(t, seconds(1)).ns / 1'000'000'000}};
  return seconds(zone.get_info(instant).offset.count());
}

year_month_day local_date(const date::time_zone& zone, Timestamp t) {
  return utc_date(t + offset_at(zone, t));
}

// ---- US equities: NYSE and Nasdaq, which keep the same days.
//
// Source: the holidays and early closings that the NYSE publishes each year, NYSE Rule 7.2 (of a
// holiday on a Saturday the Friday before is off, unless it ends a month or a year: so for New
// Year; on a Sunday, the Monday after), and its list of special closings. Whole-day closings hold
// from 1990 on, early closings from 1993 on (1990 to 1992 closed at 14:00, here taken as full
// days); calendar_test.cpp compares the published lists of several years. As scheduled: halts,
// delayed openings and outages within a day are not here.

enum class DayKind { kFull, kHalf, kClosed };

// Anonymous Gregorian computus (Meeus, "Astronomical Algorithms", chapter 8).
sys_days easter_sunday(year y) {
  const int n = int(y);
  const int a = n % 19, b = n / 100, c = n % 100;
  const int h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
  const int l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
  const int m = (a + 11 * h + 22 * l) / 451;
  const int sum = h + l - 7 * m + 114;
  return y / (sum / 31) / (sum % 31 + 1);
}

// Where a holiday of a fixed date is kept.
sys_days observed(sys_days holiday) {
  if (weekday{holiday} == std::chrono::Saturday) return holiday - days{1};
  if (weekday{holiday} == std::chrono::Sunday) return holiday + days{1};
  return holiday;
}

bool is_holiday(sys_days day) {
  using namespace std::chrono;
  const year y = year_month_day{day}.year();
  // A New Year on a Saturday would be kept in the year before, and so is not kept.
  if (day == observed(y / January / 1)) return true;
  if (y >= year{1998} && day == sys_days{y / January / Monday[3]}) return true;  // M. L. King
  if (day == sys_days{y / February / Monday[3]}) return true;          // Washington's Birthday
  if (day == easter_sunday(y) - days{2}) return true;                  // Good Friday
  if (day == sys_days{y / May / Monday[last]}) return true;            // Memorial Day
  if (y >= year{2022} && day == observed(y / June / 19)) return true;  // Juneteenth
  if (day == observed(y / July / 4)) return true;
  if (day == sys_days{y / September / Monday[1]}) return true;   // Labor Day
  if (day == sys_days{y / November / Thursday[4]}) return true;  // Thanksgiving
  return day == observed(y / December / 25);
}

// Whole days off besides the holidays.
constexpr std::array kSpecialClosings{
    year{1994} / 4 / 27,  // mourning for R. Nixon
    year{2001} / 9 / 11,  // the attacks of 11 September, until the 14th
    year{2001} / 9 / 12,  year{2001} / 9 / 13,
    year{2001} / 9 / 14,  year{2004} / 6 / 11,  // mourning for R. Reagan
    year{2007} / 1 / 2,                         // mourning for G. Ford
    year{2012} / 10 / 29,                       // hurricane Sandy, two days
    year{2012} / 10 / 30, year{2018} / 12 / 5,  // mourning for G. H. W. Bush
    year{2025} / 1 / 9,                         // mourning for J. Carter
};

// Scheduled early closings that no rule gives.
constexpr std::array kSpecialHalfDays{
    year{1997} / 12 / 26,
    year{1999} / 12 / 31,
    year{2003} / 12 / 26,
};

// For a weekday that is no holiday.
bool is_half_day(sys_days day) {
  using namespace std::chrono;
  const year_month_day date{day};
  const year y = date.year();
  if (y < year{1993}) return false;
  if (day == sys_days{y / November / Thursday[4]} + days{1}) return true;
  if (date == y / December / 24) return true;  // on a Friday it is Christmas, observed
  if (y >= year{1995}) {
    const weekday fourth{sys_days{y / July / 4}};
    // Around a Thursday the early closing was on the Friday after it until 2012. Before a Saturday
    // to a Monday there is none.
    const bool friday_after = fourth == Thursday && y < year{2013};
    if (friday_after && date == y / July / 5) return true;
    if (!friday_after && date == y / July / 3 && fourth != Monday) return true;
  }
  return std::ranges::find(kSpecialHalfDays, date) != kSpecialHalfDays.end();
}

DayKind us_day_kind(year_month_day date) {
  const sys_days day{date};
  const weekday w{day};
  if (w == std::chrono::Saturday || w == std::chrono::Sunday || is_holiday(day) ||
      std::ranges::find(kSpecialClosings, date) != kSpecialClosings.end()) {
    return DayKind::kClosed;
  }
  return is_half_day(day) ? DayKind::kHalf : DayKind::kFull;
}

class UsEquity final : public Calendar {
 public:
  static constexpr std::string_view kZone = "America/New_York";
  explicit UsEquity(const date::time_zone& zone) : zone_(zone) {}

  std::string_view name() const override { return "us_equity"; }
  std::string_view zone() const override { return kZone; }

  TradingDay day_of(Timestamp t) const override {
    {
      std::lock_guard lock(mutex_);
      if (latest_.contains(t)) return latest_;
    }
    return day_of(local_date(zone_, t));
  }

  TradingDay day_of(year_month_day date) const override {
    const auto at = [&](std::chrono::minutes local) { return to_utc(zone_, date, local); };
    TradingDay day;
    day.date = date;
    day.from = at(0min);
    day.until = to_utc(zone_, day_after(date), 0s);
    day.pre_open = day.open = day.close = day.post_close = day.from;
    if (const DayKind kind = us_day_kind(date); kind != DayKind::kClosed) {
      day.pre_open = at(4h);
      day.open = at(9h + 30min);
      day.close = at(kind == DayKind::kHalf ? 13h : 16h);
      day.post_close = at(kind == DayKind::kHalf ? 17h : 20h);
    }
    std::lock_guard lock(mutex_);
    latest_ = day;
    return day;
  }

 private:
  const date::time_zone& zone_;
  mutable std::mutex mutex_;
  mutable TradingDay latest_;  // a cache: most questions are about one day
};

// ---- Markets that never close.

class AlwaysOpen final : public Calendar {
 public:
  std::string_view name() const override { return "24x7"; }
  std::string_view zone() const override { return "UTC"; }
  TradingDay day_of(Timestamp t) const override { return day_of(utc_date(t)); }
  TradingDay day_of(year_month_day date) const override {
    TradingDay day;
    day.date = date;
    day.from = day.pre_open = day.open = utc_midnight(date);
    day.close = day.post_close = day.until = day.from + hours(24);
    return day;
  }
};

}  // namespace

Result<const Calendar*> find_calendar(std::string_view name) {
  if (name == "24x7") {
    static const AlwaysOpen always_open;
    return &always_open;
  }
  if (name == "us_equity") {
    const auto zone = find_zone(UsEquity::kZone);
    if (!zone) return fail(ErrorCode::kUnavailable, "calendar us_equity: " + zone.error().message);
    static const UsEquity us_equity(**zone);
    return &us_equity;
  }
  return fail(ErrorCode::kNotFound,
              fmt::format("calendar '{}' is not known: use us_equity or 24x7", name.substr(0, 64)));
}

Result<Timestamp> local_midnight(std::string_view zone, year_month_day date) {
  return local_time(zone, date, Duration{});
}

Result<Timestamp> local_time(std::string_view zone, year_month_day date, Duration since_midnight) {
  TD_ASSIGN(const date::time_zone* found, find_zone(zone));
  const std::int64_t whole_s =
      floor_to(Timestamp{since_midnight.ns}, seconds(1)).ns / 1'000'000'000;
  return to_utc(*found, date, std::chrono::seconds{whole_s}, since_midnight - seconds(whole_s));
}

Result<Duration> utc_offset(std::string_view zone, Timestamp t) {
  TD_ASSIGN(const date::time_zone* found, find_zone(zone));
  return offset_at(*found, t);
}

}  // namespace tapedeck::market
