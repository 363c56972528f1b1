// src/tape/tape.hpp: the door of this room. The tape is the durable log: what was acknowledged is
// there after a crash, in order, at dense offsets.
// A tape has partitions; a series lives in one of them, and a status mark is written to each. Raw
// frames have a log of their own, beside the partitions, so that they can be dropped sooner.
// Thread: see Tape.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "market/event.hpp"

namespace tapedeck::tape {

// The log of raw frames.
inline constexpr PartitionId kRawFrames{std::numeric_limits<std::uint32_t>::max()};

// What a reader wants. Time and series choose whole blocks: what was not asked for may come along,
// and is the reader's to leave out.
struct ReadRange {
  PartitionId partition{};
  Offset first{};
  std::optional<Timestamp> from{};  // ts_event (of marks and frames: ts_recv), inclusive
  std::optional<Timestamp> to{};    // exclusive
  std::optional<std::vector<SeriesId>> series{};  // nothing: all
};

// Reads durable events from an offset on. Thread: one at a time.
class TapeReader {
 public:
  virtual ~TapeReader() = default;
  // The next run of events; nothing at the durable end (more may come).
  // Errors: kCorrupt with file and byte offset, kNotFound for offsets that retention has dropped,
  // kIo.
  virtual Result<std::optional<market::Batch>> next() = 0;
};

// A run of identities of one series and origin: seq `first` to `last`, all with this position.
struct IdentityRun {
  market::StreamKind kind = market::StreamKind::kTrade;
  SeriesId series{};
  OriginId origin{};
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // inclusive
  std::uint64_t position = 0;
};

// What can be read. Thread: any.
class TapeView {
 public:
  virtual ~TapeView() = default;
  virtual std::uint32_t partitions() const = 0;
  virtual Offset first_offset(PartitionId partition) const = 0;  // what retention has left
  virtual Offset durable_end(PartitionId partition) const = 0;
  virtual Result<std::unique_ptr<TapeReader>> read(ReadRange range) const = 0;
  // Blocks until the durable end of the partition is beyond `offset`, at most for `max`. True: it
  // is.
  virtual bool wait(PartitionId partition, Offset offset, Duration max) const = 0;
  // Calls `visit` for the identities of everything durable but marks and raw frames. A run may come
  // more than once.
  virtual Status identities(const std::function<void(const IdentityRun&)>& visit) const = 0;
};

// A tail that a crash left half written. It was never acknowledged, and was cut off.
struct TornTail {
  std::string file;
  std::uint64_t bytes = 0;
};

// What was found when the tape was opened.
struct Recovery {
  std::uint64_t events = 0;  // on the tape
  std::vector<TornTail> torn{};
};

enum class TapeState {
  kWriting,
  kDiskLow,      // it writes, and there is little room left
  kDiskFull,     // it waits for room
  kDiskFailing,  // the disk refuses; it tries again with each commit
};

constexpr std::string_view to_string(TapeState state) {
  switch (state) {
    case TapeState::kWriting:
      return "writing";
    case TapeState::kDiskLow:
      return "disk_low";
    case TapeState::kDiskFull:
      return "disk_full";
    case TapeState::kDiskFailing:
      return "disk_failing";
  }
  return "disk_failing";
}

struct TapeStatus {
  TapeState state = TapeState::kWriting;
  std::string message{};  // what is wrong and what to do; empty where nothing is
  std::uint64_t bytes = 0;
  std::uint64_t free_bytes = 0;
  std::optional<double> days_until_full{};  // at the rate of writing so far
  std::uint64_t segments = 0;
  std::uint64_t unsealed = 0;          // segments that wait to be sealed
  std::vector<std::string> damaged{};  // what the scrub has found: file, byte and reason
};

// Thread: append, commit and seal by one thread, maintain by one, beside each other; the rest from
// any.
class Tape : public TapeView {
 public:
  // Takes a batch; `first` of it is ignored. Not durable and not readable before commit(). Errors:
  // kInvalidArgument for a text beyond the limit.
  virtual Status append(market::Batch batch) = 0;
  // Makes durable all that was appended, then visible to readers. Errors: kNoSpace and kIo, after
  // which what was appended is kept, and the next commit() tries it all again; kCorrupt where the
  // tape cannot go on.
  virtual Status commit() = 0;
  // Ends the segments that are open, and brings all into their final, compact form.
  virtual Status seal() = 0;
  // A bounded piece of work in the background: seals a segment, drops what is beyond its retention
  // but nothing from `keep_from` on (one for each partition; none: all is kept), reads back what is
  // sealed. True: there may be more to do at once.
  virtual Result<bool> maintain(const std::vector<Offset>& keep_from) = 0;
  virtual TapeStatus status() const = 0;
  virtual const Recovery& recovery() const = 0;
};

}  // namespace tapedeck::tape
