// src/windows/bar_builder.hpp: the door of this room: events in, bars out, of any number of kinds
// and series; and the cumulative means of a series. A bar is the same whatever the order in which
// its trades came and however they were batched: trades are gathered by the pane, the longest time
// that every window is a whole number of, and every bar is the exact merge of its panes (BarCell).
// Thread: one. Clock: none. Memory: about 500 bytes for each bar that is kept.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "market/bar.hpp"
#include "market/calendar.hpp"
#include "market/conditions.hpp"
#include "market/event.hpp"
#include "windows/bar_cell.hpp"
#include "windows/feed_clock.hpp"
#include "windows/past.hpp"
#include "windows/watermark.hpp"

namespace tapedeck::windows {

struct BarBuilderOptions {
  std::vector<market::BarSpec> specs;
  // How long a bar waits for late trades: of each of `specs`, the last one of all that follow.
  std::vector<Duration> lateness{seconds(10)};
  // Final bars that are kept of each bar series, so that a late trade can revise them at once; an
  // older one is asked for (Past). 0: all are kept.
  std::size_t bars_kept_max = 0;
  bool means = false;  // make the cumulative means too

  Duration lateness_of(std::size_t spec) const {
    return lateness[std::min(spec, lateness.size() - 1)];
  }
};

struct BarChange {
  SeriesId series;
  market::BarSpec spec;
  market::Bar bar;                       // the whole value
  market::OrderKey open_key, close_key;  // they point into the builder and its catalog

  // What the bar needs to be revised later, for a store; opaque.
  std::string keys() const { return encode_keys(open_key, close_key); }
};

// The mean of all trades of a series that update volume, up to the last event before ts_tick by
// ts_recv. Never revised: what comes late, or is taken back, counts from then on.
struct MeanChange {
  static constexpr Duration kTick = seconds(5);
  SeriesId series;
  market::ConditionMode conditions = market::ConditionMode::kEligible;
  Timestamp ts_tick;
  std::uint64_t trades = 0;
  market::DecimalSum price_sum;
  market::DecimalSum notional;
};

class BarBuilder {
 public:
  // Borrows all for its life. `past` may be null: then what is no longer held cannot be revised,
  // and a correction is refused.
  BarBuilder(market::Catalog& catalog, const market::ConditionTables& tables,
             BarBuilderOptions options, Past* past = nullptr);
  ~BarBuilder();
  BarBuilder(BarBuilder&&) noexcept;

  // Events in the order of the tape. Errors: kNotFound for a series whose calendar or condition
  // table there is none; kUnsupported for a correction without a past; what Past says.
  Status add(const market::Trade& trade) { return add(std::span(&trade, 1)); }
  // `takes`: asked once for each series; the trades of one that it refuses are passed over. Null:
  // all are taken.
  Status add(std::span<const market::Trade> trades,
             const std::function<bool(SeriesId)>& takes = nullptr);
  Status add(const market::PriceTick& tick);
  Status add(const market::VendorBar& bar);
  Status add(const market::Correction& correction, Offset offset);
  // Costs nothing for series that have no bar to close by it.
  void add(const market::FeedMark& mark);
  // Counts what was added into its bars: all events before `end`. Errors: kOverflow for a sum that
  // 128 bits do not hold; what Past says.
  Status flush(Offset end);

  // The bars that changed since the last call, each once, in no order. A final bar that changed has
  // got a new revision: one a call, however many trades changed it, with the last of their reasons
  // in the order late, repair, cancel, correction. Forgets final bars beyond
  // bars_kept_max whose last change is before `stored`.
  std::vector<BarChange> take_changes(Offset stored = Offset(~std::uint64_t{0}));
  // Means of ticks that have passed. `all`: those of ticks under way too; nothing may come then.
  std::vector<MeanChange> take_means(bool all = false);

  // What is needed to go on from here, besides the bars: entries that changed since the last call,
  // by key. To be stored with what take_changes() and take_means() gave.
  std::vector<std::pair<std::string, std::string>> take_state();
  // All entries that were stored, into a new builder of the same options. Errors: kCorrupt.
  Status restore(const std::vector<std::pair<std::string, std::string>>& entries);

  std::uint64_t late() const { return late_; }  // came when their bar was final
  // Trades that came, were taken back or corrected, and bars that they could not change any more.
  std::uint64_t unapplied() const { return unapplied_; }
  std::uint64_t unknown_targets() const { return unknown_targets_; }  // corrections of no trade yet
  std::uint64_t reads_of_trades() const { return reads_of_trades_; }  // for rebuilding

