#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/commands.hpp"
#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/log.hpp"
#include "config/nearest.hpp"
#include "feeds/events/event_writer.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "tape/embedded/folder.hpp"
#include "tape/embedded/inspect.hpp"

namespace tapedeck::app {
namespace {

namespace embedded = tape::embedded;
using feeds::events::csv_header;
using feeds::events::EventFormat;
using feeds::events::EventWriter;
using feeds::events::kind_name;
using feeds::events::parse_kind;
using market::Batch;
using market::StreamKind;

// Standard output in large pieces. Once nobody reads it any more (`| head`), writing goes nowhere.
class Output {
 public:
  std::string& buffer() { return buffer_; }
  bool is_closed() const { return is_closed_; }

  Status flush_if_large() { return buffer_.size() < kPieceBytes ? Status() : flush(); }
  Status flush() {
    std::string_view rest = buffer_;
    while (!rest.empty() && !is_closed_) {
      const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
      if (written >= 0) {
        rest.remove_prefix(static_cast<std::size_t>(written));
      } else if (errno == EPIPE) {
        is_closed_ = true;
      } else if (errno != EINTR) {
        return fail(ErrorCode::kIo,
                    fmt::format("cannot write standard output: {}", std::strerror(errno)));
      }
    }
    buffer_.clear();
    return {};
  }

 private:
  static constexpr std::size_t kPieceBytes = 256u << 10;
  std::string buffer_;
  bool is_closed_ = false;
};

// --- ls

std::string kinds_text(const std::map<StreamKind, std::uint64_t>& events) {
  std::string out;
  for (const auto& [kind, count] : events) {
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, kind_name(kind));
  }
  return out;
}

std::string kinds_json(const std::map<StreamKind, std::uint64_t>& events) {
  std::string out;
  for (const auto& [kind, count] : events) {
    out += fmt::format("{}\"{}\":\"{}\"", out.empty() ? "" : ",", kind_name(kind), count);
  }
  return "{" + out + "}";
}

std::string bytes_per_event(std::uint64_t bytes, std::uint64_t events) {
  if (events == 0) return "-";
  return fmt::format("{:.2f}", static_cast<double>(bytes) / static_cast<double>(events));
}

// "2013-10-07T13:29:50.25Z": to_iso() without the zeros at its end.
std::string short_iso(Timestamp t) {
  std::string text = to_iso(t);
  text.pop_back();
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text + "Z";
}

// What a number of segments have together.
struct Totals {
  std::uint64_t segments = 0;
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  std::uint64_t blocks = 0;
  std::map<StreamKind, std::uint64_t> kinds{};
  std::optional<Timestamp> from{}, to{};
  std::set<SeriesId> series{};

