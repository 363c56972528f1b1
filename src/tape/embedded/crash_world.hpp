// src/tape/embedded/crash_world.hpp: for tests: a tape on a disk that fails, lies and loses power,
// beside a model of what the tape must hold whatever happens.
// Whatever is wrong is told in words; an empty text means that nothing is.
// Thread: one.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/memory_disk.hpp"
#include "base/rng.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "tape/embedded/folder.hpp"
#include "tape/embedded/segment.hpp"

namespace tapedeck::tape::embedded {

// How often a random test plays: `usual`, or what the environment says (./dev check --full).
// Defined in crash_test.cpp.
std::uint64_t seeds_or(std::uint64_t usual);

// For how long a test with real threads runs.
inline Duration seconds_or(std::int64_t usual) {
  return seconds(seeds_or(1) > 1 ? 10 * usual : usual);
}

// An event is its kind and its number: all that is in it follows from them.
struct Event {
  market::StreamKind kind = market::StreamKind::kTrade;
  std::uint64_t number = 0;
};

// Makes events. Those of one kind mostly have one size, so that what an earlier life left on the
// disk can be taken for what a later one wrote, if anything can.
class Maker {
 public:
  explicit Maker(market::Catalog& catalog) : catalog_(catalog) {}

  static market::SeriesKey key(std::uint64_t number) {
    return {"v", "trade", fmt::format("S{}", number % 3 + number / 64 % 4)};
  }

  market::Batch batch(market::StreamKind kind, std::uint64_t from, std::uint64_t count) {
    market::Batch out{.kind = kind};
    for (std::uint64_t n = from; n < from + count; ++n) add(out, n);
    return out;
  }

