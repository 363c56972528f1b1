// src/store/conformance.hpp: what every store must do, as one suite. The test of a store
// instantiates it with a function that opens the store kept under a name, made where missing.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "store/store.hpp"

namespace tapedeck::store {

struct StoreUnderTest {
  std::string name;
  std::function<Result<std::unique_ptr<Store>>(const std::string& path)> open;
};

class StoreConformance : public testing::TestWithParam<StoreUnderTest> {
 protected:
  StoreConformance() { reopen(); }
  ~StoreConformance() override { std::filesystem::remove_all(folder_); }

  void reopen() {
    store_.reset();
    auto opened = GetParam().open(folder_ + "/store");
    if (!opened) throw std::runtime_error(opened.error().message);
    store_ = *std::move(opened);
  }

  static market::Decimal dec(std::string_view text) { return market::parse_decimal(text).value(); }
  static market::DecimalSum sum(std::string_view text) {
    return market::parse_decimal_sum(text).value();
  }
  static market::BarRow row(std::int64_t minute, std::string_view close = "167.42") {
    market::BarRow r;
    r.series = {"lean", "trade", "SPY"};
    r.bar.ts_open = Timestamp{} + minutes(minute);
    r.bar.open = r.bar.high = r.bar.low = dec("167.4");
    r.bar.close = dec(close);
    r.bar.volume = sum("1200");
    r.bar.notional = sum("200904.5");
    r.bar.trades = 3;
    r.bar.offset = Offset(static_cast<std::uint64_t>(minute) + 1);
    return r;
  }
  static BarQuery query() { return {.series = row(0).series, .spec = {}, .start = {}, .end = {}}; }

  void write(const std::vector<market::BarRow>& rows, std::uint64_t applied = 1) {
    const Status written = store_->write(rows, Offset(applied));
    ASSERT_TRUE(written) << written.error().message;
  }
  std::vector<market::Bar> read(const BarQuery& q) const {
    auto bars = store_->bars(q);
    EXPECT_TRUE(bars) << bars.error().message;
    return bars.value_or(std::vector<market::Bar>());
  }
  std::vector<std::int64_t> minutes_of(const BarQuery& q) const {
    std::vector<std::int64_t> found;
    for (const market::Bar& bar : read(q)) found.push_back(bar.ts_open.ns / minutes(1).ns);
    return found;
  }

  const std::string folder_ = [] {
    std::string name = testing::TempDir() + "td_store_XXXXXX";
    return std::string(::mkdtemp(name.data()));
  }();
  std::unique_ptr<Store> store_;
};

TEST_P(StoreConformance, ANewOneIsEmpty) {
  EXPECT_EQ(store_->applied(), Offset(0));
  EXPECT_TRUE(read(query()).empty());
}

TEST_P(StoreConformance, GivesBackWhatWasWritten) {
  market::BarRow r = row(5);
  r.bar.high = dec("9223372036854775807");
  r.bar.low = dec("-0.000000000000000001");
  r.bar.volume = sum("170141183460469231731687303715884105727");
  r.bar.notional = sum("0.000000000000000000000000000000000001");
  r.bar.trades = std::numeric_limits<std::uint64_t>::max();
  r.bar.excluded = std::numeric_limits<std::uint64_t>::max() - 1;
  r.bar.is_final = true;
  r.bar.revision = std::numeric_limits<std::uint32_t>::max();
  r.bar.offset = Offset(std::numeric_limits<std::uint64_t>::max());
  write({r}, std::numeric_limits<std::uint64_t>::max());
  EXPECT_THAT(read(query()), testing::ElementsAre(r.bar));
  EXPECT_EQ(store_->applied(), r.bar.offset);
  reopen();
  EXPECT_THAT(read(query()), testing::ElementsAre(r.bar));
  EXPECT_EQ(store_->applied(), r.bar.offset);
}

TEST_P(StoreConformance, VolumeWithoutAPrice) {
  market::BarRow r = row(5);
  r.bar.open = r.bar.high = r.bar.low = r.bar.close = std::nullopt;
  write({r});
  EXPECT_THAT(read(query()), testing::ElementsAre(r.bar));
}

TEST_P(StoreConformance, BeforeNineteenSeventy) {
  write({row(-5)});
  EXPECT_THAT(minutes_of(query()), testing::ElementsAre(-5));
}

TEST_P(StoreConformance, WritingAgainChangesNothing) {
  write({row(1), row(2)}, 7);
  const auto before = read(query());
  write({row(1), row(2)}, 7);
  EXPECT_EQ(read(query()), before);
  EXPECT_EQ(store_->applied(), Offset(7));
}

TEST_P(StoreConformance, ABarReplacesTheOneWithItsKey) {
  write({row(1, "1"), row(2, "2")}, 1);
  market::BarRow revised = row(2, "3");
  revised.bar.revision = 1;
  write({revised}, 2);
  EXPECT_THAT(read(query()), testing::ElementsAre(row(1, "1").bar, revised.bar));
  // Within one write, the last counts.
  write({row(1, "5"), row(1, "6")}, 3);
  EXPECT_EQ(read(query()).front(), row(1, "6").bar);
}

TEST_P(StoreConformance, EachPartOfTheKeyCounts) {
  std::vector<market::BarRow> rows(7, row(1));
  rows[1].series.venue = "kraken";
  rows[2].series.channel = "aggTrade";
  rows[3].series.instrument = "SPY/USD";
  rows[4].spec.interval = minutes(5);
  rows[5].spec.conditions = market::ConditionMode::kAll;
  rows[6].spec.session = market::SessionMode::kRegular;
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].bar.trades = i;
  write(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    BarQuery q = query();
    q.series = rows[i].series;
    q.spec = rows[i].spec;
    EXPECT_THAT(read(q), testing::ElementsAre(rows[i].bar)) << i;
  }
  BarQuery other = query();
  other.series.instrument = "IBM";
  EXPECT_TRUE(read(other).empty());
}