  void add(const embedded::SegmentSummary& segment) {
    ++segments;
    events += segment.end - segment.first;
    bytes += segment.bytes;
    blocks += segment.blocks;
    for (const auto& [kind, count] : segment.events) kinds[kind] += count;
    if (segment.from) from = from ? std::min(*from, *segment.from) : *segment.from;
    if (segment.to) to = to ? std::max(*to, *segment.to) : *segment.to;
    series.insert(segment.series.begin(), segment.series.end());
  }
};

// Columns as wide as their widest cell.
class Table {
 public:
  // '<' or '>' for each column; the last one is never filled up.
  explicit Table(std::string alignment) : alignment_(std::move(alignment)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const {
    std::vector<std::size_t> widths(alignment_.size());
    for (const auto& row : rows_) {
      for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
    }
    std::string out;
    for (const auto& row : rows_) {
      std::string line;
      for (std::size_t c = 0; c < row.size(); ++c) {
        const std::size_t fill = widths[c] - row[c].size();
        if (c > 0) line += "  ";
        if (alignment_[c] == '>') line.append(fill, ' ');
        line += row[c];
        if (alignment_[c] == '<' && c + 1 < row.size()) line.append(fill, ' ');
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
    return out;
  }

 private:
  const std::string alignment_;
  std::vector<std::vector<std::string>> rows_;
};

std::string iso_or_dash(const std::optional<Timestamp>& t) { return t ? short_iso(*t) : "-"; }

std::vector<std::string> total_row(std::string_view name, std::string_view what,
                                   const Totals& totals) {
  return {std::string(name),
          std::string(what),
          "",
          "",
          fmt::format("{}", totals.events),
          fmt::format("{}", totals.bytes),
          bytes_per_event(totals.bytes, totals.events),
          fmt::format("{}", totals.blocks),
          fmt::format("{}", totals.series.size()),
          iso_or_dash(totals.from),
          iso_or_dash(totals.to),
          "",
          kinds_text(totals.kinds)};
}

std::string ls_text(const std::string& directory, const embedded::TapeSummary& tape) {
  std::string out = fmt::format("{}: format {}, {} partition{}\n\n", directory, tape.format,
                                tape.partitions, tape.partitions == 1 ? "" : "s");
  std::vector<std::string> remarks;
  if (!tape.problem.empty()) remarks.push_back("TAPE: " + tape.problem);
  Table table("<<>>>>>>><<<<");
  table.add({"log", "segment", "first", "end", "events", "bytes", "bytes/event", "blocks", "series",
             "from", "to", "state", "kinds"});
  Totals all;
  for (const embedded::LogSummary& log : tape.logs) {
    const std::string name = embedded::log_name(log.partition);
    if (!log.problem.empty()) remarks.push_back(fmt::format("{}: {}", name, log.problem));
    Totals totals;
    for (const embedded::SegmentSummary& segment : log.segments) {
      totals.add(segment);
      all.add(segment);
      const std::uint64_t events = segment.end - segment.first;
      table.add({name, segment.name, fmt::format("{}", segment.first.value),
                 fmt::format("{}", segment.end.value), fmt::format("{}", events),
                 fmt::format("{}", segment.bytes), bytes_per_event(segment.bytes, events),
                 fmt::format("{}", segment.blocks), fmt::format("{}", segment.series.size()),
                 iso_or_dash(segment.from), iso_or_dash(segment.to),
                 !segment.problem.empty() ? "damaged"
                 : segment.sealed         ? "sealed"
                                          : "open",
                 kinds_text(segment.events)});
      if (!segment.problem.empty()) {
        remarks.push_back(fmt::format("{}/{}: {}", name, segment.name, segment.problem));
      }
      if (segment.torn_bytes > 0) {
        remarks.push_back(
            fmt::format("{}/{}: the last {} bytes are no whole commit: it is being "
                        "written, or a crash tore it",
                        name, segment.name, segment.torn_bytes));
      }
    }
    if (totals.segments > 1) {
      table.add(total_row(name, fmt::format("{} segments", totals.segments), totals));
    }
  }
  if (all.segments != 1) table.add(total_row("all", fmt::format("{} segments", all.segments), all));
  out += table.text();
  if (!remarks.empty()) out += "\n";
  for (const std::string& remark : remarks) out += printable(remark) + "\n";
  return out;
}

std::string json_time(const std::optional<Timestamp>& t) {
  return t ? fmt::format("\"{}\"", t->ns) : "null";
}

std::string ls_json(const embedded::TapeSummary& tape) {
  std::string out =
      fmt::format("{{\"format\":{},\"partitions\":{},\"problem\":{},\"segments\":[", tape.format,
                  tape.partitions, tape.problem.empty() ? "null" : json_quote(tape.problem));
  bool is_first = true;
  for (const embedded::LogSummary& log : tape.logs) {
    for (const embedded::SegmentSummary& segment : log.segments) {
      out += fmt::format(
          "{}\n{{\"log\":\"{}\",\"segment\":{},\"first\":\"{}\",\"end\":\"{}\",\"bytes\":\"{}\","
          "\"blocks\":\"{}\",\"series\":\"{}\",\"from\":{},\"to\":{},\"sealed\":{},"
          "\"torn_bytes\":\"{}\",\"problem\":{},\"kinds\":{}}}",
          is_first ? "" : ",", embedded::log_name(log.partition), json_quote(segment.name),
          segment.first.value, segment.end.value, segment.bytes, segment.blocks,
          segment.series.size(), json_time(segment.from), json_time(segment.to), segment.sealed,
          segment.torn_bytes, segment.problem.empty() ? "null" : json_quote(segment.problem),
          kinds_json(segment.events));
      is_first = false;
    }
  }
  return out + "\n]}\n";
}

Status ls(Disk& disk, const TapeArguments& arguments) {
  market::Catalog catalog;
  TD_ASSIGN(const auto tape, embedded::list_tape(disk, catalog, arguments.directory));
  Output output;
  output.buffer() = arguments.format == "json" ? ls_json(tape) : ls_text(arguments.directory, tape);
  return output.flush();
}

// --- cat and tail

Result<std::optional<PartitionId>> partition_asked_for(const std::string& text,
                                                       std::uint32_t partitions) {
  if (text.empty()) return std::nullopt;
  if (text == "raw") return tape::kRawFrames;
  const std::size_t from = text.starts_with('p') ? 1 : 0;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + from, text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number >= partitions) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("there is no partition '{}': this tape has {}, and raw", text,
                            partitions == 1 ? "0" : fmt::format("0 to {}", partitions - 1)));
  }
  return PartitionId(number);
}

Result<std::optional<Timestamp>> time_asked_for(std::string_view option, const std::string& text) {
  if (text.empty()) return std::nullopt;
  auto time = parse_iso(text);
  if (!time) time = parse_iso(text + "T00:00:00Z");
  if (time) return *time;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} '{}' is no time: write 2013-10-07, 2013-10-07T13:30:00Z or "
                          "2013-10-07T13:30:00.123456789+02:00",
                          option, text));
}