 private:
  void add(market::Batch& out, std::uint64_t n) {
    const auto time = static_cast<std::int64_t>(n) * 1'000;
    const Timestamp ts_event{time};
    const Timestamp ts_recv{time + 500};
    const auto price = [&](std::uint64_t of) {
      return market::Decimal::make(static_cast<std::int64_t>(10'000 + n * of % 50), 2);
    };
    const market::Decimal one = market::Decimal::make(1, 0);
    const auto text = [&] { return fmt::format("{:08}{}", n, std::string(40, 'x')); };
    switch (out.kind) {
      case market::StreamKind::kTrade:
        out.trades.push_back({.series = series(n),
                              .ts_event = ts_event,
                              .ts_recv = ts_recv,
                              .price = price(7),
                              .size = one,
                              .identity = identity(n)});
        break;
      case market::StreamKind::kQuote:
        out.quotes.push_back({.series = series(n),
                              .ts_event = ts_event,
                              .ts_recv = ts_recv,
                              .bid = price(3),
                              .bid_size = one,
                              .ask = price(5),
                              .ask_size = one,
                              .identity = identity(n)});
        break;
      case market::StreamKind::kRecord:
        out.records.push_back({.series = series(n),
                               .ts_event = ts_event,
                               .ts_recv = ts_recv,
                               .identity = identity(n),
                               .body = text()});
        break;
      case market::StreamKind::kStatus:
        out.marks.push_back({.feed = "f", .state = market::FeedState::kLive, .ts_recv = ts_recv});
        break;
      default:
        out.frames.push_back({.ts_recv = ts_recv, .identity = identity(n), .body = text()});
    }
  }

  SeriesId series(std::uint64_t n) {
    const market::SeriesKey wanted = key(n);
    for (const auto& [known, id] : series_) {
      if (known == wanted) return id;
    }
    series_.emplace_back(wanted, catalog_.intern(market::Series{.key = wanted}));
    return series_.back().second;
  }
  market::Identity identity(std::uint64_t n) {
    if (n % 64 < 56) return {catalog_.intern(market::Origin{}), n, 0};
    return {catalog_.intern(market::Origin{.kind = market::OriginKind::kSession, .key = "s"}), n,
            n % 2};
  }

  market::Catalog& catalog_;
  std::vector<std::pair<market::SeriesKey, SeriesId>> series_;
};

// What one log must hold.
struct LogModel {
  std::vector<Event> events{};  // by offset: is there, or may be
  std::uint64_t promised = 0;   // so many of them are there for certain
  std::uint64_t droppable = 0;  // those before may be gone by retention
};

// The syncs of the tape, by what they are for. A disk that lies says yes to one of them and does
// nothing.
enum class Sync {
  kNone,
  kCommit,          // of the blocks of a commit
  kCommitIsLate,    // the same, done only with the next operation: acknowledged before the sync
  kRoll,            // fsync = never: of a segment before the next one begins
  kHeader,          // of a new segment's header
  kNewName,         // of the folder, after a segment was created
  kSealedFile,      // of the sealed copy, before it takes its place
  kSealedName,      // of the folder, after it has
  kDroppedName,     // of the folder, before retention removes the next segment
  kOpenedFile,      // of what is taken over while opening, a torn tail cut off or not
  kOpenedName,      // of the folder, while opening
  kHealedTruncate,  // of what a failed commit left
  kHealedName,      // of the folder, after a failure removed a segment
  kManifestFile,
  kManifestName,  // of the tape's folder, which holds it
};

inline std::string_view to_string(Sync sync) {
  constexpr std::string_view kNames[] = {
      "None",       "Commit",         "CommitIsLate", "Roll",         "Header",
      "NewName",    "SealedFile",     "SealedName",   "DroppedName",  "OpenedFile",
      "OpenedName", "HealedTruncate", "HealedName",   "ManifestFile", "ManifestName"};
  return kNames[static_cast<std::size_t>(sync)];
}

// A disk that says yes to one kind of sync and does nothing. Borrows the other disk.
class LyingDisk final : public Disk {
 public:
  LyingDisk(MemoryDisk& disk, Sync swallowed) : disk_(disk), swallowed_(swallowed) {}

  void set_opening(bool opening) { opening_ = opening; }
  std::uint64_t seen(Sync sync) const { return seen_[static_cast<std::size_t>(sync)]; }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    settle();
    TD_ASSIGN(auto file, disk_.open(path, mode));
    if (mode == OpenMode::kCreate) last_change_ = Change::kCreated;
    return std::make_unique<LyingFile>(*this, std::move(file), path, mode == OpenMode::kCreate);
  }
  Result<std::unique_ptr<SharedFile>> open_shared(const std::string& path,
                                                  ShareMode mode) override {
    return disk_.open_shared(path, mode);
  }
  Result<std::vector<std::string>> list(const std::string& directory) const override {
    return disk_.list(directory);
  }
  Status create_directories(const std::string& directory) override {
    return disk_.create_directories(directory);
  }
  Status rename(const std::string& from, const std::string& to) override {
    settle();
    last_change_ = Change::kSealed;
    return disk_.rename(from, to);
  }
  Status remove(const std::string& path) override {
    settle();
    TD_TRY(disk_.remove(path));
    if (path.ends_with(".tape")) last_change_ = Change::kRemoved;
    return {};
  }
  Status remove_all(const std::string& directory) override { return disk_.remove_all(directory); }
  Status sync_directory(const std::string& directory) override {
    settle();
    Sync sync = Sync::kNewName;
    if (directory == "tape") {
      sync = Sync::kManifestName;
    } else if (opening_) {
      sync = Sync::kOpenedName;
    } else if (maintaining_) {
      sync = last_change_ == Change::kSealed ? Sync::kSealedName : Sync::kDroppedName;
    } else if (last_change_ == Change::kSealed) {
      sync = Sync::kSealedName;  // by seal()
    } else if (last_change_ == Change::kRemoved) {
      sync = Sync::kHealedName;
    }
    last_change_ = Change::kNone;
    return swallow(sync) ? Status() : disk_.sync_directory(directory);
  }
  Result<std::unique_ptr<DiskLock>> lock(const std::string& path) override {
    return disk_.lock(path);
  }
  Result<std::uint64_t> free_bytes(const std::string& directory) const override {
    return disk_.free_bytes(directory);
  }
  Result<std::unique_ptr<DiskWatch>> watch(const std::string& directory) override {
    return disk_.watch(directory);
  }

  void set_maintaining(bool maintaining) { maintaining_ = maintaining; }

 private:
  enum class Change { kNone, kCreated, kSealed, kRemoved };

  class LyingFile final : public File {
   public:
    LyingFile(LyingDisk& disk, std::unique_ptr<File> file, std::string path, bool is_new)
        : disk_(disk), file_(std::move(file)), path_(std::move(path)), is_new_(is_new) {}
    ~LyingFile() override { disk_.settle(); }

    Status append(std::string_view bytes) override {
      disk_.settle();
      truncated_ = false;
      return file_->append(bytes);
    }
    Result<std::size_t> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
      return file_->read_at(offset, out, count);
    }
    Result<std::uint64_t> size() const override { return file_->size(); }
    Status truncate(std::uint64_t size) override {
      disk_.settle();
      truncated_ = true;
      return file_->truncate(size);
    }
    Status sync() override {
      disk_.settle();
      const Sync sync = purpose();
      is_new_ = truncated_ = false;
      if (!disk_.swallow(sync)) return file_->sync();
      if (disk_.swallowed_ == Sync::kCommitIsLate) disk_.late_ = file_.get();
      return {};
    }

   private:
    Sync purpose() const {
      if (path_.ends_with(kSealingSuffix)) return Sync::kSealedFile;
      if (!path_.ends_with(".tape")) return Sync::kManifestFile;
      if (disk_.opening_) return Sync::kOpenedFile;
      if (truncated_) return Sync::kHealedTruncate;
      if (is_new_) return Sync::kHeader;
      return disk_.never_ ? Sync::kRoll : Sync::kCommit;
    }

    LyingDisk& disk_;
    const std::unique_ptr<File> file_;
    const std::string path_;
    bool is_new_;
    bool truncated_ = false;
  };

