// tests/fuzz/yahoo_fuzz.cpp: any bytes as a frame of yahoo.
#include "feeds/yahoo/yahoo_feed.hpp"
#include "fuzz/checking_sink.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  tapedeck::feeds::fuzz_feed<tapedeck::feeds::yahoo::YahooFeed>(
      {reinterpret_cast<const char*>(data), size});
  return 0;
}
