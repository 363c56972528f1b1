#include "feeds/replay/archive.hpp"

#include <gtest/gtest.h>

#include "base/memory_disk.hpp"
#include "feeds/replay/test_archives.hpp"

namespace tapedeck::feeds::replay {
namespace {

constexpr std::string_view kText =
    "14400464,1674100,100,P,20002000,0\n14400465,1674100,1400,P,1,0\n";

struct Unpacked {
  std::vector<std::string> names;
  std::string text;    // of all members, one after the other
  std::string reason;  // of the first damage
  std::string detail;
};

Unpacked unpack(std::string_view bytes, const std::string& name = "x.csv") {
  MemoryDisk disk;
  EXPECT_TRUE(disk.create_directories("d"));
  auto file = std::move(*disk.open("d/x", OpenMode::kCreate));
  EXPECT_TRUE(file->append(bytes));
  Unpacked out;
  const auto failed = [&out](const Flaw& flaw) {
    out.reason = flaw.reason;
    out.detail = flaw.detail;
    return out;
  };
  auto members = list_members(*file, name);
  if (!members) return failed(members.error());
  for (const Member& member : *members) {
    out.names.push_back(member.name);
    auto stream = open_member(*file, member);
    if (!stream) return failed(stream.error());
    for (;;) {
      char piece[17];
      const auto got = (*stream)->read(piece, sizeof piece);
      if (!got) return failed(got.error());
      if (*got == 0) break;
      out.text.append(piece, *got);
    }
  }
  return out;
}

std::string twice(std::string_view text) { return std::string(text) + std::string(text); }

TEST(Archive, ByContentNotByName) {
  for (const std::string& bytes :
       {std::string(kText), gzipped(kText), zstd_packed(kText), zipped({{"a", std::string(kText)}}),
        zipped({{"a", std::string(kText), 0}})}) {
    EXPECT_EQ(unpack(bytes, "what.ever").text, kText);
  }
  EXPECT_EQ(unpack(gzipped(kText), "dir/t.csv.gz").names, std::vector<std::string>{"t.csv"});
  EXPECT_EQ(unpack(zstd_packed(kText), "t.csv.zst").names, std::vector<std::string>{"t.csv"});
  EXPECT_EQ(unpack(kText, "t.csv").names, std::vector<std::string>{"t.csv"});
  EXPECT_EQ(unpack("").text, "");
}

TEST(Archive, SeveralMembersAndFrames) {
  EXPECT_EQ(unpack(twice(gzipped(kText))).text, twice(kText));
  EXPECT_EQ(unpack(gzipped(kText) + std::string(512, '\0')).text, kText);  // padding
  EXPECT_EQ(unpack(twice(zstd_packed(kText))).text, twice(kText));
  const std::string skippable("\x50\x2a\x4d\x18\x03\x00\x00\x00xyz", 11);
  EXPECT_EQ(unpack(skippable + zstd_packed(kText)).text, kText);
  const auto zip = unpack(zipped({{"dir/", "", 0}, {"dir/a.csv", "1\n"}, {"b.csv", "2\n", 0}}));
  EXPECT_EQ(zip.names, (std::vector<std::string>{"a.csv", "b.csv"}));
  EXPECT_EQ(zip.text, "1\n2\n");
}

TEST(Archive, Zip64AndComments) {
  const std::vector<ZipEntry> entries{{"a", std::string(kText), 8, 0, true},
                                      {"b", "2\n", 0, 0, true}};
  EXPECT_EQ(unpack(zipped(entries)).text, std::string(kText) + "2\n");
  EXPECT_EQ(
      unpack(zipped({{"a", std::string(kText)}}, "a PK\x05\x06 comment of twenty-two bytes")).text,
      kText);
  EXPECT_EQ(unpack(zipped({})).names.size(), 0u);
}

TEST(Archive, LargerThanEveryBuffer) {
  std::string text;
  for (long i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i * 7919) + "\n";
  EXPECT_EQ(unpack(gzipped(text)).text, text);
  EXPECT_EQ(unpack(zstd_packed(text)).text, text);
  EXPECT_EQ(unpack(zipped({{"a", text}, {"b", text, 0}})).text, twice(text));
}

TEST(Archive, WhatCannotBeReadIsNamed) {
  const auto encrypted = unpack(zipped({{"secret.csv", "x", 8, 1}}));
  EXPECT_EQ(encrypted.reason, "unsupported");
  EXPECT_NE(encrypted.detail.find("'secret.csv' is encrypted"), std::string::npos);
  const auto method = unpack(zipped({{"a.csv", "x", 93}}));
  EXPECT_EQ(method.reason, "unsupported");
  EXPECT_NE(method.detail.find("method 93"), std::string::npos);
  EXPECT_EQ(unpack(gzipped(kText) + "garbage").reason, "corrupt");
  EXPECT_EQ(unpack(zstd_packed(kText) + "garbage").reason, "corrupt");
}

TEST(Archive, EveryCutIsTold) {
  const std::string zip = zipped({{"a.csv", std::string(kText)}, {"b.csv", "2\n", 0}});
  for (std::size_t i = 4; i < zip.size(); ++i) {
    const auto out = unpack(zip.substr(0, i));
    EXPECT_EQ(out.reason, "truncated") << i;
    EXPECT_EQ(out.text, "");
    EXPECT_NE(out.detail.find("central directory"), std::string::npos);
  }
  const std::string zip64 = zipped({{"a.csv", std::string(kText), 8, 0, true}});
  for (std::size_t i = 4; i < zip64.size(); ++i)
    EXPECT_EQ(unpack(zip64.substr(0, i)).reason, "truncated");
  for (const std::string& bytes : {gzipped(kText), zstd_packed(kText)}) {
    for (std::size_t i = 4; i < bytes.size(); ++i) {
      const auto out = unpack(bytes.substr(0, i));
      EXPECT_EQ(out.reason, "truncated") << i << " " << out.detail;
      EXPECT_TRUE(kText.starts_with(out.text));
    }
  }
}

// A changed byte is told, or it does not matter.
TEST(Archive, EveryFlipIsTold) {
  const std::string zip = zipped({{"a.csv", std::string(kText)}, {"b.csv", "2\n", 0, 0, true}});
  for (const std::string& bytes : {zip, gzipped(kText), zstd_packed(kText)}) {
    const std::string want = unpack(bytes).text;
    for (std::size_t i = 4; i < bytes.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string changed = bytes;
        changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
        const auto out = unpack(changed);
        EXPECT_TRUE(!out.reason.empty() || out.text == want) << i;
      }
    }
  }
}

TEST(Archive, AReadErrorIsNoEnd) {
  MemoryDisk disk;
  EXPECT_TRUE(disk.create_directories("d"));
  auto file = std::move(*disk.open("d/x", OpenMode::kCreate));
  EXPECT_TRUE(file->append(gzipped(kText)));
  const auto members = list_members(*file, "x");
  disk.set_fault([](std::string_view operation, const std::string&) -> Status {
    if (operation == "read") return fail(ErrorCode::kIo, "the disk is ill");
    return {};
  });
  auto stream = open_member(*file, members->front());
  ASSERT_TRUE(stream);
  const auto damage = drain(**stream);
  ASSERT_TRUE(damage);
  EXPECT_EQ(damage->reason, "unreadable");
  EXPECT_EQ(damage->detail, "the disk is ill");
}

}  // namespace
}  // namespace tapedeck::feeds::replay