  bool swallow(Sync sync) {
    ++seen_[static_cast<std::size_t>(sync)];
    return sync == swallowed_ || (sync == Sync::kCommit && swallowed_ == Sync::kCommitIsLate);
  }
  void settle() {
    if (File* late = std::exchange(late_, nullptr)) std::ignore = late->sync();
  }

  MemoryDisk& disk_;
  const Sync swallowed_;
  bool opening_ = false;
  bool maintaining_ = false;
  bool never_ = false;
  File* late_ = nullptr;
  Change last_change_ = Change::kNone;
  std::uint64_t seen_[static_cast<std::size_t>(Sync::kManifestName) + 1] = {};

 public:
  void set_never(bool never) { never_ = never; }
};

// What befalls the operations of a disk. A fault for MemoryDisk::set_fault.
struct Trouble {
  std::uint64_t cut_at = 0;      // with this operation the power or the process is gone; 0: never
  std::uint64_t fail_at = 0;     // these operations fail: from here,
  std::uint64_t fail_count = 0;  // so many,
  std::string only{};            // of this name alone; empty: any
  std::uint64_t one_in = 0;      // and by chance each n-th
  ErrorCode code = ErrorCode::kIo;
  std::optional<double> part{};   // see MemoryDisk::Outcome; nothing: by chance
  bool whole_operations = false;  // what fails has done nothing

  // What a sync that fails was to write is lost for good, though it can still be read. The tape
  // writes it again, where it has it: not what an earlier life left, which cannot know of it, and
  // not with fsync = never.
  bool syncs_lose = true;

  Rng rng{0};
  std::uint64_t seen = 0;      // operations so far
  std::uint64_t failures = 0;  // told so far
  std::string failed{};        // the last one
  bool gone = false;

  MemoryDisk::Outcome operator()(std::string_view operation, const std::string& path) {
    if (gone) return Status(fail(ErrorCode::kIo, "nobody is there"));
    if (!only.empty() && operation != only) return Status();
    ++seen;
    if (seen == cut_at) gone = true;
    const bool due = fail_at != 0 && seen >= fail_at && seen - fail_at < fail_count;
    const bool fails = gone || due || (one_in != 0 && rng.below(one_in) == 0);
    if (!fails) return Status();
    ++failures;
    failed = fmt::format("{} '{}' (operation {})", operation, path, seen);
    Error error{code, fmt::format("cannot {} '{}': told to fail", operation, path)};
    if (whole_operations) return Status(std::unexpected(std::move(error)));
    // Half of an append is there. A sync has thrown away what it was to write.
    if (operation == "append" || (operation == "sync" && !gone && syncs_lose)) {
      if (part) return {std::move(error), *part};
      if (rng.below(2) == 0) return {std::move(error), rng.unit()};
    }
    return Status(std::unexpected(std::move(error)));
  }
};

// A disk, the process that writes a tape on it, and what the tape must hold.
class World {
 public:
  explicit World(std::uint64_t seed = 0, Fsync fsync = Fsync::kGroup, Sync swallowed = Sync::kNone)
      : rng_(seed), swallowed_(swallowed), disk_(std::make_unique<MemoryDisk>()) {
    options.directory = "tape";
    options.partitions = 2;
    options.fsync = fsync;
    options.segment_bytes_max = 700;
    options.retention.bytes = 2'000;
    options.raw_retention.age = seconds(60);
    options.scrub_every = seconds(70);
    logs.resize(*options.partitions + 1);
  }
  ~World() { die(); }

