// The embedded store on a disk that loses power, fails, is full, lies and is damaged. A session of
// writes is played; what is found afterwards must be what some first part of it had made.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/memory_disk.hpp"
#include "base/rng.hpp"
#include "store/embedded/sqlite_store.hpp"

namespace tapedeck::store::embedded {
namespace {

using testing::HasSubstr;

constexpr const char* kFolder = "d";
constexpr const char* kPath = "d/store";

// How often a random test plays: `usual`, or what the environment says (./dev check --full).
std::uint64_t seeds_or(std::uint64_t usual) {
  const char* const wanted = std::getenv("TAPEDECK_CRASH_SEEDS");
  return wanted == nullptr ? usual : std::strtoull(wanted, nullptr, 10);
}

// ---- The session

constexpr std::size_t kSteps = 15;
constexpr bool syncs_after(std::size_t step) { return step % 4 == 2; }

market::SeriesKey series(std::size_t n) { return {"v", "trade", fmt::format("S{}", n % 3)}; }
Timestamp minute(std::size_t n) { return Timestamp{} + minutes(static_cast<std::int64_t>(n)); }

BarResult bar(std::size_t step, std::size_t of, std::uint32_t revision) {
  BarResult result;
  result.row.series = series(of);
  result.row.bar.ts_open = minute(of);
  result.row.bar.close = market::Decimal::make(static_cast<std::int64_t>(100 + step), 2);
  result.row.bar.trades = step;
  result.row.bar.revision = revision;
  result.row.bar.ts_known = minute(step);
  // Some are longer than a page.
  result.state = std::string(step % 3 == 0 ? 5'000 : 20, static_cast<char>('a' + step));
  return result;
}

Status play(Store& store, std::size_t step) {
  if (step == 9) return store.clear();
  std::vector<BarResult> bars{bar(step, step, 0), bar(step, step / 2, 0)};
  if (step % 2 == 1) bars.push_back(bar(step, 1, static_cast<std::uint32_t>(step)));
  const MeanRow mean{.series = series(step), .ts_tick = minute(step), .trades = step};
  return store.write(bars, {{mean}},
                     {.partition = PartitionId(static_cast<std::uint32_t>(step % 2)),
                      .applied = Offset(step + 1),
                      .changed = {{"always", std::to_string(step)},
                                  {fmt::format("key{}", step % 5), std::string(step % 3, 'v')}}});
}

// All that can be read, as text.
Result<std::string> dump(const Store& store) {
  std::string text;
  for (const std::uint32_t partition : {0u, 1u}) {
    TD_ASSIGN(const auto checkpoint, store.checkpoint(PartitionId(partition)));
    text += fmt::format("{}:", checkpoint.applied.value);
    for (const auto& [key, value] : checkpoint.changed) text += fmt::format("{}={};", key, value);
  }
  const auto add = [&](const market::Bar& bar) {
    text += fmt::format(" {}/{}/{}/{}", bar.ts_open.ns / minutes(1).ns, bar.revision, bar.trades,
                        market::to_string(*bar.close));
  };
  for (std::size_t n = 0; n < 3; ++n) {
    text += fmt::format("\n{}", n);
    TD_ASSIGN(const auto bars, store.bars({.series = series(n), .spec = {}}));
    for (const market::Bar& one : bars) {
      TD_ASSIGN(const auto found, store.find(series(n), {}, one.ts_open));
      if (!found || found->row.bar != one) return fail(ErrorCode::kIo, "find and bars differ");
      add(one);
      text += fmt::format("+{}x{}", found->state.substr(0, 1), found->state.size());
    }
    text += " revisions";
    TD_ASSIGN(const auto revisions, store.revisions(series(n), {}, minute(1)));
    for (const market::Bar& one : revisions) add(one);
    text += " means";
    TD_ASSIGN(const auto means, store.means(series(n), {}, {}, {}, 100));
    for (const MeanRow& one : means) text += fmt::format(" {}", one.trades);
  }
  return text;
}

// What the store holds after so many steps.
const std::vector<std::string>& expected() {
  static const std::vector<std::string> dumps = [] {
    MemoryDisk disk;
    EXPECT_TRUE(disk.create_directories(kFolder));
    const auto store = open_sqlite_store(disk, kPath).value();
    std::vector<std::string> found{dump(*store).value()};
    for (std::size_t step = 0; step < kSteps; ++step) {
      EXPECT_TRUE(play(*store, step));
      found.push_back(dump(*store).value());
    }
    EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), found.size() - 1)
        << "only clear() makes what was there before";
    return found;
  }();
  return dumps;
}

// A disk that says yes to the syncs of some files and does nothing. Borrows the other.
class LyingDisk final : public Disk {
 public:
  // `swallowed`: how the path ends; a folder's is "/".
  LyingDisk(Disk& disk, std::string swallowed) : disk_(disk), swallowed_(std::move(swallowed)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    return disk_.open(path, mode);
  }
  Result<std::unique_ptr<SharedFile>> open_shared(const std::string& path,
                                                  ShareMode mode) override {
    TD_ASSIGN(auto file, disk_.open_shared(path, mode));
    return std::make_unique<LyingFile>(std::move(file), swallows(path));
  }
  Result<std::vector<std::string>> list(const std::string& directory) const override {
    return disk_.list(directory);
  }
  Status create_directories(const std::string& directory) override {
    return disk_.create_directories(directory);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }
  Status remove(const std::string& path) override { return disk_.remove(path); }
  Status remove_all(const std::string& directory) override { return disk_.remove_all(directory); }
  Status sync_directory(const std::string& directory) override {
    return swallows(directory + "/") ? Status() : disk_.sync_directory(directory);
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

 private:
  class LyingFile final : public SharedFile {
   public:
    LyingFile(std::unique_ptr<SharedFile> file, bool lies) : file_(std::move(file)), lies_(lies) {}
    Result<std::size_t> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
      return file_->read_at(offset, out, count);
    }
    Result<std::uint64_t> size() const override { return file_->size(); }
    Status truncate(std::uint64_t size) override { return file_->truncate(size); }
    Status sync() override { return lies_ ? Status() : file_->sync(); }
    Status write_at(std::uint64_t offset, std::string_view bytes) override {
      return file_->write_at(offset, bytes);
    }
    Result<bool> lock(std::uint64_t offset, std::uint64_t count, Lock lock) override {
      return file_->lock(offset, count, lock);
    }
    Result<char*> map(std::uint64_t offset, std::size_t count) override {
      return file_->map(offset, count);
    }

   private:
    std::unique_ptr<SharedFile> file_;
    bool lies_;
  };

