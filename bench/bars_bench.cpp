#include "bars_bench.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "app/bar_writer.hpp"
#include "base/disk.hpp"
#include "market/bar.hpp"
#include "market/event.hpp"
#include "market/series.hpp"
#include "measure.hpp"
#include "pipeline/past.hpp"
#include "pipeline/store_stage.hpp"
#include "pipeline/window_stage.hpp"
#include "store/embedded/sqlite_store.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "windows/bar_builder.hpp"

namespace tapedeck::bench {
namespace {

using market::BarRow;
using market::BarSpec;

constexpr PartitionId kPartition{0};
constexpr std::size_t kBatchesQueuedMax = 64;  // as in pipeline.cpp
const BarSpec kMinute{.interval = minutes(1)};
const BarSpec kAverages{.interval = seconds(15), .slide = seconds(5)};

// A CSV file that rows are added to.
class CsvFile {
 public:
  explicit CsvFile(const std::filesystem::path& path) : path_(path), out_(path, std::ios::binary) {}

  // `text`: of some rows, below a header.
  void add(std::string_view text) {
    if (std::exchange(has_header_, true)) text.remove_prefix(text.find('\n') + 1);
    out_.write(text.data(), static_cast<std::streamsize>(text.size()));
  }
  void finish() {
    if (!out_.flush()) die(path_.string() + ": cannot be written");
  }

 private:
  std::filesystem::path path_;
  std::ofstream out_;
  bool has_header_ = false;
};

// bars.csv and averages.csv, as `tapedeck replay` writes them, in any order.
class CsvSink {
 public:
  explicit CsvSink(const std::filesystem::path& folder)
      : bars_file_(folder / "bars.csv"), averages_file_(folder / "averages.csv") {}

  void add(BarRow row) { (row.spec == kMinute ? bars_ : averages_).push_back(std::move(row)); }
  // Writes what was added.
  void write() {
    if (!bars_.empty()) {
      bars_file_.add(app::render_bars(bars_, app::BarFormat::kCsv, app::BarColumns::kReplay));
    }
    if (!averages_.empty()) averages_file_.add(app::render_averages(averages_));
    bars_written_ += bars_.size();
    averages_written_ += averages_.size();
    bars_.clear();
    averages_.clear();
  }
  void finish() {
    write();
    bars_file_.finish();
    averages_file_.finish();
  }
  std::size_t bars() const { return bars_written_; }
  std::size_t averages() const { return averages_written_; }

