// What a person may ask of a store, and all that must not come of it.
#include "store/embedded/sql_select.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/memory_disk.hpp"
#include "store/embedded/sqlite_store.hpp"

namespace tapedeck::store::embedded {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SqlSelectTest : public testing::Test {
 protected:
  static constexpr std::int64_t kBars = 500;

  SqlSelectTest() {
    EXPECT_TRUE(disk_.create_directories("d"));
    store_ = open_sqlite_store(disk_, kPath).value();
    std::vector<BarResult> bars;
    for (std::int64_t i = 0; i < kBars; ++i) {
      market::Bar bar;
      bar.ts_open = Timestamp{} + minutes(i);
      bar.open = bar.high = bar.low = bar.close = market::Decimal::make(100 + i, 0);
      bar.volume.add(market::Decimal::make(7, 0));
      bar.trades = 1;
      bar.offset = Offset(static_cast<std::uint64_t>(i + 1));
      bars.push_back({{{"lean", "trade", "SPY"}, {}, bar}, "state"});
    }
    EXPECT_TRUE(store_->write(bars, {}, {.applied = Offset(500)}));
  }
  Result<Table> ask(const std::string& sql, SelectLimits limits = {}) {
    return select(disk_, kPath, seconds(1), sql, limits, clock_);
  }

