#include "pipeline/feed_stage.hpp"

#include <algorithm>

namespace tapedeck::pipeline {

using market::Batch;
using market::FeedMark;
using market::StreamKind;
using market::Trade;

FeedStage::FeedStage(std::unique_ptr<feeds::Source> source, quality::SeenIdentities& seen,
                     quality::Quarantine& quarantine, BatchQueue& out, const Clock& clock,
                     std::optional<Pace> pace, std::size_t batch_events, FeedCounts& counts)
    : source_(std::move(source)),
      seen_(seen),
      quarantine_(quarantine),
      out_(out),
      clock_(clock),
      pace_(pace),
      batch_events_(batch_events),
      counts_(counts) {}

Result<Step> FeedStage::step() {
  if (!hand_on()) return Step::idle();
  if (held_.empty() && !source_ended_) {
    const auto more = source_->pull(*this, batch_events_);
    // A source that breaks has told so through refuse(); others flow on.
    source_ended_ = !more || !*more;
  }
  std::optional<Duration> wait;
  while (!held_.empty()) {
    if (const auto* trade = std::get_if<Trade>(&held_.front())) {
      if (pace_ && trade->ts_event > play_time()) {
        const double market_ns = static_cast<double>((trade->ts_event - play_time()).ns);
        wait = Duration{
            std::max<std::int64_t>(1, static_cast<std::int64_t>(market_ns / pace_->speed))};
        break;
      }
      market_time_ns_ = std::max(market_time_ns_.load(), trade->ts_event.ns);
      batch_of(StreamKind::kTrade).trades.push_back(*trade);
    } else {
      batch_of(StreamKind::kStatus).marks.push_back(std::get<FeedMark>(held_.front()));
    }
    ++counts_.events;
    held_.pop_front();
  }
  if (!ready_.empty()) {
    hand_on();
    return Step::progress();
  }
  if (wait) return Step::idle_for(*wait);
  if (!source_ended_) return Step::progress();
  loading_ = false;
  out_.close();
  return Step::done();
}

Timestamp FeedStage::play_time() const {
  if (!play_began_) return *pace_->from;
  const double passed = static_cast<double>((clock_.elapsed() - *play_began_).ns) * pace_->speed;
  return *pace_->from + Duration{static_cast<std::int64_t>(std::min(passed, 9.0e18))};
}

Batch& FeedStage::batch_of(StreamKind kind) {
  if (ready_.empty() || ready_.back().kind != kind || ready_.back().size() >= batch_events_) {
    ready_.push_back({.kind = kind, .first = {}, .trades = {}, .marks = {}});
  }
  return ready_.back();
}

bool FeedStage::hand_on() {
  while (!ready_.empty()) {
    if (!out_.try_push(ready_.front())) return false;
    ready_.pop_front();
  }
  return true;
}

void FeedStage::trade(const Trade& trade) {
  if (!seen_.insert(trade)) {
    ++counts_.duplicates;
    return;
  }
  if (pace_ && !pace_->from) pace_->from = trade.ts_event;
  if (pace_ && !play_began_ && trade.ts_event > *pace_->from) {
    play_began_ = clock_.elapsed();
    loading_ = false;
  }
  held_.emplace_back(trade);
}

void FeedStage::mark(const FeedMark& mark) { held_.emplace_back(mark); }

void FeedStage::refuse(const feeds::Refusal& refusal) {
  ++counts_.refused;
  quarantine_.refuse(refusal.reason, refusal.detail, refusal.where, refusal.text);
}

}  // namespace tapedeck::pipeline
