// src/indicators/indicator_series.hpp: an indicator over a series of bars that are revised: after
// every update its values are those of an indicator that was given all bars from the anchor on.
// Thread: one. Clock: none. Memory: O(log bars) snapshots, less than 4 * (2 + log2(bars /
// every_bars)) of them; one is about 60 bytes, and 16 more for each price in a window.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "indicators/indicator.hpp"
#include "market/bar.hpp"

namespace tapedeck::indicators {

// Calls `visit` for each bar of the series as it is now with ts_open >= `from`, ascending.
using VisitBar = std::function<void(const market::Bar& bar)>;
using BarSource = std::function<Status(Timestamp from, const VisitBar& visit)>;
using ValueSink = std::function<void(Timestamp ts_open, const Values& values)>;

class IndicatorSeries {
 public:
  static constexpr std::uint64_t kEveryBars = 64;

  explicit IndicatorSeries(Indicator indicator, std::uint64_t every_bars = kEveryBars);

  // Takes the bars that are new or changed, ascending, and gives `sink` the values of the first of
  // them and of every later bar. New ones at the end, and changes of the newest while it was not
  // final, take no reading. An older change reads the bars from a snapshot before it on: all later
  // ones, and before it at most every_bars or about as many as are later, whichever is more.
  // Errors: those of `source`; kInvalidArgument: bars out of order or not in the source. What was
  // not done then is done with the next update.
  Status update(std::span<const market::Bar> changed, const BarSource& source,
                const ValueSink& sink);

  const Indicator& indicator() const { return indicator_; }
  std::optional<Timestamp> newest() const { return newest_; }  // ts_open; none before the first

  // As those of Indicator: what follows is the same, revisions included.
  std::string snapshot() const;
  Status restore(std::string_view bytes);

 private:
  struct Rung {
    std::uint64_t bars = 0;  // counted from the anchor on
    Timestamp newest;        // the last of them
    std::string state;
  };

  void clear();
  void add(const market::Bar& bar, Timestamp report_from, const ValueSink& sink);
  void climb();
  Status recompute(Timestamp from, Timestamp until, const BarSource& source, const ValueSink& sink);
  Status read(SnapshotReader& in);

  Indicator indicator_;
  std::uint64_t every_bars_;
  std::uint64_t bars_ = 0;
  std::optional<Timestamp> newest_;
  std::optional<std::string> before_newest_;  // the state before it, while it is not final
  std::optional<Timestamp> redo_from_;        // an update failed: nothing from here on is right
  std::vector<Rung> rungs_;                   // ascending; few and old, many and young
};

}  // namespace tapedeck::indicators