Result<std::vector<SeriesId>> series_asked_for(const std::vector<std::string>& keys,
                                               const market::Catalog& catalog) {
  std::vector<std::string> known;
  for (std::uint32_t i = 0; i < catalog.series_count(); ++i) {
    known.push_back(to_string(catalog.series(SeriesId(i)).key));
  }
  std::vector<SeriesId> ids;
  for (const std::string& key : keys) {
    const auto found = std::ranges::find(known, key);
    if (found != known.end()) {
      ids.emplace_back(static_cast<std::uint32_t>(found - known.begin()));
      continue;
    }
    const auto near = config::nearest(key, known);
    constexpr std::size_t kShownMax = 10;
    std::string all;
    for (std::size_t i = 0; i < std::min(known.size(), kShownMax); ++i) {
      all += (i == 0 ? "" : ", ") + known[i];
    }
    if (known.size() > kShownMax) all += fmt::format(" and {} more", known.size() - kShownMax);
    return fail(ErrorCode::kInvalidArgument, fmt::format("this tape has no series '{}'{}", key,
                                                         near ? ": did you mean '" + *near + "'?"
                                                         : known.empty() ? ": it has none"
                                                                         : ": it has " + all));
  }
  return ids;
}

// Which events are wanted. A reader chooses whole blocks by it, this chooses events.
struct Filter {
  std::optional<Timestamp> from{}, to{};
  std::vector<SeriesId> series{};  // none: all
  std::set<StreamKind> kinds{};    // none: all
  std::optional<Offset> end{};

  bool takes_all() const { return !from && !to && series.empty(); }
  bool takes(Timestamp at) const { return (!from || at >= *from) && (!to || at < *to); }
  bool takes(SeriesId id) const {
    return series.empty() || std::ranges::find(series, id) != series.end();
  }
  bool takes(const market::FeedMark& mark) const { return series.empty() && takes(mark.ts_recv); }
  bool takes(const market::RawFrame& frame) const { return series.empty() && takes(frame.ts_recv); }
  bool takes(const auto& event) const { return takes(event.ts_event) && takes(event.series); }
};

// Writes events in a format.
class Printer {
 public:
  Printer(const market::Catalog& catalog, EventFormat format, Filter filter,
          std::optional<std::uint64_t> limit)
      : writer_(catalog, format), filter_(std::move(filter)), left_(limit) {}

  bool is_done() const { return output_.is_closed() || left_ == 0u; }
  void header(StreamKind kind) { output_.buffer() += csv_header(kind); }

