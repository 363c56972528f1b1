#include "pipeline/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

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
      latencies_(options_.metrics == nullptr
                     ? nullptr
                     : std::make_unique<Latencies>(*options_.metrics, clock_)),
      live_(options_.specs, std::move(on_change),
            [store = parts_.store.get()](const market::SeriesKey& series,
                                         const market::BarSpec& spec, std::size_t max) {
              return store->bars({.series = series, .spec = spec, .limit = max});
            }),
      to_tape_(kBatchesQueuedMax),
      to_store_(kBatchesQueuedMax, StoreStage::kResultsMax) {
  TD_CHECK(!parts_.store || options_.window_threads == 1);
}

Pipeline::~Pipeline() = default;

Status Pipeline::prepare() {
  TD_TRY(read_what_is_there());
  const tape::Tape& tape = *parts_.tape;
  TD_ASSIGN(const auto checkpoints, find_checkpoints());
  FeedStage::OnDuplicate on_duplicate;
  if (parts_.store) {
    quality_ = std::make_unique<QualityStage>(tape, *parts_.catalog,
                                              [this] { return tape_stage_->is_done(); });
    TD_TRY(quality_->open());
    on_duplicate = [this](auto... what) { quality_->add_duplicate(what...); };
  }
  for (FeedPart& part : parts_.feeds) {
    feeds_.push_back(std::make_unique<FeedStage>(
        std::move(part), seen_, *parts_.quarantine, to_tape_, clock_, options_.batch_events,
        on_duplicate, [this] { return tape_stage_->committed(); }, latencies_.get()));
  }
  tape_stage_ = std::make_unique<TapeStage>(
      to_tape_, *parts_.tape,
      [this] {
        return std::ranges::all_of(feeds_, [](const auto& feed) { return feed->is_done(); });
      },
      [this] { return unread(); }, options_.on_full_disk, latencies_.get());
  // Without a store all is computed from the tape at each start, and all of it is kept.
  tape_care_ = std::make_unique<TapeCareStage>(
      *parts_.tape, [this] { return tape_stage_->is_done(); },
      [this] { return store_stage_ ? store_stage_->synced() : std::vector<Offset>(); });
  for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
    for (std::uint32_t i = 0; i < options_.window_threads; ++i) {
      const PartitionId partition(p);
      if (options_.keeps_tape) {
        pasts_.push_back(std::make_unique<TapeAndStorePast>(tape, partition, *parts_.catalog,
                                                            parts_.store.get()));
      }
      windows::BarBuilder builder(
          *parts_.catalog, tables_,
          windows::BarBuilderOptions{.specs = options_.specs,
                                     .lateness = options_.lateness,
                                     .bars_kept_max = options_.bars_kept_max,
                                     .means = options_.means},
          options_.keeps_tape ? pasts_.back().get() : nullptr);
      const Offset first = parts_.store ? checkpoints[p].applied : tape.first_offset(partition);
      if (parts_.store) TD_TRY(builder.restore(checkpoints[p].changed));
      std::unique_ptr<SeenEntries> seen;
      if (parts_.store && options_.keeps_seen) {
        seen = std::make_unique<SeenEntries>(*parts_.catalog);
        TD_TRY(seen->restore(
            checkpoints[p].changed,
            [this](market::StreamKind kind, SeriesId series, OriginId origin, std::uint64_t from,
                   std::uint64_t to) { seen_.of(kind).insert_run(series, origin, from, to); }));
      }
      TD_ASSIGN(auto reader, tape.read({.partition = partition, .first = first}));
      windows_.push_back(std::make_unique<WindowStage>(
          std::move(reader), *parts_.catalog, std::move(builder),
          WindowShare{
              .partition = partition, .first = first, .index = i, .count = options_.window_threads},
          [this] { return tape_stage_->is_done(); }, parts_.store ? &live_ : nullptr,
          parts_.store ? &to_store_ : nullptr,
          [this, partition] {
            return store_stage_ ? store_stage_->stored(partition) : Offset(~std::uint64_t{0});
          },
          latencies_.get(), std::move(seen)));
    }
  }
  if (parts_.store) {
    std::vector<Offset> stored;
    for (const store::Checkpoint& checkpoint : checkpoints) stored.push_back(checkpoint.applied);
    TD_TRY(show_last_trades(stored));
    live_.publish({}, stored.front());
    store_stage_ = std::make_unique<StoreStage>(
        to_store_, *parts_.store, clock_, std::move(stored), definition(), [this] {
          return std::ranges::all_of(windows_,
                                     [](const auto& window) { return window->is_done(); });
        });
  }
  return {};
}

