// tests/fuzz/tape_reader_fuzz.cpp: any bytes as the segments of a tape. It is read as it stands,
// then opened for writing, written to, sealed, and read again: whatever could be read before is
// there, at its offset. tape_seeds.py makes the seeds.
//
// An input: a byte of flags, then files: each a byte that chooses the log (p0, p1, raw), two bytes
// of length, and its content. By the flags, checksums and lengths are made to match first, so that
// what stands behind them is reached, and offsets to follow each other.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>

#include "base/check.hpp"
#include "base/crc32c.hpp"
#include "base/memory_disk.hpp"
#include "base/wire.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "tape/embedded/folder.hpp"
#include "tape/embedded/segment.hpp"

namespace {

using namespace tapedeck;
using namespace tapedeck::tape;
using namespace tapedeck::tape::embedded;
using market::Batch;

constexpr unsigned kStamp = 1;   // checksums match
constexpr unsigned kFollow = 2;  // offsets follow each other
constexpr unsigned kTwo = 4;     // two partitions
constexpr std::uint64_t kEventsMax = 150'000;
constexpr PartitionId kLogs[] = {PartitionId(0), PartitionId(1), kRawFrames};

template <class T>
void set(std::string& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

void stamp(std::string& bytes, std::size_t at) {
  set(bytes, at + 60, crc32c(std::string_view(bytes).substr(at, 60)));
}

// Makes a segment of it, from its header to its trailer. `next`: where the log goes on.
void repair(std::string& bytes, unsigned flags, PartitionId log, std::uint64_t& next) {
  if (bytes.size() < kSegmentHeaderBytes) return;
  bytes.replace(0, 8, std::string_view("TDTAPE\r\n", 8));
  set(bytes, 8, kFormatVersion);
  set(bytes, 12, log.value);
  if (flags & kFollow) set(bytes, 16, next);
  next = get_fixed<std::uint64_t>(bytes.data() + 16);
  const bool sealed = (get_fixed<std::uint32_t>(bytes.data() + 32) & 1) != 0;
  stamp(bytes, 0);
  std::size_t end = bytes.size();
  if (sealed && end >= kSegmentHeaderBytes + kTrailerBytes) end -= kTrailerBytes;
  std::size_t at = kSegmentHeaderBytes;
  std::size_t index = 0;
  std::size_t identities = 0;
  while (at + kBlockHeaderBytes <= end) {
    bytes.replace(at, 4, "TDBK");
    auto stored = get_fixed<std::uint32_t>(bytes.data() + at + 8);
    const std::size_t left = end - at - kBlockHeaderBytes;
    if (stored > left) set(bytes, at + 8, stored = static_cast<std::uint32_t>(left));
    const auto count = get_fixed<std::uint32_t>(bytes.data() + at + 12);
    set(bytes, at + 16, crc32c(std::string_view(bytes).substr(at + kBlockHeaderBytes, stored)));
    const auto kind = static_cast<market::StreamKind>(bytes[at + 4]);
    if (kind == market::StreamKind::kIndex) index = at;
    if (kind == market::StreamKind::kIdentities) identities = at;
    if (flags & kFollow) {
      set(bytes, at + 24, next);
      next += count;
    }
    stamp(bytes, at);
    at += kBlockHeaderBytes + stored;
  }
  if (!sealed || end == bytes.size()) return;
  bytes.replace(end, 8, std::string_view("TDSEAL\r\n", 8));
  if (flags & kFollow) {
    set(bytes, end + 8, std::uint64_t{index});
    set(bytes, end + 16, std::uint64_t{identities});
    set(bytes, end + 24, next);
  }
  stamp(bytes, end);
}

// All that could be read of a tape.
struct Events {
  std::vector<std::pair<std::uint64_t, market::StreamKind>> order;
  Batch all;  // every vector of it

  void add(const Batch& batch) {
    for (std::size_t i = 0; i < batch.size(); ++i)
      order.emplace_back(batch.first.value + i, batch.kind);
    const market::StreamKind kind = batch.kind;
    all.kind = kind;
    visit_events(all, [&](auto& into) {
      visit_events(batch, [&](const auto& from) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(into)>,
                                     std::remove_cvref_t<decltype(from)>>) {
          into.insert(into.end(), from.begin(), from.end());
        }
      });
    });
  }
  bool operator==(const Events& other) const {
    return order == other.order && all.trades == other.all.trades &&
           all.quotes == other.all.quotes && all.ticks == other.all.ticks &&
           all.vendor_bars == other.all.vendor_bars && all.corrections == other.all.corrections &&
           all.records == other.all.records && all.marks == other.all.marks &&
           all.frames == other.all.frames;
  }
};

void expect_honest(const Error& error) {
  TD_CHECK(error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kUnsupported ||
           error.code == ErrorCode::kNotFound);
  TD_CHECK(!error.message.empty());
}

// Up to where it can be read; `whole`: to the end.
Events read(const TapeView& view, ReadRange range, bool& whole) {
  Events events;
  whole = false;
  const auto reader = view.read(range);
  if (!reader) return events;
  std::uint64_t next = range.first.value;
  while (true) {
    const auto batch = (*reader)->next();
    if (!batch) {
      expect_honest(batch.error());
      return events;
    }
    if (!*batch) break;
    TD_CHECK((*batch)->size() > 0 && (*batch)->first.value >= next);
    next = (*batch)->end().value;
    events.add(**batch);
  }
  whole = true;
  return events;
}

