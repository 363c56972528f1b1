#include "pipeline/deck.hpp"
#include "pipeline/symbol_lookup.hpp"

#include <fmt/format.h>
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

Deck::Deck(PlayStatus about, NextRun next, Factory factory, Log& log)
    : about_(std::move(about)),
      next_(next),
      factory_(std::move(factory)),
      log_(log),
      speed_(about_.speed) {}

Deck::~Deck() {
  {
    const Reading now = reading();
    std::lock_guard lock(mutex_);
    wish_ = Wish::kEnd;
    if (now.run != nullptr) run_->driver.stop();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  put(nullptr);  // while there is all that it calls
}

Status Deck::start() {
  TD_ASSIGN(run_, make_run(1));
  thread_ = std::jthread([this] { run_on(); });
  return {};
}

void Deck::drain_for(Wish wish) {
  {
    const Reading now = reading();
    std::lock_guard lock(mutex_);
    if (wish_ != Wish::kEnd) wish_ = wish;
    if (now.run != nullptr) {
      run_->pipeline->drain();
      run_->driver.wake();
    }
  }
  changed_.notify_all();
}

bool Deck::drain(Duration max) {
  drain_for(Wish::kEnd);
  std::unique_lock lock(mutex_);
  const auto is_over = [this] {
    return state_ == PlayState::kEnded || state_ == PlayState::kFailed;
  };
  changed_.wait_for(lock, std::chrono::nanoseconds(max.ns), is_over);
  return stored_all_;
}

void Deck::renew() { drain_for(Wish::kNextRun); }

bool Deck::set_symbols(std::string_view feed, const std::vector<std::string>& symbols) {
  const Reading now = reading();
  return now.run != nullptr && run_->pipeline->set_symbols(feed, symbols);
}

std::optional<std::string> Deck::failure() const {
  std::lock_guard lock(mutex_);
  return state_ == PlayState::kFailed ? error_ : std::nullopt;
}

std::vector<market::Series> Deck::instruments() const {
  const Reading now = reading();
  std::vector<market::Series> series;
  if (now.run == nullptr) return series;
  const market::Catalog& catalog = now.run->pipeline->catalog();
  const auto count = static_cast<std::uint32_t>(catalog.series_count());
  for (std::uint32_t id = 0; id < count; ++id) {
    const market::Series& one = catalog.series(SeriesId(id));
    if (!market::is_about(one.key)) series.push_back(one);
  }
  return series;
}

std::unique_ptr<Live::Subscription> Deck::subscribe(std::function<void()> on_change) {
  return std::make_unique<Listener>(*this, std::move(on_change));
}

PlayStatus Deck::status() const {
  PlayStatus status = about_;
  const Reading now = reading();
  {
    std::lock_guard lock(mutex_);
    status.state = state_;
    status.error = error_;
    status.run = number_;
    status.speed = speed_;
    status.paused = paused_;
  }
  if (now.run == nullptr) return status;
  const Pipeline& pipeline = *now.run->pipeline;
  const auto state_of = [&](bool is_loading, bool is_done) {
    if (status.state != PlayState::kPlaying) return status.state;
    if (is_done) return PlayState::kEnded;
    return is_loading ? PlayState::kLoading : PlayState::kPlaying;
  };
  for (const auto& feed : pipeline.feeds()) {
    const FeedCounts& counts = feed->counts();
    const PlayState state = state_of(feed->is_loading(), feed->is_done());
    const std::string_view live = feed->source_state();
    const bool is_running = state == PlayState::kLoading || state == PlayState::kPlaying;
    status.feeds.push_back(
        {.id = feed->id(),
         .state = std::string(is_running && !live.empty() ? live : to_string(state)),
         .events = counts.events,
         .duplicates = counts.duplicates,
         .refused = counts.refused});
  }
  status.state = state_of(pipeline.is_loading(), false);
  status.market_time = std::max(about_.start_time, pipeline.market_time());
  status.durable_offset = pipeline.tape().durable_end(PartitionId());
  status.tape = pipeline.tape().status();
  status.quarantine_total = pipeline.quarantine().total();
  status.quarantine_reasons = pipeline.quarantine().by_reason();
  return status;
}

Status Deck::check_is_play() const {
  if (next_ == NextRun::kAnew) return {};
  return fail(ErrorCode::kUnsupported,
              "this pipeline is no play: what it takes in goes on the same tape for good");
}

Status Deck::set_speed(double speed) {
  TD_TRY(check_is_play());
  if (!(speed > 0 && speed <= kSpeedMax)) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("a speed is above 0 and at most {} market seconds a second", kSpeedMax));
  }
  const Reading now = reading();
  std::lock_guard lock(mutex_);
  speed_ = speed;
  if (now.run == nullptr || paused_) return {};
  run_->pipeline->set_speed(speed);
  run_->driver.wake();
  return {};
}

