#include "pipeline/pipeline.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "base/memory_disk.hpp"
#include "pipeline/fakes_test.hpp"
#include "pipeline/tape_quality.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "tape/passing/passing_tape.hpp"

namespace tapedeck::pipeline {
namespace {

constexpr std::size_t kTrades = 3'000;

SingleThreadDriver stepping() {
  return SingleThreadDriver([](Duration) { return false; });
}

struct Setting {
  std::size_t batch_events = 4096;
  std::uint32_t window_threads = 1;
  bool threaded = false;
};

const market::ConditionTables kNoTables;

PipelineOptions options_of(const Setting& setting) {
  return {.specs = {{}, {.conditions = market::ConditionMode::kAll}},
          .batch_events = setting.batch_events,
          .window_threads = setting.window_threads};
}

PipelineParts passing_parts() {
  PipelineParts parts;
  parts.catalog = std::make_unique<market::Catalog>();
  parts.quarantine = std::make_unique<quality::Quarantine>();
  parts.feeds.push_back(
      {.id = "fake", .source = std::make_unique<FakeSource>(fake_trades(*parts.catalog, kTrades))});
  parts.tape = tape::passing::make_passing_tape();
  return parts;
}

std::string digest_with(const Setting& setting) {
  const ManualClock clock;
  Pipeline pipeline(passing_parts(), kNoTables, clock, options_of(setting));
  EXPECT_TRUE(pipeline.prepare());
  if (setting.threaded) {
    ThreadedDriver driver;
    EXPECT_TRUE(pipeline.run(driver));
  } else {
    auto driver = stepping();
    EXPECT_TRUE(pipeline.run(driver));
  }
  market::BarDigest digest;
  std::uint64_t trades = 0;
  for (const market::BarRow& row : pipeline.take_bars()) {
    digest.add(row);
    trades += row.bar.trades;
  }
  EXPECT_EQ(trades, 2 * kTrades);  // two kinds of bars; the repeats counted once
  EXPECT_GT(pipeline.feeds()[0]->counts().duplicates, 50u);
  return digest.finish_hex();
}

TEST(Pipeline, TheDigestIsTheSameForAnyBatchSizeAndNumberOfThreads) {
  const std::string digest = digest_with({});
  for (const std::size_t batch : {1u, 7u, 1000u}) {
    EXPECT_EQ(digest_with({.batch_events = batch}), digest) << batch;
  }
  for (const std::uint32_t threads : {1u, 2u, 3u}) {
    EXPECT_EQ(digest_with({.batch_events = 64, .window_threads = threads, .threaded = true}),
              digest)
        << threads;
  }
}

// A pipeline with a durable tape on a disk that outlives it.
struct Life {
  // `kept`: what is in the store from an earlier life; null: nothing.
  explicit Life(Disk& disk, std::function<void()> on_change = {}, const FakeStore* kept = nullptr) {
    PipelineParts parts;
    parts.catalog = std::make_unique<market::Catalog>();
    parts.quarantine = std::make_unique<quality::Quarantine>();
    parts.tape =
        *tape::embedded::open_embedded_tape(disk, clock, *parts.catalog, {.directory = "tape"});
    parts.feeds.push_back(
        {.id = "fake",
         .source = std::make_unique<FakeSource>(fake_trades(*parts.catalog, kTrades))});
    auto own_store = std::make_unique<FakeStore>();
    if (kept != nullptr) own_store->take_over(*kept);
    store = own_store.get();
    parts.store = std::move(own_store);
    pipeline.emplace(std::move(parts), kNoTables, clock, options_of({.batch_events = 50}),
                     std::move(on_change));
  }
  Status run() {
    if (Status prepared = pipeline->prepare(); !prepared) return prepared;
    auto driver = stepping();
    return pipeline->run(driver);
  }

