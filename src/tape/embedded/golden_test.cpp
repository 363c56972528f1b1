// Tapes that earlier releases wrote, in testdata/golden: each is opened, read to the last event,
// and goes on. FORMAT.md has the rule: a folder that is committed is never changed; a new format
// gets a new one.
//
// TAPEDECK_WRITE_GOLDEN=1 writes the folder of the format that is being made. Once a release has
// written it, that is over.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <sstream>

#include "base/memory_disk.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "tape/embedded/folder.hpp"
#include "tape/embedded/sealing.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Batch;
using market::Decimal;
using market::StreamKind;
using Lines = std::vector<std::string>;

const std::string kGolden = TD_SOURCE_DIR "/embedded/testdata/golden/format-2/";
constexpr std::int64_t kNow = 1'700'000'000'000'000'000;
constexpr std::string_view kSha =
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

// An event as one line, with names instead of the numbers of this process.
class Printer {
 public:
  explicit Printer(const market::Catalog& catalog) : catalog_(catalog) {}

  Lines lines(const Batch& batch) const {
    Lines out;
    visit_events(batch, [&](const auto& events) {
      for (std::size_t i = 0; i < events.size(); ++i) {
        out.push_back(fmt::format("{} {}", batch.first.value + i, line(events[i])));
      }
    });
    return out;
  }

 private:
  std::string id(const market::Identity& identity) const {
    const market::Origin& origin = catalog_.origin(identity.origin);
    return fmt::format("{}:{}:{}{}/{}/{}", static_cast<int>(origin.kind), origin.key.substr(0, 9),
                       origin.first.ns, origin.recv_assumed ? "~" : "", identity.seq,
                       identity.position);
  }
  std::string common(const auto& event) const {
    const market::Series& series = catalog_.series(event.series);
    return fmt::format("{}({},{},{}) {}+{} {} c{} v{}", to_string(series.key),
                       static_cast<int>(series.order), series.calendar, series.conditions,
                       event.ts_event.ns, event.ts_recv.ns - event.ts_event.ns, id(event.identity),
                       event.conditions, event.venue_sequence);
  }
  std::string line(const market::Trade& e) const {
    return fmt::format("trade {}: side {} {} x {}", common(e), static_cast<int>(e.side),
                       to_string(e.price), to_string(e.size));
  }
  std::string line(const market::Quote& e) const {
    return fmt::format("quote {}: {} x {} - {} x {}", common(e), to_string(e.bid),
                       to_string(e.bid_size), to_string(e.ask), to_string(e.ask_size));
  }
  std::string line(const market::PriceTick& e) const {
    return fmt::format("tick {}: {}", common(e), to_string(e.price));
  }
  std::string line(const market::VendorBar& e) const {
    return fmt::format("bar {}: {}s adjusted {} {} {} {} {} x {}", common(e),
                       e.interval.ns / 1'000'000'000, static_cast<int>(e.adjusted),
                       to_string(e.open), to_string(e.high), to_string(e.low), to_string(e.close),
                       to_string(e.volume));
  }
  std::string line(const market::Correction& e) const {
    return fmt::format("correction {}: kind {} side {} {} x {} of {}", common(e),
                       static_cast<int>(e.kind), static_cast<int>(e.side), to_string(e.price),
                       to_string(e.size), id(e.target));
  }
  std::string line(const market::Record& e) const {
    return fmt::format("record {}: {}", common(e), e.body);
  }
  std::string line(const market::FeedMark& e) const {
    return fmt::format("mark {} state {} {}", e.feed, static_cast<int>(e.state), e.ts_recv.ns);
  }
  std::string line(const market::RawFrame& e) const {
    return fmt::format("frame {} {}: {}", e.ts_recv.ns, id(e.identity), e.body);
  }

  const market::Catalog& catalog_;
};

// Everything that a log holds, and where a hole is.
Lines lines_of(const TapeView& view, PartitionId partition, const market::Catalog& catalog) {
  Lines out;
  const auto reader = view.read({.partition = partition, .first = view.first_offset(partition)});
  while (true) {
    const auto batch = (*reader)->next();
    if (!batch) {
      out.push_back("error: " + batch.error().message);
      return out;
    }
    if (!*batch) return out;
    std::ranges::move(Printer(catalog).lines(**batch), std::back_inserter(out));
  }
}

