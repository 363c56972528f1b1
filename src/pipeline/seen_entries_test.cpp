#include "pipeline/seen_entries.hpp"

#include <gtest/gtest.h>

#include <map>

#include "market/trade.hpp"

namespace tapedeck::pipeline {
namespace {

using market::StreamKind;

market::Batch batch_of(market::Catalog& catalog, const std::string& instrument,
                       std::initializer_list<std::uint64_t> seqs, std::uint64_t position = 0) {
  market::Batch batch;
  for (const std::uint64_t seq : seqs) {
    batch.trades.push_back(
        {.series = catalog.intern(market::Series{
             .key = {"x", "trade", instrument}, .calendar = "us_equity", .conditions = "t"}),
         .identity = {catalog.intern(market::Origin{
                          .kind = market::OriginKind::kFile, .key = "ab", .first = {7}}),
                      seq, position}});
  }
  return batch;
}

// What is restored from all entries ever taken, the newest of each key.
std::string restored(const std::map<std::string, std::string>& entries) {
  market::Catalog catalog;
  SeenEntries seen(catalog);
  std::string text;
  const Status done = seen.restore(
      {entries.begin(), entries.end()}, [&](StreamKind kind, SeriesId series, OriginId origin,
                                            std::uint64_t first, std::uint64_t last) {
        EXPECT_EQ(kind, StreamKind::kTrade);
        EXPECT_EQ(catalog.series(series).calendar, "us_equity");
        EXPECT_EQ(catalog.origin(origin).first, Timestamp{7});
        text += catalog.series(series).key.instrument + std::to_string(first) + "-" +
                std::to_string(last) + " ";
      });
  return done ? text : done.error().message;
}

TEST(SeenEntries, ComeBackAsTheyWere) {
  market::Catalog catalog;
  SeenEntries seen(catalog);
  std::map<std::string, std::string> entries{{"series/other", "not ours"}};
  const auto take = [&] {
    std::size_t changed = 0;
    for (auto& [key, value] : seen.take()) {
      entries[key] = value;
      ++changed;
    }
    return changed;
  };
  seen.add(batch_of(catalog, "A", {1, 2, 3, 9}));
  seen.add(batch_of(catalog, "B", {0, 5'000'000'000}));
  seen.add(batch_of(catalog, "A", {77}, 1));  // has a position
  EXPECT_EQ(take(), 3u);
  EXPECT_EQ(restored(entries), "A1-3 A9-9 B0-0 B5000000000-5000000000 ");
  seen.add(batch_of(catalog, "A", {4}));
  EXPECT_EQ(take(), 1u);
  EXPECT_EQ(restored(entries), "A1-4 A9-9 B0-0 B5000000000-5000000000 ");
  EXPECT_EQ(take(), 0u);

  for (auto& [key, value] : entries) {
    if (key.starts_with("seen/")) value.pop_back();
  }
  EXPECT_NE(restored(entries).find("make no sense"), std::string::npos);
}

}  // namespace
}  // namespace tapedeck::pipeline
