#include "tape/embedded/reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tapedeck::tape::embedded {

using market::Batch;
using market::StreamKind;

Result<std::unique_ptr<OpenSegment>> OpenSegment::open(Disk& disk, market::Catalog& catalog,
                                                       const SegmentView& view) {
  TD_ASSIGN(auto file, disk.open(view.path, OpenMode::kRead));
  std::unique_ptr<OpenSegment> segment(new OpenSegment(view.path, std::move(file), catalog));
  TD_ASSIGN(const std::string_view head, segment->window_.bytes(0, kSegmentHeaderBytes));
  auto header = read_segment_header(head);
  if (!header) return std::unexpected(header.error().within("tape: " + view.path));
  segment->header_ = *header;
  segment->dictionary_read_to_ = kSegmentHeaderBytes;
  segment->end_ = view.bytes;
  if (!header->sealed) return segment;

  TD_ASSIGN(const std::uint64_t size, segment->file_->size());
  if (size < kSegmentHeaderBytes + kTrailerBytes) return segment->damaged(size, "it is cut off");
  TD_ASSIGN(const std::string_view tail,
            segment->window_.bytes(size - kTrailerBytes, kTrailerBytes));
  auto trailer = read_trailer(tail);
  if (!trailer) return segment->damaged(size - kTrailerBytes, trailer.error().message);
  if (trailer->index_position > trailer->identities_position ||
      trailer->identities_position > size || trailer->end <= header->first) {
    return segment->damaged(size - kTrailerBytes, "its trailer does not fit the file");
  }
  segment->trailer_ = *trailer;
  segment->end_ = trailer->index_position;
  return segment;
}

void OpenSegment::set_end(std::uint64_t end) {
  if (end_ == end) return;
  end_ = end;
  window_.forget();
}

std::unexpected<Error> OpenSegment::damaged(std::uint64_t position, std::string_view what) const {
  return fail(ErrorCode::kCorrupt, fmt::format("tape: {} at byte {}: {}", path_, position, what));
}

Result<std::optional<BlockAt>> OpenSegment::next_block(std::uint64_t& position) {
  while (position < end_) {
    TD_ASSIGN(const auto block, window_.block(position, end_));
    if (!block) return damaged(position, "no valid block header");
    if (block->header.kind == StreamKind::kDictionary && position >= dictionary_read_to_) {
      const auto bytes = payload(*block);
      if (!bytes) return std::unexpected(bytes.error());
      if (Status s = decode_dictionary(*bytes, catalog_, ids_); !s) {
        return damaged(position, s.error().message);
      }
    }
    position = block->next();
    dictionary_read_to_ = std::max(dictionary_read_to_, position);
    if (block->header.kind != StreamKind::kDictionary) return block;
  }
  return std::nullopt;
}

Result<std::string_view> OpenSegment::payload(const BlockAt& block) {
  auto bytes = window_.payload(block);
  if (!bytes && bytes.error().code == ErrorCode::kCorrupt) {
    return damaged(block.position, bytes.error().message);
  }
  return bytes;
}

Result<std::vector<Batch>> OpenSegment::events(const BlockAt& block) {
  TD_ASSIGN(const std::string_view bytes, payload(block));
  std::vector<Batch> runs;
  if (Status s = decode_block(block.header, bytes, ids_, runs); !s) {
    return damaged(block.position, s.error().message);
  }
  return runs;
}

Status OpenSegment::load_dictionary() {
  std::uint64_t position = kSegmentHeaderBytes;
  if (auto first = next_block(position); !first) return std::unexpected(first.error());
  return {};
}

Result<std::vector<IndexEntry>> OpenSegment::index() {
  const std::uint64_t at = trailer_->index_position;
  TD_ASSIGN(const auto block, window_.block(at, trailer_->identities_position));
  if (!block || block->header.kind != StreamKind::kIndex) return damaged(at, "no index");
  TD_TRY(load_dictionary());
  TD_ASSIGN(const std::string_view bytes, payload(*block));
  auto entries = decode_index(bytes, at, ids_.series.size());
  if (!entries) return damaged(at, entries.error().message);
  return entries;
}

Result<std::vector<IdentityRun>> OpenSegment::identities() {
  TD_TRY(load_dictionary());
  TD_ASSIGN(const std::uint64_t size, file_->size());
  const std::uint64_t end = size - kTrailerBytes;
  std::vector<IdentityRun> all;
  std::uint64_t at = trailer_->identities_position;
  do {
    TD_ASSIGN(const auto block, window_.block(at, end));
    if (!block || block->header.kind != StreamKind::kIdentities) {
      return damaged(at, "no identities");
    }
    TD_ASSIGN(const std::string_view bytes, payload(*block));
    const auto runs = decode_identities(bytes, ids_);
    if (!runs) return damaged(at, runs.error().message);
    all.insert(all.end(), runs->begin(), runs->end());
    at = block->next();
  } while (at < end);
  return all;
}

