// src/tape/embedded/salvage.hpp: reads one segment in whatever state it is. What can be read is
// handed on, what cannot is reported with its place; nothing is changed.
// Thread: one at a time. Ownership: borrows all for the call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "market/series.hpp"
#include "tape/embedded/segment.hpp"

namespace tapedeck::tape::embedded {

// Something on the disk that is not as it was written.
struct Problem {
  std::string path;
  std::uint64_t byte = 0;
  std::string what;
  // Events that cannot be read because of it, from the first to before the last one's end. None: it
  // is about what can be computed again.
  std::uint64_t lost = 0;
  Offset lost_first{};
  Offset lost_end{};
  std::string remedy{};  // what to do, where a repair is not the answer
};

// A file of a log, as its name and its place say.
struct SegmentFile {
  std::string path;
  PartitionId partition;
  Offset first;
  bool is_last = false;  // only the last one may be torn
};

struct Salvaged {
  std::optional<SegmentHeader> header{};
  std::optional<Trailer> trailer{};
  // Another partition or offset than its name and folder say: nothing of it was looked at.
  bool is_foreign = false;
  SegmentIds ids{};           // of all events that can be read
  bool ids_are_whole = true;  // and numbered as they are in the file
  Offset end{};               // of what it held
  std::uint64_t events = 0;  // that can be read, and those of kinds that this release does not know
  std::uint64_t unknown = 0;      // the latter
  std::uint64_t lost_before = 0;  // an earlier repair gave them up
  std::uint64_t lost = 0;
  std::uint64_t bytes = 0;       // of the file when it was opened
  std::uint64_t torn_bytes = 0;  // at its end, no whole commit
  std::vector<Problem> problems{};
};

// Takes what was found, in the order of offsets. What it is not given is lost.
class SalvageSink {
 public:
  virtual ~SalvageSink() = default;
  // `runs`: its events that can be read. `whole`: besides them it holds only what this release does
  // not know, or what an earlier repair gave up (kLost).
  virtual Status block(const BlockAt& block, std::string_view payload,
                       std::vector<market::Batch> runs, bool whole) = 0;
  virtual void progress(std::uint64_t bytes) { static_cast<void>(bytes); }  // since the last call
};

// Errors: kNotFound where the file has gone, kUnsupported for another format, kIo, and those of the
// sink. Damage is no error.
Result<Salvaged> salvage_segment(Disk& disk, market::Catalog& catalog, const SegmentFile& file,
                                 SalvageSink* sink = nullptr);

}  // namespace tapedeck::tape::embedded