Status Pipeline::show_last_trades(const std::vector<Offset>& applied) {
  constexpr std::uint64_t kEvents = 50'000;
  const tape::Tape& tape = *parts_.tape;
  for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
    const PartitionId partition(p);
    const Offset end = applied[p];
    const Offset begin(end.value - std::min(end.value, kEvents));
    const Offset first = std::max(begin, tape.first_offset(partition));
    if (first >= end) continue;
    TD_ASSIGN(const auto reader, tape.read({.partition = partition, .first = first}));
    while (true) {
      TD_ASSIGN(const auto batch, reader->next());
      if (!batch || batch->first >= end) break;
      // What is not applied yet is shown by the windows.
      const auto old = std::min<std::uint64_t>(batch->trades.size(), end - batch->first);
      live_.publish_trades(std::span(batch->trades).first(old), batch->first);
    }
  }
  return {};
}

std::string Pipeline::definition() const {
  // The number rises when what bars are changes: then stored ones are made again.
  std::string text = "bars 2 lateness";
  for (const Duration lateness : options_.lateness) text += fmt::format(" {}", lateness.ns);
  for (const market::BarSpec& spec : options_.specs) {
    text += fmt::format("; {} {} {} {} {} {}", spec.interval.ns, to_string(spec.conditions),
                        to_string(spec.session), to_string(spec.source), to_string(spec.adjusted),
                        spec.slide.ns);
  }
  return options_.means ? text + "; means" : text;
}

Result<std::vector<store::Checkpoint>> Pipeline::find_checkpoints() {
  std::vector<store::Checkpoint> checkpoints;
  if (!parts_.store) return checkpoints;
  const tape::Tape& tape = *parts_.tape;
  bool begin_again = false;
  for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
    const PartitionId partition(p);
    TD_ASSIGN(auto checkpoint, parts_.store->checkpoint(partition));
    const auto by =
        std::ranges::find(checkpoint.changed, StoreStage::kDefinition,
                          [](const auto& entry) -> std::string_view { return entry.first; });
    if (checkpoint.applied > tape.durable_end(partition)) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the store has results of {} events of partition {}, and the tape "
                              "holds {}: they do not belong together, or a part of the tape is "
                              "lost. Put the tape back, or move the store away: its results are "
                              "made again from the tape",
                              checkpoint.applied.value, p, tape.durable_end(partition).value));
    }
    begin_again |= checkpoint.applied != Offset() &&
                   (by == checkpoint.changed.end() || by->second != definition());
    checkpoints.push_back(std::move(checkpoint));
  }
  for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
    const Offset first = tape.first_offset(PartitionId(p));
    if ((begin_again ? Offset() : checkpoints[p].applied) >= first) continue;
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("bars are to be made from offset {} of partition {} on, and the tape "
                            "begins at {}: keep the bars that the store has (the same intervals, "
                            "conditions and lateness as before), or name another store, whose "
                            "bars begin where the tape does",
                            begin_again ? 0 : checkpoints[p].applied.value, p, first.value));
  }
  if (begin_again) {
    TD_TRY(parts_.store->clear());
    for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
      checkpoints[p] = {.partition = PartitionId(p), .applied = {}, .changed = {}};
    }
  }
  return checkpoints;
}

