#include "tape/embedded/segment.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <tuple>

#include "base/memory_disk.hpp"
#include "base/rng.hpp"
#include "base/wire.hpp"
#include "tape/embedded/column.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Batch;
using market::StreamKind;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

// Any flipped bit, and any other length, of bytes that a checksum covers.
template <class F>
void expect_damage_is_seen(const std::string& bytes, F&& reads) {
  ASSERT_TRUE(reads(bytes));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(reads(flipped)) << "bit " << bit;
  }
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_FALSE(reads(bytes.substr(0, cut)));
}

TEST(SegmentHeader, ComesBack) {
  for (const bool sealed : {false, true}) {
    for (const bool unsynced : {false, true}) {
      const SegmentHeader header{.partition = kRawFrames,
                                 .first = Offset(kMost),
                                 .created = {kMax},
                                 .sealed = sealed,
                                 .unsynced = unsynced};
      const std::string bytes = write_segment_header(header);
      ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
      const auto read = read_segment_header(bytes);
      ASSERT_TRUE(read);
      EXPECT_EQ(read->partition, kRawFrames);
      EXPECT_EQ(read->first, Offset(kMost));
      EXPECT_EQ(read->created, Timestamp{kMax});
      EXPECT_EQ(read->sealed, sealed);
      EXPECT_EQ(read->unsynced, unsynced);
    }
  }
  expect_damage_is_seen(write_segment_header({.partition = {}, .first = {}, .created = {}}),
                        [](std::string_view bytes) { return read_segment_header(bytes); });
}

// So that no age overflows.
TEST(SegmentHeader, BeforeTheEpochIsRefused) {
  EXPECT_TRUE(
      read_segment_header(write_segment_header({.partition = {}, .first = {}, .created = {0}})));
  EXPECT_FALSE(
      read_segment_header(write_segment_header({.partition = {}, .first = {}, .created = {-1}})));
  EXPECT_TRUE(read_trailer(write_trailer({.sealed = {0}})));
  EXPECT_FALSE(read_trailer(write_trailer({.sealed = {-1}})));
}

TEST(Trailer, ComesBack) {
  const Trailer trailer{.index_position = 1,
                        .identities_position = kMost,
                        .end = Offset(3),
                        .ts_event_min = {kMin},
                        .ts_event_max = {kMax},
                        .sealed = {6}};
  const std::string bytes = write_trailer(trailer);
  const auto read = read_trailer(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->index_position, 1u);
  EXPECT_EQ(read->identities_position, kMost);
  EXPECT_EQ(read->end, Offset(3));
  EXPECT_EQ(read->ts_event_min, Timestamp{kMin});
  EXPECT_EQ(read->ts_event_max, Timestamp{kMax});
  EXPECT_EQ(read->sealed, Timestamp{6});
  EXPECT_FALSE(read_trailer(bytes + '\0'));
  expect_damage_is_seen(bytes, [](std::string_view b) { return read_trailer(b); });
}

