// The real tape and the real store on one disk in memory, stopped at any moment: what is computed
// after any number of restarts is what an undisturbed run computes.

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

// Trades, some of which are taken back or corrected a while later, and marks of the clock.
class Session final : public feeds::Source {
 public:
  explicit Session(market::Catalog& catalog) : trades_(fake_trades(catalog, kTrades)) {
    const OriginId venue = catalog.intern(market::Origin{});
    for (std::size_t i = 40; i < trades_.size(); i += 37) {
      const market::Trade& target = trades_[i - 40];
      const bool cancel = i % 2 == 0;
      corrections_[i] = {
          .series = target.series,
          .kind = cancel ? market::CorrectionKind::kCancel : market::CorrectionKind::kCorrect,
          .ts_event = trades_[i].ts_event,
          .ts_recv = trades_[i].ts_recv,
          .price = cancel ? market::Decimal{} : market::Decimal::make(777, 2),
          .size = cancel ? market::Decimal{} : market::Decimal::make(3, 0),
          .identity = {venue, i, 0},
          .target = target.identity};
    }
  }
  Result<bool> pull(feeds::EventSink& sink, std::size_t events_max) override {
    for (std::size_t n = 0; n < events_max; ++n) {
      if (next_ == trades_.size()) return false;
      if (const auto found = corrections_.find(next_); found != corrections_.end()) {
        sink.event(found->second);
      }
      sink.trade(trades_[next_]);
      if (++next_ % 50 == 0) {
        sink.mark({.feed = "fake",
                   .state = market::FeedState::kLive,
                   .ts_recv = trades_[next_ - 1].ts_recv});
      }
    }
    return true;
  }

 private:
  std::vector<market::Trade> trades_;
  std::map<std::size_t, market::Correction> corrections_;
  std::size_t next_ = 0;
};

// All that is in the store, without what depends on how events were batched.
struct Results {
  std::string digest;
  std::map<std::string, std::string> means;
  bool operator==(const Results&) const = default;
};

class Life {
 public:
  Status run(Disk& disk) {
    PipelineParts parts;
    parts.catalog = std::make_unique<market::Catalog>();
    parts.quarantine = std::make_unique<quality::Quarantine>();
    TD_ASSIGN(parts.tape,
              tape::embedded::open_embedded_tape(disk, clock_, *parts.catalog,
                                                 {.directory = "tape", .segment_events_max = 150}));
    TD_TRY(disk.create_directories("var"));
    TD_ASSIGN(parts.store, store::embedded::open_sqlite_store(disk, "var/store.db"));
    parts.feeds.push_back({.id = "fake", .source = std::make_unique<Session>(*parts.catalog)});
    pipeline_ = std::make_unique<Pipeline>(
        std::move(parts), kNoTables, clock_,
        PipelineOptions{.specs = specs(), .bars_kept_max = 3, .means = true, .batch_events = 25});
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
          if (bar.trades + bar.excluded > 0) digest.add({series, spec, bar});
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
  ManualClock clock_;
  std::unique_ptr<Pipeline> pipeline_;
};

TEST(Restart, AtAnyMomentGivesTheSameResults) {
  Results wanted;
  std::uint64_t operations = 0;
  {
    MemoryDisk disk;
    disk.set_fault([&](std::string_view, const std::string&) -> Status {
      ++operations;
      return {};
    });
    Life life;
    const Status ran = life.run(disk);
    ASSERT_TRUE(ran) << ran.error().message;
    wanted = life.results();
    life.check_revisions();
    ASSERT_GT(wanted.means.size(), 100u);
  }
  ASSERT_GT(operations, 200u);
  // A life ends at the n-th operation of the disk, and what was not synced may be lost; the next
  // one ends likewise; the third goes on to the end.
  Rng rng(17);
  const std::uint64_t step = operations / 60;
  for (std::uint64_t n = 1; n < operations; n += 1 + rng.below(2 * step)) {
    auto disk = std::make_unique<MemoryDisk>();
    for (int lives = 0; lives < 2; ++lives) {
      std::uint64_t left = lives == 0 ? n : rng.below(operations);
      disk->set_fault([&](std::string_view, const std::string&) -> Status {
        if (left == 0) return fail(ErrorCode::kIo, "the power failed");
        --left;
        return {};
      });
      (void)Life().run(*disk);
      disk->set_fault({});
      disk = disk->after_power_cut(rng);
    }
    Life last;
    const Status ran = last.run(*disk);
    ASSERT_TRUE(ran) << n << ": " << ran.error().message;
    ASSERT_EQ(last.results(), wanted) << n;
    last.check_revisions();
  }
}

}  // namespace
}  // namespace tapedeck::pipeline
