// tests/fuzz/finnhub_fuzz.cpp: any bytes as a frame of finnhub.
#include "feeds/finnhub/finnhub_feed.hpp"
#include "fuzz/checking_sink.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  tapedeck::feeds::fuzz_feed<tapedeck::feeds::finnhub::FinnhubFeed>(
      {reinterpret_cast<const char*>(data), size});
  return 0;
}
