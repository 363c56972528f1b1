// tests/fuzz/declared_fuzz.cpp: any bytes as a document of a venue that a pipeline file declares,
// and as what it declares.
#include "base/check.hpp"
#include "feeds/declared/declared_venue.hpp"
#include "fuzz/checking_sink.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace tapedeck;
  using feeds::declared::RowKind;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(feeds::declared::parse_json_map(text));
  static_cast<void>(feeds::declared::parse_json_filter(text));
  const std::pair<RowKind, const char*> kinds[]{
      {RowKind::kTrade, "time=/T:ms,price=/p,size=/q,id=/t,symbol=/s,side=/m:false"},
      {RowKind::kTick, "price=/p,time=/T:ms"},
      {RowKind::kQuote, "bid=/b,bid_size=/B,ask=/a,ask_size=/A"},
      {RowKind::kRecord, "id=/login/uuid"}};
  for (const auto& [kind, map] : kinds) {
    for (const char* rows : {"", "/data", "/data/0"}) {
      market::Catalog catalog;
      auto reader = feeds::declared::RowReader::make(
          {.name = "v", .kind = kind, .rows = rows, .map = map}, catalog);
      TD_CHECK(reader.has_value());
      feeds::CheckingSink sink(catalog);
      (*reader)->read(text, "S", Timestamp{1'723'161'254'000'000'000}, "fuzz", sink);
      TD_CHECK(sink.answers > 0);
    }
  }
  return 0;
}
