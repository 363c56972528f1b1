#include "tape/embedded/partition_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "base/check.hpp"
#include "tape/embedded/folder.hpp"

namespace tapedeck::tape::embedded {

using market::Batch;
using market::StreamKind;

namespace {

std::unexpected<Error> damaged(const std::string& path, std::uint64_t position, Offset good) {
  return fail(
      ErrorCode::kCorrupt,
      fmt::format("tape: {} at byte {} is damaged, and it is no torn tail: what stood there "
                  "was durable. Put the file back from a copy, or run 'tapedeck tape "
                  "repair'; the events before offset {} are good",
                  path, position, good.value));
}

}  // namespace

PartitionLog::PartitionLog(Disk& disk, const Clock& clock, market::Catalog& catalog,
                           const EmbeddedTapeOptions& options, PartitionId partition,
                           std::string directory)
    : disk_(disk),
      clock_(clock),
      catalog_(catalog),
      options_(options),
      partition_(partition),
      directory_(std::move(directory)),
      dictionary_(catalog) {}

Status PartitionLog::open(Recovery& recovery) {
  TD_TRY(disk_.create_directories(directory_));
  TD_ASSIGN(const auto names, disk_.list(directory_));
  std::vector<Offset> firsts;
  for (const std::string& name : names) {
    if (const auto first = parse_segment_name(name)) firsts.push_back(*first);
    // Half written when a crash came. The segment that it was made from is still there.
    if (name.ends_with(kSealingSuffix)) leftovers_.push_back(directory_ + "/" + name);
  }
  for (std::size_t i = 0; i < firsts.size(); ++i) {
    TD_TRY(open_segment(firsts[i], i + 1 == firsts.size(), recovery));
  }
  durable_end_ = end_;
  recovery.events += end_ - first_offset();
  return {};
}

Status PartitionLog::take_over() {
  for (const std::string& path : leftovers_) TD_TRY(disk_.remove(path));
  if (active_) {
    TD_TRY(active_->truncate(active_bytes_));
    TD_TRY(active_->sync());
    // What a segment's header says of its tail holds for all of it: another fsync level, another
    // segment.
    if (active_unsynced_ != (options_.fsync == Fsync::kNever)) TD_TRY(end_segment());
  }
  return disk_.sync_directory(directory_);
}

Status PartitionLog::open_segment(Offset first, bool is_last, Recovery& recovery) {
  const std::string path = path_of(first);
  TD_ASSIGN(auto file, disk_.open(path, is_last ? OpenMode::kAppend : OpenMode::kRead));
  TD_ASSIGN(const std::uint64_t size, file->size());
  std::string head(kSegmentHeaderBytes, '\0');
  TD_ASSIGN(const std::size_t got, file->read_at(0, head.data(), head.size()));
  const auto header = read_segment_header({head.data(), got});
  if (!header) {
    if (header.error().code == ErrorCode::kUnsupported) {
      return std::unexpected(header.error().within("tape: " + path));
    }
    // A segment takes blocks only once its header is synced, so one without a header is torn off.
    TD_ASSIGN(const auto block, find_block(*file, 0, size));
    if (!is_last || block) return damaged(path, 0, end_);
    recovery.torn.push_back({path, size});
    leftovers_.push_back(path);
    return {};
  }
  const bool follows = segments_.empty() || header->first == end_;
  if (header->first != first || header->partition != partition_ || !follows) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("tape: {} begins at offset {} of partition {}, offset {} was expected: "
                            "is a file missing, or from another tape?",
                            path, header->first.value, header->partition.value, end_.value));
  }
  Segment segment{.view = {.path = path, .first = first, .bytes = size, .sealed = header->sealed},
                  .end = first,
                  .created = header->created};
  if (header->sealed) {
    TD_ASSIGN(const auto opened, OpenSegment::open(disk_, catalog_, segment.view));
    TD_TRY(opened->load_dictionary());
    segment.end = opened->trailer()->end;
    segment.created = opened->trailer()->sealed;
  } else {
    TD_ASSIGN(Walk walked, walk(*file, path, *header, size, is_last));
    segment.end = walked.end;
    segment.view.bytes = walked.bytes;
    if (walked.bytes < size) recovery.torn.push_back({path, size - walked.bytes});
    if (is_last) {
      dictionary_.restore(walked.ids);
      active_ = std::move(file);
      active_bytes_ = walked.bytes;
      active_blocks_ = walked.blocks;
      active_created_ = header->created;
      active_first_ = first;
      active_unsynced_ = header->unsynced;
      has_active_ = true;
    }
  }
  end_ = segment.end;
  segments_.push_back(std::move(segment));
  return {};
}

