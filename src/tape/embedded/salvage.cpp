#include "tape/embedded/salvage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace tapedeck::tape::embedded {
namespace {

using market::Batch;
using market::StreamKind;

// Local ids that a block may name without our knowing them: so many at first, and at most.
constexpr std::size_t kUnknownIds = 1u << 10;
constexpr std::size_t kUnknownIdsMax = 1u << 22;

// The local ids of a segment whose dictionary may have holes. A dictionary block behind a damaged
// place says what it introduces, but not from which number on. The block of events behind it does:
// a dictionary introduces what the next block is the first to use, so the greatest number in that
// block is the number of the last entry.
class Numbering {
 public:
  explicit Numbering(market::Catalog& catalog) : catalog_(catalog) {}

  // Something that cannot be read may have been a dictionary.
  void hole() {
    // No series has an empty key, and no file such a digest.
    unknown_series_ = catalog_.intern(market::Series{.key = {}});
    unknown_origin_ = catalog_.intern(
        market::Origin{.kind = market::OriginKind::kFile, .key = "unknown", .first = {}});
    series_.hole(*unknown_series_);
    origins_.hole(*unknown_origin_);
  }

  // The next block of events cannot be read.
  void skip_events() { series_.introduced = origins_.introduced = 0; }

  Status add(std::string_view dictionary) {
    SegmentIds fresh;
    TD_TRY(decode_dictionary(dictionary, catalog_, fresh));
    series_.add(fresh.series);
    origins_.add(fresh.origins);
    return {};
  }

  Status decode(const BlockHeader& header, std::string_view payload, std::vector<Batch>& runs) {
    while (true) {
      Status decoded = decode_block(header, payload, ids_, runs);
      if (decoded) break;
      const bool more_series = series_.grow();
      const bool more_origins = origins_.grow();
      if (!more_series && !more_origins) return decoded;
      runs.clear();
    }
    const bool other_series = number(header, payload, series_);
    const bool other_origins = number(header, payload, origins_);
    if (other_series || other_origins) {
      runs.clear();
      TD_TRY(decode_block(header, payload, ids_, runs));
    }
    skip_events();
    return {};
  }

  bool is_known(SeriesId id) const { return id != unknown_series_; }
  bool is_known(OriginId id) const { return id != unknown_origin_; }

  // Nothing is missing.
  bool is_whole() const { return !unknown_series_; }
  // By local id; behind a hole, many that stand for none.
  const SegmentIds& all() const { return ids_; }
  // As they are numbered in the file where nothing is missing, else all that are known.
  SegmentIds ids() const {
    return is_whole() ? ids_ : SegmentIds{once(ids_.series), once(ids_.origins)};
  }

 private:
  template <class Id>
  struct Table {
    std::vector<Id>& ids;  // by local id: those known, and behind a hole many unknown ones
    std::size_t known = 0;
    std::vector<Id> pending{};   // entries whose numbers are not known
    std::size_t introduced = 0;  // by the dictionary right before the next block of events
    bool sure = true;

    void hole(Id unknown) {
      sure = false;
      ids.resize(known + kUnknownIds, unknown);
      pending.clear();
      introduced = 0;
    }
    bool grow() {
      if (sure || ids.size() - known >= kUnknownIdsMax) return false;
      ids.resize(known + (ids.size() - known) * 16, ids.back());
      return true;
    }
    void add(const std::vector<Id>& fresh) {
      std::vector<Id>& into = sure ? ids : pending;
      into.insert(into.end(), fresh.begin(), fresh.end());
      if (sure) known = ids.size();
      introduced = fresh.size();
    }
  };

  // Gives the pending entries their numbers where this block, which decodes, tells them.
  template <class Id>
  bool number(const BlockHeader& header, std::string_view payload, Table<Id>& table) {
    if (table.sure || table.introduced == 0) return false;
    const Id unknown = table.ids.back();
    const std::size_t size = table.ids.size();
    // The least number of entries with which the block still decodes.
    std::size_t few = table.known;
    std::size_t enough = table.ids.size();
    while (few < enough) {
      const std::size_t middle = few + (enough - few) / 2;
      table.ids.resize(middle, unknown);
      std::vector<Batch> ignored;
      if (decode_block(header, payload, ids_, ignored)) {
        enough = middle;
      } else {
        few = middle + 1;
      }
    }
    const bool fits = enough >= table.known + table.pending.size();
    table.ids.resize(fits ? enough : size, unknown);
    if (!fits) return false;
    std::ranges::copy_backward(table.pending, table.ids.end());
    table.pending.clear();
    table.known = enough;
    table.sure = true;
    return true;
  }

