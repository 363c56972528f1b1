#include "feeds/alpha_vantage/alpha_vantage_answers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "feeds/alpha_vantage/alpha_vantage_poll.hpp"
#include "market/calendar.hpp"

namespace tapedeck::feeds::alpha_vantage {
namespace {

using market::Decimal;

constexpr std::size_t kCompact = 100;  // bars
constexpr Duration kFullDays = hours(24) * 30;
// Bars of a day are made of these: sessions begin and end on them.
constexpr Duration kHalfHour = minutes(30);

struct LocalBar {
  Timestamp open_time;  // where it opens
  std::string label;    // that, on the clocks of New York
  Decimal open{}, high{}, low{}, close{};
  market::DecimalSum volume{};

  void take(const EmulatedTrade& trade) {
    high = std::max(high, trade.price);
    low = std::min(low, trade.price);
    close = trade.price;
    volume.add(trade.size);
  }
  void take(const LocalBar& later) {
    high = std::max(high, later.high);
    low = std::min(low, later.low);
    close = later.close;
    volume.add(later.volume);
  }
};

// Bars of trades that are in the order of time, where there are any. Each interval is a part of an
// hour, and New York is whole hours from UTC.
std::vector<LocalBar> bars_of(const VenueQuestion& question, std::string_view symbol,
                              Duration interval, bool is_extended) {
  std::vector<LocalBar> bars;
  for (const EmulatedTrade& trade : question.happened) {
    if (trade.symbol != symbol) continue;
    const Timestamp open_time = floor_to(trade.ts_event, interval);
    if (bars.empty() || bars.back().open_time != open_time) {
      bars.push_back({.open_time = open_time,
                      .label = {},
                      .open = trade.price,
                      .high = trade.price,
                      .low = trade.price,
                      .close = trade.price});
    }
    bars.back().take(trade);
  }
  std::vector<LocalBar> kept;
  for (LocalBar& bar : bars) {
    const auto offset = market::utc_offset("America/New_York", bar.open_time);
    if (!offset) continue;
    const Timestamp wall = bar.open_time + *offset;
    const Timestamp midnight = floor_to(wall, hours(24));
    const Duration time = wall - midnight;
    const Duration from = is_extended ? hours(4) : hours(9) + minutes(30);
    const Duration to = is_extended ? hours(20) : hours(16);
    if (time < from || time >= to) continue;
    const std::chrono::year_month_day date{
        std::chrono::sys_days(std::chrono::days(midnight.ns / hours(24).ns))};
    const auto minute = time.ns / minutes(1).ns;
    bar.label = fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:00", static_cast<int>(date.year()),
                            static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                            minute / 60, minute % 60);
    kept.push_back(std::move(bar));
  }
  return kept;
}

std::vector<LocalBar> days_of(const VenueQuestion& question, std::string_view symbol) {
  constexpr std::size_t kDate = 10;  // characters
  std::vector<LocalBar> days;
  for (LocalBar& bar : bars_of(question, symbol, kHalfHour, false)) {
    bar.label.resize(kDate);
    if (!days.empty() && days.back().label == bar.label) {
      days.back().take(bar);
    } else {
      days.push_back(std::move(bar));
    }
  }
  return days;
}

// "248.3900"
std::string price(const Decimal& value) {
  std::string text = to_string(value);
  if (!text.contains('.')) text += '.';
  const std::size_t decimals = text.size() - text.find('.') - 1;
  return text + std::string(decimals < 4 ? 4 - decimals : 0, '0');
}

VenueAnswer error(std::string_view words) {
  return {.body = fmt::format(R"({{"Error Message":{}}})", json_quote(words))};
}

VenueAnswer in_csv(std::span<const LocalBar> bars) {
  std::string body = "timestamp,open,high,low,close,volume\r\n";
  for (const LocalBar& bar : bars | std::views::reverse) {
    body += fmt::format("{},{},{},{},{},{}\r\n", bar.label, price(bar.open), price(bar.high),
                        price(bar.low), price(bar.close), bar.volume.to_string());
  }
  return {.body = std::move(body), .content_type = "text/csv"};
}

// `interval`: "1min"; empty: of a day.
VenueAnswer in_json(std::span<const LocalBar> bars, std::string_view symbol,
                    std::string_view interval, bool is_full) {
  const bool is_daily = interval.empty();
  const std::string_view size = is_full ? "Full size" : "Compact";
  std::string body = fmt::format(
      R"({{"Meta Data":{{"1. Information":"{} open, high, low, close prices and volume",)"
      R"("2. Symbol":{},"3. Last Refreshed":"{}",)",
      is_daily ? "Daily" : fmt::format("Intraday ({})", interval), json_quote(symbol),
      bars.empty() ? "" : bars.back().label);
  body += is_daily ? fmt::format(R"("4. Output Size":"{}","5. Time Zone":"US/Eastern"}},)", size)
                   : fmt::format(R"("4. Interval":"{}","5. Output Size":"{}",)"
                                 R"("6. Time Zone":"US/Eastern"}},)",
                                 interval, size);
  body += fmt::format("\"Time Series ({})\":{{", is_daily ? "Daily" : interval);
  for (const LocalBar& bar : bars | std::views::reverse) {
    body += fmt::format(
        R"("{}":{{"1. open":"{}","2. high":"{}","3. low":"{}","4. close":"{}","5. volume":"{}"}},)",
        bar.label, price(bar.open), price(bar.high), price(bar.low), price(bar.close),
        bar.volume.to_string());
  }
  if (!bars.empty()) body.pop_back();
  return {.body = body + "}}"};
}

VenueAnswer answer(const VenueQuestion& question) {
  if (question.path != "/query") return {.status = 404, .body = "{}"};
  const auto asked = [&](std::string_view name) { return parameter(question.query, name); };
  const std::string_view function = asked("function");
  const std::string_view symbol = asked("symbol");
  if (asked("apikey").empty()) return error("the parameter apikey is invalid or missing.");
  const bool is_daily = function == "TIME_SERIES_DAILY";
  const std::optional<Duration> interval = interval_of(asked("interval"));
  if (std::ranges::find(question.symbols, symbol) == question.symbols.end() ||
      (!is_daily && (function != "TIME_SERIES_INTRADAY" || !interval))) {
    return error(
        fmt::format("Invalid API call. Please retry or visit the documentation "
                    "(https://www.alphavantage.co/documentation/) for {}.",
                    function));
  }
  auto bars = is_daily ? days_of(question, symbol)
                       : bars_of(question, symbol, *interval, asked("extended_hours") != "false");
  const bool is_full = asked("outputsize") == "full";
  if (const std::string_view month = asked("month"); !month.empty() && !is_daily) {
    std::erase_if(bars, [&](const LocalBar& bar) { return !bar.label.starts_with(month); });
  } else if (is_full && !is_daily && !bars.empty()) {
    const Timestamp oldest = bars.back().open_time - kFullDays;
    std::erase_if(bars, [&](const LocalBar& bar) { return bar.open_time < oldest; });
  }
  const auto shown =
      std::span<const LocalBar>(bars).last(is_full ? bars.size() : std::min(bars.size(), kCompact));
  if (asked("datatype") == "csv") return in_csv(shown);
  return in_json(shown, symbol, is_daily ? std::string_view() : asked("interval"), is_full);
}

}  // namespace

Emulation emulation() {
  return {.path = "/query",
          .answer = answer,
          .begins_play = "/query",
          .is_history = true,
          .quota = R"({"Information":"We have detected your API key and our standard API rate )"
                   R"(limit is 25 requests per day."})"};
}

}  // namespace tapedeck::feeds::alpha_vantage