Result<std::optional<Batch>> LogReader::next() {
  while (true) {
    while (ready_at_ < ready_.size()) {
      Batch batch = std::move(ready_[ready_at_++]);
      if (batch.end() <= next_) continue;
      drop_before_next(batch);
      next_ = batch.end();
      return batch;
    }
    // What a block holds of kinds that this release does not know takes offsets all the same.
    next_ = std::max(next_, block_end_);
    if (!segment_ || position_ >= segment_->end()) {
      TD_ASSIGN(const bool found, find_segment());
      if (!found) return std::nullopt;
    }
    const std::uint64_t before = position_;
    auto block = segment_->next_block(position_);
    if (!block) {
      if (half_written(block.error())) return not_there_yet();
      return std::unexpected(std::move(block.error()));
    }
    if (!*block) continue;
    const BlockHeader& header = (*block)->header;
    if (header.end() <= next_) continue;
    if (header.first > next_) {
      position_ = before;
      return segment_->damaged(
          (*block)->position, fmt::format("offset {} follows {}", header.first.value, next_.value));
    }
    block_end_ = header.end();
    ready_.clear();
    ready_at_ = 0;
    if (!wanted(header)) continue;
    auto events = segment_->events(**block);
    if (!events) {
      position_ = before;
      block_end_ = next_;
      if (half_written(events.error())) return not_there_yet();
      return std::unexpected(std::move(events.error()));
    }
    ready_ = *std::move(events);
  }
}

bool LogReader::half_written(const Error& error) const {
  return growing_ && !view_.sealed && !view_.finished && error.code == ErrorCode::kCorrupt;
}

std::nullopt_t LogReader::not_there_yet() {
  segment_->forget();
  return std::nullopt;
}

Result<bool> LogReader::find_segment() {
  // A segment may go, or be sealed, between learning of it and opening it: then it is asked for
  // again.
  constexpr int kTriesMax = 100;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    TD_ASSIGN(const auto view, segments_.segment_of(next_));
    if (!view) return false;
    if (segment_ && view->first == view_.first && view->sealed == view_.sealed) {
      if (!view->sealed) segment_->set_end(view->bytes);
      view_.finished = view->finished;
      if (position_ < segment_->end()) return true;
      if (view->finished || (view->sealed && next_ < segment_->trailer()->end)) {
        return segment_->damaged(position_, "events are missing");
      }
      return false;
    }
    const Status opened = open_segment(*view);
    if (!opened && opened.error().code == ErrorCode::kNotFound) continue;
    if (!opened) return std::unexpected(opened.error());
    if (position_ < segment_->end()) return true;
    if (view_.finished && !view_.sealed) {
      return segment_->damaged(position_, "events are missing");
    }
    // All of a sealed one is skipped: go on with the next segment, if there is one.
    if (!view_.sealed || segment_->trailer()->end <= next_) return false;
    next_ = segment_->trailer()->end;
  }
  return fail(ErrorCode::kIo,
              fmt::format("tape: {} cannot be opened: it keeps changing", view_.path));
}

Status LogReader::open_segment(const SegmentView& view) {
  TD_ASSIGN(segment_, OpenSegment::open(disk_, catalog_, view));
  view_ = view;
  view_.sealed = segment_->header().sealed;
  position_ = kSegmentHeaderBytes;
  index_.clear();
  if (!view_.sealed) return {};
  const bool filtered = range_.from || range_.to || range_.series;
  if (next_ > view_.first || filtered) TD_TRY(jump_by_index());
  return {};
}

// Moves to the first block that may hold something that was asked for.
Status LogReader::jump_by_index() {
  TD_ASSIGN(index_, segment_->index());
  position_ = segment_->end();
  for (const IndexEntry& entry : index_) {
    if (entry.first + entry.count <= next_) continue;
    const bool outside = (range_.from && entry.ts_event_max < *range_.from) ||
                         (range_.to && entry.ts_event_min >= *range_.to);
    if (outside) continue;
    position_ = entry.position;
    next_ = std::max(next_, entry.first);
    break;
  }
  return {};
}

bool LogReader::wanted(const BlockHeader& header) const {
  if (header.kind == StreamKind::kLost) return false;
  if (range_.from && header.ts_event_max < *range_.from) return false;
  if (range_.to && header.ts_event_min >= *range_.to) return false;
  if (range_.series && !index_.empty()) {
    const auto entry = std::ranges::lower_bound(index_, header.first, {}, &IndexEntry::first);
    if (entry != index_.end() && entry->first == header.first) {
      const SegmentIds& ids = segment_->ids();
      return std::ranges::any_of(entry->series, [&](std::uint32_t local) {
        return local < ids.series.size() &&
               std::ranges::find(*range_.series, ids.series[local]) != range_.series->end();
      });
    }
  }
  return true;
}

void LogReader::drop_before_next(Batch& batch) const {
  if (batch.first >= next_) return;
  const auto skip = static_cast<std::ptrdiff_t>(next_ - batch.first);
  visit_events(batch, [&](auto& events) { events.erase(events.begin(), events.begin() + skip); });
  batch.first = next_;
}

}  // namespace tapedeck::tape::embedded
