// src/tape/embedded/fault_test.cpp: every disk operation fails once, or from some moment on, and
// disks that fill up: nothing that was acknowledged is lost, the tape says what is wrong, and goes
// on by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tape/embedded/crash_world.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::StreamKind;
using testing::HasSubstr;

struct Failure {
  std::string name;
  std::string only;  // operation
  ErrorCode code = ErrorCode::kIo;
  std::optional<double> part{};
  std::uint64_t count = 1;
  bool whole = true;
  friend std::ostream& operator<<(std::ostream& out, const Failure& failure) {
    return out << failure.name;
  }
};

class EveryOperationFails : public testing::TestWithParam<Failure> {
 protected:
  static Trouble trouble_at(std::uint64_t n) {
    const Failure& failure = GetParam();
    Trouble trouble;
    trouble.only = failure.only;
    trouble.code = failure.code;
    trouble.part = failure.part;
    trouble.whole_operations = failure.whole;
    trouble.fail_at = n;
    trouble.fail_count = failure.count;
    return trouble;
  }
};

TEST_P(EveryOperationFails, AndTheTapeGoesOn) {
  for (std::uint64_t n = 1;; ++n) {
    World world;
    world.trouble = trouble_at(n);
    ASSERT_EQ(world.open(), "") << n;
    ASSERT_EQ(world.short_session(), "") << n << ": " << world.trouble.failed;
    const bool failed = world.trouble.failures > 0;
    // The disk works again: all that was appended becomes durable with the next commit.
    world.trouble = {};
    if (!world.is_open()) {
      ASSERT_EQ(world.open(), "") << n;
    }
    ASSERT_EQ(world.commit(), "") << n;
    ASSERT_EQ(world.look(), "") << n;
    for (int i = 0; i < 3; ++i) ASSERT_EQ(world.maintain(5), "") << n;
    world.die();
    ASSERT_EQ(world.survives(), "") << n;
    if (!failed) break;
  }
}

// The power fails right after.
TEST_P(EveryOperationFails, AndThenThePowerFails) {
  for (std::uint64_t n = 1;; ++n) {
    World world(n);
    world.trouble = trouble_at(n);
    ASSERT_EQ(world.open(), "") << n;
    for (int i = 0; i < 14 && world.is_open() && world.trouble.failures == 0; ++i) {
      ASSERT_EQ(world.session_step(i), "") << n << ": " << world.trouble.failed;
    }
    const bool failed = world.trouble.failures > 0;
    world.cut_power();
    ASSERT_EQ(world.survives(), "") << n;
    if (!failed) break;
  }
}

constexpr std::uint64_t kForGood = 1'000'000;

INSTANTIATE_TEST_SUITE_P(
    Once, EveryOperationFails,
    testing::Values(Failure{"Any", ""}, Failure{"AnyNoSpace", "", ErrorCode::kNoSpace},
                    Failure{"AppendInPart", "append", ErrorCode::kNoSpace, 0.5, 1, false},
                    Failure{"AppendAfterAll", "append", ErrorCode::kIo, 1.0, 1, false},
                    Failure{"SyncLoses", "sync", ErrorCode::kIo, 0.0, 1, false},
                    Failure{"SyncLosesTwice", "sync", ErrorCode::kIo, 0.0, 2, false},
                    Failure{"ThreeInARow", "", ErrorCode::kIo, {}, 3}),
    [](const auto& failure) { return failure.param.name; });

INSTANTIATE_TEST_SUITE_P(
    ForGood, EveryOperationFails,
    testing::Values(Failure{"Append", "append", ErrorCode::kNoSpace, 0.5, kForGood, false},
                    Failure{"Sync", "sync", ErrorCode::kIo, 0.0, kForGood, false},
                    Failure{"Truncate", "truncate", ErrorCode::kIo, {}, kForGood},
                    Failure{"Rename", "rename", ErrorCode::kIo, {}, kForGood},
                    Failure{"Remove", "remove", ErrorCode::kIo, {}, kForGood},
                    Failure{"FreeBytes", "free_bytes", ErrorCode::kIo, {}, kForGood},
                    Failure{"SyncDirectory", "sync_directory", ErrorCode::kIo, {}, kForGood}),
    [](const auto& failure) { return failure.param.name; });

// What another program leaves when it removes its files.
struct FullDisk : testing::Test {
  FullDisk() {
    world.options.free_warn_bytes = 8'000;
    world.options.free_stop_bytes = 3'000;
    world.options.retention = {};
    world.options.raw_retention = {};
    world.disk().set_capacity(kLarge);
  }
  static constexpr std::uint64_t kLarge = std::uint64_t{1} << 40;
  std::uint64_t used() { return kLarge - *world.disk().free_bytes("tape"); }
  Status write(std::uint64_t count) {
    EXPECT_EQ(world.append(StreamKind::kTrade, count), "");
    return world.tape().commit();
  }
  World world;
};

