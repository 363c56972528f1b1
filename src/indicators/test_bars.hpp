// src/indicators/test_bars.hpp: bars for the tests, and what an indicator says of them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.hpp"
#include "indicators/indicator.hpp"

namespace tapedeck::indicators {

inline constexpr Timestamp kTestStart{1'381'152'600'000'000'000};  // 2013-10-07T13:30Z

inline market::Decimal decimal(std::string_view text) {
  return market::parse_decimal(text).value();
}
inline Timestamp minute(std::int64_t n) { return kTestStart + minutes(n); }

// A final bar of minute n at one price.
inline market::Bar bar_at(std::int64_t n, std::string_view price) {
  market::Bar bar;
  bar.ts_open = minute(n);
  bar.open = bar.high = bar.low = bar.close = decimal(price);
  bar.is_final = true;
  return bar;
}

inline market::Bar candle(std::int64_t n, std::string_view high, std::string_view low,
                          std::string_view close) {
  market::Bar bar = bar_at(n, close);
  bar.high = decimal(high);
  bar.low = decimal(low);
  return bar;
}

// A bar whose trades set no price.
inline market::Bar volume_only(std::int64_t n, std::string_view price, std::string_view size) {
  market::Bar bar;
  bar.ts_open = minute(n);
  bar.volume.add(decimal(size));
  bar.notional.add_product(decimal(price), decimal(size));
  bar.trades = 1;
  bar.is_final = true;
  return bar;
}

// Bars as a market makes them, from a seed: prices of changing scale, gaps, bars without prices.
inline std::vector<market::Bar> random_bars(std::uint64_t seed, std::size_t count) {
  Rng rng(seed);
  const auto below = [&rng](std::uint64_t n) { return static_cast<std::int64_t>(rng.below(n)); };
  std::vector<market::Bar> bars;
  std::int64_t cents = 16'742;
  std::int64_t n = 0;
  while (bars.size() < count) {
    n += below(20) == 0 ? 1 + below(30) : 1;
    market::Bar bar;
    bar.ts_open = minute(n);
    bar.is_final = true;
    const auto price = [&] {
      return market::Decimal::make((cents + below(41) - 20) * 100 + below(4), 4);
    };
    const auto a = price(), b = price();
    cents = std::max<std::int64_t>(cents + below(61) - 30, 100);
    if (below(25) != 0) {
      bar.open = bar.low = std::min(a, b);
      bar.close = bar.high = std::max(a, b);
      if (below(2) == 0) std::swap(bar.open, bar.close);
    }
    const auto size = market::Decimal::make(below(100'000), 3);
    bar.volume.add(size);
    bar.notional.add_product(a, size);
    bars.push_back(bar);
  }
  return bars;
}

inline Indicator indicator_of(std::string_view text) {
  return Indicator::make(parse_indicator(text).value(), market::find_calendar("us_equity").value())
      .value();
}

// "1.5 - 2": the outputs, '-' for one that is absent.
inline std::string text_of(const Values& values, std::size_t outputs) {
  std::string text;
  for (std::size_t i = 0; i < outputs; ++i) {
    text += (i == 0 ? "" : " ") + (values[i] ? to_string(*values[i]) : std::string("-"));
  }
  return text;
}

inline std::vector<std::string> values_of(Indicator& indicator,
                                          const std::vector<market::Bar>& bars) {
  std::vector<std::string> out;
  for (const market::Bar& bar : bars) {
    out.push_back(text_of(indicator.add(bar), indicator.outputs().size()));
  }
  return out;
}

inline std::vector<std::string> values_of(std::string_view indicator,
                                          const std::vector<market::Bar>& bars) {
  Indicator made = indicator_of(indicator);
  return values_of(made, bars);
}

// The same as numbers; NaN for an absent one.
inline std::vector<double> numbers_of(std::string_view indicator,
                                      const std::vector<market::Bar>& bars,
                                      std::size_t output = 0) {
  Indicator made = indicator_of(indicator);
  std::vector<double> out;
  for (const market::Bar& bar : bars) {
    const Values values = made.add(bar);
    out.push_back(values[output] ? to_double(*values[output]) : std::nan(""));
  }
  return out;
}

// Bars of these closes, a minute each.
inline std::vector<market::Bar> closes(const std::vector<std::string>& prices) {
  std::vector<market::Bar> bars;
  for (const std::string& price : prices) {
    bars.push_back(bar_at(static_cast<std::int64_t>(bars.size()), price));
  }
  return bars;
}

}  // namespace tapedeck::indicators
