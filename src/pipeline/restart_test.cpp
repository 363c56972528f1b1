// The real tape and the real store on one disk in memory, stopped at any moment: what is computed
// after any number of restarts is what an undisturbed run computes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <variant>

#include "base/memory_disk.hpp"
#include "pipeline/fakes_test.hpp"
#include "pipeline/pipeline.hpp"
#include "store/embedded/sqlite_store.hpp"
#include "tape/embedded/embedded_tape.hpp"

namespace tapedeck::pipeline {
namespace {

using market::BarSpec;

const market::ConditionTables kNoTables;
constexpr std::size_t kTrades = 600;

std::vector<BarSpec> specs() {
  return {{.interval = seconds(1)},
          {.interval = minutes(1)},
          {.interval = hours(1)},
          {.interval = market::kTradingDay},
          {.interval = seconds(15), .slide = seconds(5)}};
}

// How a session is kept.
struct Shape {
  std::uint32_t partitions = 1;
  bool tight = false;  // retention drops all that the store has synced
  bool corrections = true;
  bool silent = false;  // S0 trades once and never again; events come one by one
};

using Event = std::variant<market::Trade, market::Correction, market::FeedMark>;

// One trade of S0; ten minutes of S1, a trade and a mark each second; and no end.
std::vector<Event> silent_session(market::Catalog& catalog) {
  market::Trade trade = fake_trades(catalog, 1)[0];
  trade.series = catalog.intern(market::Series{.key = {"fake", "trade", "S0"}});
  trade.ts_event = trade.ts_recv = kFakeOpen;
  std::vector<Event> events{trade};
  trade.series = catalog.intern(market::Series{.key = {"fake", "trade", "S1"}});
  for (int s = 1; s <= 600; ++s) {
    trade.ts_event = trade.ts_recv = kFakeOpen + seconds(s);
    ++trade.identity.seq;
    events.emplace_back(trade);
    events.emplace_back(market::FeedMark{.feed = "fake/one", .ts_recv = trade.ts_recv});
  }
  return events;
}

// Trades out of order, with repeats; some had been missed and come minutes later, some are taken
// back or corrected. One feed's clock stands still from the middle on, another's goes on.
std::vector<Event> session(market::Catalog& catalog, const Shape& shape) {
  if (shape.silent) return silent_session(catalog);
  std::vector<market::Trade> trades = fake_trades(catalog, kTrades);
  for (std::size_t i = 20; i + 100 < trades.size(); i += 101) {
    trades[i].conditions |= market::kRepaired;
    std::rotate(trades.begin() + static_cast<std::ptrdiff_t>(i),
                trades.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                trades.begin() + static_cast<std::ptrdiff_t>(i) + 100);
  }
  const OriginId venue = catalog.intern(market::Origin{});
  std::vector<Event> events;
  const auto mark = [&](const char* feed, Timestamp t) {
    events.emplace_back(market::FeedMark{.feed = feed, .ts_recv = t});
  };
  for (std::size_t i = 0; i < trades.size(); ++i) {
    events.emplace_back(trades[i]);
    if (shape.corrections && i >= 40 && i % 37 == 3) {
      const market::Trade& target = trades[i - (i % 5) * 9];
      const bool cancel = i % 2 == 0;
      events.emplace_back(market::Correction{
          .series = target.series,
          .kind = cancel ? market::CorrectionKind::kCancel : market::CorrectionKind::kCorrect,
          .ts_event = trades[i].ts_event,
          .ts_recv = trades[i].ts_recv,
          .price = cancel ? market::Decimal{} : market::Decimal::make(777, 2),
          .size = cancel ? market::Decimal{} : market::Decimal::make(3, 0),
          .identity = {venue, i, 0},
          .target = target.identity});
    }
    if (i % 50 == 0) mark("fake/quick", trades[i].ts_recv);
    if (i % 50 == 0 && i < trades.size() / 2) mark("fake/slow", trades[i].ts_recv);
  }
  mark("fake/quick", kFakeOpen + minutes(30));
  mark("other/feed", kFakeOpen + minutes(50));
  return events;
}

class Session final : public feeds::Source {
 public:
  Session(std::vector<Event> events, std::function<void()> pulled)
      : events_(std::move(events)), pulled_(std::move(pulled)) {}
  Result<bool> pull(feeds::EventSink& sink, std::size_t events_max) override {
    pulled_();
    for (std::size_t n = 0; n < events_max; ++n) {
      if (next_ == events_.size()) return false;
      const Event& event = events_[next_++];
      if (const auto* trade = std::get_if<market::Trade>(&event)) sink.trade(*trade);
      if (const auto* one = std::get_if<market::Correction>(&event)) sink.event(*one);
      if (const auto* mark = std::get_if<market::FeedMark>(&event)) sink.mark(*mark);
    }
    return true;
  }

