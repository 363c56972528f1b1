#include "pipeline/live_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace tapedeck::pipeline {

using market::FeedMark;
using market::FeedState;

LiveSource::LiveSource(std::unique_ptr<feeds::Feed> feed, const feeds::LiveProtocol& protocol,
                       LiveOptions options, std::unique_ptr<Net> net, const Clock& clock, Log& log)
    : feed_(std::move(feed)),
      protocol_(protocol),
      options_(std::move(options)),
      net_(std::move(net)),
      clock_(clock),
      log_(log),
      backoff_({}, options_.seed) {}

LiveSource::~LiveSource() = default;

Result<bool> LiveSource::pull(feeds::EventSink& sink, std::size_t) {
  sink_ = &sink;
  if (!connection_ && clock_.elapsed() >= next_attempt_) connect();
  const Timestamp before = clock_.now();
  const bool was_busy = net_->poll();
  const Duration now = clock_.elapsed();
  if (opened_ && protocol_.silence_max && now - last_frame_ >= *protocol_.silence_max) {
    on_close(fmt::format("nothing came for {} s, not even a heartbeat",
                         (now - last_frame_).ns / seconds(1).ns),
             {});
  }
  if (opened_ && now - last_mark_ >= kMarkEvery) {
    last_mark_ = now;
    // Frames that wait came after the last one that was taken.
    mark(FeedState::kLive, was_busy ? std::min(before, last_recv_) : before);
  }
  idle_for_.reset();
  if (!was_busy) {
    Duration next = kMarkEvery;
    if (opened_) next = last_mark_ + kMarkEvery - now;
    if (opened_ && protocol_.silence_max) {
      next = std::min(next, last_frame_ + *protocol_.silence_max - now);
    }
    if (!connection_) next = next_attempt_ - now;
    idle_for_ = std::max(next, milliseconds(1));
  }
  sink_ = nullptr;
  return true;
}

void LiveSource::connect() {
  ++sessions_;
  frames_ = 0;
  state_ = "connecting";
  const Secret url = options_.url.empty() ? Secret(std::string(protocol_.url)) : options_.url;
  connection_ = net_->connect(
      url,
      {.on_open = [this] { on_open(); },
       .on_frame = [this](std::string_view frame, Timestamp ts_recv) { on_frame(frame, ts_recv); },
       .on_close = [this](
                       const Error& why,
                       std::optional<Duration> stay_away) { on_close(why.message, stay_away); }});
}

void LiveSource::on_open() {
  opened_ = last_frame_ = clock_.elapsed();
  last_recv_ = clock_.now();
  state_ = "live";
  log_.info("a feed is connected", {{"feed", options_.feed}, {"session", sessions_}});
  for (const std::string& text : protocol_.subscribe(options_.symbols)) {
    if (const auto sent = connection_->send(text); !sent) {
      return on_close("cannot subscribe: " + sent.error().message, {});
    }
  }
}

void LiveSource::on_frame(std::string_view frame, Timestamp ts_recv) {
  last_frame_ = clock_.elapsed();
  last_recv_ = ts_recv;
  where_.clear();
  fmt::format_to(std::back_inserter(where_), "{}: session {}, frame {}", options_.feed, sessions_,
                 ++frames_);
  feed_->on_frame(frame, ts_recv, where_, *sink_);
}

void LiveSource::on_close(const std::string& why, std::optional<Duration> stay_away) {
  const Duration now = clock_.elapsed();
  Duration wait = backoff_.next_wait(opened_ ? now - *opened_ : Duration{});
  if (stay_away) wait = std::max(wait, *stay_away);
  if (opened_) mark(FeedState::kDown, clock_.now());
  log_.warning(
      "a feed is down",
      {{"feed", options_.feed}, {"why", why}, {"again_in_ms", wait.ns / milliseconds(1).ns}});
  state_ = "down";
  opened_.reset();
  connection_.reset();
  next_attempt_ = now + wait;
}

void LiveSource::mark(FeedState state, Timestamp received_before) {
  sink_->mark(FeedMark{.feed = options_.feed, .state = state, .ts_recv = received_before});
}

}  // namespace tapedeck::pipeline