  Status print(const Batch& batch, std::string_view log) {
    if (!filter_.kinds.empty() && !filter_.kinds.contains(batch.kind)) return {};
    Status status;
    visit_events(batch, [&](const auto& events) {
      for (std::size_t i = 0; i < events.size() && status && !is_done(); ++i) {
        if (filter_.end && batch.first + i >= *filter_.end) return;
        if (!filter_.takes(events[i])) continue;
        writer_.write(batch, i, log, output_.buffer());
        if (left_) --*left_;
        status = output_.flush_if_large();
      }
    });
    return status;
  }

  Status flush() { return output_.flush(); }

 private:
  EventWriter writer_;
  const Filter filter_;
  std::optional<std::uint64_t> left_;
  Output output_;
};

// A reader stops where an open segment has no whole block, for it may be being written; where more
// follows that place, it is damage.
Status damage_at(Disk& disk, market::Catalog& catalog, const TapeArguments& arguments,
                 PartitionId partition, Offset next) {
  TD_ASSIGN(const std::string damage,
            embedded::damage_at(disk, catalog, arguments.directory, partition, next));
  if (damage.empty()) return {};
  return fail(ErrorCode::kCorrupt,
              fmt::format("tape: {}: what is behind it was not read; 'tapedeck tape repair {}' "
                          "keeps all that can be",
                          damage, arguments.directory));
}

// Offsets that hold nothing to show.
void tell_of_gaps(std::uint64_t count, const std::string& directory) {
  if (count == 0) return;
  fmt::print(stderr,
             "tapedeck: {} offsets hold no event that this release can read: lost, or of a kind it "
             "does not know; 'tapedeck tape verify {}' says more\n",
             count, directory);
}

Status cat(Disk& disk, const TapeArguments& arguments) {
  market::Catalog catalog;
  Filter filter;
  TD_ASSIGN(filter.from, time_asked_for("--from", arguments.from));
  TD_ASSIGN(filter.to, time_asked_for("--to", arguments.to));
  for (const std::string& name : arguments.kinds) {
    TD_ASSIGN(const StreamKind kind, parse_kind(name));
    filter.kinds.insert(kind);
  }
  const bool is_csv = arguments.format == "csv";
  if (is_csv && filter.kinds.empty()) filter.kinds.insert(StreamKind::kTrade);
  if (is_csv && filter.kinds.size() > 1) {
    return fail(ErrorCode::kInvalidArgument,
                "--format csv takes one --kind: each kind has its own columns; ndjson takes all");
  }
  if (arguments.to_offset) filter.end = Offset(*arguments.to_offset);
  // Says what is wrong with the folder, and which series there are.
  if (const auto listed = embedded::list_tape(disk, catalog, arguments.directory); !listed) {
    return std::unexpected(listed.error());
  }
  TD_ASSIGN(filter.series, series_asked_for(arguments.series, catalog));
  TD_ASSIGN(const auto view, embedded::open_embedded_view(disk, catalog, arguments.directory));
  TD_ASSIGN(const auto asked, partition_asked_for(arguments.partition, view->partitions()));

  std::vector<PartitionId> partitions;
  if (asked) partitions.push_back(*asked);
  for (std::uint32_t p = 0; p < view->partitions() && !asked; ++p) partitions.emplace_back(p);
  Printer printer(catalog, is_csv ? EventFormat::kCsv : EventFormat::kNdjson, filter,
                  arguments.limit);
  if (is_csv) printer.header(*filter.kinds.begin());
  std::uint64_t gaps = 0;
  for (const PartitionId partition : partitions) {
    const std::string log = embedded::log_name(partition);
    Offset next =
        arguments.from_offset ? Offset(*arguments.from_offset) : view->first_offset(partition);
    tape::ReadRange range{
        .partition = partition, .first = next, .from = filter.from, .to = filter.to};
    if (!filter.series.empty()) range.series = filter.series;
    TD_ASSIGN(const auto reader, view->read(range));
    while (!printer.is_done() && (!filter.end || next < *filter.end)) {
      auto batch = reader->next();
      if (!batch) {
        TD_TRY(printer.flush());  // what is before the damage
        return std::unexpected(std::move(batch.error()));
      }
      if (!*batch) {
        TD_TRY(printer.flush());
        TD_TRY(damage_at(disk, catalog, arguments, partition, next));
        break;
      }
      const Offset first = (*batch)->first;
      if (first > next) gaps += std::min(first, filter.end.value_or(first)) - next;
      next = (*batch)->end();
      TD_TRY(printer.print(**batch, log));
    }
  }
  TD_TRY(printer.flush());
  if (filter.takes_all()) tell_of_gaps(gaps, arguments.directory);
  return {};
}