// A tape that the writer of today writes on a disk of its own.
struct Writing {
  explicit Writing(EmbeddedTapeOptions options = {}) {
    options.directory = "t";
    tape = *open_embedded_tape(disk, clock, catalog, options);
  }
  void commit(std::vector<Batch> batches) {
    for (Batch& batch : batches) ASSERT_TRUE(tape->append(std::move(batch)));
    ASSERT_TRUE(tape->commit());
    clock.advance(seconds(1));
  }

  SeriesId btc() {
    return catalog.intern(market::Series{.key = {"kraken", "trade", "BTC/USD"},
                                         .order = market::TradeOrder::kVenueSequence});
  }
  SeriesId spy() {
    return catalog.intern(market::Series{
        .key = {"lean", "trade", "SPY"}, .calendar = "us_equity", .conditions = "lean"});
  }
  OriginId venue() { return catalog.intern(market::Origin{}); }
  OriginId file() {
    return catalog.intern(market::Origin{.kind = market::OriginKind::kFile,
                                         .key = std::string(kSha),
                                         .first = {kNow - 5},
                                         .recv_assumed = true});
  }
  OriginId session() {
    return catalog.intern(
        market::Origin{.kind = market::OriginKind::kSession, .key = "session-7", .first = {kNow}});
  }
  OriginId topic() {
    return catalog.intern(
        market::Origin{.kind = market::OriginKind::kTopic, .key = "trades/3", .first = {}});
  }
  market::Trade trade(std::uint64_t seq) {
    return {.series = btc(),
            .side = market::Side::kBuy,
            .ts_event = {kNow + static_cast<std::int64_t>(seq) * 1'000'000},
            .ts_recv = {kNow + static_cast<std::int64_t>(seq) * 1'000'000 + 250'000},
            .price = Decimal::make(3'700'001 + static_cast<std::int64_t>(seq), 2),
            .size = Decimal::make(1, 8),
            .identity = {venue(), seq, 0},
            .venue_sequence = seq};
  }
  Batch mark(std::string feed, market::FeedState state) {
    return {.kind = StreamKind::kStatus,
            .marks = {{.feed = std::move(feed), .state = state, .ts_recv = {kNow + 9}}}};
  }
  Batch frame(std::uint64_t seq, std::string body) {
    return {.kind = StreamKind::kRawFrame,
            .frames = {
                {.ts_recv = {kNow + 1}, .identity = {session(), seq, 0}, .body = std::move(body)}}};
  }

  MemoryDisk disk;
  ManualClock clock{Timestamp{kNow}};
  market::Catalog catalog;
  std::unique_ptr<Tape> tape;
};

// Files of a tape, by their names in its folder.
using Files = std::map<std::string, std::string>;

Files files_of(const Disk& disk, Disk& opener, const std::string& folder) {
  Files files;
  const auto take = [&](const std::string& name) {
    const auto file = opener.open(folder + "/" + name, OpenMode::kRead);
    if (!file) return;  // a directory
    std::string bytes(*(*file)->size(), '\0');
    EXPECT_EQ((*file)->read_at(0, bytes.data(), bytes.size()), bytes.size());
    files[name] = bytes;
  };
  take("TAPE");
  for (const std::string log : {"p0", "p1", "raw"}) {
    if (const auto names = disk.list(fmt::format("{}/{}", folder, log))) {
      for (const std::string& name : *names) take(fmt::format("{}/{}", log, name));
    }
  }
  return files;
}

void put_files(MemoryDisk& disk, const Files& files) {
  for (const std::string directory : {"t", "t/p0", "t/p1", "t/raw"}) {
    ASSERT_TRUE(disk.create_directories(directory));
  }
  for (const auto& [name, bytes] : files) {
    ASSERT_TRUE((*disk.open("t/" + name, OpenMode::kCreate))->append(bytes));
  }
}

struct Expected {
  std::map<std::string, Lines> logs;
  std::uint64_t torn_bytes = 0;
  std::uint64_t sealed = 0;  // segments
};

class Golden : public testing::Test {
 protected:
  // The folder, written anew where that was asked for.
  Files golden(const std::string& name, const std::function<Files()>& write) {
    const std::string folder = kGolden + name;
    const auto disk = real_disk();
    if (std::getenv("TAPEDECK_WRITE_GOLDEN") != nullptr) {
      EXPECT_TRUE(disk->remove_all(folder));
      for (const auto& [file, bytes] : write()) {
        const std::string path = fmt::format("{}/{}", folder, file);
        EXPECT_TRUE(disk->create_directories(path.substr(0, path.rfind('/'))));
        EXPECT_TRUE((*disk->open(path, OpenMode::kCreate))->append(bytes));
      }
    }
    return files_of(*disk, *disk, folder);
  }

