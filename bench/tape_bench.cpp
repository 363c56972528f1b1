// bench/tape_bench.cpp: what the tape does to the rows of bench/rows.py, for bench/bench.py. Each
// subcommand prints one JSON object, as the programs in bench/peers/ do.
#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <mutex>
#include <span>
#include <thread>

#include "bars_bench.hpp"
#include "base/check.hpp"
#include "base/clock.hpp"
#include "base/crc32c.hpp"
#include "base/disk.hpp"
#include "frames_bench.hpp"
#include "market/event.hpp"
#include "market/series.hpp"
#include "measure.hpp"
#include "quality/seen_identities.hpp"
#include "serving_bench.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "tape/tape.hpp"

using namespace tapedeck;
using namespace tapedeck::bench;

namespace {

// A record of the rows file: RECORD in rows.py.
struct Row {
  std::int64_t ts_event, ts_recv;
  std::uint64_t seq, conditions;
  std::int64_t price, size;
  std::uint32_t series;
  std::uint8_t side, price_scale, size_scale, origin;
  std::uint64_t venue_sequence;
};
static_assert(sizeof(Row) == 64 && std::endian::native == std::endian::little);

class RowsFile {
 public:
  explicit RowsFile(const std::string& path)
      : path_(path),
        in_(path, std::ios::binary),
        left_(in_ ? std::filesystem::file_size(path) / sizeof(Row) : 0) {
    if (!in_) die(path + ": cannot be read");
  }
  // The next rows, at most so many; empty at the end.
  std::vector<Row> next(std::size_t count_max) {
    std::vector<Row> rows(std::min<std::size_t>(left_, count_max));
    in_.read(reinterpret_cast<char*>(rows.data()),
             static_cast<std::streamsize>(rows.size() * sizeof(Row)));
    if (!in_) die(path_ + ": is shorter than it says");
    left_ -= rows.size();
    return rows;
  }

 private:
  std::string path_;
  std::ifstream in_;
  std::size_t left_;
};

// The ids of the rows' series and origins in a catalog.
struct Names {
  std::vector<SeriesId> series;
  std::vector<OriginId> origins;
};

Names read_names(const std::string& path, market::Catalog& catalog) {
  simdjson::dom::parser parser;
  const simdjson::dom::element about = parser.load(path + ".json");
  const auto text = [](simdjson::dom::element of, const char* key) {
    return std::string(std::string_view(of[key]));
  };
  Names names;
  for (const auto series : about["series"]) {
    const bool by_sequence = text(series, "order") == "venue_sequence";
    names.series.push_back(catalog.intern(market::Series{
        .key = {text(series, "venue"), text(series, "channel"), text(series, "instrument")},
        .order =
            by_sequence ? market::TradeOrder::kVenueSequence : market::TradeOrder::kIdentity}));
  }
  for (const auto origin : about["origins"]) {
    const bool is_file = text(origin, "kind") == "file";
    names.origins.push_back(catalog.intern(
        market::Origin{.kind = is_file ? market::OriginKind::kFile : market::OriginKind::kVenue,
                       .key = text(origin, "key"),
                       .first = {std::int64_t(origin["first_ns"])},
                       .recv_assumed = bool(origin["recv_assumed"])}));
  }
  return names;
}

market::Trade trade_of(const Row& row, const Names& names) {
  return {.series = names.series[row.series],
          .side = static_cast<market::Side>(row.side),
          .conditions = row.conditions,
          .ts_event = {row.ts_event},
          .ts_recv = {row.ts_recv},
          .price = market::Decimal::make(row.price, row.price_scale),
          .size = market::Decimal::make(row.size, row.size_scale),
          .identity = {.origin = names.origins[row.origin], .seq = row.seq},
          .venue_sequence = row.venue_sequence};
}

constexpr PartitionId kPartition{0};  // the only one

// Every call of the tape is in here.
class OurTape {
 public:
  explicit OurTape(const std::string& directory)
      : disk_(real_disk()),
        tape_(or_exit(tape::embedded::open_embedded_tape(*disk_, kClock, catalog_,
                                                         {.directory = directory}))) {}

  market::Catalog& catalog() { return catalog_; }
  std::uint64_t end() const { return tape_->durable_end(kPartition).value; }