  template <class Id>
  std::vector<Id> once(const std::vector<Id>& ids) const {
    std::vector<Id> out;
    for (const Id id : ids) {
      if (is_known(id)) out.push_back(id);
    }
    std::ranges::sort(out);
    const auto rest = std::ranges::unique(out);
    out.erase(rest.begin(), rest.end());
    return out;
  }

  market::Catalog& catalog_;
  SegmentIds ids_;
  Table<SeriesId> series_{ids_.series};
  Table<OriginId> origins_{ids_.origins};
  std::optional<SeriesId> unknown_series_{};  // where there is a hole
  std::optional<OriginId> unknown_origin_{};
};

// Events of a batch whose series and origins are known, with their offsets.
template <class Event>
bool is_known(const Event& event, const Numbering& numbering) {
  bool known = true;
  if constexpr (requires { event.series; }) known = known && numbering.is_known(event.series);
  if constexpr (requires { event.identity; }) {
    known = known && numbering.is_known(event.identity.origin);
  }
  if constexpr (requires { event.target; }) {
    known = known && numbering.is_known(event.target.origin);
  }
  return known;
}

std::vector<Batch> only_known(std::vector<Batch> runs, const Numbering& numbering) {
  std::vector<Batch> out;
  for (Batch& run : runs) {
    visit_events(run, [&](auto& events) {
      using Events = std::remove_reference_t<decltype(events)>;
      bool open = false;
      for (std::size_t i = 0; i < events.size(); ++i) {
        if (!is_known(events[i], numbering)) {
          open = false;
          continue;
        }
        if (!open) out.push_back({.kind = run.kind, .first = run.first + i});
        open = true;
        visit_events(out.back(), [&](auto& into) {
          if constexpr (std::is_same_v<decltype(into), Events&>) {
            into.push_back(std::move(events[i]));
          }
        });
      }
    });
  }
  return out;
}

std::uint64_t count_of(const std::vector<Batch>& runs) {
  std::uint64_t count = 0;
  for (const Batch& run : runs) count += run.size();
  return count;
}

std::string range_text(Offset first, Offset end) {
  return end - first == 1 ? fmt::format("offset {}", first.value)
                          : fmt::format("offsets {} to {}", first.value, end.value - 1);
}

// By what events are found.
Timestamp time_of(const market::FeedMark& mark) { return mark.ts_recv; }
Timestamp time_of(const market::RawFrame& frame) { return frame.ts_recv; }
Timestamp time_of(const auto& event) { return event.ts_event; }

// What the index, the identities and the trailer of a sealed segment should be.
class Footers {
 public:
  void add(const BlockAt& block, const std::vector<Batch>& runs, const SegmentIds& ids) {
    const BlockHeader& header = block.header;
    IndexEntry entry{.position = block.position,
                     .kind = header.kind,
                     .first = header.first,
                     .count = header.count,
                     .ts_event_min = header.ts_event_min,
                     .ts_event_max = header.ts_event_max};
    std::vector<Slice> slices;
    std::vector<bool> seen;
    for (const Batch& run : runs) {
      slices.push_back({&run, 0, run.size()});
      visit_events(run, [&](const auto& events) {
        if constexpr (requires { events.front().series; }) {
          for (const auto& event : events) {
            if (seen.size() <= event.series.value) seen.resize(event.series.value + 1);
            if (seen[event.series.value]) continue;
            seen[event.series.value] = true;
            entry.series.push_back(local(event.series, ids));
          }
        }
      });
    }
    std::ranges::sort(entry.series);
    index.push_back(std::move(entry));
    identities.add(slices);
    if (header.kind == StreamKind::kLost) return;
    ts_event_min = any_times_ ? std::min(ts_event_min, header.ts_event_min) : header.ts_event_min;
    ts_event_max = any_times_ ? std::max(ts_event_max, header.ts_event_max) : header.ts_event_max;
    any_times_ = true;
  }

  std::vector<IndexEntry> index;
  IdentityTable identities;
  Timestamp ts_event_min{}, ts_event_max{};

 private:
  std::uint32_t local(SeriesId id, const SegmentIds& ids) {
    // A sealed segment has its whole dictionary in front.
    for (; numbered_ < ids.series.size(); ++numbered_) {
      const std::uint32_t value = ids.series[numbered_].value;
      if (local_.size() <= value) local_.resize(value + 1);
      local_[value] = numbered_;
    }
    return local_[id.value];
  }

