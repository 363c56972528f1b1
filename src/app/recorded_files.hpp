// src/app/recorded_files.hpp: recorded files as an argument of a command: what opens them, and what
// a person is told about them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "feeds/replay/replay.hpp"
#include "quality/quarantine.hpp"

namespace tapedeck::app {

struct FileArguments {
  std::vector<std::string> paths;
  std::string map, symbol, venue;
  std::string quarantine;  // a file; empty: what is refused is counted only
};

// `merged`: by ts_event. Disk and catalog outlive the source.
Result<std::unique_ptr<feeds::replay::ReplaySource>> open_files(Disk& disk,
                                                                const FileArguments& arguments,
                                                                market::Catalog& catalog,
                                                                bool merged);
Result<std::unique_ptr<quality::Quarantine>> open_quarantine(Disk& disk,
                                                             const FileArguments& arguments);

// On standard error: what became of each file, and what was refused. True: all was taken.
bool print_report(const std::vector<feeds::replay::FileReport>& files, std::uint64_t duplicates,
                  const quality::Quarantine& quarantine);

}  // namespace tapedeck::app
