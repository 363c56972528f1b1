// src/feeds/replay/replay.hpp: recorded files as a source of events. What a file is, is told by its
// content and its member names; formats and rules are in the README beside this.
// Thread: one at a time. Memory: bounded, whatever the size of the files.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "feeds/feed.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::replay {

struct ReplayOptions {
  std::string map;     // columns of CSV and JSON arrays: "time=#0:ms,price=#4,size=#5"
  std::string symbol;  // instrument of mapped files without a `symbol` column
  std::string venue;   // of mapped files (default "file"), or whose frames a capture holds
  std::span<const FeedKind> feeds;  // whose frames can be read; borrowed for the call
  std::string feed = "replay";      // whose end the last mark tells
};

// One line of help for `map`.
extern const std::string_view kMapGrammar;
// Whether `map` can be read. Errors: kInvalidArgument.
Status check_map(std::string_view map);

// What became of one file.
struct FileReport {
  std::string path{};
  std::uint64_t records = 0;  // lines, rows or array elements, headers and blank lines left out
  std::uint64_t trades = 0;
  std::uint64_t others = 0;   // events besides trades, marks too
  std::uint64_t control = 0;  // frames that are no event
  std::uint64_t refused = 0;
  std::string error{};  // what damaged the file; empty: it was read to its end
};

class ReplaySource : public Source {
 public:
  virtual const std::vector<FileReport>& files() const = 0;  // in the order given
};

// Files one after the other, or `merged` by ts_event, as they are played; then a FeedMark of
// `feed`, state kEnded, with the greatest ts_recv given; not a second time where a single file
// of events ends with just that. Looks at every file before it returns: a
// missing file, an unknown format or a wrong option is an error here. A damaged file is a refusal
// while the others flow. Disk and catalog outlive the source.
Result<std::unique_ptr<ReplaySource>> open_replay(Disk& disk, const std::vector<std::string>& paths,
                                                  const ReplayOptions& options,
                                                  market::Catalog& catalog, bool merged);

}  // namespace tapedeck::feeds::replay
