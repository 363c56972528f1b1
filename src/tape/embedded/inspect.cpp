#include "tape/embedded/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <utility>

#include "base/interval_set.hpp"
#include "base/wire.hpp"
#include "tape/embedded/folder.hpp"
#include "tape/embedded/sealing.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Batch;
using market::StreamKind;

constexpr std::string_view kDamagedSuffix = ".damaged";
constexpr std::size_t kPieceBytes = 64u << 10;  // of a file that is copied

// The files of one log.
struct LogFiles {
  PartitionId partition;
  std::string directory;
  std::vector<SegmentFile> segments{};  // by offset
  std::vector<std::string> others{};    // names
  std::uint64_t bytes = 0;
  bool is_missing = false;  // its folder
};

// The folder of a tape, in whatever state it is.
struct Folder {
  std::uint32_t partitions = 0;
  std::optional<Error> manifest_problem{};
  std::vector<LogFiles> logs{};
  std::vector<std::string> strangers{};  // folders of partitions that it does not have
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const LogFiles& log : logs) sum += log.bytes;
    return sum;
  }
  // A tape makes all of them before anything is written. Copying may leave out those without files,
  // which the raw frames' often is.
  bool is_lost(const LogFiles& log) const {
    return log.is_missing && log.partition != kRawFrames &&
           std::ranges::any_of(logs, [](const LogFiles& each) { return !each.segments.empty(); });
  }
};

// The number of a partition's folder: 3 for "p3".
std::optional<std::uint32_t> partition_number(std::string_view name) {
  std::uint32_t number = 0;
  if (!name.starts_with('p') || name.size() < 2) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return number < kPartitionsMax ? std::optional(number) : std::nullopt;
}

Result<LogFiles> look_at_log(Disk& disk, const std::string& tape, PartitionId partition) {
  LogFiles log{.partition = partition, .directory = log_directory(tape, partition)};
  const auto names = disk.list(log.directory);
  if (!names) {
    if (names.error().code != ErrorCode::kNotFound) return std::unexpected(names.error());
    log.is_missing = true;
    return log;
  }
  for (const std::string& name : *names) {
    const auto first = parse_segment_name(name);
    if (!first) {
      log.others.push_back(name);
      continue;
    }
    const std::string path = log.directory + "/" + name;
    const auto file = disk.open(path, OpenMode::kRead);
    if (!file && file.error().code == ErrorCode::kNotFound) continue;  // dropped just now
    if (!file) return std::unexpected(file.error());
    TD_ASSIGN(const std::uint64_t bytes, (*file)->size());
    log.bytes += bytes;
    log.segments.push_back({.path = path, .partition = partition, .first = *first});
  }
  if (!log.segments.empty()) log.segments.back().is_last = true;
  return log;
}

Result<Folder> look_at_folder(Disk& disk, const std::string& tape) {
  const auto names = disk.list(tape);
  if (!names && names.error().code == ErrorCode::kNotFound) {
    return fail(ErrorCode::kNotFound, fmt::format("there is no folder '{}'", tape));
  }
  if (!names) return std::unexpected(names.error());
  std::uint32_t folders = 0;
  for (const std::string& name : *names) {
    if (const auto number = partition_number(name)) folders = std::max(folders, *number + 1);
  }
  Folder folder{.partitions = folders};
  const auto manifest = read_manifest(disk, tape);
  if (manifest) {
    folder.partitions = manifest->partitions;
  } else if (manifest.error().code == ErrorCode::kNotFound && folders == 0) {
    return fail(ErrorCode::kNotFound,
                fmt::format("'{}' is not the folder of a tape: it has no file TAPE", tape));
  } else if (manifest.error().code == ErrorCode::kNotFound ||
             manifest.error().code == ErrorCode::kCorrupt) {
    folder.manifest_problem = manifest.error();
  } else {
    return std::unexpected(manifest.error());
  }
  for (std::uint32_t p = 0; p < folder.partitions; ++p) {
    TD_ASSIGN(LogFiles log, look_at_log(disk, tape, PartitionId(p)));
    folder.logs.push_back(std::move(log));
  }
  TD_ASSIGN(LogFiles raw, look_at_log(disk, tape, kRawFrames));
  folder.logs.push_back(std::move(raw));
  for (const std::string& name : *names) {
    const auto number = partition_number(name);
    if (number && *number >= folder.partitions) folder.strangers.push_back(name);
  }
  return folder;
}

