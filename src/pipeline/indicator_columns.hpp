// src/pipeline/indicator_columns.hpp: bars of a store, and indicators over them, computed on
// reading. Thread: any.
#pragma once

#include "indicators/indicator.hpp"
#include "market/calendar.hpp"
#include "pipeline/history.hpp"

namespace tapedeck::pipeline {

// Bars that are read at most to warm indicators up, the newest ones. A series that has fewer is
// counted from its first stored bar on.
inline constexpr std::size_t kIndicatorBarsMax = 50'000;
inline constexpr std::size_t kIndicatorsMax = 16;

// Each text as indicators::parse_indicator takes it. Borrows the calendar for their lives; null: of
// a session anchor kInvalidArgument.
Result<std::vector<indicators::Indicator>> make_indicators(std::span<const std::string> texts,
                                                           const market::Calendar* calendar);
// "sma(20)", "macd(12,26,9).signal": one for each output.
std::vector<std::string> column_names(const indicators::Indicator& indicator);

// The bars that the query asks for, with the columns of each text. Run and offset are left to the
// caller. Borrows the calendar for the call; null: of a session anchor kInvalidArgument.
Result<BarPage> read_bars(const store::Store& store, const store::BarQuery& query,
                          std::span<const std::string> indicators,
                          const market::Calendar* calendar);

}  // namespace tapedeck::pipeline
