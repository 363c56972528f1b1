// src/tape/embedded/sealing.hpp: a finished segment into its final form: small blocks merged into
// large ones, the dictionary in front, index, identities and trailer behind.
#pragma once

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "tape/embedded/reader.hpp"

namespace tapedeck::tape::embedded {

// Blocks of at least this many events are kept as they are.
inline constexpr std::uint32_t kMergeBelowEvents = 8'192;

// What a sealed segment is, for who keeps it.
struct Sealed {
  Trailer trailer;
  std::uint64_t bytes = 0;  // of the whole file
};

// Reads back all of the segment in `view`, so that what is damaged is found before its only copy is
// replaced, and writes it anew in its place, durably. Whoever has the old file open reads on in it.
// Memory: a block or two, and 40 bytes for each run of identities.
// Errors: kCorrupt with file and byte; kNoSpace, kIo: nothing has changed then.
Result<Sealed> seal_segment(Disk& disk, const Clock& clock, market::Catalog& catalog,
                            const std::string& directory, const SegmentView& view);

// The same from any events: what a repair could save.
class SealedWriter {
 public:
  // `path`: where the finished segment goes; it is written beside it first.
  SealedWriter(Disk& disk, market::Catalog& catalog, std::string directory, std::string path)
      : disk_(disk),
        catalog_(catalog),
        directory_(std::move(directory)),
        path_(std::move(path)),
        dictionary_(catalog_) {}

  // `ids`: the dictionary of the blocks that copy() will get.
  Status begin(SegmentHeader header, const SegmentIds& ids);
  // Takes events that follow the ones before. They are merged into large blocks.
  Status add(std::vector<market::Batch> runs);
  // Takes a block as it stands; `runs` are its events.
  Status copy(const BlockHeader& header, std::string_view payload,
              const std::vector<market::Batch>& runs);
  // Offsets whose events are lost.
  Status lose(Offset first, std::uint64_t count);
  // Writes the rest, syncs, and puts the file in its place.
  Result<Sealed> finish(Offset end, Timestamp now);

 private:
  Status flush();
  Status write(const std::string& bytes);
  void index(std::uint64_t position, const BlockHeader& header, std::span<const Slice> slices);

  Disk& disk_;
  market::Catalog& catalog_;
  const std::string directory_;
  const std::string path_;
  SegmentDictionary dictionary_;
  std::unique_ptr<File> file_;
  std::uint64_t position_ = 0;
  std::vector<market::Batch> gathered_;  // waiting to become a large block
  market::Batch spare_;                  // an empty one of those
  std::size_t gathered_events_ = 0;
  std::size_t gathered_text_ = 0;
  IdentityTable identities_;
  std::vector<IndexEntry> index_;
  Trailer trailer_;
  bool any_events_ = false;
};

}  // namespace tapedeck::tape::embedded