 private:
  const std::vector<Event> events_;
  std::size_t next_ = 0;
  std::function<void()> pulled_;
};

// All that is in the store, without what depends on how events were batched.
struct Results {
  std::string digest;
  std::set<std::string> open;  // bars that are not final
  std::map<std::string, std::string> means;
  bool operator==(const Results&) const = default;
};

class Life {
 public:
  explicit Life(const Shape& shape = {}) : shape_(shape) {}

  Status run(Disk& disk) {
    PipelineParts parts;
    parts.catalog = std::make_unique<market::Catalog>();
    parts.quarantine = std::make_unique<quality::Quarantine>();
    tape::embedded::EmbeddedTapeOptions options{
        .directory = "tape", .partitions = shape_.partitions, .segment_events_max = 150};
    if (shape_.tight) {
      options.segment_events_max = 40;
      options.retention.bytes = 1;
    }
    TD_ASSIGN(parts.tape,
              tape::embedded::open_embedded_tape(disk, clock_, *parts.catalog, options));
    TD_TRY(disk.create_directories("var"));
    TD_ASSIGN(parts.store, store::embedded::open_sqlite_store(disk, "var/store.db"));
    // With retention at its tightest the store is synced at each step.
    const Duration step = shape_.tight ? StoreStage::kSyncEvery : Duration{};
    parts.feeds.push_back(
        {.id = "fake",
         .source = std::make_unique<Session>(session(*parts.catalog, shape_),
                                             [this, step] { clock_.advance(step); })});
    pipeline_ =
        std::make_unique<Pipeline>(std::move(parts), kNoTables, clock_,
                                   PipelineOptions{.specs = specs(),
                                                   .lateness = {seconds(2)},
                                                   .bars_kept_max = 3,
                                                   .means = true,
                                                   .keeps_seen = shape_.tight,
                                                   .batch_events = shape_.silent ? 1u : 25u});
    TD_TRY(pipeline_->prepare());
    SingleThreadDriver driver([this](Duration wait) {
      clock_.advance(wait);
      return true;
    });
    return pipeline_->run(driver);
  }

  Results results() const {
    Results results;
    market::BarDigest digest;
    for (std::uint32_t i = 0; i < 4; ++i) {
      const market::SeriesKey series{"fake", "trade", "S" + std::to_string(i)};
      for (const BarSpec& spec : specs()) {
        const auto bars = pipeline_->store().bars({.series = series, .spec = spec});
        EXPECT_TRUE(bars) << bars.error().message;
        for (const market::Bar& bar : *bars) {
          if (bar.trades + bar.excluded == 0) continue;
          digest.add({series, spec, bar});
          if (!bar.is_final) {
            results.open.insert(std::to_string(i) + " " + std::to_string(spec.interval.ns) + " " +
                                std::to_string(bar.ts_open.ns));
          }
        }
      }
      const auto means = pipeline_->store().means(series, market::ConditionMode::kAll, std::nullopt,
                                                  std::nullopt, 1'000'000);
      EXPECT_TRUE(means) << means.error().message;
      for (const store::MeanRow& mean : *means) {
        results.means[series.instrument + " " + std::to_string(mean.ts_tick.ns)] =
            std::to_string(mean.trades) + " " + mean.price_sum.to_string() + " " +
            mean.notional.to_string();
      }
    }
    results.digest = digest.finish_hex();
    return results;
  }

  const Pipeline& pipeline() const { return *pipeline_; }

  // Why bars were revised.
  std::set<market::RevisionReason> reasons() const {
    std::set<market::RevisionReason> found;
    for (int i = 0; i < 4; ++i) {
      const market::SeriesKey series{"fake", "trade", "S" + std::to_string(i)};
      for (const Duration interval : {seconds(1), minutes(1)}) {
        const auto bars =
            pipeline_->store().bars({.series = series, .spec = {.interval = interval}});
        EXPECT_TRUE(bars) << bars.error().message;
        for (const market::Bar& bar : *bars) found.insert(bar.reason);
      }
    }
    return found;
  }

