// src/feeds/alpha_vantage/alpha_vantage_poll.hpp: bars of US equities of Alpha Vantage: intraday by
// month and of late, or daily.
//   {"Meta Data":{...,"6. Time Zone":"US/Eastern"},"Time Series (1min)":{"2026-04-02 19:55:00":
//    {"1. open":"248.3900","2. high":"248.3900","3. low":"248.2100","4. close":"248.3000",
//     "5. volume":"86"}, ...}}
// A bar is what it says: one that says something else later is another, and the last received
// counts. Limits come with status 200, as {"Note"}, {"Information"} or {"Error Message"}; their
// text has the key in it. Thread: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "feeds/feed.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::alpha_vantage {

struct Options {
  std::vector<std::string> symbols{};
  Secret key{};
  Duration interval = minutes(1);     // 1, 5, 15, 30 or 60 minutes, or market::kTradingDay
  std::vector<std::string> months{};  // of intraday: "2024-01", fetched once and first
  bool adjusted = false;              // of intraday: for splits and dividends
  Duration every = hours(1);          // between two answers of one symbol of late
  std::string url{};                  // empty: the vendor's
};

inline constexpr std::string_view kVenue = "alpha_vantage";

// Of "1min", "5min", "15min", "30min" or "60min"; nothing: it has no other.
std::optional<Duration> interval_of(std::string_view name);

// Errors: kInvalidArgument. The catalog outlives the feed.
Result<std::unique_ptr<PollFeed>> make_poll(Options options, market::Catalog& catalog);

}  // namespace tapedeck::feeds::alpha_vantage
