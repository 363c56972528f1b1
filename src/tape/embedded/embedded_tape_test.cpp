#include "tape/embedded/embedded_tape.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/memory_disk.hpp"
#include "base/rng.hpp"
#include "tape/embedded/block.hpp"
#include "tape/embedded/segment.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Batch;
using market::StreamKind;
using market::Trade;
using testing::HasSubstr;

constexpr std::string_view kFirstSegment = "tape/p0/00000000000000000000.tape";

// A process: its catalog and its tape on a disk.
struct Process {
  explicit Process(Disk& disk, std::uint64_t segment_bytes_max = 1u << 20)
      : opened(open_embedded_tape(disk, clock, catalog,
                                  {.directory = "tape", .segment_bytes_max = segment_bytes_max})) {}

  Trade trade(std::uint64_t seq) {
    return {.series = catalog.intern(
                market::Series{.key = {"v", "trade", "S" + std::to_string(seq % 3)}}),
            .ts_event = {static_cast<std::int64_t>(1'000 + seq)},
            .ts_recv = {static_cast<std::int64_t>(2'000 + seq)},
            .price = market::Decimal::make(static_cast<std::int64_t>(10'000 + seq % 50), 2),
            .size = market::Decimal::make(1, 0),
            .identity = {catalog.intern(market::Origin{}), seq, 0}};
  }
  Batch trades(std::uint64_t from, std::uint64_t count) {
    Batch batch;
    for (std::uint64_t seq = from; seq < from + count; ++seq) batch.trades.push_back(trade(seq));
    return batch;
  }
  Tape& tape() { return **opened; }

  ManualClock clock;
  market::Catalog catalog;
  Result<std::unique_ptr<Tape>> opened;
};

// Identities of all trades from `first` on; checks that offsets are dense.
Result<std::vector<std::uint64_t>> read_all(const Tape& tape, Offset first = Offset()) {
  auto reader = tape.read({.first = first});
  if (!reader) return std::unexpected(reader.error());
  std::vector<std::uint64_t> seqs;
  Offset next = first;
  while (true) {
    auto batch = (*reader)->next();
    if (!batch) return std::unexpected(batch.error());
    if (!*batch) return seqs;
    EXPECT_EQ((*batch)->first, next);
    next = (*batch)->end();
    for (const Trade& trade : (*batch)->trades) seqs.push_back(trade.identity.seq);
  }
}

std::vector<std::uint64_t> up_to(std::uint64_t count) {
  std::vector<std::uint64_t> seqs(count);
  for (std::uint64_t i = 0; i < count; ++i) seqs[i] = i;
  return seqs;
}

TEST(EmbeddedTape, WhatIsCommittedIsReadBackHereAndByTheNextProcess) {
  MemoryDisk disk;
  {
    Process process(disk);
    ASSERT_TRUE(process.opened) << process.opened.error().message;
    EXPECT_TRUE(process.tape().append(process.trades(0, 10)));
    EXPECT_TRUE(process.tape().append(process.trades(10, 5)));
    EXPECT_EQ(process.tape().durable_end({}), Offset(0));
    EXPECT_EQ(read_all(process.tape()), up_to(0));  // not durable, so not visible
    ASSERT_TRUE(process.tape().commit());
    EXPECT_EQ(process.tape().durable_end({}), Offset(15));
    EXPECT_EQ(read_all(process.tape()), up_to(15));
  }
  Process next(disk);
  ASSERT_TRUE(next.opened);
  EXPECT_EQ(next.tape().recovery().events, 15u);
  EXPECT_EQ(next.tape().recovery().torn.size(), 0u);
  EXPECT_TRUE(next.tape().append(next.trades(15, 3)));
  ASSERT_TRUE(next.tape().commit());
  EXPECT_EQ(read_all(next.tape()), up_to(18));
  EXPECT_EQ(read_all(next.tape(), Offset(16)), (std::vector<std::uint64_t>{16, 17}));
}

TEST(EmbeddedTape, AReaderGoesOnWhereItWasAsMoreBecomesDurable) {
  MemoryDisk disk;
  Process process(disk, 2'000);  // several segments
  const auto reader = *process.tape().read({.first = Offset()});
  std::uint64_t seen = 0;
  for (std::uint64_t round = 0; round < 30; ++round) {
    ASSERT_TRUE(process.tape().append(process.trades(round * 20, 20)));
    ASSERT_TRUE(process.tape().commit());
    while (true) {
      const auto batch = reader->next();
      ASSERT_TRUE(batch) << batch.error().message;
      if (!*batch) break;
      for (const Trade& trade : (*batch)->trades) EXPECT_EQ(trade.identity.seq, seen++);
    }
    EXPECT_EQ(seen, (round + 1) * 20);
  }
  EXPECT_GT(disk.list("tape/p0")->size(), 2u);
}

TEST(EmbeddedTape, KeepsTheOrderOfTradesAndMarks) {
  MemoryDisk disk;
  Process process(disk);
  const Batch mark{.kind = StreamKind::kStatus,
                   .first = {},
                   .trades = {},
                   .marks = {{.feed = "f", .state = market::FeedState::kLive, .ts_recv = {9}}}};
  ASSERT_TRUE(process.tape().append(process.trades(0, 2)));
  ASSERT_TRUE(process.tape().append(mark));
  ASSERT_TRUE(process.tape().append(process.trades(2, 1)));
  ASSERT_TRUE(process.tape().commit());
  EXPECT_EQ(process.tape().durable_end({}), Offset(4));
  const auto reader = *process.tape().read({.first = Offset(1)});
  EXPECT_EQ((**reader->next()).trades.size(), 1u);
  EXPECT_EQ((**reader->next()).marks, mark.marks);
  EXPECT_EQ((**reader->next()).first, Offset(3));
  EXPECT_FALSE(*reader->next());
}

TEST(EmbeddedTape, ASecondWriterIsToldToChooseAnotherFolder) {
  MemoryDisk disk;
  const Process first(disk);
  const Process second(disk);
  ASSERT_FALSE(second.opened);
  EXPECT_EQ(second.opened.error().code, ErrorCode::kBusy);
  EXPECT_THAT(second.opened.error().message, HasSubstr("'tape' is in use"));
}

// Cut at every byte: what is whole is there, the rest is cut off and reported, and the tape goes
// on.
TEST(EmbeddedTape, ATornTailIsCutAndReported) {
  MemoryDisk disk;
  std::vector<std::uint64_t> sizes;  // of the file after each commit
  {
    Process process(disk);
    for (std::uint64_t i = 0; i < 4; ++i) {
      ASSERT_TRUE(process.tape().append(process.trades(i * 3, 3)));
      ASSERT_TRUE(process.tape().commit());
      sizes.push_back(process.tape().status().bytes);
    }
  }
  const std::string whole = disk.contents(std::string(kFirstSegment));
  ASSERT_EQ(whole.size(), sizes.back());
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    MemoryDisk torn;
    {
      ASSERT_TRUE(Process(torn).opened);
    }
    {
      auto file = torn.open(std::string(kFirstSegment), OpenMode::kCreate);
      ASSERT_TRUE((*file)->append(std::string_view(whole).substr(0, cut)));
    }
    Process process(torn);
    ASSERT_TRUE(process.opened) << cut << ": " << process.opened.error().message;
    const auto commits = static_cast<std::uint64_t>(
        std::ranges::count_if(sizes, [&](std::uint64_t size) { return size <= cut; }));
    // A commit is a dictionary block and a trade block at most; a whole dictionary block may stay.
    EXPECT_EQ(read_all(process.tape()), up_to(commits * 3)) << cut;
    EXPECT_EQ(process.tape().recovery().events, commits * 3);
    ASSERT_TRUE(process.tape().append(process.trades(commits * 3, 1)));
    ASSERT_TRUE(process.tape().commit());
    EXPECT_EQ(read_all(process.tape()), up_to(commits * 3 + 1)) << cut;
  }
}

// Flipped at every byte: damage before the last commit is refused with its place; within the last
// commit it cannot be told from a torn write, and is cut. Never a wrong event.
TEST(EmbeddedTape, DamageIsRefusedWithItsPlace) {
  MemoryDisk disk;
  std::uint64_t before_last = 0;
  {
    Process process(disk);
    for (std::uint64_t i = 0; i < 4; ++i) {
      before_last = process.tape().status().bytes;
      ASSERT_TRUE(process.tape().append(process.trades(i * 3, 3)));
      ASSERT_TRUE(process.tape().commit());
    }
  }
  const std::string whole = disk.contents(std::string(kFirstSegment));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    MemoryDisk damaged;
    {
      ASSERT_TRUE(Process(damaged).opened);
    }
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    {
      auto file = damaged.open(std::string(kFirstSegment), OpenMode::kCreate);
      ASSERT_TRUE((*file)->append(bytes));
    }
    Process process(damaged);
    if (at < before_last) {
      ASSERT_FALSE(process.opened) << at;
      EXPECT_EQ(process.opened.error().code, ErrorCode::kCorrupt);
      EXPECT_THAT(process.opened.error().message, HasSubstr("at byte")) << at;
      EXPECT_EQ(damaged.contents(std::string(kFirstSegment)), bytes) << "it was touched";
    } else {
      ASSERT_TRUE(process.opened) << at << ": " << process.opened.error().message;
      EXPECT_EQ(read_all(process.tape()), up_to(9)) << at;
      EXPECT_EQ(process.tape().recovery().torn.size(), 1u);
    }
  }
}

TEST(EmbeddedTape, DamageInASealedSegmentIsFoundWhenItIsRead) {
  MemoryDisk disk;
  {
    Process process(disk, 1);  // a segment a commit
    for (std::uint64_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(process.tape().append(process.trades(i * 3, 3)));
      ASSERT_TRUE(process.tape().commit());
    }
    ASSERT_TRUE(process.tape().seal());
  }
  const std::string path(kFirstSegment);
  const auto block = disk.contents(path).find("TDBK", 65);  // the second: the trades
  disk.corrupt(path, block + kBlockHeaderBytes + 5, "\x7f");
  Process process(disk, 1);
  ASSERT_TRUE(process.opened) << process.opened.error().message;
  const auto read = read_all(process.tape());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(read.error().message, HasSubstr(path));
  const auto rest = read_all(process.tape(), Offset(3));
  ASSERT_TRUE(rest) << rest.error().message;
  EXPECT_EQ(*rest, (std::vector<std::uint64_t>{3, 4, 5, 6, 7, 8}));
}

// Beside a writer the last block may be half written; in a sealed segment nothing is.
TEST(EmbeddedTape, AViewTellsDamageFromWhatIsNotThereYet) {
  MemoryDisk disk;
  {
    Process process(disk, 1);
    for (std::uint64_t i = 0; i < 2; ++i) {
      ASSERT_TRUE(process.tape().append(process.trades(i * 3, 3)));
      ASSERT_TRUE(process.tape().commit());
    }
  }
  const std::string last = "tape/p0/00000000000000000003.tape";
  {
    auto file = *disk.open(last, OpenMode::kAppend);
    ASSERT_TRUE(file->append("half of a block"));
  }
  const auto read = [&](std::string& error) {
    market::Catalog catalog;
    const auto view = *open_embedded_view(disk, catalog, "tape");
    EXPECT_TRUE(view->identities([](const IdentityRun&) {})) << "they are whole";
    const auto reader = *view->read({});
    std::size_t events = 0;
    while (true) {
      const auto batch = reader->next();
      if (!batch) error = batch.error().message;
      if (!batch || !*batch) return events;
      events += (*batch)->size();
    }
  };
  std::string error;
  EXPECT_EQ(read(error), 6u);
  EXPECT_EQ(error, "");
  {
    Process process(disk, 1);  // cuts the half block off
    ASSERT_TRUE(process.tape().seal());
  }
  const auto block = disk.contents(std::string(kFirstSegment)).find("TDBK", 65);
  disk.corrupt(std::string(kFirstSegment), block + kBlockHeaderBytes + 5, "\x7f");
  EXPECT_EQ(read(error), 0u);
  EXPECT_THAT(error, HasSubstr(kFirstSegment));
}

// A crash in the first commit of a segment may leave its dictionary alone.
TEST(EmbeddedTape, ASegmentWithoutEventsGoesOn) {
  for (const bool old : {false, true}) {
    MemoryDisk disk;
    {
      Process process(disk);
      ASSERT_TRUE(process.tape().append(process.trades(0, 3)));
      ASSERT_TRUE(process.tape().commit());
    }
    const std::string path(kFirstSegment);
    const std::size_t trades = disk.contents(path).find("TDBK", 65);
    ASSERT_TRUE((*disk.open(path, OpenMode::kAppend))->truncate(trades));
    Process process(disk);
    ASSERT_TRUE(process.opened) << process.opened.error().message;
    if (old) process.clock.advance(seconds(90'000));
    ASSERT_TRUE(process.tape().seal());
    EXPECT_EQ(disk.contents(path).size(), trades) << "there is nothing to seal";
    for (std::uint64_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(process.tape().append(process.trades(i * 3, 3)));
      const Status committed = process.tape().commit();
      ASSERT_TRUE(committed) << committed.error().message;
    }
    ASSERT_TRUE(process.tape().seal());
    EXPECT_EQ(read_all(process.tape()), up_to(9));
    EXPECT_EQ(process.tape().status().segments, old ? 2u : 1u);
  }
}

TEST(EmbeddedTape, ASealedSegmentThatHoldsLessThanItSaysIsDamaged) {
  MemoryDisk disk;
  {
    Process process(disk);
    ASSERT_TRUE(process.tape().append(process.trades(0, 3)));
    ASSERT_TRUE(process.tape().seal());
  }
  const std::string path(kFirstSegment);
  const std::string bytes = disk.contents(path);
  const std::string_view old = std::string_view(bytes).substr(bytes.size() - kTrailerBytes);
  Trailer trailer = *read_trailer(old);
  trailer.end = Offset(5);
  disk.corrupt(path, bytes.size() - kTrailerBytes, write_trailer(trailer));
  Process process(disk);
  const auto read = read_all(process.tape());
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("events are missing"));
}

TEST(EmbeddedTape, AMissingSegmentIsNoticed) {
  MemoryDisk disk;
  {
    Process process(disk, 1);
    for (std::uint64_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(process.tape().append(process.trades(i * 3, 3)));
      ASSERT_TRUE(process.tape().commit());
    }
  }
  ASSERT_TRUE(disk.remove("tape/p0/00000000000000000003.tape"));
  const Process process(disk, 1);
  ASSERT_FALSE(process.opened);
  EXPECT_THAT(process.opened.error().message, HasSubstr("is a file missing"));
}

TEST(EmbeddedTape, BlocksOfALaterReleaseAreSkippedByTheirLength) {
  MemoryDisk disk;
  {
    Process process(disk);
    ASSERT_TRUE(process.tape().append(process.trades(0, 2)));
    ASSERT_TRUE(process.tape().commit());
  }
  std::string unknown;
  write_block(unknown, {.kind = static_cast<StreamKind>(77), .count = 4, .first = Offset(2)},
              "whatever it is");
  {
    // One with events, and one without.
    write_block(unknown, {.kind = static_cast<StreamKind>(78), .count = 0, .first = Offset(6)},
                "what it needs");
    auto file = disk.open(std::string(kFirstSegment), OpenMode::kAppend);
    ASSERT_TRUE((*file)->append(unknown));
  }
  Process process(disk);
  ASSERT_TRUE(process.opened) << process.opened.error().message;
  EXPECT_EQ(process.tape().durable_end({}), Offset(6));
  ASSERT_TRUE(process.tape().append(process.trades(2, 1)));
  ASSERT_TRUE(process.tape().commit());
  const auto reader = *process.tape().read({.first = Offset()});
  EXPECT_EQ((**reader->next()).trades.size(), 2u);
  EXPECT_EQ((**reader->next()).first, Offset(6));
  ASSERT_TRUE(process.tape().seal());
  const std::string sealed = disk.contents(std::string(kFirstSegment));
  EXPECT_THAT(sealed, HasSubstr("whatever it is"));
  EXPECT_THAT(sealed, HasSubstr("what it needs"));
  const auto again = *process.tape().read({.first = Offset()});
  EXPECT_EQ((**again->next()).trades.size(), 2u);
  EXPECT_EQ((**again->next()).first, Offset(6));
}

// The disk refuses for a while: nothing is acknowledged meanwhile, reading goes on, and as soon as
// the disk works again all that was appended becomes durable.
TEST(EmbeddedTape, GoesOnByItselfOnceTheDiskWorksAgain) {
  for (const std::string_view failing : {"append", "sync", "sync_directory", "open", "truncate"}) {
    MemoryDisk disk;
    Process process(disk, 300);
    ASSERT_TRUE(process.tape().append(process.trades(0, 3)));
    ASSERT_TRUE(process.tape().commit());
    disk.set_fault([&](std::string_view operation, const std::string& path) -> Status {
      const bool fails = operation == failing || (failing == "truncate" && operation == "sync");
      if (!fails || path.find("p0") == path.npos) return {};
      return fail(ErrorCode::kIo, "cannot " + std::string(operation) + " '" + path + "'");
    });
    bool failed = false;
    for (std::uint64_t i = 1; i < 5; ++i) {
      ASSERT_TRUE(process.tape().append(process.trades(i * 3, 3)));
      const Status committed = process.tape().commit();
      if (committed) continue;
      failed = true;
      EXPECT_EQ(committed.error().code, ErrorCode::kIo) << failing;
      EXPECT_EQ(process.tape().status().state, TapeState::kDiskFailing) << failing;
      EXPECT_THAT(process.tape().status().message, HasSubstr("cannot")) << failing;
    }
    EXPECT_TRUE(failed) << failing;
    const std::uint64_t durable = process.tape().durable_end({}).value;
    EXPECT_LT(durable, 15u) << failing;
    disk.set_fault({});
    EXPECT_EQ(read_all(process.tape()), up_to(durable)) << failing;
    const Status committed = process.tape().commit();
    ASSERT_TRUE(committed) << failing << ": " << committed.error().message;
    EXPECT_EQ(process.tape().status().state, TapeState::kWriting);
    EXPECT_EQ(read_all(process.tape()), up_to(15)) << failing;
  }
}

// The order that recovery relies on: a segment has its header and its name on the disk before a
// block is written, and a commit is synced before it is acknowledged.
// What a header says of its segment's tail must hold for all of it.
TEST(EmbeddedTape, AnotherFsyncLevelBeginsAnotherSegment) {
  MemoryDisk disk;
  ManualClock clock;
  std::uint64_t seq = 0;
  for (const Fsync level : {Fsync::kNever, Fsync::kGroup, Fsync::kAlways, Fsync::kNever}) {
    Process process(disk);
    process.opened = fail(ErrorCode::kBusy, "");  // releases the lock
    process.opened =
        open_embedded_tape(disk, clock, process.catalog, {.directory = "tape", .fsync = level});
    ASSERT_TRUE(process.opened) << process.opened.error().message;
    EXPECT_TRUE(process.tape().append(process.trades(seq, 5)));
    EXPECT_TRUE(process.tape().commit());
    seq += 5;
  }
  std::map<std::string, bool> unsynced;
  const auto names = disk.list("tape/p0");
  for (const std::string& name : *names) {
    const auto file = disk.open("tape/p0/" + name, OpenMode::kRead);
    std::string head(kSegmentHeaderBytes, '\0');
    ASSERT_TRUE((*file)->read_at(0, head.data(), head.size()));
    unsynced[name] = read_segment_header(head)->unsynced;
  }
  EXPECT_THAT(unsynced, testing::ElementsAre(testing::Pair("00000000000000000000.tape", true),
                                             testing::Pair("00000000000000000005.tape", false),
                                             testing::Pair("00000000000000000015.tape", true)));
  Process process(disk);
  EXPECT_EQ(read_all(process.tape()), up_to(20));
}

// More runs of identities than one block takes: ids of which every other one is missing.
TEST(EmbeddedTape, IdentitiesMayTakeSeveralBlocks) {
  MemoryDisk disk;
  constexpr std::uint64_t kCount = (1u << 20) + 7;
  Process process(disk, 1u << 30);
  Batch batch;
  batch.trades.assign(kCount, process.trade(0));
  for (std::uint64_t i = 0; i < kCount; ++i) batch.trades[i].identity.seq = 2 * i;
  ASSERT_TRUE(process.tape().append(std::move(batch)));
  ASSERT_TRUE(process.tape().commit());
  ASSERT_TRUE(process.tape().seal());
  std::uint64_t runs = 0;
  std::uint64_t sum = 0;
  ASSERT_TRUE(process.tape().identities([&](const IdentityRun& run) {
    EXPECT_EQ(run.first, run.last);
    ++runs;
    sum += run.first;
  }));
  EXPECT_EQ(runs, kCount);
  EXPECT_EQ(sum, kCount * (kCount - 1));
}

TEST(EmbeddedTape, SyncsInTheOrderThatRecoveryReliesOn) {
  MemoryDisk disk;
  Process process(disk);
  std::vector<std::string> operations;
  disk.set_fault([&](std::string_view operation, const std::string&) -> Status {
    operations.emplace_back(operation);
    return {};
  });
  ASSERT_TRUE(process.tape().append(process.trades(0, 3)));
  ASSERT_TRUE(process.tape().commit());
  EXPECT_EQ(operations, (std::vector<std::string>{"open", "append", "sync", "sync_directory",
                                                  "append", "sync"}));
}

// The power fails at random moments of random sessions: what was acknowledged is there, in order,
// nothing twice; what was not may be there, as a prefix of what was appended.
TEST(EmbeddedTape, PowerCutsLoseNothingThatWasAcknowledged) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    auto disk = std::make_unique<MemoryDisk>();
    std::uint64_t acknowledged = 0;
    std::uint64_t appended = 0;
    for (int life = 0; life < 4; ++life) {
      auto process = std::make_unique<Process>(*disk, 500 + rng.below(4'000));
      ASSERT_TRUE(process->opened) << seed << ": " << process->opened.error().message;
      const std::uint64_t found = process->tape().durable_end({}).value;
      ASSERT_GE(found, acknowledged) << seed;
      ASSERT_LE(found, appended) << seed;
      ASSERT_EQ(read_all(process->tape()), up_to(found)) << seed;
      acknowledged = appended = found;
      // The cut comes inside a disk operation, so what it does may be there in part.
      std::uint64_t operations_left = rng.below(40);
      std::unique_ptr<MemoryDisk> after;
      const auto cut = [&](std::string_view, const std::string&) -> Status {
        if (operations_left-- > 0) return {};
        return fail(ErrorCode::kIo, "the power failed");
      };
      disk->set_fault(cut);
      for (int commits = 0; commits < 12; ++commits) {
        const std::uint64_t count = 1 + rng.below(30);
        if (!process->tape().append(process->trades(appended, count))) break;
        appended += count;
        const auto end = process->tape().commit();
        if (!end) break;
        acknowledged = process->tape().durable_end({}).value;
      }
      disk->set_fault({});
      after = disk->after_power_cut(rng);
      process.reset();
      disk = std::move(after);
    }
  }
}

}  // namespace
}  // namespace tapedeck::tape::embedded
