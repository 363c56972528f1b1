#include "indicators/indicator_series.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "base/crc32c.hpp"
#include "indicators/test_bars.hpp"

namespace tapedeck::indicators {
namespace {

using market::Bar;

// A store of bars, an indicator over them, and what it said last of each.
struct World {
  explicit World(std::string_view indicator, std::uint64_t every = 8)
      : text(indicator), series(indicator_of(indicator), every) {}

  BarSource source() {
    return [this](Timestamp from, const VisitBar& visit) -> Status {
      ++reads;
      for (auto it = bars.lower_bound(from); it != bars.end(); ++it) {
        if (reads_left-- == 0) return fail(ErrorCode::kIo, "the disk is away");
        ++bars_read;
        visit(it->second);
      }
      return {};
    };
  }

  Status update(const std::vector<Bar>& changed) {
    for (const Bar& bar : changed) bars[bar.ts_open] = bar;
    return series.update(changed, source(), [this](Timestamp ts_open, const Values& values) {
      said[ts_open] = text_of(values, series.indicator().outputs().size());
    });
  }

  // What an indicator says that is given all bars as they are now.
  std::map<Timestamp, std::string> expected() const {
    Indicator indicator = indicator_of(text);
    std::map<Timestamp, std::string> out;
    for (const auto& [ts_open, bar] : bars) {
      out[ts_open] = text_of(indicator.add(bar), indicator.outputs().size());
    }
    return out;
  }

