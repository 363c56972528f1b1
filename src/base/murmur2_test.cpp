#include "base/murmur2.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tapedeck {
namespace {

// The values that Kafka's own tests hold (UtilsTest.testMurmur2), and, of the lengths that those
// leave out, some that its Java client gave.
TEST(Murmur2, IsKafkas) {
  const auto signed_hash = [](std::string_view bytes) {
    return static_cast<std::int32_t>(murmur2(bytes));
  };
  EXPECT_EQ(signed_hash("21"), -973'932'308);
  EXPECT_EQ(signed_hash("foobar"), -790'332'482);
  EXPECT_EQ(signed_hash("a-little-bit-long-string"), -985'981'536);
  EXPECT_EQ(signed_hash("a-little-bit-longer-string"), -1'486'304'829);
  EXPECT_EQ(signed_hash("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58'897'971);
  EXPECT_EQ(signed_hash("abc"), 479'470'107);
  EXPECT_EQ(signed_hash(""), 275'646'681);
  EXPECT_EQ(signed_hash("1"), -1'993'445'489);
  EXPECT_EQ(signed_hash("12345"), -1'188'365'604);
}

// Java's bytes are signed; the hash takes them as unsigned. The values are the algorithm's, done by
// hand in another language.
TEST(Murmur2, TakesAnyByte) {
  EXPECT_EQ(murmur2("\xFF"), 0xED6F615Bu);
  EXPECT_EQ(murmur2("\x80\xFF\xFE"), 0x30534F55u);
  EXPECT_EQ(murmur2("\xC3\xA4\xC3\xB6\xC3\xBC"), 0x84905A04u);
}

TEST(Murmur2, PartitionsAreInRangeAndAllUsed) {
  EXPECT_EQ(partition_of_key("foobar", 10), 6u);  // 1357151166, the hash without its sign
  EXPECT_EQ(partition_of_key("21", 12), 0u);
  for (const std::uint32_t partitions : {1u, 7u, 12u}) {
    std::set<std::uint32_t> used;
    for (int i = 0; i < 500; ++i) {
      used.insert(partition_of_key("coinbase:" + std::to_string(i), partitions));
    }
    EXPECT_EQ(used.size(), partitions);
    EXPECT_LT(*used.rbegin(), partitions);
  }
}

}  // namespace
}  // namespace tapedeck