  EmbeddedTapeOptions options{};
  std::vector<LogModel> logs{};  // partitions, then raw frames
  bool syncs_may_lose = true;    // see Trouble
  Trouble trouble{};
  ManualClock clock{Timestamp{1'000'000'000'000}};

  MemoryDisk& disk() { return *disk_; }
  LyingDisk& lying() { return *lying_; }
  Tape& tape() { return *tape_; }
  bool is_open() const { return tape_ != nullptr; }
  Maker& maker() { return *maker_; }
  market::Catalog& catalog() { return *catalog_; }
  std::uint64_t appended() const { return next_number_; }

  // Begins a life: opens the tape, and checks that it holds what it must. Tries again where the
  // disk was told to fail.
  std::string open() {
    disk_->set_fault(std::ref(trouble));
    for (int tries = 0; tries < 20; ++tries) {
      if (tries == 10) trouble.one_in = 0;  // it would seldom get through
      catalog_ = std::make_unique<market::Catalog>();
      maker_ = std::make_unique<Maker>(*catalog_);
      lying_ = std::make_unique<LyingDisk>(*disk_, swallowed_);
      lying_->set_opening(true);
      trouble.syncs_lose = false;
      lying_->set_never(options.fsync == Fsync::kNever);
      const std::uint64_t failures = trouble.failures;
      auto opened = open_embedded_tape(*lying_, clock, *catalog_, options);
      lying_->set_opening(false);
      trouble.syncs_lose = syncs_may_lose && options.fsync != Fsync::kNever;
      if (!opened) {
        if (trouble.gone) return {};
        if (const std::string why = unexplained(opened.error(), failures); !why.empty()) {
          return "opening: " + why;
        }
        continue;
      }
      tape_ = *std::move(opened);
      if (const std::string why = check(*tape_, *maker_, *catalog_, false); !why.empty()) {
        return "after opening: " + why;
      }
      // What the tape says is durable is durable from here on.
      for (std::size_t i = 0; i < logs.size() && !trouble.gone; ++i) {
        const std::uint64_t end = tape_->durable_end(partition(i)).value;
        logs[i].events.resize(end);
        logs[i].promised = end;
      }
      return {};
    }
    return trouble.fail_count > 20 ? std::string() : "opening: it fails without end";
  }

  std::string append(market::StreamKind kind, std::uint64_t count) {
    const std::uint64_t from = std::exchange(next_number_, next_number_ + count);
    if (Status s = tape_->append(maker_->batch(kind, from, count)); !s) {
      return "append: " + s.error().message;
    }
    for (std::uint64_t n = from; n < from + count; ++n) {
      for (std::size_t i = 0; i < logs.size(); ++i) {
        if (belongs(kind, n, i)) logs[i].events.push_back({kind, n});
      }
    }
    return {};
  }

  std::string commit() {
    const std::uint64_t failures = trouble.failures;
    const Status committed = tape_->commit();
    if (trouble.gone && !committed) return take_promises();
    if (const std::string why = take_promises(); !why.empty()) return "commit: " + why;
    const TapeStatus status = tape_->status();
    if (!committed) {
      if (const std::string why = unexplained(committed.error(), failures); !why.empty()) {
        return "commit: " + why;
      }
      if (status.state != TapeState::kDiskFailing && status.state != TapeState::kDiskFull) {
        return "commit failed, and status() says that all is well";
      }
      if (status.message.empty()) return "commit failed, and status() does not say why";
      return {};
    }
    for (const LogModel& log : logs) {
      if (log.promised != log.events.size()) return "commit: it left something out";
    }
    if (status.state != TapeState::kWriting || !status.message.empty()) {
      return "commit succeeded, and status() says: " + status.message;
    }
    return {};
  }