  std::string text;
  std::map<Timestamp, Bar> bars;
  std::map<Timestamp, std::string> said;
  IndicatorSeries series;
  int reads = 0;
  std::size_t bars_read = 0;
  std::int64_t reads_left = -1;  // bars until the source fails; below 0: it does not
};

const std::vector<std::string>& indicators() {
  static const std::vector<std::string> all{"sma(7)",      "ema(7)",         "rsi(7)",
                                            "macd(3,7,4)", "bollinger(7,2)", "atr(7)",
                                            "vwap",        "vwap(session)",  "rsi(5,session)"};
  return all;
}

Bar moved(Bar bar) {
  const auto price = decimal("171.2345");
  bar.open = bar.high = bar.low = bar.close = price;
  bar.volume.add(decimal("3"));
  bar.notional.add_product(price, decimal("3"));
  ++bar.revision;
  return bar;
}

TEST(IndicatorSeries, ARevisionOfAnyBarGivesWhatTheWholeGives) {
  const auto bars = random_bars(21, 150);
  for (const std::string& text : indicators()) {
    for (std::size_t at = 0; at < bars.size(); at += 7) {
      World world(text);
      ASSERT_TRUE(world.update(bars));
      EXPECT_EQ(world.reads, 0);
      ASSERT_TRUE(world.update({moved(bars[at])}));
      ASSERT_EQ(world.said, world.expected()) << text << " bar " << at;
      EXPECT_EQ(world.reads, 1);
    }
  }
}

// New bars, changes near and far, bars where there was none, bars that lose their price, several at
// once, restarts: in any order.
TEST(IndicatorSeries, IsTheWholeWhateverHappens) {
  for (const std::string& text : indicators()) {
    for (std::uint64_t seed = 0; seed < 2; ++seed) {
      Rng rng(100 + seed);
      World world(text, 1 + seed * 5);
      const auto fresh = random_bars(seed, 400);
      std::size_t next = 0;
      for (int step = 0; step < 150; ++step) {
        std::map<Timestamp, Bar> changed;
        if (next < fresh.size() && rng.below(3) != 0) {
          for (auto n = rng.below(6); n-- > 0 && next < fresh.size(); ++next) {
            Bar bar = fresh[next];
            bar.is_final = rng.below(2) == 0;
            changed[bar.ts_open] = bar;
          }
        }
        for (auto n = rng.below(3); n-- > 0 && !world.bars.empty();) {
          auto it = world.bars.begin();
          std::advance(it, rng.below(world.bars.size()));
          if (rng.below(2) == 0) it = std::prev(world.bars.end());
          Bar bar = moved(it->second);
          if (rng.below(3) == 0) bar.close.reset();
          if (rng.below(3) == 0) bar.ts_open = bar.ts_open + minutes(1);
          if (rng.below(3) == 0) bar.is_final = false;
          changed[bar.ts_open] = bar;
        }
        std::vector<Bar> list;
        for (const auto& [ts_open, bar] : changed) list.push_back(bar);
        ASSERT_TRUE(world.update(list));
        if (rng.below(4) == 0) {
          const std::string bytes = world.series.snapshot();
          world.series = IndicatorSeries(indicator_of(text), 1 + seed * 5);
          ASSERT_TRUE(world.series.restore(bytes));
          ASSERT_EQ(world.series.snapshot(), bytes);
        }
        ASSERT_EQ(world.said, world.expected()) << text << " seed " << seed << " step " << step;
      }
      EXPECT_GT(world.bars.size(), 200u);
    }
  }
}

TEST(IndicatorSeries, TheNewestBarChangesWithoutReading) {
  World world("sma(3)");
  const auto bars = random_bars(22, 50);
  ASSERT_TRUE(world.update(bars));
  Bar open = bar_at(5000, "100");
  open.is_final = false;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(world.update({open}));
    open = moved(open);
  }
  open.is_final = true;
  ASSERT_TRUE(world.update({open, bar_at(5001, "99")}));
  EXPECT_EQ(world.reads, 0);
  EXPECT_EQ(world.said, world.expected());
}

TEST(IndicatorSeries, AChangeReadsLittleMoreThanItMustAndMemoryStaysSmall) {
  const auto bars = random_bars(23, 20'000);
  World world("ema(5)");
  std::size_t most = 0;
  for (std::size_t i = 0; i < bars.size(); i += 1000) {
    ASSERT_TRUE(world.update({bars.begin() + static_cast<std::ptrdiff_t>(i),
                              bars.begin() + static_cast<std::ptrdiff_t>(i) + 1000}));
    most = std::max(most, world.series.snapshot().size());
  }
  const std::size_t snapshots_max = 4 * (2 + std::bit_width(bars.size() / 8));
  EXPECT_LT(most, snapshots_max * 90);
  for (std::size_t later = 1; later < bars.size(); later = later * 3 / 2 + 1) {
    world.bars_read = 0;
    ASSERT_TRUE(world.update({moved(bars[bars.size() - later])}));
    EXPECT_LE(world.bars_read, later + std::max<std::size_t>(later, 8)) << later;
  }
  EXPECT_EQ(world.said, world.expected());
}

TEST(IndicatorSeries, WhatFailedIsDoneWithTheNextUpdate) {
  const auto bars = random_bars(24, 100);
  for (std::int64_t reads = 0; reads < 60; reads += 7) {
    World world("macd(3,7,4)");
    ASSERT_TRUE(world.update(bars));
    world.reads_left = reads;
    const auto status = world.update({moved(bars[40])});
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kIo);
    // Also across a restart.
    const std::string bytes = world.series.snapshot();
    world.series = IndicatorSeries(indicator_of("macd(3,7,4)"), 8);
    ASSERT_TRUE(world.series.restore(bytes));
    world.reads_left = -1;
    ASSERT_TRUE(world.update({bar_at(5000, "100")}));
    ASSERT_EQ(world.said, world.expected()) << reads;
  }
}

TEST(IndicatorSeries, DisorderIsAnError) {
  World world("sma(3)");
  const auto bars = random_bars(25, 20);
  EXPECT_FALSE(world.update({bars[1], bars[0]}));
  EXPECT_FALSE(world.update({bars[1], bars[1]}));
  ASSERT_TRUE(world.update(bars));
  const auto ignore = [](Timestamp, const Values&) {};
  const auto upside_down = [&](Timestamp, const VisitBar& visit) -> Status {
    visit(bars[9]);
    visit(bars[8]);
    return {};
  };
  EXPECT_FALSE(world.series.update({&bars[2], 1}, upside_down, ignore));
  const auto nothing = [](Timestamp, const VisitBar&) -> Status { return {}; };
  const auto status = world.series.update({&bars[2], 1}, nothing, ignore);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(world.update({moved(bars[19])}));
  EXPECT_EQ(world.said, world.expected());
}

TEST(IndicatorSeries, AnyBytesAreRefusedOrTaken) {
  const auto bars = random_bars(26, 40);
  World world("rsi(5,session)");
  ASSERT_TRUE(world.update(bars));
  Bar open = bar_at(5000, "1");
  open.is_final = false;
  ASSERT_TRUE(world.update({open}));
  const std::string good = world.series.snapshot();
  const auto nothing = [](Timestamp, const VisitBar&) -> Status { return {}; };
  const auto ignore = [](Timestamp, const Values&) {};
  Rng rng(27);
  int taken = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(8)));
    EXPECT_FALSE(world.series.restore(bytes));
    EXPECT_EQ(world.series.newest(), std::nullopt);
    EXPECT_FALSE(world.series.restore(good.substr(0, at)));
  }
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good.substr(0, good.size() - 4);
    for (auto changes = rng.below(3); changes-- > 0;) {
      bytes[rng.below(rng.below(2) == 0 ? 60 : bytes.size())] =
          static_cast<char>(rng.below(3) == 0 ? 0xFF : rng.next());
    }
    const std::uint32_t crc = crc32c(bytes);
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(crc >> shift & 0xFF);
    if (!world.series.restore(bytes)) continue;
    ++taken;
    // Whatever it says, it says it without harm.
    for (const Bar& bar : {bars[rng.below(bars.size())], open}) {
      const auto done = world.series.update({&bar, 1}, nothing, ignore);
      EXPECT_TRUE(done || done.error().code == ErrorCode::kInvalidArgument);
    }
  }
  EXPECT_GT(taken, 1000);
}

}  // namespace
}  // namespace tapedeck::indicators
