// tests/fuzz/http_canary_fuzz.cpp: must fail. A handler that forgets to ask who is there.
#include "fuzz/served_bytes.hpp"

namespace {

using namespace tapedeck::net;

class TrustingHandler final : public HttpHandler {
 public:
  HttpResponse on_request(const HttpRequest&) override {
    return {.content_type = "text/plain", .body = "come in", .headers{}};
  }
  std::expected<std::unique_ptr<WebSocketHandler>, HttpResponse> on_upgrade(
      const HttpRequest& request) override {
    return std::unexpected(on_request(request));
  }
  HttpResponse on_refusal(const HttpRefusal& refusal) override {
    return {.status = refusal.status, .content_type{}, .body{}, .headers{}};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static TrustingHandler handler;
  static FuzzedServer server(&handler);
  fuzz_http(server, data, size);
  return 0;
}