  bool any_times_ = false;
  std::vector<std::uint32_t> local_;  // by SeriesId
  std::uint32_t numbered_ = 0;
};

std::vector<IdentityRun> in_order(std::vector<IdentityRun> runs) {
  std::ranges::sort(runs, {}, [](const IdentityRun& run) {
    return std::tuple(run.kind, run.series, run.origin, run.position, run.first);
  });
  return runs;
}

bool same(const std::vector<IdentityRun>& a, const std::vector<IdentityRun>& b) {
  const auto key = [](const IdentityRun& run) {
    return std::tuple(run.kind, run.series, run.origin, run.position, run.first, run.last);
  };
  return std::ranges::equal(a, b, {}, key, key);
}

// The walk over one segment.
class Walk {
 public:
  Walk(const SegmentFile& place, const File& file, market::Catalog& catalog, SalvageSink* sink)
      : place_(place), file_(file), window_(file), numbering_(catalog), sink_(sink) {
    out_.end = next_ = place.first;
  }

  Result<Salvaged> run() {
    TD_ASSIGN(out_.bytes, file_.size());
    TD_ASSIGN(const bool goes_on, look_at_header());
    if (!goes_on) return std::move(out_);
    TD_TRY(look_at_trailer());
    TD_TRY(walk_blocks());
    lose_up_to(out_.end, blocks_end_);
    if (is_sealed_) TD_TRY(look_at_footers());
    progress(out_.bytes);
    out_.ids = numbering_.ids();
    out_.ids_are_whole = numbering_.is_whole();
    return std::move(out_);
  }

 private:
  // False: nothing more is to be looked at.
  Result<bool> look_at_header() {
    TD_ASSIGN(const std::string_view head, window_.bytes(0, kSegmentHeaderBytes));
    const auto header = read_segment_header(head);
    if (header) {
      out_.header = *header;
      is_sealed_ = header->sealed;
      if (header->first == place_.first && header->partition == place_.partition) return true;
      out_.is_foreign = true;
      problem(0,
              fmt::format("its header says that it begins at offset {} of partition {}",
                          header->first.value, header->partition.value),
              "if it was renamed or moved, put it back where it belongs; else 'tapedeck tape "
              "repair' sets it aside");
      return false;
    }
    if (header.error().code == ErrorCode::kUnsupported) {
      return std::unexpected(header.error().within("tape: " + place_.path));
    }
    // A segment takes blocks only once its header is synced.
    TD_ASSIGN(const auto block, find_block(file_, 0, out_.bytes));
    if (place_.is_last && !block) {
      out_.torn_bytes = out_.bytes;
      return false;
    }
    problem(0, "its header is damaged");
    is_sealed_ = block && block->header.commit_position == 0;
    return true;
  }

  Status look_at_trailer() {
    blocks_end_ = out_.bytes;
    if (!is_sealed_) return {};
    trailer_at_ = out_.bytes - std::min<std::uint64_t>(out_.bytes, kTrailerBytes);
    TD_ASSIGN(const std::string_view tail, window_.bytes(trailer_at_, kTrailerBytes));
    const auto trailer = read_trailer(tail);
    if (!trailer) {
      problem(trailer_at_, trailer.error().message);
    } else if (trailer->index_position < kSegmentHeaderBytes ||
               trailer->index_position > trailer->identities_position ||
               trailer->identities_position > trailer_at_ || trailer->end <= place_.first) {
      problem(trailer_at_, "its trailer does not fit the file");
    } else {
      out_.trailer = *trailer;
      out_.end = trailer->end;
      blocks_end_ = trailer->index_position;
    }
    return {};
  }

  Status walk_blocks() {
    std::uint64_t position = kSegmentHeaderBytes;
    while (position < blocks_end_) {
      TD_ASSIGN(const auto block, window_.block(position, blocks_end_));
      if (!block || !is_plausible(*block)) {
        TD_ASSIGN(const bool torn, is_torn(position));
        if (torn) return {};
        blame(position, block ? "a block that does not belong here" : "no valid block header");
        // A sealed segment has its whole dictionary in front.
        if (!is_sealed_ || !any_events_) numbering_.hole();
        TD_ASSIGN(position, next_plausible(position));
        continue;
      }
      if (is_footer(*block)) {  // the trailer could not tell where they begin
        blocks_end_ = position;
        out_.end = std::max(out_.end, block->header.first);
        return {};
      }
      const auto payload = window_.payload(*block);
      if (!payload) {
        if (payload.error().code != ErrorCode::kCorrupt) return std::unexpected(payload.error());
        TD_ASSIGN(const bool torn, is_torn(position));
        if (torn) return {};
        blame(position, payload.error().message);
        if (block->header.kind == StreamKind::kDictionary) numbering_.hole();
        numbering_.skip_events();
        out_.end = std::max(out_.end, block->header.end());
        lose_up_to(block->header.end(), position);
      } else if (block->header.kind != StreamKind::kDictionary) {
        TD_TRY(take(*block, *payload));
      } else if (Status s = numbering_.add(*payload); !s) {
        blame(position, s.error().message);
        numbering_.hole();
      }
      position = block->next();
      progress(position);
    }
    return {};
  }

