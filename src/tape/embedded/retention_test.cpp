// src/tape/embedded/retention_test.cpp: what retention may drop, what becomes of readers meanwhile,
// and all of it at once in real threads on the real disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "tape/embedded/crash_world.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Batch;
using market::StreamKind;
using testing::HasSubstr;

// One partition; trades whose identity is their offset.
struct OneLog {
  explicit OneLog(Retention retention) {
    auto opened = open_embedded_tape(disk, clock, catalog,
                                     {.directory = "tape",
                                      .segment_bytes_max = 1,  // a segment a commit
                                      .retention = retention});
    EXPECT_TRUE(opened) << opened.error().message;
    tape = *std::move(opened);
  }
  void commit(std::uint64_t count) {
    ASSERT_TRUE(tape->append(maker.batch(StreamKind::kTrade, end, count)));
    ASSERT_TRUE(tape->commit());
    end += count;
  }
  void maintain(std::uint64_t keep_from) {
    while (true) {
      const auto more = tape->maintain({Offset(keep_from)});
      ASSERT_TRUE(more) << more.error().message;
      if (!*more) return;
    }
  }
  std::uint64_t first() const { return tape->first_offset({}).value; }

  MemoryDisk disk;
  ManualClock clock;
  market::Catalog catalog;
  Maker maker{catalog};
  std::unique_ptr<Tape> tape;
  std::uint64_t end = 0;
};

