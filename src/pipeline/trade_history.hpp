// src/pipeline/trade_history.hpp: raw trades of one series as a person asks for them, read from
// the tape. Thread: any.
#pragma once

#include "market/conditions.hpp"
#include "market/series.hpp"
#include "pipeline/history.hpp"
#include "tape/tape.hpp"

namespace tapedeck::pipeline {

// With a start, reads the whole range. Without one, and the newest first, reads backwards from the
// end until it has enough: a trade that came out of order by more than that is not among them. Run
// is left to the caller. Errors: kNotFound, kTimeout (more than `events_max` were read), and
// those of the tape.
inline constexpr std::uint64_t kTradeEventsMax = 50'000'000;
Result<TradePage> read_trades(const tape::TapeView& tape, const market::Catalog& catalog,
                              const market::ConditionTables& tables, const TradeQuery& query,
                              std::uint64_t events_max = kTradeEventsMax);

// Errors: kNotFound, naming some that there are.
Result<SeriesId> find_series(const market::Catalog& catalog, const market::SeriesKey& key);

// What conditions, calendar and origin say of one trade.
Result<TradeRow> describe_trade(const market::Trade& trade, Offset offset,
                                const market::Catalog& catalog,
                                const market::ConditionTables& tables);

}  // namespace tapedeck::pipeline
