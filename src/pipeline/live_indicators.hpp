// src/pipeline/live_indicators.hpp: indicators over the newest bars of a run, kept up with them as
// they change. Each set of indicators over one bar series is counted once for all who watch it:
// what is stored of the bars before by a thread of its own, named "indicators", what changes then
// by whoever asks. Thread: any. Memory: at most kSetsMax sets, each of at most Live::kBarsKept
// bars.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "indicators/indicator_series.hpp"
#include "pipeline/live.hpp"
#include "pipeline/pipeline.hpp"

namespace tapedeck::pipeline {

class LiveIndicators {
 public:
  // With more than these the one that was not asked for longest is forgotten, and counted anew when
  // it is asked for again.
  static constexpr std::size_t kSetsMax = 128;

  // Borrows the pipeline, which has a store. `on_counted`: what was kBusy may be asked for again;
  // called by the thread.
  LiveIndicators(const Pipeline& pipeline, std::function<void()> on_counted);
  ~LiveIndicators();

  // As Live::bars_since, without the run. The series is in the catalog.
  Result<BarPage> bars_since(const market::SeriesKey& series, const market::BarSpec& spec,
                             Offset since, std::span<const std::string> indicators);

 private:
  using Key = std::tuple<market::SeriesKey, market::BarSpec, std::vector<std::string>>;
  struct Row {
    market::Bar bar;
    std::vector<std::optional<std::string>> values;  // one for each column
    Offset changed;                                  // the bar or a value, before this
  };
  struct Set {
    std::vector<indicators::IndicatorSeries> indicators;
    std::vector<std::string> columns;
    std::map<Timestamp, Row> rows;
    std::optional<Timestamp> anchor;
    Offset applied;
  };
  struct Place {
    std::optional<Set> set;       // nothing: it is being counted, or waits for that
    std::optional<Error> failed;  // the last count
    bool is_wanted = false;
    std::uint64_t used = 0;
  };

  static BarPage page_of(const Set& set, Offset since);
  Result<std::vector<indicators::Indicator>> make(const Key& key) const;
  // Errors: kBusy where bars that it needs are not stored yet.
  Result<Set> count(const Key& key) const;
  Status update(const Key& key, Set& set) const;
  Status take(const Key& key, Set& set, std::span<const market::Bar> changed, Offset applied,
              Offset stored_to) const;
  void want(const Key& key, Place& place);
  void count_on();  // the thread

  const Pipeline& pipeline_;
  const std::function<void()> on_counted_;
  std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::map<Key, Place> places_;
  std::deque<Key> wanted_;
  std::uint64_t uses_ = 0;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace tapedeck::pipeline