Problem manifest_problem(const Folder& folder, const std::string& tape) {
  return {.path = tape + "/TAPE",
          .what = folder.manifest_problem->code == ErrorCode::kNotFound
                      ? "the file is missing"
                      : "the file is damaged: it says how many partitions there are"};
}

Problem missing_folder(const LogFiles& log) {
  return {.path = log.directory,
          .what = "the folder is missing, and other partitions hold events: what it held is lost",
          .remedy =
              "put the folder back from a copy; without one, 'tapedeck tape repair' makes an "
              "empty one"};
}

// --- ls

// Kinds and counts at the front of each part of a mixed block, without reading what is between.
Status count_mixed(const File& file, const BlockAt& block,
                   std::map<StreamKind, std::uint64_t>& events) {
  std::uint64_t position = block.position + kBlockHeaderBytes;
  const auto fields = [&](auto&& take) -> Status {
    std::string bytes(32, '\0');
    TD_ASSIGN(const std::size_t got, file.read_at(position, bytes.data(), bytes.size()));
    bytes.resize(got);
    WireReader reader(bytes);
    take(reader);
    position += got - reader.left();
    if (reader.ok()) return {};
    return fail(ErrorCode::kCorrupt,
                fmt::format("the block at byte {} is damaged", block.position));
  };
  std::uint64_t parts = 0;
  TD_TRY(fields([&](WireReader& reader) { parts = reader.varint(); }));
  for (std::uint64_t i = 0; i < parts && position < block.next(); ++i) {
    TD_TRY(fields([&](WireReader& reader) {
      const auto kind = static_cast<StreamKind>(reader.fixed<std::uint8_t>());
      reader.fixed<std::uint8_t>();
      events[kind] += reader.varint();
      position += reader.varint();
    }));
  }
  return {};
}

Status add_block(const File& file, const BlockAt& block, SegmentSummary& out) {
  const BlockHeader& header = block.header;
  ++out.blocks;
  if (header.kind == StreamKind::kMixed) {
    TD_TRY(count_mixed(file, block, out.events));
  } else {
    out.events[header.kind] += header.count;
  }
  if (header.kind == StreamKind::kLost) return {};
  out.from = out.from ? std::min(*out.from, header.ts_event_min) : header.ts_event_min;
  out.to = out.to ? std::max(*out.to, header.ts_event_max) : header.ts_event_max;
  return {};
}

Status summarize_sealed(Disk& disk, market::Catalog& catalog, const SegmentFile& place,
                        const File& file, SegmentSummary& out) {
  TD_ASSIGN(const auto segment,
            OpenSegment::open(disk, catalog,
                              {.path = place.path, .first = place.first, .bytes = out.bytes}));
  if (!segment->trailer()) return {};
  out.end = segment->trailer()->end;
  TD_TRY(segment->load_dictionary());
  out.series = segment->ids().series;
  TD_ASSIGN(const auto index, segment->index());
  for (const IndexEntry& entry : index) {
    TD_TRY(add_block(file,
                     {entry.position,
                      {.kind = entry.kind,
                       .stored_bytes = kBlockBytesMax,
                       .count = entry.count,
                       .first = entry.first,
                       .ts_event_min = entry.ts_event_min,
                       .ts_event_max = entry.ts_event_max}},
                     out));
  }
  return {};
}

Status summarize_open(market::Catalog& catalog, const SegmentFile& place, const File& file,
                      SegmentSummary& out) {
  BlockWindow window(file);
  SegmentIds ids;
  std::uint64_t position = kSegmentHeaderBytes;
  while (position < out.bytes) {
    TD_ASSIGN(const auto block, window.block(position, out.bytes));
    const bool is_dictionary = block && block->header.kind == StreamKind::kDictionary;
    bool whole = block.has_value();
    // Only what was written last can be half there.
    if (whole && (place.is_last || is_dictionary)) {
      const auto payload = window.payload(*block);
      whole = payload && (!is_dictionary || decode_dictionary(*payload, catalog, ids));
    }
    if (!whole) {
      TD_ASSIGN(const bool damaged, later_commit_follows(file, position, out.bytes));
      if (damaged || !place.is_last) {
        return fail(ErrorCode::kCorrupt, fmt::format("at byte {}: no whole block", position));
      }
      out.torn_bytes = out.bytes - position;
      break;
    }
    if (!is_dictionary) TD_TRY(add_block(file, *block, out));
    out.end = std::max(out.end, block->header.end());
    position = block->next();
  }
  out.series = ids.series;
  return {};
}