  bool swallows(const std::string& path) const {
    return !swallowed_.empty() && path.ends_with(swallowed_);
  }

  Disk& disk_;
  const std::string swallowed_;
};

// Plays the session until it is over or the disk is gone. What is wrong is told in words.
struct Life {
  explicit Life(std::uint64_t seed = 0, std::string swallowed = {})
      : rng(seed), lying(disk, std::move(swallowed)) {
    // The same writes each time.
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 1, nullptr);
    EXPECT_TRUE(disk.create_directories(kFolder));
    EXPECT_TRUE(disk.sync_directory(kFolder));
  }

  // With the so-many-th change of the disk, all it does fails.
  void cut_at(std::uint64_t change) {
    disk.set_fault([this, change](std::string_view operation, const std::string&) -> Status {
      static const std::set<std::string_view> changing{
          "open", "write", "truncate", "sync", "remove", "sync_directory", "rename"};
      if (changing.contains(operation)) ++changes;
      gone = gone || changes >= change;
      return gone ? fail(ErrorCode::kIo, "the power is gone") : Status();
    });
  }

  std::string open() {
    auto opened = open_sqlite_store(lying, kPath, milliseconds(1));
    if (!opened) return opened.error().message;
    store = *std::move(opened);
    return {};
  }

  void play_until_gone() {
    if (!open().empty()) return;
    for (std::size_t step = 0; step < kSteps; ++step) {
      attempted = step + 1;
      if (!play(*store, step)) return;
      done = step + 1;
      if (!syncs_after(step)) continue;
      if (!store->sync()) return;
      synced = step + 1;
    }
  }

