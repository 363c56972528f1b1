#include "store/embedded/sqlite_store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/check.hpp"
#include "store/embedded/connection.hpp"
#include "store/embedded/sql_select.hpp"

namespace tapedeck::store::embedded {
namespace {

using market::Bar;
using market::BarSpec;
using market::SeriesKey;

constexpr int kApplicationId = 0x74644B31;  // "tdK1" in the file's header: it is ours
constexpr std::int64_t kSchema = 2;

constexpr Duration kRevisionsKept = hours(24) * 90;
constexpr std::int64_t kRevisionsMax = 100;  // of a bar, the last one among them

constexpr std::int64_t kDroppedAtOnceMax = 1'000;  // short bars of a bar series

// The log is copied into the database once it has so many pages. (Besides, with each sync.)
constexpr int kLogPages = 8'000;

// A bar, in the order in which it is bound and read.
constexpr std::string_view kBarColumns =
    "ts_open, open, high, low, close, volume, notional, buy_volume, sell_volume, price_sum, "
    "trades, excluded, is_final, revision, reason, \"offset\", ts_known, unapplied";
constexpr int kBarColumnCount = 18;

constexpr std::string_view kBarTypes = R"sql(
    ts_open INTEGER NOT NULL,           -- ns since 1970 UTC
    open TEXT, high TEXT, low TEXT, close TEXT,
    volume TEXT NOT NULL,
    notional TEXT NOT NULL,
    buy_volume TEXT NOT NULL,
    sell_volume TEXT NOT NULL,
    price_sum TEXT NOT NULL,
    trades INTEGER NOT NULL,
    excluded INTEGER NOT NULL,
    is_final INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    reason INTEGER NOT NULL,            -- 0 none, 1 late, 2 repair, 3 cancel, 4 correction
    "offset" INTEGER NOT NULL,
    ts_known INTEGER NOT NULL,
    unapplied INTEGER NOT NULL,
)sql";

// %s: kBarTypes.
constexpr const char* kCreateTables = R"sql(
  CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    schema INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    venue TEXT NOT NULL,
    channel TEXT NOT NULL,
    instrument TEXT NOT NULL,
    UNIQUE (venue, channel, instrument)
  ) STRICT;
  CREATE TABLE bar_series (
    id INTEGER PRIMARY KEY,
    series_id INTEGER NOT NULL REFERENCES series (id),
    interval_ns INTEGER NOT NULL,
    conditions INTEGER NOT NULL,        -- 0 eligible, 1 all
    session INTEGER NOT NULL,           -- 0 extended, 1 regular
    source INTEGER NOT NULL,            -- 0 trades, 1 last, 2 vendor
    adjusted INTEGER NOT NULL,          -- 0 raw, 1 split, 2 total
    slide_ns INTEGER NOT NULL,          -- 0: the windows do not overlap
    UNIQUE (series_id, interval_ns, conditions, session, source, adjusted, slide_ns)
  ) STRICT;
  -- The last revision of each bar.
  CREATE TABLE bars (
    bar_series_id INTEGER NOT NULL REFERENCES bar_series (id),
    {0}
    kept_from INTEGER,                  -- earlier revisions were dropped: not known before this
    state BLOB NOT NULL,                -- what is needed to go on with it
    PRIMARY KEY (bar_series_id, ts_open)
  ) STRICT, WITHOUT ROWID;
  -- The earlier ones.
  CREATE TABLE revisions (
    bar_series_id INTEGER NOT NULL REFERENCES bar_series (id),
    {0}
    ts_superseded INTEGER NOT NULL,     -- ts_known of the one that replaced it
    PRIMARY KEY (bar_series_id, ts_open, revision)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX revisions_by_age ON revisions (ts_superseded);
  CREATE TABLE means (
    series_id INTEGER NOT NULL REFERENCES series (id),
    conditions INTEGER NOT NULL,
    ts_tick INTEGER NOT NULL,
    trades INTEGER NOT NULL,
    price_sum TEXT NOT NULL,
    notional TEXT NOT NULL,
    PRIMARY KEY (series_id, conditions, ts_tick)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE checkpoint (
    partition INTEGER PRIMARY KEY,
    applied INTEGER NOT NULL            -- events before this offset are in the results
  ) STRICT;
  CREATE TABLE checkpoint_entries (
    partition INTEGER NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (partition, key)
  ) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kFindSeries = R"sql(
  SELECT id FROM series WHERE venue = ? AND channel = ? AND instrument = ?
)sql";
constexpr const char* kAddSeries = R"sql(
  INSERT INTO series (venue, channel, instrument) VALUES (?, ?, ?)
)sql";
constexpr const char* kFindBarSeries = R"sql(
  SELECT id FROM bar_series WHERE series_id = ? AND interval_ns = ? AND conditions = ?
    AND session = ? AND source = ? AND adjusted = ? AND slide_ns = ?
)sql";
constexpr const char* kAddBarSeries = R"sql(
  INSERT INTO bar_series
    (series_id, interval_ns, conditions, session, source, adjusted, slide_ns)
  VALUES (?, ?, ?, ?, ?, ?, ?)
)sql";

// A bar that is there keeps its kept_from.
constexpr const char* kWriteBar = R"sql(
  INSERT INTO bars (bar_series_id, state, {0})
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (bar_series_id, ts_open) DO UPDATE SET (state, {0}) = (excluded.state, {1})
)sql";

