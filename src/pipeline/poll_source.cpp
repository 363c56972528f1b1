#include "pipeline/poll_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tapedeck::pipeline {
namespace {

// An answer wakes whoever waits; this is only a bound.
constexpr Duration kLookEvery = seconds(1);

bool may_pass(int status) {
  return status == 429 || status == 418 || status == 408 || status >= 500;
}

}  // namespace

PollSource::PollSource(std::string feed, std::unique_ptr<feeds::PollFeed> poll, std::uint64_t seed,
                       std::unique_ptr<Net> net, const Clock& clock, Log& log)
    : feed_(std::move(feed)),
      poll_(std::move(poll)),
      seed_(seed),
      net_(std::move(net)),
      clock_(clock),
      log_(log),
      backoff_({}, seed) {}

Result<bool> PollSource::pull(feeds::EventSink& sink, std::size_t) {
  sink_ = &sink;
  if (!is_asking_ && clock_.elapsed() >= next_ask_) ask();
  const bool was_busy = net_->poll();
  idle_for_.reset();
  if (!was_busy) {
    idle_for_ = is_asking_ ? kLookEvery : std::max(next_ask_ - clock_.elapsed(), milliseconds(1));
  }
  sink_ = nullptr;
  return true;
}

void PollSource::ask() {
  is_asking_ = true;
  ++asked_;
  net_->fetch(poll_->next(), [this, asked_at = clock_.now()](const Result<HttpAnswer>& answer) {
    on_answer(answer, asked_at);
  });
}

void PollSource::on_answer(const Result<HttpAnswer>& answer, Timestamp asked_at) {
  is_asking_ = false;
  if (!answer || may_pass(answer->status)) {
    Duration wait = backoff_.next_wait({});
    if (answer && answer->stay_away) wait = std::max(wait, *answer->stay_away);
    return stay_away(wait, answer ? fmt::format("the venue answered {}", answer->status)
                                  : answer.error().message);
  }
  const std::string where = fmt::format("{}: answer {}", feed_, asked_);
  const feeds::PollVerdict verdict =
      answer->status == 200 ? poll_->on_answer(answer->body, answer->ts_recv, where, *sink_)
                            : poll_->on_status(answer->status, where, *sink_);
  if (verdict.outcome == feeds::PollVerdict::Outcome::kAgain) {
    return stay_away(std::max(verdict.wait, backoff_.next_wait({})), verdict.why);
  }
  backoff_ = Backoff({}, seed_);
  next_ask_ = clock_.elapsed() + verdict.wait;
  state_ = "live";
  if (!verdict.is_current) return;
  sink_->mark({.feed = feed_, .state = market::FeedState::kLive, .ts_recv = asked_at});
}

void PollSource::stay_away(Duration wait, const std::string& why) {
  next_ask_ = clock_.elapsed() + wait;
  log_.warning("a venue gives no answer now",
               {{"feed", feed_}, {"why", why}, {"again_in_ms", wait.ns / milliseconds(1).ns}});
  if (std::string_view(state_.load()) == "live") {
    sink_->mark({.feed = feed_, .state = market::FeedState::kDown, .ts_recv = clock_.now()});
  }
  state_ = "down";
}

}  // namespace tapedeck::pipeline