  // `behind`: how much of what is durable retention must keep.
  std::string maintain(std::uint64_t behind) {
    std::vector<Offset> keep_from;
    for (std::size_t i = 0; i + 1 < logs.size(); ++i) {
      const std::uint64_t from = logs[i].promised - std::min(logs[i].promised, behind);
      keep_from.push_back(Offset(from));
      logs[i].droppable = std::max(logs[i].droppable, from);
    }
    logs.back().droppable = ~std::uint64_t{};
    const std::uint64_t failures = trouble.failures;
    lying_->set_maintaining(true);
    const auto more = tape_->maintain(keep_from);
    lying_->set_maintaining(false);
    if (!more) {
      const std::string why = unexplained(more.error(), failures);
      if (!why.empty()) return "maintain: " + why;
    }
    const auto damaged = tape_->status().damaged;
    return damaged.empty() ? std::string() : "the scrub found damage: " + damaged.front();
  }

  std::string seal() {
    const std::uint64_t failures = trouble.failures;
    const Status sealed = tape_->seal();
    if (const std::string why = take_promises(); !why.empty()) return "seal: " + why;
    const std::string why = sealed ? "" : unexplained(sealed.error(), failures);
    return why.empty() ? why : "seal: " + why;
  }

  // What the tape now says is durable is promised from here on.
  std::string take_promises() {
    for (std::size_t i = 0; i < logs.size(); ++i) {
      const std::uint64_t end = tape_->durable_end(partition(i)).value;
      if (end < logs[i].promised) return "the durable end goes back";
      if (end > logs[i].events.size()) return "the durable end is beyond what was appended";
      logs[i].promised = end;
    }
    return {};
  }

  std::string look() { return check(*tape_, *maker_, *catalog_, true); }

  // What another process sees that reads beside this one, or after it.
  std::string look_from_outside() {
    market::Catalog catalog;
    Maker maker(catalog);
    auto view = open_embedded_view(*disk_, catalog, options.directory);
    if (!view) return trouble.gone ? "" : "from outside: " + view.error().message;
    const std::string why = check(**view, maker, catalog, is_open());
    return why.empty() ? why : "from outside: " + why;
  }

  // The process ends, as it stands; what it wrote stays.
  void die() {
    disk_->set_fault({});
    tape_.reset();
    lying_.reset();
  }
  void cut_power() {
    disk_->set_fault({});
    auto left = disk_->after_power_cut(rng_);
    die();
    disk_ = std::move(left);
    if (options.fsync != Fsync::kNever) return;
    for (LogModel& log : logs) log.promised = 0;  // whatever is left is in order
  }
  // A disk like this one. Only between lives.
  std::unique_ptr<MemoryDisk> swap_disk(std::unique_ptr<MemoryDisk> other) {
    die();
    return std::exchange(disk_, std::move(other));
  }

  // Opens without trouble, checks, goes on, and checks again: here, from outside, and once more.
  std::string survives() {
    trouble = {};
    for (int life = 0; life < 2; ++life) {
      if (std::string why = open(); !why.empty()) return why;
      for (const auto kind : {market::StreamKind::kTrade, market::StreamKind::kStatus,
                              market::StreamKind::kRawFrame}) {
        if (std::string why = append(kind, 4); !why.empty()) return why;
      }
      if (std::string why = commit(); !why.empty()) return why;
      if (std::string why = look(); !why.empty()) return why;
      if (std::string why = look_from_outside(); !why.empty()) return why;
      die();
    }
    return {};
  }

  // Plays `step` until it is over or something is wrong.
  template <class Step>
  std::string play(int steps, Step&& step) {
    for (int i = 0; i < steps && is_open() && !trouble.gone; ++i) {
      if (std::string why = step(i); !why.empty()) return fmt::format("step {}: {}", i, why);
    }
    return {};
  }