// Errors that are about the whole tape; what is wrong with this segment goes into the summary.
Result<std::optional<SegmentSummary>> summarize(Disk& disk, market::Catalog& catalog,
                                                const SegmentFile& place) {
  SegmentSummary out{.name = place.path.substr(place.path.rfind('/') + 1),
                     .first = place.first,
                     .end = place.first};
  const auto look = [&]() -> Status {
    TD_ASSIGN(const auto file, disk.open(place.path, OpenMode::kRead));
    TD_ASSIGN(out.bytes, file->size());
    std::string head(kSegmentHeaderBytes, '\0');
    TD_ASSIGN(const std::size_t got, file->read_at(0, head.data(), head.size()));
    const auto header = read_segment_header({head.data(), got});
    if (!header && got < kSegmentHeaderBytes && place.is_last) {
      out.torn_bytes = out.bytes;  // begun, and never held anything
      return {};
    }
    if (!header) return std::unexpected(header.error());
    out.sealed = header->sealed;
    return out.sealed ? summarize_sealed(disk, catalog, place, *file, out)
                      : summarize_open(catalog, place, *file, out);
  };
  const Status status = look();
  if (!status && status.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!status && status.error().code == ErrorCode::kUnsupported) {
    return std::unexpected(status.error().within("tape: " + place.path));
  }
  if (!status) out.problem = status.error().message;
  return out;
}

// --- verify

// An identity without its seq.
struct Numbered {
  StreamKind kind = StreamKind::kTrade;
  SeriesId series{};
  OriginId origin{};
  std::uint64_t position = 0;
  bool operator==(const Numbered&) const = default;
};

struct NumberedHash {
  std::size_t operator()(const Numbered& n) const noexcept {
    std::uint64_t hash = (std::uint64_t{n.series.value} << 32 | n.origin.value) ^
                         n.position * 0x9E37'79B9'7F4A'7C15u ^
                         static_cast<std::uint64_t>(n.kind) << 56;
    hash *= 0xBF58'476D'1CE4'E5B9u;
    return hash ^ hash >> 31;
  }
};

// Looks for an identity that is in one log twice.
class TwiceFinder final : public SalvageSink {
 public:
  explicit TwiceFinder(const std::function<void(std::uint64_t)>& progress) : progress_(progress) {}

  Status block(const BlockAt& block, std::string_view, std::vector<Batch> runs, bool) override {
    for (const Batch& run : runs) {
      visit_events(run, [&](const auto& events) {
        if constexpr (requires { events.front().series; }) {
          for (std::size_t i = 0; i < events.size(); ++i) {
            see(run.kind, events[i], run.first + i, block.position);
          }
        }
      });
    }
    return {};
  }
  void progress(std::uint64_t bytes) override { progress_(bytes); }

  // What was found since the last call.
  std::optional<Problem> take(const std::string& path, const market::Catalog& catalog) {
    const std::uint64_t count = std::exchange(count_, 0);
    if (count == 0) return std::nullopt;
    return Problem{
        .path = path,
        .byte = first_byte_,
        .what = fmt::format("{} events have an identity that an event before them has; the first "
                            "is offset {}: {} number {} again",
                            count, first_offset_.value,
                            to_string(catalog.series(first_.series).key), first_seq_),
        .remedy = "nothing is lost, and no repair changes it: tell whoever wrote this tape"};
  }
  void forget() {
    seen_.clear();
    last_set_ = nullptr;
  }

 private:
  void see(StreamKind kind, const auto& event, Offset offset, std::uint64_t byte) {
    const Numbered numbered{kind, event.series, event.identity.origin, event.identity.position};
    if (!last_set_ || numbered != last_) {
      last_ = numbered;
      last_set_ = &seen_[numbered];
    }
    if (last_set_->insert(event.identity.seq) || count_++ > 0) return;
    first_ = numbered;
    first_seq_ = event.identity.seq;
    first_offset_ = offset;
    first_byte_ = byte;
  }