Result<PartitionLog::Walk> PartitionLog::walk(const File& file, const std::string& path,
                                              const SegmentHeader& header, std::uint64_t size,
                                              bool is_last) {
  Walk walked{.end = header.first, .bytes = kSegmentHeaderBytes, .ids = {}};
  BlockWindow window(file);
  while (walked.bytes < size) {
    TD_ASSIGN(const auto block, window.block(walked.bytes, size));
    bool good = block && block->header.first == walked.end;
    if (good) {
      const auto payload = window.payload(*block);
      if (!payload && payload.error().code != ErrorCode::kCorrupt) {
        return std::unexpected(payload.error());
      }
      good = payload.has_value();
      if (good && block->header.kind == StreamKind::kDictionary) {
        if (Status s = decode_dictionary(*payload, catalog_, walked.ids); !s) {
          return std::unexpected(s.error().within("tape: " + path));
        }
      }
    }
    if (!good) {
      TD_ASSIGN(const bool holds_more, later_commit_follows(file, walked.bytes, size));
      if (!is_last || (holds_more && !header.unsynced)) {
        return damaged(path, walked.bytes, walked.end);
      }
      return walked;
    }
    walked.end = std::max(walked.end, block->header.end());
    walked.bytes = block->next();
    ++walked.blocks;
  }
  return walked;
}

void PartitionLog::append(Batch batch) {
  const std::size_t size = batch.size();
  if (size == 0) return;
  batch.first = end_;
  end_ = end_ + size;
  // Small pieces become one block; a large one is not moved again.
  constexpr std::size_t kJoinBelow = 8'192;
  if (!pending_.empty() && pending_.back().kind == batch.kind && size < kJoinBelow) {
    visit_events(pending_.back(), [&](auto& into) {
      visit_events(batch, [&](auto& from) {
        if constexpr (std::is_same_v<decltype(into), decltype(from)>) {
          into.insert(into.end(), std::make_move_iterator(from.begin()),
                      std::make_move_iterator(from.end()));
        }
      });
    });
    return;
  }
  pending_.push_back(std::move(batch));
}

Status PartitionLog::commit() {
  if (pending_.empty()) return {};
  if (broken_) TD_TRY(heal());
  broken_ = true;  // until all of it has gone well
  TD_TRY(write_pending());
  broken_ = false;
  return {};
}

Status PartitionLog::heal() {
  active_.reset();
  Offset end;
  std::optional<SegmentView> last;
  {
    std::shared_lock lock(mutex_);
    end = durable_end_;
    if (has_active_) last = segments_.back().view;
  }
  if (!last || last->first != end) {
    // A segment that was begun and never held anything durable.
    const Status removed = disk_.remove(path_of(end));
    if (removed) TD_TRY(disk_.sync_directory(directory_));
    if (!removed && removed.error().code != ErrorCode::kNotFound) return removed;
  }
  if (last) {
    // What the last write left is cut off durably before anything is written again: should the
    // power fail later, nothing that was not acknowledged may stand where something else goes on.
    TD_ASSIGN(auto file, disk_.open(last->path, OpenMode::kAppend));
    TD_TRY(file->truncate(active_bytes_));
    TD_TRY(file->sync());
    const SegmentHeader header{.partition = partition_, .first = last->first, .created = {}};
    TD_ASSIGN(const Walk walked, walk(*file, last->path, header, active_bytes_, false));
    TD_CHECK(walked.end == end);
    dictionary_ = SegmentDictionary(catalog_);
    dictionary_.restore(walked.ids);
    active_ = std::move(file);
  }
  return {};
}

Status PartitionLog::end_segment() {
  // One without events goes on: the next one would have its name. A crash may have left it a
  // dictionary.
  if (!active_ || broken_ || durable_end_ == active_first_) return {};
  // Whatever the fsync level: only the last segment of a log may be torn.
  if (options_.fsync == Fsync::kNever) TD_TRY(active_->sync());
  active_.reset();
  std::unique_lock lock(mutex_);
  has_active_ = false;
  return {};
}