Status is_there(const Disk& disk, const std::string& directory) {
  const auto names = disk.list(directory);
  if (names) return {};
  if (names.error().code != ErrorCode::kNotFound) return std::unexpected(names.error());
  return fail(ErrorCode::kNotFound, fmt::format("there is no folder '{}'", directory));
}

volatile std::sig_atomic_t interrupted = 0;

Status tail(Disk& disk, const TapeArguments& arguments) {
  // Without SA_RESTART, so that it ends a wait.
  struct sigaction action{};
  action.sa_handler = [](int) { interrupted = 1; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);

  market::Catalog catalog;
  TD_TRY(is_there(disk, arguments.directory));
  TD_ASSIGN(const auto view, embedded::open_embedded_view(disk, catalog, arguments.directory));
  TD_ASSIGN(const auto asked, partition_asked_for(arguments.partition, view->partitions()));
  const PartitionId partition = asked.value_or(PartitionId(0));
  if (!asked && view->partitions() > 1) {
    fmt::print(stderr, "tapedeck: this tape has {} partitions; this is p0, see --partition\n",
               view->partitions());
  }
  const std::string log = embedded::log_name(partition);
  const Offset start = view->first_offset(partition);
  Offset next = view->durable_end(partition);
  next = next - start > arguments.lines ? Offset(next.value - arguments.lines) : start;
  TD_ASSIGN(const auto reader, view->read({.partition = partition, .first = next}));
  Printer printer(catalog, EventFormat::kNdjson, {}, std::nullopt);
  // Whatever is not seen of another process (on a disk of another machine), this looks for.
  constexpr Duration kLookEvery = seconds(1);
  const embedded::FolderSegments segments(disk,
                                          embedded::log_directory(arguments.directory, partition));
  std::uint64_t bytes_looked_at = 0;  // of the segment that is written
  while (interrupted == 0 && !printer.is_done()) {
    // What the reader leaves out (lost, or unknown) is before this, too.
    const Offset end = view->durable_end(partition);
    while (interrupted == 0 && !printer.is_done()) {
      auto batch = reader->next();
      if (!batch) {
        TD_TRY(printer.flush());
        return std::unexpected(std::move(batch.error()));
      }
      if (!*batch) break;
      next = (*batch)->end();
      TD_TRY(printer.print(**batch, log));
    }
    TD_TRY(printer.flush());
    next = std::max(next, end);
    if (arguments.follow && view->wait(partition, next, kLookEvery)) continue;
    // Nothing comes, or it cannot be read.
    TD_ASSIGN(const auto files, segments.all());
    const std::uint64_t bytes = files.empty() ? 0 : files.back().bytes;
    if (std::exchange(bytes_looked_at, bytes) != bytes) {
      TD_TRY(damage_at(disk, catalog, arguments, partition, next));
    }
    if (!arguments.follow) break;
  }
  return {};
}

// --- frames

// As `replay` reads a capture: the time in ns, a blank, and the frame on one line. Between the
// values of a JSON text an end of line is a blank like any other.
void put_capture_line(const market::RawFrame& frame, std::string& out) {
  out += fmt::format("{} ", frame.ts_recv.ns);
  for (const char c : frame.body) out += c == '\n' || c == '\r' ? ' ' : c;
  out += '\n';
}

