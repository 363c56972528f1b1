#include "store/embedded/sqlite_store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

namespace tapedeck::store::embedded {
namespace {

using market::Bar;
using market::BarRow;
using market::SeriesKey;

constexpr int kApplicationId = 0x74644B31;  // "tdK1" in the file's header: it is ours
constexpr std::int64_t kSchema = 1;

constexpr const char* kCreateTables = R"sql(
  CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    schema INTEGER NOT NULL,
    applied INTEGER NOT NULL            -- trades before this offset of the tape are in the bars
  ) STRICT;
  CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    venue TEXT NOT NULL,
    channel TEXT NOT NULL,
    instrument TEXT NOT NULL,
    UNIQUE (venue, channel, instrument)
  ) STRICT;
  CREATE TABLE bars (
    series_id INTEGER NOT NULL REFERENCES series (id),
    interval_ns INTEGER NOT NULL,
    conditions INTEGER NOT NULL,        -- 0 eligible, 1 all
    session INTEGER NOT NULL,           -- 0 extended, 1 regular
    ts_open INTEGER NOT NULL,           -- ns since 1970 UTC
    open TEXT, high TEXT, low TEXT, close TEXT,
    volume TEXT NOT NULL,
    notional TEXT NOT NULL,
    trades INTEGER NOT NULL,
    excluded INTEGER NOT NULL,
    is_final INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    PRIMARY KEY (series_id, interval_ns, conditions, session, ts_open)
  ) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kWriteBar = R"sql(
  REPLACE INTO bars VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
)sql";

// The newest first, so that the limit keeps them.
constexpr const char* kReadBars = R"sql(
  SELECT ts_open, open, high, low, close, volume, notional, trades, excluded, is_final, revision,
         "offset"
  FROM bars
  WHERE series_id = (SELECT id FROM series WHERE venue = ? AND channel = ? AND instrument = ?)
    AND interval_ns = ? AND conditions = ? AND session = ? AND ts_open >= ? AND ts_open < ?
  ORDER BY ts_open DESC LIMIT ?
)sql";

constexpr std::string_view kRebuild =
    "move the file away: the bars are computed again from the tape";

