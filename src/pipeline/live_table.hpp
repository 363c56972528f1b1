// src/pipeline/live_table.hpp: the newest bars of each bar series and the newest trades of each
// series, in memory.
// Bars from before it was made are read from the store when they are first asked for.
// Thread: any. Memory: at most Live::kBarsKept bars of each bar series, Live::kTradesKept trades of
// each series.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "market/trade.hpp"
#include "pipeline/live.hpp"

namespace tapedeck::pipeline {

class LiveTable {
 public:
  // The newest `max` bars that are stored, ascending.
  using ReadStored = std::function<Result<std::vector<market::Bar>>(
      const market::SeriesKey& series, const market::BarSpec& spec, std::size_t max)>;

  LiveTable(std::vector<market::BarSpec> specs, std::function<void()> on_change,
            ReadStored read_stored = {});

  void publish(std::span<const store::BarResult> results, Offset applied);
  // Before the bars that they change are published; that one tells of the change. `first`: offset
  // of the first.
  void publish_trades(std::span<const market::Trade> trades, Offset first);

  struct Bars {
    Offset applied;
    std::vector<market::Bar> bars;  // ascending
    Offset gone;                    // bars that are not kept have changed up to here
  };
  // As Live::bars_since.
  Result<Bars> bars_since(const market::SeriesKey& series, const market::BarSpec& spec,
                          Offset since) const;
  struct KeptTrade {
    market::Trade trade;
    Offset offset;
  };
  struct Trades {
    Offset applied;
    std::vector<KeptTrade> trades;
    bool limited = false;  // of those at or after `since` some are no longer kept
  };
  Trades trades_since(SeriesId series, Offset since) const;
  // Calls `visit` with the newest trade that `may_count` of each series that has had any trade at
  // or after `since`. Returns up to where trades were published.
  Offset last_since(Offset since, const std::function<bool(const market::Trade&)>& may_count,
                    const std::function<void(const market::Trade&, Offset)>& visit) const;

  // Trades before it are shown.
  Offset applied() const;

  const std::vector<market::BarSpec>& specs() const { return specs_; }
  // Says which bar series there are, where `spec` is none of them.
  Status check(const market::BarSpec& spec) const;

 private:
  struct KeptBars {
    std::map<Timestamp, market::Bar> bars;
    Offset gone;
    bool stored_are_read = false;

    void drop_old();
  };
  Status read_stored(const market::SeriesKey& series, const market::BarSpec& spec) const;

  struct SeriesTrades {
    std::deque<KeptTrade> kept;  // ascending by offset
    std::optional<Offset> gone;  // of the newest that is no longer kept
  };

  const std::vector<market::BarSpec> specs_;
  const std::function<void()> on_change_;
  const ReadStored read_stored_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<market::SeriesKey, market::BarSpec>, KeptBars> bars_;
  Offset applied_;
  std::vector<SeriesTrades> trades_;  // by SeriesId
};

}  // namespace tapedeck::pipeline
