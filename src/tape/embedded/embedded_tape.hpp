// src/tape/embedded/embedded_tape.hpp: the tape in segment files of one folder; FORMAT.md describes
// every byte.
// Thread: as tape.hpp says. Ownership: borrows the disk and the catalog for its life.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "market/series.hpp"
#include "tape/tape.hpp"

namespace tapedeck::tape::embedded {

struct EmbeddedTapeOptions {
  std::string directory;
  std::uint64_t segment_bytes_max = 256u << 20;  // a new segment begins after it
};

// Creates the folder where missing. Series and origins that are on the tape enter the catalog. A
// torn tail is cut off and reported in recovery(). Errors: kBusy where another process has it open
// for writing; kCorrupt with file and byte offset for damage that is no torn tail; kUnsupported for
// a tape of a later release; kPermission, kIo.
Result<std::unique_ptr<Tape>> open_embedded_tape(Disk& disk, const Clock& clock,
                                                 market::Catalog& catalog,
                                                 EmbeddedTapeOptions options);

}  // namespace tapedeck::tape::embedded