  const std::function<void(std::uint64_t)>& progress_;
  std::unordered_map<Numbered, IntervalSet, NumberedHash> seen_;
  Numbered last_;
  IntervalSet* last_set_ = nullptr;  // of last_
  std::uint64_t count_ = 0;
  Numbered first_;
  std::uint64_t first_seq_ = 0;
  Offset first_offset_;
  std::uint64_t first_byte_ = 0;
};

std::string range_text(Offset first, Offset end) {
  return end - first == 1 ? fmt::format("offset {}", first.value)
                          : fmt::format("offsets {} to {}", first.value, end.value - 1);
}

// Every series of a segment is one that lives in its partition.
void check_partition(const Folder& folder, const market::Catalog& catalog, const SegmentFile& file,
                     const Salvaged& found, std::vector<Problem>& problems) {
  if (folder.manifest_problem || file.partition == kRawFrames) return;
  for (const SeriesId id : found.ids.series) {
    const market::SeriesKey& key = catalog.series(id).key;
    const PartitionId home = partition_of(key, folder.partitions);
    if (home == file.partition) continue;
    problems.push_back(
        {.path = file.path,
         .what = fmt::format("it holds {}, which belongs to {}", to_string(key), log_name(home)),
         .remedy = "was the file TAPE, or this one, taken from another tape? Put "
                   "back what belongs here"});
  }
}

Status verify_log(Disk& disk, const Folder& folder, const LogFiles& log, TwiceFinder& twice,
                  market::Catalog& catalog, Verified& out) {
  std::optional<Offset> next;  // what the next segment should begin with
  twice.forget();
  if (folder.is_lost(log)) out.problems.push_back(missing_folder(log));
  if (!log.segments.empty() && log.segments.front().first > Offset(0)) {
    out.notes.push_back(
        fmt::format("{}: it begins at offset {}: retention has dropped what was "
                    "before, or its files are missing",
                    log.directory, log.segments.front().first.value));
  }
  for (const SegmentFile& file : log.segments) {
    auto found = salvage_segment(disk, catalog, file, &twice);
    if (!found && found.error().code == ErrorCode::kNotFound) {
      out.notes.push_back(file.path + ": dropped by its writer meanwhile");
      next.reset();
      continue;
    }
    if (!found && found.error().code == ErrorCode::kIo) {
      out.problems.push_back({.path = file.path,
                              .what = found.error().message,
                              .remedy = "the disk fails: copy the tape to another one"});
      next.reset();
      continue;
    }
    if (!found) return std::unexpected(found.error());
    if (!found->is_foreign && next && file.first > *next) {
      out.problems.push_back(
          {.path = file.path,
           .what = fmt::format("no file before it holds {}", range_text(*next, file.first)),
           .lost = file.first - *next,
           .lost_first = *next,
           .lost_end = file.first});
    } else if (!found->is_foreign && next && file.first < *next) {
      out.problems.push_back(
          {.path = file.path,
           .what = fmt::format("it begins at offset {}, and the file before it ends at {}",
                               file.first.value, next->value),
           .remedy = "was it taken from another tape? 'tapedeck tape repair' sets aside what is "
                     "there twice"});
    }
    if (!found->is_foreign) next = std::max(next.value_or(found->end), found->end);
    std::ranges::move(found->problems, std::back_inserter(out.problems));
    check_partition(folder, catalog, file, *found, out.problems);
    if (auto problem = twice.take(file.path, catalog)) out.problems.push_back(*std::move(problem));
    if (found->torn_bytes > 0) {
      out.notes.push_back(fmt::format(
          "{}: the last {} bytes are no whole commit: it is being written, or a crash tore it "
          "(then "
          "nothing acknowledged is in it, and the next start cuts it off), or the disk has changed "
          "what was written last (then copy the tape before the next start)",
          file.path, found->torn_bytes));
    }
    if (found->lost_before > 0) {
      out.notes.push_back(fmt::format("{}: {} events are lost since an earlier repair", file.path,
                                      found->lost_before));
    }
    if (found->unknown > 0) {
      out.notes.push_back(fmt::format("{}: {} events are of kinds that this release does not know",
                                      file.path, found->unknown));
    }
    ++out.segments;
    out.events += found->events;
    out.lost += found->lost_before;
    out.bytes += found->bytes;
  }
  for (const std::string& name : log.others) {
    const std::string path = log.directory + "/" + name;
    if (name.ends_with(kSealingSuffix)) {
      out.notes.push_back(path + ": a segment that is being sealed, or was when a crash came");
    } else if (name.find(kDamagedSuffix) != name.npos) {
      out.notes.push_back(path + ": kept by a repair; the tape does not need it");
    } else {
      out.notes.push_back(path + ": no file of the tape");
    }
  }
  return {};
}