TEST(SegmentName, IsTheFirstOffset) {
  EXPECT_EQ(segment_name(Offset(65'536)), "00000000000000065536.tape");
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{65'536}, kMost}) {
    EXPECT_EQ(parse_segment_name(segment_name(Offset(first))), Offset(first));
  }
  for (const std::string_view name :
       {"", "0.tape", "00000000000000065536.tape.sealing", "0000000000000006553x.tape",
        "99999999999999999999.tape", "-0000000000000000001.tape", "00000000000000065536.damaged"}) {
    EXPECT_FALSE(parse_segment_name(name)) << name;
  }
}

constexpr std::uint64_t kEnd = 1ull << 40;  // of the blocks of a segment

std::vector<IndexEntry> an_index() {
  return {{.position = 64,
           .kind = StreamKind::kTrade,
           .first = Offset(7),
           .count = 65'536,
           .ts_event_min = {kMin},
           .ts_event_max = {kMax},
           .series = {0, 1, 4'000}},
          {.position = 1'000,
           .kind = StreamKind::kLost,
           .first = Offset(65'543),
           .count = 1u << 30,
           .series = {}},
          {.position = 1u << 30,
           .kind = StreamKind::kMixed,
           .first = Offset(1ull << 40),
           .count = 1,
           .ts_event_min = {5},
           .ts_event_max = {5},
           .series = {3}}};
}

TEST(Index, ComesBack) {
  EXPECT_EQ(decode_index(encode_index({}), 64, 0), std::vector<IndexEntry>());
  EXPECT_EQ(decode_index(encode_index(an_index()), kEnd, 4'001), an_index());
  std::vector<IndexEntry> large;
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    large.push_back({.position = 64 + std::uint64_t{i} * 70'000,
                     .first = Offset(std::uint64_t{i} * 65'536),
                     .count = 65'536,
                     .ts_event_min = {std::int64_t{i} * 1'000},
                     .ts_event_max = {std::int64_t{i} * 1'000 + 999},
                     .series = {i % 7, 10 + i % 100}});
  }
  EXPECT_EQ(decode_index(encode_index(large), kEnd, 4'001), large);
}

TEST(Index, CutOrFlippedItIsRefusedOrDecodes) {
  const std::string bytes = encode_index(an_index());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(decode_index(bytes.substr(0, cut), kEnd, 4'001)) << cut;
  }
  EXPECT_FALSE(decode_index(bytes + '\0', kEnd, 4'001));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    std::ignore = decode_index(flipped, kEnd, 4'001);
  }
}

// Blocks do not overlap and lie before the index, so a few bytes cannot hold millions of entries.
TEST(Index, EntriesThatTheFileCannotHoldAreRefused) {
  const auto decodes = [](const std::vector<IndexEntry>& entries, std::uint64_t end) {
    return decode_index(encode_index(entries), end, 7).has_value();
  };
  std::vector<IndexEntry> entries(2);
  entries[0].position = 64;
  entries[1].position = 128;
  EXPECT_TRUE(decodes(entries, 192));
  EXPECT_FALSE(decodes(entries, 128));
  entries[1].position = 127;
  EXPECT_FALSE(decodes(entries, 192));
  entries.resize(1);
  entries[0].position = 63;
  EXPECT_FALSE(decodes(entries, 192));
  entries[0].position = 64;
  entries[0].series = {5, 6};
  EXPECT_TRUE(decodes(entries, 192));
  entries[0].series = {5, 5};
  EXPECT_FALSE(decodes(entries, 192)) << "series ascend";
  entries[0].series = {5, 7};
  EXPECT_FALSE(decodes(entries, 192)) << "there are seven";
  EXPECT_FALSE(decode_index(encode_index({{.position = 64, .series = {0}}}), 192, 0));
}

class Identities : public testing::Test {
 protected:
  market::Trade trade(std::uint64_t seq, const std::string& instrument = "S",
                      std::uint64_t position = 0, const std::string& file = "aa") {
    return {.series = catalog_.intern(market::Series{.key = {"v", "trade", instrument}}),
            .identity = {catalog_.intern(market::Origin{
                             .kind = market::OriginKind::kFile, .key = file, .first = {}}),
                         seq, position}};
  }
  static std::vector<IdentityRun> runs_of(std::initializer_list<Batch> batches) {
    IdentityTable table;
    for (const Batch& batch : batches) {
      const Slice slice{&batch, 0, batch.size()};
      table.add({&slice, 1});
    }
    return table.take();
  }
  // As "first-last/position" of each run.
  static std::vector<std::string> texts(const std::vector<IdentityRun>& runs) {
    std::vector<std::string> out;
    for (const IdentityRun& run : runs) {
      out.push_back(std::to_string(run.first) + "-" + std::to_string(run.last) + "/" +
                    std::to_string(run.position));
    }
    return out;
  }
  std::vector<IdentityRun> round_trip(const std::vector<IdentityRun>& runs) {
    SegmentDictionary dictionary(catalog_);
    const std::string bytes = encode_identities(runs, dictionary);
    SegmentIds ids;
    EXPECT_TRUE(decode_dictionary(dictionary.take_new_entries(), catalog_, ids));
    auto out = decode_identities(bytes, ids);
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : std::vector<IdentityRun>();
  }

  market::Catalog catalog_;
};

using Texts = std::vector<std::string>;

TEST_F(Identities, ThatCountOnBecomeOneRun) {
  const Batch first{.trades = {trade(5), trade(6), trade(7)}};
  const Batch second{.trades = {trade(8)}};
  EXPECT_EQ(texts(runs_of({first, second})), Texts{"5-8/0"});
}

TEST_F(Identities, AreMergedWhateverOrderTheyCameIn) {
  EXPECT_EQ(texts(runs_of({Batch{.trades = {trade(9), trade(5), trade(8), trade(6), trade(5)}}})),
            (Texts{"5-6/0", "8-9/0"}));
  // A run inside another does not shorten it.
  EXPECT_EQ(texts(runs_of(
                {Batch{.trades = {trade(1), trade(2), trade(3), trade(4), trade(2), trade(3)}}})),
            Texts{"1-4/0"});
}

TEST_F(Identities, OfAnotherSeriesOriginPositionOrKindAreOthers) {
  const auto runs =
      runs_of({Batch{.trades = {trade(1), trade(2, "T"), trade(2, "S", 1), trade(2, "S", 0, "bb")}},
               Batch{.kind = StreamKind::kPriceTick,
                     .ticks = {{.series = trade(0).series, .identity = trade(2).identity}}}});
  EXPECT_EQ(runs.size(), 5u);
}

TEST_F(Identities, OfMarksAndFramesAreNotKept) {
  EXPECT_TRUE(runs_of({Batch{.kind = StreamKind::kStatus, .marks = {{.feed = "f", .ts_recv = {}}}},
                       Batch{.kind = StreamKind::kRawFrame,
                             .frames = {{.ts_recv = {}, .identity = {}, .body = "x"}}}})
                  .empty());
}

TEST_F(Identities, TheGreatestIsNotFollowedByTheLeast) {
  const auto runs = runs_of({Batch{.trades = {trade(kMost - 1), trade(kMost), trade(0)}}});
  EXPECT_EQ(texts(runs),
            (Texts{"0-0/0", std::to_string(kMost - 1) + "-" + std::to_string(kMost) + "/0"}));
  EXPECT_EQ(texts(round_trip(runs)), texts(runs));
}

TEST_F(Identities, ATableIsEmptyOnceTaken) {
  IdentityTable table;
  const Batch batch{.trades = {trade(1)}};
  const Slice slice{&batch, 0, 1};
  table.add({&slice, 1});
  EXPECT_EQ(table.take().size(), 1u);
  EXPECT_EQ(table.take().size(), 0u);
  table.add({&slice, 1});
  EXPECT_EQ(table.take().size(), 1u);
}

// Against a set of all of them.
TEST_F(Identities, OfRandomEventsHoldEachOnce) {
  Rng rng(7);
  for (int round = 0; round < 100; ++round) {
    std::vector<market::Trade> trades;
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t, std::uint64_t>> expected;
    for (int i = 0; i < 200; ++i) {
      trades.push_back(trade(rng.below(60), "S" + std::to_string(rng.below(3)), rng.below(2),
                             "f" + std::to_string(rng.below(2))));
      const market::Trade& last = trades.back();
      expected.insert({last.series.value, last.identity.origin.value, last.identity.position,
                       last.identity.seq});
    }
    const auto runs = round_trip(runs_of({Batch{.trades = trades}}));
    decltype(expected) held;
    std::size_t count = 0;
    for (const IdentityRun& run : runs) {
      for (std::uint64_t seq = run.first; seq <= run.last; ++seq, ++count) {
        held.insert({run.series.value, run.origin.value, run.position, seq});
      }
    }
    EXPECT_EQ(held, expected) << round;
    EXPECT_EQ(count, expected.size()) << "one of them twice";
  }
}

TEST_F(Identities, CutOrFlippedTheyAreRefusedOrDecode) {
  const auto runs = runs_of({Batch{.trades = {trade(5), trade(kMost), trade(0, "T", kMost)}}});
  SegmentDictionary dictionary(catalog_);
  const std::string bytes = encode_identities(runs, dictionary);
  SegmentIds ids;
  ASSERT_TRUE(decode_dictionary(dictionary.take_new_entries(), catalog_, ids));
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(decode_identities(bytes.substr(0, cut), ids)) << cut;
  }
  EXPECT_FALSE(decode_identities(bytes, {})) << "of series that the dictionary does not have";
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    if (const auto decoded = decode_identities(flipped, ids)) {
      for (const IdentityRun& run : *decoded) EXPECT_LE(run.first, run.last);
    }
  }
}

// A file of these bytes.
std::unique_ptr<File> a_file(MemoryDisk& disk, const std::string& bytes) {
  EXPECT_TRUE(disk.create_directories("d"));
  EXPECT_TRUE((*disk.open("d/f", OpenMode::kCreate))->append(bytes));
  return *disk.open("d/f", OpenMode::kRead);
}

std::string block(std::uint64_t first, std::uint64_t commit, std::string_view payload) {
  std::string bytes;
  write_block(bytes, {.count = 1, .first = Offset(first), .commit_position = commit}, payload);
  return bytes;
}

TEST(BlockWindow, ReadsBlocksOfAnySizeFromFrontToBack) {
  std::string bytes(kSegmentHeaderBytes, 'h');
  Rng rng(5);
  std::vector<std::string> payloads;
  for (const std::size_t size : {0u, 1u, 200'000u, 300'000u, 1'000'000u, 63u, 262'144u, 5u}) {
    payloads.emplace_back(size, static_cast<char>('a' + rng.below(26)));
    bytes += block(payloads.size(), 64, payloads.back());
  }
  MemoryDisk disk;
  const auto file = a_file(disk, bytes);
  BlockWindow window(*file);
  std::uint64_t position = kSegmentHeaderBytes;
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    const auto found = *window.block(position, bytes.size());
    ASSERT_TRUE(found) << i;
    EXPECT_EQ(found->header.first, Offset(i + 1));
    EXPECT_EQ(*window.payload(*found), payloads[i]);
    position = found->next();
  }
  EXPECT_EQ(position, bytes.size());
  EXPECT_FALSE(*window.block(position, bytes.size()));
  EXPECT_TRUE(*window.block(kSegmentHeaderBytes, bytes.size())) << "and back to the front";
  // One that would go beyond the end is none.
  EXPECT_FALSE(*window.block(kSegmentHeaderBytes, kSegmentHeaderBytes + 63));
  EXPECT_TRUE(*window.block(kSegmentHeaderBytes, kSegmentHeaderBytes + 64));
}

// What follows a bad place says what it is: see ADR 1.
TEST(LaterCommit, IsFoundBehindABadPlace) {
  const std::string good = block(0, 64, "one");
  const std::string second = block(1, 64 + good.size(), "two");
  const std::string third = block(2, 64 + good.size() + second.size(), "three");
  const std::string all = std::string(64, 'h') + good + second + third;
  const auto follows = [](const std::string& bytes, std::uint64_t bad) {
    MemoryDisk disk;
    return *later_commit_follows(*a_file(disk, bytes), bad, bytes.size());
  };
  EXPECT_TRUE(follows(all, 64));
  EXPECT_TRUE(follows(all, 64 + good.size()));
  EXPECT_FALSE(follows(all, 64 + good.size() + second.size())) << "that one began here";
  std::string torn = all;
  torn[torn.size() - 1] = '\0';
  EXPECT_FALSE(follows(torn, 64 + good.size())) << "a payload that is not whole proves nothing";
  EXPECT_TRUE(follows(torn, 64));
  // On the edge of the pieces that are read.
  for (std::size_t gap = (1u << 20) - 70; gap < (1u << 20) + 5; ++gap) {
    EXPECT_TRUE(follows(std::string(gap, 'T') + third, 1)) << gap;
  }
}

}  // namespace
}  // namespace tapedeck::tape::embedded