  // The tape holds what is expected: as it stands, opened, and after it went on.
  static void expect(const Files& files, const Expected& expected) {
    ASSERT_FALSE(files.empty());
    std::uint64_t sealed = 0;
    for (const auto& [name, bytes] : files) {
      if (name != "TAPE") sealed += (*read_segment_header(bytes)).sealed ? 1u : 0u;
    }
    EXPECT_EQ(sealed, expected.sealed);
    MemoryDisk disk;
    put_files(disk, files);
    {
      market::Catalog catalog;
      const auto view = open_embedded_view(disk, catalog, "t");
      ASSERT_TRUE(view) << view.error().message;
      expect_lines(**view, catalog, expected);
    }
    const ManualClock clock(Timestamp{kNow + 3'600'000'000'000});
    {
      market::Catalog catalog;
      const auto opened = open_embedded_tape(disk, clock, catalog, {.directory = "t"});
      ASSERT_TRUE(opened) << opened.error().message;
      std::uint64_t torn = 0;
      for (const TornTail& tail : (*opened)->recovery().torn) torn += tail.bytes;
      EXPECT_EQ(torn, expected.torn_bytes);
      expect_lines(**opened, catalog, expected);
      ASSERT_TRUE((*opened)->append(
          {.kind = StreamKind::kStatus, .marks = {{.feed = "new", .ts_recv = {1}}}}));
      ASSERT_TRUE((*opened)->seal());
    }
    Expected after = expected;
    for (auto& [log, lines] : after.logs) {
      if (log != "raw") lines.push_back("mark new state 0 1");
    }
    market::Catalog catalog;
    const auto opened = open_embedded_tape(disk, clock, catalog, {.directory = "t"});
    ASSERT_TRUE(opened) << opened.error().message;
    for (const auto& [log, lines] : after.logs) {
      const Lines read = lines_of(**opened, partition(log), catalog);
      ASSERT_FALSE(read.empty());
      EXPECT_THAT(read.back(), testing::HasSubstr(lines.back()));
      EXPECT_EQ(read.size(), lines.size());
      EXPECT_EQ(Lines(read.begin(), read.begin() + std::ssize(expected.logs.at(log))),
                expected.logs.at(log));
    }
  }

