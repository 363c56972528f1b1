// src/tape/embedded/damage_test.cpp: a small tape cut at every byte and flipped at every byte. It
// is refused with a place, or gives the right events and no other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tape/embedded/crash_world.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::StreamKind;
using testing::HasSubstr;

const std::string kManifest = "tape/TAPE";

// A tape of one partition: a sealed segment, an older one that is not sealed, and the one that is
// being written, with several commits.
class DamageTest : public testing::Test {
 protected:
  using Files = std::map<std::string, std::string>;  // path to bytes

  DamageTest() {
    world_.options.partitions = 1;
    world_.options.retention = {};
    world_.options.raw_retention = {};
    world_.logs.resize(2);
    EXPECT_EQ(world_.open(), "");
    const auto write = [&] {
      EXPECT_EQ(world_.append(StreamKind::kTrade, 5), "");
      EXPECT_EQ(world_.append(StreamKind::kQuote, 2), "");
      EXPECT_EQ(world_.append(StreamKind::kStatus, 1), "");
      EXPECT_EQ(world_.commit(), "");
    };
    write();
    write();
    EXPECT_EQ(world_.seal(), "");
    const auto paths = [&] {
      std::vector<std::string> found;
      const auto names = world_.disk().list("tape/p0");
      for (const std::string& name : *names) found.push_back("tape/p0/" + name);
      return found;
    };
    while (paths().size() < 3) write();
    // Where the commits of the open segment end, and what is there then.
    commit_ends_.push_back({size_of(paths()[2]), world_.logs[0].promised});
    write();
    commit_ends_.push_back({size_of(paths()[2]), world_.logs[0].promised});
    write();
    commit_ends_.push_back({size_of(paths()[2]), world_.logs[0].promised});
    sealed_ = paths()[0];
    older_ = paths()[1];
    open_ = paths()[2];
    first_of_open_ = parse_segment_name(open_.substr(8))->value;
    world_.die();
    for (const std::string& path : {kManifest, sealed_, older_, open_}) {
      files_[path] = world_.disk().contents(path);
    }
  }

  std::uint64_t size_of(const std::string& path) { return world_.disk().contents(path).size(); }
  std::uint64_t all() const { return world_.logs[0].events.size(); }

  static std::unique_ptr<MemoryDisk> disk_with(const Files& files) {
    auto disk = std::make_unique<MemoryDisk>();
    EXPECT_TRUE(disk->create_directories("tape/p0"));
    EXPECT_TRUE(disk->create_directories("tape/raw"));
    for (const auto& [path, bytes] : files) {
      auto file = disk->open(path, OpenMode::kCreate);
      EXPECT_TRUE((*file)->append(bytes));
    }
    return disk;
  }

  // Reads on as far as it goes; `read` counts. Empty, or what is wrong with an event.
  std::string read_from(const TapeView& view, Maker& maker, std::uint64_t first,
                        std::uint64_t& next, std::optional<Error>& error) {
    next = first;
    const auto reader = view.read({.first = Offset(first)});
    if (!reader) return "no reader";
    while (true) {
      const auto batch = (*reader)->next();
      if (!batch) {
        error = batch.error();
        return {};
      }
      if (!*batch) return {};
      if ((*batch)->first.value != next) return fmt::format("{} does not follow", next);
      if ((*batch)->end().value > all()) return "more than ever was there";
      for (std::size_t i = 0; i < (*batch)->size(); ++i, ++next) {
        const Event& event = world_.logs[0].events[next];
        if (!same_event(**batch, i, maker.batch(event.kind, event.number, 1))) {
          return fmt::format("offset {} is a wrong event", next);
        }
      }
    }
  }

  struct Found {
    bool refused = false;
    std::uint64_t end = 0;  // as the tape says
    bool noticed = false;   // by opening, reading or scrubbing
    std::uint64_t torn = 0;
  };