 private:
  struct Window;
  class Windows;
  struct SpecBars;
  struct Delta;
  struct SeriesBars;
  struct Rebuild;
  struct Venue;

  Result<SeriesBars*> bars_of(SeriesId series);
  void group(std::span<const market::Trade> trades);
  void add_of_one_series(SeriesBars& bars, std::span<const market::Trade> trades,
                         std::uint32_t first);
  const market::Origin& origin_of(OriginId origin);
  void touch(SeriesBars& bars);
  Venue& venue_called(std::string_view name);
  ClockReading clock_of(const SeriesBars& bars) const;         // what marks say now
  ClockReading clock_of_before(const SeriesBars& bars) const;  // at the last flush
  void observe(SeriesBars& bars, const ClockReading& clock, Timestamp ts_event, Timestamp ts_recv,
               bool recv_assumed);
  void touch_passed_by_marks();
  template <class Event>
  void apply(SeriesBars& bars, const Event& event, market::BarSource source,
             const market::OrderKey& key);
  Delta& delta_of(SeriesBars& bars, Timestamp ts_event, market::BarSource source, bool regular,
                  market::ConditionMode conditions);
  market::TradeEffect effect_on(SeriesBars& bars, Timestamp ts_event, std::uint64_t conditions);
  template <class F>
  void for_each_window(SeriesBars& bars, const market::BarSpec& spec, Timestamp t, F&& f);
  Timestamp close_of(SeriesBars& bars, const market::BarSpec& spec, Timestamp ts_open);
  Result<Window*> window_of(SeriesBars& bars, std::size_t spec, Timestamp ts_open);
  Status count(SeriesBars& bars, Offset end);
  Status count(SeriesBars& bars, const Delta& delta, Offset end);
  Status rebuild(SeriesBars& bars, Offset end);
  Status rebuild_from_trades(SeriesBars& bars, const std::vector<Rebuild*>& windows, Offset end);
  Status rebuild_from_minutes(SeriesBars& bars, const Rebuild& rebuilt, std::size_t minute_spec,
                              Offset end);
  void replace(SeriesBars& bars, const Rebuild& rebuilt, Window& window, BarCell cell, Offset end);
  void leave(SeriesBars& bars, const Rebuild& rebuilt, Window& window, Offset end);
  void change(SeriesBars& bars, std::size_t spec, Window& window, Offset end,
              market::RevisionReason reason);
  void give_out(SeriesBars& bars, std::size_t spec, Window& window);
  void close_passed(SeriesBars& bars, Offset end);
  void add_to_means(SeriesBars& bars, Timestamp ts_recv, const market::Trade* trade,
                    bool take_away);
  void tick(SeriesBars& bars, Timestamp clock);
  std::string state_of(const SeriesBars& bars) const;
  Status restore_series(std::string_view state);

  market::Catalog& catalog_;
  const market::ConditionTables& tables_;
  const BarBuilderOptions options_;
  const Duration pane_;
  Past* past_;
  std::unique_ptr<KeyTexts> texts_;
  std::vector<std::unique_ptr<SeriesBars>> series_;  // by SeriesId
  std::vector<const market::Origin*> origins_;       // by OriginId
  // The trades of a batch by series, each list in their order: where that of a series begins, by
  // SeriesId; the one after each; and which series have any.
  std::vector<std::uint32_t> first_trade_, next_trade_;
  std::vector<SeriesId> series_of_batch_;
  std::vector<Delta> deltas_;         // since the last flush, of all series
  std::vector<SeriesBars*> touched_;  // since the last flush
  std::vector<SeriesBars*> changed_;  // since the last take_state
  std::map<std::string, std::unique_ptr<Venue>, std::less<>> venues_;  // by name; "": all
  Venue* all_ = nullptr;  // what marks say that speak for all
  bool marked_ = false;   // since the last flush
  struct Changed {
    SeriesBars* bars;
    std::size_t spec;
    Window* window;
  };
  std::vector<Changed> changed_bars_;
  std::vector<MeanChange> means_;
  Timestamp ts_known_{};  // the greatest ts_recv so far
  std::uint64_t late_ = 0;
  std::uint64_t unapplied_ = 0;
  std::uint64_t unknown_targets_ = 0;
  std::uint64_t reads_of_trades_ = 0;
};

}  // namespace tapedeck::windows