Status frames(Disk& disk, const TapeArguments& arguments) {
  market::Catalog catalog;
  TD_ASSIGN(const auto from, time_asked_for("--from", arguments.from));
  TD_ASSIGN(const auto to, time_asked_for("--to", arguments.to));
  TD_TRY(is_there(disk, arguments.directory));
  TD_ASSIGN(const auto view, embedded::open_embedded_view(disk, catalog, arguments.directory));
  TD_ASSIGN(const auto reader, view->read({.partition = tape::kRawFrames,
                                           .first = view->first_offset(tape::kRawFrames),
                                           .from = from,
                                           .to = to}));
  Output output;
  std::set<std::string> feeds;
  while (!output.is_closed()) {
    TD_ASSIGN(const auto batch, reader->next());
    if (!batch) break;
    for (const market::RawFrame& frame : batch->frames) {
      // Its session's: the feed, and when it began.
      const std::string& session = catalog.origin(frame.identity.origin).key;
      const std::string feed = session.substr(0, session.rfind(' '));
      feeds.insert(feed);
      if (feed != arguments.feed && !arguments.feed.empty()) continue;
      if ((from && frame.ts_recv < *from) || (to && frame.ts_recv >= *to)) continue;
      if (arguments.feed.empty() && feeds.size() > 1) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("there are frames of several feeds here: name one with --feed, "
                                "such as {}",
                                fmt::join(feeds, " or ")));
      }
      put_capture_line(frame, output.buffer());
    }
    TD_TRY(output.flush_if_large());
  }
  if (!arguments.feed.empty() && !feeds.contains(arguments.feed)) {
    return fail(ErrorCode::kNotFound,
                fmt::format("there are no frames of '{}' on this tape; of these there are: {}",
                            arguments.feed,
                            feeds.empty() ? "none (raw = \"keep\" of a pipeline file keeps them)"
                                          : fmt::format("{}", fmt::join(feeds, ", "))));
  }
  return output.flush();
}

// --- verify and repair

// How far a long look is, on standard error: in place on a terminal, else a line now and then.
class Progress {
 public:
  explicit Progress(const Clock& clock)
      : clock_(clock), is_terminal_(::isatty(STDERR_FILENO) != 0), started_(clock.elapsed()) {}
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void operator()(std::uint64_t done, std::uint64_t total) {
    const Duration now = clock_.elapsed();
    if (now - shown_.value_or(started_) < (is_terminal_ ? seconds(1) : seconds(10))) return;
    shown_ = now;
    const double spent = static_cast<double>((now - started_).ns) / 1e9;
    const double mebibytes = static_cast<double>(done) / (1u << 20);
    fmt::print(stderr, "{}{:.0f} of {:.0f} MiB, {:.0f} MiB/s{}", is_terminal_ ? "\r" : "",
               mebibytes, static_cast<double>(total) / (1u << 20), mebibytes / spent,
               is_terminal_ ? "  " : "\n");
  }

  void finish() {
    if (is_terminal_ && shown_) fmt::print(stderr, "\r{:60}\r", "");
    shown_.reset();
  }

 private:
  const Clock& clock_;
  const bool is_terminal_;
  const Duration started_;
  std::optional<Duration> shown_;
};