  const std::string kPath = "d/store";
  // A millisecond passes each time that somebody looks.
  struct LookedAtClock final : Clock {
    Timestamp now() const override { return {}; }
    Duration elapsed() const override { return milliseconds(++looks); }
    mutable std::int64_t looks = 0;
  };
  LookedAtClock clock_;
  MemoryDisk disk_;
  std::unique_ptr<Store> store_;
};

TEST_F(SqlSelectTest, AnswersBesideTheWriter) {
  const auto table = store_->select(
      "SELECT s.instrument AS what, count(*) AS n, min(ts_open), sum(b.trades) * 0.5, NULL, x'0aff'"
      " FROM bars b JOIN bar_series bs ON bs.id = b.bar_series_id"
      " JOIN series s ON s.id = bs.series_id GROUP BY 1; -- that is all",
      10);
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_THAT(table->columns,
              ElementsAre("what", "n", "min(ts_open)", "sum(b.trades) * 0.5", "NULL", "x'0aff'"));
  ASSERT_EQ(table->rows.size(), 1u);
  EXPECT_EQ(table->rows[0],
            (std::vector<Table::Cell>{std::string("SPY"), std::int64_t{kBars}, std::int64_t{0},
                                      250.0, std::monostate{}, Table::Blob{"\x0a\xff"}}));
  EXPECT_FALSE(table->limited);
}

TEST_F(SqlSelectTest, WhatAnalystsWriteWorks) {
  for (const char* sql :
       {"SELECT * FROM bars LIMIT 1", "SELECT count(*) FROM bars", "SELECT 1 UNION SELECT 2",
        "WITH t AS (SELECT close FROM bars) SELECT max(close) FROM t",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n",
        "SELECT close, lag(close) OVER (ORDER BY ts_open) FROM bars",
        "SELECT date(ts_open / 1000000000, 'unixepoch'), round(avg(close), 2) FROM bars GROUP BY 1",
        "SELECT * FROM series WHERE instrument LIKE 'S%' AND venue IN ('lean')",
        "SELECT CASE WHEN close > 5 THEN 'a' ELSE 'b' END FROM (SELECT close FROM bars)",
        "EXPLAIN QUERY PLAN SELECT * FROM bars WHERE bar_series_id = 1", "VALUES (1, 2)",
        "SELECT ';' ;", "select kept_from from bars where exists (select 1 from revisions)"}) {
    const auto table = ask(sql);
    EXPECT_TRUE(table) << sql << ": " << table.error().message;
  }
}

TEST_F(SqlSelectTest, OnlyReadsTheTablesOfTheStore) {
  for (const char* sql : {"",
                          " ",
                          "-- nothing",
                          "DELETE FROM bars",
                          "UPDATE bars SET close = '1'",
                          "INSERT INTO series VALUES (9, 'a', 'b', 'c')",
                          "DROP TABLE bars",
                          "CREATE TABLE x (y)",
                          "CREATE TEMP TABLE x (y)",
                          "CREATE VIEW v AS SELECT 1",
                          "ALTER TABLE bars RENAME TO b",
                          "REINDEX",
                          "ANALYZE",
                          "VACUUM",
                          "VACUUM INTO 'd/copy'",
                          "BEGIN",
                          "COMMIT",
                          "SAVEPOINT a",
                          "ATTACH 'd/other' AS other",
                          "DETACH main",
                          "PRAGMA user_version",
                          "PRAGMA user_version = 7",
                          "PRAGMA journal_mode = DELETE",
                          "SELECT * FROM pragma_table_info('bars')",
                          "SELECT * FROM sqlite_master",
                          "SELECT * FROM sqlite_schema",
                          "SELECT * FROM sqlite_temp_master",
                          "SELECT * FROM dbstat",
                          "SELECT * FROM json_each('[1]')",
                          "SELECT load_extension('x')",
                          "SELECT randomblob(9)",
                          "SELECT zeroblob(9)",
                          "SELECT sqlite_version()",
                          "SELECT readfile('/etc/passwd')",
                          "SELECT writefile('d/x', 'y')",
                          "SELECT fts3_tokenizer('x')",
                          "SELECT 1; SELECT 2",
                          "SELECT 1; DROP TABLE bars",
                          "SELECT ?",
                          "SELECT :a",
                          "SELECT",
                          "SELECT * FROM nothing",
                          "SELECT nothing FROM bars",
                          "WITH x AS (SELECT 1) DELETE FROM bars",
                          "EXPLAIN DELETE FROM bars"}) {
    const auto table = ask(sql);
    ASSERT_FALSE(table) << sql;
    EXPECT_EQ(table.error().code, ErrorCode::kInvalidArgument) << sql << table.error().message;
    EXPECT_THAT(table.error().message, HasSubstr("bar_series")) << sql;
  }
  EXPECT_FALSE(ask(std::string("SELECT 1\0DROP", 13)));
  EXPECT_EQ(ask("SELECT count(*) FROM bars")->rows[0][0], Table::Cell(std::int64_t{kBars}));
  EXPECT_THAT(*disk_.list("d"), testing::Not(testing::Contains("copy")));
}

TEST_F(SqlSelectTest, RowsAreLimitedAndItSaysSo) {
  const auto some = ask("SELECT ts_open FROM bars", {.rows_max = 7});
  EXPECT_EQ(some->rows.size(), 7u);
  EXPECT_TRUE(some->limited);
  const auto all = ask("SELECT ts_open FROM bars", {.rows_max = kBars});
  EXPECT_EQ(all->rows.size(), static_cast<std::size_t>(kBars));
  EXPECT_FALSE(all->limited);
}

TEST_F(SqlSelectTest, TimeIsLimited) {
  for (const char* sql :
       {"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "SELECT count(*) FROM bars a, bars b, bars c, bars d"}) {
    const auto table = ask(sql, {.time_max = milliseconds(50)});
    ASSERT_FALSE(table) << sql;
    EXPECT_EQ(table.error().code, ErrorCode::kTimeout) << table.error().message;
    EXPECT_LT(clock_.looks, 200);  // both statements together
  }
}

TEST_F(SqlSelectTest, MemoryIsLimited) {
  const auto table =
      ask("SELECT * FROM bars a, bars b, bars c ORDER BY a.close + b.close - c.close",
          {.time_max = hours(1), .memory_bytes_max = 8 << 20});
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, ErrorCode::kOverflow) << table.error().message;
}

TEST_F(SqlSelectTest, SizeIsLimited) {
  EXPECT_EQ(ask("SELECT replace(printf('%99000d', 1), ' ', '  ')").error().code,
            ErrorCode::kOverflow);
  EXPECT_EQ(
      ask("SELECT printf('%99000d', 1) FROM bars", {.answer_bytes_max = 1 << 20}).error().code,
      ErrorCode::kOverflow);
  EXPECT_EQ(ask("SELECT group_concat(printf('%9000d', 1)) FROM bars").error().code,
            ErrorCode::kOverflow);
  EXPECT_FALSE(ask("SELECT '" + std::string(20'000, 'x') + "'"));
  EXPECT_FALSE(ask("SELECT " + std::string(2000, '(') + "1" + std::string(2000, ')')));
}

TEST_F(SqlSelectTest, AMissingStoreIsNotMade) {
  const auto table = select(disk_, "d/none", seconds(1), "SELECT 1", {}, clock_);
  ASSERT_FALSE(table);
  EXPECT_THAT(*disk_.list("d"), testing::Not(testing::Contains("none")));
}

}  // namespace
}  // namespace tapedeck::store::embedded
