// src/pipeline/latencies.hpp: how long events take from stage to stage, by the clock. What waits to
// be measured is bounded: beyond it single commits are not measured. Thread: any.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "market/trade.hpp"
#include "tape/tape.hpp"

namespace tapedeck::pipeline {

class Latencies {
 public:
  // Borrows both.
  Latencies(Metrics& metrics, const Clock& clock);

  Duration now() const { return clock_.elapsed(); }
  // The feed of a venue hands a trade on. Wall clocks: the venue's, then ours.
  void received(const market::Trade& trade);
  // What the tape's stage took at `taken` has become durable.
  void durable(Duration taken, const tape::TapeView& tape);
  // Bars of the events of the partition before `applied` are published.
  void applied(PartitionId partition, Offset applied);

 private:
  static constexpr std::size_t kMarksMax = 1024;
  struct Mark {
    Offset end;  // of a commit
    Duration at;
  };

  const Clock& clock_;
  Histogram& venue_;
  Histogram& received_;
  Histogram& durable_;
  Histogram& bar_;
  std::mutex mutex_;
  struct Partition {
    std::deque<Mark> marks;
    Offset applied;
  };
  std::vector<Partition> partitions_;
};

// Of each: tapedeck_stage_seconds{stage=}.
Histogram& stage_histogram(Metrics& metrics, const char* stage);

}  // namespace tapedeck::pipeline
