// src/pipeline/deck.hpp: plays a market day and shows it: run after run, each with a tape and a
// store of its own, behind the doors that the api reads (History, Live, Play). Thread: "deck" runs
// the play; everything public from any thread.
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
#include "pipeline/pipeline.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::pipeline {

class Deck final : public History, public Live, public Play {
 public:
  // Makes the pipeline of a run, not yet prepared; `on_change` goes into it.
  using Factory = std::function<Result<std::unique_ptr<Pipeline>>(std::uint64_t run,
                                                                  std::function<void()> on_change)>;

  // `about`: what the play is of; state, times of day, counts and run are filled in by the deck.
  Deck(PlayStatus about, Factory factory, Log& log);
  ~Deck() override;  // stops the run and waits for its stages

  // Begins run 1. Its errors are returned; those of a later run are shown by status().
  Status start();

  std::vector<market::Series> instruments() const override;
  Result<BarPage> bars(const store::BarQuery& query) const override;
  Result<BarPage> bars_since(const market::SeriesKey& series, const market::BarSpec& spec,
                             Offset since) const override;
  std::unique_ptr<Subscription> subscribe(std::function<void()> on_change) override;
  PlayStatus status() const override;
  Result<std::uint64_t> restart() override;

 private:
  class Listener;
  struct Run {
    std::uint64_t number = 0;
    std::unique_ptr<Pipeline> pipeline;
    ThreadedDriver driver;
  };

  Result<std::shared_ptr<Run>> make_run(std::uint64_t number);
  void play_runs();  // the thread
  std::shared_ptr<Run> current() const;
  void announce();

  const PlayStatus about_;
  const Factory factory_;
  Log& log_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Run> run_;
  PlayState state_ = PlayState::kLoading;
  std::optional<std::string> error_;
  bool restart_wanted_ = false;
  bool stopping_ = false;

  std::shared_mutex listeners_mutex_;
  std::set<Listener*> listeners_;
  std::jthread thread_;
};

}  // namespace tapedeck::pipeline
