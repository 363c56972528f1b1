// src/pipeline/feed_stage.hpp: pulls events from a source, drops repeats by identity, and hands the
// rest on in batches, at the pace of the play. Any number of them share what was seen and the
// queue.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <variant>

#include "base/bounded_queue.hpp"
#include "base/clock.hpp"
#include "feeds/feed.hpp"
#include "market/event.hpp"
#include "pipeline/stage.hpp"
#include "quality/quarantine.hpp"
#include "quality/seen_identities.hpp"

namespace tapedeck::pipeline {

using BatchQueue = BoundedQueue<market::Batch>;

// Market time as a function of the clock: events up to `from` are there at once, from then on
// `speed` market seconds pass in a second.
struct Pace {
  std::optional<Timestamp> from{};  // nothing: the first event's time
  double speed = 1;
};

// What is on the tape or on its way there, of all feeds: two of them may give the same trade. By
// kind of event: an identity of one says nothing of another. Thread: any, but for by_kind().
class SeenEvents {
 public:
  // True: the event is new.
  bool insert(market::StreamKind kind, SeriesId series, const market::Identity& identity) {
    std::lock_guard lock(mutex_);
    return (kind == market::StreamKind::kTrade ? trades_ : by_kind_[kind]).insert(series, identity);
  }
  std::optional<IntervalSet::Interval> hole_before(const market::Trade& trade) {
    std::lock_guard lock(mutex_);
    return trades_.hole_before(trade.series, trade.identity);
  }
  // Calls visit(series, origin, first, last) for what is missing between trades without a position.
  template <class F>
  void for_each_hole(F&& visit) {
    std::lock_guard lock(mutex_);
    std::optional<std::tuple<SeriesId, OriginId, std::uint64_t>> before;
    trades_.for_each_run(
        [&](SeriesId series, OriginId origin, std::uint64_t first, std::uint64_t last) {
          if (before && std::get<0>(*before) == series && std::get<1>(*before) == origin) {
            visit(series, origin, std::get<2>(*before) + 1, first - 1);
          }
          before = {series, origin, last};
        });
  }
  // To be filled before any feed runs.
  quality::SeenIdentities& of(market::StreamKind kind) { return by_kind_[kind]; }

 private:
  std::mutex mutex_;
  std::map<market::StreamKind, quality::SeenIdentities> by_kind_;
  quality::SeenIdentities& trades_ = by_kind_[market::StreamKind::kTrade];
};

// One feed of a pipeline.
struct FeedPart {
  std::string id;  // as in marks: "coinbase/crypto", or "replay"; see market::FeedMark
  std::unique_ptr<feeds::Source> source{};
  std::optional<Pace> pace{};
};

struct FeedCounts {
  std::atomic<std::uint64_t> events{0};
  std::atomic<std::uint64_t> duplicates{0};
  std::atomic<std::uint64_t> control{0};
  std::atomic<std::uint64_t> refused{0};
};

class Latencies;

class FeedStage final : public Stage, private feeds::EventSink {
 public:
  // A play says what time it is there: once a market second, and at most so often.
  static constexpr Duration kMarkEvery = seconds(1);
  static constexpr Duration kMarkPauseMin = milliseconds(50);

  // Who is told of an event that was given before.
  using OnDuplicate = std::function<void(SeriesId series, Timestamp ts_event)>;

  // Borrows all but the part. Without a pace events come as fast as they are taken; with one, the
  // source must give them in order of ts_event. `committed`: how many batches of the queue are
  // durable, for sources that await it.
  FeedStage(FeedPart part, SeenEvents& seen, quality::Quarantine& quarantine, BatchQueue& out,
            const Clock& clock, std::size_t batch_events, OnDuplicate on_duplicate = {},
            std::function<std::uint64_t()> committed = {}, Latencies* latencies = nullptr);

  std::string_view name() const override { return name_; }
  Result<Step> step() override;
  // Takes nothing more from the source; what is due is handed on. Any thread; it shows in the next
  // step.
  void drain() { draining_ = true; }
  // Of a play: market seconds a second from the next step on; 0: it stands still. Any thread.
  void set_speed(double speed) { wanted_speed_ = speed; }
  const std::string& id() const { return part_.id; }
  // As Source::set_symbols().
  bool set_symbols(const std::vector<std::string>& symbols) {
    return part_.source->set_symbols(symbols);
  }
  // As Source::state() and Source::on_ready().
  std::string_view source_state() const { return part_.source->state(); }
  void on_ready(const std::function<void()>& call) { part_.source->on_ready(call); }
  const FeedCounts& counts() const { return counts_; }
  bool is_done() const { return done_.load(); }  // nothing more will be handed on

  // How far the play is: everything up to it has been handed on. Any thread.
  Timestamp market_time() const { return {market_time_ns_.load()}; }
  bool is_loading() const { return loading_.load(); }

 private:
  void trade(const market::Trade& trade) override;
  void event(const feeds::OtherEvent& event) override;
  void mark(const market::FeedMark& mark) override;
  void control() override { ++counts_.control; }
  void refuse(const feeds::Refusal& refusal) override;
  std::uint64_t repeats() const override { return counts_.duplicates.load(); }
  void frame(const market::RawFrame& frame) override { frames_.frames.push_back(frame); }

  using Held = std::variant<market::Trade, feeds::OtherEvent, market::FeedMark>;

  void take_speed();
  Timestamp play_time() const;
  Duration until(Timestamp market_time) const;  // by the clock; long, where it stands still
  Duration mark_time();                         // when a mark is due; how long until the next
  void hold(Held event, Timestamp ts_event);
  void drop_duplicate(SeriesId series, Timestamp ts_event);
  void put(const auto& event);  // among what is ready
  market::Batch& batch_of(market::StreamKind kind);
  bool hand_on();     // moves what is ready to the queue; false: the queue is full
  bool is_awaited();  // all is handed on, and the source waits until it is durable

  FeedPart part_;
  const std::string name_;
  SeenEvents& seen_;
  quality::Quarantine& quarantine_;
  BatchQueue& out_;
  const Clock& clock_;
  const std::size_t batch_events_;
  const OnDuplicate on_duplicate_;
  Latencies* const latencies_;          // null: nobody asks
  std::optional<Duration> play_began_;  // by the clock's elapsed()
  Timestamp last_mark_{};

  const bool repairs_;  // the source does
  bool has_begun_ = false;
  bool source_ended_ = false;
  const std::function<std::uint64_t()> committed_;
  std::optional<std::uint64_t> awaited_;  // how many batches of the queue must be durable
  std::deque<Held> held_;                 // pulled; new; perhaps not due
  std::deque<market::Batch> ready_;
  // They have a log of their own, and no place among the events.
  market::Batch frames_{.kind = market::StreamKind::kRawFrame};
  FeedCounts counts_;
  std::atomic<std::int64_t> market_time_ns_{0};
  std::atomic<bool> loading_{true};
  std::atomic<double> wanted_speed_{1};
  std::atomic<bool> draining_{false};
  std::atomic<bool> done_{false};
};

}  // namespace tapedeck::pipeline
