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
  if (parts_.tape->durable_end() > Offset()) {
    TD_ASSIGN(const auto reader, parts_.tape->read_from(Offset()));
    while (true) {
      TD_ASSIGN(const auto batch, reader->next());
      if (!batch) break;
      for (const market::Trade& trade : batch->trades) {
        seen_.insert(trade);
        if (options_.pace) {
          auto& from = options_.pace->from;
          from = from ? std::max(*from, trade.ts_event) : trade.ts_event;
        }
      }
    }
  }
  if (parts_.store) TD_TRY(parts_.store->clear());

  feed_ = std::make_unique<FeedStage>(std::move(parts_.source), seen_, *parts_.quarantine, to_tape_,
                                      clock_, options_.pace, options_.batch_events, counts_);
  tape_stage_ = std::make_unique<TapeStage>(to_tape_, *parts_.tape, [this] { return applied(); });
  for (std::uint32_t i = 0; i < options_.window_threads; ++i) {
    std::vector<windows::BarBuilder> builders;
    for (const market::BarSpec& spec : options_.specs) {
      builders.emplace_back(*parts_.catalog, tables_,
                            windows::BarBuilderOptions{.spec = spec,
                                                       .lateness = options_.lateness,
                                                       .bars_kept_max = options_.bars_kept_max});
    }
    TD_ASSIGN(auto reader, parts_.tape->read_from(Offset()));
    windows_.push_back(std::make_unique<WindowStage>(
        std::move(reader), *parts_.catalog, std::move(builders),
        WindowShare{.index = i, .count = options_.window_threads},
        [this] { return tape_stage_->is_done(); }, parts_.store ? &live_ : nullptr,
        parts_.store ? &to_store_ : nullptr));
  }
  if (parts_.store) store_stage_ = std::make_unique<StoreStage>(to_store_, *parts_.store);
  return {};
}

Status Pipeline::run(Driver& driver) {
  std::vector<Stage*> stages{feed_.get(), tape_stage_.get()};
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

Offset Pipeline::applied() const {
  Offset least = windows_.front()->applied();
  for (const auto& window : windows_) least = std::min(least, window->applied());
  return least;
}

}  // namespace tapedeck::pipeline