// --- repair

// Writes anew what it is given of [first, end), and marks the rest as lost.
class Rebuild final : public SalvageSink {
 public:
  // `writer`: none for a dry run.
  Rebuild(SealedWriter* writer, bool ids_are_whole, Offset first, Offset end)
      : writer_(writer), ids_are_whole_(ids_are_whole), next_(first), end_(end) {}

  Status block(const BlockAt& block, std::string_view payload, std::vector<Batch> runs,
               bool whole) override {
    const BlockHeader& header = block.header;
    if (header.kind == StreamKind::kLost) {
      const Offset from = std::max(header.first, next_);
      const Offset to = std::min(header.end(), end_);
      if (to <= from) return {};
      TD_TRY(lose_up_to(from));
      next_ = to;
      return writer_ ? writer_->lose(from, to - from) : Status();
    }
    std::uint64_t known = 0;
    for (const Batch& run : runs) known += run.size();
    // What this release cannot take apart is kept as it is, and so is what is large.
    const bool as_it_is = known < header.count || known == 0 || header.count >= kMergeBelowEvents;
    if (whole && ids_are_whole_ && as_it_is && header.first >= next_ && header.end() <= end_) {
      TD_TRY(lose_up_to(header.first));
      events_ += header.count;
      next_ = header.end();
      return writer_ ? writer_->copy(header, payload, runs) : Status();
    }
    for (Batch& run : runs) TD_TRY(add(std::move(run)));
    return {};
  }

  Status finish() { return lose_up_to(end_); }

  std::uint64_t events() const { return events_; }
  const std::vector<LostRange>& lost() const { return lost_; }

 private:
  Status add(Batch run) {
    const Offset from = std::max(run.first, next_);
    const Offset to = std::min(run.end(), end_);
    if (to <= from) return {};
    visit_events(run, [&](auto& events) {
      events.resize(to - run.first);
      events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(from - run.first));
    });
    run.first = from;
    TD_TRY(lose_up_to(from));
    events_ += run.size();
    next_ = to;
    if (!writer_) return {};
    std::vector<Batch> one;
    one.push_back(std::move(run));
    return writer_->add(std::move(one));
  }

  Status lose_up_to(Offset to) {
    if (to <= next_) return {};
    const Offset first = std::exchange(next_, to);
    lost_.push_back({first, to - first});
    return writer_ ? writer_->lose(first, to - first) : Status();
  }

  SealedWriter* const writer_;
  const bool ids_are_whole_;
  Offset next_;
  const Offset end_;
  std::uint64_t events_ = 0;
  std::vector<LostRange> lost_;
};

// One step, with what is needed to do it.
struct Action {
  RepairStep step;
  SegmentFile file{};
  Salvaged found{};
  Offset first{};  // of the segment that is written
  Offset end{};
};

class Repairer {
 public:
  Repairer(Disk& disk, const Clock& clock, const std::string& tape, const ProgressFn& progress)
      : disk_(disk), clock_(clock), tape_(tape), progress_(progress) {}

  Status plan() {
    TD_ASSIGN(folder_, look_at_folder(disk_, tape_));
    if (folder_.manifest_problem) {
      actions_.push_back({.step = {.kind = RepairStep::Kind::kManifest,
                                   .path = tape_ + "/TAPE",
                                   .problems = {manifest_problem(folder_, tape_)}}});
    }
    for (const LogFiles& log : folder_.logs) TD_TRY(plan_log(log));
    return {};
  }