 private:
  CsvFile bars_file_, averages_file_;
  std::vector<BarRow> bars_, averages_;
  std::size_t bars_written_ = 0, averages_written_ = 0;
};

// What a store gives back, a series at a time.
void copy_bars(const store::Store& store, const market::Catalog& catalog, CsvSink& sink) {
  for (std::uint32_t id = 0; id < catalog.series_count(); ++id) {
    for (const BarSpec& spec : {kMinute, kAverages}) {
      const market::SeriesKey& series = catalog.series(SeriesId(id)).key;
      for (market::Bar& bar : or_exit(store.bars({.series = series,
                                                  .spec = spec,
                                                  .start = {},
                                                  .end = {},
                                                  .limit = std::size_t{1} << 40,
                                                  .as_of = {}}))) {
        sink.add({series, spec, std::move(bar)});
      }
    }
    sink.write();
  }
}

// Steps `stage` until it has nothing to do. False: it is done.
bool run_until_idle(pipeline::Stage& stage) {
  while (true) {
    const auto step = or_exit(stage.step());
    if (step.kind == pipeline::Step::Kind::kDone) return false;
    if (step.kind == pipeline::Step::Kind::kIdle) return true;
  }
}

struct Made {
  std::uint64_t rows = 0;
  std::uint64_t not_applied = 0;  // trades whose bars were final, or gone
  // Of bars for CSV: by what the time was used for.
  double reading_s = 0, adding_s = 0, merging_s = 0, taking_s = 0, writing_s = 0;
};

// Each bar is written when it is final, and forgotten soon after.
Made make_into_csv(const tape::Tape& tape, market::Catalog& catalog, std::size_t bars_kept,
                   CsvSink& sink) {
  const market::ConditionTables no_tables;
  windows::BarBuilder builder(catalog, no_tables,
                              {.specs = {kMinute, kAverages}, .bars_kept_max = bars_kept});
  Made made;
  double last_s = now_s();
  const auto lap = [&](double& part_s) {
    const double at_s = now_s();
    part_s += at_s - std::exchange(last_s, at_s);
  };
  const auto take = [&](Offset end) {
    or_exit(builder.flush(end));
    lap(made.merging_s);
    auto changes = builder.take_changes();
    lap(made.taking_s);
    for (windows::BarChange& change : changes) {
      if (!change.bar.is_final) continue;
      sink.add({catalog.series(change.series).key, change.spec, std::move(change.bar)});
    }
    sink.write();
    lap(made.writing_s);
  };
  const auto reader = or_exit(tape.read({.partition = kPartition}));
  while (const auto batch = or_exit(reader->next())) {
    lap(made.reading_s);
    made.rows += batch->trades.size();
    or_exit(builder.add(batch->trades));
    lap(made.adding_s);
    take(batch->end());
  }
  builder.add(market::FeedMark{.feed = "bench", .state = market::FeedState::kEnded, .ts_recv = {}});
  take(tape.durable_end(kPartition));
  sink.finish();
  lap(made.writing_s);
  made.not_applied = builder.late() + builder.unapplied();
  return made;
}

// As the program does: the stage that makes bars and the one that writes them, in turns. Without a
// thread of its own the second takes what fills its queue, as it does where the first is faster.
Made make_into_store(const tape::Tape& tape, market::Catalog& catalog, std::size_t bars_kept,
                     store::Store& store) {
  const market::ConditionTables no_tables;
  bool windows_done = false;
  pipeline::BarQueue queue(kBatchesQueuedMax, pipeline::StoreStage::kResultsMax);
  pipeline::StoreStage store_stage(queue, store, kClock, std::vector{Offset()}, "bench",
                                   [&] { return windows_done; });
  pipeline::TapeAndStorePast past(tape, kPartition, catalog, &store);
  pipeline::WindowStage windows(
      or_exit(tape.read({.partition = kPartition})), catalog,
      windows::BarBuilder(catalog, no_tables,
                          {.specs = {kMinute, kAverages}, .bars_kept_max = bars_kept}, &past),
      {.partition = kPartition}, [] { return true; }, nullptr, &queue,
      [&] { return store_stage.stored(kPartition); });
  while (run_until_idle(windows)) run_until_idle(store_stage);
  windows_done = true;
  while (run_until_idle(store_stage)) {
  }
  return {.rows = windows.applied().value, .not_applied = windows.late() + windows.unapplied()};
}

}  // namespace

void make_bars(const BarsArguments& arguments) {
  std::filesystem::create_directories(arguments.out);
  const double cpu_before_s = cpu_s();
  const double start_s = now_s();
  const auto disk = real_disk();
  market::Catalog catalog;
  const auto tape = or_exit(
      tape::embedded::open_embedded_tape(*disk, kClock, catalog, {.directory = arguments.tape}));
  std::unique_ptr<store::Store> store;
  CsvSink sink(arguments.out);
  Made made;
  if (arguments.store.empty()) {
    made = make_into_csv(*tape, catalog, arguments.bars_kept, sink);
  } else {
    store = or_exit(store::embedded::open_sqlite_store(*disk, arguments.store));
    made = make_into_store(*tape, catalog, arguments.bars_kept, *store);
  }
  const double s = now_s() - start_s;
  const double cpu_used_s = cpu_s() - cpu_before_s;
  const std::uint64_t rss_peak_kb = proc_number("status", "VmHWM");
  if (store) {
    copy_bars(*store, catalog, sink);
    sink.finish();
  }
  fmt::print(R"({{"rows":{},"s":{:.6f},"reading_s":{:.3f},"adding_s":{:.3f},"merging_s":{:.3f},)"
             R"("taking_s":{:.3f},"writing_s":{:.3f},"cpu_s":{:.3f},"bars":{},"averages":{},)"
             R"("instruments":{},"not_applied":{},"rss_peak_mb":{}}})"
             "\n",
             made.rows, s, made.reading_s, made.adding_s, made.merging_s, made.taking_s,
             made.writing_s, cpu_used_s, sink.bars(), sink.averages(), catalog.series_count(),
             made.not_applied, rss_peak_kb >> 10);
}

}  // namespace tapedeck::bench
