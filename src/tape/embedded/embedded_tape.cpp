#include "tape/embedded/embedded_tape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include "base/check.hpp"
#include "tape/embedded/block.hpp"
#include "tape/embedded/segment.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Batch;
using market::StreamKind;

constexpr std::uint32_t kPartition = 0;  // the only one in this release

// A segment as readers see it.
struct SegmentView {
  std::string path;
  Offset first;
  std::uint64_t durable_bytes = 0;  // readable up to here
};

std::string at(const std::string& path, std::uint64_t position) {
  return fmt::format("{} at byte {}", path, position);
}

class Reader final : public TapeReader {
 public:
  // Where a reader learns which segments there are, and how far each may be read.
  using Segments = std::function<std::vector<SegmentView>()>;

  Reader(Disk& disk, market::Catalog& catalog, Segments segments, Offset first)
      : disk_(disk), catalog_(catalog), segments_(std::move(segments)), next_(first) {}

  Result<std::optional<Batch>> next() override {
    while (true) {
      if (!file_ || position_ >= view_.durable_bytes) {
        TD_ASSIGN(const bool found, find_segment());
        if (!found) return std::nullopt;
      }
      TD_ASSIGN(const auto block, block_at(*file_, position_, view_.durable_bytes));
      if (!block) return damaged("no valid block header");
      position_ = block->next();
      const BlockHeader& header = block->header;
      const bool is_dictionary = header.kind == StreamKind::kDictionary;
      if (!is_dictionary && header.end() <= next_) continue;
      if (!is_dictionary && header.first > next_) {
        position_ = block->position;
        return damaged(fmt::format("offset {} follows {}", header.first.value, next_.value));
      }
      const bool known =
          is_dictionary || header.kind == StreamKind::kTrade || header.kind == StreamKind::kStatus;
      if (!known || header.version > 1) {  // of a later release: skipped by its length
        next_ = header.end();
        continue;
      }
      const auto payload = payload_at(*file_, *block);
      if (!payload) return fail_in(*block, payload.error());
      if (is_dictionary) {
        if (Status s = decode_dictionary(*payload, catalog_, ids_); !s)
          return fail_in(*block, s.error());
        continue;
      }
      Batch batch{.kind = header.kind, .first = header.first, .trades = {}, .marks = {}};
      const Status decoded = header.kind == StreamKind::kTrade
                                 ? decode_trades(*payload, header.count, ids_, batch.trades)
                                 : decode_marks(*payload, header.count, batch.marks);
      if (!decoded) return fail_in(*block, decoded.error());
      drop_before_next(batch);
      next_ = batch.end();
      return batch;
    }
  }

 private:
  // Opens the segment that holds next_, or refreshes how far it may be read.
  Result<bool> find_segment() {
    const auto views = segments_();
    auto holder = std::ranges::upper_bound(views, next_, {}, &SegmentView::first);
    if (holder == views.begin()) {
      if (views.empty()) return false;
      return fail(ErrorCode::kNotFound,
                  fmt::format("the tape no longer holds offset {}: its first is {}", next_.value,
                              views.front().first.value));
    }
    --holder;
    if (file_ && holder->first == view_.first) {
      view_ = *holder;
      return position_ < view_.durable_bytes;
    }
    TD_ASSIGN(file_, disk_.open(holder->path, OpenMode::kRead));
    view_ = *holder;
    position_ = kSegmentHeaderBytes;
    ids_ = {};
    return position_ < view_.durable_bytes;
  }

  void drop_before_next(Batch& batch) {
    const auto skip = static_cast<std::ptrdiff_t>(next_ - batch.first);
    if (skip <= 0) return;
    if (batch.kind == StreamKind::kTrade) {
      batch.trades.erase(batch.trades.begin(), batch.trades.begin() + skip);
    } else {
      batch.marks.erase(batch.marks.begin(), batch.marks.begin() + skip);
    }
    batch.first = next_;
  }

  std::unexpected<Error> damaged(std::string_view what) const {
    return fail(ErrorCode::kCorrupt,
                fmt::format("tape: {}: {}; the events before offset {} are good",
                            at(view_.path, position_), what, next_.value));
  }
  std::unexpected<Error> fail_in(const BlockAt& block, const Error& error) const {
    return std::unexpected(error.within("tape: " + at(view_.path, block.position)));
  }

  Disk& disk_;
  market::Catalog& catalog_;
  Segments segments_;
  Offset next_;
  std::unique_ptr<File> file_;
  SegmentView view_;
  std::uint64_t position_ = 0;
  SegmentIds ids_;  // of the open segment
};