// Of one bar ?1, ?2. The bar that revision ?3, known since ?4, replaces is kept.
constexpr const char* kKeepRevision = R"sql(
  INSERT OR REPLACE INTO revisions (bar_series_id, {0}, ts_superseded)
  SELECT bar_series_id, {0}, ?4 FROM bars
  WHERE bar_series_id = ?1 AND ts_open = ?2 AND revision < ?3
)sql";
// One that is known again later than a newer one is of no use before that.
constexpr const char* kSupersede = R"sql(
  UPDATE revisions SET ts_superseded = ?3
  WHERE bar_series_id = ?1 AND ts_open = ?2 AND ts_superseded > ?3
)sql";
constexpr const char* kDropFrom = R"sql(
  DELETE FROM revisions WHERE bar_series_id = ?1 AND ts_open = ?2 AND revision >= ?3
)sql";
// ?1: before when what was superseded is dropped; ?2, ?3: the bar in question; ?4: how many stay.
constexpr const char* kFindOld = R"sql(
  SELECT bar_series_id, ts_open, revision, ts_superseded FROM (
    SELECT bar_series_id, ts_open, revision, ts_superseded FROM revisions
    WHERE ts_superseded < ? ORDER BY ts_superseded LIMIT 1)
)sql";
constexpr const char* kFindSurplus = R"sql(
  SELECT bar_series_id, ts_open, revision, ts_superseded FROM revisions
  WHERE bar_series_id = ? AND ts_open = ? ORDER BY revision DESC LIMIT 1 OFFSET ?
)sql";
constexpr const char* kDropUpTo = R"sql(
  DELETE FROM revisions WHERE bar_series_id = ?1 AND ts_open = ?2 AND revision <= ?3
)sql";
constexpr const char* kKeptFrom = R"sql(
  UPDATE bars SET kept_from = max(coalesce(kept_from, ?3), ?3)
  WHERE bar_series_id = ?1 AND ts_open = ?2
)sql";

// Of a bar series ?1 that is_short(): ?2 is how long its bars are kept.
constexpr const char* kKeptFromOf = R"sql(
  SELECT min(ts_open, ts_known) - ?2 FROM bars
  WHERE bar_series_id = ?1 AND is_final = 1 ORDER BY ts_open DESC LIMIT 1
)sql";
// Where to stop dropping: ?2, or after ?3 bars.
constexpr const char* kDropUntil = R"sql(
  SELECT coalesce((SELECT ts_open FROM bars WHERE bar_series_id = ?1 AND ts_open < ?2
                   ORDER BY ts_open LIMIT 1 OFFSET ?3), ?2)
)sql";
constexpr const char* kDropBars = "DELETE FROM bars WHERE bar_series_id = ? AND ts_open < ?";
constexpr const char* kDropRevisions =
    "DELETE FROM revisions WHERE bar_series_id = ? AND ts_open < ?";

constexpr const char* kAddMean = R"sql(
  INSERT OR IGNORE INTO means VALUES (?, ?, ?, ?, ?, ?)
)sql";
constexpr const char* kWriteApplied = "INSERT OR REPLACE INTO checkpoint VALUES (?, ?)";
constexpr const char* kWriteEntry = "INSERT OR REPLACE INTO checkpoint_entries VALUES (?, ?, ?)";
constexpr const char* kRemoveEntry =
    "DELETE FROM checkpoint_entries WHERE partition = ? AND key = ?";

// ?1 to ?9: series and spec.
constexpr const char* kThisBarSeries = R"sql((
  SELECT b.id FROM bar_series b JOIN series s ON s.id = b.series_id
  WHERE s.venue = ?1 AND s.channel = ?2 AND s.instrument = ?3 AND interval_ns = ?4
    AND conditions = ?5 AND session = ?6 AND source = ?7 AND adjusted = ?8 AND slide_ns = ?9))sql";

constexpr const char* kReadKeptFrom = R"sql(
  SELECT min(ts_open, ts_known) - ?10 FROM bars
  WHERE bar_series_id = {1} AND is_final = 1 ORDER BY ts_open DESC LIMIT 1
)sql";
// The newest first, so that the limit keeps them.
constexpr const char* kReadBars = R"sql(
  SELECT {0} FROM bars WHERE bar_series_id = {1} AND ts_open >= ?10 AND ts_open < ?11
  ORDER BY ts_open DESC LIMIT ?12
)sql";
// As it was at ?13. Of each bar at most one row: each was known until the next one. A bar of which
// that cannot be told any more has a kept_from after it.
constexpr const char* kReadBarsAsOf = R"sql(
  SELECT {0}, kept_from FROM bars
  WHERE bar_series_id = {1} AND ts_open >= ?10 AND ts_open < ?11
    AND (ts_known <= ?13 OR kept_from > ?13)
  UNION ALL
  SELECT {0}, NULL FROM revisions
  WHERE bar_series_id = {1} AND ts_open >= ?10 AND ts_open < ?11
    AND ts_known <= ?13 AND ts_superseded > ?13
  ORDER BY ts_open DESC LIMIT ?12
)sql";
constexpr const char* kFindBar = R"sql(
  SELECT {0}, state FROM bars WHERE bar_series_id = {1} AND ts_open = ?10
)sql";
constexpr const char* kReadRevisions = R"sql(
  SELECT {0} FROM revisions WHERE bar_series_id = {1} AND ts_open = ?10
  UNION ALL
  SELECT {0} FROM bars WHERE bar_series_id = {1} AND ts_open = ?10
  ORDER BY revision
)sql";
constexpr const char* kReadMeans = R"sql(
  SELECT ts_tick, trades, price_sum, notional FROM means
  WHERE series_id = (SELECT id FROM series WHERE venue = ? AND channel = ? AND instrument = ?)
    AND conditions = ? AND ts_tick >= ? AND ts_tick < ?
  ORDER BY ts_tick DESC LIMIT ?
)sql";
// One statement: the offset and the entries are of one moment.
constexpr const char* kReadCheckpoint = R"sql(
  SELECT applied, key, value FROM checkpoint LEFT JOIN checkpoint_entries USING (partition)
  WHERE partition = ? ORDER BY key
)sql";

