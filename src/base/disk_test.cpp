// One suite for every disk, then what only the one in memory can do.
#include "base/disk.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "base/memory_disk.hpp"

namespace tapedeck {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

enum class Which { kReal, kMemory };

class DiskTest : public testing::TestWithParam<Which> {
 public:
  ~DiskTest() override { EXPECT_TRUE(disk_->remove_all(dir_)); }

 protected:
  DiskTest() {
    if (GetParam() == Which::kReal) {
      disk_ = real_disk();
      dir_ = testing::TempDir() + "td_disk_" + std::to_string(::getpid());
    } else {
      disk_ = std::make_unique<MemoryDisk>();
      dir_ = "dir";
    }
    EXPECT_TRUE(disk_->remove_all(dir_));
    EXPECT_TRUE(disk_->create_directories(dir_));
  }

  std::string at(const std::string& name) const { return dir_ + "/" + name; }
  std::unique_ptr<File> create(const std::string& name, std::string_view bytes = "") {
    auto file = disk_->open(at(name), OpenMode::kCreate).value();
    EXPECT_TRUE(file->append(bytes));
    return file;
  }
  static std::string read(const File& file, std::uint64_t offset = 0, std::size_t count = 100) {
    std::string bytes(count, '\0');
    bytes.resize(file.read_at(offset, bytes.data(), count).value());
    return bytes;
  }

