#include "tape/embedded/embedded_tape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/check.hpp"
#include "tape/embedded/folder.hpp"
#include "tape/embedded/partition_log.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Batch;
using market::StreamKind;

constexpr Duration kLookAtDiskEvery = seconds(1);
// The rate of writing means something only after a while.
constexpr Duration kRateNeeds = minutes(10);

class EmbeddedTape final : public Tape {
 public:
  EmbeddedTape(Disk& disk, const Clock& clock, market::Catalog& catalog,
               EmbeddedTapeOptions options)
      : disk_(disk), clock_(clock), catalog_(catalog), options_(std::move(options)) {}

  Status open() {
    TD_TRY(disk_.create_directories(options_.directory));
    auto lock = disk_.lock(options_.directory + "/LOCK");
    if (!lock && lock.error().code == ErrorCode::kBusy) {
      return fail(ErrorCode::kBusy,
                  fmt::format("tape: '{}' is in use by another tapedeck: stop that one, or choose "
                              "another folder",
                              options_.directory));
    }
    if (!lock) return fail_within(std::move(lock), "tape");
    lock_ = *std::move(lock);
    TD_ASSIGN(const Manifest manifest, manifest_of_tape());
    for (std::uint32_t p = 0; p < manifest.partitions; ++p) logs_.push_back(log(PartitionId(p)));
    raw_ = log(kRawFrames);
    for (const auto& each : logs_) TD_TRY(each->open(recovery_));
    TD_TRY(raw_->open(recovery_));
    // All of it is good: only now is anything changed.
    for (const auto& each : logs_) TD_TRY(each->take_over());
    TD_TRY(raw_->take_over());
    TD_TRY(disk_.sync_directory(options_.directory));
    scrub_at_ = clock_.now() + options_.scrub_every;
    // A disk that cannot say how much room it has is asked again with the first commit.
    if (Status s = look_at_disk(); !s && s.error().code != ErrorCode::kNoSpace) look_again_ = true;
    return {};
  }

  std::uint32_t partitions() const override { return static_cast<std::uint32_t>(logs_.size()); }
  Offset first_offset(PartitionId partition) const override {
    return log_of(partition).first_offset();
  }
  Offset durable_end(PartitionId partition) const override {
    return log_of(partition).durable_end();
  }

  Result<std::unique_ptr<TapeReader>> read(ReadRange range) const override {
    const PartitionLog& segments = log_of(range.partition);
    return std::make_unique<LogReader>(disk_, catalog_, segments, std::move(range));
  }

  bool wait(PartitionId partition, Offset offset, Duration max) const override {
    const PartitionLog& waited = log_of(partition);
    std::unique_lock lock(wait_mutex_);
    return committed_.wait_for(lock, std::chrono::nanoseconds(max.ns),
                               [&] { return waited.durable_end() > offset; });
  }

  Status identities(const std::function<void(const IdentityRun&)>& visit) const override {
    for (const auto& each : logs_) TD_TRY(each->identities(visit));
    return {};
  }

  Status append(Batch batch) override {
    Status too_long;
    visit_events(batch, [&](const auto& events) {
      for (std::size_t i = 0; i < events.size(); ++i) {
        if (text_bytes(batch, i) <= kTextBytesMax) continue;
        too_long = fail(ErrorCode::kInvalidArgument,
                        fmt::format("tape: a text of {} bytes is too long: the most is {}",
                                    text_bytes(batch, i), kTextBytesMax));
      }
    });
    TD_TRY(too_long);
    if (batch.kind == StreamKind::kRawFrame) {
      raw_->append(std::move(batch));
    } else if (logs_.size() == 1) {
      logs_.front()->append(std::move(batch));
    } else if (batch.kind == StreamKind::kStatus) {
      for (const auto& each : logs_) each->append(batch);
    } else {
      route(batch);
    }
    return {};
  }

  Status commit() override {
    if (Status s = look_at_disk(); !s) return s;
    for (const auto& each : logs_) TD_TRY(noted(each->commit()));
    TD_TRY(noted(raw_->commit()));
    set_state(room_is_low_ ? TapeState::kDiskLow : TapeState::kWriting, room_message_);
    // Taken, so that a follower is either before its look or asleep.
    {
      std::lock_guard lock(wait_mutex_);
    }
    committed_.notify_all();
    return {};
  }

