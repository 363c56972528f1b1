// src/tape/embedded/embedded_tape.hpp: the tape in segment files of one folder; FORMAT.md describes
// every byte.
// Thread: as tape.hpp says. Ownership: borrows the disk and the catalog for its life.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "market/series.hpp"
#include "tape/tape.hpp"

namespace tapedeck::tape::embedded {

// When commit() answers.
enum class Fsync {
  kAlways,  // after fdatasync; who writes commits each batch alone
  kGroup,   // after fdatasync; who writes gathers what comes in meanwhile for the next
  kNever,   // when the system has the bytes
};
// What may be lost of what was acknowledged, and when: one sentence for users.
std::string_view loss_window(Fsync fsync);
// Errors: kInvalidArgument, naming the three.
Result<Fsync> parse_fsync(std::string_view name);

// What sealed segments are dropped by, oldest first. Nothing: kept for ever.
struct Retention {
  std::optional<Duration> age{};         // since they were sealed
  std::optional<std::uint64_t> bytes{};  // of the whole log
};

struct EmbeddedTapeOptions {
  std::string directory{};
  // Of a new tape; nothing: 1. The number belongs to the tape, another one is refused.
  std::optional<std::uint32_t> partitions{};
  Fsync fsync = Fsync::kGroup;
  // A new segment begins after one that has grown to any of these.
  std::uint64_t segment_bytes_max = 64u << 20;
  std::uint64_t segment_events_max = 4u << 20;
  std::uint64_t segment_blocks_max = 64u << 10;
  Duration segment_age_max = seconds(86'400);  // a day
  Retention retention{};                       // of each partition
  Retention raw_retention{};                   // of raw frames
  std::uint64_t free_warn_bytes = 2u << 30;    // less room than this is a warning,
  std::uint64_t free_stop_bytes = 256u << 20;  // and than this a stop, until there is more
  Duration scrub_every = seconds(604'800);     // all that is sealed is read back every week
};

// Creates the folder where missing. Series and origins that are on the tape enter the catalog. A
// torn tail is cut off and reported in recovery(). Errors: kBusy where another process has it open
// for writing; kInvalidArgument for another number of partitions; kCorrupt with file and byte
// offset for damage that is no torn tail; kUnsupported for a tape of another format; kPermission,
// kNoSpace, kIo.
Result<std::unique_ptr<Tape>> open_embedded_tape(Disk& disk, const Clock& clock,
                                                 market::Catalog& catalog,
                                                 EmbeddedTapeOptions options);

// For reading only, beside the process that writes, or without one. Takes no lock and changes
// nothing. Its durable end is what is whole on the disk; what another process writes shows up with
// each call. Errors: kNotFound where there is no tape, else as above.
Result<std::unique_ptr<TapeView>> open_embedded_view(Disk& disk, market::Catalog& catalog,
                                                     const std::string& directory);

}  // namespace tapedeck::tape::embedded
