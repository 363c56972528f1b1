// src/pipeline/poll_source.hpp: the events of a venue that is asked over HTTP every so often. What
// fails is asked again, later and later, for ever; how long to stay away the venue says (429,
// Retry-After) or the feed, which reads it in the answer. Thread: pull() and idle_for() one at a
// time; on_ready() and state() any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/net.hpp"
#include "feeds/feed.hpp"

namespace tapedeck::pipeline {

class PollSource final : public feeds::Source {
 public:
  // `feed`: as in marks, "alpha_vantage/us". `seed`: of the waits. Borrows the clock and the log.
  PollSource(std::string feed, std::unique_ptr<feeds::PollFeed> poll, std::uint64_t seed,
             std::unique_ptr<Net> net, const Clock& clock, Log& log);

  Result<bool> pull(feeds::EventSink& sink, std::size_t events_max) override;
  std::optional<Duration> idle_for() const override { return idle_for_; }
  void on_ready(const std::function<void()>& call) override { net_->on_ready(call); }
  std::string_view state() const override { return state_.load(); }

 private:
  void ask();
  void on_answer(const Result<HttpAnswer>& answer, Timestamp asked_at);
  void stay_away(Duration wait, const std::string& why);

  const std::string feed_;
  const std::unique_ptr<feeds::PollFeed> poll_;
  const std::uint64_t seed_;
  const std::unique_ptr<Net> net_;
  const Clock& clock_;
  Log& log_;
  Backoff backoff_;

  bool is_asking_ = false;
  Duration next_ask_{};  // by the clock's elapsed()
  std::uint64_t asked_ = 0;

  feeds::EventSink* sink_ = nullptr;  // of the pull under way
  std::optional<Duration> idle_for_;
  std::atomic<const char*> state_{"connecting"};
};

}  // namespace tapedeck::pipeline
