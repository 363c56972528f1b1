// Bars that the tape gives again are those that the store has, and had.
#include "pipeline/tape_bars.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/memory_disk.hpp"
#include "pipeline/fakes_test.hpp"
#include "pipeline/pipeline.hpp"
#include "store/embedded/sqlite_store.hpp"
#include "tape/embedded/embedded_tape.hpp"

namespace tapedeck::pipeline {
namespace {

using market::Bar;
using market::BarSpec;

const market::ConditionTables kNoTables;
const BarSpec kMinute{.interval = minutes(1)};
const BarSpec kHour{.interval = hours(1)};
const BarSpec kAverage{.interval = seconds(15), .slide = seconds(5)};

// Received in order, one each 100 ms; stamped up to 20 s and now and then five minutes before.
// Some are taken back.
class Source final : public feeds::Source {
 public:
  explicit Source(market::Catalog& catalog) {
    Rng rng(4);
    const OriginId venue = catalog.intern(market::Origin{});
    for (std::uint64_t i = 0; i < 2'000; ++i) {
      const Timestamp recv = kFakeOpen + milliseconds(static_cast<std::int64_t>(i * 100));
      const auto late = static_cast<std::int64_t>(rng.below(rng.below(20) == 0 ? 300 : 20));
      const SeriesId series =
          catalog.intern(market::Series{.key = {"fake", "trade", rng.below(3) == 0 ? "S1" : "S0"},
                                        .order = market::TradeOrder::kVenueSequence});
      trades_.push_back(
          {.series = series,
           .ts_event = recv - seconds(late),
           .ts_recv = recv,
           .price = market::Decimal::make(static_cast<std::int64_t>(1 + rng.below(10'000)), 2),
           .size = market::Decimal::make(static_cast<std::int64_t>(1 + rng.below(100)), 0),
           .identity = {venue, i, 0},
           .venue_sequence = i});
    }
  }
  Result<bool> pull(feeds::EventSink& sink, std::size_t) override {
    for (int n = 0; n < 10 && next_ < trades_.size(); ++n) sink.trade(trades_[next_++]);
    const market::Trade& last = trades_[next_ - 1];
    if (next_ % 50 == 0) {
      const market::Trade& target = trades_[next_ - 30];
      sink.event(market::Correction{.series = target.series,
                                    .ts_event = last.ts_recv,
                                    .ts_recv = last.ts_recv,
                                    .identity = {last.identity.origin, 1'000'000 + next_, 0},
                                    .target = target.identity});
    }
    sink.mark({.feed = "fake/feed", .ts_recv = last.ts_recv});
    return next_ < trades_.size();
  }

 private:
  std::vector<market::Trade> trades_;
  std::size_t next_ = 0;
};

class TapeBarsTest : public testing::Test {
 protected:
  TapeBarsTest() {
    PipelineParts parts;
    parts.catalog = std::make_unique<market::Catalog>();
    parts.quarantine = std::make_unique<quality::Quarantine>();
    parts.tape = tape::embedded::open_embedded_tape(
                     disk_, clock_, *parts.catalog,
                     {.directory = "tape", .partitions = 3, .segment_events_max = 300})
                     .value();
    EXPECT_TRUE(disk_.create_directories("var"));
    parts.store = store::embedded::open_sqlite_store(disk_, "var/store.db").value();
    parts.feeds.push_back({.id = "fake/feed", .source = std::make_unique<Source>(*parts.catalog)});
    Pipeline pipeline(std::move(parts), kNoTables, clock_,
                      {.specs = {kMinute, kHour, kAverage}, .batch_events = 10});
    EXPECT_TRUE(pipeline.prepare());
    SingleThreadDriver driver([this](Duration wait) {
      clock_.advance(wait);
      return true;
    });
    const Status ran = pipeline.run(driver);
    EXPECT_TRUE(ran) << ran.error().message;
  }

  // Without what depends on how events were batched.
  static std::map<Timestamp, Bar> values(const std::vector<Bar>& bars) {
    std::map<Timestamp, Bar> found;
    for (Bar bar : bars) {
      if (bar.trades == 0) continue;  // all were taken back
      bar.revision = 0;
      bar.reason = market::RevisionReason::kNone;
      bar.offset = Offset();
      bar.ts_known = {};
      bar.is_final = false;
      found[bar.ts_open] = bar;
    }
    return found;
  }
  Result<std::vector<Bar>> again(const store::BarQuery& query) {
    market::Catalog catalog;
    TD_ASSIGN(const auto view, tape::embedded::open_embedded_view(disk_, catalog, "tape"));
    return bars_from_tape(*view, catalog, kNoTables, query, seconds(10));
  }

  MemoryDisk disk_;
  ManualClock clock_;
};

TEST_F(TapeBarsTest, GivesWhatTheStoreHasAndHad) {
  const auto store = store::embedded::open_sqlite_reader(disk_, "var/store.db").value();
  const market::SeriesKey series{"fake", "trade", "S0"};
  std::size_t different = 0;
  for (const BarSpec& spec : {kMinute, kHour, kAverage}) {
    store::BarQuery query{.series = series, .spec = spec};
    const auto now = store->bars(query);
    ASSERT_TRUE(now);
    ASSERT_FALSE(now->empty());
    EXPECT_EQ(values(again(query).value()), values(*now));
    std::set<Timestamp> moments;
    for (const Bar& bar : *now) {
      const auto revisions = store->revisions(series, spec, bar.ts_open);
      ASSERT_TRUE(revisions);
      for (const Bar& revision : *revisions) moments.insert(revision.ts_known);
    }
    std::size_t n = 0;
    for (const Timestamp moment : moments) {
      if (n++ % 4 != 0 && moments.size() > 50) continue;
      query.as_of = moment;
      // What was open at that moment has been replaced by what it became: the store keeps the
      // final ones and their revisions.
      std::map<Timestamp, Bar> wanted;
      const auto then = store->bars(query);
      ASSERT_TRUE(then) << then.error().message;
      for (const Bar& bar : *then) {
        if (bar.is_final) wanted.merge(values({bar}));
      }
      const auto found = values(again(query).value());
      for (const auto& [t, bar] : wanted) {
        ASSERT_TRUE(found.contains(t)) << moment.ns;
        ASSERT_EQ(found.at(t), bar) << moment.ns << " " << t.ns;
      }
      if (found != values(*now)) ++different;
    }
  }
  EXPECT_GT(different, 10u);
}

TEST_F(TapeBarsTest, KeepsToRangeAndLimit) {
  store::BarQuery query{.series = {"fake", "trade", "S0"}, .spec = kMinute};
  const auto all = again(query).value();
  ASSERT_GE(all.size(), 5u);
  query.start = all[1].ts_open;
  query.end = all[4].ts_open;
  EXPECT_EQ(again(query).value(), std::vector<Bar>(all.begin() + 1, all.begin() + 4));
  query.limit = 2;
  EXPECT_EQ(again(query).value(), std::vector<Bar>(all.begin() + 2, all.begin() + 4));
  query.series.instrument = "S9";
  EXPECT_TRUE(again(query).value().empty());
}

TEST_F(TapeBarsTest, SaysWhenTheTapeDoesNotGoBackSoFar) {
  {
    market::Catalog catalog;
    auto tape = tape::embedded::open_embedded_tape(disk_, clock_, catalog,
                                                   {.directory = "tape", .retention = {.bytes = 1}})
                    .value();
    ASSERT_TRUE(tape->seal());
    std::vector<Offset> all;
    for (std::uint32_t p = 0; p < 3; ++p) all.push_back(tape->durable_end(PartitionId(p)));
    for (bool more = true; more;) more = tape->maintain(all).value();
  }
  const auto refused = again({.series = {"fake", "trade", "S0"}, .spec = kMinute});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tapedeck::pipeline