  static bool is_footer(const BlockAt& block) {
    return block.header.kind == StreamKind::kIndex || block.header.kind == StreamKind::kIdentities;
  }

  // Blocks carry their offsets, so what follows a damaged place says where it belongs. What a
  // record or a frame may hold must not be taken for a block.
  bool is_plausible(const BlockAt& block) const {
    const BlockHeader& header = block.header;
    const std::uint64_t commit = header.commit_position;
    if (is_sealed_ ? commit != 0 : commit < kSegmentHeaderBytes || commit > block.position) {
      return false;
    }
    if (out_.trailer && header.end() > out_.trailer->end) return false;
    if (is_footer(block)) return is_sealed_ && !out_.trailer;
    return header.kind == StreamKind::kDictionary || header.first >= next_;
  }

  Result<std::uint64_t> next_plausible(std::uint64_t from) {
    while (true) {
      TD_ASSIGN(const auto block, find_block(file_, from, blocks_end_));
      if (!block) return blocks_end_;
      if (is_plausible(*block)) return block->position;
      from = block->position;
    }
  }

  // A torn tail is all that is left from `position` on.
  Result<bool> is_torn(std::uint64_t position) {
    if (is_sealed_ || !place_.is_last) return false;
    if (!out_.header || !out_.header->unsynced) {
      TD_ASSIGN(const bool damaged, later_commit_follows(file_, position, out_.bytes));
      if (damaged) return false;
    }
    out_.torn_bytes = out_.bytes - position;
    blocks_end_ = position;
    return true;
  }

  Status take(const BlockAt& block, std::string_view payload) {
    const BlockHeader& header = block.header;
    lose_up_to(header.first, block.position);
    blamed_.reset();
    any_events_ = true;
    out_.end = std::max(out_.end, header.end());
    if (header.kind == StreamKind::kLost) {
      out_.lost_before += header.count;
      next_ = header.end();
      if (is_sealed_) footers_.add(block, {}, numbering_.all());
      return sink_ ? sink_->block(block, payload, {}, true) : Status();
    }
    std::vector<Batch> runs;
    if (Status s = numbering_.decode(header, payload, runs); !s) {
      blame(block.position, s.error().message);
      lose_up_to(header.end(), block.position);
      return {};
    }
    const std::uint64_t decoded = count_of(runs);
    runs = only_known(std::move(runs), numbering_);
    if (count_of(runs) < decoded) return take_in_part(block, payload, std::move(runs));
    if (decoded == header.count) {
      if (decoded > 0) check_times(block, runs);
    } else {
      out_.unknown += header.count - decoded;
    }
    if (is_sealed_) footers_.add(block, runs, numbering_.all());
    out_.events += header.count;
    next_ = header.end();
    return sink_ ? sink_->block(block, payload, std::move(runs), true) : Status();
  }

  Status take_in_part(const BlockAt& block, std::string_view payload, std::vector<Batch> runs) {
    blame(block.position, "it names series or origins that a damaged dictionary held");
    for (Batch& run : runs) {
      lose_up_to(run.first, block.position);
      next_ = run.end();
      out_.events += run.size();
      std::vector<Batch> one;
      one.push_back(std::move(run));
      if (sink_) TD_TRY(sink_->block(block, payload, std::move(one), false));
    }
    lose_up_to(block.header.end(), block.position);
    return {};
  }

  void check_times(const BlockAt& block, const std::vector<Batch>& runs) {
    Timestamp least{std::numeric_limits<std::int64_t>::max()};
    Timestamp greatest{std::numeric_limits<std::int64_t>::min()};
    for (const Batch& run : runs) {
      visit_events(run, [&](const auto& events) {
        for (const auto& event : events) {
          least = std::min(least, time_of(event));
          greatest = std::max(greatest, time_of(event));
        }
      });
    }
    if (block.header.ts_event_min != least || block.header.ts_event_max != greatest) {
      problem(block.position, "its header names other times than its events have");
    }
  }