Status PartitionLog::begin_segment(Offset first) {
  // As in end_segment().
  if (active_ && options_.fsync == Fsync::kNever) TD_TRY(active_->sync());
  const std::string path = path_of(first);
  TD_ASSIGN(auto file, disk_.open(path, OpenMode::kCreate));
  const Timestamp now = clock_.now();
  TD_TRY(file->append(write_segment_header({.partition = partition_,
                                            .first = first,
                                            .created = now,
                                            .unsynced = options_.fsync == Fsync::kNever})));
  // The header and the name are durable before the first block is: recovery relies on it.
  TD_TRY(file->sync());
  TD_TRY(disk_.sync_directory(directory_));
  active_ = std::move(file);
  active_bytes_ = kSegmentHeaderBytes;
  active_blocks_ = 0;
  active_created_ = now;
  active_first_ = first;
  active_unsynced_ = options_.fsync == Fsync::kNever;
  dictionary_ = SegmentDictionary(catalog_);
  std::unique_lock lock(mutex_);
  segments_.push_back({.view = {.path = path, .first = first, .bytes = kSegmentHeaderBytes},
                       .end = first,
                       .created = now});
  has_active_ = true;
  return {};
}

Status PartitionLog::write_pending() {
  const Offset first = pending_.front().first;
  const bool finished = active_ && (active_bytes_ >= options_.segment_bytes_max ||
                                    first - active_first_ >= options_.segment_events_max ||
                                    active_blocks_ >= options_.segment_blocks_max ||
                                    clock_.now() - active_created_ >= options_.segment_age_max);
  if (!active_ || (finished && first != active_first_)) TD_TRY(begin_segment(first));
  std::string bytes;
  Offset next = first;
  std::uint64_t blocks = 0;
  for_each_block(pending_, [&](std::span<const Slice> events) {
    write_event_block(bytes, events, next, active_bytes_, dictionary_);
    for (const Slice& slice : events) next = next + slice.count;
    ++blocks;
  });
  TD_CHECK(next == end_);
  TD_TRY(active_->append(bytes));
  // One without events may have been kept though its level is another: then its header decides.
  if (!active_unsynced_ || options_.fsync != Fsync::kNever) TD_TRY(active_->sync());
  pending_.clear();
  active_bytes_ += bytes.size();
  active_blocks_ += blocks;
  std::unique_lock lock(mutex_);
  segments_.back().view.bytes = active_bytes_;
  segments_.back().end = end_;
  durable_end_ = end_;
  return {};
}

Result<bool> PartitionLog::seal_next() {
  std::optional<Segment> next;
  {
    std::shared_lock lock(mutex_);
    for (std::size_t i = 0; i + (has_active_ ? 1 : 0) < segments_.size() && !next; ++i) {
      if (!segments_[i].view.sealed) next = segments_[i];
    }
  }
  if (!next) return false;
  TD_ASSIGN(const Sealed sealed, seal_segment(disk_, clock_, catalog_, directory_, next->view));
  std::unique_lock lock(mutex_);
  const auto segment =
      std::ranges::find(segments_, next->view.first, [](const Segment& s) { return s.view.first; });
  TD_CHECK(segment != segments_.end());
  segment->view.sealed = true;
  segment->view.bytes = sealed.bytes;
  segment->created = sealed.trailer.sealed;
  return true;
}

Result<bool> PartitionLog::drop_next(const Retention& retention, std::optional<Offset> keep_from) {
  Segment oldest;
  {
    std::unique_lock lock(mutex_);
    if (segments_.size() < 2) return false;  // the last one says where the log goes on
    oldest = segments_.front();
    if (!oldest.view.sealed || (keep_from && oldest.end > *keep_from)) return false;
    std::uint64_t sum = 0;
    for (const Segment& segment : segments_) sum += segment.view.bytes;
    const bool too_old = retention.age && clock_.now() - oldest.created > *retention.age;
    const bool too_large = retention.bytes && sum > *retention.bytes;
    if (!too_old && !too_large) return false;
  }
  // One after the other, oldest first, each for certain: a hole would look like damage. Should the
  // last removal not survive a power cut, the segment is there again, and nothing is amiss.
  TD_TRY(disk_.sync_directory(directory_));
  {
    // Readers look for the file in this list, and for the segment again if the file is not there.
    std::unique_lock lock(mutex_);
    segments_.erase(segments_.begin());
  }
  if (Status s = disk_.remove(oldest.view.path); !s && s.error().code != ErrorCode::kNotFound) {
    std::unique_lock lock(mutex_);
    segments_.insert(segments_.begin(), oldest);
    return std::unexpected(std::move(s.error()));
  }
  return true;
}

