#include "store/embedded/sqlite_store.hpp"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/check.hpp"
#include "base/memory_disk.hpp"
#include "store/conformance.hpp"
#include "store/embedded/disk_vfs.hpp"

namespace tapedeck::store {

namespace {

Disk& machine() {
  static const auto disk = real_disk();
  return *disk;
}

// A disk in memory for each path, kept as long as this is.
Result<std::unique_ptr<Store>> open_in_memory(const std::string& path) {
  static std::map<std::string, MemoryDisk> disks;
  EXPECT_TRUE(disks[path].create_directories("d"));
  return embedded::open_sqlite_store(disks[path], "d/store");
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance,
                         testing::Values(StoreUnderTest{"embedded",
                                                        [](const std::string& path) {
                                                          return embedded::open_sqlite_store(
                                                              machine(), path);
                                                        }},
                                         StoreUnderTest{"embedded_in_memory", open_in_memory}),
                         [](const auto& store) { return store.param.name; });

namespace embedded {
namespace {

using testing::HasSubstr;

class SqliteStoreTest : public testing::Test {
 public:
  ~SqliteStoreTest() override { std::filesystem::remove_all(folder_); }

 protected:
  std::unique_ptr<Store> open() const { return open_sqlite_store(machine(), path_).value(); }
  Error error_of(const std::string& path) const {
    const auto store = open_sqlite_store(machine(), path, milliseconds(1));
    EXPECT_FALSE(store);
    return store ? Error{} : store.error();
  }
  // Changes what is in the file. (`sqlite3` itself may only read it: it makes no checksums.)
  void sql(const std::string& statements) const {
    DiskVfs vfs(machine());
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open_v2(DiskVfs::name_of(path_).c_str(), &db,
                              SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs.name()),
              SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, statements.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  // What the `sqlite3` program says.
  std::string ask_sqlite(const std::string& question) const {
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    std::string answer;
    const int code = sqlite3_exec(
        db, question.c_str(),
        [](void* out, int, char** values, char**) {
          *static_cast<std::string*>(out) += std::string(values[0]) + ";";
          return 0;
        },
        &answer, nullptr);
    EXPECT_EQ(code, SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
    return answer;
  }
  static market::BarRow row() {
    market::BarRow r;
    r.series = {"lean", "trade", "SPY"};
    r.bar.open = market::Decimal::make(16742, 2);
    return r;
  }
  static Status write(Store& store, const std::vector<market::BarRow>& rows,
                      std::uint64_t applied) {
    std::vector<BarResult> bars;
    for (const auto& r : rows) bars.push_back({.row = r, .state = {}});
    return store.write(bars, {}, {.applied = Offset(applied)});
  }
  static Offset applied(const Store& store) {
    return store.checkpoint(PartitionId()).value().applied;
  }
  static BarQuery query() { return {.series = row().series, .spec = {}, .start = {}, .end = {}}; }

  const std::string folder_ = [] {
    std::string name = testing::TempDir() + "td_sqlite_XXXXXX";
    TD_CHECK(::mkdtemp(name.data()) != nullptr);
    return name;
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
    const auto store = open_sqlite_store(machine(), name);
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
  sql("UPDATE meta SET schema = 3");
  const Error error = error_of(path_);
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("later release (schema 3"));
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
    ASSERT_TRUE(write(*store, rows, 1));
  }
  const auto size = std::filesystem::file_size(path_);
  ASSERT_GT(size, 50'000u);
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 2));
    file << std::string(size / 2, '\x7F');
  }
  auto store = open_sqlite_store(machine(), path_);
  const Error error = store ? (*store)->bars(query()).error() : store.error();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr(path_));
}

TEST_F(SqliteStoreTest, ADamagedValue) {
  ASSERT_TRUE(write(*open(), {row()}, 1));
  sql("UPDATE bars SET open = 'x'");
  const auto bars = open()->bars(query());
  ASSERT_FALSE(bars);
  EXPECT_EQ(bars.error().code, ErrorCode::kCorrupt);
}

TEST_F(SqliteStoreTest, AnotherProgramThatLocksTheFile) {
  const auto store = open_sqlite_store(machine(), path_, milliseconds(1)).value();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const Status busy = write(*store, {row()}, 1);
  EXPECT_EQ(busy.error().code, ErrorCode::kBusy);
  EXPECT_THAT(busy.error().message, HasSubstr("another process"));
  EXPECT_EQ(applied(*store), Offset(0));  // reading goes on
  ASSERT_EQ(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_TRUE(write(*store, {row()}, 1));
  sqlite3_close(other);
}

TEST_F(SqliteStoreTest, ASecondWriter) {
  auto store = open();
  const Error second = error_of(path_);
  EXPECT_EQ(second.code, ErrorCode::kBusy);
  EXPECT_THAT(second.message, HasSubstr(path_));
  EXPECT_THAT(second.message, HasSubstr("another process is writing to it: end that one first"));
  store.reset();
  EXPECT_TRUE(open());
}

TEST_F(SqliteStoreTest, AReaderBesideTheWriter) {
  EXPECT_EQ(open_sqlite_reader(machine(), path_).error().code, ErrorCode::kNotFound);
  auto store = open();
  ASSERT_TRUE(write(*store, {row()}, 1));
  auto reader = open_sqlite_reader(machine(), path_).value();
  EXPECT_EQ(applied(*reader), Offset(1));
  ASSERT_TRUE(write(*store, {row()}, 2));
  EXPECT_EQ(applied(*reader), Offset(2));
  EXPECT_EQ(ask_sqlite("SELECT applied FROM checkpoint"), "2;");
  ASSERT_TRUE(store->sync());
  EXPECT_EQ(applied(*reader), Offset(2));
  store.reset();
  EXPECT_EQ(applied(*reader), Offset(2));
  EXPECT_TRUE(write(*open(), {row()}, 3));
  EXPECT_EQ(applied(*reader), Offset(3));
  reader.reset();
  EXPECT_EQ(applied(*open_sqlite_reader(machine(), path_).value()), Offset(3));  // nobody writes
}

// Locks of a process are not against itself; so truly another one.
TEST_F(SqliteStoreTest, AReaderInAnotherProcess) {
  const auto store = open();
  ASSERT_TRUE(write(*store, {row()}, 5));
  EXPECT_EXIT(
      {
        const auto reader = open_sqlite_reader(machine(), path_);
        const bool reads = reader && applied(**reader) == Offset(5);
        const auto writer = open_sqlite_store(machine(), path_);
        const bool busy = !writer && writer.error().code == ErrorCode::kBusy;
        ::_exit(reads && busy ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
  ASSERT_TRUE(write(*store, {row()}, 6));
  EXPECT_EQ(applied(*store), Offset(6));
}

// A write that fails in the middle leaves nothing of itself, and the next one works.
TEST_F(SqliteStoreTest, AFailedWriteIsUndone) {
  const auto store = open();
  sql("CREATE TRIGGER t BEFORE INSERT ON bars WHEN NEW.ts_open = 2 "
      "BEGIN SELECT raise(ABORT, 'no'); END");
  std::vector<market::BarRow> rows{row(), row()};
  rows[0].bar.ts_open = Timestamp{1};
  rows[1].bar.ts_open = Timestamp{2};
  EXPECT_FALSE(write(*store, rows, 9));
  EXPECT_EQ(applied(*store), Offset(0));
  EXPECT_TRUE(store->bars(query()).value().empty());
  sql("DROP TRIGGER t");
  EXPECT_TRUE(write(*store, rows, 9));
  EXPECT_EQ(store->bars(query()).value().size(), 2u);
}

// What the process had committed is there although it never closed the file.
TEST_F(SqliteStoreTest, SurvivesTheDeathOfItsProcess) {
  EXPECT_EXIT(
      {
        auto store = open();
        const bool written = write(*store, {row()}, 3).has_value();
        ::_exit(written ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
  const auto store = open();
  EXPECT_EQ(applied(*store), Offset(3));
  EXPECT_EQ(store->bars(query()).value().size(), 1u);
}

// Who looks into it after a crash copies the log into the database.
TEST_F(SqliteStoreTest, ReadBySqliteAfterADeath) {
  EXPECT_EXIT(
      {
        auto store = open();
        bool done = write(*store, {row()}, 3) && store->sync() && write(*store, {row()}, 4);
        ::_exit(done ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EQ(ask_sqlite("SELECT applied FROM checkpoint"), "4;");
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));
  const auto store = open();
  EXPECT_EQ(applied(*store), Offset(4));
  EXPECT_EQ(store->bars(query()).value().size(), 1u);
  EXPECT_TRUE(write(*store, {row()}, 5));
}

// It is kept under another name, whole, and a new one begins.
TEST_F(SqliteStoreTest, AnEarlierRelease) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db,
                         "PRAGMA journal_mode = WAL; CREATE TABLE bars (x); CREATE TABLE meta "
                         "(one, schema, applied); INSERT INTO meta VALUES (1, 1, 7); "
                         "PRAGMA application_id = 1952729905",
                         nullptr, nullptr, nullptr),
            SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
  const auto reader = open_sqlite_reader(machine(), path_);
  EXPECT_EQ(reader.error().code, ErrorCode::kUnsupported);
  const auto store = open();
  EXPECT_EQ(applied(*store), Offset(0));
  EXPECT_TRUE(write(*store, {row()}, 1));
  ASSERT_EQ(sqlite3_open((path_ + ".schema-1").c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "SELECT applied FROM meta", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
}

TEST_F(SqliteStoreTest, TheFileIsAsPromised) {
  open();
  const std::string found = ask_sqlite(
      "PRAGMA journal_mode; SELECT group_concat(name || strict || wr) FROM pragma_table_list "
      "WHERE schema = 'main' AND name NOT LIKE 'sqlite%'");
  // STRICT; all but small ones WITHOUT ROWID.
  for (const std::string what : {"wal;", "bars11", "revisions11", "means11", "checkpoint10",
                                 "checkpoint_entries11", "bar_series10", "series10", "meta10"}) {
    EXPECT_THAT(found, HasSubstr(what));
  }
  EXPECT_EQ(ask_sqlite("PRAGMA integrity_check"), "ok;");
}

}  // namespace
}  // namespace embedded
}  // namespace tapedeck::store
