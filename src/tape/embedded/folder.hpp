// src/tape/embedded/folder.hpp: the folder of a tape: its manifest and its logs, and reading it
// without writing, beside another process or without one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "market/series.hpp"
#include "tape/embedded/reader.hpp"

namespace tapedeck::tape::embedded {

inline constexpr std::uint32_t kPartitionsMax = 1'024;

struct Manifest {
  std::uint32_t partitions = 1;
};

std::string log_directory(const std::string& tape, PartitionId partition);  // ".../p0", ".../raw"
std::string log_name(PartitionId partition);                                // "p0", "raw"

// Which partition a series lives in: Kafka's default partitioner over its key.
PartitionId partition_of(const market::SeriesKey& key, std::uint32_t partitions);

// Errors: kNotFound where there is none, kCorrupt, kUnsupported.
Result<Manifest> read_manifest(Disk& disk, const std::string& tape);
// Durable when it returns.
Status write_manifest(Disk& disk, const std::string& tape, const Manifest& manifest);

// Segments of one log as they stand in the folder. Thread: any.
class FolderSegments final : public SegmentSource {
 public:
  FolderSegments(Disk& disk, std::string directory)
      : disk_(disk), directory_(std::move(directory)) {}
  Result<std::vector<SegmentView>> all() const;
  Result<std::optional<SegmentView>> segment_of(Offset offset) const override;

 private:
  Disk& disk_;
  const std::string directory_;
};

// Identities of all events in a segment. `growing`: as for LogReader.
Status visit_identities(Disk& disk, market::Catalog& catalog, const SegmentView& view,
                        const std::function<void(const IdentityRun&)>& visit, bool growing = false);

}  // namespace tapedeck::tape::embedded