 private:
  static PartitionId partition(std::string_view log) {
    return log == "raw" ? kRawFrames : PartitionId(log == "p0" ? 0 : 1);
  }
  static void expect_lines(const TapeView& view, const market::Catalog& catalog,
                           const Expected& expected) {
    EXPECT_EQ(view.partitions(), expected.logs.contains("p1") ? 2u : 1u);
    for (const auto& [log, lines] : expected.logs) {
      EXPECT_EQ(lines_of(view, partition(log), catalog), lines) << log;
    }
    std::size_t runs = 0;
    const Status visited = view.identities([&](const IdentityRun&) { ++runs; });
    EXPECT_TRUE(visited) << visited.error().message;
    EXPECT_GT(runs, 0u);
  }
};

// All kinds: once merged in a sealed segment, once in an open one.
TEST_F(Golden, EveryKind) {
  const Files files = golden("every-kind", [] {
    Writing w;
    w.commit({Batch{.trades = {w.trade(1), w.trade(2)}},
              Batch{.kind = StreamKind::kQuote,
                    .quotes = {{.series = w.spy(),
                                .conditions = 5,
                                .ts_event = {kNow},
                                .ts_recv = {kNow},
                                .bid = Decimal::make(44'123, 2),
                                .bid_size = Decimal::make(300, 0),
                                .ask = Decimal::make(4'412'350, 4),
                                .identity = {w.file(), 0, 0}}}},
              w.mark("kraken", market::FeedState::kLive)});
    w.commit({Batch{.kind = StreamKind::kPriceTick,
                    .ticks = {{.series = w.spy(),
                               .ts_event = {-1},
                               .ts_recv = {kNow},
                               .price = Decimal::make(-1, 18),
                               .identity = {w.topic(), 12, 3}}}}});
    w.commit({Batch{.kind = StreamKind::kVendorBar,
                    .vendor_bars = {{.series = w.spy(),
                                     .adjusted = market::Adjusted::kSplit,
                                     .ts_event = {kNow},
                                     .ts_recv = {kNow + 1},
                                     .interval = {60'000'000'000},
                                     .open = Decimal::make(1, 0),
                                     .high = Decimal::make(25, 1),
                                     .low = Decimal::make(5, 1),
                                     .close = Decimal::make(2, 0),
                                     .volume = Decimal::make(1'000'000, 0),
                                     .identity = {w.file(), 1, 0}}}},
              Batch{.kind = StreamKind::kCorrection,
                    .corrections = {{.series = w.btc(),
                                     .kind = market::CorrectionKind::kCorrect,
                                     .side = market::Side::kSell,
                                     .ts_event = {kNow + 7},
                                     .ts_recv = {kNow + 8},
                                     .price = Decimal::make(37'000, 0),
                                     .size = Decimal::make(2, 8),
                                     .identity = {w.session(), 4, 1},
                                     .venue_sequence = 9,
                                     .target = {w.venue(), 2, 0}}}},
              Batch{.kind = StreamKind::kRecord,
                    .records = {{.series = w.spy(),
                                 .ts_event = {kNow},
                                 .ts_recv = {kNow + 2},
                                 .identity = {w.session(), 5, 0},
                                 .body = R"({"price": 441.23})"}}},
              w.frame(4, "a frame"), w.frame(5, "")});
    EXPECT_TRUE(w.tape->seal());
    Batch more;
    for (std::uint64_t seq = 3; seq < 43; ++seq) more.trades.push_back(w.trade(seq));
    w.commit({more});
    w.commit({w.mark("kraken", market::FeedState::kDown), Batch{.trades = {w.trade(43)}},
              w.mark("lean", market::FeedState::kEnded), w.frame(6, std::string(100, 'x'))});
    return files_of(w.disk, w.disk, "t");
  });
  const std::string spy = "lean/trade/SPY(0,us_equity,lean)";
  const std::string btc = "kraken/trade/BTC/USD(1,24x7,)";
  Lines p0{
      "0 trade " + btc + " 1700000000001000000+250000 0::0/1/0 c0 v1: side 1 37000.02 x 0.00000001",
      "1 trade " + btc + " 1700000000002000000+250000 0::0/2/0 c0 v2: side 1 37000.03 x 0.00000001",
      "2 quote " + spy +
          " 1700000000000000000+0 1:9f86d0818:1699999999999999995~/0/0 c5 v0: "
          "441.23 x 300 - 441.235 x 0",
      "3 mark kraken state 0 1700000000000000009",
      "4 tick " + spy + " -1+1700000000000000001 3:trades/3:0/12/3 c0 v0: -0.000000000000000001",
      "5 bar " + spy +
          " 1700000000000000000+1 1:9f86d0818:1699999999999999995~/1/0 c0 v0: "
          "60s adjusted 1 1 2.5 0.5 2 x 1000000",
      "6 correction " + btc +
          " 1700000000000000007+1 2:session-7:1700000000000000000/4/1 c0 v9: "
          "kind 1 side 2 37000 x 0.00000002 of 0::0/2/0",
      "7 record " + spy +
          " 1700000000000000000+2 2:session-7:1700000000000000000/5/0 c0 v0: "
          "{\"price\": 441.23}"};
  for (int seq = 3; seq < 44; ++seq) {
    if (seq == 43) p0.push_back("48 mark kraken state 1 1700000000000000009");
    const int cents = seq + 1;
    const std::string price = fmt::format(
        "37000.{}", cents % 10 == 0 ? fmt::format("{}", cents / 10) : fmt::format("{:02}", cents));
    p0.push_back(
        fmt::format("{} trade {} 17000000000{:02}000000+250000 0::0/{}/0 c0 v{}: "
                    "side 1 {} x 0.00000001",
                    seq + (seq == 43 ? 6 : 5), btc, seq, seq, seq, price));
  }
  p0.push_back("50 mark lean state 2 1700000000000000009");
  const std::string session = "2:session-7:1700000000000000000/";
  expect(files,
         {.logs = {{"p0", p0},
                   {"raw",
                    {"0 frame 1700000000000000001 " + session + "4/0: a frame",
                     "1 frame 1700000000000000001 " + session + "5/0: ",
                     "2 frame 1700000000000000001 " + session + "6/0: " + std::string(100, 'x')}}},
          .sealed = 2});
}

// Two partitions; a large block that sealing keeps as it is, between small ones that it merges.
TEST_F(Golden, TwoPartitions) {
  const Files files = golden("two-partitions", [] {
    Writing w({.partitions = 2});
    const auto trades = [&](const std::string& instrument, std::uint64_t from, std::uint64_t to) {
      Batch batch;
      for (std::uint64_t seq = from; seq < to; ++seq) {
        batch.trades.push_back(w.trade(1));
        batch.trades.back().series =
            w.catalog.intern(market::Series{.key = {"binance", "trade", instrument}});
        batch.trades.back().identity.seq = seq;
        batch.trades.back().venue_sequence = seq;
      }
      return batch;
    };
    w.commit({trades("BTCUSDT", 0, 2), trades("SOLUSDT", 0, 2)});
    w.commit({trades("BTCUSDT", 2, 20'002)});
    w.commit({trades("BTCUSDT", 20'002, 20'003), w.frame(1, "one")});
    EXPECT_TRUE(w.tape->seal());
    w.commit({trades("SOLUSDT", 2, 3), w.mark("binance", market::FeedState::kLive)});
    w.commit({w.frame(2, "two")});
    return files_of(w.disk, w.disk, "t");
  });
  const auto trade = [](int offset, const std::string& instrument) {
    return fmt::format(
        "{} trade binance/trade/{}(0,24x7,) 1700000000001000000+250000 "
        "0::0/{}/0 c0 v{}: side 1 37000.02 x 0.00000001",
        offset, instrument, offset, offset);
  };
  Lines btc;
  for (int offset = 0; offset < 20'003; ++offset) btc.push_back(trade(offset, "BTCUSDT"));
  btc.push_back("20003 mark binance state 0 1700000000000000009");
  const Lines sol{trade(0, "SOLUSDT"), trade(1, "SOLUSDT"), trade(2, "SOLUSDT"),
                  "3 mark binance state 0 1700000000000000009"};
  const std::string frame = " frame 1700000000000000001 2:session-7:1700000000000000000/";
  const bool first = partition_of({"binance", "trade", "BTCUSDT"}, 2) == PartitionId(0);
  expect(files, {.logs = {{first ? "p0" : "p1", btc},
                          {first ? "p1" : "p0", sol},
                          {"raw", {"0" + frame + "1/0: one", "1" + frame + "2/0: two"}}},
                 .sealed = 3});
}

// Written with fsync = never, and torn: half of the last commit is missing.
TEST_F(Golden, NeverSyncedAndTorn) {
  const Files files = golden("never-synced", [] {
    Writing w({.fsync = Fsync::kNever});
    w.commit({Batch{.trades = {w.trade(1)}}});
    w.commit({Batch{.trades = {w.trade(2)}}});
    Files written = files_of(w.disk, w.disk, "t");
    w.commit({Batch{.trades = {w.trade(3)}}});
    const std::string whole = w.disk.contents("t/p0/" + segment_name(Offset()));
    std::string& torn = written.at("p0/" + segment_name(Offset()));
    torn = whole.substr(0, torn.size() + 80);
    return written;
  });
  EXPECT_TRUE((*read_segment_header(files.at("p0/" + segment_name(Offset())))).unsynced);
  const std::string btc = " trade kraken/trade/BTC/USD(1,24x7,) 170000000000";
  expect(files,
         {.logs = {{"p0",
                    {"0" + btc + "1000000+250000 0::0/1/0 c0 v1: side 1 37000.02 x 0.00000001",
                     "1" + btc + "2000000+250000 0::0/2/0 c0 v2: side 1 37000.03 x 0.00000001"}}},
          .torn_bytes = 80});
}

// What a repair could save: the offsets between are lost, and stay so.
TEST_F(Golden, LostOffsets) {
  const Files files = golden("lost", [] {
    Writing w;
    w.tape.reset();
    const std::string path = "t/p0/" + segment_name(Offset());
    SealedWriter writer(w.disk, w.catalog, "t/p0", path);
    SegmentDictionary dictionary(w.catalog);
    EXPECT_TRUE(writer.begin({.partition = {}, .first = {}, .created = {kNow}},
                             {.series = {w.btc()}, .origins = {w.venue()}}));
    EXPECT_TRUE(writer.add({Batch{.trades = {w.trade(1)}}}));
    EXPECT_TRUE(writer.lose(Offset(1), 1'000));
    EXPECT_TRUE(writer.add({Batch{.first = Offset(1'001), .trades = {w.trade(2)}}}));
    EXPECT_TRUE(writer.finish(Offset(1'002), Timestamp{kNow + 1}));
    return files_of(w.disk, w.disk, "t");
  });
  const std::string btc = " trade kraken/trade/BTC/USD(1,24x7,) 170000000000";
  expect(files,
         {.logs = {{"p0",
                    {"0" + btc + "1000000+250000 0::0/1/0 c0 v1: side 1 37000.02 x 0.00000001",
                     "1001" + btc +
                         "2000000+250000 0::0/2/0 c0 v2: side 1 37000.03 x "
                         "0.00000001"}}},
          .sealed = 1});
}

// The bytes between "0000" and ";" of the lines in FORMAT.md's example.
std::string example_of_the_format() {
  std::ifstream in(TD_SOURCE_DIR "/embedded/FORMAT.md");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::size_t example = text.find("\n## An example\n");
  std::string bytes;
  if (example == text.npos) return bytes;
  std::istringstream lines(text.substr(example));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("    ") || line.find(';') == line.npos) continue;
    std::istringstream words(line.substr(0, line.find(';')));
    std::string word;
    words >> word;
    EXPECT_EQ(std::stoul(word, nullptr, 16), bytes.size()) << line;
    while (words >> word) bytes += static_cast<char>(std::stoi(word, nullptr, 16));
  }
  return bytes;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % 16 == 0) out += fmt::format("\n    {:04x} ", i);
    out += fmt::format(" {:02x}", static_cast<unsigned char>(bytes[i]));
  }
  return out;
}

// If this fails and FORMAT.md is right, the format has changed: then it has a new version.
TEST(Format, TheExampleIsWhatTheWriterWrites) {
  MemoryDisk disk;
  ManualClock clock(Timestamp{1'000'000'000});
  market::Catalog catalog;
  const auto tape = *open_embedded_tape(disk, clock, catalog, {.directory = "t"});
  const market::Trade trade{.series = catalog.intern(market::Series{.key = {"v", "trade", "S"}}),
                            .ts_event = {1'000},
                            .ts_recv = {2'000},
                            .price = Decimal::make(10'005, 2),
                            .size = Decimal::make(1, 0),
                            .identity = {catalog.intern(market::Origin{}), 7, 0}};
  ASSERT_TRUE(tape->append(Batch{.trades = {trade}}));
  ASSERT_TRUE(tape->commit());
  clock.advance(seconds(1));
  ASSERT_TRUE(tape->seal());
  const std::string written = disk.contents("t/p0/" + segment_name(Offset()));
  EXPECT_EQ(hex(example_of_the_format()), hex(written));
  EXPECT_EQ(disk.contents("t/TAPE"), "tapedeck tape\nformat 2\npartitions 1\ncrc32c 3065384990\n");
}

}  // namespace
}  // namespace tapedeck::tape::embedded