  ManualClock clock;
  FakeStore* store = nullptr;
  std::optional<Pipeline> pipeline;
};

std::string undisturbed_digest() {
  MemoryDisk disk;
  Life life(disk);
  EXPECT_TRUE(life.run());
  return life.store->digest();
}

TEST(Pipeline, KnowsHowCompleteItsTapeIs) {
  MemoryDisk disk;
  // The second life takes the same trades: nothing but duplicates.
  for (const bool is_second : {false, true}) {
    Life life(disk);
    ASSERT_TRUE(life.run());
    const TapeQuality known = life.pipeline->tape_quality();
    EXPECT_TRUE(known.is_whole);
    EXPECT_EQ(known.problem, "");
    const auto read = completeness_of(life.pipeline->tape(), life.pipeline->catalog());
    ASSERT_TRUE(read);
    const auto days = read->days();
    ASSERT_EQ(known.days.size(), days.size());
    std::uint64_t trades = 0, duplicates = 0;
    for (std::size_t i = 0; i < days.size(); ++i) {
      EXPECT_EQ(known.days[i].series, days[i].series);
      EXPECT_EQ(known.days[i].trades, days[i].trades);
      EXPECT_EQ(known.days[i].reordered, days[i].reordered);
      EXPECT_EQ(known.days[i].missing, days[i].missing);
      trades += known.days[i].trades;
      duplicates += known.days[i].duplicates.value_or(0);
    }
    EXPECT_EQ(trades, kTrades);
    EXPECT_EQ(known.gaps.size(), read->gaps().size());
    EXPECT_EQ(duplicates, life.pipeline->feeds()[0]->counts().duplicates);
    EXPECT_EQ(duplicates > kTrades, is_second);
  }
}

TEST(Pipeline, RunningAgainOnItsTapeAddsNothing) {
  MemoryDisk disk;
  std::uint64_t events = 0;
  {
    Life first(disk);
    ASSERT_TRUE(first.run());
    events = first.pipeline->tape().durable_end(PartitionId()).value;
  }
  Life second(disk);
  ASSERT_TRUE(second.run());
  EXPECT_EQ(second.store->digest(), undisturbed_digest());
  EXPECT_EQ(second.pipeline->tape().durable_end(PartitionId()).value,
            events + 1);  // a mark of its own
}

// The power fails at the n-th operation of the disk, for every n; a new life goes on with what is
// left, and the result is that of a run without a failure.
TEST(Pipeline, APowerCutAtAnyMomentChangesNoResult) {
  const std::string digest = undisturbed_digest();
  Rng rng(3);
  int survived = 0;
  for (std::uint64_t n = 0;; n += 1 + rng.below(3)) {
    MemoryDisk disk;
    std::uint64_t operations = 0;
    bool cut = false;
    {
      Life life(disk);
      disk.set_fault([&](std::string_view, const std::string&) -> Status {
        if (operations++ < n) return {};
        cut = true;
        return fail(ErrorCode::kIo, "the power failed");
      });
      const Status ran = life.run();
      EXPECT_EQ(ran.has_value(), !cut);
      if (!cut) break;
    }
    disk.set_fault({});
    const auto left = disk.after_power_cut(rng);
    Life next(*left);
    ASSERT_TRUE(next.run()) << n;
    ASSERT_EQ(next.store->digest(), digest) << n;
    ++survived;
  }
  EXPECT_GT(survived, 40);
}

// As above, and the store is kept: of its writes some last ones are lost, as a power cut loses what
// was not synced. What is stored goes on from its checkpoint, and nothing is counted twice.
TEST(Pipeline, ItGoesOnFromTheCheckpointOfTheStore) {
  const std::string digest = undisturbed_digest();
  Rng rng(5);
  int resumed = 0;
  for (std::uint64_t n = 20;; n += 1 + rng.below(9)) {
    MemoryDisk disk;
    std::uint64_t operations = 0;
    bool cut = false;
    FakeStore kept;
    {
      Life life(disk);
      disk.set_fault([&](std::string_view, const std::string&) -> Status {
        life.clock.advance(milliseconds(40));  // the store is written now and then
        if (operations++ < n) return {};
        cut = true;
        return fail(ErrorCode::kIo, "the power failed");
      });
      const Status ran = life.run();
      EXPECT_EQ(ran.has_value(), !cut);
      if (!cut) break;
      kept.take_over(*life.store, rng.below(4));
    }
    disk.set_fault({});
    Life next(disk, {}, &kept);
    ASSERT_TRUE(next.run()) << n;
    ASSERT_EQ(next.store->digest(), digest) << n;
    resumed += kept.checkpoint(PartitionId())->applied != Offset() ? 1 : 0;
  }
  EXPECT_GT(resumed, 20);
}

TEST(Pipeline, OtherBarsAreMadeAgainFromTheTape) {
  MemoryDisk disk;
  FakeStore kept;
  {
    Life life(disk);
    ASSERT_TRUE(life.run());
    kept.take_over(*life.store);
  }
  const Offset end = kept.checkpoint(PartitionId())->applied;
  // A bar that is not theirs.
  const store::BarResult other{.row = {{"fake", "trade", "S9"}, {}, {.trades = 7}}, .state = {}};
  ASSERT_TRUE(kept.write({{other}}, {}, {.applied = end, .changed = {{"definition", "others"}}}));
  Life next(disk, {}, &kept);
  ASSERT_TRUE(next.run());
  EXPECT_EQ(next.store->digest(), undisturbed_digest());
}

TEST(Pipeline, AStoreThatKnowsMoreThanTheTapeIsRefused) {
  MemoryDisk disk;
  FakeStore kept;
  ASSERT_TRUE(kept.write({}, {}, {.applied = Offset(99)}));
  Life life(disk, {}, &kept);
  const Status prepared = life.pipeline->prepare();
  ASSERT_FALSE(prepared);
  EXPECT_NE(prepared.error().message.find("do not belong together"), std::string::npos);
}

TEST(Pipeline, StoppedInTheMiddleItGoesOnAtTheNextStart) {
  MemoryDisk disk;
  std::uint64_t before = 0;
  {
    Life life(disk);
    ASSERT_TRUE(life.pipeline->prepare());
    ThreadedDriver driver;
    std::jthread stopper([&] {
      while (life.pipeline->tape().durable_end(PartitionId()) < Offset(500))
        std::this_thread::yield();
      driver.stop();
    });
    ASSERT_TRUE(life.pipeline->run(driver));
    before = life.pipeline->tape().durable_end(PartitionId()).value;
  }
  EXPECT_GE(before, 500u);
  Life next(disk);
  ASSERT_TRUE(next.run());
  EXPECT_EQ(next.store->digest(), undisturbed_digest());
}

TEST(Pipeline, TheLiveTableHoldsWhatTheStoreHolds) {
  MemoryDisk disk;
  int changes = 0;
  Life life(disk, [&] { ++changes; });
  ASSERT_TRUE(life.run());
  EXPECT_GT(changes, 10);
  const market::SeriesKey series{"fake", "trade", "S1"};
  const auto page = life.pipeline->live().bars_since(series, {}, Offset());
  ASSERT_TRUE(page);
  EXPECT_EQ(page->bars, *life.store->bars({.series = series, .spec = {}, .start = {}, .end = {}}));
  EXPECT_EQ(page->applied, life.pipeline->tape().durable_end(PartitionId()));
  for (const market::Bar& bar : page->bars) EXPECT_TRUE(bar.is_final);
  const auto none = life.pipeline->live().bars_since(series, {}, page->applied);
  EXPECT_TRUE(none->bars.empty());
  const auto unknown = life.pipeline->live().bars_since(series, {.interval = hours(1)}, Offset());
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("1m eligible extended"), std::string::npos);
}

// By series, the price and the time of its last trade.
std::map<std::string, std::pair<std::string, Timestamp>> last_trades(const Pipeline& pipeline) {
  std::map<std::string, std::pair<std::string, Timestamp>> last;
  pipeline.live().last_since(
      Offset(), [](const market::Trade&) { return true; },
      [&](const market::Trade& trade, Offset) {
        last[to_string(pipeline.catalog().series(trade.series).key)] = {to_string(trade.price),
                                                                        trade.ts_event};
      });
  return last;
}

TEST(Pipeline, TheLastTradesAreThereBeforeAnythingComes) {
  MemoryDisk disk;
  Life life(disk);
  ASSERT_TRUE(life.run());
  const auto before = last_trades(*life.pipeline);
  ASSERT_EQ(before.size(), 4u);
  FakeStore whole;
  whole.take_over(*life.store);
  FakeStore cut;
  cut.take_over(*life.store, 5);
  life.pipeline.reset();
  {
    Life next(disk, {}, &whole);
    ASSERT_TRUE(next.pipeline->prepare());
    EXPECT_EQ(last_trades(*next.pipeline), before);
  }
  // Where the windows go on behind the checkpoint, each trade is there once.
  Life next(disk, {}, &cut);
  ASSERT_TRUE(next.run());
  EXPECT_EQ(last_trades(*next.pipeline), before);
  std::size_t shown = 0;
  for (std::uint32_t id = 0; id < next.pipeline->catalog().series_count(); ++id) {
    const auto trades = next.pipeline->live().trades_since(SeriesId(id), Offset()).trades;
    for (std::size_t i = 1; i < trades.size(); ++i) {
      EXPECT_LT(trades[i - 1].offset, trades[i].offset);
    }
    shown += trades.size();
  }
  EXPECT_EQ(shown, 4 * Live::kTradesKept);
}

// What a client applies step by step from bars_since is what the table holds: finality too.
TEST(Pipeline, ChangesSinceAnOffsetAddUpToTheWhole) {
  MemoryDisk disk;
  const market::SeriesKey series{"fake", "trade", "S2"};
  std::map<Timestamp, market::Bar> client;
  Offset seen;
  std::optional<Life> life;
  const auto follow = [&] {
    const auto page = life->pipeline->live().bars_since(series, {}, seen);
    for (const market::Bar& bar : page->bars) client.insert_or_assign(bar.ts_open, bar);
    seen = page->applied;
  };
  life.emplace(disk, follow);
  ASSERT_TRUE(life->run());
  std::vector<market::Bar> bars;
  for (const auto& [ts, bar] : client) bars.push_back(bar);
  EXPECT_EQ(bars, *life->store->bars({.series = series, .spec = {}, .start = {}, .end = {}}));
}

void play_paced(bool drained) {
  market::Catalog catalog;
  auto trades = fake_trades(catalog, 1);
  trades.resize(1);
  std::vector<market::Trade> timed;
  for (const std::int64_t s : {-60, -1, 0, 10, 10, 40}) {
    market::Trade trade = trades[0];
    trade.ts_event = kFakeOpen + seconds(s);
    trade.identity.seq = timed.size();
    timed.push_back(trade);
  }
  ManualClock clock;
  SeenEvents seen;
  quality::Quarantine quarantine;
  BatchQueue out(10);
  FeedStage stage({.id = "fake",
                   .source = std::make_unique<FakeSource>(timed),
                   .pace = Pace{.from = kFakeOpen, .speed = 20}},
                  seen, quarantine, out, clock, 100);
  std::vector<Timestamp> marks;
  const auto released = [&] {
    std::size_t events = 0;
    while (auto batch = out.try_pop()) {
      events += batch->trades.size();
      for (const market::FeedMark& mark : batch->marks) marks.push_back(mark.ts_recv);
    }
    return events;
  };
  EXPECT_TRUE(stage.is_loading());
  EXPECT_EQ(stage.step()->kind, Step::Kind::kProgress);
  EXPECT_EQ(released(), 3u);  // all up to the start, at once
  EXPECT_FALSE(stage.is_loading());
  EXPECT_EQ(marks, std::vector{kFakeOpen});
  Step step = *stage.step();
  ASSERT_EQ(step.kind, Step::Kind::kIdle);
  EXPECT_EQ(*step.wait, milliseconds(50));  // a mark each market second, at 20x
  clock.advance(milliseconds(490));
  EXPECT_EQ(stage.step()->kind, Step::Kind::kProgress);
  EXPECT_EQ(released(), 0u);
  EXPECT_EQ(marks.back(), kFakeOpen + milliseconds(9800));
  step = *stage.step();
  EXPECT_EQ(*step.wait, milliseconds(10));  // until 10 market seconds have passed
  clock.advance(milliseconds(10));
  EXPECT_EQ(stage.step()->kind, Step::Kind::kProgress);
  EXPECT_EQ(released(), 2u);
  EXPECT_EQ(stage.market_time(), kFakeOpen + seconds(10));
  if (drained) {
    stage.drain();
    EXPECT_EQ(stage.step()->kind, Step::Kind::kDone);
    EXPECT_EQ(released(), 0u);
    return;
  }
  clock.advance(milliseconds(1500));
  EXPECT_EQ(stage.step()->kind, Step::Kind::kProgress);
  EXPECT_EQ(released(), 1u);
  EXPECT_EQ(stage.step()->kind, Step::Kind::kDone);
  EXPECT_TRUE(stage.is_done());
}

TEST(FeedStage, APlayStandsStillGoesOnAndGoesFaster) {
  market::Catalog catalog;
  const market::Trade one = fake_trades(catalog, 1)[0];
  std::vector<market::Trade> timed;
  for (const std::int64_t s : {0, 10, 20, 30}) {
    timed.push_back(one);
    timed.back().ts_event = kFakeOpen + seconds(s);
    timed.back().identity.seq = timed.size();
  }
  ManualClock clock;
  SeenEvents seen;
  quality::Quarantine quarantine;
  BatchQueue out(1000);
  FeedStage stage({.id = "fake",
                   .source = std::make_unique<FakeSource>(timed),
                   .pace = Pace{.from = kFakeOpen, .speed = 1}},
                  seen, quarantine, out, clock, 100);
  const auto after = [&](Duration passed) {
    clock.advance(passed);
    while (stage.step()->kind == Step::Kind::kProgress) {
    }
    std::size_t events = 0;
    while (auto batch = out.try_pop()) events += batch->trades.size();
    return events;
  };
  EXPECT_EQ(after({}), 1u);
  EXPECT_EQ(after(seconds(9)), 0u);
  stage.set_speed(0);
  EXPECT_EQ(after({}), 0u);  // it takes notice
  EXPECT_EQ(after(hours(1)), 0u);
  stage.set_speed(1);
  EXPECT_EQ(after({}), 0u);
  EXPECT_EQ(after(milliseconds(999)), 0u);
  EXPECT_EQ(after(milliseconds(1)), 1u);
  stage.set_speed(10);
  EXPECT_EQ(after({}), 0u);
  EXPECT_EQ(after(seconds(1)), 1u);
  EXPECT_EQ(after(seconds(1)), 1u);
  EXPECT_EQ(stage.market_time(), kFakeOpen + seconds(30));
}

TEST(FeedStage, HandsEventsOnAtThePaceOfThePlay) { play_paced(false); }

TEST(FeedStage, ADrainedPlayHandsOnNothingThatIsNotDue) { play_paced(true); }

// Trades and ticks in turn, each twice; a trade and a tick have the same identity.
class MixedSource final : public feeds::Source {
 public:
  explicit MixedSource(std::vector<market::Trade> trades) : trades_(std::move(trades)) {}
  Result<bool> pull(feeds::EventSink& sink, std::size_t) override {
    for (const market::Trade& trade : trades_) {
      const market::PriceTick tick{.series = trade.series,
                                   .ts_event = trade.ts_event,
                                   .ts_recv = trade.ts_recv,
                                   .price = trade.price,
                                   .identity = trade.identity};
      for (int i = 0; i < 2; ++i) {
        sink.trade(trade);
        sink.event(tick);
      }
    }
    return false;
  }

