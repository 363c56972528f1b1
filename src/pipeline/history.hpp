// src/pipeline/history.hpp: what the api reads of the past.
// Thread: any.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "market/bar.hpp"
#include "market/conditions.hpp"
#include "market/series.hpp"
#include "market/trade.hpp"
#include "pipeline/empty_times.hpp"
#include "pipeline/quality_stage.hpp"
#include "quality/quarantine.hpp"
#include "store/store.hpp"

namespace tapedeck::pipeline {

// Values of one output of an indicator, one for each bar of the page.
struct IndicatorColumn {
  std::string name;                                // "sma(20)", "macd(12,26,9).signal"
  std::vector<std::optional<std::string>> values;  // nothing: it warms up
};

struct BarPage {
  std::uint64_t run = 0;          // which play the bars are of; see play.hpp
  Offset offset;                  // trades before it are counted
  std::vector<market::Bar> bars;  // ascending by ts_open
  std::vector<IndicatorColumn> indicators{};
  std::optional<Timestamp> indicator_anchor{};  // the first bar that they count
  bool limited = false;  // of Live: some that changed since then are no longer kept
};

struct TradeQuery {
  market::SeriesKey series;
  std::optional<Timestamp> start{};  // ts_event >= start
  std::optional<Timestamp> end{};    // ts_event < end
  std::size_t limit = 1000;
  bool oldest_first = false;  // and the limit keeps the oldest; else the newest
};

// A trade, and what its series and its origin say of it.
struct TradeRow {
  market::Trade trade;
  Offset offset;
  std::vector<std::string> conditions{};  // by name
  market::TradeEffect effect{};
  market::OriginKind origin = market::OriginKind::kVenue;
};

struct TradePage {
  std::uint64_t run = 0;
  Offset offset;                 // trades of the series before it were looked at
  std::vector<TradeRow> trades;  // ordered by ts_event, then offset, as the query says
  bool limited = false;          // there are more
};

// The newest trade that may set a price.
struct LastTrade {
  market::SeriesKey series;
  market::Decimal price;
  market::Decimal size;
  Timestamp ts_event;
  Offset offset;  // after it
};

struct Quality {
  std::uint64_t duplicates = 0;
  std::uint64_t refused = 0;
  std::uint64_t late = 0;
  std::uint64_t unapplied = 0;
  std::uint64_t control = 0;  // messages of the feeds that are no data
  std::uint64_t quarantine_total = 0;
  std::map<std::string, std::uint64_t> quarantine_reasons;
  std::vector<quality::Refused> quarantine_examples;
  std::string quarantine_file_problem;
};

class History {
 public:
  virtual ~History() = default;
  virtual std::vector<market::Series> instruments() const = 0;  // as first seen
  // What the venue's list said of an instrument, a JSON object; empty: nothing is known.
  virtual std::string listing(const market::SeriesKey& key) const = 0;
  virtual std::vector<market::BarSpec> bar_series() const = 0;  // kept of each series
  // Each text of `indicators` as indicators::parse_indicator takes it. Errors: kNotFound for a
  // series or a bar series that is not kept, saying which there are; kInvalidArgument.
  virtual Result<BarPage> bars(const store::BarQuery& query,
                               std::span<const std::string> indicators = {}) const = 0;
  // As pipeline::empty_times. Errors: also kNotFound as bars().
  virtual Result<std::vector<EmptyTime>> empty_times(const store::BarQuery& query) const = 0;
  // Errors: kNotFound; kTimeout where the range holds more than is read for one answer.
  virtual Result<TradePage> trades(const TradeQuery& query) const = 0;
  virtual Quality quality() const = 0;
  // How complete the tape is. Errors: kNotFound between two runs.
  virtual Result<TapeQuality> tape_quality() const = 0;
  // Of the trades that were in a range, as quality::Completeness. Errors: kNotFound between two
  // runs.
  virtual Result<std::optional<quality::Missing>> missing(const market::SeriesKey& key,
                                                          Timestamp start, Timestamp end) const = 0;
  // As Store::select.
  virtual Result<store::Table> select(const std::string& sql, std::size_t rows_max) const = 0;
};

}  // namespace tapedeck::pipeline
