#include "tape/embedded/sealing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.hpp"

namespace tapedeck::tape::embedded {

using market::Batch;
using market::StreamKind;

Status SealedWriter::begin(SegmentHeader header, const SegmentIds& ids) {
  const std::string path = path_ + std::string(kSealingSuffix);
  // A try that failed may have left one.
  if (Status s = disk_.remove(path); !s && s.error().code != ErrorCode::kNotFound) return s;
  TD_ASSIGN(file_, disk_.open(path, OpenMode::kCreate));
  header.sealed = true;
  header.unsynced = false;
  TD_TRY(write(write_segment_header(header)));
  dictionary_.restore(ids);
  // With the numbers they have: blocks that are copied refer to them.
  std::string bytes;
  if (const std::string entries = encode_dictionary(ids, catalog_); !entries.empty()) {
    write_block(bytes, {.kind = StreamKind::kDictionary, .first = header.first}, entries);
    TD_TRY(write(bytes));
  }
  return {};
}

Status SealedWriter::add(std::vector<Batch> runs) {
  std::size_t events = 0;
  for (const Batch& run : runs) events += run.size();
  if (gathered_events_ + events > kBlockEventsMax) TD_TRY(flush());
  for (Batch& run : runs) {
    gathered_events_ += run.size();
    const bool has_text = run.kind == StreamKind::kRecord || run.kind == StreamKind::kRawFrame;
    for (std::size_t i = 0; has_text && i < run.size(); ++i) gathered_text_ += text_bytes(run, i);
    if (gathered_.empty() || gathered_.back().kind != run.kind) {
      const bool reuse = gathered_.empty() && spare_.kind == run.kind;
      gathered_.push_back(reuse ? std::exchange(spare_, {}) : Batch{.kind = run.kind});
      gathered_.back().first = run.first;
    }
    visit_events(gathered_.back(), [&](auto& into) {
      visit_events(run, [&](auto& from) {
        if constexpr (std::is_same_v<decltype(into), decltype(from)>) {
          into.insert(into.end(), std::make_move_iterator(from.begin()),
                      std::make_move_iterator(from.end()));
        }
      });
    });
  }
  return gathered_text_ >= kTextBytesMax ? flush() : Status();
}

Status SealedWriter::flush() {
  if (gathered_.empty()) return {};
  Offset first = gathered_.front().first;
  Status status;
  for_each_block(gathered_, [&](std::span<const Slice> events) {
    if (!status) return;
    std::string bytes;
    write_event_block(bytes, events, first, 0, dictionary_);
    const auto header = read_block_header(bytes);
    // All ids are in the dictionary in front, so no dictionary block comes with it.
    TD_CHECK(header && header->kind != StreamKind::kDictionary);
    first = header->end();
    index(position_, *header, events);
    status = write(bytes);
  });
  // The memory of a large one is used again: clearing new pages costs more than filling them.
  spare_ = std::move(gathered_.front());
  visit_events(spare_, [](auto& events) { events.clear(); });
  gathered_.clear();
  gathered_events_ = gathered_text_ = 0;
  return status;
}

Status SealedWriter::copy(const BlockHeader& header, std::string_view payload,
                          const std::vector<Batch>& runs) {
  TD_TRY(flush());
  BlockHeader sealed = header;
  sealed.commit_position = 0;
  std::string bytes;
  write_block(bytes, sealed, payload);
  std::vector<Slice> slices;
  for (const Batch& run : runs) slices.push_back({&run, 0, run.size()});
  index(position_, sealed, slices);
  return write(bytes);
}

Status SealedWriter::lose(Offset first, std::uint64_t count) {
  TD_TRY(flush());
  std::string bytes;
  while (count > 0) {
    const auto part = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, 1u << 30));
    const BlockHeader header{.kind = StreamKind::kLost, .count = part, .first = first};
    index(position_ + bytes.size(), header, {});
    write_block(bytes, header, {});
    first = first + part;
    count -= part;
  }
  return write(bytes);
}

