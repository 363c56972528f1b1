// tests/fuzz/websocket_fuzz.cpp: a client's bytes once it has a WebSocket. The input's first byte
// says how long the pieces are in which they come; 0: all at once.
#include "fuzz/served_bytes.hpp"

namespace {

using namespace tapedeck;
using namespace tapedeck::net;

std::string upgrade() {
  return "GET /api/v1/live HTTP/1.1\r\nHost: localhost:8273\r\nAuthorization: Bearer " +
         kFuzzToken +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

// A server's frames are whole, of one piece, and not masked.
void check_frames(std::string_view bytes) {
  constexpr unsigned kText = 0x81, kClose = 0x88, kPing = 0x89, kPong = 0x8a;
  while (!bytes.empty()) {
    const auto byte = [&](std::size_t at) {
      TD_CHECK(at < bytes.size());
      return static_cast<unsigned char>(bytes[at]);
    };
    const unsigned head = byte(0);
    std::size_t begin = 2, length = byte(1);
    TD_CHECK(length < 0x80);
    for (const std::size_t more = length == 127 ? 8 : length == 126 ? 2 : 0; begin < 2 + more;) {
      length = begin == 2 ? byte(begin) : length << 8 | byte(begin);
      ++begin;
    }
    TD_CHECK(begin + length <= bytes.size());
    const std::string_view payload = bytes.substr(begin, length);
    TD_CHECK(head == kText || head == kClose || head == kPing || head == kPong);
    if (head == kText) TD_CHECK(payload.starts_with("{\"type\":\"") && payload.ends_with("}"));
    TD_CHECK(head == kText || length < 126);
    bytes.remove_prefix(begin + length);
    TD_CHECK(head != kClose || bytes.empty());  // it is the last
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static FuzzedServer server;
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string answers = server.serve(upgrade(), input, data[0]);
  TD_CHECK(answers.starts_with("HTTP/1.1 101 "));
  check_frames(std::string_view(answers).substr(answers.find("\r\n\r\n") + 4));
  return 0;
}
