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
 public:
  ~StoreConformance() override { std::filesystem::remove_all(folder_); }

 protected:
  StoreConformance() { reopen(); }

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

  static std::vector<BarResult> results(const std::vector<market::BarRow>& rows) {
    std::vector<BarResult> bars;
    for (const market::BarRow& r : rows) bars.push_back({.row = r, .state = {}});
    return bars;
  }
  void write(const std::vector<market::BarRow>& rows, std::uint64_t applied = 1) {
    write_all(results(rows), {}, {.applied = Offset(applied)});
  }
  void write_all(const std::vector<BarResult>& bars, const std::vector<MeanRow>& means,
                 const Checkpoint& checkpoint) {
    const Status written = store_->write(bars, means, checkpoint);
    ASSERT_TRUE(written) << written.error().message;
  }
  Offset applied(std::uint32_t partition = 0) const { return checkpoint(partition).applied; }
  Checkpoint checkpoint(std::uint32_t partition) const {
    auto found = store_->checkpoint(PartitionId(partition));
    EXPECT_TRUE(found) << found.error().message;
    return found.value_or(Checkpoint());
  }
  using Entries = std::vector<std::pair<std::string, std::string>>;
  Entries entries(std::uint32_t partition = 0) const { return checkpoint(partition).changed; }

  // Revision `revision` of the bar of minute `minute`, known since second `known`.
  static market::BarRow revised(std::int64_t minute, std::uint32_t revision, std::int64_t known) {
    market::BarRow r = row(minute);
    r.bar.is_final = true;
    r.bar.revision = revision;
    r.bar.reason = revision == 0 ? market::RevisionReason::kNone : market::RevisionReason::kLate;
    r.bar.ts_known = Timestamp{} + seconds(known);
    r.bar.trades = 10 + revision;
    return r;
  }
  std::vector<market::Bar> revisions(std::int64_t minute) const {
    auto bars = store_->revisions(row(0).series, {}, Timestamp{} + minutes(minute));
    EXPECT_TRUE(bars) << bars.error().message;
    return bars.value_or(std::vector<market::Bar>());
  }
  static std::vector<std::uint32_t> revision_numbers(const std::vector<market::Bar>& bars) {
    std::vector<std::uint32_t> numbers;
    for (const market::Bar& bar : bars) numbers.push_back(bar.revision);
    return numbers;
  }
  static BarQuery as_of(std::int64_t known) {
    BarQuery q = query();
    q.as_of = Timestamp{} + seconds(known);
    return q;
  }
  std::vector<std::uint32_t> numbers_as_of(std::int64_t known) const {
    return revision_numbers(read(as_of(known)));
  }

  static MeanRow mean(std::int64_t tick, std::string_view price_sum = "1.5") {
    return {.series = row(0).series,
            .ts_tick = Timestamp{} + seconds(tick),
            .trades = 2,
            .price_sum = sum(price_sum),
            .notional = sum("3")};
  }
  std::vector<std::int64_t> ticks(std::optional<std::int64_t> start,
                                  std::optional<std::int64_t> end, std::size_t limit = 100) const {
    const auto at = [](std::optional<std::int64_t> second) -> std::optional<Timestamp> {
      if (!second) return std::nullopt;
      return Timestamp{} + seconds(*second);
    };
    const auto means =
        store_->means(row(0).series, market::ConditionMode::kEligible, at(start), at(end), limit);
    EXPECT_TRUE(means) << means.error().message;
    std::vector<std::int64_t> found;
    for (const MeanRow& m : *means) found.push_back(m.ts_tick.ns / seconds(1).ns);
    return found;
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
  EXPECT_EQ(applied(), Offset(0));
  EXPECT_TRUE(entries().empty());
  EXPECT_TRUE(read(query()).empty());
  EXPECT_TRUE(read(as_of(100)).empty());
  EXPECT_TRUE(revisions(1).empty());
  EXPECT_TRUE(ticks({}, {}).empty());
  EXPECT_FALSE(store_->find(row(1).series, {}, Timestamp{}).value());
  EXPECT_TRUE(store_->sync());
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
  r.bar.reason = market::RevisionReason::kCorrection;
  r.bar.offset = Offset(std::numeric_limits<std::uint64_t>::max());
  r.bar.buy_volume = sum("0.25");
  r.bar.sell_volume = sum("-0.75");
  r.bar.price_sum = sum("501.9");
  r.bar.ts_known = Timestamp{1'381'152'600'123'456'789};
  r.bar.unapplied = std::numeric_limits<std::uint64_t>::max() - 2;
  write({r}, std::numeric_limits<std::uint64_t>::max());
  EXPECT_THAT(read(query()), testing::ElementsAre(r.bar));
  EXPECT_EQ(applied(), r.bar.offset);
  reopen();
  EXPECT_THAT(read(query()), testing::ElementsAre(r.bar));
  EXPECT_EQ(applied(), r.bar.offset);
}

