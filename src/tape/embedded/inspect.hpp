// src/tape/embedded/inspect.hpp: what a tape holds, whether it is whole, and making it whole again.
// Thread: one at a time. Ownership: borrows all for the call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "market/series.hpp"
#include "tape/embedded/salvage.hpp"
#include "tape/tape.hpp"

namespace tapedeck::tape::embedded {

// One segment at a glance: from its index, or from the headers of its blocks.
struct SegmentSummary {
  std::string name;  // of its file
  Offset first{};
  Offset end{};
  bool sealed = false;
  std::uint64_t bytes = 0;
  std::uint64_t blocks = 0;
  std::map<market::StreamKind, std::uint64_t> events{};
  std::optional<Timestamp> from{}, to{};  // first and last ts_event (marks, frames: ts_recv)
  std::vector<SeriesId> series{};
  std::uint64_t torn_bytes = 0;  // at its end: no whole commit
  std::string problem{};         // why the rest is not known; empty where it is
};

struct LogSummary {
  PartitionId partition;
  std::vector<SegmentSummary> segments{};
  std::string problem{};  // of its folder
};

struct TapeSummary {
  std::uint32_t format = 0;
  std::uint32_t partitions = 0;
  std::string problem{};  // of the manifest
  std::vector<LogSummary> logs{};
};

// Takes no lock and changes nothing. Damaged segments are listed with what is wrong. Series enter
// the catalog. Errors: kNotFound where there is no tape, kUnsupported for another format, kIo.
Result<TapeSummary> list_tape(Disk& disk, market::Catalog& catalog, const std::string& directory);

// The damage that keeps a reader from `next` on, in words: a view's reader only sees that there is
// no whole block, which may be being written. Empty where there is none.
Result<std::string> damage_at(Disk& disk, market::Catalog& catalog, const std::string& directory,
                              PartitionId partition, Offset next);

// Bytes read back, of all.
using ProgressFn = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct Verified {
  std::vector<Problem> problems{};
  std::vector<std::string> notes{};  // worth saying, and nothing to worry about
  std::uint64_t segments = 0;
  std::uint64_t events = 0;
  std::uint64_t lost = 0;  // given up by earlier repairs
  std::uint64_t bytes = 0;
};

// Reads back everything, and computes again all that can be: checksums, offsets, the index and the
// identities of each segment, that no identity is there twice, that each series is where it
// belongs. Takes no lock and changes nothing; may run beside a writer.
// Memory: a block or two, and 16 bytes for each run of identities of one partition.
// Errors: as above. Damage is no error.
Result<Verified> verify_tape(Disk& disk, const std::string& directory,
                             const ProgressFn& progress = {});

// A run of offsets whose events are given up.
struct LostRange {
  Offset first;
  std::uint64_t count = 0;
};

// One change to the folder. Whatever it replaces is kept beside it.
struct RepairStep {
  enum class Kind {
    kManifest,  // written anew
    kFolder,    // of a partition, made anew and empty
    kRewrite,   // a segment is written anew, from what can be read of it
    kFill,      // a segment that says that its offsets are lost
    kSetAside,  // a file that does not belong here is renamed
  };
  Kind kind = Kind::kManifest;
  std::string path;  // of the file that it is about
  std::string kept;  // where its old content is; empty where there was none, and of a dry run
  std::vector<Problem> problems{};
  std::uint64_t events = 0;  // that it keeps
  std::vector<LostRange> lost{};
  std::uint64_t torn_bytes = 0;  // it leaves off: they were never acknowledged
};

struct Repaired {
  std::vector<RepairStep> steps{};
  // What the next start cuts off by itself.
  std::vector<TornTail> torn{};
};

// Makes a damaged tape whole again. Every event that can be read stays at its offset; what cannot
// be read is marked as lost. Takes the lock of the tape. After a power cut at any moment the tape
// is as damaged as before or repaired, and running it again goes on.
// `dry_run`: says what it would do.
// Errors: kBusy where a process writes this tape; kNotFound, kUnsupported as above; kNoSpace, kIo;
// kCorrupt where the number of partitions cannot be told.
Result<Repaired> repair_tape(Disk& disk, const Clock& clock, const std::string& directory,
                             bool dry_run, const ProgressFn& progress = {});

}  // namespace tapedeck::tape::embedded