void read_all(const TapeView& view, market::Catalog& catalog) {
  for (const PartitionId log : kLogs) {
    if (log != kRawFrames && log.value >= view.partitions()) continue;
    bool whole = false;
    const Offset first = view.first_offset(log);
    const Events events = read(view, {.partition = log, .first = first}, whole);
    const std::uint64_t end = view.durable_end(log).value;
    for (const auto& [offset, kind] : events.order) TD_CHECK(offset < end);
    read(view,
         {.partition = log,
          .first = first + 1,
          .from = Timestamp{1'000},
          .to = Timestamp{1'700'000'000'000'000'000},
          .series = std::vector<SeriesId>{SeriesId(0)}},
         whole);
  }
  const Status visited = view.identities([&](const IdentityRun& run) {
    TD_CHECK(run.first <= run.last && run.series.value < catalog.series_count() &&
             run.origin.value < catalog.origin_count());
  });
  if (!visited) expect_honest(visited.error());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned flags = data[0];
  const std::uint32_t partitions = flags & kTwo ? 2 : 1;
  WireReader input({reinterpret_cast<const char*>(data) + 1, size - 1});
  MemoryDisk disk;
  for (const PartitionId log : kLogs) TD_CHECK(disk.create_directories(log_directory("t", log)));
  TD_CHECK(write_manifest(disk, "t", {.partitions = partitions}));
  std::uint64_t next[3] = {};
  std::optional<std::uint64_t> held[3];  // events of a log's last file
  std::uint64_t events = 0;
  while (input.left() >= 3) {
    const std::size_t log = input.fixed<std::uint8_t>() % 3;
    const std::size_t length = std::min<std::size_t>(input.fixed<std::uint16_t>(), input.left());
    std::string bytes(input.bytes(length));
    const std::uint64_t first = next[log];
    if (flags & kStamp) repair(bytes, flags, kLogs[log], next[log]);
    // No segment follows one without events: it would have the same name.
    if (held[log] == 0) return 0;
    held[log] = 0;
    for (std::size_t at = bytes.find("TDBK"); at != bytes.npos; at = bytes.find("TDBK", at + 1)) {
      const auto header = read_block_header(std::string_view(bytes).substr(at));
      if (header) *held[log] += header->count;
    }
    // Beyond that, it is only slow: memory is held for a block at a time.
    events += *held[log];
    if (events > kEventsMax) return 0;
    const bool has_header = bytes.size() >= kSegmentHeaderBytes;
    const Offset name(has_header ? get_fixed<std::uint64_t>(bytes.data() + 16) : first);
    auto file =
        disk.open(log_directory("t", kLogs[log]) + "/" + segment_name(name), OpenMode::kCreate);
    if (file) TD_CHECK((*file)->append(bytes));
  }
  {
    market::Catalog catalog;
    const auto view = open_embedded_view(disk, catalog, "t");
    TD_CHECK(view.has_value());
    read_all(**view, catalog);
  }

  const ManualClock clock(Timestamp{1'800'000'000'000'000'000});
  market::Catalog catalog;
  std::map<std::uint32_t, Events> before;
  {
    auto opened = open_embedded_tape(disk, clock, catalog, {.directory = "t"});
    if (!opened) {
      expect_honest(opened.error());
      return 0;
    }
    Tape& tape = **opened;
    read_all(tape, catalog);
    // Where nothing is damaged, what follows works, and changes nothing of what was there.
    bool good = tape.identities([](const IdentityRun&) {}).has_value();
    const SeriesId series = catalog.intern(market::Series{.key = {"new", "trade", "N"}});
    const OriginId origin = catalog.intern(market::Origin{});
    for (int i = 0; i < 2; ++i) {
      for (const PartitionId log : kLogs) {
        if (log != kRawFrames && log.value >= partitions) continue;
        if (tape.durable_end(log).value > std::uint64_t{1} << 62) return 0;
        bool whole = false;
        const std::uint64_t end = tape.durable_end(log).value;
        before[log.value] = read(tape, {.partition = log, .first = tape.first_offset(log)}, whole);
        good = good && whole && tape.durable_end(log).value == end;
      }
      if (i == 1) break;
      TD_CHECK(tape.append(Batch{
          .trades = {
              {.series = series, .ts_event = {5}, .ts_recv = {6}, .identity = {origin, 1, 0}}}}));
      TD_CHECK(tape.append(
          Batch{.kind = market::StreamKind::kRawFrame,
                .frames = {{.ts_recv = {6}, .identity = {origin, 1, 0}, .body = "x"}}}));
      const Status committed = tape.commit();
      if (!committed) std::fprintf(stderr, "commit: %s\n", committed.error().message.c_str());
      TD_CHECK(committed);
    }
    const Status sealed = tape.seal();
    if (!sealed) expect_honest(sealed.error());
    if (!good) return 0;
    if (!sealed) std::fprintf(stderr, "seal: %s\n", sealed.error().message.c_str());
    TD_CHECK(sealed);
    for (const auto& [log, events_before] : before) {
      bool whole = false;
      const PartitionId partition(log);
      TD_CHECK(read(tape, {.partition = partition, .first = tape.first_offset(partition)}, whole) ==
               events_before);
      TD_CHECK(whole);
    }
  }
  auto reopened = open_embedded_tape(disk, clock, catalog, {.directory = "t"});
  TD_CHECK(reopened.has_value());
  for (const auto& [log, events_before] : before) {
    bool whole = false;
    const PartitionId partition(log);
    TD_CHECK(read(**reopened,
                  {.partition = partition, .first = (*reopened)->first_offset(partition)},
                  whole) == events_before);
    TD_CHECK(whole);
  }
  return 0;
}
