// tests/fuzz/alpha_vantage_fuzz.cpp: any bytes as an answer of Alpha Vantage.
#include "base/check.hpp"
#include "feeds/alpha_vantage/alpha_vantage_poll.hpp"
#include "fuzz/checking_sink.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace tapedeck;
  market::Catalog catalog;
  auto poll = feeds::alpha_vantage::make_poll({.symbols = {"IBM"}, .key = Secret("key")}, catalog);
  TD_CHECK(poll.has_value());
  feeds::CheckingSink sink(catalog);
  (*poll)->on_answer({reinterpret_cast<const char*>(data), size},
                     Timestamp{1'723'161'254'000'000'000}, "fuzz", sink);
  static_cast<void>((*poll)->next());
  return 0;
}