// ---- One connection to the file. Errors of SQLite become ours here.

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path, int flags,
                                                  Duration busy_wait) {
    auto connection = std::make_unique<Connection>(path);
    // SQLite gives a meaning to ":memory:" and "file:...", which are names of files here.
    const std::string name = path.starts_with('/') ? path : "./" + path;
    const int code = sqlite3_open_v2(name.c_str(), &connection->db_,
                                     flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
    if (code != SQLITE_OK) return connection->failed("cannot be opened");
    const std::int64_t busy_wait_ms = busy_wait.ns / milliseconds(1).ns;
    sqlite3_busy_timeout(connection->db_, static_cast<int>(busy_wait_ms));
    return connection;
  }

  explicit Connection(std::string path) : path_(std::move(path)) {}
  ~Connection() { sqlite3_close_v2(db_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  sqlite3* db() const { return db_; }

  Status run(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
      return failed("cannot be written");
    }
    return {};
  }

  std::unexpected<Error> refused(ErrorCode code, std::string_view why) const {
    return fail(code, fmt::format("store '{}': {}", path_, why));
  }

  // The error of the last call, with what to do about it.
  std::unexpected<Error> failed(std::string_view what) const {
    const int extended = db_ == nullptr ? SQLITE_NOMEM : sqlite3_extended_errcode(db_);
    const int system = db_ == nullptr ? 0 : sqlite3_system_errno(db_);
    const char* message = db_ == nullptr ? sqlite3_errstr(extended) : sqlite3_errmsg(db_);
    const auto told = [&](ErrorCode code, std::string_view advice) {
      return refused(code, fmt::format("{} ({}): {}", what, message, advice));
    };
    switch (extended & 0xFF) {
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        return told(ErrorCode::kBusy, "another process is writing to it: end that one first");
      case SQLITE_ERROR:  // our own statements fail on tables that are not as we made them
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return told(ErrorCode::kCorrupt, kRebuild);
      case SQLITE_FULL:
        return told(ErrorCode::kNoSpace, "make room on the disk");
      case SQLITE_READONLY:
      case SQLITE_PERM:
        return told(ErrorCode::kPermission, "make the file and its folder writable");
      case SQLITE_CANTOPEN: {
        // Which of its attempts SQLite tells the errno of is not certain: look again.
        std::error_code ignored;
        const auto folder = std::filesystem::absolute(path_, ignored).parent_path();
        if (::access(folder.c_str(), F_OK) != 0) {
          return told(ErrorCode::kNotFound, "create its folder first");
        }
        if (::access(folder.c_str(), W_OK) != 0) {
          return told(ErrorCode::kPermission, "make the file and its folder writable");
        }
        return told(ErrorCode::kIo, "it must be a file in a folder that can be written");
      }
      case SQLITE_IOERR:
        return told(system == ENOSPC ? ErrorCode::kNoSpace : ErrorCode::kIo, "look at the disk");
      default:
        return told(ErrorCode::kIo, "look at the disk and the memory of this machine");
    }
  }

 private:
  std::string path_;
  sqlite3* db_ = nullptr;
};

// A prepared statement, used for one execution at a time: bind in order, step, read in order.
class Statement {
 public:
  static Result<Statement> prepare(Connection& connection, const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(connection.db(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           nullptr) != SQLITE_OK) {
      return connection.failed("cannot be read");
    }
    return Statement(connection, statement);
  }

  Statement(Statement&& other) noexcept
      : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  template <class... Values>
  void bind(const Values&... values) {
    reset();
    int index = 0;
    (bind_one(++index, values), ...);
  }

  // True: there is a row.
  Result<bool> step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    auto error = connection_->failed("failed");
    reset();
    return error;
  }
  Status run() {
    TD_TRY(step());
    reset();
    return {};
  }
  // Ends the read transaction that a step began.
  void reset() { sqlite3_reset(statement_); }

  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string_view text(int column) const {
    const void* bytes = sqlite3_column_blob(statement_, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return bytes == nullptr ? std::string_view()
                            : std::string_view(static_cast<const char*>(bytes), size);
  }

 private:
  Statement(Connection& connection, sqlite3_stmt* statement)
      : connection_(&connection), statement_(statement) {}

  // Out of memory is the only way in which binding can fail; the step then fails too.
  void bind_one(int index, std::int64_t value) { sqlite3_bind_int64(statement_, index, value); }
  void bind_one(int index, const std::string& value) {
    sqlite3_bind_text64(statement_, index, value.data(), value.size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
  }
  void bind_one(int index, const std::optional<market::Decimal>& value) {
    if (value) {
      bind_one(index, market::to_string(*value));
    } else {
      sqlite3_bind_null(statement_, index);
    }
  }

  Connection* connection_;
  sqlite3_stmt* statement_;
};

// SQLite's integers are signed; ours that count wrap into them and back.
std::int64_t as_integer(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t as_count(std::int64_t value) { return static_cast<std::uint64_t>(value); }

// ---- The store

class SqliteStore final : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(const std::string& path, Duration busy_wait) {
    TD_ASSIGN(auto writer,
              Connection::open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, busy_wait));
    if (sqlite3_db_readonly(writer->db(), "main") == 1) {
      return writer->refused(ErrorCode::kPermission,
                             "cannot be written: make the file and its folder writable");
    }
    TD_TRY(
        writer->run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
                    "PRAGMA foreign_keys = ON"));
    TD_TRY(prepare_schema(*writer));
    TD_ASSIGN(auto reader, Connection::open(path, SQLITE_OPEN_READONLY, busy_wait));

    TD_ASSIGN(auto write_bar, Statement::prepare(*writer, kWriteBar));
    TD_ASSIGN(auto write_applied, Statement::prepare(*writer, "UPDATE meta SET applied = ?"));
    TD_ASSIGN(auto find_series,
              Statement::prepare(*writer,
                                 "SELECT id FROM series WHERE venue = ? AND channel = ? "
                                 "AND instrument = ?"));
    TD_ASSIGN(auto add_series, Statement::prepare(*writer,
                                                  "INSERT INTO series (venue, channel, instrument) "
                                                  "VALUES (?, ?, ?)"));
    TD_ASSIGN(auto read_bars, Statement::prepare(*reader, kReadBars));
    TD_ASSIGN(auto read_applied, Statement::prepare(*reader, "SELECT applied FROM meta"));
    return std::unique_ptr<Store>(new SqliteStore(
        std::move(writer), std::move(write_bar), std::move(write_applied), std::move(find_series),
        std::move(add_series), std::move(reader), std::move(read_bars), std::move(read_applied)));
  }

  Status write(std::span<const BarRow> rows, Offset applied) override {
    return in_transaction([&]() -> Status {
      for (const BarRow& row : rows) TD_TRY(write_one(row));
      write_applied_.bind(as_integer(applied.value));
      return write_applied_.run();
    });
  }

  Status clear() override {
    return in_transaction([&]() -> Status {
      series_ids_.clear();
      return writer_->run("DELETE FROM bars; DELETE FROM series; UPDATE meta SET applied = 0");
    });
  }

  Result<Offset> applied() const override {
    std::lock_guard lock(reader_mutex_);
    TD_ASSIGN(const bool found, read_applied_.step());
    const Offset offset(found ? as_count(read_applied_.integer(0)) : 0);
    read_applied_.reset();
    return offset;
  }

  Result<std::vector<Bar>> bars(const BarQuery& query) const override {
    constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    std::lock_guard lock(reader_mutex_);
    read_bars_.bind(query.series.venue, query.series.channel, query.series.instrument,
                    query.spec.interval.ns, static_cast<std::int64_t>(query.spec.conditions),
                    static_cast<std::int64_t>(query.spec.session),
                    query.start ? query.start->ns : kMin, query.end ? query.end->ns : kMax,
                    as_integer(std::min(std::uint64_t{query.limit}, as_count(kMax))));
    std::vector<Bar> bars;
    while (true) {
      TD_ASSIGN(const bool found, read_bars_.step());
      if (!found) break;
      auto bar = read_one();
      if (!bar) {
        read_bars_.reset();
        return reader_->refused(ErrorCode::kCorrupt, fmt::format("a bar is damaged: {}: {}",
                                                                 bar.error().message, kRebuild));
      }
      bars.push_back(*std::move(bar));
    }
    read_bars_.reset();
    std::ranges::reverse(bars);
    return bars;
  }

 private:
  SqliteStore(std::unique_ptr<Connection> writer, Statement write_bar, Statement write_applied,
              Statement find_series, Statement add_series, std::unique_ptr<Connection> reader,
              Statement read_bars, Statement read_applied)
      : writer_(std::move(writer)),
        write_bar_(std::move(write_bar)),
        write_applied_(std::move(write_applied)),
        find_series_(std::move(find_series)),
        add_series_(std::move(add_series)),
        reader_(std::move(reader)),
        read_bars_(std::move(read_bars)),
        read_applied_(std::move(read_applied)) {}

  // Makes the tables of a new file; of an old one, checks that they are ours and how old.
  static Status prepare_schema(Connection& writer) {
    TD_TRY(writer.run("BEGIN IMMEDIATE"));
    TD_ASSIGN(const std::int64_t tables,
              read_integer(writer, "SELECT count(*) FROM sqlite_schema"));
    TD_ASSIGN(const std::int64_t application, read_integer(writer, "PRAGMA application_id"));
    if (tables == 0) {
      TD_TRY(writer.run(kCreateTables));
      TD_TRY(writer.run(fmt::format("INSERT INTO meta VALUES (1, {}, 0); "
                                    "PRAGMA application_id = {}",
                                    kSchema, kApplicationId)
                            .c_str()));
    } else if (application != kApplicationId) {
      return writer.refused(ErrorCode::kCorrupt,
                            "is a database of another program: name another file");
    }
    TD_ASSIGN(const std::int64_t schema, read_integer(writer, "SELECT schema FROM meta"));
    if (schema != kSchema) {
      return writer.refused(ErrorCode::kUnsupported,
                            fmt::format("was written by a later release (schema {}, this one knows "
                                        "{}): use that release, or {}",
                                        schema, kSchema, kRebuild));
    }
    return writer.run("COMMIT");
  }

  static Result<std::int64_t> read_integer(Connection& connection, const char* sql) {
    TD_ASSIGN(auto statement, Statement::prepare(connection, sql));
    TD_ASSIGN(const bool found, statement.step());
    return found ? statement.integer(0) : 0;
  }

  template <class Work>
  Status in_transaction(Work work) {
    TD_TRY(writer_->run("BEGIN IMMEDIATE"));
    Status done = work();
    if (done) done = writer_->run("COMMIT");
    if (!done) {
      series_ids_.clear();  // some may be of rows that are now undone
      // SQLite may have rolled back by itself; then there is nothing left to do here.
      if (sqlite3_get_autocommit(writer_->db()) == 0) {
        sqlite3_exec(writer_->db(), "ROLLBACK", nullptr, nullptr, nullptr);
      }
    }
    return done;
  }

  Status write_one(const BarRow& row) {
    TD_ASSIGN(const std::int64_t series, series_id(row.series));
    const Bar& bar = row.bar;
    write_bar_.bind(series, row.spec.interval.ns, static_cast<std::int64_t>(row.spec.conditions),
                    static_cast<std::int64_t>(row.spec.session), bar.ts_open.ns, bar.open, bar.high,
                    bar.low, bar.close, bar.volume.to_string(), bar.notional.to_string(),
                    as_integer(bar.trades), as_integer(bar.excluded), std::int64_t{bar.is_final},
                    std::int64_t{bar.revision}, as_integer(bar.offset.value));
    return write_bar_.run();
  }

  Result<std::int64_t> series_id(const SeriesKey& key) {
    if (const auto known = series_ids_.find(key); known != series_ids_.end()) return known->second;
    find_series_.bind(key.venue, key.channel, key.instrument);
    TD_ASSIGN(const bool found, find_series_.step());
    std::int64_t id = found ? find_series_.integer(0) : 0;
    find_series_.reset();
    if (!found) {
      add_series_.bind(key.venue, key.channel, key.instrument);
      TD_TRY(add_series_.run());
      id = sqlite3_last_insert_rowid(writer_->db());
    }
    series_ids_.emplace(key, id);
    return id;
  }

  Result<Bar> read_one() const {
    const auto price = [&](int column) -> Result<std::optional<market::Decimal>> {
      if (read_bars_.is_null(column)) return std::nullopt;
      return market::parse_decimal(read_bars_.text(column));
    };
    Bar bar;
    bar.ts_open = Timestamp{read_bars_.integer(0)};
    TD_ASSIGN(bar.open, price(1));
    TD_ASSIGN(bar.high, price(2));
    TD_ASSIGN(bar.low, price(3));
    TD_ASSIGN(bar.close, price(4));
    TD_ASSIGN(bar.volume, market::parse_decimal_sum(read_bars_.text(5)));
    TD_ASSIGN(bar.notional, market::parse_decimal_sum(read_bars_.text(6)));
    bar.trades = as_count(read_bars_.integer(7));
    bar.excluded = as_count(read_bars_.integer(8));
    bar.is_final = read_bars_.integer(9) != 0;
    bar.revision = static_cast<std::uint32_t>(read_bars_.integer(10));
    bar.offset = Offset(as_count(read_bars_.integer(11)));
    return bar;
  }

  // Statements are finalized before their connection closes: the order here.
  std::unique_ptr<Connection> writer_;
  Statement write_bar_;
  Statement write_applied_;
  Statement find_series_;
  Statement add_series_;
  std::map<SeriesKey, std::int64_t> series_ids_;

  mutable std::mutex reader_mutex_;
  std::unique_ptr<Connection> reader_;
  mutable Statement read_bars_;
  mutable Statement read_applied_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path, Duration busy_wait) {
  if (path.empty()) return fail(ErrorCode::kInvalidArgument, "store: the path is empty");
  return SqliteStore::open(path, busy_wait);
}

}  // namespace tapedeck::store::embedded
