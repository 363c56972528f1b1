// src/store/embedded/connection.hpp: one connection to a database, and its statements. Errors of
// SQLite become ours here. Thread: one at a time.
#pragma once

#include <fmt/format.h>
#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/disk.hpp"
#include "base/time.hpp"
#include "store/embedded/disk_vfs.hpp"

namespace tapedeck::store::embedded {

inline constexpr std::string_view kRebuild =
    "move the file away: the bars are computed again from the tape";

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(Disk& disk, const std::string& path, int flags,
                                                  Duration busy_wait);
  Connection(Disk& disk, std::string path) : vfs_(disk), path_(std::move(path)) {}
  ~Connection() { sqlite3_close(db_); }  // its statements are gone
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  sqlite3* db() const { return db_; }
  void forget_error() { vfs_.forget_error(); }

  Status run(const char* sql) {
    forget_error();
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
      return failed("cannot be written");
    }
    return {};
  }

  std::unexpected<Error> refused(ErrorCode code, std::string_view why) const {
    return fail(code, fmt::format("store '{}': {}", path_, why));
  }

  // The error of the last call, with what to do about it.
  std::unexpected<Error> failed(std::string_view what) const;
  std::unexpected<Error> failed(std::string_view what, int extended) const;
  static std::string_view advice(ErrorCode code);

 private:
  DiskVfs vfs_;
  std::string path_;
  sqlite3* db_ = nullptr;
};

struct Blob {
  std::string_view bytes;
};

// A prepared statement, used for one execution at a time: bind in order, step, read in order.
class Statement {
 public:
  static Result<Statement> prepare(Connection& connection, const std::string& sql) {
    connection.forget_error();
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(connection.db(), sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           nullptr) != SQLITE_OK) {
      return connection.failed("cannot be read");
    }
    return Statement(connection, statement);
  }

  Statement(Statement&& other) noexcept
      : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  // The values live until the step is over.
  template <class... Values>
  void bind(const Values&... values) {
    reset();
    next_ = 0;
    (add(values), ...);
  }
  // Out of memory is the only way in which binding can fail; the step then fails too.
  void add(std::int64_t value) { sqlite3_bind_int64(statement_, ++next_, value); }
  void add(const std::string& value) {
    sqlite3_bind_text64(statement_, ++next_, value.data(), value.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
  }
  void add(Blob value) {
    const char* const bytes = value.bytes.empty() ? "" : value.bytes.data();  // null is NULL
    sqlite3_bind_blob64(statement_, ++next_, bytes, value.bytes.size(), SQLITE_STATIC);
  }
  void add_copy(const std::string& value) {
    sqlite3_bind_text64(statement_, ++next_, value.data(), value.size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
  }
  void add_null() { sqlite3_bind_null(statement_, ++next_); }

  // True: there is a row.
  Result<bool> step() {
    connection_->forget_error();
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
  template <class... Values>
  Status run_with(const Values&... values) {
    bind(values...);
    return run();
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

  Connection* connection_;
  sqlite3_stmt* statement_;
  int next_ = 0;
};

}  // namespace tapedeck::store::embedded
