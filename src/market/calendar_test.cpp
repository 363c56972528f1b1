#include "market/calendar.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tapedeck::market {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

std::string text_of(year_month_day date) {
  return fmt::format("{:04}-{:02}-{:02}", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()));
}

year_month_day date_of(const std::string& text) {
  const auto number = [&](std::size_t at, std::size_t count) {
    return std::stoi(text.substr(at, count));
  };
  return year{number(0, 4)} / number(5, 2) / number(8, 2);
}

Timestamp at(std::string_view iso) { return parse_iso(iso).value(); }

const Calendar& us_equity() { return *find_calendar("us_equity").value(); }

// Regular hours of a date as the UTC clock shows them: "13:30-20:00".
std::string regular_hours(const std::string& date) {
  const TradingDay day = us_equity().day_of(date_of(date));
  return to_iso(day.open).substr(11, 5) + "-" + to_iso(day.close).substr(11, 5);
}

// Weekdays without trading, and weekdays that are short, of a year: "01-01 01-21 ...".
std::string dates_of(int y, bool (*wanted)(const TradingDay&)) {
  std::string dates;
  for (sys_days day = year{y} / 1 / 1; day < sys_days{year{y + 1} / 1 / 1}; day += days{1}) {
    const std::chrono::weekday w{day};
    if (w == std::chrono::Saturday || w == std::chrono::Sunday) continue;
    if (wanted(us_equity().day_of(year_month_day{day}))) {
      dates += (dates.empty() ? "" : " ") + text_of(day).substr(5);
    }
  }
  return dates;
}
std::string closed_in(int y) {
  return dates_of(y, [](const TradingDay& day) { return day.open == day.post_close; });
}
std::string short_in(int y) {
  return dates_of(y, [](const TradingDay& day) {
    return day.open < day.close && day.close - day.open < minutes(390);
  });
}

TEST(UsEquity, RegularDay) {
  const TradingDay day = us_equity().day_of(at("2013-10-07T15:00:00Z"));
  EXPECT_EQ(text_of(day.date), "2013-10-07");
  EXPECT_EQ(day.from, at("2013-10-07T04:00:00Z"));
  EXPECT_EQ(day.pre_open, at("2013-10-07T08:00:00Z"));
  EXPECT_EQ(day.open, at("2013-10-07T13:30:00Z"));
  EXPECT_EQ(day.close, at("2013-10-07T20:00:00Z"));
  EXPECT_EQ(day.post_close, at("2013-10-08T00:00:00Z"));
  EXPECT_EQ(day.until, at("2013-10-08T04:00:00Z"));
}

TEST(UsEquity, SessionsAreHalfOpen) {
  const auto session = [](std::string_view iso) { return us_equity().session_of(at(iso)); };
  EXPECT_EQ(session("2013-10-07T07:59:59.999999999Z"), TradeSession::kClosed);
  EXPECT_EQ(session("2013-10-07T08:00:00Z"), TradeSession::kPre);
  EXPECT_EQ(session("2013-10-07T13:29:59.999999999Z"), TradeSession::kPre);
  EXPECT_EQ(session("2013-10-07T13:30:00Z"), TradeSession::kRegular);
  EXPECT_EQ(session("2013-10-07T19:59:59.999999999Z"), TradeSession::kRegular);
  EXPECT_EQ(session("2013-10-07T20:00:00Z"), TradeSession::kPost);
  EXPECT_EQ(session("2013-10-07T23:59:59.999999999Z"), TradeSession::kPost);
  EXPECT_EQ(session("2013-10-08T00:00:00Z"), TradeSession::kClosed);
  EXPECT_EQ(session("2013-10-05T15:00:00Z"), TradeSession::kClosed);  // a Saturday
  EXPECT_EQ(session("2013-12-25T15:00:00Z"), TradeSession::kClosed);
}

TEST(UsEquity, TheDayIsTheExchangesDate) {
  // 02:00 UTC is still the evening before in New York.
  EXPECT_EQ(text_of(us_equity().day_of(at("2013-10-08T02:00:00Z")).date), "2013-10-07");
  EXPECT_EQ(text_of(us_equity().day_of(at("2013-10-08T03:59:59.999999999Z")).date), "2013-10-07");
  EXPECT_EQ(text_of(us_equity().day_of(at("2013-10-08T04:00:00Z")).date), "2013-10-08");
}

