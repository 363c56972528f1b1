// src/quality/old_keys.hpp: what would be left of one's own trades in the tables of five older
// pipelines (s1 to s5: see definition_of), which name a row by too little, and what their formulas
// would say of them. Counts are exact; what is assumed, each definition says.
// Thread: one. Clock: none. Memory: about 150 bytes for each row that the old table would hold, and
// a kilobyte for each minute with a trade: it grows with the files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "market/event.hpp"
#include "market/series.hpp"

namespace tapedeck::quality {

enum class OldPipeline : std::uint8_t { kS1 = 0, kS2, kS3, kS4, kS5 };

// Errors: kInvalidArgument, naming the five.
Result<OldPipeline> parse_old_pipeline(std::string_view text);

struct OldDefinition {
  std::string_view name;   // "s2"
  std::string_view table;  // "market.trades"
  std::string_view key;    // the primary key, as its tables have it
  std::span<const std::string_view> assumed;
};
const OldDefinition& definition_of(OldPipeline pipeline);

// Why a trade is not in the old table, or not to be seen there.
enum class Loss : std::uint8_t {
  kOverwritten = 0,  // s2, s4, s5: `other`, written later, has the same key
  kBarOverwritten,   // s1: its hour is labelled as the hour of `other`, which is later
  kNoTable,          // s1: the symbol cannot be part of a table's name; the error is swallowed
  kHidden,           // s1: it is in a bar, which the page leaves out
  kOrderUnknown,     // s3: it is there; whether it or `other` came first is not
};
std::string_view to_string(Loss loss);

struct LostTrade {
  Loss loss{};
  market::Trade trade{};
  std::optional<market::Trade> other{};
};

// One bar: as the trades make it, and as the old table does. A price is absent where it is unknown.
struct OldBar {
  std::optional<market::Decimal> open, high, low, close;
  market::DecimalSum volume;
  market::DecimalSum notional;
};
struct BarFault {
  Timestamp ts_open;
  OldBar truth;
  std::optional<OldBar> old;  // nothing: there is no row to make it from
};

// How 1-minute bars of all trades would come out.
struct BarFaults {
  std::uint64_t bars = 0;
  std::uint64_t misstated = 0;  // in any column, the absent ones too
  std::uint64_t absent = 0;     // no row is left to make it from
  std::uint64_t volume = 0, open = 0, high = 0, low = 0, close = 0;  // of those that are there
  std::optional<BarFault> worst;  // by notional missing or too much, then the earliest
};

// s2, s5: `running_averages_15_sec` against the mean of price x size of each 15 s with trades.
struct AverageFaults {
  struct Window {
    Timestamp ts_open;
    double truth = 0;
    double shown = 0;
  };
  std::uint64_t windows = 0;
  std::uint64_t off_percent = 0;  // shown is off by more than 1 % of the truth
  std::uint64_t off_half = 0;     // by more than 50 %
  std::optional<Window> worst;    // by the share that it is off
  Window last;
};

// s2, s5: bars drawn by `ingest_timestamp`.
struct IngestFaults {
  std::uint64_t without_recv = 0;  // trades of which it is not known when they came
  std::uint64_t other_minute = 0;  // of the others: drawn in another minute than they are of
  std::uint64_t average_rows = 0;  // s5: rows of running_averages_15_sec
};

// s1: bars of an hour, labelled by New York's clocks.
struct HourFaults {
  std::uint64_t hours = 0;
  std::uint64_t overwritten = 0;  // bars
  // With the last date chosen as the end: bars later than its midnight are left out.
  std::string last_date;  // "2013-10-07"
  std::uint64_t hidden_bars = 0;
  std::uint64_t hidden_trades = 0;
  market::DecimalSum change_shown;  // "Daily Change": last row's close less its open
  market::DecimalSum change;        // less the open of the last date's first row
};

// s4: `cumulative_avg_price`.
struct CumulativeAverage {
  double shown = 0;  // every trade counts the same, since the start
  double vwap = 0;   // NaN where the volume is 0
  market::Decimal last;
};

struct OldSeries {
  market::SeriesKey series;
  std::uint64_t trades = 0;   // distinct
  std::uint64_t repeats = 0;  // the same identity once more
  std::uint64_t rows = 0;
  std::uint64_t lost = 0;  // trades without a row; s3: repeats are rows too, and nothing is lost
  market::DecimalSum volume, volume_lost;
  market::DecimalSum notional, notional_lost;
  market::DecimalSum volume_repeated;  // s3: counted twice
  BarFaults bars;
  std::optional<AverageFaults> averages;
  std::optional<IngestFaults> ingest;
  std::optional<HourFaults> hours;
  std::optional<CumulativeAverage> cumulative;
};

struct OldKeyReport {
  OldPipeline pipeline{};
  std::vector<OldSeries> series;  // in the order of their names
  std::vector<LostTrade> lost;    // the earliest five, by ts_event, then by series
};

class OldKeyAudit {
 public:
  static constexpr std::size_t kNamedMax = 5;

  // Borrows the catalog for its life.
  OldKeyAudit(const market::Catalog& catalog, OldPipeline pipeline);
  ~OldKeyAudit();

  // A trade that was not there before, in the order in which they would be written.
  void add(const market::Trade& trade);
  // One whose identity was added before.
  void add_repeat(const market::Trade& trade);

  // Once, after all. Errors: kOverflow for a sum that 128 bits do not hold; kUnavailable without
  // the time zone database (s1).
  Result<OldKeyReport> finish();

 private:
  struct SeriesState;
  SeriesState& state_of(SeriesId series);
  void name(LostTrade lost);
  void compare_bars(SeriesState& state);
  Status finish_hours(SeriesState& state);

  const market::Catalog& catalog_;
  const OldPipeline pipeline_;
  std::vector<std::unique_ptr<SeriesState>> series_;  // by SeriesId
  std::vector<LostTrade> named_;
};

}  // namespace tapedeck::quality
