// src/api/tables.hpp: what the API answers in rows, as openapi.yaml describes it: bars, trades,
// last prices, instruments, feeds, the answer to SQL. Each gives only the rows (see rows.hpp).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "api/last_values.hpp"
#include "api/rows.hpp"
#include "net/http_message.hpp"
#include "pipeline/history.hpp"
#include "pipeline/play.hpp"
#include "pipeline/tape_quality.hpp"

namespace tapedeck::api {

std::string bar_rows(const Form& form, const market::BarSpec& spec, const pipeline::BarPage& page);
std::string empty_rows(const Form& form, std::span<const pipeline::EmptyTime> times);
std::string trade_rows(const Form& form, std::span<const pipeline::TradeRow> trades);
std::string last_rows(const Form& form, std::span<const LastValue> values);
std::string feed_rows(const Form& form, std::span<const pipeline::FeedStatus> feeds);
std::string bar_series_rows(const Form& form, std::span<const market::BarSpec> specs);
std::string day_quality_rows(const Form& form, std::span<const quality::DayQuality> days);
std::string outage_rows(const Form& form, std::span<const quality::Outage> outages);
std::string drift_rows(const Form& form, std::span<const quality::DriftSeen> drift);
std::string gap_rows(const Form& form, std::span<const quality::IdGap> gaps);
// JSON: an array of arrays.
std::string sql_rows(const Form& form, const store::Table& table);

struct InstrumentForm {
  market::Series series;
  std::string zone;      // IANA
  net::Fields listed{};  // of what the venue's list says
};
std::string instrument_rows(const Form& form, std::span<const InstrumentForm> instruments);

// Final, and nothing that came for it was left out.
inline bool is_complete(const market::Bar& bar) { return bar.is_final && bar.unapplied == 0; }

}  // namespace tapedeck::api