Status Pipeline::read_what_is_there() {
  TD_TRY(parts_.tape->identities([this](const tape::IdentityRun& run) {
    quality::SeenIdentities& seen = seen_.of(run.kind);
    if (run.position == 0) {
      seen.insert_run(run.series, run.origin, run.first, run.last);
      return;
    }
    for (std::uint64_t seq = run.first;; ++seq) {
      seen.insert(run.series, {run.origin, seq, run.position});
      if (seq == run.last) break;
    }
  }));
  const auto is_play = [](const FeedPart& feed) { return feed.pace.has_value(); };
  if (std::ranges::none_of(parts_.feeds, is_play)) return {};
  // A play goes on where the tape ends.
  std::optional<Timestamp> end;
  for (std::uint32_t p = 0; p < parts_.tape->partitions(); ++p) {
    const PartitionId partition(p);
    const Offset first = parts_.tape->first_offset(partition);
    if (parts_.tape->durable_end(partition) == first) continue;
    TD_ASSIGN(const auto reader, parts_.tape->read({.partition = partition, .first = first}));
    while (true) {
      TD_ASSIGN(const auto batch, reader->next());
      if (!batch) break;
      for (const market::Trade& trade : batch->trades) {
        end = end ? std::max(*end, trade.ts_event) : trade.ts_event;
      }
    }
  }
  if (!end) return {};
  for (FeedPart& feed : parts_.feeds) {
    if (feed.pace) feed.pace->from = feed.pace->from ? std::max(*feed.pace->from, *end) : *end;
  }
  return {};
}

Status Pipeline::run(Driver& driver) {
  std::vector<Stage*> stages;
  for (const auto& feed : feeds_) stages.push_back(feed.get());
  stages.insert(stages.end(), {tape_stage_.get(), tape_care_.get()});
  for (const auto& window : windows_) stages.push_back(window.get());
  if (store_stage_) stages.insert(stages.end(), {store_stage_.get(), quality_.get()});
  for (const auto& feed : feeds_) feed->on_ready([&driver] { driver.wake(); });
  const Status ran = driver.run(stages);
  for (const auto& feed : feeds_) feed->on_ready({});
  return ran;
}

void Pipeline::drain() {
  for (const auto& feed : feeds_) feed->drain();
  if (quality_) quality_->drain();
}

void Pipeline::play_from(Timestamp from) {
  for (FeedPart& feed : parts_.feeds) {
    if (feed.pace) feed.pace->from = from;
  }
}

void Pipeline::set_speed(double speed) {
  for (const auto& feed : feeds_) feed->set_speed(speed);
}

bool Pipeline::set_symbols(std::string_view feed, const std::vector<std::string>& symbols) {
  const auto found =
      std::ranges::find_if(feeds_, [&](const auto& stage) { return stage->id() == feed; });
  return found != feeds_.end() && (*found)->set_symbols(symbols);
}

Timestamp Pipeline::market_time() const {
  Timestamp newest{};
  for (const auto& feed : feeds_) newest = std::max(newest, feed->market_time());
  return newest;
}

bool Pipeline::is_loading() const {
  return std::ranges::any_of(feeds_, [](const auto& feed) { return feed->is_loading(); });
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

std::vector<store::MeanRow> Pipeline::take_means() {
  std::vector<store::MeanRow> rows;
  for (const auto& window : windows_) {
    for (store::MeanRow& row : window->take_means(true)) rows.push_back(std::move(row));
  }
  std::ranges::sort(rows, {}, [](const store::MeanRow& row) {
    return std::tie(row.series, row.conditions, row.ts_tick);
  });
  return rows;
}

std::uint64_t Pipeline::late() const {
  std::uint64_t late = 0;
  for (const auto& window : windows_) late += window->late();
  return late;
}

std::uint64_t Pipeline::unapplied() const {
  std::uint64_t unapplied = 0;
  for (const auto& window : windows_) unapplied += window->unapplied();
  return unapplied;
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