  // Sealing goes on beside appending from here on, as it does in the program.
  void start_background() {
    background_ = std::jthread([this](const std::stop_token& stop) {
      std::mutex mutex;
      std::condition_variable_any woken;
      std::unique_lock lock(mutex);
      while (!stop.stop_requested()) {
        if (or_exit(tape_->maintain({}))) continue;
        woken.wait_for(lock, stop, std::chrono::milliseconds(10), [] { return false; });
      }
    });
  }
  void append_durably(market::Batch&& batch) {
    or_exit(tape_->append(std::move(batch)));
    or_exit(tape_->commit());
  }
  void seal() {
    background_ = {};  // joined
    or_exit(tape_->seal());
  }

  // Calls `use(trades)` for each run of them.
  template <class Use>
  void read_all(Use use) const {
    const auto reader = or_exit(tape_->read({.partition = kPartition}));
    while (const auto batch = or_exit(reader->next())) use(std::span(batch->trades));
  }
  quality::SeenIdentities identities() const {
    quality::SeenIdentities seen;
    or_exit(tape_->identities([&](const tape::IdentityRun& run) {
      if (run.kind != market::StreamKind::kTrade) return;
      if (run.position == 0) {
        seen.insert_run(run.series, run.origin, run.first, run.last);
        return;
      }
      for (std::uint64_t seq = run.first; seq <= run.last; ++seq) {
        seen.insert(run.series, {.origin = run.origin, .seq = seq, .position = run.position});
      }
    }));
    return seen;
  }

