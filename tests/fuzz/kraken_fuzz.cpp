// tests/fuzz/kraken_fuzz.cpp: any bytes as a frame of kraken.
#include "feeds/kraken/kraken_feed.hpp"
#include "fuzz/checking_sink.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  tapedeck::feeds::fuzz_feed<tapedeck::feeds::kraken::KrakenFeed>(
      {reinterpret_cast<const char*>(data), size});
  return 0;
}