  Result<Repaired> run(bool dry_run) {
    for (Action& action : actions_) {
      if (Status s = run(action, dry_run); !s) {
        return fail(
            s.error().code,
            fmt::format("{}{}; {} of {} files are repaired: run it again to go on",
                        s.error().message,
                        s.error().code == ErrorCode::kNoSpace
                            ? ": a repair keeps what was there, and needs room for twice its size"
                            : "",
                        out_.steps.size(), actions_.size()));
      }
      out_.steps.push_back(std::move(action.step));
    }
    return std::move(out_);
  }

 private:
  Status plan_log(const LogFiles& log) {
    if (folder_.is_lost(log)) {
      actions_.push_back({.step = {.kind = RepairStep::Kind::kFolder,
                                   .path = log.directory,
                                   .problems = {missing_folder(log)}}});
    }
    std::vector<std::pair<SegmentFile, Salvaged>> files;
    for (const SegmentFile& file : log.segments) {
      TD_ASSIGN(Salvaged found, salvage_segment(disk_, catalog_, file));
      if (progress_) progress_(done_ += found.bytes, folder_.bytes());
      TD_TRY(check_home(file, found));
      if (found.is_foreign) {
        set_aside(file, std::move(found));
      } else {
        files.emplace_back(file, std::move(found));
      }
    }
    std::optional<Offset> next;
    for (std::size_t i = 0; i < files.size(); ++i) {
      auto& [file, found] = files[i];
      const auto limit =
          i + 1 < files.size() ? std::optional(files[i + 1].first.first) : std::nullopt;
      if (next && file.first > *next) fill(log, *next, file.first);
      if (next && file.first < *next) {
        // The file before it has been there for longer.
        const Offset end = limit ? std::min(found.end, *limit) : found.end;
        if (end > *next) {
          rewrite(file, std::move(found), *next, end);
          next = end;
        } else {
          set_aside(file, std::move(found));
        }
        continue;
      }
      next = found.end;
      if (!found.problems.empty()) {
        // What is missing behind it goes into the same segment.
        if (limit) next = std::max(*next, *limit);
        if (*next > file.first) {
          rewrite(file, std::move(found), file.first, *next);
        } else {
          set_aside(file, std::move(found));  // nothing says that it held anything
        }
      } else if (found.torn_bytes > 0) {
        out_.torn.push_back({file.path, found.torn_bytes});
      }
    }
    return {};
  }

  // With a wrong number of partitions, events of one series would go to two of them.
  Status check_home(const SegmentFile& file, const Salvaged& found) {
    if (!folder_.manifest_problem || file.partition == kRawFrames) return {};
    for (const SeriesId id : found.ids.series) {
      const market::SeriesKey& key = catalog_.series(id).key;
      if (partition_of(key, folder_.partitions) == file.partition) continue;
      return fail(
          ErrorCode::kCorrupt,
          fmt::format("tape: {}/TAPE cannot be written anew: {} has {} folders of "
                      "partitions, and then {} would not be in {}: is a folder missing? "
                      "Put it back, or make it anew, and run the repair again",
                      tape_, tape_, folder_.partitions, to_string(key), log_name(file.partition)));
    }
    return {};
  }

  void rewrite(const SegmentFile& file, Salvaged found, Offset first, Offset end) {
    Action action{.step = {.kind = RepairStep::Kind::kRewrite,
                           .path = file.path,
                           .problems = found.problems,
                           .torn_bytes = found.torn_bytes},
                  .file = file,
                  .found = std::move(found),
                  .first = first,
                  .end = end};
    actions_.push_back(std::move(action));
  }

  void set_aside(const SegmentFile& file, Salvaged found) {
    actions_.push_back({.step = {.kind = RepairStep::Kind::kSetAside,
                                 .path = file.path,
                                 .problems = std::move(found.problems)},
                        .file = file});
  }

  void fill(const LogFiles& log, Offset first, Offset end) {
    actions_.push_back({.step = {.kind = RepairStep::Kind::kFill,
                                 .path = log.directory + "/" + segment_name(first),
                                 .lost = {{first, end - first}}},
                        .file = {.path = {}, .partition = log.partition, .first = first},
                        .first = first,
                        .end = end});
  }