Result<bool> PartitionLog::scrub_next(Offset& offset, std::vector<std::string>& damaged) {
  std::optional<Segment> next;
  for (const Segment& segment : segments()) {
    if (segment.view.sealed && segment.view.first >= offset) {
      next = segment;
      break;
    }
  }
  if (!next) return false;
  offset = next->view.first + 1;
  const auto check = [&]() -> Status {
    TD_ASSIGN(const auto segment, OpenSegment::open(disk_, catalog_, next->view));
    std::uint64_t position = kSegmentHeaderBytes;
    Offset expected = next->view.first;
    while (true) {
      TD_ASSIGN(const auto block, segment->next_block(position));
      if (!block) break;
      if (block->header.first != expected) return segment->damaged(block->position, "offsets jump");
      expected = block->header.end();
      if (const auto bytes = segment->payload(*block); !bytes) {
        return std::unexpected(bytes.error());
      }
    }
    if (expected != next->end) return segment->damaged(position, "events are missing");
    if (const auto index = segment->index(); !index) return std::unexpected(index.error());
    if (const auto runs = segment->identities(); !runs) return std::unexpected(runs.error());
    return {};
  };
  const Status status = check();
  // Retention may have taken it meanwhile.
  if (!status && status.error().code != ErrorCode::kNotFound) {
    if (status.error().code != ErrorCode::kCorrupt) return std::unexpected(status.error());
    if (std::ranges::find(damaged, status.error().message) == damaged.end()) {
      damaged.push_back(status.error().message);
    }
  }
  return true;
}

std::vector<PartitionLog::Segment> PartitionLog::segments() const {
  std::shared_lock lock(mutex_);
  return segments_;
}

Offset PartitionLog::first_offset() const {
  std::shared_lock lock(mutex_);
  return segments_.empty() ? Offset() : segments_.front().view.first;
}

Offset PartitionLog::durable_end() const {
  std::shared_lock lock(mutex_);
  return durable_end_;
}

std::uint64_t PartitionLog::bytes() const {
  std::shared_lock lock(mutex_);
  std::uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.view.bytes;
  return sum;
}

std::uint64_t PartitionLog::segment_count() const {
  std::shared_lock lock(mutex_);
  return segments_.size();
}

std::uint64_t PartitionLog::unsealed_count() const {
  std::shared_lock lock(mutex_);
  const auto unsealed =
      std::ranges::count_if(segments_, [](const Segment& s) { return !s.view.sealed; });
  return static_cast<std::uint64_t>(unsealed) - (has_active_ ? 1 : 0);
}

std::optional<Timestamp> PartitionLog::oldest() const {
  std::shared_lock lock(mutex_);
  if (segments_.empty()) return std::nullopt;
  return segments_.front().created;
}

Status PartitionLog::identities(const std::function<void(const IdentityRun&)>& visit) const {
  for (const Segment& segment : segments()) {
    const Status visited = visit_identities(disk_, catalog_, segment.view, visit);
    // Retention may have taken it meanwhile.
    if (!visited && visited.error().code != ErrorCode::kNotFound) return visited;
  }
  return {};
}

Result<std::optional<SegmentView>> PartitionLog::segment_of(Offset offset) const {
  std::shared_lock lock(mutex_);
  if (segments_.empty()) return std::nullopt;
  if (offset < segments_.front().view.first) {
    return fail(ErrorCode::kNotFound,
                fmt::format("the tape no longer holds offset {}: its first is {}", offset.value,
                            segments_.front().view.first.value));
  }
  const auto after = std::ranges::upper_bound(segments_, offset, {},
                                              [](const Segment& s) { return s.view.first; });
  return std::prev(after)->view;
}

}  // namespace tapedeck::tape::embedded