TEST_P(StoreConformance, ASumThatOverflowed) {
  market::BarRow r = row(5);
  r.bar.volume = sum("170141183460469231731687303715884105727");
  r.bar.volume.add(r.bar.volume);
  write({r});
  ASSERT_EQ(read(query()).size(), 1u);
  EXPECT_TRUE(read(query()).front().volume.overflowed());
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
  EXPECT_EQ(applied(), Offset(7));
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
  std::vector<market::BarRow> rows(10, row(1));
  rows[1].series.venue = "kraken";
  rows[2].series.channel = "aggTrade";
  rows[3].series.instrument = "SPY/USD";
  rows[4].spec.interval = minutes(5);
  rows[5].spec.conditions = market::ConditionMode::kAll;
  rows[6].spec.session = market::SessionMode::kRegular;
  rows[7].spec.source = market::BarSource::kLast;
  rows[8].spec.adjusted = market::Adjusted::kSplit;
  rows[9].spec.slide = seconds(5);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].bar.trades = i;
  write(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    BarQuery q = query();
    q.series = rows[i].series;
    q.spec = rows[i].spec;
    EXPECT_THAT(read(q), testing::ElementsAre(rows[i].bar)) << i;
    const auto found = store_->find(q.series, q.spec, rows[i].bar.ts_open).value();
    EXPECT_EQ(found.value().row.bar, rows[i].bar) << i;
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
  EXPECT_EQ(applied(), Offset(9));
  EXPECT_THAT(minutes_of(query()), testing::ElementsAre(1));
}

TEST_P(StoreConformance, PartitionsHaveTheirOwnCheckpoints) {
  write_all({}, {}, {.partition = PartitionId(0), .applied = Offset(5), .changed = {{"a", "1"}}});
  write_all({}, {}, {.partition = PartitionId(7), .applied = Offset(9), .changed = {{"a", "2"}}});
  EXPECT_EQ(applied(0), Offset(5));
  EXPECT_EQ(applied(7), Offset(9));
  EXPECT_EQ(applied(1), Offset(0));
  EXPECT_EQ(entries(0), (Entries{{"a", "1"}}));
  EXPECT_EQ(entries(7), (Entries{{"a", "2"}}));
  EXPECT_EQ(checkpoint(7).partition, PartitionId(7));
}

// Only what changed is written; bytes are bytes.
TEST_P(StoreConformance, EntriesOfACheckpointReplaceAndRemove) {
  const std::string odd("\xFF\0'\xC3", 4);
  const std::string large(1'000'000, 'x');
  write_all({}, {},
            {.applied = Offset(1), .changed = {{"b", odd}, {"a", "1"}, {odd, large}, {"", "e"}}});
  EXPECT_EQ(entries(), (Entries{{"", "e"}, {"a", "1"}, {"b", odd}, {odd, large}}));
  write_all({}, {}, {.applied = Offset(2), .changed = {{"a", "2"}, {odd, ""}, {"none", ""}}});
  EXPECT_EQ(entries(), (Entries{{"", "e"}, {"a", "2"}, {"b", odd}}));
  // Of one key twice, the last counts.
  write_all({}, {},
            {.applied = Offset(3), .changed = {{"a", "3"}, {"a", ""}, {"b", ""}, {"b", "4"}}});
  reopen();
  EXPECT_EQ(entries(), (Entries{{"", "e"}, {"b", "4"}}));
  EXPECT_EQ(applied(), Offset(3));
}