  // Opens and reads in every way; fails the test where anything is wrong.
  Found look_at(const Files& files, const std::string& damaged) {
    Found found;
    {
      // Another process that reads: right events, and in what is finished, no silent end.
      auto disk = disk_with(files);
      market::Catalog catalog;
      Maker maker(catalog);
      const auto view = open_embedded_view(*disk, catalog, "tape");
      if (view) {
        for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{7}, first_of_open_ - 1}) {
          std::uint64_t next = 0;
          std::optional<Error> error;
          EXPECT_EQ(read_from(**view, maker, first, next, error), "");
          if (error) {
            EXPECT_THAT(error->message, HasSubstr("tape"));
          }
          const bool told = error && error->code == ErrorCode::kCorrupt;
          if (!told && damaged != open_) {
            EXPECT_EQ(next, all()) << "a silent end, from " << first;
          }
        }
        (void)(*view)->durable_end({});
        std::ignore = (*view)->identities([](const IdentityRun&) {});
      } else {
        EXPECT_EQ(view.error().code, ErrorCode::kCorrupt) << view.error().message;
      }
    }
    auto disk = disk_with(files);
    ManualClock clock(world_.clock.now());
    market::Catalog catalog;
    Maker maker(catalog);
    auto tape = open_embedded_tape(*disk, clock, catalog, world_.options);
    if (!tape) {
      found.refused = found.noticed = true;
      EXPECT_EQ(tape.error().code, ErrorCode::kCorrupt) << tape.error().message;
      EXPECT_THAT(tape.error().message, HasSubstr("tape"));
      for (const auto& [path, bytes] : files) {
        EXPECT_EQ(disk->contents(path), bytes) << path << " was touched";
      }
      return found;
    }
    found.end = (*tape)->durable_end({}).value;
    found.torn = (*tape)->recovery().torn.size();
    EXPECT_LE(found.end, all());
    std::uint64_t next = 0;
    for (std::uint64_t first = 0; first < found.end; first += 3) {
      std::optional<Error> error;
      EXPECT_EQ(read_from(**tape, maker, first, next, error), "");
      if (!error) {
        EXPECT_EQ(next, found.end) << "a silent end, from " << first;
        continue;
      }
      found.noticed = true;
      EXPECT_EQ(error->code, ErrorCode::kCorrupt) << error->message;
      EXPECT_THAT(error->message, HasSubstr(damaged));
      EXPECT_THAT(error->message, HasSubstr("at byte"));
    }
    std::ignore = (*tape)->identities([](const IdentityRun&) {});
    clock.advance(world_.options.scrub_every + seconds(1));
    for (int i = 0; i < 10; ++i) {
      if (const auto more = (*tape)->maintain({}); !more) {
        EXPECT_EQ(more.error().code, ErrorCode::kCorrupt) << more.error().message;
        found.noticed = true;
      } else if (!*more) {
        break;
      }
    }
    for (const std::string& said : (*tape)->status().damaged) {
      EXPECT_THAT(said, HasSubstr(damaged));
      found.noticed = true;
    }
    // It goes on with what is good.
    EXPECT_TRUE((*tape)->append(maker.batch(StreamKind::kTrade, 9'000, 3)));
    EXPECT_TRUE((*tape)->commit());
    EXPECT_EQ((*tape)->durable_end({}).value, found.end + 3);
    return found;
  }

  static bool same_event(const market::Batch& found, std::size_t at, const market::Batch& wanted) {
    bool is_same = found.kind == wanted.kind;
    visit_events(found, [&](const auto& events) {
      visit_events(wanted, [&](const auto& one) {
        if constexpr (std::is_same_v<decltype(events), decltype(one)>) {
          is_same = is_same && events[at] == one.front();
        }
      });
    });
    return is_same;
  }

  // What must be left where the open segment is good up to `bytes`.
  std::uint64_t whole_before(std::uint64_t bytes) const {
    std::uint64_t end = first_of_open_;
    for (const auto& [size, events] : commit_ends_) {
      if (size <= bytes) end = events;
    }
    return end;
  }

  World world_;
  Files files_;
  std::string sealed_, older_, open_;
  std::uint64_t first_of_open_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> commit_ends_;
};

TEST_F(DamageTest, WithoutDamageAllIsThere) {
  const Found found = look_at(files_, open_);
  EXPECT_FALSE(found.noticed);
  EXPECT_EQ(found.end, all());
}

TEST_F(DamageTest, CutAtEveryByte) {
  for (const auto& [path, whole] : files_) {
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
      SCOPED_TRACE(fmt::format("{} cut at {} of {}", path, cut, whole.size()));
      Files files = files_;
      files[path].resize(cut);
      const Found found = look_at(files, path);
      if (path == open_) {
        ASSERT_FALSE(found.refused);
        ASSERT_EQ(found.end, whole_before(cut));
      } else if (path == kManifest) {
        // The line's end may go; then nothing is missing.
        ASSERT_TRUE(found.refused || (cut + 1 == whole.size() && found.end == all()));
      } else {
        ASSERT_TRUE(found.refused);
      }
      ASSERT_FALSE(HasFailure());
    }
  }
}

