// tests/fuzz/coinbase_fuzz.cpp: any bytes as a frame of coinbase.
#include "feeds/coinbase/coinbase_feed.hpp"
#include "fuzz/checking_sink.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  tapedeck::feeds::fuzz_feed<tapedeck::feeds::coinbase::CoinbaseFeed>(
      {reinterpret_cast<const char*>(data), size});
  return 0;
}