class EmbeddedTape final : public Tape {
 public:
  EmbeddedTape(Disk& disk, const Clock& clock, market::Catalog& catalog,
               EmbeddedTapeOptions options)
      : disk_(disk),
        clock_(clock),
        catalog_(catalog),
        options_(std::move(options)),
        directory_(options_.directory + fmt::format("/p{}", kPartition)),
        dictionary_(catalog) {}

  Status open() {
    TD_TRY(disk_.create_directories(directory_));
    auto lock = disk_.lock(options_.directory + "/LOCK");
    if (!lock && lock.error().code == ErrorCode::kBusy) {
      return fail(ErrorCode::kBusy,
                  fmt::format("tape: '{}' is in use by another tapedeck: stop that one, or choose "
                              "another folder",
                              options_.directory));
    }
    if (!lock) return fail_within(std::move(lock), "tape");
    lock_ = *std::move(lock);
    TD_ASSIGN(const auto names, disk_.list(directory_));
    std::vector<Offset> firsts;
    for (const std::string& name : names) {
      if (const auto first = parse_segment_name(name)) firsts.push_back(*first);
    }
    for (std::size_t i = 0; i < firsts.size(); ++i) {
      TD_TRY(open_segment(firsts[i], i + 1 == firsts.size()));
    }
    recovery_.end = end_;
    durable_end_ = end_;
    return {};
  }

  Result<Offset> append(const Batch& batch) override {
    if (failure_) return std::unexpected(*failure_);
    const Offset first = end_;
    end_ = end_ + batch.size();
    if (!pending_.empty() && pending_.back().kind == batch.kind) {
      Batch& last = pending_.back();
      last.trades.insert(last.trades.end(), batch.trades.begin(), batch.trades.end());
      last.marks.insert(last.marks.end(), batch.marks.begin(), batch.marks.end());
    } else if (batch.size() > 0) {
      pending_.push_back(batch);
      pending_.back().first = first;
    }
    return first;
  }

  Result<Offset> commit() override {
    if (failure_) return std::unexpected(*failure_);
    if (pending_.empty()) return durable_end();
    if (Status status = write_pending(); !status) {
      // What reached the disk is unknown now. Opening the tape again finds out.
      failure_ = std::move(status.error()).within("tape");
      return std::unexpected(*failure_);
    }
    return durable_end();
  }

  Offset durable_end() const override {
    std::shared_lock lock(mutex_);
    return durable_end_;
  }

  Result<std::unique_ptr<TapeReader>> read_from(Offset first) const override {
    return std::make_unique<Reader>(disk_, catalog_, [this] { return segments(); }, first);
  }

  std::uint64_t bytes() const override {
    std::uint64_t sum = 0;
    for (const SegmentView& segment : segments()) sum += segment.durable_bytes;
    return sum;
  }

  const Recovery& recovery() const override { return recovery_; }

 private:
  std::vector<SegmentView> segments() const {
    std::shared_lock lock(mutex_);
    return segments_;
  }

