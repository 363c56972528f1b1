#include "pipeline/feed_stage.hpp"

#include <algorithm>
#include <type_traits>

namespace tapedeck::pipeline {

using market::Batch;
using market::FeedMark;
using market::StreamKind;
using market::Trade;

namespace {

template <class Event>
StreamKind kind_of() {
  if constexpr (std::is_same_v<Event, Trade>) return StreamKind::kTrade;
  if constexpr (std::is_same_v<Event, market::Quote>) return StreamKind::kQuote;
  if constexpr (std::is_same_v<Event, market::PriceTick>) return StreamKind::kPriceTick;
  if constexpr (std::is_same_v<Event, market::VendorBar>) return StreamKind::kVendorBar;
  if constexpr (std::is_same_v<Event, market::Correction>) return StreamKind::kCorrection;
  if constexpr (std::is_same_v<Event, market::Record>) return StreamKind::kRecord;
  if constexpr (std::is_same_v<Event, FeedMark>) return StreamKind::kStatus;
}

Timestamp time_of(const feeds::OtherEvent& event) {
  return std::visit([](const auto& one) { return one.ts_event; }, event);
}

}  // namespace

FeedStage::FeedStage(std::unique_ptr<feeds::Source> source, SeenByKind& seen,
                     quality::Quarantine& quarantine, BatchQueue& out, const Clock& clock,
                     std::optional<Pace> pace, std::size_t batch_events, FeedCounts& counts)
    : source_(std::move(source)),
      seen_(seen),
      seen_trades_(seen[StreamKind::kTrade]),
      quarantine_(quarantine),
      out_(out),
      clock_(clock),
      pace_(pace),
      batch_events_(batch_events),
      counts_(counts) {}

Result<Step> FeedStage::step() {
  // What was handed on before the queue was full is progress, too: the next stage may wait for it.
  const std::size_t before = ready_.size();
  if (!hand_on()) return ready_.size() < before ? Step::progress() : Step::idle();
  if (held_.empty() && !source_ended_) {
    const auto more = source_->pull(*this, batch_events_);
    // A source that breaks has told so through refuse(); others flow on.
    source_ended_ = !more || !*more;
  }
  std::optional<Duration> wait;
  while (!held_.empty()) {
    const auto* trade = std::get_if<Trade>(&held_.front());
    const auto* other = std::get_if<feeds::OtherEvent>(&held_.front());
    if (trade != nullptr || other != nullptr) {
      const Timestamp ts_event = trade != nullptr ? trade->ts_event : time_of(*other);
      if (pace_ && ts_event > play_time()) {
        const double market_ns = static_cast<double>((ts_event - play_time()).ns);
        wait = Duration{
            std::max<std::int64_t>(1, static_cast<std::int64_t>(market_ns / pace_->speed))};
        break;
      }
      market_time_ns_ = std::max(market_time_ns_.load(), ts_event.ns);
    }
    if (trade != nullptr) {
      put(*trade);
    } else if (other != nullptr) {
      std::visit([this](const auto& event) { put(event); }, *other);
    } else {
      put(std::get<FeedMark>(held_.front()));
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
    ready_.push_back({.kind = kind});
  }
  return ready_.back();
}

void FeedStage::put(const auto& event) {
  using Event = std::remove_cvref_t<decltype(event)>;
  visit_events(batch_of(kind_of<Event>()), [&](auto& events) {
    if constexpr (std::is_same_v<typename std::remove_cvref_t<decltype(events)>::value_type,
                                 Event>) {
      events.push_back(event);
    }
  });
}

bool FeedStage::hand_on() {
  while (!ready_.empty()) {
    if (!out_.try_push(ready_.front())) return false;
    ready_.pop_front();
  }
  return true;
}

void FeedStage::trade(const Trade& trade) {
  if (!seen_trades_.insert(trade)) {
    ++counts_.duplicates;
    return;
  }
  hold(trade, trade.ts_event);
}

void FeedStage::event(const feeds::OtherEvent& event) {
  const bool is_new = std::visit(
      [this]<class Event>(const Event& one) {
        return seen_[kind_of<Event>()].insert(one.series, one.identity);
      },
      event);
  if (!is_new) {
    ++counts_.duplicates;
    return;
  }
  hold(event, time_of(event));
}

void FeedStage::hold(Held event, Timestamp ts_event) {
  if (pace_ && !pace_->from) pace_->from = ts_event;
  if (pace_ && !play_began_ && ts_event > *pace_->from) {
    play_began_ = clock_.elapsed();
    loading_ = false;
  }
  held_.push_back(std::move(event));
}

void FeedStage::mark(const FeedMark& mark) { held_.emplace_back(mark); }

void FeedStage::refuse(const feeds::Refusal& refusal) {
  ++counts_.refused;
  quarantine_.refuse(refusal.reason, refusal.detail, refusal.where, refusal.text);
}

}  // namespace tapedeck::pipeline
