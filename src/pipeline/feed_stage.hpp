// src/pipeline/feed_stage.hpp: pulls events from a source, drops repeats by identity, and hands the
// rest on in batches, at the pace of the play.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
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

// By kind of event: an identity of one says nothing of another.
using SeenByKind = std::map<market::StreamKind, quality::SeenIdentities>;

struct FeedCounts {
  std::atomic<std::uint64_t> events{0};
  std::atomic<std::uint64_t> duplicates{0};
  std::atomic<std::uint64_t> control{0};
  std::atomic<std::uint64_t> refused{0};
};

class FeedStage final : public Stage, private feeds::EventSink {
 public:
  // Borrows all but the source. Without a pace events come as fast as they are taken; with one, the
  // source must give them in order of ts_event. `seen` holds what is on the tape already.
  FeedStage(std::unique_ptr<feeds::Source> source, SeenByKind& seen,
            quality::Quarantine& quarantine, BatchQueue& out, const Clock& clock,
            std::optional<Pace> pace, std::size_t batch_events, FeedCounts& counts);

  std::string_view name() const override { return "feed"; }
  Result<Step> step() override;

  // How far the play is: everything up to it has been handed on. Any thread.
  Timestamp market_time() const { return {market_time_ns_.load()}; }
  bool is_loading() const { return loading_.load(); }

 private:
  void trade(const market::Trade& trade) override;
  void event(const feeds::OtherEvent& event) override;
  void mark(const market::FeedMark& mark) override;
  void control() override { ++counts_.control; }
  void refuse(const feeds::Refusal& refusal) override;

  using Held = std::variant<market::Trade, feeds::OtherEvent, market::FeedMark>;

  Timestamp play_time() const;
  void hold(Held event, Timestamp ts_event);
  void put(const auto& event);  // among what is ready
  market::Batch& batch_of(market::StreamKind kind);
  bool hand_on();  // moves what is ready to the queue; false: the queue is full

  std::unique_ptr<feeds::Source> source_;
  SeenByKind& seen_;
  quality::SeenIdentities& seen_trades_;
  quality::Quarantine& quarantine_;
  BatchQueue& out_;
  const Clock& clock_;
  std::optional<Pace> pace_;
  const std::size_t batch_events_;
  std::optional<Duration> play_began_;  // by the clock's elapsed()

  bool source_ended_ = false;
  std::deque<Held> held_;  // pulled; new; perhaps not due
  std::deque<market::Batch> ready_;
  FeedCounts& counts_;
  std::atomic<std::int64_t> market_time_ns_{0};
  std::atomic<bool> loading_{true};
};

}  // namespace tapedeck::pipeline