TEST_P(StoreConformance, NamesAreTakenAsTheyAre) {
  market::BarRow r = row(1);
  r.series.instrument = std::string("'; DROP TABLE bars; -- \xC3\xA9\0\xFF", 27);
  write({r, row(2)});
  reopen();
  BarQuery q = query();
  q.series = r.series;
  EXPECT_THAT(read(q), testing::ElementsAre(r.bar));
  EXPECT_THAT(minutes_of(query()), testing::ElementsAre(2));
}

TEST_P(StoreConformance, RangesAreHalfOpenAndAscending) {
  write({row(3), row(1), row(4), row(2)});
  EXPECT_THAT(minutes_of(query()), testing::ElementsAre(1, 2, 3, 4));
  BarQuery q = query();
  q.start = Timestamp{} + minutes(2);
  q.end = Timestamp{} + minutes(4);
  EXPECT_THAT(minutes_of(q), testing::ElementsAre(2, 3));
  q.start = *q.start + nanoseconds(1);
  q.end = *q.end + nanoseconds(1);
  EXPECT_THAT(minutes_of(q), testing::ElementsAre(3, 4));
  q.end = q.start;
  EXPECT_TRUE(read(q).empty());
  q.end = *q.start - minutes(1);
  EXPECT_TRUE(read(q).empty());
}

TEST_P(StoreConformance, TheLimitKeepsTheNewest) {
  write({row(1), row(2), row(3), row(4)});
  BarQuery q = query();
  q.limit = 2;
  EXPECT_THAT(minutes_of(q), testing::ElementsAre(3, 4));
  q.end = Timestamp{} + minutes(4);
  EXPECT_THAT(minutes_of(q), testing::ElementsAre(2, 3));
  q.limit = 0;
  EXPECT_TRUE(read(q).empty());
  q.limit = std::numeric_limits<std::size_t>::max();
  EXPECT_THAT(minutes_of(q), testing::ElementsAre(1, 2, 3));
}

TEST_P(StoreConformance, AppliedMovesWithoutBars) {
  write({row(1)}, 5);
  write({}, 9);
  reopen();
  EXPECT_EQ(store_->applied(), Offset(9));
  EXPECT_THAT(minutes_of(query()), testing::ElementsAre(1));
}

TEST_P(StoreConformance, ClearForgetsAll) {
  write({row(1)}, 5);
  ASSERT_TRUE(store_->clear());
  EXPECT_EQ(store_->applied(), Offset(0));
  EXPECT_TRUE(read(query()).empty());
  write({row(2)}, 1);
  reopen();
  EXPECT_EQ(store_->applied(), Offset(1));
  EXPECT_THAT(minutes_of(query()), testing::ElementsAre(2));
}

// Who reads beside the writer sees whole writes: here each moves two bars and `applied` together.
TEST_P(StoreConformance, ReadersSeeWholeWrites) {
  constexpr std::uint64_t kWrites = 150;
  const auto both = [](std::uint64_t n) {
    std::vector<market::BarRow> rows{row(1), row(2)};
    for (market::BarRow& r : rows) r.bar.trades = n;
    return rows;
  };
  write(both(0), 0);
  std::atomic<bool> done = false;
  std::jthread writer([&] {
    for (std::uint64_t n = 1; n <= kWrites; ++n) {
      EXPECT_TRUE(store_->write(both(n), Offset(n)));
    }
    done = true;
  });
  std::uint64_t seen = 0;
  bool last_look = false;
  while (!last_look) {
    last_look = done;
    const std::uint64_t applied = store_->applied().value().value;
    const auto bars = read(query());
    ASSERT_EQ(bars.size(), 2u);
    ASSERT_EQ(bars[0].trades, bars[1].trades);
    ASSERT_GE(bars[0].trades, applied);
    ASSERT_GE(bars[0].trades, seen);
    seen = bars[0].trades;
  }
  EXPECT_EQ(seen, kWrites);
}

}  // namespace tapedeck::store
