#include "pipeline/pipeline.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace tapedeck::pipeline {
namespace {

constexpr std::size_t kBatchesQueuedMax = 64;

}  // namespace

Pipeline::Pipeline(PipelineParts parts, const market::ConditionTables& tables, const Clock& clock,
                   PipelineOptions options, std::function<void()> on_change)
    : parts_(std::move(parts)),
      tables_(tables),
      clock_(clock),
      options_(std::move(options)),
      live_(options_.specs, std::move(on_change)),
      to_tape_(kBatchesQueuedMax),
      to_store_(kBatchesQueuedMax) {
  TD_CHECK(!parts_.store || options_.window_threads == 1);
}

Pipeline::~Pipeline() = default;

Status Pipeline::prepare() {
  TD_TRY(read_what_is_there());
  if (parts_.store) TD_TRY(parts_.store->clear());

  const tape::Tape& tape = *parts_.tape;
  TD_CHECK(!parts_.store || tape.partitions() == 1);
  feed_ = std::make_unique<FeedStage>(std::move(parts_.source), seen_, *parts_.quarantine, to_tape_,
                                      clock_, options_.pace, options_.batch_events, counts_);
  tape_stage_ = std::make_unique<TapeStage>(
      to_tape_, *parts_.tape, [this] { return unread(); }, options_.on_full_disk);
  tape_care_ =
      std::make_unique<TapeCareStage>(*parts_.tape, [this] { return tape_stage_->is_done(); });
  for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
    for (std::uint32_t i = 0; i < options_.window_threads; ++i) {
      std::vector<windows::BarBuilder> builders;
      for (const market::BarSpec& spec : options_.specs) {
        builders.emplace_back(*parts_.catalog, tables_,
                              windows::BarBuilderOptions{.spec = spec,
                                                         .lateness = options_.lateness,
                                                         .bars_kept_max = options_.bars_kept_max});
      }
      const PartitionId partition(p);
      TD_ASSIGN(auto reader,
                tape.read({.partition = partition, .first = tape.first_offset(partition)}));
      windows_.push_back(std::make_unique<WindowStage>(
          std::move(reader), *parts_.catalog, std::move(builders),
          WindowShare{.partition = partition,
                      .first = tape.first_offset(partition),
                      .index = i,
                      .count = options_.window_threads},
          [this] { return tape_stage_->is_done(); }, parts_.store ? &live_ : nullptr,
          parts_.store ? &to_store_ : nullptr));
    }
  }
  if (parts_.store) store_stage_ = std::make_unique<StoreStage>(to_store_, *parts_.store);
  return {};
}

Status Pipeline::read_what_is_there() {
  TD_TRY(parts_.tape->identities([this](const tape::IdentityRun& run) {
    quality::SeenIdentities& seen = seen_[run.kind];
    if (run.position == 0) {
      seen.insert_run(run.series, run.origin, run.first, run.last);
      return;
    }
    for (std::uint64_t seq = run.first;; ++seq) {
      seen.insert(run.series, {run.origin, seq, run.position});
      if (seq == run.last) break;
    }
  }));
  if (!options_.pace) return {};
  // A play goes on where the tape ends.
  for (std::uint32_t p = 0; p < parts_.tape->partitions(); ++p) {
    const PartitionId partition(p);
    const Offset first = parts_.tape->first_offset(partition);
    if (parts_.tape->durable_end(partition) == first) continue;
    TD_ASSIGN(const auto reader, parts_.tape->read({.partition = partition, .first = first}));
    while (true) {
      TD_ASSIGN(const auto batch, reader->next());
      if (!batch) break;
      for (const market::Trade& trade : batch->trades) {
        auto& from = options_.pace->from;
        from = from ? std::max(*from, trade.ts_event) : trade.ts_event;
      }
    }
  }
  return {};
}

Status Pipeline::run(Driver& driver) {
  std::vector<Stage*> stages{feed_.get(), tape_stage_.get(), tape_care_.get()};
  for (const auto& window : windows_) stages.push_back(window.get());
  if (store_stage_) stages.push_back(store_stage_.get());
  return driver.run(stages);
}

std::vector<market::BarRow> Pipeline::take_bars() {
  std::vector<market::BarRow> rows;
  for (const auto& window : windows_) {
    for (market::BarRow& row : window->take_bars()) rows.push_back(std::move(row));
  }
  std::ranges::sort(rows, {}, [](const market::BarRow& row) {
    return std::tie(row.series, row.spec, row.bar.ts_open);
  });
  return rows;
}

std::uint64_t Pipeline::unread() const {
  std::uint64_t most = 0;
  for (const auto& window : windows_) {
    const Offset end = parts_.tape->durable_end(window->partition());
    most = std::max(most, end - std::min(end, window->applied()));
  }
  return most;
}

}  // namespace tapedeck::pipeline
