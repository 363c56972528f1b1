#include "pipeline/latencies.hpp"

#include <algorithm>

namespace tapedeck::pipeline {

Histogram& stage_histogram(Metrics& metrics, const char* stage) {
  return metrics.histogram(
      "tapedeck_stage_seconds",
      "How long a stage takes: venue, from the venue's time of a trade until it was received, by "
      "two clocks; received, from there to the hand of the feed; durable, from there to the disk; "
      "bar, from there to the published bar; pushed, from there to the socket of a client.",
      {{"stage", stage}});
}

Latencies::Latencies(Metrics& metrics, const Clock& clock)
    : clock_(clock),
      venue_(stage_histogram(metrics, "venue")),
      received_(stage_histogram(metrics, "received")),
      durable_(stage_histogram(metrics, "durable")),
      bar_(stage_histogram(metrics, "bar")) {}

void Latencies::received(const market::Trade& trade) {
  venue_.observe(trade.ts_recv - trade.ts_event);
  received_.observe(clock_.now() - trade.ts_recv);
}

void Latencies::durable(Duration taken, const tape::TapeView& tape) {
  const Duration at = now();
  durable_.observe(at - taken);
  std::lock_guard lock(mutex_);
  if (partitions_.size() < tape.partitions()) partitions_.resize(tape.partitions());
  for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
    auto& [marks, applied] = partitions_[p];
    const Offset end = tape.durable_end(PartitionId(p));
    const Offset before = marks.empty() ? applied : std::max(applied, marks.back().end);
    if (end > before && marks.size() < kMarksMax) marks.push_back({end, at});
  }
}

void Latencies::applied(PartitionId partition, Offset applied) {
  const Duration at = now();
  std::lock_guard lock(mutex_);
  // It may be here before the tape's stage is: that commit is not measured.
  if (partition.value >= partitions_.size()) partitions_.resize(partition.value + 1);
  partitions_[partition.value].applied = applied;
  auto& marks = partitions_[partition.value].marks;
  while (!marks.empty() && marks.front().end <= applied) {
    bar_.observe(at - marks.front().at);
    marks.pop_front();
  }
}

}  // namespace tapedeck::pipeline
