// src/tape/embedded/partition_log.hpp: the log of one partition, or of the raw frames: its segments
// on disk, and the one that is being written.
// Thread: append, commit and end_segment by the writer; seal_next, drop and scrub_next by the one
// who maintains; the rest from any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "tape/embedded/reader.hpp"
#include "tape/embedded/sealing.hpp"

namespace tapedeck::tape::embedded {

class PartitionLog final : public SegmentSource {
 public:
  PartitionLog(Disk& disk, const Clock& clock, market::Catalog& catalog,
               const EmbeddedTapeOptions& options, PartitionId partition, std::string directory);

  // Reads what is there, and changes nothing; a torn tail is added to `recovery`.
  Status open(Recovery& recovery);
  // Once, after open(): cuts the torn tail off, and makes the rest durable. Who wrote it may have
  // died before its syncs.
  Status take_over();

  void append(market::Batch batch);
  bool has_pending() const { return !pending_.empty(); }
  Status commit();
  // The next commit begins a new segment; the last one can be sealed.
  Status end_segment();

  // True: one was sealed.
  Result<bool> seal_next();
  // Drops the oldest sealed segment if it lies before `keep_from` and beyond what is to be kept.
  Result<bool> drop_next(const Retention& retention, std::optional<Offset> keep_from);
  // Reads back the next sealed segment after `offset`, which moves behind it; what is damaged is
  // added to `damaged`. False: there is none.
  Result<bool> scrub_next(Offset& offset, std::vector<std::string>& damaged);

  Offset first_offset() const;
  Offset durable_end() const;
  std::uint64_t bytes() const;
  std::uint64_t segment_count() const;
  std::uint64_t unsealed_count() const;  // besides the one that is being written
  std::optional<Timestamp> oldest() const;
  Status identities(const std::function<void(const IdentityRun&)>& visit) const;
  Result<std::optional<SegmentView>> segment_of(Offset offset) const override;

 private:
  struct Segment {
    SegmentView view;
    Offset end;
    Timestamp created;  // of a sealed one: when it was sealed
  };

  std::string path_of(Offset first) const { return directory_ + "/" + segment_name(first); }
  Status open_segment(Offset first, bool is_last, Recovery& recovery);
  // Walks a segment that is not sealed, up to what is whole; sets the end of its blocks.
  struct Walk {
    Offset end;
    std::uint64_t bytes = 0;
    SegmentIds ids;
    std::uint64_t blocks = 0;
  };
  Result<Walk> walk(const File& file, const std::string& path, const SegmentHeader& header,
                    std::uint64_t size, bool is_last);
  // After a failure the disk holds no one knows what: brings it back to what is durable.
  Status heal();
  Status begin_segment(Offset first);
  Status write_pending();
  std::vector<Segment> segments() const;

  Disk& disk_;
  const Clock& clock_;
  market::Catalog& catalog_;
  const EmbeddedTapeOptions& options_;
  const PartitionId partition_;
  const std::string directory_;

  // The writer's own.
  std::unique_ptr<File> active_;
  std::vector<std::string> leftovers_;  // files to remove in take_over()
  SegmentDictionary dictionary_;
  std::vector<market::Batch> pending_;
  Offset end_;  // of all that was appended
  std::uint64_t active_bytes_ = 0;
  std::uint64_t active_blocks_ = 0;
  Timestamp active_created_{};
  bool active_unsynced_ = false;  // as its header says
  Offset active_first_;
  bool broken_ = false;

  mutable std::shared_mutex mutex_;
  std::vector<Segment> segments_;
  Offset durable_end_;
  bool has_active_ = false;  // the last segment is being written
};

}  // namespace tapedeck::tape::embedded
