// The large recordings, where TAPEDECK_CORPUS names their folder: each is taken whole.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <set>

#include "feeds/recording_sink.hpp"
#include "feeds/replay/replay.hpp"
#include "feeds/replay/venues_test.hpp"

namespace tapedeck::feeds::replay {
namespace {

struct Recording {
  const char* folder;
  const char* ending;
  std::size_t distinct_trades;
  ReplayOptions options{};
};

TEST(Corpus, EveryRecordingIsTakenWhole) {
  const char* corpus = std::getenv("TAPEDECK_CORPUS");
  if (corpus == nullptr) GTEST_SKIP() << "not run: no corpus";
  const Recording recordings[] = {
      {"lean/equity/tick/spy", "_trade.zip", 1'601'855},
      {"lean/equity/tick/ibm", "_trade.zip", 107'131},
      {"lean/equity/tick/aig", "_trade.zip", 25'351},
      {"lean/future/tick/gc", "_trade.zip", 92'514},
      {"hftbacktest/spot", ".gz", 26'010},
      {"hftbacktest/usdm", ".gz", 21'313},
      {"hftbacktest/cm", ".gz", 5'235},
      {"flashbook", "coinbase-live-btc-eth.ndjson.zst", 437},
      {"flashbook", "kraken-live-btc-eth.ndjson.zst", 17},
      {"finnhub", "ws_aapl_20230331.ndjson", 61},
      {"cryptofeed", "BINANCE.ws.1.0.zst", 2},  // aggregates of trades
      {"cryptofeed", "BINANCE_TR.ws.1.0.zst", 0},
      {"cryptofeed", "BINANCE_US.ws.1.0.zst", 11},
      {"cryptofeed", "COINBASE.ws.28.0.zst", 107},
      {"freqtrade",
       "XRP_ETH-trades.json.gz",
       12'477,
       {.map = "time=#0:ms,id=#1,side=#3,price=#4,size=#5", .symbol = "XRP/ETH", .venue = {}}},
      {"freqtrade",
       "BCHEUR.csv",
       148,
       {.map = "time=#0:s,price=#1,size=#2", .symbol = "BCH/EUR", .venue = {}}},
      {"nautilus/tardis",
       "bitmex_trades_XBTUSD.csv",
       10,
       {.map =
            "symbol=symbol,time=timestamp:us,recv=local_timestamp:us,id=id,side=side,price=price,"
            "size=amount",
        .symbol = {},
        .venue = "bitmex"}},
  };
  auto disk = real_disk();
  for (const Recording& recording : recordings) {
    std::vector<std::string> paths;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(corpus) + "/" + recording.folder)) {
      if (entry.path().string().ends_with(recording.ending)) paths.push_back(entry.path().string());
    }
    ASSERT_FALSE(paths.empty()) << recording.folder;
    market::Catalog catalog;
    RecordingSink sink;
    auto source = open_replay(*disk, paths, with_venues(recording.options), catalog, true);
    ASSERT_TRUE(source) << source.error().message;
    while (*(*source)->pull(sink, 4096)) {
    }
    EXPECT_TRUE(sink.refusals.empty())
        << recording.folder << ": " << sink.refusals[0].where << ": " << sink.refusals[0].detail;
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>> identities;
    for (const market::Trade& trade : sink.trades) {
      identities.emplace(trade.series.value, trade.identity.origin.value, trade.identity.seq);
    }
    EXPECT_EQ(identities.size(), recording.distinct_trades) << recording.folder;
  }
}

// What the frames of a file were. A frame of several trades counts as often.
struct Frames {
  const char* file;
  std::size_t trades;
  std::size_t others;  // events that are no trades
  int controls;
  std::size_t refusals = 0;
  bool operator==(const Frames&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Frames& frames) {
  return out << frames.trades << " trades, " << frames.others << " others, " << frames.controls
             << " control, " << frames.refusals << " refused";
}

TEST(Corpus, EveryFrameIsAnEventOrControlOrRefused) {
  const char* corpus = std::getenv("TAPEDECK_CORPUS");
  if (corpus == nullptr) GTEST_SKIP() << "not run: no corpus";
  const Frames golden[] = {
      {"hftbacktest/spot/btcusdt_20240808.gz", 9757, 0, 31492},
      {"hftbacktest/spot/btcusdt_20240809.gz", 10147, 0, 48178},
      {"hftbacktest/spot/ethusdt_20240808.gz", 6106, 0, 27512},
      {"hftbacktest/usdm/btcusdt_20240808.gz", 21313, 0, 72641},
      {"hftbacktest/cm/btcusd_perp_20240808.gz", 2286, 0, 45984},
      {"hftbacktest/cm/btcusd_perp_20240809.gz", 2949, 0, 47167},
      {"flashbook/coinbase-live-btc-eth.ndjson.zst", 437, 0, 2019},
      {"flashbook/kraken-live-btc-eth.ndjson.zst", 17, 0, 2990},
      {"cryptofeed/BINANCE.ws.1.0.zst", 2, 0, 264},
      {"cryptofeed/BINANCE_TR.ws.1.0.zst", 0, 0, 140},
      {"cryptofeed/BINANCE_US.ws.1.0.zst", 11, 0, 470},
      {"cryptofeed/COINBASE.ws.28.0.zst", 107, 0, 9843},
      {"finnhub/ws_aapl_20230331.ndjson", 61, 0, 0},
      {"finnhub/ws_misc.ndjson", 23, 0, 1, 1},  // too many symbols, says the venue
      {"yahoo/streamer_v2.ndjson", 0, 4, 6},
      {"yahoo/streamer_v1.b64", 0, 4, 6},
  };
  auto disk = real_disk();
  std::set<std::string> known;
  for (const Frames& want : golden) {
    known.insert(std::string(corpus) + "/" + want.file);
    market::Catalog catalog;
    RecordingSink sink;
    auto source =
        open_replay(*disk, {std::string(corpus) + "/" + want.file}, with_venues({}), catalog, true);
    ASSERT_TRUE(source) << source.error().message;
    while (*(*source)->pull(sink, 4096)) {
    }
    EXPECT_EQ((Frames{want.file, sink.trades.size(), sink.others.size(), sink.controls,
                      sink.refusals.size()}),
              want)
        << want.file << (sink.refusals.empty() ? "" : ": " + sink.refusals.front().detail);
  }
  // Those of venues that no feed knows are refused as a whole, with a reason.
  int foreign = 0;
  for (const char* folder : {"cryptofeed", "hftbacktest/hyperliquid"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(corpus) + "/" + folder)) {
      const std::string path = entry.path().string();
      if (known.contains(path) || !(path.ends_with(".zst") || path.ends_with(".gz"))) continue;
      ++foreign;
      market::Catalog catalog;
      const auto source = open_replay(*disk, {path}, with_venues({}), catalog, true);
      ASSERT_FALSE(source) << path;
      EXPECT_NE(source.error().message.find("those that can be read are"), std::string::npos)
          << path << ": " << source.error().message;
    }
  }
  EXPECT_EQ(foreign, 23);
}

}  // namespace
}  // namespace tapedeck::feeds::replay