TEST_F(DamageTest, FlippedAtEveryByte) {
  const bool every_bit = seeds_or(1) > 1;
  for (const auto& [path, whole] : files_) {
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        if (!every_bit && bit != at % 8) continue;
        SCOPED_TRACE(fmt::format("{} flipped at {}, bit {}", path, at, bit));
        Files files = files_;
        files[path][at] = static_cast<char>(files[path][at] ^ (1 << bit));
        const Found found = look_at(files, path);
        const std::uint64_t last_commit = commit_ends_[commit_ends_.size() - 2].first;
        if (path == open_ && at >= last_commit) {
          ASSERT_FALSE(found.refused);
          ASSERT_EQ(found.end, whole_before(at));
          ASSERT_EQ(found.torn, 1u);
        } else if (path == kManifest) {
          ASSERT_TRUE(found.refused || found.end == all());
        } else if (path == sealed_) {
          ASSERT_TRUE(found.noticed);
          if (!found.refused) {
            ASSERT_EQ(found.end, all());
          }
        } else {
          ASSERT_TRUE(found.refused);
        }
        ASSERT_FALSE(HasFailure());
      }
    }
  }
}

// A file that is gone is noticed, but for the last one: nothing says that it was there.
TEST_F(DamageTest, EachFileRemoved) {
  for (const auto& [path, whole] : files_) {
    SCOPED_TRACE(path);
    Files files = files_;
    files.erase(path);
    auto disk = disk_with(files);
    market::Catalog catalog;
    const auto tape = open_embedded_tape(*disk, world_.clock, catalog, world_.options);
    if (path == open_) {
      ASSERT_TRUE(tape) << tape.error().message;
      EXPECT_EQ((*tape)->durable_end({}).value, first_of_open_);
    } else if (path == sealed_) {
      // As if retention had taken it.
      ASSERT_TRUE(tape) << tape.error().message;
      EXPECT_GT((*tape)->first_offset({}).value, 0u);
    } else {
      ASSERT_FALSE(tape);
      EXPECT_EQ(tape.error().code, ErrorCode::kCorrupt);
    }
  }
}

// A refusal changes nothing, also where another log of the tape has a torn tail.
TEST_F(DamageTest, ARefusalChangesNothingInOtherLogs) {
  World world;
  ASSERT_EQ(world.open(), "");
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(world.append(StreamKind::kTrade, 12), "");
    ASSERT_EQ(world.commit(), "");
  }
  world.die();
  const std::string p0 = "tape/p0/00000000000000000000.tape";
  const std::string p1 = "tape/p1/00000000000000000000.tape";
  std::string torn = world.disk().contents(p0);
  {
    auto file = world.disk().open(p0, OpenMode::kAppend);
    ASSERT_TRUE((*file)->append("half a block"));
    torn += "half a block";
  }
  world.disk().corrupt(p1, 70, "x");
  market::Catalog catalog;
  ASSERT_FALSE(open_embedded_tape(world.disk(), world.clock, catalog, world.options));
  EXPECT_EQ(world.disk().contents(p0), torn);
}

}  // namespace
}  // namespace tapedeck::tape::embedded
