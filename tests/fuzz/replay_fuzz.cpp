// tests/fuzz/replay_fuzz.cpp: any bytes as a file to replay; the first one chooses what it is said
// to be.
#include "base/check.hpp"
#include "base/memory_disk.hpp"
#include "feeds/replay/replay.hpp"
#include "feeds/replay/venues_test.hpp"
#include "fuzz/checking_sink.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace tapedeck;
  using namespace tapedeck::feeds;
  if (size == 0) return 0;
  const char* const names[] = {"d/20131007_spy_Trade_Tick.csv", "d/20131103_spy_trade_tick.csv",
                               "d/20131007_gc_tick_trade_201412.csv", "d/x"};
  const replay::ReplayOptions options[] = {
      {},
      {.map = "time=#0:s,price=#1,size=#2,id=#3,side=#4", .symbol = "X", .venue = {}},
      {.map = "time=t:iso,price=p,size=q,symbol=s,recv=r:ms,sequence=n",
       .symbol = {},
       .venue = "v"},
      {.map = {}, .symbol = {}, .venue = "kraken"}};
  const std::string path = names[data[0] % 4];
  MemoryDisk disk;
  TD_CHECK(disk.create_directories("d"));
  auto file = disk.open(path, OpenMode::kCreate);
  TD_CHECK(file && (*file)->append({reinterpret_cast<const char*>(data) + 1, size - 1}));
  market::Catalog catalog;
  auto source = replay::open_replay(disk, {path}, replay::with_venues(options[data[0] / 4 % 4]),
                                    catalog, data[0] / 16 % 2 == 1);
  if (!source) return 0;
  CheckingSink sink(catalog);
  for (int pulls = 0; pulls < 100'000; ++pulls) {
    const auto more = (*source)->pull(sink, 100);
    TD_CHECK(more.has_value());
    if (!*more) break;
  }
  return 0;
}