  Status run(Action& action, bool dry_run) {
    switch (action.step.kind) {
      case RepairStep::Kind::kManifest:
        if (dry_run) return {};
        if (folder_.manifest_problem->code != ErrorCode::kNotFound) {
          TD_ASSIGN(action.step.kept, keep_copy(action.step.path));
        }
        return write_manifest(disk_, tape_, {.partitions = folder_.partitions});
      case RepairStep::Kind::kFolder:
        return dry_run ? Status() : disk_.create_directories(action.step.path);
      case RepairStep::Kind::kSetAside:
        return dry_run ? Status() : put_aside(action);
      case RepairStep::Kind::kRewrite:
      case RepairStep::Kind::kFill:
        return write(action, dry_run);
    }
    return {};
  }

  Status write(Action& action, bool dry_run) {
    const std::string directory = log_directory(tape_, action.file.partition);
    const std::string path = directory + "/" + segment_name(action.first);
    const bool in_place = path == action.file.path;
    // A copy, not another name: the old file keeps its place until the new one takes it.
    if (in_place && !dry_run) {
      TD_ASSIGN(action.step.kept, keep_copy(path));
    }
    SealedWriter writer(disk_, catalog_, directory, path);
    const Salvaged& found = action.found;
    if (!dry_run) {
      const Timestamp created = found.header ? found.header->created : clock_.now();
      TD_TRY(writer.begin(
          {.partition = action.file.partition, .first = action.first, .created = created},
          found.ids));
    }
    Rebuild rebuild(dry_run ? nullptr : &writer, found.ids_are_whole, action.first, action.end);
    if (action.step.kind == RepairStep::Kind::kRewrite) {
      if (const auto again = salvage_segment(disk_, catalog_, action.file, &rebuild); !again) {
        return std::unexpected(again.error());
      }
    }
    TD_TRY(rebuild.finish());
    action.step.events = rebuild.events();
    action.step.lost = rebuild.lost();
    if (dry_run) return {};
    const auto sealed =
        writer.finish(action.end, found.trailer ? found.trailer->sealed : clock_.now());
    if (!sealed) return std::unexpected(sealed.error());
    const bool moved = action.step.kind == RepairStep::Kind::kRewrite && !in_place;
    return moved ? put_aside(action) : Status();
  }

  Status put_aside(Action& action) {
    const std::string& path = action.step.path;
    for (int n = 1;; ++n) {
      std::string name = kept_name(path, n);
      const auto taken = disk_.open(name, OpenMode::kRead);
      if (taken) continue;
      if (taken.error().code != ErrorCode::kNotFound) return std::unexpected(taken.error());
      TD_TRY(disk_.rename(path, name));
      action.step.kept = name;
      return disk_.sync_directory(directory_of(path));
    }
  }

  // Where the copy is. One that an earlier try has made is not made again.
  Result<std::string> keep_copy(const std::string& path) {
    TD_ASSIGN(const auto original, disk_.open(path, OpenMode::kRead));
    for (int n = 1;; ++n) {
      std::string name = kept_name(path, n);
      const auto taken = disk_.open(name, OpenMode::kRead);
      if (!taken && taken.error().code != ErrorCode::kNotFound) {
        return std::unexpected(taken.error());
      }
      if (taken) {
        TD_ASSIGN(const bool same, is_same(*original, **taken));
        if (same) return name;
        continue;
      }
      TD_TRY(copy(*original, name));
      return name;
    }
  }

  static std::string kept_name(const std::string& path, int n) {
    return path + std::string(kDamagedSuffix) + (n == 1 ? "" : fmt::format(".{}", n));
  }

