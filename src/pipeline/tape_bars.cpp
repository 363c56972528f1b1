#include "pipeline/tape_bars.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "pipeline/past.hpp"
#include "windows/bar_builder.hpp"

namespace tapedeck::pipeline {
namespace {

using market::Bar;

// Bars that a builder needs no more for a while.
constexpr std::size_t kBarsInBuilder = 4'096;

// What was found so far; the builder that finds it asks here for what it has forgotten.
class Found final : public windows::Past {
 public:
  Found(const tape::TapeView& tape, PartitionId partition, const market::Catalog& catalog,
        const store::BarQuery& query)
      : tape_(tape, partition, catalog, nullptr), query_(query) {}

  void take(const std::vector<windows::BarChange>& changes) {
    for (const windows::BarChange& change : changes) {
      const Timestamp t = change.bar.ts_open;
      if ((query_.start && t < *query_.start) || (query_.end && t >= *query_.end)) continue;
      bars_.insert_or_assign(t, windows::PastBar{change.bar, change.keys()});
      if (bars_.size() > query_.limit) bars_.erase(bars_.begin());
    }
  }
  void give(std::vector<Bar>& out) const {
    for (const auto& [t, past] : bars_) {
      out.push_back(past.bar);
      out.back().revision = 0;
      out.back().reason = market::RevisionReason::kNone;
    }
  }

  Result<std::optional<windows::PastBar>> bar(SeriesId, const market::BarSpec&,
                                              Timestamp ts_open) override {
    const auto found = bars_.find(ts_open);
    if (found != bars_.end()) return found->second;
    return fail(ErrorCode::kNotFound, "nobody asked for it");
  }
  Status trades(SeriesId series, Timestamp from, Timestamp to, Offset end,
                const std::function<void(const market::Trade&)>& visit) override {
    return tape_.trades(series, from, to, end, visit);
  }
  Result<std::optional<market::Trade>> trade(SeriesId series, const market::Identity& identity,
                                             Timestamp near, Offset end) override {
    return tape_.trade(series, identity, near, end);
  }

 private:
  TapeAndStorePast tape_;
  const store::BarQuery& query_;
  std::map<Timestamp, windows::PastBar> bars_;
};

// The id of a series once the tape has named it.
class Seeker {
 public:
  Seeker(const market::Catalog& catalog, const market::SeriesKey& key)
      : catalog_(catalog), key_(key) {}
  std::optional<SeriesId> find() {
    for (; !id_ && next_ < catalog_.series_count(); ++next_) {
      if (catalog_.series(SeriesId(next_)).key == key_) id_ = SeriesId(next_);
    }
    return id_;
  }

 private:
  const market::Catalog& catalog_;
  const market::SeriesKey& key_;
  std::uint32_t next_ = 0;
  std::optional<SeriesId> id_;
};

// Adds events until one was received after `as_of`; false then.
class Adder {
 public:
  Adder(windows::BarBuilder& builder, std::optional<SeriesId> series,
        std::optional<Timestamp> as_of)
      : builder_(builder), series_(series), as_of_(as_of) {}

  Result<bool> add(const market::Batch& batch) {
    Offset offset = batch.first;
    Status status;
    bool more = true;
    const auto add_all = [&](const auto& events) {
      for (const auto& event : events) {
        if (!status || !more) return;
        more = !as_of_ || event.ts_recv <= *as_of_;
        if (!more) return;
        status = add(event, offset);
        ++offset;
      }
    };
    add_all(batch.trades);
    add_all(batch.ticks);
    add_all(batch.vendor_bars);
    add_all(batch.corrections);
    add_all(batch.marks);
    TD_TRY(status);
    TD_TRY(builder_.flush(more ? batch.end() : offset));
    return more;
  }

 private:
  Status add(const market::FeedMark& mark, Offset) {
    builder_.add(mark);
    return {};
  }
  Status add(const market::Correction& correction, Offset offset) {
    return correction.series == series_ ? builder_.add(correction, offset) : Status();
  }
  Status add(const auto& event, Offset) {
    return event.series == series_ ? builder_.add(event) : Status();
  }

  windows::BarBuilder& builder_;
  const std::optional<SeriesId> series_;
  const std::optional<Timestamp> as_of_;
};

}  // namespace

Result<std::vector<Bar>> bars_from_tape(const tape::TapeView& tape, market::Catalog& catalog,
                                        const market::ConditionTables& tables,
                                        const store::BarQuery& query, Duration lateness) {
  for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
    const Offset first = tape.first_offset(PartitionId(p));
    if (first != Offset()) {
      return fail(ErrorCode::kNotFound,
                  fmt::format("the tape cannot tell either: partition {} begins at offset {}, what "
                              "was before it is dropped",
                              p, first.value));
    }
  }
  // A series lives in one partition; the others give nothing.
  std::vector<Bar> bars;
  Seeker seeker(catalog, query.series);
  for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
    const PartitionId partition(p);
    Found found(tape, partition, catalog, query);
    windows::BarBuilder builder(
        catalog, tables,
        {.specs = {query.spec}, .lateness = {lateness}, .bars_kept_max = kBarsInBuilder}, &found);
    TD_ASSIGN(const auto reader, tape.read({.partition = partition, .first = Offset()}));
    bool more = true;
    while (more) {
      TD_ASSIGN(const auto batch, reader->next());
      if (!batch) break;
      TD_ASSIGN(more, Adder(builder, seeker.find(), query.as_of).add(*batch));
      found.take(builder.take_changes());
    }
    found.give(bars);
  }
  return bars;
}

}  // namespace tapedeck::pipeline