std::string with_columns(const char* sql) {
  return fmt::format(fmt::runtime(sql), kBarColumns, kThisBarSeries);
}

std::string upsert() {
  std::string values;
  for (std::string_view rest = kBarColumns; !rest.empty();) {
    const auto comma = std::min(rest.find(", "), rest.size());
    values += fmt::format("{}excluded.{}", values.empty() ? "" : ", ", rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 2, rest.size()));
  }
  return fmt::format(fmt::runtime(kWriteBar), kBarColumns, values);
}

Result<std::int64_t> read_integer(Connection& connection, const char* sql) {
  TD_ASSIGN(auto statement, Statement::prepare(connection, sql));
  TD_ASSIGN(const bool found, statement.step());
  return found ? statement.integer(0) : 0;
}

// ---- Values

// SQLite's integers are signed; ours that count wrap into them and back.
std::int64_t as_integer(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t as_count(std::int64_t value) { return static_cast<std::uint64_t>(value); }
template <class Enum>
std::int64_t as_number(Enum value) {
  return static_cast<std::int64_t>(value);
}

constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
constexpr auto kMax = std::numeric_limits<std::int64_t>::max();

std::int64_t start_of(std::optional<Timestamp> start) { return start ? start->ns : kMin; }
std::int64_t end_of(std::optional<Timestamp> end) { return end ? end->ns : kMax; }
std::int64_t limit_of(std::size_t limit) {
  return as_integer(std::min(std::uint64_t{limit}, as_count(kMax)));
}

void add_bar(Statement& statement, const Bar& bar) {
  statement.add(bar.ts_open.ns);
  for (const auto& price : {bar.open, bar.high, bar.low, bar.close}) {
    price ? statement.add_copy(market::to_string(*price)) : statement.add_null();
  }
  for (const auto* sum :
       {&bar.volume, &bar.notional, &bar.buy_volume, &bar.sell_volume, &bar.price_sum}) {
    statement.add_copy(sum->to_string());
  }
  statement.add(as_integer(bar.trades));
  statement.add(as_integer(bar.excluded));
  statement.add(std::int64_t{bar.is_final});
  statement.add(std::int64_t{bar.revision});
  statement.add(as_number(bar.reason));
  statement.add(as_integer(bar.offset.value));
  statement.add(bar.ts_known.ns);
  statement.add(as_integer(bar.unapplied));
}

Result<Bar> read_bar(const Statement& row) {
  const auto price = [&](int column) -> Result<std::optional<market::Decimal>> {
    if (row.is_null(column)) return std::nullopt;
    return market::parse_decimal(row.text(column));
  };
  Bar bar;
  bar.ts_open = Timestamp{row.integer(0)};
  TD_ASSIGN(bar.open, price(1));
  TD_ASSIGN(bar.high, price(2));
  TD_ASSIGN(bar.low, price(3));
  TD_ASSIGN(bar.close, price(4));
  int column = 5;
  for (auto* sum :
       {&bar.volume, &bar.notional, &bar.buy_volume, &bar.sell_volume, &bar.price_sum}) {
    TD_ASSIGN(*sum, market::parse_decimal_sum(row.text(column++)));
  }
  bar.trades = as_count(row.integer(10));
  bar.excluded = as_count(row.integer(11));
  bar.is_final = row.integer(12) != 0;
  bar.revision = static_cast<std::uint32_t>(row.integer(13));
  const std::int64_t reason = row.integer(14);
  if (reason < 0 || reason > as_number(market::RevisionReason::kCorrection)) {
    return fail(ErrorCode::kMalformed, fmt::format("there is no revision reason {}", reason));
  }
  bar.reason = static_cast<market::RevisionReason>(reason);
  bar.offset = Offset(as_count(row.integer(15)));
  bar.ts_known = Timestamp{row.integer(16)};
  bar.unapplied = as_count(row.integer(17));
  return bar;
}

// ---- Reading

// A connection that reads, with what it asks. Used by one thread at a time.
struct Reader {
  static Result<std::unique_ptr<Reader>> open(Disk& disk, const std::string& path,
                                              Duration busy_wait) {
    TD_ASSIGN(auto connection, Connection::open(disk, path, SQLITE_OPEN_READONLY, busy_wait));
    TD_ASSIGN(auto bars, Statement::prepare(*connection, with_columns(kReadBars)));
    TD_ASSIGN(auto bars_as_of, Statement::prepare(*connection, with_columns(kReadBarsAsOf)));
    TD_ASSIGN(auto find, Statement::prepare(*connection, with_columns(kFindBar)));
    TD_ASSIGN(auto revisions, Statement::prepare(*connection, with_columns(kReadRevisions)));
    TD_ASSIGN(auto means, Statement::prepare(*connection, kReadMeans));
    TD_ASSIGN(auto checkpoint, Statement::prepare(*connection, kReadCheckpoint));
    TD_ASSIGN(auto kept_from, Statement::prepare(*connection, with_columns(kReadKeptFrom)));
    return std::unique_ptr<Reader>(new Reader{
        std::move(connection), std::move(bars), std::move(bars_as_of), std::move(find),
        std::move(revisions), std::move(means), std::move(checkpoint), std::move(kept_from)});
  }

  // Calls `row(statement)` for each row.
  template <class Row>
  Status each(Statement& statement, Row&& row) const {
    while (true) {
      TD_ASSIGN(const bool found, statement.step());
      if (!found) break;
      const Status read = row(statement);
      if (read) continue;
      statement.reset();
      if (read.error().code != ErrorCode::kMalformed && read.error().code != ErrorCode::kOverflow) {
        return read;
      }
      return connection->refused(ErrorCode::kCorrupt, fmt::format("a row is damaged: {}: {}",
                                                                  read.error().message, kRebuild));
    }
    statement.reset();
    return {};
  }

  template <class... Values>
  static void bind(Statement& statement, const SeriesKey& series, const BarSpec& spec,
                   const Values&... values) {
    statement.bind(series.venue, series.channel, series.instrument, spec.interval.ns,
                   as_number(spec.conditions), as_number(spec.session), as_number(spec.source),
                   as_number(spec.adjusted), spec.slide.ns, values...);
  }

  // As Store::kept_from. Rows before it may be there still, and do not count.
  Result<std::optional<Timestamp>> find_kept_from(const SeriesKey& series, const BarSpec& spec) {
    std::optional<Timestamp> from;
    if (!is_short(spec)) return from;
    bind(kept_from, series, spec, kShortBarsKept.ns);
    const auto take = [&](const Statement& row) -> Status {
      from = Timestamp{row.integer(0)};
      return {};
    };
    TD_TRY(each(kept_from, take));
    return from;
  }

  std::unique_ptr<Connection> connection;
  Statement bars;
  Statement bars_as_of;
  Statement find;
  Statement revisions;
  Statement means;
  Statement checkpoint;
  Statement kept_from;
};

// As many readers as there are threads that read at once; a few are kept for the next.
class Readers {
 public:
  static constexpr std::size_t kIdleMax = 4;

  Readers(Disk& disk, std::string path, Duration busy_wait)
      : disk_(disk), path_(std::move(path)), busy_wait_(busy_wait) {}

  // Returns what `work(reader)` does.
  template <class Work>
  auto with(Work&& work) -> decltype(work(std::declval<Reader&>())) {
    TD_ASSIGN(auto reader, take());
    auto result = work(*reader);
    std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(reader));
    return result;
  }

  Result<Table> select(const std::string& sql, std::size_t rows_max) {
    return embedded::select(disk_, path_, busy_wait_, sql, {.rows_max = rows_max}, clock_);
  }

  Status prepare() {
    return with([](Reader&) { return Status(); });
  }

 private:
  Result<std::unique_ptr<Reader>> take() {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto reader = std::move(idle_.back());
        idle_.pop_back();
        return reader;
      }
    }
    return Reader::open(disk_, path_, busy_wait_);
  }

  Disk& disk_;
  const std::string path_;
  const Duration busy_wait_;
  const SystemClock clock_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Reader>> idle_;
};