  std::unique_ptr<Disk> disk_;
  std::string dir_;
};

INSTANTIATE_TEST_SUITE_P(Disks, DiskTest, testing::Values(Which::kReal, Which::kMemory),
                         [](const auto& which) {
                           return which.param == Which::kReal ? "Real" : "Memory";
                         });

TEST_P(DiskTest, AppendsAndReads) {
  auto file = create("f", "hello");
  ASSERT_TRUE(file->append(" world"));
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(file->size(), 11u);
  EXPECT_EQ(read(*file), "hello world");
  EXPECT_EQ(read(*file, 6, 3), "wor");
  EXPECT_EQ(read(*file, 9), "ld");
  EXPECT_EQ(read(*file, 11), "");
  EXPECT_EQ(read(*file, 1000), "");
}

TEST_P(DiskTest, AppendGoesToTheEndAfterTruncating) {
  auto file = create("f", "hello world");
  ASSERT_TRUE(file->truncate(5));
  ASSERT_TRUE(file->append("!"));
  EXPECT_EQ(read(*file), "hello!");
  auto again = disk_->open(at("f"), OpenMode::kAppend).value();
  ASSERT_TRUE(again->append("?"));
  EXPECT_EQ(read(*disk_->open(at("f"), OpenMode::kRead).value()), "hello!?");
}

TEST_P(DiskTest, ModesAreStrict) {
  EXPECT_EQ(disk_->open(at("f"), OpenMode::kRead).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(disk_->open(at("f"), OpenMode::kAppend).error().code, ErrorCode::kNotFound);
  create("f");
  const auto twice = disk_->open(at("f"), OpenMode::kCreate);
  EXPECT_EQ(twice.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(twice.error().message, HasSubstr(at("f")));
  EXPECT_EQ(disk_->open(at("no/f"), OpenMode::kCreate).error().code, ErrorCode::kNotFound);
}

TEST_P(DiskTest, ListsSorted) {
  create("b");
  create("a");
  ASSERT_TRUE(disk_->create_directories(at("c/d")));
  create("c/e");
  EXPECT_THAT(disk_->list(dir_).value(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(disk_->list(at("c")).value(), ElementsAre("d", "e"));
  EXPECT_EQ(disk_->list(at("nowhere")).error().code, ErrorCode::kNotFound);
}

TEST_P(DiskTest, RenamesAndRemoves) {
  create("a", "new");
  create("b", "old");
  ASSERT_TRUE(disk_->rename(at("a"), at("b")));
  EXPECT_THAT(disk_->list(dir_).value(), ElementsAre("b"));
  EXPECT_EQ(read(*disk_->open(at("b"), OpenMode::kRead).value()), "new");
  ASSERT_TRUE(disk_->sync_directory(dir_));
  ASSERT_TRUE(disk_->remove(at("b")));
  EXPECT_EQ(disk_->remove(at("b")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(disk_->rename(at("b"), at("c")).error().code, ErrorCode::kNotFound);
}

TEST_P(DiskTest, RemovesAFolderAndAllInIt) {
  ASSERT_TRUE(disk_->create_directories(at("sub/deep")));
  create("sub/deep/f");
  create("subject");
  ASSERT_TRUE(disk_->remove_all(at("sub")));
  ASSERT_TRUE(disk_->remove_all(at("sub")));
  EXPECT_THAT(disk_->list(dir_).value(), ElementsAre("subject"));
}

TEST_P(DiskTest, OneHolderOfALock) {
  auto lock = disk_->lock(at("lock")).value();
  EXPECT_EQ(disk_->lock(at("lock")).error().code, ErrorCode::kBusy);
  lock.reset();
  EXPECT_TRUE(disk_->lock(at("lock")));
}

TEST_P(DiskTest, SaysHowMuchIsFree) { EXPECT_GT(disk_->free_bytes(dir_).value(), 0u); }

TEST_P(DiskTest, AWatchSeesEachKindOfChange) {
  auto file = create("f", "x");
  ASSERT_TRUE(disk_->create_directories(at("sub")));
  auto watch = disk_->watch(dir_).value();
  const auto seen = [&] { return watch->wait(seconds(0)).value(); };
  EXPECT_FALSE(seen());  // what was before is not told
  ASSERT_TRUE(file->append("y"));
  EXPECT_TRUE(seen());
  EXPECT_FALSE(seen());  // once each
  ASSERT_TRUE(file->truncate(1));
  EXPECT_TRUE(seen());
  create("g");
  EXPECT_TRUE(seen());
  ASSERT_TRUE(disk_->rename(at("g"), at("h")));
  EXPECT_TRUE(seen());
  ASSERT_TRUE(disk_->rename(at("h"), at("sub/h")));
  EXPECT_TRUE(seen());
  ASSERT_TRUE(disk_->rename(at("sub/h"), at("h")));
  EXPECT_TRUE(seen());
  ASSERT_TRUE(disk_->remove(at("h")));
  EXPECT_TRUE(seen());
  ASSERT_TRUE(disk_->create_directories(at("sub2/deep")));
  EXPECT_TRUE(seen());
  ASSERT_TRUE(disk_->remove_all(at("sub2")));
  EXPECT_TRUE(seen());
}

TEST_P(DiskTest, AWatchIsOfOneFolder) {
  auto file = create("f", "x");
  ASSERT_TRUE(disk_->create_directories(at("sub")));
  auto watch = disk_->watch(dir_).value();
  create("sub/f", "x");
  std::string bytes(1, ' ');
  ASSERT_TRUE(file->read_at(0, bytes.data(), 1));
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(watch->wait(milliseconds(1)), false);
  EXPECT_EQ(disk_->watch(at("nowhere")).error().code, ErrorCode::kNotFound);
}

TEST_P(DiskTest, AWatchWakesWhoWaits) {
  auto file = create("f");
  auto watch = disk_->watch(dir_).value();
  std::thread writer([&] { ASSERT_TRUE(file->append("x")); });
  EXPECT_EQ(watch->wait(minutes(10)), true);
  writer.join();
}

TEST_P(DiskTest, CreatesFoldersOnTheWay) {
  ASSERT_TRUE(disk_->create_directories(at("a/b/c")));
  ASSERT_TRUE(disk_->create_directories(at("a/b/c")));
  ASSERT_TRUE(disk_->create_directories(at("a/b/d/")));
  create("a/b/c/f");
  EXPECT_THAT(disk_->list(at("a/b/c")).value(), ElementsAre("f"));
}

// ---- Files written in place

TEST_P(DiskTest, OverwritesAndExtends) {
  auto file = disk_->open_shared(at("f"), ShareMode::kWriteOrCreate).value();
  ASSERT_TRUE(file->write_at(0, "hello world"));
  ASSERT_TRUE(file->write_at(6, "WORLDS"));
  ASSERT_TRUE(file->write_at(14, "!"));
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(file->size(), 15u);
  EXPECT_EQ(read(*disk_->open(at("f"), OpenMode::kRead).value()),
            std::string("hello WORLDS\0\0!", 15));
  ASSERT_TRUE(file->truncate(3));
  ASSERT_TRUE(file->write_at(4, "p"));
  auto again = disk_->open_shared(at("f"), ShareMode::kWriteOrCreate).value();
  std::string bytes(9, '?');
  EXPECT_EQ(again->read_at(1, bytes.data(), 9), 4u);
  EXPECT_EQ(bytes.substr(0, 4), std::string("el\0p", 4));
}

TEST_P(DiskTest, SharedModes) {
  for (const auto mode : {ShareMode::kRead, ShareMode::kWrite}) {
    EXPECT_EQ(disk_->open_shared(at("f"), mode).error().code, ErrorCode::kNotFound);
  }
  const auto nowhere = disk_->open_shared(at("no/f"), ShareMode::kWriteOrCreate);
  EXPECT_EQ(nowhere.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(nowhere.error().message, HasSubstr(at("no/f")));
  create("f", "abc");
  for (const auto mode : {ShareMode::kRead, ShareMode::kWrite}) {
    EXPECT_EQ(disk_->open_shared(at("f"), mode).value()->size(), 3u);
  }
}

TEST_P(DiskTest, LocksOfRanges) {
  using enum SharedFile::Lock;
  const auto open = [&] { return disk_->open_shared(at("f"), ShareMode::kWriteOrCreate).value(); };
  auto a = open();
  auto b = open();
  EXPECT_EQ(a->lock(100, 10, kShared), true);
  EXPECT_EQ(b->lock(105, 10, kShared), true);
  EXPECT_EQ(b->lock(105, 10, kExclusive), false);
  EXPECT_EQ(a->lock(114, 1, kExclusive), false);  // what b held it still holds
  EXPECT_EQ(b->lock(110, 5, kExclusive), true);
  EXPECT_EQ(a->lock(112, 1, kShared), false);
  EXPECT_EQ(a->lock(105, 5, kNone), true);  // a part of it
  EXPECT_EQ(b->lock(105, 10, kExclusive), true);
  EXPECT_EQ(b->lock(104, 1, kExclusive), false);
  EXPECT_EQ(b->lock(105, 10, kShared), true);  // in place of the other
  EXPECT_EQ(a->lock(105, 10, kShared), true);
  open();  // and closed: that ends no lock of the others
  EXPECT_EQ(b->lock(104, 1, kExclusive), false);
  a.reset();
  EXPECT_EQ(b->lock(0, 1'000, kExclusive), true);
}

TEST_P(DiskTest, MappedMemoryIsShared) {
  const auto open = [&] { return disk_->open_shared(at("f"), ShareMode::kWriteOrCreate).value(); };
  auto a = open();
  auto b = open();
  ASSERT_TRUE(a->write_at(0, std::string(65'536, 'x')));
  for (const std::uint64_t offset : {0u, 32'768u}) {
    char* const mine = a->map(offset, 32'768).value();
    char* const theirs = b->map(offset, 32'768).value();
    EXPECT_EQ(theirs[7], 'x');
    mine[7] = 'y';
    mine[32'767] = 'z';
    EXPECT_EQ(theirs[7], 'y');
    EXPECT_EQ(theirs[32'767], 'z');
    EXPECT_EQ(theirs[8], 'x');
  }
}

TEST(RealDisk, AFileIsNoFolder) {
  const std::string path = testing::TempDir() + "td_disk_file_" + std::to_string(::getpid());
  const auto disk = real_disk();
  ASSERT_TRUE(disk->open(path, OpenMode::kCreate));
  for (const std::string& folder : {path, path + "/sub"}) {
    const Status made = disk->create_directories(folder);
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().message, HasSubstr("'" + folder + "': Not a directory"));
  }
  ASSERT_TRUE(disk->remove(path));
}

// Which would be waited for, and have no size.
TEST(RealDisk, APipeIsNoFile) {
  const std::string path = testing::TempDir() + "td_pipe_" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto pipe = real_disk()->open(path, OpenMode::kRead);
  ::unlink(path.c_str());
  ASSERT_FALSE(pipe);
  EXPECT_THAT(pipe.error().message, HasSubstr("it is a pipe or a device, and not a file"));
  EXPECT_FALSE(real_disk()->open("/dev/null", OpenMode::kRead));
}

TEST(RealDisk, SaysWhenThereIsNoSpace) {
  const Status full = real_disk()->open("/dev/full", OpenMode::kAppend).value()->append("abc");
  EXPECT_EQ(full.error().code, ErrorCode::kNoSpace);
  EXPECT_THAT(full.error().message, HasSubstr("cannot write to '/dev/full': No space left"));
}

// The limit of a file's size lets the first write be a short one.
TEST(RealDisk, AFailedAppendMayLeaveAPart) {
  const std::string path = testing::TempDir() + "td_disk_limit_" + std::to_string(::getpid());
  const auto disk = real_disk();
  auto file = disk->open(path, OpenMode::kCreate).value();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const Status appended = file->append(std::string(1500, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(appended.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(file->size(), 1000u);
  ASSERT_TRUE(disk->remove(path));
}

// A pipe is what a signal interrupts: between bytes (a short write) and before the first.
TEST(RealDisk, AppendsAllOfItThroughSignals) {
  const std::string path = testing::TempDir() + "td_disk_pipe_" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto disk = real_disk();
  auto file = disk->open(path, OpenMode::kAppend).value();
  struct sigaction action{};
  action.sa_handler = [](int) {};
  struct sigaction before{};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += std::to_string(i);
  std::string got;
  const int fd = ::open(path.c_str(), O_RDONLY);
  std::thread reader([&, writer = ::pthread_self()] {
    std::string part(4'096, '\0');
    for (ssize_t count = 1; count > 0;) {
      for (int i = 0; i < 50; ++i) {
        ::pthread_kill(writer, SIGUSR1);
        std::this_thread::yield();
      }
      count = ::read(fd, part.data(), part.size());
      if (count > 0) got.append(part, 0, static_cast<std::size_t>(count));
    }
  });
  EXPECT_TRUE(file->append(bytes));
  file.reset();
  reader.join();
  ::close(fd);
  EXPECT_TRUE(got == bytes);
  ::sigaction(SIGUSR1, &before, nullptr);
  ASSERT_TRUE(disk->remove(path));
}

TEST(RealDisk, AFolderThatMayNotBeWritten) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const std::string dir = testing::TempDir() + "td_disk_ro_" + std::to_string(::getpid());
  const auto disk = real_disk();
  ASSERT_TRUE(disk->create_directories(dir));
  ::chmod(dir.c_str(), 0555);
  const auto file = disk->open(dir + "/f", OpenMode::kCreate);
  EXPECT_EQ(file.error().code, ErrorCode::kPermission);
  EXPECT_THAT(file.error().message, HasSubstr("cannot create '" + dir + "/f'"));
  ASSERT_TRUE(disk->remove_all(dir));
}

TEST(RealDisk, AFolderIsNoFile) {
  const auto file = real_disk()->open(testing::TempDir(), OpenMode::kRead);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kIo);
  EXPECT_THAT(file.error().message, HasSubstr("directory"));
}

// ---- Power cuts

class PowerCutTest : public testing::Test {
 protected:
  PowerCutTest() { EXPECT_TRUE(disk_.create_directories("d")); }
  std::unique_ptr<File> create(const std::string& path) {
    return disk_.open(path, OpenMode::kCreate).value();
  }
  // The contents of `path` after many cuts; "(gone)" where there is no such name.
  std::set<std::string> after_cuts(const std::string& path) {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      Rng rng(seed);
      const auto left = disk_.after_power_cut(rng);
      const bool there = left->open(path, OpenMode::kRead).has_value();
      seen.insert(there ? left->contents(path) : "(gone)");
    }
    return seen;
  }
  MemoryDisk disk_;
};

TEST_F(PowerCutTest, WhatWasSyncedIsThere) {
  auto file = create("d/f");
  ASSERT_TRUE(file->append("abc"));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("d"));
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("abc"));
}

TEST_F(PowerCutTest, WhatWasNotMayBeCutOrGarbage) {
  auto file = create("d/f");
  ASSERT_TRUE(file->append("abc"));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(file->append("de"));
  const auto seen = after_cuts("d/f");
  EXPECT_TRUE(seen.contains("abc"));
  EXPECT_TRUE(seen.contains("abcd"));
  EXPECT_TRUE(seen.contains("abcde"));
  EXPECT_GT(seen.size(), 3u);  // garbage of many kinds
  for (const std::string& bytes : seen) {
    EXPECT_TRUE(bytes.starts_with("abc") && bytes.size() <= 5) << bytes;
  }
}

TEST_F(PowerCutTest, NamesNeedASyncOfTheirFolder) {
  auto file = create("d/f");
  ASSERT_TRUE(file->append("abc"));
  ASSERT_TRUE(file->sync());
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("(gone)", "abc"));
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(disk_.remove("d/f"));
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("(gone)", "abc"));
  ASSERT_TRUE(disk_.sync_directory("d"));
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("(gone)"));
}

// Renaming is atomic: a file is under its old name or its new one, never under none or both.
TEST_F(PowerCutTest, RenamingIsAtomic) {
  auto file = create("d/old");
  ASSERT_TRUE(file->append("abc"));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(disk_.rename("d/old", "d/new"));
  std::set<std::vector<std::string>> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed);
    seen.insert(disk_.after_power_cut(rng)->list("d").value());
  }
  EXPECT_THAT(seen, ElementsAre(ElementsAre("new"), ElementsAre("old")));
}

TEST_F(PowerCutTest, ReplacingIsAtomic) {
  for (const std::string name : {"f", "f.new"}) {
    auto file = create("d/" + name);
    ASSERT_TRUE(file->append(name));
    ASSERT_TRUE(file->sync());
  }
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(disk_.rename("d/f.new", "d/f"));
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("f", "f.new"));
  ASSERT_TRUE(disk_.sync_directory("d"));
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("f.new"));
}

constexpr std::size_t kSector = 512;

// 700 synced bytes, then up to 3000 that are not: what may be there instead.
TEST_F(PowerCutTest, EveryLossOfWhatWasAppended) {
  auto file = create("d/f");
  ASSERT_TRUE(file->append(std::string(700, 'a')));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(file->append(std::string(2'300, 'b')));
  const std::string all = disk_.contents("d/f");
  std::set<std::string> kinds;
  for (const std::string& left : after_cuts("d/f")) {
    ASSERT_TRUE(left.starts_with(std::string(700, 'a')));
    ASSERT_LE(left.size(), 3'000u);
    if (left.size() == 700) kinds.insert("the old size");
    if (left == all) kinds.insert("all");
    if (left.size() == 3'000 && left.find_first_not_of('\0', 700) == left.npos) {
      kinds.insert("the new size, zeros");
    }
    if (left.size() > 700 && left.size() < 3'000 && all.starts_with(left)) kinds.insert("a prefix");
    const std::size_t zeros = left.find_first_not_of('b', 700);
    if (left.size() == 3'000 && zeros != left.npos && zeros % kSector != 0 && zeros > 2 * kSector &&
        left.find_first_not_of('\0', zeros) == left.npos) {
      kinds.insert("a prefix, zeros");
    }
    if (left.find_first_not_of(std::string("ab\0", 3)) != left.npos) {
      kinds.insert("garbage");
      continue;
    }
    bool whole_sectors = true;
    bool hole = false;
    for (std::size_t i = 701; i < left.size(); ++i) {
      if (left[i] == left[i - 1]) continue;
      if (i % kSector != 0) whole_sectors = false;
      if (left[i] == 'b') hole = true;
    }
    if (hole) kinds.insert(whole_sectors ? "sectors missing" : "sectors torn");
  }
  EXPECT_THAT(kinds, ElementsAre("a prefix", "a prefix, zeros", "all", "garbage", "sectors missing",
                                 "sectors torn", "the new size, zeros", "the old size"));
}

TEST_F(PowerCutTest, TruncatingNeedsASync) {
  auto file = create("d/f");
  ASSERT_TRUE(file->append("abcdef"));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(file->truncate(2));
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("ab", "abcdef"));
  ASSERT_TRUE(file->sync());
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("ab"));
}

TEST_F(PowerCutTest, AppendedToWhatWasCutOff) {
  auto file = create("d/f");
  ASSERT_TRUE(file->append(std::string(2'000, 'a')));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(file->truncate(600));
  ASSERT_TRUE(file->append(std::string(1'000, 'b')));
  const auto seen = after_cuts("d/f");
  const std::string kept(600, 'a');
  const std::string b(1'000, 'b');
  EXPECT_TRUE(seen.contains(std::string(2'000, 'a')));
  EXPECT_TRUE(seen.contains(kept));
  EXPECT_TRUE(seen.contains(kept + b));
  EXPECT_TRUE(seen.contains(kept + std::string(1'000, '\0')));
  EXPECT_TRUE(seen.contains(kept + b + std::string(400, 'a')));        // overwritten
  EXPECT_TRUE(std::ranges::any_of(seen, [](const std::string& left) {  // in part
    return left.size() == 2'000 && left[1'000] == 'a' && left[1'500] == 'b';
  }));
  for (const std::string& left : seen) EXPECT_TRUE(left.starts_with(kept));
  ASSERT_TRUE(file->sync());
  EXPECT_THAT(after_cuts("d/f"), ElementsAre(kept + b));
}

// In place: a sector is as it was, as it is now, or torn; the file keeps its size, and what was not
// written keeps its bytes.
TEST_F(PowerCutTest, OverwrittenInPlace) {
  auto file = disk_.open_shared("d/f", ShareMode::kWriteOrCreate).value();
  ASSERT_TRUE(file->write_at(0, std::string(3 * kSector, 'a')));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(file->write_at(100, std::string(kSector + 100, 'b')));
  const std::string old(3 * kSector, 'a');
  const std::string all = disk_.contents("d/f");
  std::set<std::string> kinds;
  for (const std::string& left : after_cuts("d/f")) {
    ASSERT_EQ(left.size(), old.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      ASSERT_TRUE(left[i] == old[i] || left[i] == all[i]) << i;
    }
    const auto is = [&](std::size_t sector, const std::string& what) {
      return left.substr(sector * kSector, kSector) == what.substr(sector * kSector, kSector);
    };
    if (left == old) kinds.insert("nothing");
    if (left == all) kinds.insert("all");
    if (is(0, old) && is(1, all)) kinds.insert("the second first");
    if (is(0, all) && is(1, old)) kinds.insert("the first first");
    if (!is(0, old) && !is(0, all)) kinds.insert("torn");
  }
  EXPECT_THAT(kinds, ElementsAre("all", "nothing", "the first first", "the second first", "torn"));
  ASSERT_TRUE(file->sync());
  EXPECT_THAT(after_cuts("d/f"), ElementsAre(all));
}

TEST_F(PowerCutTest, WhatAFailedSyncLostIsThereOnceWrittenAgain) {
  auto file = disk_.open_shared("d/f", ShareMode::kWriteOrCreate).value();
  ASSERT_TRUE(file->write_at(0, "abcd"));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(file->write_at(1, "XYZ"));
  FaultSchedule lose{.operation = "sync", .fail_at = 1, .part = 0};
  disk_.set_fault(std::ref(lose));
  EXPECT_FALSE(file->sync());
  ASSERT_TRUE(file->write_at(2, "Y"));
  EXPECT_TRUE(file->sync());
  EXPECT_EQ(disk_.contents("d/f"), "aXYZ");
  const auto seen = after_cuts("d/f");
  EXPECT_TRUE(seen.contains("abYd"));
  for (const std::string& left : seen) EXPECT_EQ(left[2], 'Y') << left;
}

TEST_F(PowerCutTest, WhatAFailedSyncLostNoLaterOneBringsBack) {
  auto file = create("d/f");
  ASSERT_TRUE(file->append("ab"));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(file->append("cd"));
  FaultSchedule lose{.operation = "sync", .fail_at = 1, .part = 0};
  disk_.set_fault(std::ref(lose));
  EXPECT_FALSE(file->sync());
  ASSERT_TRUE(file->append("ef"));
  EXPECT_TRUE(file->sync());
  EXPECT_TRUE(file->sync());
  EXPECT_EQ(disk_.contents("d/f"), "abcdef");
  const auto seen = after_cuts("d/f");
  EXPECT_TRUE(seen.contains("abcdef"));  // the device may have had it all the same
  EXPECT_TRUE(seen.contains(std::string("ab\0\0ef", 6)));
  for (const std::string& left : seen) {
    EXPECT_TRUE(left.size() == 6 && left.starts_with("ab") && left.ends_with("ef")) << left;
  }
  // Written again, it is as good as any.
  ASSERT_TRUE(file->truncate(2));
  ASSERT_TRUE(file->append("gh"));
  ASSERT_TRUE(file->sync());
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("abgh"));
}

TEST_F(PowerCutTest, ASyncThatOnlyFailsCanBeRepeated) {
  auto file = create("d/f");
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(file->append("ab"));
  FaultSchedule fail{.operation = "sync", .fail_at = 1};
  disk_.set_fault(std::ref(fail));
  EXPECT_FALSE(file->sync());
  EXPECT_GT(after_cuts("d/f").size(), 1u);
  EXPECT_TRUE(file->sync());
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("ab"));
}

// A new file takes the name that another gave up: the other is under its old name or its new one.
TEST_F(PowerCutTest, ChangesOfANameAreInOrder) {
  auto file = create("d/a");
  ASSERT_TRUE(file->append("old"));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("d"));
  ASSERT_TRUE(disk_.rename("d/a", "d/b"));
  ASSERT_TRUE(create("d/a")->sync());
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed);
    const auto left = disk_.after_power_cut(rng);
    std::string names;
    const auto list = left->list("d").value();
    for (const std::string& name : list) {
      names += name + "=" + left->contents("d/" + name) + " ";
    }
    seen.insert(names);
  }
  EXPECT_THAT(seen, ElementsAre("a= b=old ", "a=old ", "b=old "));
}

TEST_F(PowerCutTest, SyncingAFolderBringsWhatCameBefore) {
  ASSERT_TRUE(disk_.create_directories("e"));
  auto file = create("d/f");
  ASSERT_TRUE(file->append("abc"));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.rename("d/f", "e/f"));
  ASSERT_TRUE(disk_.sync_directory("e"));
  EXPECT_THAT(after_cuts("d/f"), ElementsAre("(gone)"));
  EXPECT_THAT(after_cuts("e/f"), ElementsAre("abc"));
}

TEST_F(PowerCutTest, OtherNamesAreLostOnTheirOwn) {
  for (const std::string name : {"d/f", "d/g"}) ASSERT_TRUE(create(name)->sync());
  std::set<std::vector<std::string>> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed);
    seen.insert(disk_.after_power_cut(rng)->list("d").value());
  }
  EXPECT_THAT(
      seen, ElementsAre(ElementsAre(), ElementsAre("f"), ElementsAre("f", "g"), ElementsAre("g")));
}

TEST_F(PowerCutTest, TheDiskBeforeItGoesOnAsItWas) {
  auto file = create("d/f");
  ASSERT_TRUE(file->append("abc"));
  Rng rng(1);
  const auto left = disk_.after_power_cut(rng);
  ASSERT_TRUE(file->append("def"));
  EXPECT_EQ(disk_.contents("d/f"), "abcdef");
}

TEST(MemoryDisk, FailsWhenTold) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directories("d"));
  auto file = disk.open("d/f", OpenMode::kCreate).value();
  std::vector<std::string> operations;
  disk.set_fault([&](std::string_view operation, const std::string& path) -> Status {
    operations.push_back(std::string(operation) + " " + path);
    return operation == "append" ? fail(ErrorCode::kNoSpace, "full") : Status();
  });
  EXPECT_EQ(file->append("abc").error().code, ErrorCode::kNoSpace);
  EXPECT_TRUE(file->sync());
  EXPECT_EQ(disk.contents("d/f"), "");
  EXPECT_THAT(operations, ElementsAre("append d/f", "sync d/f"));
}

TEST(MemoryDisk, EveryOperationCanFail) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directories("d"));
  auto file = disk.open("d/f", OpenMode::kCreate).value();
  auto shared = disk.open_shared("d/f", ShareMode::kWrite).value();
  std::vector<std::string> operations;
  disk.set_fault([&](std::string_view operation, const std::string& path) -> Status {
    operations.push_back(std::string(operation) + " " + path);
    return fail(ErrorCode::kIo, "told to");
  });
  char byte = 0;
  EXPECT_FALSE(disk.open("d/f", OpenMode::kRead));
  EXPECT_FALSE(disk.open_shared("d/f", ShareMode::kRead));
  EXPECT_FALSE(shared->write_at(0, "x"));
  EXPECT_FALSE(shared->read_at(0, &byte, 1));
  EXPECT_FALSE(shared->lock(0, 1, SharedFile::Lock::kShared));
  EXPECT_TRUE(shared->lock(0, 1, SharedFile::Lock::kNone));
  EXPECT_FALSE(shared->map(0, 1));
  EXPECT_FALSE(file->append("x"));
  EXPECT_FALSE(file->read_at(0, &byte, 1));
  EXPECT_FALSE(file->size());
  EXPECT_FALSE(file->truncate(0));
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(disk.list("d"));
  EXPECT_FALSE(disk.create_directories("e"));
  EXPECT_FALSE(disk.rename("d/f", "d/g"));
  EXPECT_FALSE(disk.remove("d/f"));
  EXPECT_FALSE(disk.remove_all("d"));
  EXPECT_FALSE(disk.sync_directory("d"));
  EXPECT_FALSE(disk.lock("d/l"));
  EXPECT_FALSE(disk.free_bytes("d"));
  EXPECT_FALSE(disk.watch("d"));
  EXPECT_THAT(
      operations,
      ElementsAre("open d/f", "open d/f", "write d/f", "read d/f", "lock_range d/f", "map d/f",
                  "append d/f", "read d/f", "size d/f", "truncate d/f", "sync d/f", "list d",
                  "create_directories e", "rename d/g", "remove d/f", "remove_all d",
                  "sync_directory d", "lock d/l", "free_bytes d", "watch d"));
  disk.set_fault({});
  EXPECT_THAT(disk.list("d").value(), ElementsAre("f"));
  EXPECT_FALSE(disk.list("e"));
  EXPECT_TRUE(disk.lock("d/l"));
}

TEST(MemoryDisk, FailsInPart) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directories("d"));
  auto file = disk.open("d/f", OpenMode::kCreate).value();
  for (const std::string name : {"d/g", "d/h", "d/i"}) {
    ASSERT_TRUE(disk.open(name, OpenMode::kCreate));
  }
  FaultSchedule half{.fail_at = 1, .fail_count = 2, .code = ErrorCode::kNoSpace, .part = 0.5};
  disk.set_fault(std::ref(half));
  EXPECT_EQ(file->append("abcdef").error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(disk.contents("d/f"), "abc");
  EXPECT_FALSE(disk.remove_all("d"));
  EXPECT_THAT(disk.list("d").value(), ElementsAre("h", "i"));
}

TEST(MemoryDisk, FailsByASchedule) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directories("d"));
  auto file = disk.open("d/f", OpenMode::kCreate).value();
  FaultSchedule syncs{.operation = "sync", .fail_at = 2, .fail_count = 2};
  disk.set_fault(std::ref(syncs));
  std::string outcomes;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(file->append("x"));
    outcomes += file->sync() ? '+' : '-';
  }
  EXPECT_EQ(outcomes, "+--++");
  EXPECT_EQ(syncs.seen, 5u);
  FaultSchedule any;
  disk.set_fault(std::ref(any));
  EXPECT_TRUE(file->append("x"));
  EXPECT_TRUE(file->sync());
  EXPECT_EQ(any.seen, 2u);
}

TEST(MemoryDisk, CanBeFull) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directories("d"));
  disk.set_capacity(10);
  auto f = disk.open("d/f", OpenMode::kCreate).value();
  auto g = disk.open("d/g", OpenMode::kCreate).value();
  ASSERT_TRUE(f->append("123456"));
  EXPECT_EQ(disk.free_bytes("d"), 4u);
  const Status appended = g->append("abcdef");
  EXPECT_EQ(appended.error().code, ErrorCode::kNoSpace);
  EXPECT_THAT(appended.error().message, HasSubstr("cannot write to 'd/g': No space left"));
  EXPECT_EQ(disk.contents("d/g"), "abcd");
  EXPECT_EQ(disk.free_bytes("d"), 0u);
  ASSERT_TRUE(g->truncate(3));
  ASSERT_TRUE(g->append("D"));
  ASSERT_TRUE(disk.remove("d/f"));
  EXPECT_EQ(disk.free_bytes("d"), 6u);
  ASSERT_TRUE(g->append("efghij"));
  EXPECT_FALSE(g->append("k"));
  auto shared = disk.open_shared("d/g", ShareMode::kWrite).value();
  EXPECT_TRUE(shared->write_at(0, "ABCDEFGHIJ"));
  EXPECT_EQ(shared->write_at(8, "xyz").error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(disk.contents("d/g"), "ABCDEFGHxy");
  disk.set_capacity(3);
  EXPECT_EQ(disk.free_bytes("d"), 0u);
}

TEST(MemoryDisk, CorruptsInPlace) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directories("d"));
  auto file = disk.open("d/f", OpenMode::kCreate).value();
  ASSERT_TRUE(file->append("abcdef"));
  disk.corrupt("d/f", 2, "XY");
  EXPECT_EQ(disk.contents("d/f"), "abXYef");
  ASSERT_TRUE(file->sync());
  disk.corrupt("d/f", 0, "Z");
  ASSERT_TRUE(disk.sync_directory("d"));
  Rng rng(1);
  EXPECT_EQ(disk.after_power_cut(rng)->contents("d/f"), "ZbXYef");
}

}  // namespace
}  // namespace tapedeck
