#include "store/embedded/sqlite_store.hpp"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "store/conformance.hpp"

namespace tapedeck::store {

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance,
                         testing::Values(StoreUnderTest{"embedded",
                                                        [](const std::string& path) {
                                                          return embedded::open_sqlite_store(path);
                                                        }}),
                         [](const auto& store) { return store.param.name; });

namespace embedded {
namespace {

using testing::HasSubstr;

class SqliteStoreTest : public testing::Test {
 protected:
  ~SqliteStoreTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Store> open() const { return open_sqlite_store(path_).value(); }
  Error error_of(const std::string& path) const {
    const auto store = open_sqlite_store(path, milliseconds(1));
    EXPECT_FALSE(store);
    return store ? Error{} : store.error();
  }
  // As a person would with the sqlite3 program.
  void sql(const std::string& statements) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, statements.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  static market::BarRow row() {
    market::BarRow r;
    r.series = {"lean", "trade", "SPY"};
    r.bar.open = market::Decimal::make(16742, 2);
    return r;
  }
  static BarQuery query() { return {.series = row().series, .spec = {}, .start = {}, .end = {}}; }

  const std::string folder_ = [] {
    std::string name = testing::TempDir() + "td_sqlite_XXXXXX";
    return std::string(::mkdtemp(name.data()));
  }();
  const std::string path_ = folder_ + "/bars.db";
};

TEST_F(SqliteStoreTest, FailuresSayWhatToDo) {
  const Error missing = error_of(folder_ + "/nowhere/bars.db");
  EXPECT_EQ(missing.code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.message, HasSubstr("/nowhere/bars.db"));
  EXPECT_THAT(missing.message, HasSubstr("create its folder"));
  EXPECT_EQ(error_of(folder_).code, ErrorCode::kIo);  // a folder
  EXPECT_EQ(error_of("").code, ErrorCode::kInvalidArgument);
}

TEST_F(SqliteStoreTest, AFolderThatMayNotBeWritten) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  open();
  ::chmod(path_.c_str(), 0444);
  EXPECT_EQ(error_of(path_).code, ErrorCode::kPermission);
  ::chmod(folder_.c_str(), 0555);
  EXPECT_EQ(error_of(folder_ + "/other.db").code, ErrorCode::kPermission);
  ::chmod(folder_.c_str(), 0755);
}

TEST_F(SqliteStoreTest, NamesThatMeanSomethingToSqliteAreFiles) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  for (const std::string name : {":memory:", "file:x?mode=memory"}) {
    const auto store = open_sqlite_store(name);
    EXPECT_TRUE(store) << store.error().message;
    EXPECT_TRUE(std::filesystem::exists(name)) << name;
  }
  std::filesystem::current_path(before);
}

TEST_F(SqliteStoreTest, NoDatabase) {
  std::ofstream(path_) << std::string(4096, 'x');
  const Error error = error_of(path_);
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr(path_));
  EXPECT_THAT(error.message, HasSubstr("move the file away"));
}

TEST_F(SqliteStoreTest, AnotherProgramsDatabase) {
  sql("CREATE TABLE bars (x)");
  const Error error = error_of(path_);
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("another program"));
}

TEST_F(SqliteStoreTest, ALaterRelease) {
  open();
  sql("UPDATE meta SET schema = 2");
  const Error error = error_of(path_);
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("later release (schema 2"));
}

TEST_F(SqliteStoreTest, TablesThatAreNotOurs) {
  open();
  sql("ALTER TABLE bars RENAME COLUMN notional TO turnover");
  EXPECT_EQ(error_of(path_).code, ErrorCode::kCorrupt);
}

TEST_F(SqliteStoreTest, DamagedPages) {
  {
    const auto store = open();
    std::vector<market::BarRow> rows;
    for (int i = 0; i < 3000; ++i) {
      rows.push_back(row());
      rows.back().bar.ts_open = Timestamp{i};
    }
    ASSERT_TRUE(store->write(rows, Offset(1)));
  }
  const auto size = std::filesystem::file_size(path_);
  ASSERT_GT(size, 50'000u);
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 2));
    file << std::string(size / 2, '\x7F');
  }
  auto store = open_sqlite_store(path_);
  const Error error = store ? (*store)->bars(query()).error() : store.error();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr(path_));
}

TEST_F(SqliteStoreTest, ADamagedValue) {
  ASSERT_TRUE(open()->write({{row()}}, Offset(1)));
  sql("UPDATE bars SET open = 'x'");
  const auto bars = open()->bars(query());
  ASSERT_FALSE(bars);
  EXPECT_EQ(bars.error().code, ErrorCode::kCorrupt);
}

TEST_F(SqliteStoreTest, AWriterInAnotherProcess) {
  const auto store = open_sqlite_store(path_, milliseconds(1)).value();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const Status busy = store->write({{row()}}, Offset(1));
  EXPECT_EQ(busy.error().code, ErrorCode::kBusy);
  EXPECT_THAT(busy.error().message, HasSubstr("another process"));
  EXPECT_EQ(error_of(path_).code, ErrorCode::kBusy);
  EXPECT_EQ(store->applied(), Offset(0));  // reading goes on
  ASSERT_EQ(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_TRUE(store->write({{row()}}, Offset(1)));
  sqlite3_close(other);
}

// A write that fails in the middle leaves nothing of itself, and the next one works.
TEST_F(SqliteStoreTest, AFailedWriteIsUndone) {
  const auto store = open();
  sql("CREATE TRIGGER t BEFORE INSERT ON bars WHEN NEW.ts_open = 2 "
      "BEGIN SELECT raise(ABORT, 'no'); END");
  std::vector<market::BarRow> rows{row(), row()};
  rows[0].bar.ts_open = Timestamp{1};
  rows[1].bar.ts_open = Timestamp{2};
  EXPECT_FALSE(store->write(rows, Offset(9)));
  EXPECT_EQ(store->applied(), Offset(0));
  EXPECT_TRUE(store->bars(query()).value().empty());
  sql("DROP TRIGGER t");
  EXPECT_TRUE(store->write(rows, Offset(9)));
  EXPECT_EQ(store->bars(query()).value().size(), 2u);
}

// What the process had committed is there although it never closed the file.
TEST_F(SqliteStoreTest, SurvivesTheDeathOfItsProcess) {
  EXPECT_EXIT(
      {
        auto store = open();
        const bool written = store->write({{row()}}, Offset(3)).has_value();
        ::_exit(written ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
  const auto store = open();
  EXPECT_EQ(store->applied(), Offset(3));
  EXPECT_EQ(store->bars(query()).value().size(), 1u);
}

TEST_F(SqliteStoreTest, TheFileIsAsPromised) {
  open();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  std::string found;
  sqlite3_exec(
      db,
      "PRAGMA journal_mode; SELECT group_concat(name || strict || wr) FROM pragma_table_list "
      "WHERE schema = 'main' AND name NOT LIKE 'sqlite%'",
      [](void* out, int, char** values, char**) {
        *static_cast<std::string*>(out) += std::string(values[0]) + ";";
        return 0;
      },
      &found, nullptr);
  sqlite3_close(db);
  EXPECT_THAT(found, HasSubstr("wal;"));
  EXPECT_THAT(found, HasSubstr("bars11"));  // STRICT, WITHOUT ROWID
  EXPECT_THAT(found, HasSubstr("series10"));
  EXPECT_THAT(found, HasSubstr("meta10"));
}

}  // namespace
}  // namespace embedded
}  // namespace tapedeck::store