  Status seal() override {
    TD_TRY(commit());
    for (const auto& each : logs_) TD_TRY(each->end_segment());
    TD_TRY(raw_->end_segment());
    std::lock_guard lock(maintain_mutex_);
    for (const auto& each : logs_) TD_TRY(seal_all(*each));
    return seal_all(*raw_);
  }

  Result<bool> maintain(const std::vector<Offset>& keep_from) override {
    std::lock_guard lock(maintain_mutex_);
    // First what makes room: sealing needs some.
    for (std::size_t p = 0; p < std::min(logs_.size(), keep_from.size()); ++p) {
      TD_ASSIGN(const bool dropped, logs_[p]->drop_next(options_.retention, keep_from[p]));
      if (dropped) return true;
    }
    TD_ASSIGN(const bool dropped, raw_->drop_next(options_.raw_retention, std::nullopt));
    if (dropped) return true;
    for (const auto& each : logs_) {
      TD_ASSIGN(const bool sealed, each->seal_next());
      if (sealed) return true;
    }
    TD_ASSIGN(const bool sealed, raw_->seal_next());
    if (sealed) return true;
    return scrub();
  }

  TapeStatus status() const override {
    TapeStatus status;
    std::optional<Timestamp> oldest;
    for_each_log([&](const PartitionLog& each) {
      status.bytes += each.bytes();
      status.segments += each.segment_count();
      status.unsealed += each.unsealed_count();
      if (const auto created = each.oldest()) {
        oldest = oldest ? std::min(*oldest, *created) : created;
      }
    });
    std::lock_guard lock(status_mutex_);
    status.state = state_;
    status.message = message_;
    status.free_bytes = free_bytes_;
    status.damaged = damaged_;
    if (oldest && clock_.now() - *oldest >= kRateNeeds && status.bytes > 0) {
      const double days = static_cast<double>((clock_.now() - *oldest).ns) / 86'400e9;
      const double room = static_cast<double>(free_bytes_) -
                          static_cast<double>(std::min(free_bytes_, options_.free_stop_bytes));
      status.days_until_full = room / (static_cast<double>(status.bytes) / days);
    }
    return status;
  }

  const Recovery& recovery() const override { return recovery_; }