 private:
  std::vector<market::Trade> trades_;
};

TEST(FeedStage, KeepsTheOrderOfKindsAndSaysProgressWhereverItHandsOn) {
  market::Catalog catalog;
  const market::Trade one = fake_trades(catalog, 1)[0];
  std::vector<market::Trade> trades(5, one);
  for (std::size_t i = 0; i < trades.size(); ++i) trades[i].identity.seq = i;
  ManualClock clock;
  SeenEvents seen;
  quality::Quarantine quarantine;
  BatchQueue out(3);
  FeedStage stage({.id = "fake", .source = std::make_unique<MixedSource>(trades)}, seen, quarantine,
                  out, clock, 100);
  std::vector<market::StreamKind> kinds;
  for (bool done = false; !done;) {
    const std::size_t before = out.size();
    const Step step = *stage.step();
    if (out.size() > before) {
      EXPECT_NE(step.kind, Step::Kind::kIdle);
    }
    if (step.kind == Step::Kind::kIdle) {
      EXPECT_TRUE(out.full());
    }
    done = step.kind == Step::Kind::kDone;
    while (out.full() || done) {  // never empty, so that some but not all find room
      const auto batch = out.try_pop();
      if (!batch) break;
      EXPECT_EQ(batch->size(), 1u);
      kinds.push_back(batch->kind);
    }
  }
  ASSERT_EQ(kinds.size(), 10u);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(kinds[i], i % 2 == 0 ? market::StreamKind::kTrade : market::StreamKind::kPriceTick);
  }
  EXPECT_EQ(stage.counts().duplicates.load(), 10u);
}

}  // namespace
}  // namespace tapedeck::pipeline