  // Cuts the power, and looks at what is left.
  std::string check_after_cut() {
    const auto left = disk.after_power_cut(rng);
    auto opened = open_sqlite_store(*left, kPath, milliseconds(1));
    if (!opened) return "opening: " + opened.error().message;
    const auto found = dump(**opened);
    if (!found) return "reading: " + found.error().message;
    // Of what was cleared, the same may be there as before.
    bool is_known = false;
    for (std::size_t step = synced; step <= attempted; ++step) {
      if (*found != expected()[step]) continue;
      is_known = true;
      if (step == kSteps || (step == 0 && synced == 0 && attempted > 9)) break;
      // And it goes on.
      if (const Status next = play(**opened, step); !next) return next.error().message;
      if (dump(**opened) != expected()[step + 1]) return "what is written next is not all there";
      break;
    }
    if (is_known) return {};
    return fmt::format("after {} steps, {} of them synced, there is\n{}", attempted, synced,
                       *found);
  }

  MemoryDisk disk;
  Rng rng;
  LyingDisk lying;
  std::unique_ptr<Store> store;
  std::uint64_t changes = 0;
  bool gone = false;
  std::size_t attempted = 0;
  std::size_t done = 0;
  std::size_t synced = 0;
};

// Cuts the power at each `stride`th change of the disk. Returns what was wrong, the first of it.
std::string cut_everywhere(const std::string& swallowed, std::uint64_t stride,
                           std::uint64_t seeds) {
  for (std::uint64_t change = 1;; change += stride) {
    Life life(change, swallowed);
    life.cut_at(change);
    life.play_until_gone();
    const bool is_over = !life.gone;
    life.disk.set_fault({});
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      std::string why = life.check_after_cut();
      if (!why.empty()) return fmt::format("cut at change {}, seed {}: {}", change, seed, why);
    }
    life.disk.set_fault([](std::string_view, const std::string&) -> Status {
      return fail(ErrorCode::kIo, "the power is gone");
    });
    life.store.reset();
    if (is_over) return change > 200 ? "" : "the session is too short to prove anything";
  }
}

TEST(StoreCrash, ThePowerGoesAtEachChange) {
  EXPECT_EQ(cut_everywhere("", 1, std::min<std::uint64_t>(seeds_or(1), 50)), "");
}

// The test above must notice where a sync is missing.
TEST(StoreCrash, EachSyncIsNeeded) {
  for (const std::string swallowed : {"-wal", "/store", "d/"}) {
    EXPECT_NE(cut_everywhere(swallowed, 7, 8), "") << swallowed;
  }
}

// 1 where all is played (./dev check --full).
std::uint64_t stride(std::uint64_t usual) { return seeds_or(1) > 1 ? 1 : usual; }

// Whatever fails, the call says so and has done nothing; the next one goes on.
// Each `stride`th operation.
std::string fail_everywhere(ErrorCode code, std::optional<double> part, std::uint64_t stride,
                            std::uint64_t& count) {
  for (std::uint64_t fail_at = 1;; fail_at += stride) {
    const auto wrong = [&](std::string_view what, std::string_view why) {
      return fmt::format("operation {}: {}: {}", fail_at, what, why);
    };
    Life life;
    FaultSchedule fault{.fail_at = fail_at, .code = code, .part = part};
    life.disk.set_fault(std::ref(fault));
    bool told = false;
    const auto explained = [&](const Error& error) {
      const bool is_first = !std::exchange(told, true);
      return is_first && fault.seen >= fail_at && error.code == code &&
             error.message.find("told to fail") != std::string::npos;
    };
    auto opened = open_sqlite_store(life.disk, kPath, milliseconds(1));
    if (!opened) {
      if (!explained(opened.error())) return wrong("open", opened.error().message);
      opened = open_sqlite_store(life.disk, kPath, milliseconds(1));
      if (!opened) return wrong("open again", opened.error().message);
    }
    Store& store = **opened;
    for (std::size_t step = 0; step < kSteps; ++step) {
      if (const Status played = play(store, step); !played) {
        if (!explained(played.error())) return wrong("write", played.error().message);
        const auto now = dump(store);
        if (!now || *now != expected()[step]) return wrong("a failed write", "has done something");
        if (const Status again = play(store, step); !again) {
          return wrong("write again", again.error().message);
        }
      }
      auto found = dump(store);
      if (!found) {
        if (!explained(found.error())) return wrong("read", found.error().message);
        found = dump(store);
      }
      if (!found || *found != expected()[step + 1]) return wrong("read", "something else");
      if (!syncs_after(step)) continue;
      if (const Status synced = store.sync(); !synced) {
        if (!explained(synced.error())) return wrong("sync", synced.error().message);
        if (const Status again = store.sync(); !again) {
          return wrong("sync again", again.error().message);
        }
      }
      // What it said is synced survives.
      life.synced = life.attempted = step + 1;
      if (fault.seen >= fail_at && fault.seen < fail_at + 300) {
        life.disk.set_fault({});
        for (int i = 0; i < 3; ++i) {
          const std::string why = life.check_after_cut();
          if (!why.empty()) return wrong("after a power cut", why);
        }
        life.disk.set_fault(std::ref(fault));
      }
    }
    opened->reset();
    if (fault.seen < fail_at) {
      count = fail_at - 1;
      return {};
    }
    const auto again = open_sqlite_store(life.disk, kPath, milliseconds(1));
    if (!again) return wrong("open at last", again.error().message);
    if (dump(**again) != expected().back()) return wrong("at last", "something else is there");
  }
}