TEST_F(FullDisk, WarnsStopsAndGoesOnByItself) {
  ASSERT_EQ(world.open(), "");
  ASSERT_TRUE(write(20));
  EXPECT_EQ(world.tape().status().state, TapeState::kWriting);
  EXPECT_EQ(world.tape().status().message, "");

  const std::uint64_t full = used() + 7'000;
  world.disk().set_capacity(full);
  world.clock.advance(seconds(1));
  ASSERT_TRUE(write(1));
  EXPECT_EQ(world.tape().status().state, TapeState::kDiskLow);
  EXPECT_THAT(world.tape().status().message, HasSubstr("make room"));
  EXPECT_LE(world.tape().status().free_bytes, 7'000u);

  std::uint64_t events = 21;
  Status committed;
  for (int i = 0; i < 200 && committed; ++i) {
    world.clock.advance(seconds(1));
    committed = write(5);
    if (committed) events += 5;
  }
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(world.tape().status().state, TapeState::kDiskFull);
  EXPECT_THAT(world.tape().status().message, HasSubstr("make room"));
  EXPECT_EQ(world.tape().durable_end({}).value + world.tape().durable_end(PartitionId(1)).value,
            events);
  // Reading goes on.
  world.take_promises();
  EXPECT_EQ(world.look(), "");
  // It looks again with each commit, not only once a second.
  world.disk().set_capacity(full + 20'000);
  EXPECT_EQ(world.commit(), "");
  EXPECT_EQ(world.tape().status().state, TapeState::kWriting);
  EXPECT_EQ(world.look(), "");
  world.die();
  EXPECT_EQ(world.survives(), "");
}

// The last byte is written between two looks: the append itself fails, half done.
TEST_F(FullDisk, FullInTheMiddleOfAWriteAtEveryByte) {
  for (std::uint64_t room = 0; room < 2'500; room += 1 + room / 97) {
    World full;
    full.options = world.options;
    full.options.free_warn_bytes = full.options.free_stop_bytes = 0;
    full.disk().set_capacity(kLarge);
    ASSERT_EQ(full.open(), "");
    ASSERT_EQ(full.append(StreamKind::kTrade, 9), "");
    ASSERT_EQ(full.commit(), "");
    const std::uint64_t before = kLarge - *full.disk().free_bytes("tape");
    full.disk().set_capacity(before + room);
    bool refused = false;
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ(full.append(StreamKind::kTrade, 9), "");
      ASSERT_EQ(full.append(StreamKind::kRawFrame, 1), "");
      const Status committed = full.tape().commit();
      ASSERT_EQ(full.take_promises(), "");
      if (committed) continue;
      refused = true;
      ASSERT_EQ(committed.error().code, ErrorCode::kNoSpace) << committed.error().message;
      ASSERT_EQ(full.tape().status().state, TapeState::kDiskFull);
      ASSERT_EQ(full.look(), "") << room;
    }
    // Sealing needs room too, and does no harm without.
    const Status sealed = full.tape().seal();
    if (!sealed) {
      ASSERT_EQ(sealed.error().code, ErrorCode::kNoSpace) << sealed.error().message;
    }
    ASSERT_EQ(full.take_promises(), "");
    ASSERT_EQ(full.look(), "") << room;
    ASSERT_TRUE(refused || !sealed || room > 1'500) << room;
    full.disk().set_capacity(before + 1'000'000);
    ASSERT_EQ(full.commit(), "") << room;
    ASSERT_EQ(full.look(), "") << room;
    full.cut_power();
    ASSERT_EQ(full.survives(), "") << room;
  }
}

// Nothing may go at first, as a checkpoint is far behind, and the disk fills up. Once it may, the
// room is made, though nothing more can be sealed before.
TEST_F(FullDisk, RetentionMakesRoom) {
  world.options.free_warn_bytes = world.options.free_stop_bytes = 0;
  world.options.retention.bytes = 3'000;
  ASSERT_EQ(world.open(), "");
  world.disk().set_capacity(20'000);
  Status committed;
  for (int commits = 0; commits < 2'000 && committed; ++commits) {
    committed = write(9);
    ASSERT_EQ(world.take_promises(), "");
    std::ignore = world.tape().maintain({Offset(), Offset()});
  }
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(world.tape().first_offset({}), Offset());
  for (int i = 0; i < 40 && !committed; ++i) {
    std::ignore =
        world.tape().maintain({Offset(world.logs[0].promised), Offset(world.logs[1].promised)});
    for (LogModel& log : world.logs) log.droppable = log.promised;
    committed = world.tape().commit();
    ASSERT_EQ(world.take_promises(), "");
  }
  EXPECT_TRUE(committed) << committed.error().message;
  EXPECT_EQ(world.look(), "");
}

TEST_F(FullDisk, SaysWhenItWillBeFull) {
  ASSERT_EQ(world.open(), "");
  EXPECT_EQ(world.tape().status().days_until_full, std::nullopt);
  ASSERT_TRUE(write(9));
  EXPECT_EQ(world.tape().status().days_until_full, std::nullopt) << "after no time at all";
  for (int i = 0; i < 48; ++i) {
    world.clock.advance(seconds(3'600));
    ASSERT_TRUE(write(9));
  }
  const std::uint64_t a_day = world.tape().status().bytes / 2;
  world.disk().set_capacity(used() + world.options.free_stop_bytes + 10 * a_day);
  world.clock.advance(seconds(1));
  ASSERT_TRUE(write(1));
  const TapeStatus status = world.tape().status();
  ASSERT_TRUE(status.days_until_full);
  EXPECT_NEAR(*status.days_until_full, 10.0, 0.5);
}

}  // namespace
}  // namespace tapedeck::tape::embedded
