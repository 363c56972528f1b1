// tests/fuzz/ingest_fuzz.cpp: any bytes as rows that a program hands in, as CSV and as JSON.
#include "base/check.hpp"
#include "feeds/events/events_feed.hpp"
#include "feeds/ingest/ingest_reader.hpp"
#include "fuzz/checking_sink.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace tapedeck;
  static const market::ConditionTables tables;
  for (const bool is_csv : {false, true}) {
    market::Catalog catalog;
    feeds::ingest::IngestReader reader(
        catalog, std::make_unique<feeds::events::EventsFeed>(catalog, tables), {});
    const feeds::Rows rows{.body = {reinterpret_cast<const char*>(data), size},
                           .is_csv = is_csv,
                           .venue = "v",
                           .symbol = "s",
                           .time = "ms",
                           .key = "k-1",
                           .ts_recv = Timestamp{1'723'161'254'000'000'000}};
    feeds::CheckingSink sink(catalog);
    if (reader.check(rows)) reader.read(rows, sink);
    TD_CHECK(sink.answers <= static_cast<int>(size));
  }
  return 0;
}