 private:
  market::Catalog catalog_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<tape::Tape> tape_;
  std::jthread background_;  // last: it ends first
};

std::vector<market::Trade> next_trades(RowsFile& file, const Names& names, std::size_t count) {
  const std::vector<Row> rows = file.next(count);
  std::vector<market::Trade> trades;
  trades.reserve(rows.size());
  for (const Row& row : rows) trades.push_back(trade_of(row, names));
  return trades;
}

// A day of as many trades as one likes, without a file of rows.
void fill(const FillArguments& arguments) {
  constexpr std::size_t kCommit = 100'000;
  constexpr std::int64_t kDayBegins = 1'767'225'600'000'000'000;  // 2026-01-01
  OurTape tape(arguments.directory);
  std::vector<SeriesId> series;
  for (std::uint32_t i = 0; i < arguments.series; ++i) {
    series.push_back(
        tape.catalog().intern({.key = {"synthetic", "trade", fmt::format("SYM{:03}", i)}}));
  }
  const OriginId origin = tape.catalog().intern({.kind = market::OriginKind::kVenue});
  tape.start_background();
  const std::int64_t step_ns = hours(24).ns / static_cast<std::int64_t>(arguments.rows);
  std::vector<std::uint64_t> seqs(series.size());
  for (std::uint64_t i = 0; i < arguments.rows;) {
    market::Batch batch;
    for (; i < arguments.rows && batch.trades.size() < kCommit; ++i) {
      const std::size_t which = (i * 0x9e3779b97f4a7c15U >> 32) % series.size();
      const Timestamp when{kDayBegins + static_cast<std::int64_t>(i) * step_ns};
      batch.trades.push_back(
          {.series = series[which],
           .side = i % 3 == 0 ? market::Side::kBuy : market::Side::kSell,
           .ts_event = when,
           .ts_recv = when + milliseconds(1),
           .price = market::Decimal::make(static_cast<std::int64_t>(10'000 + i / 1'000 % 997), 2),
           .size = market::Decimal::make(static_cast<std::int64_t>(1 + i % 300), 0),
           .identity = {.origin = origin, .seq = seqs[which]++}});
    }
    tape.append_durably(std::move(batch));
  }
  tape.seal();
  fmt::print(R"({{"rows":{}}})"
             "\n",
             tape.end());
}

// What the whole process needs when rows are read as they are appended.
void memory(const std::string& rows_path, const std::string& directory, std::size_t commit_rows) {
  OurTape tape(directory);
  RowsFile file(rows_path);
  const Names names = read_names(rows_path, tape.catalog());
  tape.start_background();
  for (auto trades = next_trades(file, names, commit_rows); !trades.empty();
       trades = next_trades(file, names, commit_rows)) {
    market::Batch batch;
    batch.trades = std::move(trades);
    tape.append_durably(std::move(batch));
  }
  tape.seal();
  fmt::print(R"({{"rows":{},"rss_peak_mb":{}}})"
             "\n",
             tape.end(), proc_number("status", "VmHWM") >> 10);
}

// `crash` kills the process after the last commit: nothing is sealed, nothing is closed.
void ingest(const std::string& rows_path, const std::string& directory, std::size_t commit_rows,
            bool crash) {
  OurTape tape(directory);
  std::vector<market::Batch> batches;
  {
    RowsFile file(rows_path);
    const Names names = read_names(rows_path, tape.catalog());
    for (auto trades = next_trades(file, names, commit_rows); !trades.empty();
         trades = next_trades(file, names, commit_rows)) {
      batches.emplace_back().trades = std::move(trades);
    }
  }
  // Most of the memory is the batches, which go one by one: see memory() for the tape's own.
  std::ofstream("/proc/self/clear_refs") << 5 << std::flush;
  const std::uint64_t memory_before_kb = proc_number("status", "VmRSS");
  const std::uint64_t written_before = proc_number("io", "wchar");
  const std::uint64_t commits = batches.size();

  const double cpu_before_s = cpu_s();
  const double start_s = now_s();
  tape.start_background();
  for (market::Batch& batch : batches) tape.append_durably(std::move(batch));
  const double durable_s = now_s() - start_s;
  if (!crash) tape.seal();
  const double sealed_s = now_s() - start_s;
  const double cpu_used_s = cpu_s() - cpu_before_s;

  fmt::print(R"({{"rows":{},"s":{:.6f},"s_without_sealing":{:.6f},"cpu_s":{:.3f},"commits":{},)"
             R"("written_bytes":{},"bytes":{},"rss_before_mb":{},"rss_peak_mb":{}}})"
             "\n",
             tape.end(), sealed_s, durable_s, cpu_used_s, commits,
             proc_number("io", "wchar") - written_before, bytes_below(directory),
             memory_before_kb >> 10, proc_number("status", "VmHWM") >> 10);
  std::fflush(stdout);
  if (crash) std::raise(SIGKILL);
}

// Up to the first append: opened, and the identities of all that is on it known.
void recover(const std::string& directory) {
  const double start_s = now_s();
  OurTape tape(directory);
  const double open_s = now_s() - start_s;
  const quality::SeenIdentities seen = tape.identities();
  fmt::print(R"({{"rows":{},"s":{:.6f},"open_s":{:.6f},"identities":{},"rss_peak_mb":{}}})"
             "\n",
             tape.end(), now_s() - start_s, open_s, seen.count(),
             proc_number("status", "VmHWM") >> 10);
}

// Every field of every trade is looked at.
void scan(const std::string& directory) {
  const double opening_s = now_s();
  OurTape tape(directory);
  const double open_s = now_s() - opening_s;
  const double cpu_before_s = cpu_s();
  const double start_s = now_s();
  std::uint64_t rows = 0;
  std::uint64_t folded = 0;
  tape.read_all([&](std::span<const market::Trade> trades) {
    rows += trades.size();
    for (const market::Trade& t : trades) {
      folded ^= static_cast<std::uint64_t>(t.ts_event.ns) ^
                static_cast<std::uint64_t>(t.ts_recv.ns) ^ t.identity.seq ^ t.conditions ^
                static_cast<std::uint64_t>(t.price.mantissa) ^
                static_cast<std::uint64_t>(t.size.mantissa) ^ t.venue_sequence ^ t.series.value ^
                static_cast<std::uint64_t>(t.side) ^ t.identity.origin.value ^ t.identity.position;
    }
  });
  const double s = now_s() - start_s;
  fmt::print(R"({{"rows":{},"s":{:.6f},"open_s":{:.6f},"cpu_s":{:.3f},"bytes":{},"folded":"{}",)"
             R"("rss_peak_mb":{}}})"
             "\n",
             rows, s, open_s, cpu_s() - cpu_before_s, bytes_below(directory), folded,
             proc_number("status", "VmHWM") >> 10);
}

// The sum of (series + 1) * price * size from what the tape gives back, and whether every trade is
// the rows file's.
void verify(const std::string& rows_path, const std::string& directory) {
  const std::vector<Row> rows = RowsFile(rows_path).next(std::numeric_limits<std::size_t>::max());
  OurTape tape(directory);
  const Names names = read_names(rows_path, tape.catalog());
  const auto mantissa_at = [](const market::Decimal& value, int scale) {
    Int128 mantissa = value.mantissa;
    for (int i = value.scale; i < scale; ++i) mantissa *= 10;
    return mantissa;
  };
  std::uint64_t position = 0;
  Int128 sum = 0;
  tape.read_all([&](std::span<const market::Trade> trades) {
    for (const market::Trade& trade : trades) {
      if (position == rows.size()) die(fmt::format("more than {} trades are there", position));
      const Row& row = rows[position];
      if (trade != trade_of(row, names)) die(fmt::format("trade {} is not the file's", position));
      sum += Int128{row.series + 1} * mantissa_at(trade.price, row.price_scale) *
             mantissa_at(trade.size, row.size_scale);
      ++position;
    }
  });
  std::string digits;
  for (Int128 rest = sum; rest > 0 || digits.empty(); rest /= 10) {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  }
  fmt::print(R"({{"rows":{},"checksum":"{}"}})"
             "\n",
             position, digits);
}

// What this disk can do at most: `bytes` in `commits` appends, each followed by an fdatasync.
void limit_write(const std::string& path, std::uint64_t bytes, std::uint64_t commits) {
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0) die(path + ": cannot be created");
  const std::string piece(std::max<std::size_t>(1, bytes / commits), '\x5a');
  std::vector<double> syncs_ms(commits);
  const double start_s = now_s();
  for (double& sync_ms : syncs_ms) {
    for (std::size_t done = 0; done < piece.size();) {
      const ssize_t got = ::write(file, piece.data() + done, piece.size() - done);
      if (got < 0) die(path + ": cannot be written");
      done += static_cast<std::size_t>(got);
    }
    const double sync_s = now_s();
    if (::fdatasync(file) != 0) die(path + ": cannot be synced");
    sync_ms = (now_s() - sync_s) * 1e3;
  }
  const double s = now_s() - start_s;
  ::close(file);
  std::ranges::sort(syncs_ms);
  fmt::print(R"({{"bytes":{},"s":{:.6f},"sync_p50_ms":{:.3f},"sync_p99_ms":{:.3f}}})"
             "\n",
             piece.size() * commits, s, syncs_ms[commits / 2], syncs_ms[commits * 99 / 100]);
}

