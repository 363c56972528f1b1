// src/windows/bar_builder.hpp: the door of this room: trades in, bars of one kind out, for any
// number of series. A bar is the same whatever the order in which its trades came: each column is a
// sum, an extreme, or follows the trades' own order (market::OrderKey). Thread: one. Clock: none.
// Memory: about 300 bytes for each bar that is kept.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "market/bar.hpp"
#include "market/calendar.hpp"
#include "market/conditions.hpp"
#include "market/event.hpp"
#include "windows/watermark.hpp"

namespace tapedeck::windows {

struct BarBuilderOptions {
  market::BarSpec spec;
  Duration lateness = seconds(10);
  // Final bars that are kept of each series, so that a late trade can revise them. An older trade
  // is counted as not applied. 0: all are kept.
  std::size_t bars_kept_max = 0;
};

struct BarChange {
  SeriesId series;
  market::Bar bar;  // the whole value
};

class BarBuilder {
 public:
  // Borrows catalog and tables for its life.
  BarBuilder(const market::Catalog& catalog, const market::ConditionTables& tables,
             BarBuilderOptions options);
  ~BarBuilder();
  BarBuilder(BarBuilder&&) noexcept;

  // Errors: kNotFound for a series whose calendar or condition table there is none; kOverflow for a
  // sum that 128 bits do not hold.
  Status add(const market::Trade& trade, Offset offset);
  void add(const market::FeedMark& mark, Offset offset);

  // The bars that changed since the last call, each once, in no order. A final bar that changed has
  // got a new revision: one a call, however many trades changed it.
  std::vector<BarChange> take_changes();

  const market::BarSpec& spec() const { return options_.spec; }
  std::uint64_t late() const { return late_; }                // came when their bar was final
  std::uint64_t not_applied() const { return not_applied_; }  // of those: their bar was gone

 private:
  struct SeriesBars;
  struct BuiltBar;

  Result<SeriesBars*> bars_of(SeriesId series);
  const market::Origin& origin_of(OriginId origin);
  void close_passed(SeriesBars& bars, Offset offset);
  void touch(SeriesBars& bars, BuiltBar& built);
  static void apply(BuiltBar& built, const market::Trade& trade, const market::OrderKey& key,
                    const market::TradeEffect& effect);

  const market::Catalog& catalog_;
  const market::ConditionTables& tables_;
  const BarBuilderOptions options_;
  std::vector<std::unique_ptr<SeriesBars>> series_;         // by SeriesId
  std::vector<const market::Origin*> origins_;              // by OriginId
  std::vector<std::pair<SeriesBars*, Timestamp>> changed_;  // bars, by ts_open
  std::uint64_t late_ = 0;
  std::uint64_t not_applied_ = 0;
};

}  // namespace tapedeck::windows
