// src/tape/embedded/reader.hpp: reads events over the segments of one log.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "market/series.hpp"
#include "tape/embedded/segment.hpp"
#include "tape/tape.hpp"

namespace tapedeck::tape::embedded {

// A segment as readers see it.
struct SegmentView {
  std::string path;
  Offset first;
  std::uint64_t bytes = 0;  // readable up to here; of a sealed one the trailer says it
  bool sealed = false;
  bool finished = false;  // as known from outside: another one follows, so all of it is there
};

// Where a reader learns which segments there are. Thread: any.
class SegmentSource {
 public:
  virtual ~SegmentSource() = default;
  // The segment that holds `offset`, or will once it is durable; nothing where there is none yet.
  // Errors: kNotFound for an offset before the first.
  virtual Result<std::optional<SegmentView>> segment_of(Offset offset) const = 0;
};

// An open segment, with what is needed to read it from any block on.
class OpenSegment {
 public:
  // Errors: as the file says; kNotFound where it has gone.
  static Result<std::unique_ptr<OpenSegment>> open(Disk& disk, market::Catalog& catalog,
                                                   const SegmentView& view);

  const SegmentHeader& header() const { return header_; }
  const std::optional<Trailer>& trailer() const { return trailer_; }  // of a sealed one
  std::uint64_t end() const { return end_; }                          // blocks are before it
  void set_end(std::uint64_t end);
  void forget() { window_.forget(); }  // what was read may have changed
  // The next block at `position`, which moves behind it. Dictionary blocks are taken in on the way
  // and not returned. Errors: kCorrupt where there is no valid block.
  Result<std::optional<BlockAt>> next_block(std::uint64_t& position);
  // Payload of a block, checked and decoded.
  Result<std::vector<market::Batch>> events(const BlockAt& block);
  // Payload as it stands, checked.
  Result<std::string_view> payload(const BlockAt& block);
  Result<std::vector<IndexEntry>> index();        // of a sealed one
  Result<std::vector<IdentityRun>> identities();  // of a sealed one
  const SegmentIds& ids() const { return ids_; }
  // Takes in the dictionary of a sealed segment, so that any block can be read next.
  Status load_dictionary();
  std::unexpected<Error> damaged(std::uint64_t position, std::string_view what) const;

 private:
  OpenSegment(std::string path, std::unique_ptr<File> file, market::Catalog& catalog)
      : path_(std::move(path)), file_(std::move(file)), catalog_(catalog), window_(*file_) {}

  const std::string path_;
  const std::unique_ptr<File> file_;
  market::Catalog& catalog_;
  BlockWindow window_;
  SegmentHeader header_;
  std::optional<Trailer> trailer_;
  std::uint64_t end_ = 0;
  SegmentIds ids_;
  std::uint64_t dictionary_read_to_ = 0;  // dictionary blocks before it are in ids_
};

class LogReader final : public TapeReader {
 public:
  // Borrows all for its life. `growing`: the last block of a segment may be half written by another
  // process; it is not there yet then, instead of damaged.
  LogReader(Disk& disk, market::Catalog& catalog, const SegmentSource& segments, ReadRange range,
            bool growing = false)
      : disk_(disk),
        catalog_(catalog),
        segments_(segments),
        range_(std::move(range)),
        next_(range_.first),
        growing_(growing) {}

  Result<std::optional<market::Batch>> next() override;

 private:
  // Opens the segment that holds next_, or learns how far it may be read now.
  Result<bool> find_segment();
  Status open_segment(const SegmentView& view);
  Status jump_by_index();
  bool half_written(const Error& error) const;
  std::nullopt_t not_there_yet();
  bool wanted(const BlockHeader& header) const;
  void drop_before_next(market::Batch& batch) const;

  Disk& disk_;
  market::Catalog& catalog_;
  const SegmentSource& segments_;
  const ReadRange range_;
  Offset next_;
  const bool growing_;
  std::unique_ptr<OpenSegment> segment_;
  SegmentView view_;
  std::uint64_t position_ = 0;
  std::vector<IndexEntry> index_;     // of a sealed segment, where a range was asked for
  std::vector<market::Batch> ready_;  // of the last block, in order; before ready_at_ is handed out
  std::size_t ready_at_ = 0;
  Offset block_end_;
};

}  // namespace tapedeck::tape::embedded