void SealedWriter::index(std::uint64_t position, const BlockHeader& header,
                         std::span<const Slice> slices) {
  identities_.add(slices);
  IndexEntry entry{.position = position,
                   .kind = header.kind,
                   .first = header.first,
                   .count = header.count,
                   .ts_event_min = header.ts_event_min,
                   .ts_event_max = header.ts_event_max};
  std::vector<bool> seen;
  for (const Slice& slice : slices) {
    visit_events(*slice.batch, [&](const auto& events) {
      using Event = typename std::remove_cvref_t<decltype(events)>::value_type;
      if constexpr (requires(const Event& event) { event.series; }) {
        for (const Event& event : std::span(events).subspan(slice.from, slice.count)) {
          if (seen.size() <= event.series.value) seen.resize(event.series.value + 1);
          if (seen[event.series.value]) continue;
          seen[event.series.value] = true;
          entry.series.push_back(dictionary_.local(event.series));
        }
      }
    });
  }
  std::ranges::sort(entry.series);
  index_.push_back(std::move(entry));
  if (header.kind == StreamKind::kLost) return;
  trailer_.ts_event_min =
      any_events_ ? std::min(trailer_.ts_event_min, header.ts_event_min) : header.ts_event_min;
  trailer_.ts_event_max =
      any_events_ ? std::max(trailer_.ts_event_max, header.ts_event_max) : header.ts_event_max;
  any_events_ = true;
}

Status SealedWriter::write(const std::string& bytes) {
  TD_TRY(file_->append(bytes));
  position_ += bytes.size();
  return {};
}

Result<Sealed> SealedWriter::finish(Offset end, Timestamp now) {
  TD_TRY(flush());
  trailer_.end = end;
  trailer_.sealed = now;
  std::string bytes;
  trailer_.index_position = position_;
  write_block(bytes, {.kind = StreamKind::kIndex, .first = end}, encode_index(index_));
  trailer_.identities_position = position_ + bytes.size();
  const std::vector<IdentityRun> identities = identities_.take();
  std::span<const IdentityRun> rest(identities);
  do {
    const auto part = rest.first(std::min(rest.size(), kIdentityRunsMax));
    write_block(bytes, {.kind = StreamKind::kIdentities, .first = end},
                encode_identities(part, dictionary_));
    rest = rest.subspan(part.size());
  } while (!rest.empty());
  bytes += write_trailer(trailer_);
  TD_TRY(write(bytes));
  // Whole and durable before it takes the place of the only other copy.
  TD_TRY(file_->sync());
  file_.reset();
  TD_TRY(disk_.rename(path_ + std::string(kSealingSuffix), path_));
  TD_TRY(disk_.sync_directory(directory_));
  return Sealed{.trailer = trailer_, .bytes = position_};
}

Result<Sealed> seal_segment(Disk& disk, const Clock& clock, market::Catalog& catalog,
                            const std::string& directory, const SegmentView& view) {
  // The first pass finds the whole dictionary, which goes in front.
  TD_ASSIGN(const auto scan, OpenSegment::open(disk, catalog, view));
  std::uint64_t position = kSegmentHeaderBytes;
  while (true) {
    TD_ASSIGN(const auto block, scan->next_block(position));
    if (!block) break;
  }
  SealedWriter out(disk, catalog, directory, view.path);
  TD_TRY(out.begin(scan->header(), scan->ids()));
  Offset next = view.first;
  position = kSegmentHeaderBytes;
  while (true) {
    TD_ASSIGN(const auto block, scan->next_block(position));
    if (!block) break;
    if (block->header.first != next) {
      return scan->damaged(block->position, fmt::format("offset {} follows {}",
                                                        block->header.first.value, next.value));
    }
    next = block->header.end();
    TD_ASSIGN(auto runs, scan->events(*block));
    std::uint64_t known = 0;
    for (const Batch& run : runs) known += run.size();
    // What this release cannot take apart is kept as it is.
    if (block->header.count >= kMergeBelowEvents || known != block->header.count || known == 0) {
      TD_ASSIGN(const std::string_view payload, scan->payload(*block));
      TD_TRY(out.copy(block->header, payload, runs));
    } else {
      TD_TRY(out.add(std::move(runs)));
    }
  }
  return out.finish(next, clock.now());
}

}  // namespace tapedeck::tape::embedded
