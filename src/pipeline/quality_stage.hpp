// src/pipeline/quality_stage.hpp: reads all that is on the tape, beside the windows, and keeps the
// account of how complete it is, and what venues' lists said of its instruments. Nothing waits for
// it, and it never ends a pipeline: what it cannot read shows in TapeQuality::problem. Thread:
// step() by one; the rest any.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "market/series.hpp"
#include "pipeline/stage.hpp"
#include "quality/completeness.hpp"
#include "tape/tape.hpp"

namespace tapedeck::pipeline {

// What is known by now of the events that the tape has, and had since the program began.
struct TapeQuality {
  std::vector<quality::DayQuality> days{};
  std::vector<quality::IdGap> gaps{};
  std::vector<quality::Outage> outages{};
  std::vector<quality::DriftSeen> drift{};
  bool is_whole = false;     // all that is durable was looked at
  std::uint64_t behind = 0;  // durable events that were not, a few where much comes
  std::string problem{};     // why the rest will not be; empty: nothing
};

class QualityStage final : public Stage {
 public:
  static constexpr Duration kRest = milliseconds(20);

  // Borrows the tape and the catalog. `upstream_done`: nothing more will become durable.
  QualityStage(const tape::Tape& tape, const market::Catalog& catalog,
               std::function<bool()> upstream_done);
  // Before the first step. Errors: as TapeView::read.
  Status open();

  std::string_view name() const override { return "quality"; }
  Result<Step> step() override;
  void drain() { draining_ = true; }  // what is not read yet is left to the next start

  void add_duplicate(SeriesId series, Timestamp ts_event);
  TapeQuality look() const;
  // The newest record of VENUE/instrument/SYMBOL, a JSON object (symbol_lookup.hpp); empty: none.
  std::string listing(std::string_view venue, std::string_view symbol) const;
  // As Completeness::missing.
  std::optional<quality::Missing> missing(const market::SeriesKey& key, Timestamp start,
                                          Timestamp end) const;

 private:
  Status open(PartitionId partition);
  Result<bool> read(PartitionId partition);  // true: there was something
  void take_listings(const std::vector<market::Record>& records);

  const tape::Tape& tape_;
  const market::Catalog& catalog_;
  std::function<bool()> upstream_done_;
  std::atomic<bool> draining_{false};
  std::vector<std::unique_ptr<tape::TapeReader>> readers_;  // of each partition

  mutable std::mutex mutex_;  // of all below
  quality::Completeness completeness_;
  std::map<std::pair<std::string, std::string>, std::string> listings_;  // by venue and symbol
  std::vector<Offset> read_;  // of each partition, the events before it
  std::string problem_;
};

}  // namespace tapedeck::pipeline