  // A short session in which everything happens: segments roll, are sealed, dropped and scrubbed.
  std::string short_session() {
    return play(14, [&](int i) { return session_step(i); });
  }
  std::string session_step(int i) {
    clock.advance(seconds(20));
    std::string why = append(market::StreamKind::kTrade, 9);
    if (why.empty() && i % 2 == 0) why = append(market::StreamKind::kStatus, 1);
    if (why.empty() && i % 3 == 0) why = append(market::StreamKind::kQuote, 4);
    if (why.empty() && i % 2 == 1) why = append(market::StreamKind::kRawFrame, 3);
    if (why.empty()) why = commit();
    if (why.empty() && i == 6 && !trouble.gone) why = seal();
    for (int n = 0; n < 2 && why.empty() && !trouble.gone; ++n) why = maintain(12);
    if (why.empty() && i % 5 == 4 && !trouble.gone) why = look();
    return why;
  }

  // The same, whatever comes.
  std::string random_step() {
    clock.advance(seconds(static_cast<std::int64_t>(rng_.below(40))));
    constexpr market::StreamKind kKinds[] = {
        market::StreamKind::kTrade,  market::StreamKind::kTrade,  market::StreamKind::kQuote,
        market::StreamKind::kRecord, market::StreamKind::kStatus, market::StreamKind::kRawFrame};
    const std::uint64_t what = rng_.below(20);
    if (what < 13) {
      // Often of one size, see Maker.
      for (std::uint64_t batches = 1 + rng_.below(3); batches > 0; --batches) {
        const auto kind = kKinds[rng_.below(std::size(kKinds))];
        const std::uint64_t count = rng_.below(2) == 0 ? 4 : 1 + rng_.below(20);
        if (std::string why = append(kind, count); !why.empty()) return why;
      }
      return rng_.below(8) == 0 ? std::string() : commit();
    }
    if (what < 17) return maintain(rng_.below(60));
    if (what == 17) return seal();
    return rng_.below(3) == 0 && trouble.one_in == 0 ? look_from_outside_if_whole() : look();
  }

  // Several lives, each ended by a power cut or the death of the process. Disks fail meanwhile.
  std::string random_lives() {
    for (std::uint64_t lives = 2 + rng_.below(6); lives > 0; --lives) {
      const bool cuts = rng_.below(3) != 0;
      syncs_may_lose = cuts;
      trouble = {};
      trouble.rng = Rng(rng_.next());
      trouble.code = rng_.below(2) == 0 ? ErrorCode::kIo : ErrorCode::kNoSpace;
      if (rng_.below(3) == 0) trouble.one_in = 10 + rng_.below(100);
      // Some end while they are still being opened.
      if (rng_.below(6) != 0) trouble.cut_at = 1 + rng_.below(rng_.below(3) == 0 ? 40 : 600);
      if (std::string why = open(); !why.empty()) return why;
      if (std::string why = play(60, [&](int) { return random_step(); }); !why.empty()) {
        return why;
      }
      cuts ? cut_power() : die();
    }
    return survives();
  }

 private:
  PartitionId partition(std::size_t log) const {
    return log + 1 == logs.size() ? kRawFrames : PartitionId(static_cast<std::uint32_t>(log));
  }
  bool belongs(market::StreamKind kind, std::uint64_t number, std::size_t log) const {
    const bool raw = log + 1 == logs.size();
    if (kind == market::StreamKind::kRawFrame) return raw;
    if (raw || kind == market::StreamKind::kStatus) return !raw;
    return partition_of(Maker::key(number), *options.partitions).value == log;
  }

  // A view from outside reads what is on the disk, which is all that is acknowledged only if no
  // commit has failed.
  std::string look_from_outside_if_whole() {
    for (const LogModel& log : logs) {
      if (log.promised != log.events.size()) return {};
    }
    return look_from_outside();
  }

  // Empty where the disk was told to fail since, and the error says so.
  std::string unexplained(const Error& error, std::uint64_t failures_before) const {
    if (trouble.gone) return {};
    if (trouble.failures == failures_before) return error.message;
    if (error.code == trouble.code) return {};
    return fmt::format("after {} failed: the wrong error, {}: {}", trouble.failed,
                       tapedeck::to_string(error.code), error.message);
  }

  std::string check(const TapeView& view, Maker& maker, market::Catalog&, bool exact) {
    std::set<IdentityKey> identities;
    for (std::size_t i = 0; i < logs.size(); ++i) {
      const std::string why = check_log(view, maker, i, exact, identities);
      if (!why.empty()) return fmt::format("{}: {}", log_name(partition(i)), why);
      if (trouble.gone) return {};
    }
    return check_identities(view, identities);
  }