 private:
  Result<Manifest> manifest_of_tape() {
    auto manifest = read_manifest(disk_, options_.directory);
    if (!manifest && manifest.error().code != ErrorCode::kNotFound) return manifest;
    if (!manifest) {
      const auto old = disk_.list(log_directory(options_.directory, PartitionId(0)));
      if (old && !old->empty()) {
        return fail(ErrorCode::kCorrupt,
                    fmt::format("tape: '{}' has segments and no file TAPE: 'tapedeck tape repair' "
                                "writes it anew",
                                options_.directory));
      }
      const Manifest fresh{.partitions = options_.partitions.value_or(1)};
      if (fresh.partitions == 0 || fresh.partitions > kPartitionsMax) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("tape: {} partitions: there can be 1 to {}", fresh.partitions,
                                kPartitionsMax));
      }
      TD_TRY(write_manifest(disk_, options_.directory, fresh));
      return fresh;
    }
    if (options_.partitions && *options_.partitions != manifest->partitions) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("tape: '{}' has {} partitions, {} were asked for: the number belongs "
                              "to the tape; leave it out, or choose another folder",
                              options_.directory, manifest->partitions, *options_.partitions));
    }
    return manifest;
  }

  std::unique_ptr<PartitionLog> log(PartitionId partition) {
    return std::make_unique<PartitionLog>(disk_, clock_, catalog_, options_, partition,
                                          log_directory(options_.directory, partition));
  }

  const PartitionLog& log_of(PartitionId partition) const {
    if (partition == kRawFrames) return *raw_;
    TD_CHECK(partition.value < logs_.size());
    return *logs_[partition.value];
  }

  void for_each_log(const std::function<void(const PartitionLog&)>& f) const {
    for (const auto& each : logs_) f(*each);
    f(*raw_);
  }

  // Each event to the partition of its series.
  void route(const Batch& batch) {
    std::vector<Batch> parts(logs_.size(), Batch{.kind = batch.kind});
    visit_events(batch, [&](const auto& events) {
      using Events = std::remove_cvref_t<decltype(events)>;
      using Event = typename Events::value_type;
      if constexpr (requires(const Event& event) { event.series; }) {
        for (const Event& event : events) {
          visit_events(parts[partition_of_series(event.series)], [&](auto& into) {
            if constexpr (std::is_same_v<decltype(into), Events&>) into.push_back(event);
          });
        }
      }
    });
    for (std::size_t p = 0; p < parts.size(); ++p) logs_[p]->append(std::move(parts[p]));
  }

  std::uint32_t partition_of_series(SeriesId series) {
    while (partition_of_.size() <= series.value) {
      const SeriesId next(static_cast<std::uint32_t>(partition_of_.size()));
      partition_of_.push_back(partition_of(catalog_.series(next).key, partitions()).value);
    }
    return partition_of_[series.value];
  }

  // Refuses to write where there is too little room; looks at most once a second.
  Status look_at_disk() {
    const Timestamp now = clock_.now();
    if (looked_at_ && !look_again_ && now - *looked_at_ < kLookAtDiskEvery) return {};
    TD_ASSIGN(const std::uint64_t free, noted(disk_.free_bytes(options_.directory)));
    looked_at_ = now;
    look_again_ = free < options_.free_stop_bytes;
    room_is_low_ = free < options_.free_warn_bytes;
    room_message_ = !room_is_low_
                        ? std::string()
                        : fmt::format(
                              "the disk of '{}' has {} MiB left; the tape stops "
                              "below {} MiB: make room",
                              options_.directory, free >> 20, options_.free_stop_bytes >> 20);
    {
      std::lock_guard lock(status_mutex_);
      free_bytes_ = free;
    }
    if (!look_again_) return {};
    return noted(Status(fail(
        ErrorCode::kNoSpace,
        fmt::format("the disk of '{}' has {} MiB left, less than the {} MiB below which the tape "
                    "stops: make room, and it goes on by itself",
                    options_.directory, free >> 20, options_.free_stop_bytes >> 20))));
  }

  // Passes a result on, and tells status() about it where it is a failure.
  template <class R>
  R noted(R result) {
    if (!result) {
      set_state(result.error().code == ErrorCode::kNoSpace ? TapeState::kDiskFull
                                                           : TapeState::kDiskFailing,
                result.error().message);
      result = R(std::unexpected(std::move(result.error()).within("tape")));
    }
    return result;
  }

  void set_state(TapeState state, std::string message) {
    std::lock_guard lock(status_mutex_);
    state_ = state;
    message_ = std::move(message);
  }

  Status seal_all(PartitionLog& each) {
    while (true) {
      TD_ASSIGN(const bool sealed, each.seal_next());
      if (!sealed) return {};
    }
  }

  // Reads back one segment; a round over all of them takes as long as it is allowed to.
  Result<bool> scrub() {
    if (clock_.now() < scrub_at_) return false;
    std::vector<std::string> found;
    {
      std::lock_guard lock(status_mutex_);
      found = damaged_;
    }
    PartitionLog& each = scrub_log_ < logs_.size() ? *logs_[scrub_log_] : *raw_;
    TD_ASSIGN(const bool looked, each.scrub_next(scrub_offset_, found));
    if (looked) {
      std::lock_guard lock(status_mutex_);
      damaged_ = std::move(found);
      return true;
    }
    scrub_offset_ = Offset();
    if (++scrub_log_ <= logs_.size()) return true;
    scrub_log_ = 0;
    scrub_at_ = clock_.now() + options_.scrub_every;
    return false;
  }

  Disk& disk_;
  const Clock& clock_;
  market::Catalog& catalog_;
  const EmbeddedTapeOptions options_;
  std::unique_ptr<DiskLock> lock_;
  Recovery recovery_;
  std::vector<std::unique_ptr<PartitionLog>> logs_;  // by partition
  std::unique_ptr<PartitionLog> raw_;

  // The writer's own.
  std::vector<std::uint32_t> partition_of_;  // by SeriesId
  std::optional<Timestamp> looked_at_;
  bool look_again_ = false;
  bool room_is_low_ = false;
  std::string room_message_;

  std::mutex maintain_mutex_;  // seal() may come beside maintain()
  Timestamp scrub_at_{};
  std::size_t scrub_log_ = 0;
  Offset scrub_offset_;

  mutable std::mutex status_mutex_;
  TapeState state_ = TapeState::kWriting;
  std::string message_;
  std::uint64_t free_bytes_ = 0;
  std::vector<std::string> damaged_;

  mutable std::mutex wait_mutex_;
  mutable std::condition_variable committed_;
};