  static std::string directory_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
  }

  Status copy(const File& original, const std::string& to) {
    const std::string part = to + ".part";
    if (Status s = disk_.remove(part); !s && s.error().code != ErrorCode::kNotFound) return s;
    TD_ASSIGN(auto file, disk_.open(part, OpenMode::kCreate));
    std::string piece(kPieceBytes, '\0');
    for (std::uint64_t at = 0;;) {
      TD_ASSIGN(const std::size_t got, original.read_at(at, piece.data(), piece.size()));
      if (got == 0) break;
      TD_TRY(file->append(std::string_view(piece).substr(0, got)));
      at += got;
    }
    TD_TRY(file->sync());
    file.reset();
    TD_TRY(disk_.rename(part, to));
    return disk_.sync_directory(directory_of(to));
  }

  static Result<bool> is_same(const File& a, const File& b) {
    std::string left(kPieceBytes, '\0');
    std::string right = left;
    for (std::uint64_t at = 0;;) {
      TD_ASSIGN(const std::size_t got, a.read_at(at, left.data(), left.size()));
      TD_ASSIGN(const std::size_t other, b.read_at(at, right.data(), right.size()));
      if (got != other || left.compare(0, got, right, 0, got) != 0) return false;
      if (got == 0) return true;
      at += got;
    }
  }

  Disk& disk_;
  const Clock& clock_;
  const std::string& tape_;
  const ProgressFn& progress_;
  market::Catalog catalog_;
  Folder folder_;
  std::uint64_t done_ = 0;
  std::vector<Action> actions_;
  Repaired out_;
};

}  // namespace

Result<TapeSummary> list_tape(Disk& disk, market::Catalog& catalog, const std::string& directory) {
  TD_ASSIGN(const Folder folder, look_at_folder(disk, directory));
  TapeSummary out{.format = kFormatVersion, .partitions = folder.partitions};
  if (folder.manifest_problem) out.problem = manifest_problem(folder, directory).what;
  for (const LogFiles& log : folder.logs) {
    LogSummary summary{.partition = log.partition};
    if (folder.is_lost(log)) summary.problem = missing_folder(log).what;
    for (const SegmentFile& file : log.segments) {
      TD_ASSIGN(auto segment, summarize(disk, catalog, file));
      if (segment) summary.segments.push_back(*std::move(segment));
    }
    out.logs.push_back(std::move(summary));
  }
  return out;
}

Result<std::string> damage_at(Disk& disk, market::Catalog& catalog, const std::string& directory,
                              PartitionId partition, Offset next) {
  TD_ASSIGN(const LogFiles log, look_at_log(disk, directory, partition));
  const auto after = std::ranges::upper_bound(log.segments, next, {}, &SegmentFile::first);
  if (after == log.segments.begin()) return std::string();
  TD_ASSIGN(const auto segment, summarize(disk, catalog, *std::prev(after)));
  if (!segment || segment->problem.empty() || segment->end < next) return std::string();
  return fmt::format("{}/{} {}", log_name(partition), segment->name, segment->problem);
}

Result<Verified> verify_tape(Disk& disk, const std::string& directory, const ProgressFn& progress) {
  TD_ASSIGN(const Folder folder, look_at_folder(disk, directory));
  Verified out;
  if (folder.manifest_problem) out.problems.push_back(manifest_problem(folder, directory));
  for (const std::string& name : folder.strangers) {
    out.problems.push_back({.path = fmt::format("{}/{}", directory, name),
                            .what = fmt::format("the tape has {} partitions, and this is the "
                                                "folder of another one",
                                                folder.partitions),
                            .remedy = "was the file TAPE taken from another tape? Put back the "
                                      "one that belongs here"});
  }
  const std::uint64_t total = folder.bytes();
  std::uint64_t done = 0;
  const std::function<void(std::uint64_t)> count = [&](std::uint64_t bytes) {
    done += bytes;
    if (progress) progress(done, total);
  };
  market::Catalog catalog;
  TwiceFinder twice(count);
  for (const LogFiles& log : folder.logs) {
    TD_TRY(verify_log(disk, folder, log, twice, catalog, out));
  }
  return out;
}

Result<Repaired> repair_tape(Disk& disk, const Clock& clock, const std::string& directory,
                             bool dry_run, const ProgressFn& progress) {
  // First, so that no lock is made where there is no tape.
  if (const auto folder = look_at_folder(disk, directory); !folder) {
    return std::unexpected(folder.error());
  }
  const auto lock = disk.lock(directory + "/LOCK");
  if (!lock && lock.error().code == ErrorCode::kBusy) {
    return fail(ErrorCode::kBusy, fmt::format("tape: '{}' is in use by another tapedeck: stop that "
                                              "one first, and repair it then",
                                              directory));
  }
  if (!lock) return std::unexpected(lock.error());
  Repairer repairer(disk, clock, directory, progress);
  TD_TRY(repairer.plan());
  return repairer.run(dry_run);
}

}  // namespace tapedeck::tape::embedded