  using IdentityKey = std::tuple<market::StreamKind, std::uint32_t, std::uint32_t, std::uint64_t,
                                 std::uint64_t>;  // kind, series, origin, position, seq

  std::string check_log(const TapeView& view, Maker& maker, std::size_t index, bool exact,
                        std::set<IdentityKey>& identities) {
    const LogModel& log = logs[index];
    const Offset first = view.first_offset(partition(index));
    const Offset end = view.durable_end(partition(index));
    if (trouble.gone) return {};
    if (end.value < log.promised) {
      return fmt::format("{} events were acknowledged, {} are there", log.promised, end.value);
    }
    if (end.value > log.events.size() || (exact && end.value != log.promised)) {
      return fmt::format("{} events are there, {} were appended, {} acknowledged", end.value,
                         log.events.size(), log.promised);
    }
    if (first.value > log.droppable || first > end) {
      return fmt::format("it begins at {} of {}; retention may go to {}", first.value, end.value,
                         log.droppable);
    }
    auto reader = view.read({.partition = partition(index), .first = first});
    if (!reader) return reader.error().message;
    Offset next = first;
    for (int tries = 0; tries < 1'000;) {
      const std::uint64_t failures = trouble.failures;
      auto batch = (*reader)->next();
      if (trouble.gone) return {};
      if (!batch) {
        if (std::string why = unexplained(batch.error(), failures); !why.empty()) {
          return "reading: " + why;
        }
        ++tries;  // the same reader goes on where it was
        continue;
      }
      if (!*batch) break;
      if ((*batch)->first != next) {
        return fmt::format("offset {} follows {}", (*batch)->first.value, next.value);
      }
      if ((*batch)->end() > end) return fmt::format("there is more after the end {}", end.value);
      for (std::size_t i = 0; i < (*batch)->size(); ++i) {
        const Event& event = log.events[next.value + i];
        if (!same(**batch, i, maker.batch(event.kind, event.number, 1), identities)) {
          return fmt::format("offset {} does not hold event {}", next.value + i, event.number);
        }
      }
      next = (*batch)->end();
    }
    if (next != end && trouble.failures == 0) {
      return fmt::format("only offsets before {} of {} can be read", next.value, end.value);
    }
    return {};
  }

  static bool same(const market::Batch& found, std::size_t at, const market::Batch& wanted,
                   std::set<IdentityKey>& identities) {
    bool is_same = found.kind == wanted.kind;
    visit_events(found, [&](const auto& events) {
      visit_events(wanted, [&](const auto& one) {
        if constexpr (std::is_same_v<decltype(events), decltype(one)>) {
          is_same = is_same && events[at] == one.front();
        }
      });
      using Found = typename std::remove_cvref_t<decltype(events)>::value_type;
      if constexpr (requires(const Found& event) { event.series; }) {
        const auto& event = events[at];
        identities.emplace(found.kind, event.series.value, event.identity.origin.value,
                           event.identity.position, event.identity.seq);
      }
    });
    return is_same;
  }

  std::string check_identities(const TapeView& view, const std::set<IdentityKey>& wanted) {
    std::set<IdentityKey> found;
    for (int tries = 0; tries < 1'000; ++tries) {
      const std::uint64_t failures = trouble.failures;
      const Status visited = view.identities([&](const IdentityRun& run) {
        for (std::uint64_t seq = run.first; seq <= run.last; ++seq) {
          found.emplace(run.kind, run.series.value, run.origin.value, run.position, seq);
        }
      });
      if (trouble.gone) return {};
      if (visited) {
        return found == wanted
                   ? std::string()
                   : fmt::format("{} identities for {} events", found.size(), wanted.size());
      }
      if (std::string why = unexplained(visited.error(), failures); !why.empty()) {
        return "identities: " + why;
      }
    }
    return {};
  }

  Rng rng_;
  const Sync swallowed_;
  std::unique_ptr<MemoryDisk> disk_;
  std::unique_ptr<market::Catalog> catalog_;
  std::unique_ptr<Maker> maker_;
  std::unique_ptr<LyingDisk> lying_;
  std::unique_ptr<Tape> tape_;
  std::uint64_t next_number_ = 1;
};

}  // namespace tapedeck::tape::embedded
