// src/tape/tape.hpp: the door of this room. The tape is the durable log: what was acknowledged is
// there after a crash, in order, at dense offsets.
// Thread: one writer (append, commit); durable_end, readers and status from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "market/trade.hpp"

namespace tapedeck::tape {

// What was found when the tape was opened.
struct Recovery {
  Offset end;                    // events on the tape
  std::uint64_t torn_bytes = 0;  // cut off the tail: never acknowledged
  std::string torn_file;         // where; empty: nothing was torn
};

// Reads durable events from an offset on. Thread: one at a time.
class TapeReader {
 public:
  virtual ~TapeReader() = default;
  // The next run of events; nothing at the durable end (more may come).
  // Errors: kCorrupt with file and byte offset, kIo.
  virtual Result<std::optional<market::Batch>> next() = 0;
};

class Tape {
 public:
  virtual ~Tape() = default;
  // Takes a batch; `first` of it is ignored. Returns the offset of its first event. Not durable and
  // not readable before commit(). After an error nothing more is taken until the tape is reopened.
  virtual Result<Offset> append(const market::Batch& batch) = 0;
  // Makes durable all that was appended, then visible to readers. Returns the durable end.
  virtual Result<Offset> commit() = 0;

  virtual Offset durable_end() const = 0;
  virtual Result<std::unique_ptr<TapeReader>> read_from(Offset first) const = 0;
  virtual std::uint64_t bytes() const = 0;  // on disk
  virtual const Recovery& recovery() const = 0;
};

}  // namespace tapedeck::tape
