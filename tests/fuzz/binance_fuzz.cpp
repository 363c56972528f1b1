// tests/fuzz/binance_fuzz.cpp: any bytes as a frame of binance.
#include "feeds/binance/binance_feed.hpp"
#include "fuzz/checking_sink.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  tapedeck::feeds::fuzz_feed<tapedeck::feeds::binance::BinanceFeed>(
      {reinterpret_cast<const char*>(data), size});
  return 0;
}
