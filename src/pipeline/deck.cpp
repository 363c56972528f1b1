#include "pipeline/deck.hpp"

#include <pthread.h>

namespace tapedeck::pipeline {

std::string_view to_string(PlayState state) {
  switch (state) {
    case PlayState::kLoading:
      return "loading";
    case PlayState::kPlaying:
      return "playing";
    case PlayState::kEnded:
      return "ended";
    case PlayState::kFailed:
      return "failed";
  }
  return "failed";
}

class Deck::Listener final : public Live::Subscription {
 public:
  Listener(Deck& deck, std::function<void()> on_change)
      : deck_(deck), on_change_(std::move(on_change)) {
    std::unique_lock lock(deck_.listeners_mutex_);
    deck_.listeners_.insert(this);
  }
  ~Listener() override {
    std::unique_lock lock(deck_.listeners_mutex_);
    deck_.listeners_.erase(this);
  }
  void call() const { on_change_(); }

 private:
  Deck& deck_;
  std::function<void()> on_change_;
};

Deck::Deck(PlayStatus about, Factory factory, Log& log)
    : about_(std::move(about)), factory_(std::move(factory)), log_(log) {}

Deck::~Deck() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    if (run_) run_->driver.stop();
  }
  changed_.notify_all();
}

Status Deck::start() {
  auto run = make_run(1);
  if (!run) return std::unexpected(std::move(run.error()));
  {
    std::lock_guard lock(mutex_);
    run_ = *std::move(run);
  }
  thread_ = std::jthread([this] { play_runs(); });
  return {};
}

std::vector<market::Series> Deck::instruments() const {
  const auto run = current();
  std::vector<market::Series> series;
  const market::Catalog& catalog = run->pipeline->catalog();
  const auto count = static_cast<std::uint32_t>(catalog.series_count());
  for (std::uint32_t id = 0; id < count; ++id) series.push_back(catalog.series(SeriesId(id)));
  return series;
}

Result<BarPage> Deck::bars(const store::BarQuery& query) const {
  const auto run = current();
  TD_TRY(run->pipeline->live().check(query.spec));
  BarPage page;
  page.run = run->number;
  // Asked before the bars: they are never older than the offset says.
  page.offset = run->pipeline->stored();
  TD_ASSIGN(page.bars, run->pipeline->store().bars(query));
  return page;
}

Result<BarPage> Deck::bars_since(const market::SeriesKey& series, const market::BarSpec& spec,
                                 Offset since) const {
  const auto run = current();
  TD_ASSIGN(BarPage page, run->pipeline->live().bars_since(series, spec, since));
  page.run = run->number;
  return page;
}

std::unique_ptr<Live::Subscription> Deck::subscribe(std::function<void()> on_change) {
  return std::make_unique<Listener>(*this, std::move(on_change));
}

PlayStatus Deck::status() const {
  PlayStatus status = about_;
  std::shared_ptr<Run> run;
  {
    std::lock_guard lock(mutex_);
    run = run_;
    status.state = state_;
    status.error = error_;
  }
  const Pipeline& pipeline = *run->pipeline;
  if (status.state == PlayState::kPlaying && pipeline.is_loading()) {
    status.state = PlayState::kLoading;
  }
  status.run = run->number;
  status.market_time = std::max(about_.start_time, pipeline.market_time());
  status.durable_offset = pipeline.tape().durable_end(PartitionId());
  status.tape = pipeline.tape().status();
  const FeedCounts& counts = pipeline.feed_counts();
  status.feeds = {{.id = "replay",
                   .state = std::string(to_string(status.state)),
                   .events = counts.events,
                   .duplicates = counts.duplicates,
                   .refused = counts.refused}};
  status.quarantine_total = pipeline.quarantine().total();
  status.quarantine_reasons = pipeline.quarantine().by_reason();
  return status;
}

Result<std::uint64_t> Deck::restart() {
  std::uint64_t next = 0;
  {
    std::lock_guard lock(mutex_);
    if (restart_wanted_ || stopping_) {
      return fail(ErrorCode::kBusy, "a restart is under way: wait for it");
    }
    restart_wanted_ = true;
    next = run_->number + 1;
    run_->driver.stop();
  }
  changed_.notify_all();
  return next;
}

Result<std::shared_ptr<Deck::Run>> Deck::make_run(std::uint64_t number) {
  auto run = std::make_shared<Run>();
  run->number = number;
  TD_ASSIGN(run->pipeline, factory_(number, [this] { announce(); }));
  TD_TRY(run->pipeline->prepare());
  return run;
}

void Deck::play_runs() {
  pthread_setname_np(pthread_self(), "deck");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto run = run_;
    if (state_ != PlayState::kFailed) {
      state_ = PlayState::kPlaying;
      lock.unlock();
      const Status ran = run->pipeline->run(run->driver);
      lock.lock();
      if (!ran) {
        state_ = PlayState::kFailed;
        error_ = ran.error().message;
        log_.error("the play failed", {{"run", run->number}, {"error", ran.error().message}});
      } else if (!restart_wanted_) {
        state_ = PlayState::kEnded;
      }
    }
    changed_.wait(lock, [&] { return stopping_ || restart_wanted_; });
    if (stopping_) return;
    lock.unlock();
    auto next = make_run(run->number + 1);
    lock.lock();
    restart_wanted_ = false;
    if (next) {
      run_ = *std::move(next);
      state_ = PlayState::kLoading;
      error_.reset();
    } else {
      state_ = PlayState::kFailed;
      error_ = next.error().message;
      log_.error("the restart failed", {{"error", next.error().message}});
    }
    lock.unlock();
    announce();
    lock.lock();
  }
}

std::shared_ptr<Deck::Run> Deck::current() const {
  std::lock_guard lock(mutex_);
  return run_;
}

void Deck::announce() {
  std::shared_lock lock(listeners_mutex_);
  for (const Listener* listener : listeners_) listener->call();
}

}  // namespace tapedeck::pipeline