TEST_P(StoreConformance, FindsABarWithItsState) {
  const std::string state("\0state\xFF", 7);
  write_all({{.row = row(1), .state = state}, {.row = row(2), .state = {}}}, {},
            {.applied = Offset(1)});
  const auto find = [&](std::int64_t minute) {
    return store_->find(row(0).series, {}, Timestamp{} + minutes(minute)).value();
  };
  EXPECT_EQ(find(1).value().row.bar, row(1).bar);
  EXPECT_EQ(find(1).value().row.series, row(1).series);
  EXPECT_EQ(find(1).value().state, state);
  EXPECT_EQ(find(2).value().state, "");
  EXPECT_FALSE(find(3));
  write_all({{.row = row(1, "9"), .state = "new"}}, {}, {.applied = Offset(2)});
  EXPECT_EQ(find(1).value().row.bar, row(1, "9").bar);
  EXPECT_EQ(find(1).value().state, "new");
  write({row(1)});
  EXPECT_EQ(find(1).value().state, "");
}

TEST_P(StoreConformance, RevisionsAreKept) {
  write({row(1), row(2)});
  write({revised(1, 0, 100)});  // replaces what was not final
  write({revised(1, 1, 200)});
  write({revised(1, 2, 300), revised(2, 0, 300)});
  EXPECT_THAT(revisions(1), testing::ElementsAre(revised(1, 0, 100).bar, revised(1, 1, 200).bar,
                                                 revised(1, 2, 300).bar));
  EXPECT_THAT(revisions(2), testing::ElementsAre(revised(2, 0, 300).bar));
  EXPECT_THAT(read(query()), testing::ElementsAre(revised(1, 2, 300).bar, revised(2, 0, 300).bar));
  reopen();
  EXPECT_THAT(revision_numbers(revisions(1)), testing::ElementsAre(0, 1, 2));
}

TEST_P(StoreConformance, WritingARevisionAgainChangesNothing) {
  for (int i = 0; i < 2; ++i) {
    write({revised(1, 0, 100)});
    write({revised(1, 1, 200)});
    write({revised(1, 1, 200)});
  }
  EXPECT_THAT(revisions(1), testing::ElementsAre(revised(1, 0, 100).bar, revised(1, 1, 200).bar));
  EXPECT_THAT(numbers_as_of(150), testing::ElementsAre(0));
  // Both in one write, and one that was passed over.
  write({revised(2, 0, 100), revised(2, 1, 200), revised(2, 3, 400)});
  EXPECT_THAT(revision_numbers(revisions(2)), testing::ElementsAre(0, 1, 3));
  // Beginning again forgets the later ones.
  write({revised(2, 1, 250)});
  EXPECT_THAT(revision_numbers(revisions(2)), testing::ElementsAre(0, 1));
}

TEST_P(StoreConformance, AsItWasKnown) {
  write({revised(1, 0, 100), revised(2, 0, 160), revised(3, 0, 900)});
  write({revised(1, 1, 200), revised(2, 1, 300)});
  write({revised(1, 2, 300)});
  write({revised(1, 3, 300)});  // known at once: the newer one counts
  EXPECT_TRUE(read(as_of(99)).empty());
  EXPECT_THAT(read(as_of(100)), testing::ElementsAre(revised(1, 0, 100).bar));
  EXPECT_THAT(read(as_of(199)),
              testing::ElementsAre(revised(1, 0, 100).bar, revised(2, 0, 160).bar));
  EXPECT_THAT(numbers_as_of(200), testing::ElementsAre(1, 0));
  EXPECT_THAT(numbers_as_of(299), testing::ElementsAre(1, 0));
  EXPECT_THAT(numbers_as_of(300), testing::ElementsAre(3, 1));
  EXPECT_THAT(numbers_as_of(1'000'000), testing::ElementsAre(3, 1, 0));
  EXPECT_THAT(revision_numbers(read(query())), testing::ElementsAre(3, 1, 0));
  BarQuery q = as_of(299);
  q.limit = 1;
  EXPECT_THAT(minutes_of(q), testing::ElementsAre(2));
  q = as_of(299);
  q.end = Timestamp{} + minutes(2);
  EXPECT_THAT(minutes_of(q), testing::ElementsAre(1));
}