TEST(Retention, ByAgeDropsWhatIsOldAndMayGo) {
  OneLog log({.age = seconds(100)});
  for (int i = 0; i < 10; ++i) {  // segments 0-9, 10-19, ...; all but the last sealed at once
    log.commit(10);
    log.maintain(0);
    log.clock.advance(seconds(10));
  }
  log.maintain(100);
  EXPECT_EQ(log.first(), 0u) << "nothing is older than 100 s";
  log.clock.advance(seconds(31));  // the first four were sealed 131, 121, 111 and 101 s ago
  log.maintain(25);
  EXPECT_EQ(log.first(), 20u) << "the checkpoint is in the third";
  log.maintain(100);
  EXPECT_EQ(log.first(), 30u) << "the second was sealed with the third's beginning";
  log.clock.advance(seconds(10'000));
  log.maintain(100);
  EXPECT_EQ(log.first(), 90u) << "the last one says where the log goes on";
}

TEST(Retention, ByBytesDropsTheOldestUntilTheRestFits) {
  OneLog log({.bytes = 3'000});
  for (int i = 0; i < 20; ++i) {
    log.commit(10);
    log.maintain(15);
    EXPECT_LE(log.first(), 15u);
  }
  EXPECT_EQ(log.first(), 10u);
  EXPECT_GT(log.tape->status().bytes, 3'000u);
  log.maintain(200);
  EXPECT_GT(log.first(), 10u);
  EXPECT_LE(log.tape->status().bytes, 3'000u);
  EXPECT_GT(log.tape->status().bytes, 1'500u) << "it dropped more than it must";
}

TEST(Retention, KeepsAllWithoutACheckpointToGoBy) {
  OneLog log({.age = seconds(1), .bytes = 1});
  for (int i = 0; i < 5; ++i) log.commit(10);
  log.clock.advance(seconds(1'000));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(log.tape->maintain({}));
  EXPECT_EQ(log.first(), 0u);
}

// A reader in a segment that is dropped reads on in it, or is told.
TEST(Retention, AReaderInADroppedSegmentFinishesItOrIsTold) {
  OneLog log({.bytes = 1});
  for (int i = 0; i < 4; ++i) log.commit(10);
  const auto reader = *log.tape->read({.first = Offset(12)});
  const auto batch = reader->next();
  ASSERT_TRUE(batch && *batch);
  EXPECT_EQ((*batch)->first, Offset(12));
  log.maintain(40);
  ASSERT_EQ(log.first(), 30u);
  std::uint64_t next = (*batch)->end().value;
  while (true) {
    const auto more = reader->next();
    if (!more) {
      EXPECT_EQ(more.error().code, ErrorCode::kNotFound);
      EXPECT_THAT(more.error().message, HasSubstr("no longer holds offset"));
      EXPECT_THAT(more.error().message, HasSubstr("30"));
      break;
    }
    ASSERT_TRUE(*more) << "a silent end at " << next;
    ASSERT_EQ((*more)->first.value, next);
    next = (*more)->end().value;
  }
  EXPECT_LT(next, 30u);
}

// A folder that goes with the object.
struct TemporaryFolder {
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tapedeck-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

// Trades whose identity is their offset, and a frame now and then.
class Together : public testing::Test {
 protected:
  // What is wrong with a batch that must begin at `next`; empty: nothing.
  static std::string wrong(const Batch& batch, std::uint64_t next) {
    if (batch.first.value != next) {
      return fmt::format("offset {} follows {}", batch.first.value, next);
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch.trades[i].identity.seq != next + i) return fmt::format("{} is wrong", next + i);
    }
    return {};
  }
  void complain(const std::string& what) {
    std::lock_guard lock(mutex_);
    complaints_.push_back(what);
    stop_ = true;
  }

  const TemporaryFolder folder_;
  const std::unique_ptr<Disk> disk_ = real_disk();
  const SystemClock clock_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::string> complaints_;
};

TEST_F(Together, AWriterReadersAndMaintenance) {
  const Duration whole = seconds_or(2);
  market::Catalog catalog;
  EmbeddedTapeOptions options{.directory = folder_.path + "/tape",
                              .segment_bytes_max = 10'000,
                              .retention = {.bytes = 40'000},
                              .raw_retention = {.bytes = 20'000},
                              .scrub_every = Duration{50'000'000}};
  auto opened = open_embedded_tape(*disk_, clock_, catalog, options);
  ASSERT_TRUE(opened) << opened.error().message;
  Tape& tape = **opened;
  std::atomic<std::uint64_t> checkpoint{0};  // of the reader that retention must wait for
  std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> told{0};
  std::atomic<std::uint64_t> read{0};

  std::vector<std::thread> threads;
  threads.emplace_back([&] {  // writes
    Maker maker(catalog);
    Rng rng(1);
    for (std::uint64_t n = 0; !stop_;) {
      const std::uint64_t count = 1 + rng.below(200);
      (void)tape.append(maker.batch(StreamKind::kTrade, n, count));
      (void)tape.append(maker.batch(StreamKind::kRawFrame, n, 1));
      if (const Status s = tape.commit(); !s) return complain("commit: " + s.error().message);
      written = n += count;
      if (rng.below(200) == 0) {
        if (const Status s = tape.seal(); !s) return complain("seal: " + s.error().message);
      }
    }
  });
  threads.emplace_back([&] {  // maintains
    while (!stop_) {
      const std::uint64_t keep_from = checkpoint;
      const auto more = tape.maintain({Offset(keep_from)});
      if (!more) return complain("maintain: " + more.error().message);
      if (tape.first_offset({}).value > keep_from) complain("it went beyond the checkpoint");
      if (const auto damaged = tape.status().damaged; !damaged.empty()) complain(damaged.front());
      if (!*more) std::this_thread::yield();
    }
  });
  threads.emplace_back([&] {  // follows, and is never left behind
    const auto reader = *tape.read({});
    for (std::uint64_t next = 0; !stop_;) {
      auto batch = reader->next();
      if (!batch) return complain("follower: " + batch.error().message);
      if (!*batch) {
        (void)tape.wait({}, Offset(next), Duration{20'000'000});
        continue;
      }
      if (const std::string why = wrong(**batch, next); !why.empty()) {
        return complain("follower: " + why);
      }
      checkpoint = next = (*batch)->end().value;
      read += (*batch)->size();
    }
  });
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    threads.emplace_back([&, seed] {  // reads anywhere, inside and from outside
      Rng rng(seed);
      market::Catalog own;
      std::unique_ptr<TapeView> outside;
      if (seed == 2) {
        auto view = open_embedded_view(*disk_, own, options.directory);
        if (!view) return complain("view: " + view.error().message);
        outside = *std::move(view);
      }
      const TapeView& view = outside ? *outside : tape;
      while (!stop_) {
        const std::uint64_t first = view.first_offset({}).value;
        const std::uint64_t end = view.durable_end({}).value;
        if (first > end) return complain("the first offset is beyond the end");
        std::uint64_t next = first + rng.below(end - first + 1);
        const auto reader = *view.read({.first = Offset(next)});
        for (std::uint64_t batches = rng.below(50); batches > 0 && !stop_; --batches) {
          const auto batch = reader->next();
          if (!batch && batch.error().code == ErrorCode::kNotFound) {
            ++told;
            break;
          }
          if (!batch) return complain(fmt::format("reader {}: {}", seed, batch.error().message));
          if (!*batch) break;
          if (const std::string why = wrong(**batch, next); !why.empty()) {
            return complain(fmt::format("reader {}: {}", seed, why));
          }
          next = (*batch)->end().value;
          read += (*batch)->size();
        }
      }
    });
  }
  // Longer where threads are slow, as under a sanitizer on a busy machine: all must have a turn.
  for (int times = 0; times < 10 && !stop_; ++times) {
    (void)tape.wait({}, Offset(~std::uint64_t{}), whole);  // an end that is never reached
    if (read > 0 && tape.first_offset({}).value > 0) break;
  }
  stop_ = true;
  for (std::thread& thread : threads) thread.join();
  for (const std::string& complaint : complaints_) ADD_FAILURE() << complaint;
  EXPECT_GT(read, 0u);
  EXPECT_GT(tape.first_offset({}).value, 0u) << "nothing was dropped: this test was too short";
  ASSERT_EQ(tape.durable_end({}).value, written);
  opened->reset();

  market::Catalog again;
  const auto reopened = open_embedded_tape(*disk_, clock_, again, options);
  ASSERT_TRUE(reopened) << reopened.error().message;
  std::uint64_t next = (*reopened)->first_offset({}).value;
  const auto reader = *(*reopened)->read({.first = Offset(next)});
  while (true) {
    const auto batch = reader->next();
    ASSERT_TRUE(batch) << batch.error().message;
    if (!*batch) break;
    ASSERT_EQ(wrong(**batch, next), "");
    next = (*batch)->end().value;
  }
  EXPECT_EQ(next, written);
}

}  // namespace
}  // namespace tapedeck::tape::embedded