TEST(UsEquity, DaylightSavingTime) {
  EXPECT_EQ(regular_hours("2013-03-08"), "14:30-21:00");
  EXPECT_EQ(regular_hours("2013-03-11"), "13:30-20:00");
  EXPECT_EQ(regular_hours("2013-11-01"), "13:30-20:00");
  EXPECT_EQ(regular_hours("2013-11-04"), "14:30-21:00");
  EXPECT_EQ(regular_hours("2006-03-13"), "14:30-21:00");  // before the rule of 2007
  EXPECT_EQ(regular_hours("2036-07-07"), "13:30-20:00");
  const auto length = [](const std::string& date) {
    const TradingDay day = us_equity().day_of(date_of(date));
    return day.until - day.from;
  };
  EXPECT_EQ(length("2013-03-10"), hours(23));
  EXPECT_EQ(length("2013-11-03"), hours(25));
}

TEST(UsEquity, HalfDays) {
  const TradingDay day = us_equity().day_of(date_of("2013-11-29"));
  EXPECT_EQ(day.pre_open, at("2013-11-29T09:00:00Z"));
  EXPECT_EQ(day.open, at("2013-11-29T14:30:00Z"));
  EXPECT_EQ(day.close, at("2013-11-29T18:00:00Z"));
  EXPECT_EQ(day.post_close, at("2013-11-29T22:00:00Z"));
}

// The lists that the exchange published.
TEST(UsEquity, HolidaysOfTheYears) {
  EXPECT_EQ(closed_in(2010), "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24");
  EXPECT_EQ(closed_in(2012), "01-02 01-16 02-20 04-06 05-28 07-04 09-03 10-29 10-30 11-22 12-25");
  EXPECT_EQ(closed_in(2013), "01-01 01-21 02-18 03-29 05-27 07-04 09-02 11-28 12-25");
  EXPECT_EQ(closed_in(2014), "01-01 01-20 02-17 04-18 05-26 07-04 09-01 11-27 12-25");
  EXPECT_EQ(closed_in(2015), "01-01 01-19 02-16 04-03 05-25 07-03 09-07 11-26 12-25");
  EXPECT_EQ(closed_in(2016), "01-01 01-18 02-15 03-25 05-30 07-04 09-05 11-24 12-26");
  EXPECT_EQ(closed_in(2021), "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24");
  EXPECT_EQ(closed_in(2022), "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26");
  EXPECT_EQ(closed_in(2023), "01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25");
  EXPECT_EQ(closed_in(2024), "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25");
  EXPECT_EQ(closed_in(2025), "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25");
  EXPECT_EQ(closed_in(2026), "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25");
  EXPECT_EQ(closed_in(2027), "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24");
  EXPECT_EQ(closed_in(2028), "01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25");
}

TEST(UsEquity, HalfDaysOfTheYears) {
  EXPECT_EQ(short_in(2002), "07-05 11-29 12-24");
  EXPECT_EQ(short_in(2010), "11-26");
  EXPECT_EQ(short_in(2012), "07-03 11-23 12-24");
  EXPECT_EQ(short_in(2013), "07-03 11-29 12-24");
  EXPECT_EQ(short_in(2014), "07-03 11-28 12-24");
  EXPECT_EQ(short_in(2015), "11-27 12-24");
  EXPECT_EQ(short_in(2021), "11-26");
  EXPECT_EQ(short_in(2022), "11-25");
  EXPECT_EQ(short_in(2023), "07-03 11-24");
  EXPECT_EQ(short_in(2024), "07-03 11-29 12-24");
  EXPECT_EQ(short_in(2025), "07-03 11-28 12-24");
  EXPECT_EQ(short_in(2028), "07-03 11-24");
}

TEST(UsEquity, GoodFridays) {
  for (const std::string date : {"1990-04-13", "2000-04-21", "2008-03-21", "2011-04-22",
                                 "2018-03-30", "2019-04-19", "2020-04-10", "2038-04-23"}) {
    const TradingDay day = us_equity().day_of(date_of(date));
    EXPECT_EQ(day.pre_open, day.post_close) << date;
  }
}

TEST(UsEquity, SpecialClosings) {
  EXPECT_EQ(closed_in(2001),
            "01-01 01-15 02-19 04-13 05-28 07-04 09-03 09-11 09-12 09-13 09-14 "
            "11-22 12-25");
  for (const std::string date : {"1994-04-27", "2004-06-11", "2007-01-02", "2018-12-05"}) {
    const TradingDay day = us_equity().day_of(date_of(date));
    EXPECT_EQ(day.pre_open, day.post_close) << date;
  }
}