// A clock that goes back: the newest revision of those known by then.
TEST_P(StoreConformance, KnownInAnotherOrder) {
  write({revised(1, 0, 100)});
  write({revised(1, 1, 500)});
  write({revised(1, 2, 300)});
  EXPECT_THAT(numbers_as_of(250), testing::ElementsAre(0));
  EXPECT_THAT(numbers_as_of(400), testing::ElementsAre(2));
  EXPECT_THAT(numbers_as_of(600), testing::ElementsAre(2));
}

// The last hundred; what cannot be answered any more is refused and not left out.
TEST_P(StoreConformance, AHundredRevisionsOfABar) {
  for (std::uint32_t n = 0; n <= 120; ++n) write({revised(1, n, 1'000 + 10 * n)});
  write({revised(2, 0, 1'000)});
  const auto kept = revision_numbers(revisions(1));
  ASSERT_EQ(kept.size(), 100u);
  EXPECT_EQ(kept.front(), 21u);
  EXPECT_EQ(kept.back(), 120u);
  EXPECT_THAT(numbers_as_of(1'210), testing::ElementsAre(21, 0));
  const auto before = store_->bars(as_of(1'209));
  ASSERT_FALSE(before);
  EXPECT_EQ(before.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(before.error().message, testing::HasSubstr("ask for 1970-01-01T00:20:10.000000000Z"));
  BarQuery other = as_of(1'209);
  other.start = Timestamp{} + minutes(2);
  EXPECT_THAT(minutes_of(other), testing::ElementsAre(2));
}

// Ninety days after they were replaced, by the time of what is written.
TEST_P(StoreConformance, OldRevisionsAreDropped) {
  constexpr std::int64_t kDay = 86'400;
  write({revised(1, 0, 0), revised(2, 0, 0)});
  write({revised(1, 1, 10 * kDay), revised(1, 2, 11 * kDay)});
  write({revised(2, 1, 80 * kDay)});  // until then the first one was good
  write({revised(3, 0, 100 * kDay)});
  EXPECT_THAT(revision_numbers(revisions(1)), testing::ElementsAre(0, 1, 2));
  write({revised(3, 0, 100 * kDay + 1)});
  EXPECT_THAT(revision_numbers(revisions(1)), testing::ElementsAre(1, 2));
  write({revised(3, 0, 102 * kDay)});
  EXPECT_THAT(revision_numbers(revisions(1)), testing::ElementsAre(2));
  EXPECT_THAT(revision_numbers(revisions(2)), testing::ElementsAre(0, 1));
  EXPECT_EQ(store_->bars(as_of(11 * kDay - 1)).error().code, ErrorCode::kNotFound);
  EXPECT_THAT(numbers_as_of(11 * kDay), testing::ElementsAre(2, 0));
  // Which a later revision does not undo.
  write({revised(1, 3, 103 * kDay)});
  EXPECT_EQ(store_->bars(as_of(11 * kDay - 1)).error().code, ErrorCode::kNotFound);
}

// Bars of less than a minute: a day of what their series has traded, whatever the others do.
TEST_P(StoreConformance, ShortBarsAreKeptForADay) {
  const market::BarSpec seconds_of{.interval = seconds(1)};
  const market::BarSpec averages_of{.interval = seconds(15), .slide = seconds(5)};
  const Timestamp begin = Timestamp{} + hours(1'000);
  const auto bar = [&](const market::BarSpec& spec, Duration after, std::string name = "SPY") {
    market::BarRow r = row(0);
    r.series.instrument = std::move(name);
    r.spec = spec;
    r.bar.ts_open = begin + after;
    r.bar.ts_known = r.bar.ts_open + seconds(20);
    r.bar.is_final = true;
    return r;
  };
  const auto kept = [&](const market::BarSpec& spec, std::string name = "SPY") {
    BarQuery q = query();
    q.series.instrument = std::move(name);
    q.spec = spec;
    return read(q).size();
  };
  const auto code_of = [&](const market::BarSpec& spec, Timestamp ts_open) {
    const auto found = store_->find(row(0).series, spec, ts_open);
    return found ? std::optional<ErrorCode>() : found.error().code;
  };
  for (const auto& spec : {seconds_of, averages_of, market::BarSpec{.interval = minutes(1)}}) {
    write({bar(spec, {}), bar(spec, seconds(1)), bar(spec, {}, "IDLE")});
    write({bar(spec, hours(24))});
    EXPECT_EQ(kept(spec), 3u) << "not yet: exactly a day";
    // What is open, or stamped for a day that has not come, does not count.
    market::BarRow open = bar(spec, hours(1'000));
    open.bar.is_final = false;
    market::BarRow ahead = bar(spec, hours(2'000));
    ahead.bar.ts_known = begin + hours(24);
    write({open});
    EXPECT_EQ(kept(spec), 4u);
    write({ahead});
    EXPECT_EQ(kept(spec), 5u);
    EXPECT_EQ(code_of(spec, begin - seconds(5)),
              is_short(spec) ? std::optional(ErrorCode::kNotFound) : std::nullopt);
    EXPECT_EQ(code_of(spec, begin + seconds(5)), std::nullopt) << "there was none";
  }
  market::BarRow next = bar(seconds_of, hours(2'001));
  write({next, bar(averages_of, hours(2'001)), bar({.interval = minutes(1)}, hours(2'001))});
  EXPECT_EQ(kept(seconds_of), 2u);
  EXPECT_EQ(kept(averages_of), 2u);
  EXPECT_EQ(kept({.interval = minutes(1)}), 6u);
  EXPECT_EQ(kept(seconds_of, "IDLE"), 1u);
  EXPECT_EQ(store_->kept_from(next.series, seconds_of).value(), next.bar.ts_open - hours(24));
  EXPECT_EQ(store_->kept_from(next.series, {.interval = minutes(1)}).value(), std::nullopt);
  EXPECT_EQ(code_of(seconds_of, begin), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(seconds_of, next.bar.ts_open), std::nullopt);
  // One that comes too late even so is not seen.
  write({bar(seconds_of, hours(1))});
  EXPECT_EQ(kept(seconds_of), 2u);
  reopen();
  EXPECT_EQ(code_of(seconds_of, begin + hours(1)), ErrorCode::kNotFound);
  ASSERT_TRUE(store_->clear());
  EXPECT_EQ(code_of(seconds_of, begin), std::nullopt);
}

// Few at once, so that a write stays short; nobody sees those that wait.
TEST_P(StoreConformance, ShortBarsAreDroppedAndCounted) {
  market::BarRow r = row(0);
  r.spec.interval = seconds(1);
  r.bar.is_final = true;
  const auto write_from = [&](Timestamp from, std::int64_t count) {
    std::vector<market::BarRow> rows;
    for (std::int64_t s = 0; s < count; ++s) {
      r.bar.ts_open = from + seconds(s);
      r.bar.ts_known = r.bar.ts_open;
      rows.push_back(r);
      r.bar.revision = s % 10 == 0 ? 1 : 0;
    }
    write(rows);
  };
  const Timestamp begin = Timestamp{} + hours(1'000);
  write_from(begin, 2'500);
  EXPECT_EQ(store_->bars_dropped(), 0u);
  std::uint64_t before = 0;
  for (int m = 0; m < 4; ++m) {
    write_from(begin + hours(48) + minutes(m), 60);
    BarQuery q = query();
    q.spec = r.spec;
    EXPECT_EQ(read(q).size(), 60u * static_cast<std::size_t>(m + 1));
    EXPECT_LE(store_->bars_dropped() - before, 1'000u);
    before = store_->bars_dropped();
  }
  EXPECT_EQ(before, 2'500u);
}

TEST_P(StoreConformance, MeansStayAsTheyWere) {
  write_all({}, {mean(10), mean(5), mean(15)}, {.applied = Offset(1)});
  write_all({}, {mean(10, "99"), mean(20)}, {.applied = Offset(2)});
  reopen();
  EXPECT_THAT(ticks({}, {}), testing::ElementsAre(5, 10, 15, 20));
  EXPECT_THAT(ticks(10, 20), testing::ElementsAre(10, 15));
  EXPECT_THAT(ticks({}, {}, 2), testing::ElementsAre(15, 20));
  EXPECT_THAT(ticks({}, {}, 0), testing::ElementsAre());
  const auto means =
      store_->means(row(0).series, market::ConditionMode::kEligible, {}, {}, 100).value();
  EXPECT_EQ(means[1].price_sum, sum("1.5"));
  EXPECT_EQ(means[1].notional, sum("3"));
  EXPECT_EQ(means[1].trades, 2u);
  EXPECT_EQ(means[1].series, row(0).series);
  MeanRow all = mean(10, "7");
  all.conditions = market::ConditionMode::kAll;
  MeanRow other = mean(10, "8");
  other.series.instrument = "IBM";
  write_all({}, {all, other}, {.applied = Offset(3)});
  EXPECT_THAT(ticks({}, {}), testing::ElementsAre(5, 10, 15, 20));
  EXPECT_EQ(store_->means(other.series, other.conditions, {}, {}, 9).value().front().price_sum,
            sum("8"));
  EXPECT_EQ(store_->means(all.series, all.conditions, {}, {}, 9).value().front().price_sum,
            sum("7"));
}

TEST_P(StoreConformance, SyncingChangesNothing) {
  write({row(1)}, 5);
  ASSERT_TRUE(store_->sync());
  ASSERT_TRUE(store_->sync());
  EXPECT_EQ(applied(), Offset(5));
  write({row(2)}, 6);
  ASSERT_TRUE(store_->sync());
  reopen();
  EXPECT_THAT(minutes_of(query()), testing::ElementsAre(1, 2));
}

TEST_P(StoreConformance, ClearForgetsAll) {
  write({revised(1, 0, 100)});
  write({revised(1, 1, 200)});
  write_all({{.row = row(2), .state = "s"}}, {mean(5)},
            {.applied = Offset(5), .changed = {{"a", "1"}}});
  ASSERT_TRUE(store_->clear());
  EXPECT_EQ(applied(), Offset(0));
  EXPECT_TRUE(entries().empty());
  EXPECT_TRUE(read(query()).empty());
  EXPECT_TRUE(read(as_of(100)).empty());
  EXPECT_TRUE(revisions(1).empty());
  EXPECT_TRUE(ticks({}, {}).empty());
  write({row(2)}, 1);
  reopen();
  EXPECT_EQ(applied(), Offset(1));
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
      EXPECT_TRUE(store_->write(results(both(n)), {}, {.applied = Offset(n)}));
      EXPECT_TRUE(n % 20 != 0 || store_->sync());
    }
    done = true;
  });
  std::uint64_t seen = 0;
  bool last_look = false;
  while (!last_look) {
    last_look = done;
    const std::uint64_t before = applied().value;
    const auto bars = read(query());
    ASSERT_EQ(bars.size(), 2u);
    ASSERT_EQ(bars[0].trades, bars[1].trades);
    ASSERT_GE(bars[0].trades, before);
    ASSERT_GE(bars[0].trades, seen);
    seen = bars[0].trades;
  }
  EXPECT_EQ(seen, kWrites);
}

}  // namespace tapedeck::store
