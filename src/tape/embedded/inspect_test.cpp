#include "tape/embedded/inspect.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/memory_disk.hpp"
#include "base/rng.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "tape/embedded/folder.hpp"
#include "tape/embedded/sealing.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Batch;
using market::StreamKind;
using market::Trade;
using testing::HasSubstr;

// What a log holds: what each offset's event is, in words.
using Events = std::map<std::uint64_t, std::string>;

std::string in_words(const market::Catalog& catalog, const market::Identity& identity) {
  const market::Origin& origin = catalog.origin(identity.origin);
  return fmt::format("{} {} {} {}", static_cast<int>(origin.kind), origin.key, identity.seq,
                     identity.position);
}
std::string in_words(const market::Catalog& catalog, const Trade& trade) {
  return fmt::format("trade {} {} {} {} {}", to_string(catalog.series(trade.series).key),
                     in_words(catalog, trade.identity), to_string(trade.price), trade.ts_event.ns,
                     trade.ts_recv.ns);
}
std::string in_words(const market::Catalog& catalog, const market::Record& record) {
  return fmt::format("record {} {} {}", to_string(catalog.series(record.series).key),
                     in_words(catalog, record.identity), record.body);
}
std::string in_words(const market::Catalog&, const market::FeedMark& mark) {
  return fmt::format("mark {} {}", mark.feed, mark.ts_recv.ns);
}
std::string in_words(const market::Catalog& catalog, const market::RawFrame& frame) {
  return fmt::format("frame {} {}", in_words(catalog, frame.identity), frame.body);
}
std::string in_words(const market::Catalog&, const auto&) { return "unexpected"; }

// A process that writes.
struct Process {
  explicit Process(Disk& disk, EmbeddedTapeOptions options = {.directory = "tape"})
      : opened(open_embedded_tape(disk, clock, catalog, std::move(options))) {}