// What reading at all costs: every byte below `directory`, and a CRC32C over it.
void limit_read(const std::string& directory) {
  const double start_s = now_s();
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
  std::string buffer(1 << 20, '\0');
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) die(entry.path().string() + ": cannot be read");
    while (true) {
      const ssize_t got = ::read(file, buffer.data(), buffer.size());
      if (got < 0) die(entry.path().string() + ": cannot be read");
      if (got == 0) break;
      bytes += static_cast<std::uint64_t>(got);
      crc = crc32c({buffer.data(), static_cast<std::size_t>(got)}, crc);
    }
    ::close(file);
  }
  fmt::print(R"({{"bytes":{},"s":{:.6f},"crc":{}}})"
             "\n",
             bytes, now_s() - start_s, crc);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"td_bench: the tape's side of ./dev bench"};
  app.require_subcommand(1);
  std::string rows, directory;
  std::size_t commit_rows = 10'000;
  std::uint64_t bytes = 0, commits = 1;
  bool crash = false;

  auto* ingesting = app.add_subcommand("ingest", "appends the rows, a durable commit at a time");
  ingesting->add_option("--rows", rows)->required();
  ingesting->add_option("--dir", directory)->required();
  ingesting->add_option("--commit", commit_rows, "rows per commit")->check(CLI::PositiveNumber);
  ingesting->add_flag("--crash", crash, "die after the last commit");
  ingesting->callback([&] { ingest(rows, directory, commit_rows, crash); });

  auto* measuring = app.add_subcommand("memory", "as ingest, with one commit of rows in memory");
  measuring->add_option("--rows", rows)->required();
  measuring->add_option("--dir", directory)->required();
  measuring->add_option("--commit", commit_rows, "rows per commit")->check(CLI::PositiveNumber);
  measuring->callback([&] { memory(rows, directory, commit_rows); });

  auto* recovering = app.add_subcommand("recover", "opens a tape up to the first append");
  recovering->add_option("--dir", directory)->required();
  recovering->callback([&] { recover(directory); });

  auto* scanning = app.add_subcommand("scan", "decodes everything, on one thread");
  scanning->add_option("--dir", directory)->required();
  scanning->callback([&] { scan(directory); });

  BarsArguments bars;
  auto* making = app.add_subcommand("bars", "bars of 1 m and averages of 15 s, on one thread");
  making->add_option("--dir", bars.tape)->required();
  making->add_option("--out", bars.out, "folder of bars.csv and averages.csv")->required();
  making->add_option("--store", bars.store, "the file of a store, which gives them back");
  making->add_option("--kept", bars.bars_kept, "bars of each series that stay in memory; 0: all");
  making->callback([&] { make_bars(bars); });

  FramesArguments frames;
  auto* taking = app.add_subcommand("frames", "a venue's frames to trades, on one thread");
  taking->add_option("--venue", frames.venue)->required();
  taking->add_option("--file", frames.file, "a capture")->required();
  taking->add_option("--seconds", frames.seconds, "for so long");
  taking->add_flag("--simdjson", frames.simdjson_only, "simdjson alone");
  taking->callback([&] { take_frames(frames); });

  auto* verifying = app.add_subcommand("verify", "compares the tape with the rows, one by one");
  verifying->add_option("--rows", rows)->required();
  verifying->add_option("--dir", directory)->required();
  verifying->callback([&] { verify(rows, directory); });

  auto* writing = app.add_subcommand("limit_write", "the disk alone: appends and fdatasyncs");
  writing->add_option("--file", directory)->required();
  writing->add_option("--bytes", bytes)->required();
  writing->add_option("--commits", commits)->required()->check(CLI::PositiveNumber);
  writing->callback([&] { limit_write(directory, bytes, commits); });

  auto* reading = app.add_subcommand("limit_read", "reading alone: the bytes and their CRC32C");
  reading->add_option("--dir", directory)->required();
  reading->callback([&] { limit_read(directory); });

  FillArguments filled;
  auto* filling = app.add_subcommand("fill", "a tape of a day of many trades");
  filling->add_option("--dir", filled.directory)->required();
  filling->add_option("--rows", filled.rows)->required()->check(CLI::PositiveNumber);
  filling->add_option("--series", filled.series)->check(CLI::PositiveNumber);
  filling->callback([&] { fill(filled); });

  LiveArguments watched;
  auto* watching = app.add_subcommand("live", "how long a trade takes to a client");
  watching->add_option("--dir", watched.directory)->required();
  watching->add_option("--rate", watched.rate, "trades a second")->check(CLI::PositiveNumber);
  watching->add_option("--seconds", watched.duration_s)->check(CLI::PositiveNumber);
  watching->add_option("--series", watched.series)->check(CLI::Range(1, 64));
  watching->add_option("--crowd", watched.crowd, "clients beside it")->check(CLI::Range(0, 1000));
  watching->callback([&] { live(watched); });

  LiveArguments shown;
  auto* showing = app.add_subcommand("page", "a feed whose page is open in a browser");
  showing->add_option("--dir", shown.directory)->required();
  showing->add_option("--rate", shown.rate, "trades a second")->check(CLI::PositiveNumber);
  showing->add_option("--seconds", shown.duration_s)->check(CLI::PositiveNumber);
  showing->add_option("--series", shown.series)->check(CLI::Range(1, 64));
  showing->callback([&] { page(shown); });

  LoadArguments asked;
  auto* asking = app.add_subcommand("load", "asks a running program over HTTP");
  asking->add_option("--port", asked.port)->required();
  asking->add_option("--token", asked.token)->required();
  asking->add_option("--target", asked.target)->required();
  asking->add_option("--connections", asked.connections)->check(CLI::PositiveNumber);
  asking->add_option("--seconds", asked.duration_s)->check(CLI::PositiveNumber);
  asking->callback([&] { load(asked); });

  CLI11_PARSE(app, argc, argv);
}