std::string count_text(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string place_text(const embedded::Problem& problem) {
  return problem.byte == 0 ? problem.path
                           : fmt::format("{} at byte {}", problem.path, problem.byte);
}

std::string offsets_text(Offset first, std::uint64_t count) {
  return count == 1 ? fmt::format("offset {}", first.value)
                    : fmt::format("offsets {} to {}", first.value, first.value + count - 1);
}

std::string remedy(const embedded::Problem& problem, const std::string& directory) {
  if (!problem.remedy.empty()) return problem.remedy;
  if (problem.lost == 0) {
    return fmt::format("no event is lost by it: 'tapedeck tape repair {}' writes it anew",
                       directory);
  }
  return fmt::format(
      "{} of {} cannot be read: put the file back from a copy; without one, "
      "'tapedeck tape repair {}' marks {} as lost and keeps all others",
      count_text(problem.lost, "event"),
      offsets_text(problem.lost_first, problem.lost_end - problem.lost_first), directory,
      problem.lost == 1 ? "it" : "them");
}

Result<int> verify(Disk& disk, const TapeArguments& arguments) {
  const SystemClock clock;
  Progress progress(clock);
  TD_ASSIGN(const auto found, embedded::verify_tape(disk, arguments.directory, std::ref(progress)));
  progress.finish();
  Output output;
  std::string& out = output.buffer();
  for (const embedded::Problem& problem : found.problems) {
    out += fmt::format("{}: {}\n  {}\n", place_text(problem), printable(problem.what),
                       remedy(problem, arguments.directory));
  }
  for (const std::string& note : found.notes) out += fmt::format("note: {}\n", printable(note));
  out +=
      fmt::format("{}, {}, {}: {}", count_text(found.events, "event"),
                  count_text(found.segments, "segment"), count_text(found.bytes, "byte"),
                  found.problems.empty() ? "whole" : count_text(found.problems.size(), "problem"));
  if (found.lost > 0) {
    out += fmt::format("; {} lost since an earlier repair", count_text(found.lost, "event"));
  }
  out += "\n";
  TD_TRY(output.flush());
  return found.problems.empty() ? kExitOk : kExitRefused;
}

void say_step(std::string& out, const embedded::RepairStep& step, bool dry_run) {
  using Kind = embedded::RepairStep::Kind;
  for (const embedded::Problem& problem : step.problems) {
    out += fmt::format("{}: {}\n", place_text(problem), printable(problem.what));
  }
  const std::string_view will = dry_run ? "would be " : "";
  switch (step.kind) {
    case Kind::kManifest:
      out += fmt::format("  {}written anew\n", will);
      break;
    case Kind::kFolder:
      out += fmt::format("  {}made anew, and empty\n", will);
      break;
    case Kind::kRewrite:
      out += fmt::format("  {}written anew with {}\n", will, count_text(step.events, "event"));
      break;
    case Kind::kFill:
      out += fmt::format("{}: {}made, in the place of what is missing\n", step.path, will);
      break;
    case Kind::kSetAside:
      out += fmt::format("{}: {}set aside: it does not belong here\n", step.path, will);
      break;
  }
  for (const embedded::LostRange& range : step.lost) {
    out += fmt::format("  lost: {} ({})\n", offsets_text(range.first, range.count),
                       count_text(range.count, "event"));
  }
  if (step.torn_bytes > 0) {
    out += fmt::format("  left off: a torn tail of {} bytes, which was never acknowledged\n",
                       step.torn_bytes);
  }
  if (!step.kept.empty()) out += fmt::format("  what it was is kept in {}\n", step.kept);
}

Status repair(Disk& disk, const TapeArguments& arguments) {
  const SystemClock clock;
  Progress progress(clock);
  TD_ASSIGN(const auto done, embedded::repair_tape(disk, clock, arguments.directory,
                                                   arguments.dry_run, std::ref(progress)));
  progress.finish();
  Output output;
  std::string& out = output.buffer();
  std::uint64_t lost = 0;
  for (const embedded::RepairStep& step : done.steps) {
    say_step(out, step, arguments.dry_run);
    for (const embedded::LostRange& range : step.lost) lost += range.count;
  }
  for (const tape::TornTail& torn : done.torn) {
    out += fmt::format(
        "{}: a torn tail of {} bytes: the next start cuts it off by itself; nothing that was "
        "acknowledged is in it, unless the disk has changed what was written last\n",
        torn.file, torn.bytes);
  }
  if (done.steps.empty()) {
    out += "nothing to repair\n";
  } else if (arguments.dry_run) {
    out += fmt::format("{} to repair, {} lost; nothing was changed\n",
                       count_text(done.steps.size(), "file"), count_text(lost, "event"));
  } else {
    out += fmt::format("{} repaired, {} lost\n", count_text(done.steps.size(), "file"),
                       count_text(lost, "event"));
  }
  return output.flush();
}

}  // namespace

int tape_command(const TapeArguments& arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto disk = real_disk();
  if (arguments.verb == "verify") {
    const auto code = verify(*disk, arguments);
    return code ? *code : report(code.error());
  }
  Status status;
  if (arguments.verb == "ls") status = ls(*disk, arguments);
  if (arguments.verb == "cat") status = cat(*disk, arguments);
  if (arguments.verb == "frames") status = frames(*disk, arguments);
  if (arguments.verb == "tail") status = tail(*disk, arguments);
  if (arguments.verb == "repair") status = repair(*disk, arguments);
  return status ? kExitOk : report(status.error());
}

}  // namespace tapedeck::app