  // Index and identities: whole, and what the events say.
  Status look_at_footers() {
    const bool comparable = out_.problems.empty();
    if (!out_.trailer) return {};
    const Trailer& trailer = *out_.trailer;
    TD_ASSIGN(const auto index, footer(StreamKind::kIndex, trailer.index_position,
                                       trailer.identities_position, "index"));
    if (index) {
      const auto entries =
          decode_index(*index, trailer.index_position, numbering_.all().series.size());
      if (!entries) {
        problem(trailer.index_position, entries.error().message);
      } else if (comparable && out_.unknown == 0 && *entries != footers_.index) {
        problem(trailer.index_position, "its index does not agree with its events");
      }
    }
    TD_TRY(look_at_identities(trailer.identities_position, comparable));
    if (comparable && (trailer.end != next_ || trailer.ts_event_min != footers_.ts_event_min ||
                       trailer.ts_event_max != footers_.ts_event_max)) {
      problem(trailer_at_, "its trailer does not agree with its events");
    }
    return {};
  }

  Status look_at_identities(std::uint64_t position, bool comparable) {
    std::vector<IdentityRun> all;
    std::uint64_t at = position;
    do {
      TD_ASSIGN(const auto block, window_.block(at, trailer_at_));
      const std::uint64_t end = block ? block->next() : trailer_at_;
      TD_ASSIGN(const auto bytes, footer(StreamKind::kIdentities, at, end, "identities"));
      if (!bytes) return {};
      const auto runs = decode_identities(*bytes, numbering_.all());
      if (!runs) {
        if (comparable) problem(at, runs.error().message);
        return {};
      }
      all.insert(all.end(), runs->begin(), runs->end());
      at = end;
    } while (at < trailer_at_);
    if (comparable && out_.unknown == 0 && !same(in_order(all), footers_.identities.take())) {
      problem(position, "its identities do not agree with its events");
    }
    return {};
  }

  Result<std::optional<std::string_view>> footer(StreamKind kind, std::uint64_t from,
                                                 std::uint64_t to, std::string_view name) {
    TD_ASSIGN(const auto block, window_.block(from, to));
    if (!block || block->header.kind != kind || block->next() != to) {
      problem(from, fmt::format("its {} cannot be found", name));
      return std::nullopt;
    }
    const auto payload = window_.payload(*block);
    if (payload) return *payload;
    if (payload.error().code != ErrorCode::kCorrupt) return std::unexpected(payload.error());
    problem(from, fmt::format("its {}: {}", name, payload.error().message));
    return std::nullopt;
  }

  // What is between next_ and `to` cannot be read; `byte` is where that shows.
  void lose_up_to(Offset to, std::uint64_t byte) {
    if (to <= next_) return;
    const std::uint64_t count = to - next_;
    if (!blamed_) blame(byte, fmt::format("{} should be before it", range_text(next_, to)));
    Problem& cause = out_.problems[*blamed_];
    if (cause.lost == 0) cause.lost_first = next_;
    cause.lost += count;
    cause.lost_end = to;
    out_.lost += count;
    next_ = to;
  }

  void problem(std::uint64_t byte, std::string what, std::string remedy = {}) {
    out_.problems.push_back(
        {.path = place_.path, .byte = byte, .what = std::move(what), .remedy = std::move(remedy)});
  }

  // A problem that offsets may be lost by.
  void blame(std::uint64_t byte, std::string what) {
    blamed_ = out_.problems.size();
    problem(byte, std::move(what));
  }

  void progress(std::uint64_t position) {
    if (sink_ && position > done_) sink_->progress(position - std::exchange(done_, position));
  }

  const SegmentFile& place_;
  const File& file_;
  BlockWindow window_;
  Numbering numbering_;
  SalvageSink* const sink_;
  Salvaged out_;
  bool is_sealed_ = false;
  bool any_events_ = false;
  Offset next_;  // the first that nothing is known of yet
  std::uint64_t blocks_end_ = 0;
  std::uint64_t trailer_at_ = 0;
  std::uint64_t done_ = 0;
  std::optional<std::size_t> blamed_;  // of the problems
  Footers footers_;
};

}  // namespace

Result<Salvaged> salvage_segment(Disk& disk, market::Catalog& catalog, const SegmentFile& file,
                                 SalvageSink* sink) {
  TD_ASSIGN(const auto opened, disk.open(file.path, OpenMode::kRead));
  return Walk(file, *opened, catalog, sink).run();
}

}  // namespace tapedeck::tape::embedded
