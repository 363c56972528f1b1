#include "feeds/replay/replay.hpp"
#include "feeds/replay/venues_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/memory_disk.hpp"
#include "base/sha256.hpp"
#include "feeds/recording_sink.hpp"
#include "feeds/replay/lean_conditions.hpp"
#include "feeds/replay/test_archives.hpp"

namespace tapedeck::feeds::replay {
namespace {

using market::to_string;
constexpr const char* kSpyName = "20131007_spy_Trade_Tick.csv";
constexpr const char* kBareMap = "time=#0:s,price=#1,size=#2";

class ReplayTest : public testing::Test {
 protected:
  // Its path.
  std::string file(const std::string& name, std::string_view bytes) {
    const std::string path = "d/" + name;
    static_cast<void>(disk.create_directories("d"));
    static_cast<void>(disk.remove(path));
    EXPECT_TRUE((*disk.open(path, OpenMode::kCreate))->append(bytes));
    return path;
  }
  // Everything, pulled in pieces of `piece`.
  void play(const std::vector<std::string>& paths, const ReplayOptions& options = {},
            bool merged = false, std::size_t piece = 3) {
    sink = {};
    auto source = open_replay(disk, paths, with_venues(options), catalog, merged);
    ASSERT_TRUE(source) << source.error().message;
    for (;;) {
      const auto more = (*source)->pull(sink, piece);
      ASSERT_TRUE(more);
      if (!*more) break;
    }
    ASSERT_EQ(sink.marks.size(), 1u);  // one, at the very end
    EXPECT_EQ(sink.marks[0].feed, "replay");
    EXPECT_EQ(sink.marks[0].state, market::FeedState::kEnded);
    Timestamp last{};
    for (const auto& trade : sink.trades) last = std::max(last, trade.ts_recv);
    EXPECT_EQ(sink.marks[0].ts_recv, last);
    EXPECT_FALSE(*(*source)->pull(sink, piece));
    EXPECT_EQ(sink.marks.size(), 1u);
    files = (*source)->files();
  }
  Error refused_to_open(const std::vector<std::string>& paths, const ReplayOptions& options = {}) {
    auto source = open_replay(disk, paths, with_venues(options), catalog, false);
    EXPECT_FALSE(source);
    return source ? Error{} : source.error();
  }
  std::string series_of(const market::Trade& trade) {
    return to_string(catalog.series(trade.series).key);
  }
  const market::Origin& origin_of(const market::Trade& trade) {
    return catalog.origin(trade.identity.origin);
  }

