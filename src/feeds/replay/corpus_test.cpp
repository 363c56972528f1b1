// The large recordings, where TAPEDECK_CORPUS names their folder: each is taken whole.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
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
      // Aggregates of trades, and no trades: known traffic that is no event.
      {"cryptofeed", "BINANCE.ws.1.0.zst", 0},
      {"cryptofeed", "BINANCE_TR.ws.1.0.zst", 0},
      {"cryptofeed", "BINANCE_US.ws.1.0.zst", 0},
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

}  // namespace
}  // namespace tapedeck::feeds::replay