  // No revision of a bar is there twice, and they rise.
  void check_revisions() const {
    for (std::uint32_t i = 0; i < 4; ++i) {
      const market::SeriesKey series{"fake", "trade", "S" + std::to_string(i)};
      const BarSpec minute{.interval = minutes(1)};
      const auto bars = pipeline_->store().bars({.series = series, .spec = minute});
      ASSERT_TRUE(bars);
      for (const market::Bar& bar : *bars) {
        const auto revisions = pipeline_->store().revisions(series, minute, bar.ts_open);
        ASSERT_TRUE(revisions) << revisions.error().message;
        ASSERT_FALSE(revisions->empty());
        EXPECT_EQ(revisions->back(), bar);
        for (std::size_t r = 1; r < revisions->size(); ++r) {
          EXPECT_LT((*revisions)[r - 1].revision, (*revisions)[r].revision);
          EXPECT_LT((*revisions)[r - 1].offset, (*revisions)[r].offset);
        }
      }
    }
  }

 private:
  const Shape shape_;
  ManualClock clock_;
  std::unique_ptr<Pipeline> pipeline_;
};

// A life ends at the n-th operation of the disk, and what was not synced may be lost; the next one
// ends likewise; the third goes on to the end. Calls `check` with it.
void restart_at_any_moment(const Shape& shape, std::uint64_t times,
                           const std::function<void(const Life& last)>& check) {
  std::uint64_t operations = 0;
  {
    MemoryDisk disk;
    disk.set_fault([&](std::string_view, const std::string&) -> Status {
      ++operations;
      return {};
    });
    const Status ran = Life(shape).run(disk);
    ASSERT_TRUE(ran) << ran.error().message;
  }
  ASSERT_GT(operations, 200u);
  Rng rng(17);
  const std::uint64_t step = operations / times;
  for (std::uint64_t n = 1; n < operations; n += 1 + rng.below(2 * step)) {
    auto disk = std::make_unique<MemoryDisk>();
    for (int lives = 0; lives < 2; ++lives) {
      std::uint64_t left = lives == 0 ? n : rng.below(operations);
      disk->set_fault([&](std::string_view, const std::string&) -> Status {
        if (left == 0) return fail(ErrorCode::kIo, "the power failed");
        --left;
        return {};
      });
      (void)Life(shape).run(*disk);
      disk->set_fault({});
      disk = disk->after_power_cut(rng);
    }
    Life last(shape);
    const Status ran = last.run(*disk);
    ASSERT_TRUE(ran) << n << ": " << ran.error().message;
    SCOPED_TRACE(n);
    check(last);
    last.check_revisions();
    if (testing::Test::HasFailure()) return;
  }
}

Results undisturbed(const Shape& shape) {
  MemoryDisk disk;
  Life life(shape);
  const Status ran = life.run(disk);
  EXPECT_TRUE(ran) << ran.error().message;
  return life.results();
}

TEST(Restart, AtAnyMomentGivesTheSameResults) {
  const Results wanted = undisturbed({});
  ASSERT_GT(wanted.means.size(), 100u);
  ASSERT_GT(wanted.open.size(), 4u);
  restart_at_any_moment({}, 40, [&](const Life& last) { EXPECT_EQ(last.results(), wanted); });
}

TEST(Restart, TheSessionHasEveryReason) {
  MemoryDisk disk;
  Life life;
  ASSERT_TRUE(life.run(disk));
  using enum market::RevisionReason;
  EXPECT_EQ(life.reasons(), (std::set{kNone, kLate, kRepair, kCancel, kCorrection}));
}

TEST(Restart, AnyNumberOfPartitionsGivesTheSameResults) {
  const Results wanted = undisturbed({});
  EXPECT_EQ(undisturbed({.partitions = 2}), wanted);
  EXPECT_EQ(undisturbed({.partitions = 7}), wanted);
  restart_at_any_moment({.partitions = 7}, 10,
                        [&](const Life& last) { EXPECT_EQ(last.results(), wanted); });
}

// The tape has nothing but what the store has not synced.
TEST(Restart, WithRetentionAtItsTightest) {
  const Shape shape{.tight = true, .corrections = false};
  Results wanted;
  {
    MemoryDisk disk;
    Life life(shape);
    ASSERT_TRUE(life.run(disk));
    wanted = life.results();
    const tape::Tape& tape = life.pipeline().tape();
    EXPECT_GT(tape.first_offset({}).value, tape.durable_end({}).value / 2) << "it was not tight";
    EXPECT_EQ(wanted.digest, undisturbed({.corrections = false}).digest);
  }
  restart_at_any_moment(shape, 40, [&](const Life& last) { EXPECT_EQ(last.results(), wanted); });
}

TEST(Restart, ASilentSeriesClosesAndRetentionPassesIt) {
  const Shape shape{.tight = true, .silent = true};
  MemoryDisk disk;
  Life life(shape);
  ASSERT_TRUE(life.run(disk));
  const market::SeriesKey silent{"fake", "trade", "S0"};
  for (const Duration interval : {seconds(1), minutes(1)}) {
    const auto found = life.pipeline().store().find(silent, {.interval = interval}, kFakeOpen);
    ASSERT_TRUE(found && *found);
    const market::Bar& bar = (*found)->row.bar;
    EXPECT_TRUE(bar.is_final);
    EXPECT_EQ(bar.trades, 1u);
    // When it was known to be final: within the lateness (2 s) and 2 s more of its end.
    EXPECT_LE(bar.ts_known - (kFakeOpen + interval), seconds(2 + 2)) << interval.ns;
  }
  // Its trade is the first event; the hour that it is in is not over.
  EXPECT_GT(life.pipeline().tape().first_offset({}), Offset(100));
  restart_at_any_moment(shape, 10, [&](const Life& last) {
    EXPECT_EQ(last.results(), life.results());
    EXPECT_GT(last.pipeline().tape().first_offset({}), Offset(100));
  });
}

// A bar with some of what was taken back or corrected; sums of whole hundredths.
struct Sums {
  std::int64_t trades = 0, volume = 0, notional = 0;
  auto operator<=>(const Sums&) const = default;
};

// What may come of a bar when corrections can come too late for what the tape still has: any of
// them is applied or not, and every trade is counted.
std::map<std::pair<std::string, Timestamp>, std::set<Sums>> possible_bars(
    const market::Catalog& catalog, const std::vector<Event>& events, Duration interval) {
  std::map<std::uint64_t, market::Correction> corrections;  // by the trade's number
  for (const Event& event : events) {
    const auto* one = std::get_if<market::Correction>(&event);
    if (one != nullptr) corrections[one->target.seq] = *one;
  }
  std::map<std::pair<std::string, Timestamp>, std::set<Sums>> bars;
  std::set<std::uint64_t> seen;
  for (const Event& event : events) {
    const auto* trade = std::get_if<market::Trade>(&event);
    if (trade == nullptr || !seen.insert(trade->identity.seq).second) continue;
    auto& possible =
        bars[{catalog.series(trade->series).key.instrument, floor_to(trade->ts_event, interval)}];
    if (possible.empty()) possible.insert(Sums{});
    const auto with = [&](std::int64_t price, std::int64_t size) {
      std::set<Sums> more;
      for (const Sums& sums : possible) {
        more.insert({sums.trades + 1, sums.volume + size, sums.notional + price * size});
      }
      return more;
    };
    std::set<Sums> next = with(trade->price.scale == 2   ? trade->price.mantissa
                               : trade->price.scale == 1 ? trade->price.mantissa * 10
                                                         : trade->price.mantissa * 100,
                               std::stoll(to_string(trade->size)));
    if (const auto found = corrections.find(trade->identity.seq); found != corrections.end()) {
      const bool cancel = found->second.kind == market::CorrectionKind::kCancel;
      next.merge(cancel ? std::set<Sums>(possible) : with(777, 3));
    }
    possible = std::move(next);
  }
  return bars;
}

TEST(Restart, NoBarIsMadeFromAPartOfItsTrades) {
  const Shape shape{.tight = true};
  std::uint64_t unapplied = 0;
  std::uint64_t cancelled = 0;
  restart_at_any_moment(shape, 30, [&](const Life& last) {
    market::Catalog catalog;
    const std::vector<Event> events = session(catalog, shape);
    for (const Duration interval : {seconds(1), minutes(1)}) {
      std::size_t seen = 0;
      for (const auto& [key, possible] : possible_bars(catalog, events, interval)) {
        const market::SeriesKey series{"fake", "trade", key.first};
        const auto found = last.pipeline().store().find(series, {.interval = interval}, key.second);
        ASSERT_TRUE(found && *found) << key.first;
        const market::Bar& bar = (*found)->row.bar;
        const Sums sums{static_cast<std::int64_t>(bar.trades), std::stoll(bar.volume.to_string()),
                        std::llround(std::stod(bar.notional.to_string()) * 100)};
        EXPECT_TRUE(possible.contains(sums))
            << key.first << " " << to_iso(key.second) << " " << interval.ns << ": " << sums.trades;
        unapplied += bar.unapplied;
        cancelled += bar.reason == market::RevisionReason::kCancel && bar.unapplied == 0 ? 1 : 0;
        ++seen;
      }
      EXPECT_GT(seen, 40u);
    }
  });
  EXPECT_GT(unapplied, 0u) << "the tape still had all that was asked for";
  EXPECT_GT(cancelled, 0u) << "the tape had nothing that was asked for";
}

}  // namespace
}  // namespace tapedeck::pipeline
