// One suite for every disk, then what only the one in memory can do.
#include "base/disk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <string>

#include "base/memory_disk.hpp"

namespace tapedeck {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

enum class Which { kReal, kMemory };

class DiskTest : public testing::TestWithParam<Which> {
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
  ~DiskTest() override { EXPECT_TRUE(disk_->remove_all(dir_)); }

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

TEST(MemoryDisk, CorruptsInPlace) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directories("d"));
  ASSERT_TRUE(disk.open("d/f", OpenMode::kCreate).value()->append("abcdef"));
  disk.corrupt("d/f", 2, "XY");
  EXPECT_EQ(disk.contents("d/f"), "abXYef");
}

}  // namespace
}  // namespace tapedeck