  Trade trade(std::uint64_t seq, const std::string& instrument) {
    return {.series = catalog.intern(market::Series{.key = {"v", "trade", instrument}}),
            .ts_event = {static_cast<std::int64_t>(1'000 + seq)},
            .ts_recv = {static_cast<std::int64_t>(2'000 + seq)},
            .price = market::Decimal::make(static_cast<std::int64_t>(10'000 + seq % 50), 2),
            .size = market::Decimal::make(1, 0),
            .identity = {catalog.intern(market::Origin{}), seq, 0}};
  }
  void append(std::uint64_t seq, const std::string& instrument) {
    Batch batch;
    batch.trades.push_back(trade(seq, instrument));
    EXPECT_TRUE(tape().append(std::move(batch)));
  }
  void append_mark() {
    EXPECT_TRUE(tape().append(
        {.kind = StreamKind::kStatus, .marks = {{.feed = "f", .ts_recv = {3'000 + marks++}}}}));
  }
  void append_record(std::uint64_t seq) {
    const market::Origin origin{
        .kind = market::OriginKind::kSession, .key = fmt::format("s{}", seq % 2), .first = {5}};
    market::Record record{.series = catalog.intern(market::Series{.key = {"v", "news", "all"}}),
                          .ts_event = {static_cast<std::int64_t>(1'000 + seq)},
                          .ts_recv = {static_cast<std::int64_t>(2'000 + seq)},
                          .identity = {catalog.intern(origin), seq, 0},
                          .body = fmt::format("body of {}", seq)};
    Batch batch{.kind = StreamKind::kRecord};
    batch.records.push_back(std::move(record));
    EXPECT_TRUE(tape().append(std::move(batch)));
  }
  void append_frame(std::uint64_t seq) {
    Batch batch{.kind = StreamKind::kRawFrame};
    batch.frames.push_back({.ts_recv = {static_cast<std::int64_t>(2'000 + seq)},
                            .identity = {catalog.intern(market::Origin{
                                             .kind = market::OriginKind::kSession, .key = "s"}),
                                         seq, 0},
                            .body = "TDBK frame"});
    EXPECT_TRUE(tape().append(std::move(batch)));
  }
  void commit() { EXPECT_TRUE(tape().commit()); }
  Tape& tape() { return **opened; }

  Events read(PartitionId partition = {}) {
    Events events;
    const auto reader =
        tape().read({.partition = partition, .first = tape().first_offset(partition)});
    while (reader) {
      const auto batch = (*reader)->next();
      EXPECT_TRUE(batch) << batch.error().message;
      if (!batch || !*batch) break;
      visit_events(**batch, [&](const auto& all) {
        for (std::size_t i = 0; i < all.size(); ++i) {
          events[(*batch)->first.value + i] = in_words(catalog, all[i]);
        }
      });
    }
    return events;
  }

  ManualClock clock{Timestamp{seconds(1'700'000'000).ns}};
  market::Catalog catalog;
  std::int64_t marks = 0;
  Result<std::unique_ptr<Tape>> opened;
};

// Two sealed segments and one that is not, in p0; raw frames, sealed. New series and origins turn
// up in each commit, and commits hold several kinds.
void write_small_tape(Disk& disk) {
  Process process(disk);
  std::uint64_t seq = 0;
  const auto commit = [&](int instruments) {
    for (int i = 0; i < 3; ++i, ++seq) {
      process.append(seq, fmt::format("S{}", i == 0 ? instruments : i % 2));
    }
    process.append_record(seq++);
    process.append_mark();
    process.commit();
  };
  commit(2);
  process.append_frame(1);
  process.commit();
  ASSERT_TRUE(process.tape().seal());
  commit(3);
  ASSERT_TRUE(process.tape().seal());
  for (int i = 0; i < 4; ++i) commit(2 + i);
}

std::vector<std::string> files_of(const Disk& disk) {
  std::vector<std::string> paths{"tape/TAPE"};
  for (const std::string folder : {"tape/p0", "tape/raw"}) {
    const auto names = disk.list(folder);
    for (const std::string& name : *names) paths.push_back(fmt::format("{}/{}", folder, name));
  }
  return paths;
}

using Contents = std::map<std::string, std::string>;

Contents contents_of(const MemoryDisk& disk) {
  Contents contents;
  for (const std::string& path : files_of(disk)) contents[path] = disk.contents(path);
  return contents;
}

std::unique_ptr<MemoryDisk> disk_with(const Contents& contents) {
  auto disk = std::make_unique<MemoryDisk>();
  for (const std::string folder : {"tape", "tape/p0", "tape/raw"}) {
    EXPECT_TRUE(disk->create_directories(folder));
  }
  for (const auto& [path, bytes] : contents) {
    auto file = disk->open(path, OpenMode::kCreate);
    EXPECT_TRUE(file && (*file)->append(bytes) && (*file)->sync());
  }
  for (const std::string folder : {"tape", "tape/p0", "tape/raw"}) {
    EXPECT_TRUE(disk->sync_directory(folder));
  }
  return disk;
}

std::string in_words(const std::vector<Problem>& problems) {
  std::string out;
  for (const Problem& p : problems) out += fmt::format("{} at {}: {}\n", p.path, p.byte, p.what);
  return out;
}

class InspectTest : public testing::Test {
 protected:
  void SetUp() override {
    write_small_tape(disk_);
    whole_ = contents_of(disk_);
    Process process(disk_);
    events_ = process.read();
    frames_ = process.read(kRawFrames);
    ASSERT_EQ(events_.size(), 30u);
    ASSERT_EQ(frames_.size(), 1u);
  }

  // All that is left is what was there; returns how many events are not.
  std::uint64_t count_lost(Disk& disk, const std::string& where) {
    Process process(disk);
    EXPECT_TRUE(process.opened) << where << ": " << process.opened.error().message;
    if (!process.opened) return 0;
    const Events events = process.read();
    const Events frames = process.read(kRawFrames);
    for (const auto& [offset, event] : events) EXPECT_EQ(event, events_[offset]) << where;
    for (const auto& [offset, frame] : frames) EXPECT_EQ(frame, frames_[offset]) << where;
    return events_.size() + frames_.size() - events.size() - frames.size();
  }

  MemoryDisk disk_;
  Contents whole_;
  Events events_;
  Events frames_;
  const ManualClock clock_{Timestamp{seconds(1'800'000'000).ns}};
};

TEST_F(InspectTest, ListsWhatThereIs) {
  market::Catalog catalog;
  const auto tape = list_tape(disk_, catalog, "tape");
  ASSERT_TRUE(tape) << tape.error().message;
  EXPECT_EQ(tape->partitions, 1u);
  ASSERT_EQ(tape->logs.size(), 2u);
  ASSERT_EQ(tape->logs[0].segments.size(), 3u);
  const SegmentSummary& sealed = tape->logs[0].segments[0];
  EXPECT_TRUE(sealed.sealed);
  EXPECT_EQ(sealed.first, Offset(0));
  EXPECT_EQ(sealed.end, Offset(5));
  EXPECT_EQ(sealed.events,
            (std::map<StreamKind, std::uint64_t>{
                {StreamKind::kTrade, 3}, {StreamKind::kRecord, 1}, {StreamKind::kStatus, 1}}));
  EXPECT_EQ(sealed.from, Timestamp{1'000});
  EXPECT_EQ(sealed.to, Timestamp{3'000});  // of the mark
  EXPECT_EQ(sealed.series.size(), 4u);
  EXPECT_EQ(sealed.bytes, whole_["tape/p0/00000000000000000000.tape"].size());
  const SegmentSummary& open = tape->logs[0].segments[2];
  EXPECT_FALSE(open.sealed);
  EXPECT_EQ(open.end, Offset(30));
  EXPECT_EQ(open.blocks, 4u);
  EXPECT_EQ(open.events.at(StreamKind::kTrade), 12u);
  EXPECT_EQ(open.series.size(), 7u);  // news, S0 to S5
  EXPECT_EQ(open.torn_bytes, 0u);
  EXPECT_EQ(tape->logs[1].segments[0].events.at(StreamKind::kRawFrame), 1u);
}

TEST_F(InspectTest, ListsATornTailWithoutCuttingIt) {
  const std::string path = "tape/p0/00000000000000000010.tape";
  whole_[path].resize(whole_[path].size() - 3);
  const auto disk = disk_with(whole_);
  market::Catalog catalog;
  const auto tape = list_tape(*disk, catalog, "tape");
  ASSERT_TRUE(tape);
  const SegmentSummary& open = tape->logs[0].segments[2];
  EXPECT_EQ(open.end, Offset(25));
  EXPECT_GT(open.torn_bytes, 3u);
  EXPECT_EQ(open.problem, "");
  EXPECT_EQ(disk->contents(path), whole_[path]);
}

TEST_F(InspectTest, AWholeTapeIsWhole) {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  const auto verified = verify_tape(disk_, "tape", [&](std::uint64_t d, std::uint64_t t) {
    EXPECT_GE(d, done);
    done = d;
    total = t;
  });
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(in_words(verified->problems), "");
  EXPECT_THAT(verified->notes, testing::IsEmpty());
  EXPECT_EQ(verified->events, 31u);
  EXPECT_EQ(verified->segments, 4u);
  EXPECT_EQ(done, total);
  EXPECT_EQ(total, verified->bytes);
  const auto repaired = repair_tape(disk_, clock_, "tape", false);
  ASSERT_TRUE(repaired);
  EXPECT_TRUE(repaired->steps.empty());
  EXPECT_EQ(contents_of(disk_), whole_);
}

// Flipped at every byte: it is found, and what a repair leaves is right.
TEST_F(InspectTest, EveryFlippedByteIsFoundAndRepaired) {
  std::uint64_t lost_most = 0;
  for (const auto& [path, bytes] : whole_) {
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      const std::string where = fmt::format("{} at {}", path, at);
      Contents flipped = whole_;
      flipped[path][at] = static_cast<char>(flipped[path][at] ^ 0x10);
      const auto disk = disk_with(flipped);
      const auto verified = verify_tape(*disk, "tape");
      ASSERT_TRUE(verified) << where << ": " << verified.error().message;
      EXPECT_EQ(contents_of(*disk), flipped) << where << ": it was touched";
      if (verified->problems.empty() && verified->notes.empty()) {
        EXPECT_EQ(count_lost(*disk, where), 0u) << where << ": not found";
        continue;
      }
      const auto repaired = repair_tape(*disk, clock_, "tape", false);
      ASSERT_TRUE(repaired) << where << ": " << repaired.error().message;
      std::uint64_t said_lost = 0;
      for (const RepairStep& step : repaired->steps) {
        if (!step.kept.empty()) {
          EXPECT_EQ(disk->contents(step.kept), flipped[path]) << where;
        }
        for (const LostRange& range : step.lost) said_lost += range.count;
      }
      const bool torn = !repaired->torn.empty();
      EXPECT_EQ(repaired->steps.size(), torn ? 0u : 1u) << where;
      const std::uint64_t lost = count_lost(*disk, where);
      EXPECT_EQ(lost, torn ? 5u : said_lost) << where;
      lost_most = std::max(lost_most, lost);
      const auto again = verify_tape(*disk, "tape");
      ASSERT_TRUE(again) << where;
      EXPECT_EQ(in_words(again->problems), "") << where;
      EXPECT_EQ(again->lost, said_lost) << where;
      EXPECT_EQ(again->events + again->lost, torn ? 26u : 31u) << where;
    }
  }
  // The first dictionary of the open segment: all but its marks, which belong to no series.
  EXPECT_EQ(lost_most, 16u);
}

// A sealed segment at the end of its log is no torn one, whatever its header looks like.
TEST_F(InspectTest, ASealedLastSegmentIsNeverTakenForATornOne) {
  const std::string path = "tape/raw/00000000000000000000.tape";
  for (std::size_t at = 0; at < kSegmentHeaderBytes; ++at) {
    Contents flipped = whole_;
    flipped[path][at] = static_cast<char>(flipped[path][at] ^ 0x10);
    const auto disk = disk_with(flipped);
    {
      const Process process(*disk);
      ASSERT_FALSE(process.opened) << at;
    }
    EXPECT_EQ(disk->contents(path), flipped[path]) << at;
    ASSERT_TRUE(repair_tape(*disk, clock_, "tape", false));
    EXPECT_EQ(count_lost(*disk, "repaired"), 0u) << at;
  }
}

// Behind a damaged block of an open segment, series and origins that turn up later are known again.
TEST_F(InspectTest, KeepsWhatComesBehindADamagedDictionary) {
  const std::string path = "tape/p0/00000000000000000010.tape";
  std::vector<std::size_t> blocks;
  for (std::size_t at = whole_[path].find("TDBK"); at != std::string::npos;
       at = whole_[path].find("TDBK", at + 1)) {
    blocks.push_back(at);
  }
  // Each commit has a dictionary and events. The second commit's, header and payload.
  for (const std::size_t at : {blocks[2] + 30, blocks[2] + 70, blocks[3] + 30, blocks[3] + 70}) {
    Contents flipped = whole_;
    flipped[path][at] = static_cast<char>(flipped[path][at] ^ 0x10);
    const auto disk = disk_with(flipped);
    ASSERT_TRUE(repair_tape(*disk, clock_, "tape", false));
    const std::uint64_t lost = count_lost(*disk, "damaged");
    EXPECT_GE(lost, 1u);
    EXPECT_LE(lost, 9u) << at;
  }
}

TEST_F(InspectTest, ADryRunSaysTheSameAndChangesNothing) {
  const std::string path = "tape/p0/00000000000000000010.tape";
  for (std::size_t at = 0; at < whole_[path].size(); at += 7) {
    Contents flipped = whole_;
    flipped[path][at] = static_cast<char>(flipped[path][at] ^ 0x10);
    const auto disk = disk_with(flipped);
    const auto dry = repair_tape(*disk, clock_, "tape", true);
    ASSERT_TRUE(dry);
    EXPECT_EQ(contents_of(*disk), flipped);
    const auto real = repair_tape(*disk, clock_, "tape", false);
    ASSERT_EQ(dry->steps.size(), real->steps.size());
    for (std::size_t i = 0; i < dry->steps.size(); ++i) {
      EXPECT_EQ(dry->steps[i].events, real->steps[i].events);
      EXPECT_EQ(dry->steps[i].lost.size(), real->steps[i].lost.size());
    }
  }
}

// The power fails at each operation of a repair: what was there is there, and the next repair ends
// where one without a break does.
TEST_F(InspectTest, PowerCutsDuringARepairLoseNothing) {
  struct Damage {
    std::string name;
    std::function<void(Contents&)> make;
  };
  const std::string sealed = "tape/p0/00000000000000000005.tape";
  const std::string open = "tape/p0/00000000000000000010.tape";
  const auto flip = [](std::string& bytes, std::size_t at) {
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
  };
  const std::vector<Damage> damages{
      {"a sealed block", [&](Contents& c) { flip(c[sealed], c[sealed].find("TDBK", 65) + 70); }},
      {"an open block", [&](Contents& c) { flip(c[open], c[open].find("TDBK", 65) + 70); }},
      {"the manifest", [&](Contents& c) { flip(c["tape/TAPE"], 30); }},
      {"no manifest", [&](Contents& c) { c.erase("tape/TAPE"); }},
      {"a hole", [&](Contents& c) { c.erase(sealed); }},
      {"a stranger", [&](Contents& c) { c[sealed] = c["tape/raw/00000000000000000000.tape"]; }},
  };
  for (const Damage& damage : damages) {
    Contents damaged = whole_;
    damage.make(damaged);
    const auto straight = disk_with(damaged);
    const auto done = repair_tape(*straight, clock_, "tape", false);
    ASSERT_TRUE(done) << damage.name << ": " << done.error().message;
    EXPECT_FALSE(done->steps.empty()) << damage.name;
    const std::uint64_t lost = count_lost(*straight, damage.name);
    for (std::uint64_t at = 1;; ++at) {
      bool cut = false;
      for (std::uint64_t seed = 0; seed < 4; ++seed) {
        const auto disk = disk_with(damaged);
        FaultSchedule schedule{.fail_at = at, .fail_count = 1'000'000};
        disk->set_fault(std::ref(schedule));
        const auto stopped = repair_tape(*disk, clock_, "tape", false);
        disk->set_fault({});
        cut = !stopped;
        Rng rng(seed * 1'000 + at);
        const auto left = disk->after_power_cut(rng);
        const std::string where = fmt::format("{}, operation {}, seed {}", damage.name, at, seed);
        // Of each damaged file: itself, or a whole copy of it beside the new one.
        for (const auto& [path, bytes] : damaged) {
          EXPECT_TRUE(left->contents(path) == bytes || left->contents(path + ".damaged") == bytes)
              << where << ": " << path;
        }
        const auto finished = repair_tape(*left, clock_, "tape", false);
        ASSERT_TRUE(finished) << where << ": " << finished.error().message;
        EXPECT_EQ(count_lost(*left, where), lost) << where;
        const auto verified = verify_tape(*left, "tape");
        ASSERT_TRUE(verified);
        EXPECT_EQ(in_words(verified->problems), "") << where;
      }
      if (!cut) break;
      ASSERT_LT(at, 1'000u);
    }
  }
}

TEST_F(InspectTest, AFailingDiskSaysHowFarARepairIs) {
  for (const auto& [path, bytes] : Contents(whole_)) {
    if (path.ends_with("05.tape") || path.starts_with("tape/raw")) {
      whole_[path][bytes.size() / 2] ^= 1;
    }
  }
  auto disk = disk_with(whole_);
  std::string told;
  for (std::uint64_t at = 1; at < 1'000 && !told.contains("; 1 of 2"); ++at) {
    disk = disk_with(whole_);
    FaultSchedule schedule{.fail_at = at, .fail_count = 1'000'000};
    disk->set_fault(std::ref(schedule));
    const auto stopped = repair_tape(*disk, clock_, "tape", false);
    disk->set_fault({});
    told = stopped ? "" : stopped.error().message;
  }
  EXPECT_THAT(told, HasSubstr("; 1 of 2 files are repaired: run it again to go on"));
  ASSERT_TRUE(repair_tape(*disk, clock_, "tape", false));
  EXPECT_EQ(in_words(verify_tape(*disk, "tape")->problems), "");
}

// A sector reads as zeros, a file is cut off or has something in its middle or at its end: what is
// left is right, and what the repair does not call lost is there.
TEST_F(InspectTest, LargerDamageIsFoundAndRepaired) {
  struct Damage {
    std::string name;
    std::function<void(std::string&, std::size_t)> make;
  };
  const std::vector<Damage> damages{
      {"zeros",
       [](std::string& b, std::size_t at) {
         const std::size_t count = std::min<std::size_t>(100, b.size() - at);
         b.replace(at, count, std::string(count, '\0'));
       }},
      {"cut", [](std::string& b, std::size_t at) { b.resize(at); }},
      {"inserted", [](std::string& b, std::size_t at) { b.insert(at, "TDBK of no block"); }},
      {"removed", [](std::string& b, std::size_t at) { b.erase(at, 5); }},
      {"twice", [](std::string& b, std::size_t at) { b.insert(at, b.substr(at)); }},
  };
  for (const auto& [path, bytes] : whole_) {
    if (path == "tape/TAPE") continue;
    const bool is_last = path.starts_with("tape/raw") || path.ends_with("10.tape");
    for (const Damage& damage : damages) {
      for (std::size_t at = 0; at < bytes.size(); at += 17) {
        const std::string where = fmt::format("{} {} at {}", path, damage.name, at);
        Contents damaged = whole_;
        damage.make(damaged[path], at);
        if (damaged == whole_) continue;
        const auto disk = disk_with(damaged);
        const auto verified = verify_tape(*disk, "tape");
        ASSERT_TRUE(verified) << where << ": " << verified.error().message;
        EXPECT_FALSE(verified->problems.empty() && !is_last) << where;
        const auto repaired = repair_tape(*disk, clock_, "tape", false);
        ASSERT_TRUE(repaired) << where << ": " << repaired.error().message;
        std::uint64_t said_lost = 0;
        for (const RepairStep& step : repaired->steps) {
          for (const LostRange& range : step.lost) said_lost += range.count;
        }
        const std::uint64_t lost = count_lost(*disk, where);
        const auto again = verify_tape(*disk, "tape");
        ASSERT_TRUE(again) << where;
        EXPECT_EQ(in_words(again->problems), "") << where;
        EXPECT_EQ(again->lost, said_lost) << where;
        // Nothing says what a log held at its end, when its end is gone.
        if (!is_last) {
          EXPECT_EQ(lost, said_lost) << where;
          EXPECT_LE(lost, 5u) << where;
        }
        EXPECT_EQ(events_.size() + frames_.size() - lost, again->events) << where;
      }
    }
  }
}

// A damaged block of a sealed segment costs its own events, and no others.
TEST_F(InspectTest, ADamagedBlockOfASealedSegmentCostsItsOwnEvents) {
  MemoryDisk disk;
  Process process(disk);
  for (std::uint64_t seq = 0; seq < 100'000; ++seq)
    process.append(seq, fmt::format("S{}", seq % 7));
  process.commit();
  ASSERT_TRUE(process.tape().seal());
  const Events events = process.read();
  const std::string path = "tape/p0/00000000000000000000.tape";
  const std::string bytes = disk.contents(path);
  const auto segment =
      OpenSegment::open(disk, process.catalog,
                        {.path = path, .first = Offset(0), .bytes = bytes.size(), .sealed = true});
  ASSERT_TRUE(segment);
  const auto index = *(*segment)->index();
  ASSERT_GE(index.size(), 2u);
  for (std::size_t i = 0; i < index.size(); ++i) {
    const std::uint64_t end =
        i + 1 < index.size() ? index[i + 1].position : (*segment)->trailer()->index_position;
    for (const std::uint64_t at : {index[i].position + 5, end - 1}) {
      Contents damaged{{"tape/TAPE", disk.contents("tape/TAPE")}, {path, bytes}};
      damaged[path][at] ^= 4;
      const auto copy = disk_with(damaged);
      const auto repaired = repair_tape(*copy, clock_, "tape", false);
      ASSERT_TRUE(repaired);
      ASSERT_EQ(repaired->steps.size(), 1u);
      ASSERT_EQ(repaired->steps[0].lost.size(), 1u);
      EXPECT_EQ(repaired->steps[0].lost[0].first, index[i].first);
      EXPECT_EQ(repaired->steps[0].lost[0].count, index[i].count);
      Process reader(*copy);
      const Events left = reader.read();
      EXPECT_EQ(left.size(), events.size() - index[i].count);
      EXPECT_TRUE(
          std::ranges::all_of(left, [&](const auto& e) { return events.at(e.first) == e.second; }));
    }
  }
}

TEST_F(InspectTest, AMissingFolderIsFound) {
  MemoryDisk two;
  {
    Process process(two, {.directory = "tape", .partitions = 2});
    for (std::uint64_t seq = 0; seq < 20; ++seq) process.append(seq, fmt::format("S{}", seq));
    process.append_mark();
    process.commit();
  }
  ASSERT_TRUE(two.remove_all("tape/p1"));
  const auto verified = verify_tape(two, "tape");
  ASSERT_EQ(verified->problems.size(), 1u);
  EXPECT_THAT(in_words(verified->problems), HasSubstr("tape/p1 at 0: the folder is missing"));
  market::Catalog catalog;
  EXPECT_THAT(list_tape(two, catalog, "tape")->logs[1].problem, HasSubstr("the folder is missing"));
  ASSERT_EQ(repair_tape(two, clock_, "tape", true)->steps.size(), 1u);
  EXPECT_EQ(verify_tape(two, "tape")->problems.size(), 1u);
  const auto repaired = repair_tape(two, clock_, "tape", false);
  ASSERT_TRUE(repaired);
  EXPECT_EQ(repaired->steps[0].kind, RepairStep::Kind::kFolder);
  EXPECT_EQ(in_words(verify_tape(two, "tape")->problems), "");
  // Of raw frames there may be none.
  ASSERT_TRUE(two.remove_all("tape/raw"));
  EXPECT_EQ(in_words(verify_tape(two, "tape")->problems), "");
}

TEST_F(InspectTest, ALogThatDoesNotBeginWithItsFirstOffsetIsNoted) {
  ASSERT_TRUE(disk_.remove("tape/p0/00000000000000000000.tape"));
  const auto verified = verify_tape(disk_, "tape");
  EXPECT_EQ(in_words(verified->problems), "");
  EXPECT_THAT(verified->notes, testing::ElementsAre(HasSubstr("tape/p0: it begins at offset 5")));
}

TEST_F(InspectTest, SaysWhatDamageKeepsAReader) {
  market::Catalog catalog;
  const std::string path = "tape/p0/00000000000000000010.tape";
  EXPECT_EQ(damage_at(disk_, catalog, "tape", PartitionId(0), Offset(30)), "");
  whole_[path][whole_[path].find("TDBK", 65) + 70] ^= 1;
  const auto disk = disk_with(whole_);
  EXPECT_THAT(*damage_at(*disk, catalog, "tape", PartitionId(0), Offset(10)),
              HasSubstr("p0/00000000000000000010.tape at byte "));
  EXPECT_EQ(damage_at(*disk, catalog, "tape", PartitionId(0), Offset(4)), "");
  EXPECT_EQ(damage_at(*disk, catalog, "tape", kRawFrames, Offset(1)), "");
}

TEST_F(InspectTest, AHoleBetweenSegmentsIsFilled) {
  whole_.erase("tape/p0/00000000000000000005.tape");
  const auto disk = disk_with(whole_);
  const auto verified = verify_tape(*disk, "tape");
  ASSERT_TRUE(verified);
  ASSERT_EQ(verified->problems.size(), 1u);
  EXPECT_THAT(verified->problems[0].what, HasSubstr("no file before it holds offsets 5 to 9"));
  EXPECT_EQ(verified->problems[0].lost, 5u);
  const auto repaired = repair_tape(*disk, clock_, "tape", false);
  ASSERT_TRUE(repaired);
  ASSERT_EQ(repaired->steps.size(), 1u);
  EXPECT_EQ(repaired->steps[0].kind, RepairStep::Kind::kFill);
  EXPECT_EQ(count_lost(*disk, "a hole"), 5u);
  const auto again = verify_tape(*disk, "tape");
  EXPECT_EQ(in_words(again->problems), "");
  EXPECT_EQ(again->lost, 5u);
}

TEST_F(InspectTest, WhatIsThereTwiceIsSetAside) {
  // As if a segment with more in it had been copied over from an older state of the folder.
  const std::string later = "tape/p0/00000000000000000005.tape";
  Contents twice = whole_;
  {
    MemoryDisk other;
    Process process(other);
    for (std::uint64_t seq = 0; seq < 8; ++seq) process.append(seq, "S0");
    process.commit();
    ASSERT_TRUE(process.tape().seal());
    twice["tape/p0/00000000000000000000.tape"] =
        other.contents("tape/p0/00000000000000000000.tape");
  }
  const auto disk = disk_with(twice);
  EXPECT_THAT(in_words(verify_tape(*disk, "tape")->problems),
              HasSubstr("begins at offset 5, and the file before it ends at 8"));
  const auto repaired = repair_tape(*disk, clock_, "tape", false);
  ASSERT_TRUE(repaired) << repaired.error().message;
  EXPECT_EQ(disk->contents(later), "");
  EXPECT_EQ(disk->contents(later + ".damaged"), whole_[later]);
  Process process(*disk);
  ASSERT_TRUE(process.opened) << process.opened.error().message;
  const Events events = process.read();
  EXPECT_EQ(events.size(), 30u);
  for (const auto& [offset, event] : events) {
    if (offset >= 8) {
      EXPECT_EQ(event, events_[offset]);
    }
  }
}

TEST_F(InspectTest, IdentitiesThatAreThereTwiceAreFound) {
  {
    Process process(disk_);
    process.append(1, "S1");  // offset 1 has it
    process.append(2'000, "S1");
    process.append(1, "S0");  // another series
    process.commit();
  }
  const auto verified = verify_tape(disk_, "tape");
  ASSERT_TRUE(verified);
  ASSERT_EQ(verified->problems.size(), 1u) << in_words(verified->problems);
  EXPECT_THAT(verified->problems[0].what,
              HasSubstr("1 events have an identity that an event before them has; the first is "
                        "offset 30: v/trade/S1 number 1 again"));
  EXPECT_TRUE(repair_tape(disk_, clock_, "tape", false)->steps.empty());
}

// Valid checksums, and yet not what the events say.
TEST_F(InspectTest, IndexAndIdentitiesAreComputedAgain) {
  const std::string path = "tape/p0/00000000000000000000.tape";
  const std::string& bytes = whole_[path];
  const auto trailer = read_trailer(std::string_view(bytes).substr(bytes.size() - kTrailerBytes));
  ASSERT_TRUE(trailer);
  const auto with_footers = [&](const auto& change_index, const auto& change_identities) {
    market::Catalog catalog;
    const auto segment = OpenSegment::open(
        disk_, catalog, {.path = path, .first = Offset(0), .bytes = bytes.size(), .sealed = true});
    auto index = *(*segment)->index();
    auto identities = *(*segment)->identities();
    change_index(index);
    change_identities(identities);
    SegmentDictionary dictionary(catalog);
    dictionary.restore((*segment)->ids());
    std::string out = bytes.substr(0, trailer->index_position);
    Trailer changed = *trailer;
    write_block(out, {.kind = StreamKind::kIndex, .first = trailer->end}, encode_index(index));
    changed.identities_position = out.size();
    write_block(out, {.kind = StreamKind::kIdentities, .first = trailer->end},
                encode_identities(identities, dictionary));
    Contents contents = whole_;
    contents[path] = out + write_trailer(changed);
    return disk_with(contents);
  };
  const auto as_it_is = [](auto&) {};
  {
    const auto disk = with_footers(as_it_is, as_it_is);
    EXPECT_EQ(in_words(verify_tape(*disk, "tape")->problems), "");
  }
  const auto index_lies = with_footers([](auto& index) { index[0].series.pop_back(); }, as_it_is);
  EXPECT_THAT(in_words(verify_tape(*index_lies, "tape")->problems),
              HasSubstr("index does not agree"));
  const auto identities_lie =
      with_footers(as_it_is, [](auto& identities) { identities.pop_back(); });
  EXPECT_THAT(in_words(verify_tape(*identities_lie, "tape")->problems),
              HasSubstr("identities do not agree"));
  ASSERT_TRUE(repair_tape(*identities_lie, clock_, "tape", false));
  EXPECT_EQ(in_words(verify_tape(*identities_lie, "tape")->problems), "");
  EXPECT_EQ(count_lost(*identities_lie, "identities"), 0u);
}

TEST_F(InspectTest, BesideAWriterNothingIsWrong) {
  Process writer(disk_);
  writer.append(500, "S0");
  writer.commit();
  auto file = disk_.open("tape/p0/00000000000000000010.tape", OpenMode::kAppend);
  ASSERT_TRUE((*file)->append("half a block"));
  const auto verified = verify_tape(disk_, "tape");
  ASSERT_TRUE(verified);
  EXPECT_EQ(in_words(verified->problems), "");
  ASSERT_EQ(verified->notes.size(), 1u);
  EXPECT_THAT(verified->notes[0], HasSubstr("the last 12 bytes are no whole commit"));
  EXPECT_EQ(verified->events, 32u);
  const auto repaired = repair_tape(disk_, clock_, "tape", false);
  ASSERT_FALSE(repaired);
  EXPECT_EQ(repaired.error().code, ErrorCode::kBusy);
  EXPECT_THAT(repaired.error().message, HasSubstr("in use by another tapedeck"));
}

TEST_F(InspectTest, ASeriesInTheWrongPartitionIsFound) {
  MemoryDisk two;
  {
    Process process(two, {.directory = "tape", .partitions = 2});
    for (std::uint64_t seq = 0; seq < 20; ++seq) process.append(seq, fmt::format("S{}", seq));
    process.commit();
  }
  EXPECT_EQ(in_words(verify_tape(two, "tape")->problems), "");
  // Without its folder there would be one partition: what is in p0 says that there were more.
  ASSERT_TRUE(two.remove("tape/TAPE"));
  const auto repaired = repair_tape(two, clock_, "tape", true);
  ASSERT_TRUE(repaired) << repaired.error().message;
  ASSERT_TRUE(write_manifest(two, "tape", {.partitions = 3}));
  EXPECT_THAT(in_words(verify_tape(two, "tape")->problems), HasSubstr("which belongs to p"));
  ASSERT_TRUE(two.remove("tape/TAPE"));
  ASSERT_TRUE(two.create_directories("tape/p2"));
  const auto refused = repair_tape(two, clock_, "tape", false);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("cannot be written anew"));
}

TEST_F(InspectTest, SaysWhatIsNoTape) {
  market::Catalog catalog;
  const auto none = list_tape(disk_, catalog, "nowhere");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "there is no folder 'nowhere'");
  ASSERT_TRUE(disk_.create_directories("empty"));
  const auto empty = repair_tape(disk_, clock_, "empty", false);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message, "'empty' is not the folder of a tape: it has no file TAPE");
  EXPECT_TRUE(disk_.list("empty")->empty());
}

}  // namespace
}  // namespace tapedeck::tape::embedded
