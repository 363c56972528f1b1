#include "app/recorded_files.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "app/registry.hpp"

namespace tapedeck::app {

Result<std::unique_ptr<feeds::replay::ReplaySource>> open_files(Disk& disk,
                                                                const FileArguments& arguments,
                                                                market::Catalog& catalog,
                                                                bool merged) {
  const feeds::replay::ReplayOptions options{.map = arguments.map,
                                             .symbol = arguments.symbol,
                                             .venue = arguments.venue,
                                             .feeds = recorded_kinds()};
  return feeds::replay::open_replay(disk, arguments.paths, options, catalog, merged);
}

Result<std::unique_ptr<quality::Quarantine>> open_quarantine(Disk& disk,
                                                             const FileArguments& arguments) {
  if (arguments.quarantine.empty()) return std::make_unique<quality::Quarantine>();
  return quality::Quarantine::with_file(disk, arguments.quarantine);
}

bool print_report(const std::vector<feeds::replay::FileReport>& files, std::uint64_t duplicates,
                  const quality::Quarantine& quarantine) {
  bool whole = true;
  std::uint64_t records = 0;
  std::uint64_t trades = 0;
  for (const auto& file : files) {
    records += file.records;
    trades += file.trades;
    fmt::print(stderr, "{}: {} records, {} trades, {} other frames, {} refused\n", file.path,
               file.records, file.trades, file.control, file.refused);
    if (file.others > 0) {
      fmt::print(stderr, "{}: {} events that are no trades\n", file.path, file.others);
    }
    if (!file.error.empty()) {
      fmt::print(stderr, "{}: damaged: {}\n", file.path, file.error);
      whole = false;
    }
  }
  fmt::print(stderr, "{} records, {} trades in all\n", records, trades);
  if (duplicates > 0) {
    fmt::print(stderr,
               "{} trades were there already, by their identity: they were not counted again\n",
               duplicates);
  }
  for (const auto& [reason, count] : quarantine.by_reason()) {
    fmt::print(stderr, "refused: {} x {}\n", count, reason);
  }
  for (const quality::Refused& example : quarantine.examples()) {
    fmt::print(stderr, "refused: {}: {}: {}\n", example.where, example.reason, example.detail);
  }
  if (!quarantine.file_problem().empty()) {
    fmt::print(stderr, "quarantine: {}\n", quarantine.file_problem());
  }
  return whole && quarantine.total() == 0;
}

}  // namespace tapedeck::app
