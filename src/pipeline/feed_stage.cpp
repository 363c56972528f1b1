#include "pipeline/feed_stage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "market/conditions.hpp"
#include "pipeline/latencies.hpp"

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

// A play that stands still looks up so often.
constexpr Duration kStandsStill = hours(1);

Timestamp time_of(const feeds::OtherEvent& event) {
  return std::visit([](const auto& one) { return one.ts_event; }, event);
}

// Of "coinbase/crypto": "feed-crypto".
std::string thread_name(std::string_view id) {
  constexpr std::size_t kNameMax = 15;
  return fmt::format("feed-{}", id.substr(id.rfind('/') + 1)).substr(0, kNameMax);
}

}  // namespace

FeedStage::FeedStage(FeedPart part, SeenEvents& seen, quality::Quarantine& quarantine,
                     BatchQueue& out, const Clock& clock, std::size_t batch_events,
                     OnDuplicate on_duplicate, std::function<std::uint64_t()> committed,
                     Latencies* latencies)
    : part_(std::move(part)),
      name_(thread_name(part_.id)),
      seen_(seen),
      quarantine_(quarantine),
      out_(out),
      clock_(clock),
      batch_events_(batch_events),
      on_duplicate_(std::move(on_duplicate)),
      latencies_(latencies),
      repairs_(part_.source->repairs()),
      committed_(std::move(committed)) {
  if (part_.pace) wanted_speed_ = part_.pace->speed;
}

Result<Step> FeedStage::step() {
  // What was handed on before the queue was full is progress, too: the next stage may wait for it.
  const std::size_t before = ready_.size();
  if (!hand_on()) return ready_.size() < before ? Step::progress() : Step::idle();
  if (is_awaited()) return Step::idle();
  const bool draining = draining_;
  take_speed();
  if (!std::exchange(has_begun_, true) && repairs_) {
    // What an earlier run did not get to.
    seen_.for_each_hole([this](auto... hole) { part_.source->missing(hole..., std::nullopt); });
  }
  if (held_.empty() && !source_ended_ && !draining) {
    const auto more = part_.source->pull(*this, batch_events_);
    // A source that breaks has told so through refuse(); others flow on.
    source_ended_ = !more || !*more;
  }
  const bool is_live = latencies_ != nullptr && !source_state().empty();
  std::optional<Duration> wait;
  while (!held_.empty()) {
    const auto* trade = std::get_if<Trade>(&held_.front());
    const auto* other = std::get_if<feeds::OtherEvent>(&held_.front());
    if (trade != nullptr || other != nullptr) {
      const Timestamp ts_event = trade != nullptr ? trade->ts_event : time_of(*other);
      if (part_.pace && ts_event > play_time()) {
        wait = until(ts_event);
        break;
      }
      market_time_ns_ = std::max(market_time_ns_.load(), ts_event.ns);
    }
    if (trade != nullptr) {
      // Of what is fetched later or played again the clocks tell nothing.
      const bool is_repaired = (trade->conditions & market::kRepaired) != 0;
      if (is_live && !is_repaired) latencies_->received(*trade);
      put(*trade);
    } else if (other != nullptr) {
      std::visit([this](const auto& event) { put(event); }, *other);
    } else {
      put(std::get<FeedMark>(held_.front()));
    }
    ++counts_.events;
    held_.pop_front();
  }
  if (wait) wait = std::min(*wait, mark_time());
  if (!frames_.frames.empty()) {
    ready_.push_back(std::exchange(frames_, market::Batch{.kind = market::StreamKind::kRawFrame}));
  }
  if (!ready_.empty()) {
    hand_on();
    return Step::progress();
  }
  if (!draining && wait) return Step::idle_for(*wait);
  if (!draining && !source_ended_) {
    const auto idle = part_.source->idle_for();
    if (!idle) return Step::progress();
    loading_ = false;
    return Step::idle_for(*idle);
  }
  loading_ = false;
  done_ = true;
  return Step::done();
}

bool FeedStage::is_awaited() {
  if (!committed_ || !held_.empty() || !part_.source->awaits_durable()) return false;
  // What others put in meanwhile does no harm: it is durable soon, too.
  if (!awaited_) awaited_ = out_.pushed();
  if (committed_() < *awaited_) return true;
  awaited_.reset();
  part_.source->on_durable();
  return false;
}

void FeedStage::take_speed() {
  const double wanted = wanted_speed_;
  if (!part_.pace || part_.pace->speed == wanted) return;
  if (play_began_) {
    part_.pace->from = play_time();
    play_began_ = clock_.elapsed();
  }
  part_.pace->speed = wanted;
}

Timestamp FeedStage::play_time() const {
  const Pace& pace = *part_.pace;
  if (!play_began_) return *pace.from;
  const double passed = static_cast<double>((clock_.elapsed() - *play_began_).ns) * pace.speed;
  return *pace.from + Duration{static_cast<std::int64_t>(std::min(passed, 9.0e18))};
}

// All that is due has been handed on, so a silent series can close its bars.
Duration FeedStage::mark_time() {
  const double pause = static_cast<double>(kMarkPauseMin.ns) * part_.pace->speed;
  const Duration every = std::max(kMarkEvery, Duration{static_cast<std::int64_t>(pause)});
  if (const Timestamp now = play_time(); now - last_mark_ >= every) {
    last_mark_ = now;
    put(FeedMark{.feed = part_.id, .state = market::FeedState::kLive, .ts_recv = now});
  }
  return until(last_mark_ + every);
}

Duration FeedStage::until(Timestamp market_time) const {
  if (part_.pace->speed == 0) return kStandsStill;
  const double market_ns = static_cast<double>((market_time - play_time()).ns);
  const double ns = std::min(market_ns / part_.pace->speed, static_cast<double>(kStandsStill.ns));
  return {std::max<std::int64_t>(1, static_cast<std::int64_t>(ns))};
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
  if (!seen_.insert(StreamKind::kTrade, trade.series, trade.identity)) {
    return drop_duplicate(trade.series, trade.ts_event);
  }
  if (repairs_) {
    // The trade that opens a gap tells of it, those behind it do not again.
    const auto hole = seen_.hole_before(trade);
    if (hole && hole->last + 1 == trade.identity.seq) {
      part_.source->missing(trade.series, trade.identity.origin, hole->first, hole->last,
                            trade.ts_event);
    }
  }
  hold(trade, trade.ts_event);
}

void FeedStage::event(const feeds::OtherEvent& event) {
  const bool is_new = std::visit(
      [this]<class Event>(const Event& one) {
        return seen_.insert(kind_of<Event>(), one.series, one.identity);
      },
      event);
  if (!is_new) {
    return std::visit([this](const auto& one) { return drop_duplicate(one.series, one.ts_event); },
                      event);
  }
  hold(event, time_of(event));
}

void FeedStage::drop_duplicate(SeriesId series, Timestamp ts_event) {
  ++counts_.duplicates;
  if (on_duplicate_) on_duplicate_(series, ts_event);
}

void FeedStage::hold(Held event, Timestamp ts_event) {
  auto& pace = part_.pace;
  if (pace && !pace->from) pace->from = ts_event;
  if (pace && !play_began_ && ts_event > *pace->from) {
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
