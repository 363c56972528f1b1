// tests/fuzz/http_fuzz.cpp: a client's bytes, from the first of a connection on. The input's first
// byte says how long the pieces are in which they come; 0: all at once.
#include "fuzz/served_bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static tapedeck::net::FuzzedServer server;
  tapedeck::net::fuzz_http(server, data, size);
  return 0;
}