Status Deck::pause(bool paused) {
  TD_TRY(check_is_play());
  const Reading now = reading();
  std::lock_guard lock(mutex_);
  paused_ = paused;
  if (now.run == nullptr) return {};
  run_->pipeline->set_speed(paused ? 0 : speed_);
  run_->driver.wake();
  return {};
}

Result<std::uint64_t> Deck::restart(std::optional<Timestamp> from) {
  TD_TRY(check_is_play());
  if (from && (*from < about_.start_time || *from > about_.end_time)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the play is from {} to {}", to_iso(about_.start_time),
                            to_iso(about_.end_time)));
  }
  std::uint64_t next = 0;
  {
    const Reading now = reading();
    std::lock_guard lock(mutex_);
    if (wish_ != Wish::kNone) {
      return fail(ErrorCode::kBusy, "a restart is under way: wait for it");
    }
    wish_ = Wish::kNextRun;
    from_ = from;
    next = number_ + 1;
    run_->driver.stop();
  }
  changed_.notify_all();
  return next;
}

Result<std::unique_ptr<Deck::Run>> Deck::make_run(std::uint64_t number) {
  auto run = std::make_unique<Run>();
  run->number = number;
  TD_ASSIGN(run->pipeline, factory_(number, [this] { announce(); }));
  std::optional<Timestamp> from;
  {
    std::lock_guard lock(mutex_);
    from = from_;
  }
  if (from) run->pipeline->play_from(*from);
  TD_TRY(run->pipeline->prepare());
  run->indicators = std::make_unique<LiveIndicators>(*run->pipeline, [this] { announce(); });
  return run;
}

Result<std::unique_ptr<Deck::Run>> Deck::take_next(std::uint64_t number) {
  // Its tape and its store are open in the one that is there.
  if (next_ == NextRun::kGoesOn) put(nullptr);
  return make_run(number);
}

void Deck::put(std::unique_ptr<Run> run) {
  {
    std::unique_lock lock(run_mutex_);
    run_.swap(run);
  }
  // Here the old one goes: nobody reads from it any more.
}

void Deck::run_on() {
  pthread_setname_np(pthread_self(), "deck");
  std::unique_lock lock(mutex_);
  while (true) {
    if (state_ != PlayState::kFailed) {
      state_ = PlayState::kPlaying;
      if (next_ == NextRun::kAnew) run_->pipeline->set_speed(paused_ ? 0 : speed_);
      lock.unlock();
      const Status ran = run_->pipeline->run(run_->driver);  // only this thread replaces it
      lock.lock();
      if (!ran) {
        state_ = PlayState::kFailed;
        error_ = ran.error().message;
        log_.error("the run failed", {{"run", number_}, {"error", ran.error().message}});
      } else if (wish_ != Wish::kNextRun) {
        state_ = PlayState::kEnded;
      }
      stored_all_ = ran.has_value();
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return wish_ != Wish::kNone; });
    if (wish_ == Wish::kEnd) return;
    stored_all_ = false;
    state_ = PlayState::kLoading;
    lock.unlock();
    auto next = take_next(number_ + 1);
    std::optional<Error> failed;
    if (next) {
      put(*std::move(next));
    } else {
      failed = std::move(next.error());
    }
    lock.lock();
    if (wish_ == Wish::kNextRun) wish_ = Wish::kNone;
    if (!failed) {
      ++number_;
      error_.reset();
    } else {
      state_ = PlayState::kFailed;
      error_ = failed->message;
      log_.error("the next run could not begin", {{"error", failed->message}});
    }
    lock.unlock();
    announce();
    lock.lock();
  }
}

Deck::Reading Deck::reading() const {
  std::shared_lock lock(run_mutex_);
  return {std::move(lock), run_.get()};
}

Result<Deck::Reading> Deck::reading_of_a_run() const {
  Reading now = reading();
  if (now.run == nullptr) {
    return fail(ErrorCode::kUnavailable, "the pipeline is just starting again: ask once more");
  }
  return now;
}

void Deck::announce() {
  std::shared_lock lock(listeners_mutex_);
  for (const Listener* listener : listeners_) listener->call();
}

}  // namespace tapedeck::pipeline