  Status open_segment(Offset first, bool is_last) {
    const std::string path = directory_ + "/" + segment_name(first);
    TD_ASSIGN(auto file, disk_.open(path, is_last ? OpenMode::kAppend : OpenMode::kRead));
    TD_ASSIGN(const std::uint64_t size, file->size());
    std::string bytes(kSegmentHeaderBytes, '\0');
    TD_ASSIGN(const std::size_t got, file->read_at(0, bytes.data(), bytes.size()));
    const auto header = read_segment_header({bytes.data(), got});
    if (!header) {
      if (header.error().code == ErrorCode::kUnsupported) {
        return std::unexpected(header.error().within("tape: " + path));
      }
      // A segment takes blocks only once its header is synced, so one without a header is torn off.
      TD_ASSIGN(const bool holds_blocks, later_commit_follows(*file, 0, size));
      if (!is_last || holds_blocks) {
        return std::unexpected(header.error().within("tape: " + at(path, 0)));
      }
      file.reset();
      recovery_.torn_bytes += size;
      recovery_.torn_file = path;
      TD_TRY(disk_.remove(path));
      return disk_.sync_directory(directory_);
    }
    if (header->first != first || (!segments_.empty() && first != end_)) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("tape: {} begins at offset {}, {} was expected: is a file missing?",
                              path, header->first.value, end_.value));
    }
    end_ = first;

    SegmentIds ids;
    std::uint64_t position = kSegmentHeaderBytes;
    while (position < size) {
      TD_ASSIGN(const auto block, block_at(*file, position, size));
      // Sealed segments are checked when they are read; what may be torn is checked now.
      Result<std::string> payload = std::string();
      if (block && (is_last || block->header.kind == StreamKind::kDictionary)) {
        payload = payload_at(*file, *block);
      }
      const bool in_order =
          block && (block->header.kind == StreamKind::kDictionary || block->header.first == end_);
      if (!in_order || !payload) {
        TD_ASSIGN(const bool holds_more, later_commit_follows(*file, position, size));
        if (!is_last || holds_more) {
          return fail(
              ErrorCode::kCorrupt,
              fmt::format("tape: {} is damaged, and it is no torn tail: what stood there was "
                          "durable. Put the file back from a copy; the events before offset {} "
                          "are good",
                          at(path, position), end_.value));
        }
        break;
      }
      if (block->header.kind == StreamKind::kDictionary) {
        if (Status s = decode_dictionary(*payload, catalog_, ids); !s) {
          return std::unexpected(s.error().within("tape: " + at(path, position)));
        }
      }
      end_ = std::max(end_, block->header.end());
      position = block->next();
    }
    if (position < size) {
      recovery_.torn_bytes += size - position;
      recovery_.torn_file = path;
      TD_TRY(file->truncate(position));
      TD_TRY(file->sync());
    }
    segments_.push_back({path, first, position});
    if (is_last) {
      active_ = std::move(file);
      dictionary_.restore(ids);
    }
    return {};
  }

  Status begin_segment(Offset first) {
    const std::string path = directory_ + "/" + segment_name(first);
    active_.reset();
    TD_ASSIGN(auto file, disk_.open(path, OpenMode::kCreate));
    TD_TRY(file->append(
        write_segment_header({.partition = kPartition, .first = first, .created = clock_.now()})));
    // The header and the name are durable before the first block is: recovery relies on it.
    TD_TRY(file->sync());
    TD_TRY(disk_.sync_directory(directory_));
    active_ = std::move(file);
    dictionary_ = SegmentDictionary(catalog_);
    std::unique_lock lock(mutex_);
    segments_.push_back({path, first, kSegmentHeaderBytes});
    return {};
  }

  Status write_pending() {
    if (!active_ || segments_.back().durable_bytes >= options_.segment_bytes_max) {
      TD_TRY(begin_segment(pending_.front().first));
    }
    std::string bytes;
    for (const Batch& batch : pending_) encode(batch, bytes);
    TD_TRY(active_->append(bytes));
    TD_TRY(active_->sync());
    pending_.clear();
    std::unique_lock lock(mutex_);
    segments_.back().durable_bytes += bytes.size();
    durable_end_ = end_;
    return {};
  }

  void encode(const Batch& batch, std::string& bytes) {
    for (std::size_t from = 0; from < batch.size(); from += kBlockEventsMax) {
      const std::size_t count = std::min<std::size_t>(kBlockEventsMax, batch.size() - from);
      BlockHeader header{.kind = batch.kind,
                         .count = static_cast<std::uint32_t>(count),
                         .first = batch.first + from,
                         .commit_position = segments_.back().durable_bytes};
      std::string payload;
      if (batch.kind == StreamKind::kTrade) {
        const auto trades = std::span(batch.trades).subspan(from, count);
        const auto [least, most] = std::ranges::minmax(trades, {}, &market::Trade::ts_event);
        header.ts_event_min = least.ts_event;
        header.ts_event_max = most.ts_event;
        payload = encode_trades(trades, dictionary_);
      } else {
        TD_CHECK(batch.kind == StreamKind::kStatus);
        const auto marks = std::span(batch.marks).subspan(from, count);
        const auto [least, most] = std::ranges::minmax(marks, {}, &market::FeedMark::ts_recv);
        header.ts_event_min = least.ts_recv;
        header.ts_event_max = most.ts_recv;
        payload = encode_marks(marks);
      }
      if (const std::string entries = dictionary_.take_new_entries(); !entries.empty()) {
        BlockHeader introducing = header;
        introducing.kind = StreamKind::kDictionary;
        introducing.count = 0;
        introducing.ts_event_min = introducing.ts_event_max = {};
        write_block(bytes, introducing, entries);
      }
      write_block(bytes, header, payload);
    }
  }

  Disk& disk_;
  const Clock& clock_;
  market::Catalog& catalog_;
  const EmbeddedTapeOptions options_;
  const std::string directory_;
  std::unique_ptr<DiskLock> lock_;
  Recovery recovery_;

  // The writer's own.
  std::unique_ptr<File> active_;
  SegmentDictionary dictionary_;
  std::vector<Batch> pending_;
  Offset end_;  // of all that was appended
  std::optional<Error> failure_;

  mutable std::shared_mutex mutex_;
  std::vector<SegmentView> segments_;
  Offset durable_end_;
};

}  // namespace

Result<std::unique_ptr<Tape>> open_embedded_tape(Disk& disk, const Clock& clock,
                                                 market::Catalog& catalog,
                                                 EmbeddedTapeOptions options) {
  auto tape = std::make_unique<EmbeddedTape>(disk, clock, catalog, std::move(options));
  TD_TRY(tape->open());
  return tape;
}

}  // namespace tapedeck::tape::embedded