class FolderView final : public TapeView {
 public:
  FolderView(Disk& disk, market::Catalog& catalog, std::string directory, Manifest manifest)
      : disk_(disk),
        catalog_(catalog),
        directory_(std::move(directory)),
        partitions_(manifest.partitions),
        raw_(disk, log_directory(directory_, kRawFrames)) {
    for (std::uint32_t p = 0; p < partitions_; ++p) {
      logs_.emplace_back(disk, log_directory(directory_, PartitionId(p)));
    }
  }

  std::uint32_t partitions() const override { return partitions_; }

  Offset first_offset(PartitionId partition) const override {
    const auto views = log_of(partition).all();
    return views && !views->empty() ? views->front().first : Offset();
  }

  Offset durable_end(PartitionId partition) const override {
    const auto views = log_of(partition).all();
    if (!views || views->empty()) return Offset();
    auto segment = OpenSegment::open(disk_, catalog_, views->back());
    if (!segment) return views->back().first;
    if ((*segment)->trailer()) return (*segment)->trailer()->end;
    Offset end = views->back().first;
    std::uint64_t position = kSegmentHeaderBytes;
    while (true) {
      const auto block = (*segment)->next_block(position);
      if (!block || !*block || !(*segment)->payload(**block)) return end;
      end = (*block)->header.end();
    }
  }

  Result<std::unique_ptr<TapeReader>> read(ReadRange range) const override {
    const FolderSegments& segments = log_of(range.partition);
    return std::make_unique<LogReader>(disk_, catalog_, segments, std::move(range), true);
  }

  bool wait(PartitionId partition, Offset offset, Duration max) const override {
    const SystemClock clock;
    const Duration until = clock.elapsed() + max;
    const auto watch = disk_.watch(log_directory(directory_, partition));
    while (true) {
      if (durable_end(partition) > offset) return true;
      const Duration left = until - clock.elapsed();
      if (!watch || left <= Duration{} || !(*watch)->wait(left)) return false;
    }
  }

  Status identities(const std::function<void(const IdentityRun&)>& visit) const override {
    for (const FolderSegments& each : logs_) {
      TD_ASSIGN(const auto views, each.all());
      for (const SegmentView& view : views) {
        TD_TRY(visit_identities(disk_, catalog_, view, visit, true));
      }
    }
    return {};
  }

 private:
  const FolderSegments& log_of(PartitionId partition) const {
    if (partition == kRawFrames) return raw_;
    TD_CHECK(partition.value < logs_.size());
    return logs_[partition.value];
  }

  Disk& disk_;
  market::Catalog& catalog_;
  const std::string directory_;
  const std::uint32_t partitions_;
  std::vector<FolderSegments> logs_;
  FolderSegments raw_;
};

}  // namespace

std::string_view loss_window(Fsync fsync) {
  switch (fsync) {
    case Fsync::kAlways:
    case Fsync::kGroup:
      return "nothing that was acknowledged, also when the power fails";
    case Fsync::kNever:
      return "nothing when the program dies; when the power fails, what the system had not written "
             "yet: on Linux about the last 30 seconds";
  }
  return "";
}

Result<Fsync> parse_fsync(std::string_view name) {
  if (name == "always") return Fsync::kAlways;
  if (name == "group") return Fsync::kGroup;
  if (name == "never") return Fsync::kNever;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("there is no fsync level '{}': use always, group or never", name));
}

Result<std::unique_ptr<Tape>> open_embedded_tape(Disk& disk, const Clock& clock,
                                                 market::Catalog& catalog,
                                                 EmbeddedTapeOptions options) {
  auto tape = std::make_unique<EmbeddedTape>(disk, clock, catalog, std::move(options));
  TD_TRY(tape->open());
  return tape;
}

Result<std::unique_ptr<TapeView>> open_embedded_view(Disk& disk, market::Catalog& catalog,
                                                     const std::string& directory) {
  auto manifest = read_manifest(disk, directory);
  if (!manifest && manifest.error().code == ErrorCode::kNotFound) {
    return fail(ErrorCode::kNotFound,
                fmt::format("'{}' is not the folder of a tape: it has no file TAPE", directory));
  }
  if (!manifest) return std::unexpected(manifest.error());
  return std::make_unique<FolderView>(disk, catalog, directory, *manifest);
}

}  // namespace tapedeck::tape::embedded
