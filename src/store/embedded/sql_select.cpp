#include "store/embedded/sql_select.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string_view>
#include <utility>

#include "store/embedded/connection.hpp"

namespace tapedeck::store::embedded {
namespace {

constexpr std::array<std::string_view, 8> kTables{
    "series",     "bar_series",         "bars", "revisions", "means",
    "checkpoint", "checkpoint_entries", "meta"};

// What only computes, from its arguments alone or the clock.
constexpr std::array<std::string_view, 62> kFunctions{
    "abs",          "avg",          "coalesce",    "count",  "cume_dist",  "date",      "datetime",
    "dense_rank",   "char",         "first_value", "floor",  "ceil",       "format",    "glob",
    "hex",          "group_concat", "ifnull",      "iif",    "instr",      "julianday", "lag",
    "last_value",   "lead",         "length",      "like",   "likelihood", "likely",    "lower",
    "ltrim",        "max",          "min",         "mod",    "nth_value",  "ntile",     "nullif",
    "percent_rank", "pow",          "power",       "printf", "quote",      "rank",      "replace",
    "round",        "row_number",   "rtrim",       "sign",   "sqrt",       "strftime",  "substr",
    "substring",    "sum",          "time",        "total",  "trim",       "typeof",    "unicode",
    "unixepoch",    "unlikely",     "upper",       "exp",    "ln",         "log10"};

bool is_among(std::span<const std::string_view> known, const char* name) {
  return name != nullptr && std::ranges::find(known, std::string_view(name)) != known.end();
}

int authorize(void*, int action, const char* first, const char* second, const char* database,
              const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_READ:
      // A table of the statement's own (WITH) is in no database.
      return database == nullptr || is_among(kTables, first) ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_FUNCTION:
      return is_among(kFunctions, second) ? SQLITE_OK : SQLITE_DENY;
    default:
      return SQLITE_DENY;
  }
}

// Looks at the clock and the memory while a statement runs, and ends it.
class Watch {
 public:
  Watch(sqlite3* db, const SelectLimits& limits, const Clock& clock)
      : db_(db), limits_(limits), clock_(clock), memory_before_(sqlite3_memory_used()) {
    constexpr int kStepsBetween = 1000;  // of SQLite's machine: some 10 us
    sqlite3_progress_handler(db_, kStepsBetween, look, this);
  }
  ~Watch() { sqlite3_progress_handler(db_, 0, nullptr, nullptr); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  bool too_long() const { return too_long_; }
  bool too_large() const { return too_large_; }

 private:
  static int look(void* self) { return static_cast<Watch*>(self)->must_end() ? 1 : 0; }
  bool must_end() {
    too_long_ = clock_.elapsed() - began_ > limits_.time_max;
    too_large_ = sqlite3_memory_used() - memory_before_ > limits_.memory_bytes_max;
    return too_long_ || too_large_;
  }

  sqlite3* const db_;
  const SelectLimits& limits_;
  const Clock& clock_;
  const std::int64_t memory_before_;
  const Duration began_ = clock_.elapsed();
  bool too_long_ = false;
  bool too_large_ = false;
};

void limit(sqlite3* db) {
  constexpr int kValueBytesMax = 100'000;  // few functions are not linear in it
  for (const auto& [what, most] : {std::pair{SQLITE_LIMIT_LENGTH, kValueBytesMax},
                                   {SQLITE_LIMIT_SQL_LENGTH, 16 << 10},
                                   {SQLITE_LIMIT_COLUMN, 200},
                                   {SQLITE_LIMIT_EXPR_DEPTH, 100},
                                   {SQLITE_LIMIT_COMPOUND_SELECT, 20},
                                   {SQLITE_LIMIT_VDBE_OP, 25'000},
                                   {SQLITE_LIMIT_FUNCTION_ARG, 16},
                                   {SQLITE_LIMIT_ATTACHED, 0},
                                   {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256},
                                   {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
                                   {SQLITE_LIMIT_WORKER_THREADS, 0}}) {
    sqlite3_limit(db, what, most);
  }
}

Table::Cell cell_of(sqlite3_stmt* statement, int column) {
  const auto bytes = [&] {
    const void* data = sqlite3_column_blob(statement, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
  };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return std::int64_t{sqlite3_column_int64(statement, column)};
    case SQLITE_FLOAT: {
      const double value = sqlite3_column_double(statement, column);
      if (!std::isfinite(value)) return std::monostate{};
      return value;
    }
    case SQLITE_TEXT:
      return bytes();
    case SQLITE_BLOB:
      return Table::Blob{bytes()};
    default:
      return std::monostate{};
  }
}

std::size_t size_of(const Table::Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return text->size();
  if (const auto* blob = std::get_if<Table::Blob>(&cell)) return 2 * blob->bytes.size();
  return sizeof(double);
}

class Selection {
 public:
  Selection(Connection& connection, const SelectLimits& limits, const Clock& clock)
      : connection_(connection), limits_(limits), watch_(connection.db(), limits, clock) {}
  ~Selection() { sqlite3_finalize(statement_); }
  Selection(const Selection&) = delete;
  Selection& operator=(const Selection&) = delete;

  Result<Table> run(const std::string& sql) {
    const char* rest = nullptr;
    connection_.forget_error();
    const int prepared = sqlite3_prepare_v3(connection_.db(), sql.data(),
                                            static_cast<int>(sql.size()), 0, &statement_, &rest);
    if (prepared != SQLITE_OK) return failed(prepared);
    if (statement_ == nullptr) return refused("there is no statement");
    const auto used = static_cast<std::size_t>(rest - sql.data());
    if (!is_nothing(std::string_view(sql).substr(used))) return refused("there is more than one");
    if (sqlite3_bind_parameter_count(statement_) > 0) return refused("it has parameters");
    Table table;
    const int columns = sqlite3_column_count(statement_);
    for (int i = 0; i < columns; ++i) {
      table.columns.emplace_back(sqlite3_column_name(statement_, i));
    }
    if (columns == 0) return refused("it gives no rows");
    std::size_t bytes = 0;
    while (true) {
      const int stepped = sqlite3_step(statement_);
      if (stepped == SQLITE_DONE) return table;
      if (stepped != SQLITE_ROW) return failed(stepped);
      if (table.rows.size() == limits_.rows_max) {
        table.limited = true;
        return table;
      }
      auto& row = table.rows.emplace_back();
      for (int i = 0; i < columns; ++i) {
        row.push_back(cell_of(statement_, i));
        bytes += size_of(row.back());
      }
      if (bytes > limits_.answer_bytes_max) {
        return fail(ErrorCode::kOverflow,
                    fmt::format("the answer is larger than {} MiB: ask for fewer rows or columns",
                                limits_.answer_bytes_max >> 20));
      }
    }
  }

 private:
  // Blanks, semicolons, comments.
  bool is_nothing(std::string_view text) const {
    while (!text.empty()) {
      sqlite3_stmt* statement = nullptr;
      const char* rest = nullptr;
      const int prepared = sqlite3_prepare_v3(connection_.db(), text.data(),
                                              static_cast<int>(text.size()), 0, &statement, &rest);
      sqlite3_finalize(statement);
      if (prepared != SQLITE_OK || statement != nullptr || rest == text.data()) return false;
      text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    }
    return true;
  }

  static std::unexpected<Error> refused(std::string_view why) {
    std::string tables;
    for (const std::string_view table : kTables) {
      tables += fmt::format("{}{}", tables.empty() ? "" : ", ", table);
    }
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the statement is refused: {}: write one SELECT over {}", why, tables));
  }

  std::unexpected<Error> failed(int code) {
    if (watch_.too_long()) {
      return fail(ErrorCode::kTimeout,
                  fmt::format("the statement ran for {}: ask for less, such as a range of ts_open "
                              "of one bar_series_id",
                              tapedeck::to_string(limits_.time_max)));
    }
    if (watch_.too_large()) {
      return fail(ErrorCode::kOverflow,
                  fmt::format("the statement needs more than {} MiB of memory: sort, group or join "
                              "less",
                              limits_.memory_bytes_max >> 20));
    }
    switch (code & 0xFF) {
      case SQLITE_TOOBIG:
      case SQLITE_NOMEM:
        return fail(ErrorCode::kOverflow,
                    fmt::format("the statement is refused: {}", sqlite3_errmsg(connection_.db())));
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
      case SQLITE_PROTOCOL:
      case SQLITE_IOERR:
      case SQLITE_CANTOPEN:
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return connection_.failed("cannot be read");
      default:
        return refused(sqlite3_errmsg(connection_.db()));
    }
  }

  Connection& connection_;
  const SelectLimits& limits_;
  sqlite3_stmt* statement_ = nullptr;
  Watch watch_;
};

}  // namespace

Result<Table> select(Disk& disk, const std::string& path, Duration busy_wait,
                     const std::string& sql, const SelectLimits& limits, const Clock& clock) {
  TD_ASSIGN(const auto connection, Connection::open(disk, path, SQLITE_OPEN_READONLY, busy_wait));
  sqlite3* const db = connection->db();
  // Reading only, with the tables as they are and nothing that a file may bring along.
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  limit(db);
  sqlite3_set_authorizer(db, authorize, nullptr);
  return Selection(*connection, limits, clock).run(sql);
}

}  // namespace tapedeck::store::embedded