  MemoryDisk disk;
  market::Catalog catalog;
  RecordingSink sink;
  std::vector<FileReport> files;
};

bool says(const std::string& text, std::string_view phrase) { return text.contains(phrase); }

// --- Lean ---

TEST_F(ReplayTest, LeanEquity) {
  const std::string text =
      read_test_file(std::string(TD_SOURCE_DIR "/replay/testdata/") + kSpyName);
  play({file("a.zip", zipped({{kSpyName, text}}))});
  ASSERT_EQ(sink.trades.size(), 12u);
  EXPECT_TRUE(sink.refusals.empty());
  const market::Trade& trade = sink.trades[6];  // 14402833,1672600,148,Q,20002020,0
  EXPECT_EQ(series_of(trade), "lean/trade/SPY");
  EXPECT_EQ(trade.ts_event.ns, 1'381'132'802'833'000'000);  // 04:00:02.833 in New York
  EXPECT_EQ(trade.ts_recv, trade.ts_event);
  EXPECT_EQ(to_string(trade.price), "167.26");
  EXPECT_EQ(to_string(trade.size), "148");
  EXPECT_EQ(trade.conditions, 0x20002020u);
  EXPECT_EQ(trade.identity.seq, 6u);
  EXPECT_EQ(origin_of(trade), (market::Origin{.kind = market::OriginKind::kFile,
                                              .key = sha256_hex(text),
                                              .first = sink.trades[0].ts_event,
                                              .recv_assumed = true}));
  const market::Series& series = catalog.series(trade.series);
  EXPECT_EQ(series.calendar, "us_equity");
  EXPECT_EQ(series.conditions, kLeanConditions);
  EXPECT_EQ(series.order, market::TradeOrder::kIdentity);
}

TEST_F(ReplayTest, LeanFuture) {
  const char* name = "20131007_gc_tick_trade_201412.csv";
  const std::string text = read_test_file(std::string(TD_SOURCE_DIR "/replay/testdata/") + name);
  play({file("gc.zip", zipped({{name, text}}))});
  ASSERT_EQ(sink.trades.size(), 5u);
  EXPECT_EQ(series_of(sink.trades[0]), "lean-future/trade/GC-201412");
  EXPECT_EQ(sink.trades[0].ts_event.ns, 1'381'104'000'000'000'000 + 23'154'506 * 1'000'000LL);
  EXPECT_EQ(to_string(sink.trades[0].price), "1320.8");
  EXPECT_EQ(to_string(sink.trades[0].size), "0");
  EXPECT_EQ(catalog.series(sink.trades[0].series).calendar, "24x7");
}

TEST_F(ReplayTest, TheDemoDay) {
  auto real = real_disk();
  const std::string path = TD_SOURCE_DIR "/../../demo/2013-10-07/aig/20131007_trade.zip";
  auto source = open_replay(*real, {path}, {}, catalog, false);
  ASSERT_TRUE(source) << source.error().message;
  while (*(*source)->pull(sink, 1000)) {
  }
  EXPECT_EQ(sink.trades.size(), 25'351u);
  EXPECT_TRUE(sink.refusals.empty());
}

TEST_F(ReplayTest, TheWallClockOfNewYorkOnTheDaysOfItsChange) {
  for (const auto& [day, instant] : {std::pair{"20130310", "2013-03-10T13:30:00Z"},
                                     {"20131103", "2013-11-03T14:30:00Z"},
                                     {"20130308", "2013-03-08T14:30:00Z"},
                                     {"20130311", "2013-03-11T13:30:00Z"}}) {
    play({file(std::string(day) + "_xyz_Trade_Tick.csv", "34200000,1000000,1,P,1,0\n")});
    ASSERT_EQ(sink.trades.size(), 1u);
    EXPECT_EQ(sink.trades[0].ts_event, parse_iso(instant)) << day;
  }
}

TEST_F(ReplayTest, SuspiciousIsAFlagThatAllowsNothing) {
  play({file(kSpyName, "34200000,1000000,1,P,1,1\n34200000,1000000,1,P,,0\n"),
        file("20131007_gc_tick_trade_201412.csv", "1,1320.8,1,usa,,1\n")});
  ASSERT_EQ(sink.trades.size(), 3u);
  EXPECT_EQ(sink.trades[0].conditions, kSuspicious | 1);
  EXPECT_EQ(sink.trades[1].conditions, 0u);
  EXPECT_EQ(sink.trades[2].conditions, kSuspicious);
  EXPECT_EQ(describe(lean_conditions(), sink.trades[0].conditions), "Regular, Suspicious");
  for (const auto* table : {&lean_conditions(), &lean_future_conditions()}) {
    const auto effect = effect_of(*table, kSuspicious, market::TradeSession::kRegular);
    EXPECT_FALSE(effect.open_close || effect.high_low || effect.volume);
  }
}

// What each bit lets a trade do inside and outside of regular hours: o open and close, h high and
// low, v volume, r regular session whatever the clock says. Written down a second time.
TEST_F(ReplayTest, LeanConditionsBitByBit) {
  const char* want[32] = {
      "ohv ohv",   "v v",     "v v",   "v v",     "ohv ohv", "ohv ohv", "ohvr ohvr", "ohvr ohvr",
      "ohvr ohvr", "hv hv",   "v ohv", "hv hv",   "ohv ohv", "v ohv",   "hv hv",     "ohv ohv",
      "ohv ohv",   "ohv ohv", "v v",   "ohv ohv", "v v",     "ohv ohv", "v v",       "ohv ohv",
      "r r",       "hv hv",   "r r",   "ohv ohv", "ohv ohv", "ohv ohv", "ohv ohv",   "v v"};
  for (int bit = 0; bit < 32; ++bit) {
    std::string got;
    for (const auto clock : {market::TradeSession::kRegular, market::TradeSession::kPost}) {
      const auto effect = effect_of(lean_conditions(), std::uint64_t{1} << bit, clock);
      if (!got.empty()) got += ' ';
      got += effect.open_close ? "o" : "";
      got += effect.high_low ? "h" : "";
      got += effect.volume ? "v" : "";
      got += lean_conditions().flags[static_cast<std::size_t>(bit)].regular_session ? "r" : "";
      if (clock == market::TradeSession::kPost) {
        EXPECT_EQ(effect.session == market::TradeSession::kRegular, got.ends_with('r')) << bit;
      }
    }
    EXPECT_EQ(got, want[bit]) << bit;
  }
}

TEST_F(ReplayTest, BadLeanLines) {
  play({file(kSpyName,
             "34200000,1000000,100,P,1,0\n"
             "34200001,1000000,100,P\n"
             "34200002,1000100,100,P,zz,0\n"
             "-1,1000000,100,P,1,0\n"
             "86400000,1000000,100,P,1,0\n"
             "99999999999999999999,1000000,100,P,1,0\n"
             "34200000,0,100,P,1,0\n"
             "34200000,-1,100,P,1,0\n"
             "34200000,1.000000000000001,100,P,1,0\n"
             "34200000,1000000,-1,P,1,0\n"
             "34200000,1000000,1,P,1,2\n"
             "34200000,1000000,1,P,8000000000000000,0\n"
             "34200000,1000000,1,P,1,0,9\n"
             "\n"
             "34200003,1010000,1,P,1,0\r\n")});
  EXPECT_EQ(sink.reasons(),
            (std::vector<std::string>{"malformed", "bad_conditions", "bad_time", "bad_time",
                                      "bad_time", "bad_price", "bad_price", "bad_price", "bad_size",
                                      "malformed", "bad_conditions", "malformed"}));
  EXPECT_EQ(sink.refusals[0].where, "d/" + std::string(kSpyName) + ": line 2");
  EXPECT_EQ(sink.texts[0], "34200001,1000000,100,P");
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(sink.trades[1].identity.seq, 14u);  // refused and blank lines keep their numbers
  EXPECT_EQ(files[0].records, 14u);
  EXPECT_EQ(files[0].trades, 2u);
  EXPECT_EQ(files[0].refused, 12u);
  EXPECT_EQ(files[0].error, "");
}

// --- packings and damage ---

TEST_F(ReplayTest, TheSameMemberInAnyPackingHasTheSameIdentity) {
  const std::string text = "34200000,1000000,1,P,1,0\n34200000,1000000,1,P,1,0\n";
  play({file(kSpyName, text)});
  const auto want = sink.trades;
  ASSERT_EQ(want.size(), 2u);
  EXPECT_NE(want[0].identity, want[1].identity);
  play({file("x", zipped({{kSpyName, text}}))});
  EXPECT_EQ(sink.trades, want);
  play({file(std::string(kSpyName) + ".gz", gzipped(text))});
  EXPECT_EQ(sink.trades, want);
  play({file(std::string(kSpyName) + ".zst", zstd_packed(text))});
  EXPECT_EQ(sink.trades, want);
}

TEST_F(ReplayTest, ACutZipIsRefusedAndTheOthersFlow) {
  const std::string zip =
      zipped({{kSpyName, "34200000,1000000,1,P,1,0\n34200001,1000000,1,P,1,0\n"}});
  const std::string good = file("good.zip", zip);
  for (std::size_t cut = 4; cut < zip.size(); ++cut) {
    play({file("cut.zip", zip.substr(0, cut)), good});
    EXPECT_EQ(sink.reasons(), std::vector<std::string>{"truncated"}) << cut;
    EXPECT_EQ(sink.refusals[0].where, "d/cut.zip");
    EXPECT_EQ(sink.trades.size(), 2u);
    EXPECT_TRUE(says(files[0].error, "central directory"));
    EXPECT_EQ(files[1].trades, 2u);
  }
}

TEST_F(ReplayTest, AChangedByteOfAZipNeverMakesOtherTrades) {
  const std::string zip =
      zipped({{kSpyName, "34200000,1000000,1,P,1,0\n34200001,1000100,7,P,1,0\n"}});
  play({file("a.zip", zip)});
  const auto want = sink.trades;
  for (std::size_t i = 4; i < zip.size(); ++i) {
    std::string changed = zip;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    const auto path = file("a.zip", changed);
    auto source = open_replay(disk, {path}, {}, catalog, false);
    if (!source) continue;  // its name was changed
    sink = {};
    while (*(*source)->pull(sink, 10)) {
    }
    for (market::Trade& trade : sink.trades) trade.series = want[0].series;
    if (sink.trades.empty()) {
      EXPECT_EQ(sink.refusals.size(), 1u) << i;
    } else if (changed.contains("20131007_spy_Trade_Tick.csv")) {
      EXPECT_EQ(sink.trades, want) << i;
    }
  }
}

std::string capture_line(int id) {
  return R"(1723161254087896568 {"e":"trade","E":1723161255343,"s":"BTCUSDT","t":)" +
         std::to_string(id) +
         R"(,"p":"61837.63","q":"0.02","T":1723161255342,"m":true,"M":true})"
         "\n";
}

TEST_F(ReplayTest, WholeLinesBeforeACutAreTaken) {
  std::string text;
  for (int i = 0; i < 20; ++i) text += capture_line(i);
  const std::string gz = gzipped(text);
  std::size_t most = 0;
  for (std::size_t cut = 12; cut < gz.size(); ++cut) {
    play({file("cut.gz", gz.substr(0, cut))}, {.map = {}, .symbol = {}, .venue = "binance"});
    ASSERT_EQ(sink.reasons(), std::vector<std::string>{"truncated"}) << cut;
    EXPECT_TRUE(says(sink.refusals[0].detail, "the packed bytes end at " + std::to_string(cut)));
    for (std::size_t i = 0; i < sink.trades.size(); ++i) EXPECT_EQ(sink.trades[i].identity.seq, i);
    most = std::max(most, sink.trades.size());
  }
  EXPECT_EQ(most, 20u);  // only the checksum is missing
}

TEST_F(ReplayTest, NothingIsTakenOfBytesThatFailTheirChecksum) {
  std::string text;
  for (int i = 0; i < 20; ++i) text += capture_line(i);
  for (std::string bytes : {gzipped(text), zstd_packed(text)}) {
    bytes[bytes.size() - 2] = static_cast<char>(bytes[bytes.size() - 2] ^ 1);
    play({file("bad", bytes)});
    EXPECT_TRUE(sink.trades.empty());
    EXPECT_EQ(sink.reasons(), std::vector<std::string>{"corrupt"});
    EXPECT_TRUE(says(files[0].error, "nothing of it was taken"));
  }
}

TEST_F(ReplayTest, EmptyFilesSaySo) {
  play({file("a.csv", ""), file("b.gz", gzipped("")), file("c.zst", zstd_packed("")),
        file("d.zip", zipped({})), file("e.csv", "\n\n"), file(kSpyName, "")});
  EXPECT_EQ(sink.reasons(), std::vector<std::string>(6, "empty"));
  EXPECT_EQ(sink.refusals[1].where, "d/b.gz");
  // One member of several may well be empty.
  play({file("f.zip", zipped({{kSpyName, "34200000,1000000,1,P,1,0\n"},
                              {"20131008_spy_Trade_Tick.csv", ""}}))});
  EXPECT_TRUE(sink.refusals.empty());
}

TEST_F(ReplayTest, WhatCannotBeOpenedIsAnErrorBeforeAnythingFlows) {
  EXPECT_EQ(refused_to_open({"nowhere.zip"}).code, ErrorCode::kNotFound);
  for (const auto& [name, bytes] : std::vector<std::pair<std::string, std::string>>{
           {"notes.txt", "hello\nworld\n"},
           {"bare.csv", "1672531436,90.54,1.1\n"},
           {"rows.json", "[[1,2,3]]"},
           {"noise.bin", "\x01\x02\x03\xff"},
           {"other.zip", zipped({{"readme.txt", "hello\n"}})},
           {"20131007_spy_Quote_Tick.csv", "14400054,0,0,1836300,100,Q,1,0\n"}}) {
    const Error error = refused_to_open({file(name, bytes)});
    EXPECT_EQ(error.code, ErrorCode::kUnsupported);
    EXPECT_TRUE(says(error.message, name)) << error.message;
    EXPECT_TRUE(says(error.message, "--map")) << error.message;
  }
}

// --- captures ---

TEST_F(ReplayTest, CapturesOfEveryVenue) {
  const std::string dir = TD_SOURCE_DIR;
  const auto stamped = read_test_file(dir + "/binance/testdata/spot.ndjson");
  play({file("spot.gz", gzipped(stamped)),
        file("matches.zst", zstd_packed(read_test_file(dir + "/coinbase/testdata/matches.ndjson"))),
        file("trades.ndjson", read_test_file(dir + "/kraken/testdata/trades.ndjson"))});
  EXPECT_TRUE(sink.refusals.empty());
  EXPECT_EQ(sink.trades.size(), 4u + 8u + 17u);
  EXPECT_EQ(series_of(sink.trades[0]), "binance/trade/BTCUSDT");
  EXPECT_EQ(sink.trades[0].ts_recv.ns, 1'723'161'254'087'896'568);
  EXPECT_EQ(series_of(sink.trades[4]), "coinbase/trade/ETH-USD");
  EXPECT_EQ(sink.trades[4].ts_recv, sink.trades[4].ts_event);  // assumed
  EXPECT_EQ(files[1].control, 3u);
  EXPECT_EQ(files[2].records, 17u);
}

TEST_F(ReplayTest, RecordingsOfCryptofeed) {
  const std::string trade = capture_line(1).substr(20);
  play({file("c.ndjson",
             "wss://stream.binance.us:9443/stream?streams=btcusdt@trade <-> 1723161254.1\n"
             "wss://stream.binance.us:9443/stream <- 1723161254.2: {\"id\":1}\n"
             "1723161254.0878969: " +
                 trade + "1723161254.5: [1,2]\n")});
  ASSERT_EQ(sink.trades.size(), 1u);
  EXPECT_EQ(sink.trades[0].ts_recv.ns, 1'723'161'254'087'896'900);
  EXPECT_EQ(sink.controls, 2);
  EXPECT_EQ(sink.reasons(), (std::vector<std::string>{"malformed"}));
}

TEST_F(ReplayTest, BadLinesOfACapture) {
  play({file("c.ndjson", capture_line(1) + "rubbish\n17 x\n" +
                             "1723161 {\"e\":\"trade\"}\n"
                             "1723161254087896568 {\"e\":\"trade\"\n" +
                             capture_line(2))});
  EXPECT_EQ(sink.reasons(),
            (std::vector<std::string>{"malformed", "malformed", "bad_time", "malformed"}));
  EXPECT_EQ(sink.refusals[3].where, "d/c.ndjson: line 5");
  EXPECT_EQ(sink.trades.size(), 2u);
}

TEST_F(ReplayTest, FramesOfNobody) {
  const std::string path = file("h.ndjson", R"({"channel":"l2Book","data":{"coin":"BTC"}})"
                                            "\n");
  const Error error = refused_to_open({path});
  EXPECT_TRUE(says(error.message, "--venue")) << error.message;
  EXPECT_EQ(refused_to_open({path}, {.map = {}, .symbol = {}, .venue = "acme"}).code,
            ErrorCode::kInvalidArgument);
}

// --- mapped files ---

TEST_F(ReplayTest, CsvByNumberAndByName) {
  play({file("a.csv", "1672531436,90.540000,1.10448420\r\n1672531437.5,90.45,1\r\n")},
       {.map = kBareMap, .symbol = "BCH/EUR", .venue = {}});
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(series_of(sink.trades[0]), "file/trade/BCH/EUR");
  EXPECT_EQ(to_string(sink.trades[0].size), "1.1044842");
  EXPECT_EQ(sink.trades[1].ts_event.ns, 1'672'531'437'500'000'000);
  EXPECT_TRUE(origin_of(sink.trades[0]).recv_assumed);

  play({file("b.csv",
             "\xef\xbb\xbf"
             "symbol,when,got,\"price, in EUR\",amount,side\n"
             "A/B,1583020803276000,1583020803307160,8531.5,2152,SELL\n"
             "\"C \"\"D\"\"\",1583020803276000,1583020803307161,\"1\",2,b\n")},
       {.map = "symbol=symbol,time=when:us,recv=got:us,price=#3,size=amount,side=side",
        .symbol = {},
        .venue = "bitmex"});
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_TRUE(sink.refusals.empty());
  EXPECT_EQ(series_of(sink.trades[0]), "bitmex/trade/A/B");
  EXPECT_EQ(series_of(sink.trades[1]), "bitmex/trade/C \"D\"");
  EXPECT_EQ(sink.trades[0].ts_recv.ns, 1'583'020'803'307'160'000);
  EXPECT_EQ(sink.trades[0].side, market::Side::kSell);
  EXPECT_EQ(sink.trades[1].side, market::Side::kBuy);
  EXPECT_EQ(sink.trades[0].identity.seq, 0u);  // the header is no record
  EXPECT_FALSE(origin_of(sink.trades[0]).recv_assumed);
  EXPECT_EQ(files[0].records, 2u);
}

TEST_F(ReplayTest, AHeaderThatTheMapDoesNotNeedIsSeen) {
  play({file("a.csv", "when,price,size\n1672531436,90,1\n")},
       {.map = kBareMap, .symbol = "X", .venue = {}});
  EXPECT_EQ(sink.trades.size(), 1u);
  EXPECT_TRUE(sink.refusals.empty());
}

TEST_F(ReplayTest, BadRowsOfCsv) {
  using namespace std::string_literals;
  play({file("b.csv",
             "1672531436,90,1\nx,90,1\n1672531436,-1,1\n1672531436,NaN,1\n1672531436,90\n"
             "1672531436,0,1\n1672531436,1e400,1\n1672531436,90,-1\n1672531436000,90,1\n"
             "\"1672531436,90,1\n\xff\xfe,90,1\n\0\0\0\n1672531437,91,1"s)},
       {.map = kBareMap, .symbol = "X", .venue = {}});
  EXPECT_EQ(sink.reasons(),
            (std::vector<std::string>{"bad_time", "bad_price", "bad_price", "missing_field",
                                      "bad_price", "bad_price", "bad_size", "bad_time", "malformed",
                                      "bad_time", "missing_field"}));
  EXPECT_TRUE(says(sink.refusals[7].detail, "as ms it is 2023-01-01"));
  EXPECT_EQ(sink.trades.size(), 2u);
}

TEST_F(ReplayTest, JsonRowsAndObjects) {
  play({file("r.json", R"([[1570752011620,"13519807",null,"sell",0.00141342,23.0,0.03250866],)"
                       "\n"
                       R"([1570752011620,"13519808",null,"sell",1e-05,54.0,0.07628364]])")},
       {.map = "time=#0:ms,id=#1,side=#3,price=#4,size=#5", .symbol = "XRP/ETH", .venue = {}});
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(to_string(sink.trades[0].price), "0.00141342");
  EXPECT_EQ(to_string(sink.trades[1].price), "0.00001");
  EXPECT_EQ(sink.trades[1].identity.seq, 13'519'808u);
  EXPECT_EQ(origin_of(sink.trades[0]), market::Origin{});  // the venue's ids
  EXPECT_EQ(catalog.series(sink.trades[0].series).order, market::TradeOrder::kIdentity);

  play({file("o.json", R"([ {"t":"2020-03-01T00:00:03.276Z","s":"A\/B","p":1e-05,"q":"3","n":7},)"
                       R"({"q":1,"p":2,"s":"A/B","t":"2020-03-01T00:00:04Z","n":"8"} ])")},
       {.map = "time=t:iso,symbol=s,price=p,size=q,sequence=n", .symbol = {}, .venue = "desk"});
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(series_of(sink.trades[0]), "desk/trade/A/B");
  EXPECT_EQ(sink.trades[0].series, sink.trades[1].series);
  EXPECT_EQ(sink.trades[1].venue_sequence, 8u);
  EXPECT_EQ(catalog.series(sink.trades[0].series).order, market::TradeOrder::kVenueSequence);
}

TEST_F(ReplayTest, BadElementsOfJson) {
  play({file("r.json",
             R"([[1570752011620,"1",null,"s",0.0014,23],[1570752011621,"2",null,"s",1e400,1],)"
             R"([1570752011622,"3",null,"s",-1,1],[1570752011623,"4",null,"s",null,1],7,,)"
             R"([1570752011623,"4",null,"s",[1],1],{"a":1},[1570752011624,"5"}])")},
       {.map = "time=#0:ms,price=#4,size=#5", .symbol = "X", .venue = {}});
  EXPECT_EQ(sink.trades.size(), 1u);
  EXPECT_EQ(sink.reasons(),
            (std::vector<std::string>{"bad_price", "bad_price", "missing_field", "malformed",
                                      "malformed", "missing_field", "missing_field", "malformed"}));
  play({file("cut.json", R"([[1570752011620,"1",null,"s",0.0014,23.0],[15707520)")},
       {.map = "time=#0:ms,price=#4,size=#5", .symbol = "X", .venue = {}});
  EXPECT_EQ(sink.trades.size(), 1u);
  EXPECT_EQ(sink.reasons(), std::vector<std::string>{"truncated"});
  EXPECT_TRUE(says(sink.refusals[0].detail, "JSON array is incomplete"));
}

// An id without an order of its own cannot say which of two trades came first.
TEST_F(ReplayTest, IdsThatAreNoNumbersLeaveTheRecordNumberAsIdentity) {
  const ReplayOptions options{
      .map = "time=#0:s,price=#1,size=#2,id=#3", .symbol = "X", .venue = {}};
  play({file("a.csv", "1672531436,90,1,7\n1672531436,90,1,ccc3c1fa-212c-e8b0-1706-9b9c4f3d5ecf\n")},
       options);
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(origin_of(sink.trades[0]).kind, market::OriginKind::kFile);
  EXPECT_EQ(sink.trades[0].identity.seq, 0u);
  play({file("a.csv", "1672531436,90,1,7\n1672531436,90,1,9\n")}, options);
  EXPECT_EQ(origin_of(sink.trades[0]).kind, market::OriginKind::kVenue);
  EXPECT_EQ(sink.trades[1].identity.seq, 9u);
}

TEST_F(ReplayTest, MapsThatCannotBe) {
  const std::string path = file("t.csv", "when,price,size\n1672531436,90,1\n");
  for (const auto& [map, phrase] : std::vector<std::pair<std::string, std::string>>{
           {"time=#0:parsecs,price=#1,size=#2", "parsecs"},
           {"time=#0,price=#1,size=#2", "unit"},
           {"tme=#0:s,price=#1,size=#2", "tme"},
           {"time=#0:s,size=#2", "price"},
           {"price=#1,size=#2", "time"},
           {"time=#x:s,price=#1,size=#2", "#x"},
           {"time", "time"},
           {"time=#0:s,price=#1,price=#2,size=#2", "twice"},
           {"time=#0:s,price=,size=#2", "price"},
           {"time=#0:s,price=#99999,size=#2", "#99999"},
           {"time=timestamp:s,price=price,size=size",
            "'timestamp'; the header is 'when,price,size'"}}) {
    const Error error = refused_to_open({path}, {.map = map, .symbol = "X", .venue = {}});
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument) << map;
    EXPECT_TRUE(says(error.message, phrase)) << error.message;
  }
  EXPECT_TRUE(says(refused_to_open({path}, {.map = kBareMap, .symbol = {}, .venue = {}}).message,
                   "--symbol"));
  EXPECT_FALSE(check_map(""));
  EXPECT_TRUE(check_map(kBareMap));
}

// --- several files ---

TEST_F(ReplayTest, MergedByTime) {
  const ReplayOptions options{
      .map = "time=#0:s,price=#1,size=#2,symbol=#3", .symbol = {}, .venue = {}};
  std::string even, odd;
  for (int i = 0; i < 3000; ++i) {
    (i % 2 == 0 ? even : odd) +=
        std::to_string(1'672'531'436 + i) + ",90," + std::to_string(i + 1) + ",X\n";
  }
  const std::vector<std::string> paths{file("even.csv", even + "bad\n"),
                                       file("odd.csv", "bad\n" + odd),
                                       file("cut.zip", "PK\x03\x04"), file("none.csv", "")};
  play(paths, options, true, 7);
  ASSERT_EQ(sink.trades.size(), 3000u);
  EXPECT_TRUE(std::ranges::is_sorted(sink.trades, {}, &market::Trade::ts_event));
  EXPECT_EQ(sink.refusals.size(), 4u);
  EXPECT_TRUE(std::ranges::count(sink.texts, "bad") == 2);
  const auto merged = sink.trades;
  play(paths, options, false, 1000);
  auto in_turn = sink.trades;
  EXPECT_FALSE(std::ranges::is_sorted(in_turn, {}, &market::Trade::ts_event));
  std::ranges::stable_sort(in_turn, {}, &market::Trade::ts_event);
  EXPECT_EQ(in_turn, merged);
}

}  // namespace
}  // namespace tapedeck::feeds::replay
