// src/store/store.hpp: the door of this room. The store takes results idempotently and can be read.
// Thread: write, sync and clear by one thread; reading from any, beside it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "market/bar.hpp"

namespace tapedeck::store {

// Bars and averages shorter than a minute are kept so long before the newest final one of their bar
// series: by event time, so that a series that does not trade keeps its last hours; and final ones,
// at most up to their ts_known, so that one wrong stamp drops nothing. Longer ones are kept for
// ever.
inline constexpr Duration kShortBarsKept = hours(24);
constexpr bool is_short(const market::BarSpec& spec) { return spec.interval < minutes(1); }

struct BarQuery {
  market::SeriesKey series;
  market::BarSpec spec;
  std::optional<Timestamp> start;  // ts_open >= start
  std::optional<Timestamp> end;    // ts_open < end
  std::size_t limit = 10'000;      // keeps the newest
  // As it was known then: of each bar the newest revision with ts_known <= as_of; a bar that had
  // none is left out.
  std::optional<Timestamp> as_of;
};

// A changed bar, and what whoever makes bars needs to go on with it.
struct BarResult {
  market::BarRow row;
  std::string state;  // opaque; the newest is kept with the bar
};

// A mean of all trades of a series up to a tick of ts_recv. Never revised.
struct MeanRow {
  market::SeriesKey series;
  market::ConditionMode conditions = market::ConditionMode::kEligible;
  Timestamp ts_tick;
  std::uint64_t trades = 0;
  market::DecimalSum price_sum;
  market::DecimalSum notional;
};

// Up to where a partition of the tape is in the results, and what is needed to go on from there.
// Entries are opaque; they replace those of the same key, an empty value removes its key.
struct Checkpoint {
  PartitionId partition{};
  Offset applied;  // events before it are in the results
  std::vector<std::pair<std::string, std::string>> changed{};
};

// The answer to a statement of a person: texts are foreign, reals are finite.
struct Table {
  struct Blob {
    std::string bytes;
    bool operator==(const Blob&) const = default;
  };
  using Cell = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;
  std::vector<std::string> columns;
  std::vector<std::vector<Cell>> rows;
  bool limited = false;  // there were more rows
};

class Store {
 public:
  virtual ~Store() = default;
  // All of it in one transaction. Each bar replaces the one with its key (series, spec, ts_open);
  // one with revision > 0 is kept beside the earlier ones (90 days, at most 100 a bar). Means are
  // added; one that is there stays. After a crash the store holds all of some of the first writes,
  // in their order, and nothing of the others.
  virtual Status write(std::span<const BarResult> bars, std::span<const MeanRow> means,
                       const Checkpoint& checkpoint) = 0;
  // After it returns, what was written survives a power cut.
  virtual Status sync() = 0;
  // Of a partition: its offset, and all entries, ascending by key. Offset 0 and none in a new
  // store.
  virtual Result<Checkpoint> checkpoint(PartitionId partition) const = 0;
  // The bar with its state; nothing where there is none. Errors: kNotFound where it may have been
  // and is no longer kept.
  virtual Result<std::optional<BarResult>> find(const market::SeriesKey& series,
                                                const market::BarSpec& spec,
                                                Timestamp ts_open) const = 0;
  virtual Result<std::vector<market::Bar>> bars(const BarQuery& query) const = 0;  // ascending
  // Bars that open before it are no longer kept (is_short); nothing: all are.
  virtual Result<std::optional<Timestamp>> kept_from(const market::SeriesKey& series,
                                                     const market::BarSpec& spec) const {
    (void)series, (void)spec;
    return std::nullopt;
  }
  virtual std::uint64_t bars_dropped() const { return 0; }  // so, since it was opened
  // Every revision of one bar that is kept, ascending; the last one is what bars() gives.
  virtual Result<std::vector<market::Bar>> revisions(const market::SeriesKey& series,
                                                     const market::BarSpec& spec,
                                                     Timestamp ts_open) const = 0;
  virtual Result<std::vector<MeanRow>> means(const market::SeriesKey& series,
                                             market::ConditionMode conditions,
                                             std::optional<Timestamp> start,
                                             std::optional<Timestamp> end,
                                             std::size_t limit) const = 0;
  // One SELECT over the tables of a store that has SQL. It only reads, and is bounded in time and
  // memory. Errors: kInvalidArgument for anything else, kTimeout, kOverflow (memory or size),
  // kUnsupported.
  virtual Result<Table> select(const std::string& sql, std::size_t rows_max) const {
    (void)sql, (void)rows_max;
    return fail(ErrorCode::kUnsupported, "this store has no SQL: use one of kind embedded");
  }
  // Forgets all results: they are computed again from the tape.
  virtual Status clear() = 0;
};

}  // namespace tapedeck::store
