// src/feeds/simulator/simulator.hpp: a market that never was: SIMA, SIMB and SIMC, traded for one
// day from 04:00 to 20:00 in New York. The same seed and date give the same trades on every machine
// (integers only).
// Thread: one at a time. No clock: it gives events as fast as they are pulled.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "feeds/feed.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::simulator {

struct SimulatorOptions {
  std::uint64_t seed = 1;
  std::chrono::year_month_day date{};  // New York; a day on which US equities trade
};

// Series simulator/trade/SIMA and so on, calendar us_equity; ordered by ts_event; ends with a
// FeedMark of feed "simulator". The catalog outlives the source.
// Errors: kInvalidArgument for a date without trading; kUnavailable: no zone database.
Result<std::unique_ptr<Source>> open_simulator(const SimulatorOptions& options,
                                               market::Catalog& catalog);

}  // namespace tapedeck::feeds::simulator
