// src/pipeline/deck.hpp: runs a pipeline and shows it, behind the doors that the api reads
// (History, Live, Play): a play, run after run, each with a tape and a store of its own; or a
// pipeline that goes on with the same ones whenever its file has changed. Thread: "deck" runs the
// pipeline; everything public from any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <thread>

#include "base/log.hpp"
#include "pipeline/history.hpp"
#include "pipeline/live.hpp"
#include "pipeline/live_indicators.hpp"
#include "pipeline/pipeline.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::pipeline {

class Deck final : public History, public Live, public Play {
 public:
  // Makes the pipeline of a run, not yet prepared; `on_change` goes into it.
  using Factory = std::function<Result<std::unique_ptr<Pipeline>>(std::uint64_t run,
                                                                  std::function<void()> on_change)>;
  enum class NextRun {
    kAnew,    // has a tape and a store of its own, and is there before the last one goes
    kGoesOn,  // has the same ones: the last run is drained and closed first
  };

  // `about`: what is run; state, times, counts, feeds and run are filled in by the deck.
  Deck(PlayStatus about, NextRun next, Factory factory, Log& log);
  ~Deck() override;  // stops the run and waits for its stages

  // Begins run 1. Its errors are returned; those of a later run are shown by status().
  Status start();
  // Lets the sources end and all that they gave be stored, at most for `max`. False: some of it is
  // on the tape only, and the next start goes on there. No run begins any more.
  bool drain(Duration max);
  // Of a deck that goes on: drains the run and begins the next one. Its errors: status().
  void renew();
  // As Pipeline::set_symbols(), of the run that is on; false between two runs, too.
  bool set_symbols(std::string_view feed, const std::vector<std::string>& symbols);
  // Why it failed; nothing: it did not.
  std::optional<std::string> failure() const;

  std::vector<market::Series> instruments() const override;
  std::string listing(const market::SeriesKey& key) const override;
  std::vector<market::BarSpec> bar_series() const override;
  Result<BarPage> bars(const store::BarQuery& query,
                       std::span<const std::string> indicators = {}) const override;
  Result<std::vector<EmptyTime>> empty_times(const store::BarQuery& query) const override;
  Result<TradePage> trades(const TradeQuery& query) const override;
  Quality quality() const override;
  Result<TapeQuality> tape_quality() const override;
  Result<std::optional<quality::Missing>> missing(const market::SeriesKey& key, Timestamp start,
                                                  Timestamp end) const override;
  Result<store::Table> select(const std::string& sql, std::size_t rows_max) const override;
  Result<BarPage> bars_since(const market::SeriesKey& series, const market::BarSpec& spec,
                             Offset since,
                             std::span<const std::string> indicators = {}) const override;
  Result<TradePage> trades_since(const market::SeriesKey& series, Offset since) const override;
  LastPage last_since(Offset since) const override;
  std::unique_ptr<Subscription> subscribe(std::function<void()> on_change) override;
  PlayStatus status() const override;
  Result<std::uint64_t> restart(std::optional<Timestamp> from = {}) override;
  Status set_speed(double speed) override;
  Status pause(bool paused) override;

 private:
  class Listener;
  struct Run {
    std::uint64_t number = 0;
    std::unique_ptr<Pipeline> pipeline;
    std::unique_ptr<LiveIndicators> indicators;  // over its bars
    ThreadedDriver driver;
  };
  // What whoever holds it reads from is there for so long.
  struct Reading {
    std::shared_lock<std::shared_mutex> lock;
    const Run* run;  // null: between two runs
  };
  enum class Wish { kNone, kNextRun, kEnd };

  Result<std::unique_ptr<Run>> make_run(std::uint64_t number);
  Result<std::unique_ptr<Run>> take_next(std::uint64_t number);
  void put(std::unique_ptr<Run> run);  // in place of the one that is there
  Status check_is_play() const;
  void run_on();              // the thread
  void drain_for(Wish wish);  // which is granted then; an end is not taken back
  Reading reading() const;
  Result<Reading> reading_of_a_run() const;
  void announce();

  const PlayStatus about_;
  const NextRun next_;
  const Factory factory_;
  Log& log_;

  mutable std::shared_mutex run_mutex_;  // who reads holds it shared
  std::unique_ptr<Run> run_;
  mutable std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::uint64_t number_ = 1;
  PlayState state_ = PlayState::kLoading;
  std::optional<std::string> error_;
  Wish wish_ = Wish::kNone;
  std::optional<Timestamp> from_;  // where the next run begins; nothing: as the first
  double speed_ = 1;
  bool paused_ = false;
  bool stored_all_ = false;  // the last run ended by itself

  std::shared_mutex listeners_mutex_;
  std::set<Listener*> listeners_;
  std::jthread thread_;
};

}  // namespace tapedeck::pipeline
