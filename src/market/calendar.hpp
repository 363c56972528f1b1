// src/market/calendar.hpp: when a market trades. Sessions of US equities (holidays, half days, IANA
// zone with its DST) and of markets that never close.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"
#include "market/conditions.hpp"

namespace tapedeck::market {

// One trading date in UTC instants: [from, until) holds pre [pre_open, open), regular
// [open, close) and post [close, post_close); the rest of it is closed. A date without trading has
// all four at `from`. Days tile time without holes, so a caller can keep one until it is left.
struct TradingDay {
  std::chrono::year_month_day date{};  // the exchange's date
  Timestamp from, pre_open, open, close, post_close, until;

  bool contains(Timestamp t) const { return from <= t && t < until; }
  TradeSession session_of(Timestamp t) const {
    if (t < pre_open || t >= post_close) return TradeSession::kClosed;
    if (t < open) return TradeSession::kPre;
    return t < close ? TradeSession::kRegular : TradeSession::kPost;
  }
};

// Immutable. Thread: any.
class Calendar {
 public:
  virtual ~Calendar() = default;
  virtual std::string_view name() const = 0;  // "us_equity", "24x7"
  virtual std::string_view zone() const = 0;  // IANA: "America/New_York", "UTC"
  virtual TradingDay day_of(Timestamp t) const = 0;
  virtual TradingDay day_of(std::chrono::year_month_day date) const = 0;

  TradeSession session_of(Timestamp t) const { return day_of(t).session_of(t); }
};

// "us_equity": pre 04:00, regular 09:30 to 16:00 (half days 13:00), post to 20:00 (half days
// 17:00), New York; days off from 1990 on, half days from 1993 on, DST until 2037 (the system's
// database ends there). "24x7": one regular session, the UTC day. Asking for a day costs
// microseconds, for the day asked for last nanoseconds. The result lives as long as the program.
// Errors: kNotFound, naming those that there are; kUnavailable: the zone database is missing.
Result<const Calendar*> find_calendar(std::string_view name);

// Midnight of `date` on the clocks of `zone`, as an instant. Errors: kNotFound, kUnavailable.
Result<Timestamp> local_midnight(std::string_view zone, std::chrono::year_month_day date);
// The instant of a wall-clock time that many ns after midnight of `date` on the clocks of `zone`;
// of an ambiguous one the first, of one that DST skips the instant of the change.
Result<Timestamp> local_time(std::string_view zone, std::chrono::year_month_day date,
                             Duration since_midnight);
// How far the clocks of `zone` are ahead of UTC at `t`. Errors: kNotFound, kUnavailable.
Result<Duration> utc_offset(std::string_view zone, Timestamp t);

}  // namespace tapedeck::market
