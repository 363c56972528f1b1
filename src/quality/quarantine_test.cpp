#include "quality/quarantine.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/memory_disk.hpp"

namespace tapedeck::quality {
namespace {

MemoryDisk& with_folder(MemoryDisk& disk) {
  EXPECT_TRUE(disk.create_directories("q"));
  return disk;
}

TEST(Quarantine, CountsByReasonAndKeepsTheFirst) {
  Quarantine quarantine;
  for (int i = 0; i < 5; ++i) {
    quarantine.refuse("bad_price", "price is zero", "a.csv: line " + std::to_string(i), "x,0,1");
  }
  quarantine.refuse("bad_time", "before 1990", "a.csv: line 9", std::string(10'000, 'x'));
  EXPECT_EQ(quarantine.total(), 6u);
  EXPECT_EQ(quarantine.by_reason(),
            (std::map<std::string, std::uint64_t>{{"bad_price", 5}, {"bad_time", 1}}));
  const auto examples = quarantine.examples();
  ASSERT_EQ(examples.size(), Quarantine::kExamplesPerReason + 1);
  EXPECT_EQ(examples[0].where, "a.csv: line 0");
  EXPECT_EQ(examples[2].where, "a.csv: line 2");
  EXPECT_EQ(examples[3].text.size(), Quarantine::kTextBytesMax);
  EXPECT_EQ(quarantine.file_problem(), "");
}

TEST(Quarantine, WritesOneJsonLineEach) {
  MemoryDisk disk;
  auto quarantine = Quarantine::with_file(with_folder(disk), "q/refused.ndjson").value();
  quarantine->refuse("malformed", "not \"JSON\"", "f: line 1", "a\nb\xFF");
  EXPECT_EQ(disk.contents("q/refused.ndjson"),
            "{\"reason\":\"malformed\",\"where\":\"f: line 1\",\"detail\":\"not \\\"JSON\\\"\","
            "\"text\":\"a\\u000ab\xEF\xBF\xBD\",\"bytes\":4}\n");
}

TEST(Quarantine, GoesOnWhereTheFileEnded) {
  MemoryDisk disk;
  with_folder(disk);
  Quarantine::with_file(disk, "q/r").value()->refuse("a", "", "", "1");
  const std::string before = disk.contents("q/r");
  Quarantine::with_file(disk, "q/r").value()->refuse("b", "", "", "2");
  const std::string after = disk.contents("q/r");
  EXPECT_TRUE(after.starts_with(before));
  EXPECT_EQ(std::ranges::count(after, '\n'), 2);
}

TEST(Quarantine, AFileThatCannotBeIsAnError) {
  MemoryDisk disk;
  const auto quarantine = Quarantine::with_file(disk, "nowhere/r");
  ASSERT_FALSE(quarantine);
  EXPECT_EQ(quarantine.error().code, ErrorCode::kNotFound);
  EXPECT_NE(quarantine.error().message.find("nowhere/r"), std::string::npos);
}

TEST(Quarantine, CountsOnWhenTheDiskIsFull) {
  MemoryDisk disk;
  auto quarantine = Quarantine::with_file(with_folder(disk), "q/r").value();
  disk.set_fault([](std::string_view operation, const std::string&) -> Status {
    if (operation == "append") return fail(ErrorCode::kNoSpace, "cannot write to 'q/r': full");
    return {};
  });
  quarantine->refuse("a", "", "", "1");
  quarantine->refuse("a", "", "", "2");
  EXPECT_EQ(quarantine->total(), 2u);
  EXPECT_NE(quarantine->file_problem().find("q/r"), std::string::npos);
}

TEST(Quarantine, StopsWritingAtItsLimit) {
  const std::string path = testing::TempDir() + "td_quarantine_" + std::to_string(::getpid());
  const auto disk = real_disk();
  // Sparse: it takes no room.
  ASSERT_TRUE(disk->open(path, OpenMode::kCreate).value()->truncate(Quarantine::kFileBytesMax - 1));
  auto quarantine = Quarantine::with_file(*disk, path).value();
  quarantine->refuse("a", "", "", "1");
  EXPECT_NE(quarantine->file_problem().find("full"), std::string::npos);
  EXPECT_EQ(quarantine->total(), 1u);
  EXPECT_EQ(std::filesystem::file_size(path), Quarantine::kFileBytesMax - 1);
  ASSERT_TRUE(disk->remove(path));
}

}  // namespace
}  // namespace tapedeck::quality