TEST(UsEquity, DaysTileTime) {
  Timestamp t = at("2012-12-30T12:00:00Z");
  TradingDay before = us_equity().day_of(t);
  while (before.until < at("2014-01-05T00:00:00Z")) {
    const TradingDay day = us_equity().day_of(before.until);
    ASSERT_EQ(day.from, before.until);
    ASSERT_EQ(sys_days{day.date}, sys_days{before.date} + days{1});
    ASSERT_TRUE(day.from <= day.pre_open && day.pre_open <= day.open && day.open <= day.close &&
                day.close <= day.post_close && day.post_close <= day.until);
    ASSERT_EQ(us_equity().day_of(day.until - nanoseconds(1)).date, day.date);
    before = day;
  }
}

TEST(UsEquity, ThreadsShareIt) {
  std::vector<std::jthread> threads;
  for (int n = 0; n < 4; ++n) {
    threads.emplace_back([n] {
      for (int i = 0; i < 200; ++i) {
        const Timestamp t = at("2013-10-07T15:00:00Z") + hours(24) * ((i + n) % 7);
        EXPECT_TRUE(us_equity().day_of(t).contains(t));
      }
    });
  }
}

TEST(AlwaysOpen, OneSessionTheUtcDay) {
  const Calendar& calendar = *find_calendar("24x7").value();
  EXPECT_EQ(calendar.zone(), "UTC");
  const TradingDay day = calendar.day_of(at("2026-01-01T23:59:59.999999999Z"));
  EXPECT_EQ(text_of(day.date), "2026-01-01");
  EXPECT_EQ(day.open, at("2026-01-01T00:00:00Z"));
  EXPECT_EQ(day.close, at("2026-01-02T00:00:00Z"));
  EXPECT_EQ(calendar.session_of(day.from), TradeSession::kRegular);
  EXPECT_EQ(calendar.session_of(day.until - nanoseconds(1)), TradeSession::kRegular);
  EXPECT_EQ(calendar.day_of(day.until).from, day.until);
  EXPECT_EQ(text_of(calendar.day_of(Timestamp{-1}).date), "1969-12-31");
}

TEST(FindCalendar, NamesThoseThatThereAre) {
  const auto found = find_calendar("mars");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_NE(found.error().message.find("us_equity"), std::string::npos);
  EXPECT_EQ(find_calendar("us_equity").value(), find_calendar("us_equity").value());
}

TEST(LocalTime, OfZones) {
  const auto local = [](std::string_view zone, const std::string& date, Duration d) {
    return to_iso(local_time(zone, date_of(date), d).value());
  };
  EXPECT_EQ(local("UTC", "2013-10-07", hours(1)), "2013-10-07T01:00:00.000000000Z");
  EXPECT_EQ(local("Asia/Kolkata", "2013-10-07", Duration{}), "2013-10-06T18:30:00.000000000Z");
  EXPECT_EQ(local("America/New_York", "2013-10-07", hours(9) + milliseconds(1)),
            "2013-10-07T13:00:00.001000000Z");
  // 01:30 comes twice on 2013-11-03: the first. 02:30 does not come on 2013-03-10: the change.
  EXPECT_EQ(local("America/New_York", "2013-11-03", minutes(90) + nanoseconds(7)),
            "2013-11-03T05:30:00.000000007Z");
  EXPECT_EQ(local("America/New_York", "2013-03-10", minutes(150) + nanoseconds(7)),
            "2013-03-10T07:00:00.000000000Z");
  EXPECT_EQ(local_midnight("America/New_York", date_of("2013-10-07")).value(),
            at("2013-10-07T04:00:00Z"));
}

TEST(UtcOffset, ChangesWithTheClocks) {
  EXPECT_EQ(utc_offset("America/New_York", at("2013-11-03T05:59:59.999999999Z")).value(),
            Duration{} - hours(4));
  EXPECT_EQ(utc_offset("America/New_York", at("2013-11-03T06:00:00Z")).value(),
            Duration{} - hours(5));
  EXPECT_EQ(utc_offset("Asia/Kolkata", at("2013-11-03T06:00:00Z")).value(), minutes(330));
  EXPECT_EQ(utc_offset("America/Atlantis", {}).error().code, ErrorCode::kNotFound);
}

TEST(LocalTime, OfNoZone) {
  for (const std::string_view zone : {"America/Atlantis", "", "../../etc/passwd", "US/\xFF"}) {
    const auto result = local_midnight(zone, year{2013} / 10 / 7);
    ASSERT_FALSE(result) << zone;
    EXPECT_EQ(result.error().code, ErrorCode::kNotFound) << result.error().message;
  }
}

}  // namespace
}  // namespace tapedeck::market
