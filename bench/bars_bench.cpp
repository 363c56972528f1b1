#include "bars_bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "app/bar_writer.hpp"
#include "base/disk.hpp"
#include "market/bar.hpp"
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

void write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!out.flush()) die(path.string() + ": cannot be written");
}

// As `tapedeck replay` does: sorted, rendered, written. Returns how many bars and averages.
std::pair<std::size_t, std::size_t> write_csv(const std::string& folder, std::vector<BarRow> rows) {
  std::ranges::sort(
      rows, {}, [](const BarRow& row) { return std::tie(row.spec, row.series, row.bar.ts_open); });
  const auto first_bar = std::ranges::find(rows, kMinute, &BarRow::spec);  // 15 s come before 1 m
  const std::span<const BarRow> sliding(rows.begin(), first_bar);
  const std::span<const BarRow> minutes(first_bar, rows.end());
  const std::filesystem::path out(folder);
  write_file(out / "bars.csv",
             app::render_bars(minutes, app::BarFormat::kCsv, app::BarColumns::kReplay));
  write_file(out / "averages.csv", app::render_averages(sliding));
  return {minutes.size(), sliding.size()};
}

std::vector<BarRow> rows_of(const store::Store& store, const market::Catalog& catalog) {
  std::vector<BarRow> rows;
  for (std::uint32_t id = 0; id < catalog.series_count(); ++id) {
    for (const BarSpec& spec : {kMinute, kAverages}) {
      const market::SeriesKey& series = catalog.series(SeriesId(id)).key;
      for (market::Bar& bar : or_exit(store.bars({.series = series,
                                                  .spec = spec,
                                                  .start = {},
                                                  .end = {},
                                                  .limit = std::size_t{1} << 40,
                                                  .as_of = {}}))) {
        rows.push_back({series, spec, std::move(bar)});
      }
    }
  }
  return rows;
}

// Steps `stage` until it has nothing to do. False: it is done.
bool run_until_idle(pipeline::Stage& stage) {
  while (true) {
    const auto step = or_exit(stage.step());
    if (step.kind == pipeline::Step::Kind::kDone) return false;
    if (step.kind == pipeline::Step::Kind::kIdle) return true;
  }
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
  std::unique_ptr<pipeline::StoreStage> store_stage;
  pipeline::BarQueue queue(kBatchesQueuedMax);
  if (!arguments.store.empty()) {
    store = or_exit(store::embedded::open_sqlite_store(*disk, arguments.store));
  }
  bool windows_done = false;
  if (store) {
    store_stage = std::make_unique<pipeline::StoreStage>(
        queue, *store, kClock, std::vector{Offset()}, "bench", [&] { return windows_done; });
  }
  pipeline::TapeAndStorePast past(*tape, kPartition, catalog, store.get());
  const market::ConditionTables no_tables;
  pipeline::WindowStage windows(
      or_exit(tape->read({.partition = kPartition})), catalog,
      windows::BarBuilder(catalog, no_tables,
                          {.specs = {kMinute, kAverages}, .bars_kept_max = arguments.bars_kept},
                          &past),
      {.partition = kPartition}, [] { return true; }, nullptr, store ? &queue : nullptr,
      [&] { return store_stage ? store_stage->stored(kPartition) : Offset(~std::uint64_t{0}); });

  // Without a second thread the store takes what fills its queue, as it does behind a busy one.
  for (bool more = true; more;) {
    more = run_until_idle(windows);
    if (store_stage && more) run_until_idle(*store_stage);
  }
  windows_done = true;
  std::pair<std::size_t, std::size_t> written;
  double made_s = now_s() - start_s;
  if (store_stage) {
    while (run_until_idle(*store_stage)) {
    }
    made_s = now_s() - start_s;
  } else {
    written = write_csv(arguments.out, windows.take_bars());
  }
  const double s = now_s() - start_s;
  const double cpu_used_s = cpu_s() - cpu_before_s;
  const std::uint64_t rss_peak_kb = proc_number("status", "VmHWM");
  if (store) written = write_csv(arguments.out, rows_of(*store, catalog));
  fmt::print(R"({{"rows":{},"s":{:.6f},"s_until_made":{:.6f},"cpu_s":{:.3f},"bars":{},)"
             R"("averages":{},"instruments":{},"late":{},"rss_peak_mb":{}}})"
             "\n",
             windows.applied().value, s, made_s, cpu_used_s, written.first, written.second,
             catalog.series_count(), windows.late() + windows.unapplied(), rss_peak_kb >> 10);
}

}  // namespace tapedeck::bench
