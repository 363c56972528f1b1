#include "pipeline/live_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "market/conditions.hpp"

namespace tapedeck::pipeline {

using market::FeedMark;
using market::FeedState;

LiveSource::LiveSource(std::unique_ptr<feeds::Feed> feed, const feeds::LiveProtocol& protocol,
                       LiveOptions options, std::unique_ptr<Net> net,
                       const market::Catalog& catalog, const Clock& clock, Log& log)
    : feed_(std::move(feed)),
      protocol_(protocol),
      options_(std::move(options)),
      net_(std::move(net)),
      catalog_(catalog),
      clock_(clock),
      log_(log),
      backoff_({}, options_.seed),
      fetch_backoff_({}, options_.seed + 1) {}

LiveSource::~LiveSource() = default;

Result<bool> LiveSource::pull(feeds::EventSink& sink, std::size_t) {
  sink_ = &sink;
  if (!connection_ && clock_.elapsed() >= next_attempt_) connect();
  fetch_missing();
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
    if (!gaps_.empty() && !is_fetching_) next = std::min(next, next_fetch_ - now);
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

void LiveSource::missing(SeriesId series, OriginId origin, std::uint64_t first,
                         std::uint64_t last) {
  const market::Series& of = catalog_.series(series);
  if (!market::is_count_of_venue(of, catalog_.origin(origin))) return;
  const auto& [venue, channel, symbol] = of.key;
  const auto& mine = options_.symbols;
  if (venue != feed_->venue() || std::ranges::find(mine, symbol) == mine.end()) return;
  if (asked_[series].contains(last) || gaps_.size() >= kGapsMax) return;
  if (last - first >= kRepairMax) {
    log_.warning("a gap is too long to be fetched whole: its older trades stay missing",
                 {{"feed", options_.feed},
                  {"symbol", symbol},
                  {"trades", last - first + 1},
                  {"fetched", kRepairMax}});
    first = last - kRepairMax + 1;
  }
  asked_[series].insert(first, last);
  if (gaps_.empty()) next_fetch_ = std::max(next_fetch_, clock_.elapsed() + kRepairAfter);
  gaps_.push_back({symbol, first, last});
}

void LiveSource::fetch_missing() {
  if (gaps_.empty() || is_fetching_ || clock_.elapsed() < next_fetch_) return;
  const Gap& gap = gaps_.front();
  const std::string& base = options_.rest_url.reveal();
  const std::string target = protocol_.repair->target(gap.symbol, gap.first, gap.last);
  is_fetching_ = true;
  net_->fetch(Secret((base.empty() ? std::string(protocol_.repair->url) : base) + target),
              [this](const Result<HttpAnswer>& answer) { on_answer(answer); });
}

namespace {

// Marks trades as fetched, and notes which ids came.
class Repaired final : public feeds::EventSink {
 public:
  Repaired(feeds::EventSink& sink, IntervalSet& came) : sink_(sink), came_(came) {}
  void trade(const market::Trade& trade) override {
    market::Trade repaired = trade;
    repaired.conditions |= market::kRepaired;
    came_.insert(trade.identity.seq);
    sink_.trade(repaired);
  }
  void event(const feeds::OtherEvent& event) override { sink_.event(event); }
  void mark(const FeedMark& mark) override { sink_.mark(mark); }
  void control() override { sink_.control(); }
  void refuse(const feeds::Refusal& refusal) override { sink_.refuse(refusal); }

 private:
  feeds::EventSink& sink_;
  IntervalSet& came_;
};

bool is_worth_another_try(int status) { return status == 429 || status == 418 || status >= 500; }

}  // namespace

void LiveSource::on_answer(const Result<HttpAnswer>& answer) {
  is_fetching_ = false;
  next_fetch_ = clock_.elapsed() + protocol_.repair->pause;
  if (!answer || is_worth_another_try(answer->status)) {
    Duration wait = fetch_backoff_.next_wait({});
    if (answer && answer->stay_away) wait = std::max(wait, *answer->stay_away);
    next_fetch_ = clock_.elapsed() + wait;
    log_.warning("missed trades cannot be fetched now",
                 {{"feed", options_.feed},
                  {"why", answer ? fmt::format("the venue answered {}", answer->status)
                                 : answer.error().message},
                  {"again_in_ms", wait.ns / milliseconds(1).ns}});
    return;
  }
  fetch_backoff_ = Backoff({}, options_.seed + 1);
  if (answer->status != 200) return give_up(fmt::format("it answered {}", answer->status));
  Gap& gap = gaps_.front();
  IntervalSet came;
  Repaired sink(*sink_, came);
  feed_->on_answer(
      gap.symbol, answer->body, answer->ts_recv,
      fmt::format("{}: trades of {} fetched from {} on", options_.feed, gap.symbol, gap.first),
      sink);
  // From either end, as venues answer; what is between is asked for again.
  const std::uint64_t first = gap.first;
  const std::uint64_t last = gap.last;
  while (gap.first <= last && came.contains(gap.first)) ++gap.first;
  while (gap.last >= gap.first && came.contains(gap.last)) --gap.last;
  if (gap.first > gap.last) {
    log_.info("missed trades were fetched",
              {{"feed", options_.feed}, {"symbol", gap.symbol}, {"up_to", last}});
    gaps_.pop_front();
  } else if (gap.first == first && gap.last == last) {
    give_up("it does not have them");
  }
}

void LiveSource::give_up(const std::string& why) {
  const Gap& gap = gaps_.front();
  log_.warning("missed trades stay missing", {{"feed", options_.feed},
                                              {"symbol", gap.symbol},
                                              {"first_id", gap.first},
                                              {"last_id", gap.last},
                                              {"why", why}});
  gaps_.pop_front();
}

void LiveSource::mark(FeedState state, Timestamp received_before) {
  sink_->mark(FeedMark{.feed = options_.feed, .state = state, .ts_recv = received_before});
}

}  // namespace tapedeck::pipeline