TEST(StoreCrash, EachOperationFailsOnce) {
  std::uint64_t count = 0;
  EXPECT_EQ(fail_everywhere(ErrorCode::kIo, std::nullopt, stride(11), count), "");
  EXPECT_GT(count, 300u);
}

// Half written, and synced never: what a failed sync lost is written again.
TEST(StoreCrash, EachOperationFailsHalfway) {
  std::uint64_t count = 0;
  EXPECT_EQ(fail_everywhere(ErrorCode::kIo, 0.5, stride(17), count), "");
  EXPECT_EQ(fail_everywhere(ErrorCode::kNoSpace, 0.5, stride(19), count), "");
  EXPECT_GT(count, 300u);
}

// A sync fails and loses what it was to write; the process ends, and the next one goes on from what
// it can read, until it says that all is synced.
TEST(StoreCrash, TheNextProcessDoesNotTrustWhatItReads) {
  for (std::uint64_t fail_at = 1;; ++fail_at) {
    Life life(fail_at);
    FaultSchedule fault{.operation = "sync", .fail_at = fail_at, .fail_count = 100, .part = 0};
    life.disk.set_fault(std::ref(fault));
    const std::string opened = life.open();
    std::size_t step = 0;
    for (; opened.empty() && step < kSteps; ++step) {
      if (!play(*life.store, step)) break;
      if (syncs_after(step) && !life.store->sync()) {
        ++step;
        break;
      }
    }
    const bool failed = fault.seen >= fail_at;
    life.store.reset();  // which cannot sync either
    life.disk.set_fault({});
    ASSERT_EQ(life.open(), "") << fail_at;
    const std::string before = dump(*life.store).value();
    ASSERT_EQ(before, expected()[step]) << fail_at;
    ASSERT_TRUE(life.store->sync());
    life.synced = life.attempted = step;
    for (int i = 0; i < 5; ++i) ASSERT_EQ(life.check_after_cut(), "") << fail_at;
    if (!failed) break;
    ASSERT_LT(fail_at, 1'000u);
  }
}

TEST(StoreCrash, AFullDiskGoesOnWhenThereIsRoom) {
  for (const std::uint64_t room : {1'000u, 10'000u, 30'000u}) {
    Life life;
    std::uint64_t capacity = 0;
    std::uint64_t full = 0;
    const auto make_room = [&](const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kNoSpace) << error.message;
      EXPECT_THAT(error.message, HasSubstr("make room on the disk"));
      life.disk.set_capacity(capacity += room);
      ++full;
    };
    life.disk.set_capacity(capacity);
    auto opened = open_sqlite_store(life.disk, kPath);
    for (; !opened; opened = open_sqlite_store(life.disk, kPath)) {
      make_room(opened.error());
      ASSERT_LT(full, 1'000u);
    }
    Store& store = **opened;
    for (std::size_t step = 0; step < kSteps; ++step) {
      for (Status played = play(store, step); !played; played = play(store, step)) {
        make_room(played.error());
        ASSERT_EQ(dump(store).value(), expected()[step]);  // reading goes on
        ASSERT_LT(full, 1'000u);
      }
      ASSERT_EQ(dump(store).value(), expected()[step + 1]);
      if (!syncs_after(step)) continue;
      for (Status synced = store.sync(); !synced; synced = store.sync()) make_room(synced.error());
    }
    EXPECT_GT(full, 3u);
    opened->reset();
    EXPECT_EQ(dump(**open_sqlite_store(life.disk, kPath)).value(), expected().back());
  }
}

// ---- Damage

using Files = std::map<std::string, std::string>;

// The files of a store: closed, or left by a process that died.
Files files(bool closed) {
  Life life;
  life.play_until_gone();
  if (closed) life.store.reset();
  Files found;
  for (const std::string suffix : {"", "-wal"}) {
    const std::string bytes = life.disk.contents(kPath + suffix);
    if (!bytes.empty()) found[kPath + suffix] = bytes;
  }
  return found;
}

std::unique_ptr<MemoryDisk> disk_of(const Files& files) {
  auto disk = std::make_unique<MemoryDisk>();
  EXPECT_TRUE(disk->create_directories(kFolder));
  for (const auto& [path, bytes] : files) {
    EXPECT_TRUE(disk->open(path, OpenMode::kCreate).value()->append(bytes));
  }
  return disk;
}

// What a store of damaged files gives: what it once held, or an error that says what to do.
std::string look_at(const Files& files, std::uint64_t& refused) {
  const auto disk = disk_of(files);
  const auto is_told = [&](const Error& error) {
    ++refused;
    const bool advises = error.message.find("move the file away") != std::string::npos ||
                         error.message.find("name another file") != std::string::npos;
    return error.code == ErrorCode::kCorrupt && advises;
  };
  auto store = open_sqlite_store(*disk, kPath, milliseconds(1));
  if (!store) return is_told(store.error()) ? "" : "opening: " + store.error().message;
  const auto found = dump(**store);
  if (!found) return is_told(found.error()) ? "" : "reading: " + found.error().message;
  std::size_t step = 0;
  while (step <= kSteps && *found != expected()[step]) ++step;
  if (step > kSteps) return "there is\n" + *found;
  const Status written = play(**store, 1);
  if (!written && !is_told(written.error())) return "writing: " + written.error().message;
  return {};
}

TEST(StoreDamage, FlippedBytes) {
  for (const bool closed : {true, false}) {
    const Files whole = files(closed);
    ASSERT_EQ(whole.size(), closed ? 1u : 2u);
    for (const auto& [path, bytes] : whole) {
      Rng rng(closed ? 1 : 2);
      std::uint64_t refused = 0;
      const std::uint64_t count = seeds_or(200);
      for (std::uint64_t n = 0; n < count; ++n) {
        Files damaged = whole;
        // Each byte of the header, then anywhere.
        const std::size_t at = n < 100 ? n : rng.below(bytes.size());
        damaged[path][at] ^= static_cast<char>(1 + rng.below(255));
        ASSERT_EQ(look_at(damaged, refused), "") << path << " byte " << at;
      }
      // The log may end anywhere; in the database nothing goes unnoticed that is looked at.
      EXPECT_TRUE(path != kPath || !closed || refused > count / 2) << refused;
    }
  }
}

TEST(StoreDamage, CutOff) {
  for (const bool closed : {true, false}) {
    const Files whole = files(closed);
    for (const auto& [path, bytes] : whole) {
      Rng rng(3);
      std::uint64_t refused = 0;
      for (std::uint64_t n = 0; n < 60; ++n) {
        Files damaged = whole;
        const std::size_t size =
            n % 2 == 0 ? rng.below(bytes.size()) : rng.below(bytes.size() / 4096) * 4096;
        damaged[path].resize(size);
        ASSERT_EQ(look_at(damaged, refused), "") << path << " cut to " << size;
      }
    }
  }
}

TEST(StoreDamage, OverwrittenBlocks) {
  const Files whole = files(true);
  const std::string& bytes = whole.at(kPath);
  Rng rng(4);
  std::uint64_t refused = 0;
  for (std::uint64_t n = 0; n < 100; ++n) {
    Files damaged = whole;
    const std::size_t from = rng.below(bytes.size() / 512) * 512;
    const std::size_t count = std::min<std::size_t>(512 << rng.below(5), bytes.size() - from);
    std::string block(count, '\0');
    if (n % 3 == 0) block = bytes.substr(rng.below(bytes.size() - count), count);
    if (n % 3 == 1) {
      for (char& c : block) c = static_cast<char>(rng.next());
    }
    damaged[kPath].replace(from, count, block);
    ASSERT_EQ(look_at(damaged, refused), "") << count << " bytes at " << from;
  }
  EXPECT_GT(refused, 50u);
}

}  // namespace
}  // namespace tapedeck::store::embedded