// ---- Writing

enum class Found { kOurs, kNew, kOfSchema1 };

// Each write adds one to it, in the first page.
constexpr const char* kReadWrites = "PRAGMA user_version";

// What the database itself has of kReadWrites, whatever there is in the log.
Result<std::int32_t> copied_writes(Disk& disk, const std::string& path) {
  constexpr std::uint64_t kUserVersion = 60;  // in SQLite's header, big-endian
  const auto file = disk.open_shared(path, ShareMode::kRead);
  if (!file && file.error().code == ErrorCode::kNotFound) return 0;
  if (!file) return std::unexpected(file.error());
  char bytes[4] = {};
  TD_TRY((*file)->read_at(kUserVersion, bytes, sizeof bytes));
  std::uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int32_t>(value);
}

// What is in the file. Errors where it is not for us. `copied`: copied_writes(), asked before the
// file was opened.
Result<Found> look(Connection& connection, std::int32_t copied) {
  int reserved = -1;
  sqlite3_file_control(connection.db(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  TD_ASSIGN(const std::int64_t tables,
            read_integer(connection, "SELECT count(*) FROM sqlite_schema"));
  TD_ASSIGN(const std::int64_t application, read_integer(connection, "PRAGMA application_id"));
  if (tables == 0 && application == 0) return Found::kNew;
  if (application != kApplicationId) {
    return connection.refused(ErrorCode::kCorrupt,
                              "is a database of another program: name another file");
  }
  TD_ASSIGN(const std::int64_t schema, read_integer(connection, "SELECT schema FROM meta"));
  if (schema > kSchema) {
    return connection.refused(
        ErrorCode::kUnsupported,
        fmt::format("was written by a later release (schema {}, this one knows {}): use that "
                    "release, or {}",
                    schema, kSchema, kRebuild));
  }
  if (schema == 1) return Found::kOfSchema1;
  if (schema != kSchema || reserved != kReservedBytes) {
    return connection.refused(ErrorCode::kCorrupt,
                              fmt::format("its header is damaged: {}", kRebuild));
  }
  // A log that has less than was copied from it has lost pages that belong together with others.
  TD_ASSIGN(const std::int64_t writes, read_integer(connection, kReadWrites));
  const auto ahead = static_cast<std::uint32_t>(copied) - static_cast<std::uint32_t>(writes);
  if (static_cast<std::int32_t>(ahead) > 0) {
    return connection.refused(
        ErrorCode::kCorrupt,
        fmt::format("its log is damaged (it ends {} writes too early): {}", ahead, kRebuild));
  }
  return Found::kOurs;
}

class Writer {
 public:
  static Result<std::unique_ptr<Writer>> open(Disk& disk, const std::string& path,
                                              Duration busy_wait) {
    const auto unopened = [&](const Error& error) {
      return fail(error.code, fmt::format("store '{}': {}: {}", path, error.message,
                                          Connection::advice(error.code)));
    };
    auto lock = disk.lock(path + ".lock");
    if (!lock) {
      return fail(lock.error().code, fmt::format("store '{}': {}: {}", path, lock.error().message,
                                                 Connection::advice(lock.error().code)));
    }
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (Status added = add_checksums(disk, path); !added) return unopened(added.error());
    const auto copied = copied_writes(disk, path);
    if (!copied) return unopened(copied.error());
    TD_ASSIGN(auto connection, Connection::open(disk, path, kFlags, busy_wait));
    TD_ASSIGN(Found found, look(*connection, *copied));
    if (found == Found::kOfSchema1) {
      // Nothing of it is lost.
      TD_TRY(connection->run("PRAGMA journal_mode = DELETE"));
      connection.reset();
      TD_TRY(disk.rename(path, path + ".schema-1"));
      TD_TRY(disk.sync_directory(path.contains('/') ? path.substr(0, path.rfind('/') + 1) : "."));
      TD_ASSIGN(connection, Connection::open(disk, path, kFlags, busy_wait));
      found = Found::kNew;
    }
    if (found == Found::kNew) TD_TRY(create(*connection));
    TD_TRY(connection->run(
        "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = OFF; "
        "PRAGMA secure_delete = OFF; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16384"));
    Connection& c = *connection;
    TD_ASSIGN(auto find_series, Statement::prepare(c, kFindSeries));
    TD_ASSIGN(auto add_series, Statement::prepare(c, kAddSeries));
    TD_ASSIGN(auto find_bar_series, Statement::prepare(c, kFindBarSeries));
    TD_ASSIGN(auto add_bar_series, Statement::prepare(c, kAddBarSeries));
    TD_ASSIGN(auto write_bar, Statement::prepare(c, upsert()));
    TD_ASSIGN(auto keep_revision, Statement::prepare(c, with_columns(kKeepRevision)));
    TD_ASSIGN(auto supersede, Statement::prepare(c, kSupersede));
    TD_ASSIGN(auto drop_from, Statement::prepare(c, kDropFrom));
    TD_ASSIGN(auto find_old, Statement::prepare(c, kFindOld));
    TD_ASSIGN(auto find_surplus, Statement::prepare(c, kFindSurplus));
    TD_ASSIGN(auto drop_up_to, Statement::prepare(c, kDropUpTo));
    TD_ASSIGN(auto kept_from, Statement::prepare(c, kKeptFrom));
    TD_ASSIGN(auto kept_from_of, Statement::prepare(c, kKeptFromOf));
    TD_ASSIGN(auto drop_until, Statement::prepare(c, kDropUntil));
    TD_ASSIGN(auto drop_bars, Statement::prepare(c, kDropBars));
    TD_ASSIGN(auto drop_revisions, Statement::prepare(c, kDropRevisions));
    TD_ASSIGN(auto add_mean, Statement::prepare(c, kAddMean));
    TD_ASSIGN(auto write_applied, Statement::prepare(c, kWriteApplied));
    TD_ASSIGN(auto write_entry, Statement::prepare(c, kWriteEntry));
    TD_ASSIGN(auto remove_entry, Statement::prepare(c, kRemoveEntry));
    auto writer = std::unique_ptr<Writer>(
        new Writer{*std::move(lock),       std::move(connection),      std::move(find_series),
                   std::move(add_series),  std::move(find_bar_series), std::move(add_bar_series),
                   std::move(write_bar),   std::move(keep_revision),   std::move(supersede),
                   std::move(drop_from),   std::move(find_old),        std::move(find_surplus),
                   std::move(drop_up_to),  std::move(kept_from),       std::move(kept_from_of),
                   std::move(drop_until),  std::move(drop_bars),       std::move(drop_revisions),
                   std::move(add_mean),    std::move(write_applied),   std::move(write_entry),
                   std::move(remove_entry)});
    sqlite3_wal_hook(
        writer->connection_->db(),
        [](void* self, sqlite3*, const char*, int pages) {
          static_cast<Writer*>(self)->log_pages_ = pages;
          return SQLITE_OK;
        },
        writer.get());
    return writer;
  }

  Status write(std::span<const BarResult> bars, std::span<const MeanRow> means,
               const Checkpoint& checkpoint) {
    std::uint64_t dropped = 0;
    const Status written = in_transaction([&]() -> Status {
      Timestamp known{kMin};
      std::set<std::int64_t> short_ones;
      for (const BarResult& result : bars) {
        TD_ASSIGN(const std::int64_t id, write_one(result));
        known = std::max(known, result.row.bar.ts_known);
        if (is_short(result.row.spec)) short_ones.insert(id);
      }
      if (!bars.empty()) TD_TRY(drop_old(known));
      for (const std::int64_t id : short_ones) TD_TRY(drop_short(id, known, dropped));
      for (const MeanRow& mean : means) TD_TRY(write_one(mean));
      return write_one(checkpoint);
    });
    if (!written) return written;
    dropped_ += dropped;
    // It is written; a log that cannot be copied now is copied later, and sync() tells.
    if (log_pages_ >= kLogPages) (void)copy_log();
    return {};
  }

  // What was written is in the log: it is synced whoever reads. Copying it into the database only
  // keeps it short, and must wait for readers of what is older.
  Status sync() {
    connection_->forget_error();
    sqlite3_file* log = nullptr;
    sqlite3_file_control(connection_->db(), "main", SQLITE_FCNTL_JOURNAL_POINTER,
                         static_cast<void*>(&log));
    TD_CHECK(log != nullptr);
    if (log->pMethods != nullptr) {
      const int code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
      if (code != SQLITE_OK) return connection_->failed("cannot be synced", code);
    }
    return copy_log();
  }

  std::uint64_t dropped() const { return dropped_.load(); }

  Status clear() {
    looked_for_old_.clear();
    return in_transaction([&]() -> Status {
      return connection_->run(
          "DELETE FROM bars; DELETE FROM revisions; DELETE FROM means; DELETE FROM checkpoint; "
          "DELETE FROM checkpoint_entries");
    });
  }

  // Makes the tables of a new file.
  static Status create(Connection& connection) {
    int reserved = kReservedBytes;
    sqlite3_file_control(connection.db(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    TD_TRY(connection.run("PRAGMA page_size = 4096; PRAGMA auto_vacuum = NONE"));
    TD_TRY(connection.run("PRAGMA journal_mode = WAL"));
    TD_TRY(connection.run("BEGIN IMMEDIATE"));
    TD_TRY(connection.run(fmt::format(fmt::runtime(kCreateTables), kBarTypes).c_str()));
    TD_TRY(connection.run(fmt::format("INSERT INTO meta VALUES (1, {}); PRAGMA application_id = {}",
                                      kSchema, kApplicationId)
                              .c_str()));
    return connection.run("COMMIT");
  }

  template <class Work>
  Status in_transaction(Work work) {
    TD_TRY(connection_->run("BEGIN IMMEDIATE"));
    Status done = work();
    if (done) done = count_write();
    if (done) done = connection_->run("COMMIT");
    if (!done) {
      series_ids_.clear();  // some may be of rows that are now undone
      looked_for_old_.clear();
      bar_series_ids_.clear();
      // SQLite may have rolled back by itself; then there is nothing left to do here.
      if (sqlite3_get_autocommit(connection_->db()) == 0) {
        sqlite3_exec(connection_->db(), "ROLLBACK", nullptr, nullptr, nullptr);
      }
    }
    return done;
  }

  Status count_write() {
    TD_ASSIGN(const std::int64_t writes, read_integer(*connection_, kReadWrites));
    const auto next = static_cast<std::int32_t>(static_cast<std::uint32_t>(writes) + 1);
    return connection_->run(fmt::format("PRAGMA user_version = {}", next).c_str());
  }

  Status copy_log() {
    connection_->forget_error();
    const int code = sqlite3_wal_checkpoint_v2(connection_->db(), "main", SQLITE_CHECKPOINT_PASSIVE,
                                               nullptr, nullptr);
    if (code == SQLITE_OK || (code & 0xFF) == SQLITE_BUSY) return {};
    return connection_->failed("cannot be synced", code);
  }

  Result<std::int64_t> write_one(const BarResult& result) {  // the id of its bar series
    const Bar& bar = result.row.bar;
    TD_ASSIGN(const std::int64_t id, bar_series_id(result.row.series, result.row.spec));
    const std::int64_t revision = bar.revision;
    if (revision > 0) {
      TD_TRY(keep_revision_.run_with(id, bar.ts_open.ns, revision, bar.ts_known.ns));
      TD_TRY(supersede_.run_with(id, bar.ts_open.ns, bar.ts_known.ns));
    }
    // There are none, but where whoever writes has begun again.
    TD_TRY(drop_from_.run_with(id, bar.ts_open.ns, revision));
    write_bar_.bind(id, Blob{result.state});
    add_bar(write_bar_, bar);
    TD_TRY(write_bar_.run());
    if (revision < kRevisionsMax) return id;
    find_surplus_.bind(id, bar.ts_open.ns, kRevisionsMax - 1);
    TD_TRY(drop_found(find_surplus_));
    return id;
  }

  // Drops bars of a short bar series that are no longer kept: some of them, once a minute of what
  // is known. Nobody sees those that wait.
  Status drop_short(std::int64_t id, Timestamp known, std::uint64_t& dropped) {
    const Timestamp minute = floor_to(known, minutes(1));
    Timestamp& looked = looked_for_old_[id];
    if (std::exchange(looked, minute) == minute) return {};
    kept_from_of_.bind(id, kShortBarsKept.ns);
    TD_ASSIGN(const bool has_final, kept_from_of_.step());
    const std::int64_t kept_from = has_final ? kept_from_of_.integer(0) : kMin;
    kept_from_of_.reset();
    if (!has_final) return {};
    drop_until_.bind(id, kept_from, kDroppedAtOnceMax);
    TD_ASSIGN(const bool found, drop_until_.step());
    const std::int64_t until = found ? drop_until_.integer(0) : kMin;
    drop_until_.reset();
    TD_TRY(drop_bars_.run_with(id, until));
    dropped += static_cast<std::uint64_t>(sqlite3_changes(connection_->db()));
    return drop_revisions_.run_with(id, until);
  }

  // Drops the revisions that were replaced so long before `known`: nobody may ask for them.
  Status drop_old(Timestamp known) {
    if (known.ns < kMin + kRevisionsKept.ns) return {};
    while (true) {
      find_old_.bind((known - kRevisionsKept).ns);
      TD_ASSIGN(const bool found, drop_found(find_old_));
      if (!found) return {};
    }
  }

  // Drops the revision that `find` finds and those before it; false where there is none.
  Result<bool> drop_found(Statement& find) {
    TD_ASSIGN(const bool found, find.step());
    const std::int64_t id = found ? find.integer(0) : 0;
    const std::int64_t ts_open = found ? find.integer(1) : 0;
    const std::int64_t revision = found ? find.integer(2) : 0;
    const std::int64_t until = found ? find.integer(3) : 0;
    find.reset();
    if (!found) return false;
    TD_TRY(drop_up_to_.run_with(id, ts_open, revision));
    TD_TRY(kept_from_.run_with(id, ts_open, until));
    return true;
  }

  Status write_one(const MeanRow& mean) {
    TD_ASSIGN(const std::int64_t id, series_id(mean.series));
    add_mean_.bind(id, as_number(mean.conditions), mean.ts_tick.ns, as_integer(mean.trades));
    add_mean_.add_copy(mean.price_sum.to_string());
    add_mean_.add_copy(mean.notional.to_string());
    return add_mean_.run();
  }

  Status write_one(const Checkpoint& checkpoint) {
    const std::int64_t partition{checkpoint.partition.value};
    TD_TRY(write_applied_.run_with(partition, as_integer(checkpoint.applied.value)));
    for (const auto& [key, value] : checkpoint.changed) {
      if (value.empty()) {
        TD_TRY(remove_entry_.run_with(partition, Blob{key}));
      } else {
        TD_TRY(write_entry_.run_with(partition, Blob{key}, Blob{value}));
      }
    }
    return {};
  }

  Result<std::int64_t> series_id(const SeriesKey& key) {
    const auto known = series_ids_.find(key);
    if (known != series_ids_.end()) return known->second;
    TD_ASSIGN(const std::int64_t id,
              find_or_add(find_series_, add_series_, key.venue, key.channel, key.instrument));
    series_ids_.emplace(key, id);
    return id;
  }

  Result<std::int64_t> bar_series_id(const SeriesKey& series, const BarSpec& spec) {
    const auto known = bar_series_ids_.find(std::tie(series, spec));
    if (known != bar_series_ids_.end()) return known->second;
    TD_ASSIGN(const std::int64_t owner, series_id(series));
    TD_ASSIGN(const std::int64_t id,
              find_or_add(find_bar_series_, add_bar_series_, owner, spec.interval.ns,
                          as_number(spec.conditions), as_number(spec.session),
                          as_number(spec.source), as_number(spec.adjusted), spec.slide.ns));
    bar_series_ids_.emplace(std::tie(series, spec), id);
    return id;
  }

  template <class... Values>
  Result<std::int64_t> find_or_add(Statement& find, Statement& add, const Values&... values) {
    find.bind(values...);
    TD_ASSIGN(const bool found, find.step());
    const std::int64_t id = found ? find.integer(0) : 0;
    find.reset();
    if (found) return id;
    TD_TRY(add.run_with(values...));
    return sqlite3_last_insert_rowid(connection_->db());
  }

  // Statements are finalized before their connection closes, and that before the lock: the order.
  std::unique_ptr<DiskLock> lock_;
  std::unique_ptr<Connection> connection_;
  Statement find_series_, add_series_, find_bar_series_, add_bar_series_, write_bar_;
  Statement keep_revision_, supersede_, drop_from_, find_old_, find_surplus_, drop_up_to_;
  Statement kept_from_, kept_from_of_, drop_until_, drop_bars_, drop_revisions_, add_mean_,
      write_applied_, write_entry_, remove_entry_;
  std::map<SeriesKey, std::int64_t> series_ids_{};
  std::map<std::tuple<SeriesKey, BarSpec>, std::int64_t, std::less<>> bar_series_ids_{};
  std::map<std::int64_t, Timestamp> looked_for_old_{};  // by bar series: see drop_short()
  std::atomic<std::uint64_t> dropped_{0};
  int log_pages_ = 0;
};

// ---- The store

class SqliteStore final : public Store {
 public:
  // `writer`: null where it is only read.
  SqliteStore(std::unique_ptr<Writer> writer, Disk& disk, const std::string& path,
              Duration busy_wait)
      : writer_(std::move(writer)), readers_(disk, path, busy_wait) {}

  Status prepare() { return readers_.prepare(); }

  Status write(std::span<const BarResult> bars, std::span<const MeanRow> means,
               const Checkpoint& checkpoint) override {
    return writer_->write(bars, means, checkpoint);
  }
  Status sync() override { return writer_->sync(); }
  Status clear() override { return writer_->clear(); }

  Result<Checkpoint> checkpoint(PartitionId partition) const override {
    return readers_.with([&](Reader& reader) -> Result<Checkpoint> {
      Checkpoint found{.partition = partition, .applied = {}};
      reader.checkpoint.bind(std::int64_t{partition.value});
      const auto take = [&](const Statement& row) -> Status {
        found.applied = Offset(as_count(row.integer(0)));
        if (!row.is_null(1)) found.changed.emplace_back(row.text(1), row.text(2));
        return {};
      };
      TD_TRY(reader.each(reader.checkpoint, take));
      return found;
    });
  }

  Result<std::optional<BarResult>> find(const SeriesKey& series, const BarSpec& spec,
                                        Timestamp ts_open) const override {
    return readers_.with([&](Reader& reader) -> Result<std::optional<BarResult>> {
      std::optional<BarResult> found;
      Reader::bind(reader.find, series, spec, ts_open.ns);
      const auto take = [&](const Statement& row) -> Status {
        TD_ASSIGN(const Bar bar, read_bar(row));
        found = {{series, spec, bar}, std::string(row.text(kBarColumnCount))};
        return {};
      };
      TD_TRY(reader.each(reader.find, take));
      // Asked after it: it may have been dropped just now.
      TD_ASSIGN(const auto kept_from, reader.find_kept_from(series, spec));
      if (kept_from && ts_open < *kept_from) {
        return fail(ErrorCode::kNotFound,
                    fmt::format("the bar of {} is no longer kept: it opens before {}",
                                to_iso(ts_open), to_iso(*kept_from)));
      }
      return found;
    });
  }

  Result<Table> select(const std::string& sql, std::size_t rows_max) const override {
    return readers_.select(sql, rows_max);
  }

  Result<std::vector<Bar>> bars(const BarQuery& query) const override {
    return readers_.with([&](Reader& reader) -> Result<std::vector<Bar>> {
      std::vector<Bar> bars;
      Statement& statement = query.as_of ? reader.bars_as_of : reader.bars;
      TD_ASSIGN(const auto kept_from, reader.find_kept_from(query.series, query.spec));
      const std::int64_t start = std::max(start_of(query.start), start_of(kept_from));
      Reader::bind(statement, query.series, query.spec, start, end_of(query.end),
                   limit_of(query.limit));
      if (query.as_of) statement.add(query.as_of->ns);
      const auto take = [&](const Statement& row) -> Status {
        TD_ASSIGN(Bar bar, read_bar(row));
        if (query.as_of) {
          const bool is_cut = !row.is_null(kBarColumnCount);
          if (is_cut && row.integer(kBarColumnCount) > query.as_of->ns) {
            return reader.connection->refused(
                ErrorCode::kNotFound,
                fmt::format("the bar of {} as it was known at {} is not kept any more: ask for {} "
                            "or later",
                            to_iso(bar.ts_open), to_iso(*query.as_of),
                            to_iso(Timestamp{row.integer(kBarColumnCount)})));
          }
        }
        bars.push_back(bar);
        return {};
      };
      TD_TRY(reader.each(statement, take));
      std::ranges::reverse(bars);
      return bars;
    });
  }

  Result<std::optional<Timestamp>> kept_from(const SeriesKey& series,
                                             const BarSpec& spec) const override {
    return readers_.with([&](Reader& reader) { return reader.find_kept_from(series, spec); });
  }
  std::uint64_t bars_dropped() const override { return writer_ ? writer_->dropped() : 0; }

  Result<std::vector<Bar>> revisions(const SeriesKey& series, const BarSpec& spec,
                                     Timestamp ts_open) const override {
    return readers_.with([&](Reader& reader) -> Result<std::vector<Bar>> {
      std::vector<Bar> bars;
      TD_ASSIGN(const auto kept_from, reader.find_kept_from(series, spec));
      if (kept_from && ts_open < *kept_from) return bars;
      Reader::bind(reader.revisions, series, spec, ts_open.ns);
      const auto take = [&](const Statement& row) -> Status {
        TD_ASSIGN(Bar bar, read_bar(row));
        bars.push_back(bar);
        return {};
      };
      TD_TRY(reader.each(reader.revisions, take));
      return bars;
    });
  }

  Result<std::vector<MeanRow>> means(const SeriesKey& series, market::ConditionMode conditions,
                                     std::optional<Timestamp> start, std::optional<Timestamp> end,
                                     std::size_t limit) const override {
    return readers_.with([&](Reader& reader) -> Result<std::vector<MeanRow>> {
      std::vector<MeanRow> means;
      reader.means.bind(series.venue, series.channel, series.instrument, as_number(conditions),
                        start_of(start), end_of(end), limit_of(limit));
      const auto take = [&](const Statement& row) -> Status {
        MeanRow mean{.series = series, .conditions = conditions, .ts_tick = {row.integer(0)}};
        mean.trades = as_count(row.integer(1));
        TD_ASSIGN(mean.price_sum, market::parse_decimal_sum(row.text(2)));
        TD_ASSIGN(mean.notional, market::parse_decimal_sum(row.text(3)));
        means.push_back(std::move(mean));
        return {};
      };
      TD_TRY(reader.each(reader.means, take));
      std::ranges::reverse(means);
      return means;
    });
  }

 private:
  // Who writes closes last: it tidies up, which it cannot while others have the file open.
  std::unique_ptr<Writer> writer_;
  mutable Readers readers_;
};

std::unexpected<Error> no_path() {
  return fail(ErrorCode::kInvalidArgument, "store: the path is empty");
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(Disk& disk, const std::string& path,
                                                 Duration busy_wait) {
  if (path.empty()) return no_path();
  TD_ASSIGN(auto writer, Writer::open(disk, path, busy_wait));
  auto store = std::make_unique<SqliteStore>(std::move(writer), disk, path, busy_wait);
  TD_TRY(store->prepare());
  return store;
}

Result<std::unique_ptr<const Store>> open_sqlite_reader(Disk& disk, const std::string& path,
                                                        Duration busy_wait) {
  if (path.empty()) return no_path();
  if (const auto file = disk.open_shared(path, ShareMode::kRead); !file) {
    return fail(file.error().code, fmt::format("store '{}': {}: name the file of a store", path,
                                               file.error().message));
  }
  TD_ASSIGN(const std::int32_t copied, copied_writes(disk, path));
  {
    TD_ASSIGN(const auto connection, Connection::open(disk, path, SQLITE_OPEN_READONLY, busy_wait));
    TD_ASSIGN(const Found found, look(*connection, copied));
    if (found != Found::kOurs) {
      return connection->refused(ErrorCode::kUnsupported,
                                 "is empty or of an earlier release: let this release write to it "
                                 "first, it makes a new one");
    }
  }
  auto store = std::make_unique<SqliteStore>(nullptr, disk, path, busy_wait);
  TD_TRY(store->prepare());
  return store;
}

}  // namespace tapedeck::store::embedded
