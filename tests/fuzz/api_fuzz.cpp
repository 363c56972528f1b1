// tests/fuzz/api_fuzz.cpp: what a client may send, below the bytes of HTTP: the first line is the
// target of a request, each further line a message on the live socket.
#include "api/api.hpp"
#include "api/fake_pipeline.hpp"
#include "api/message.hpp"
#include "base/check.hpp"

namespace {

using namespace tapedeck;
using namespace tapedeck::api;

const std::string kToken(32, 't');

void check_error(std::string_view body) {
  TD_CHECK(body.starts_with("{\"error\":{\"code\":\"") && body.find("\"action\":\"") != body.npos);
}

void ask(Api& api, std::string_view method, std::string_view text, std::string_view body) {
  auto target = net::parse_target(text);
  if (!target) return;
  const net::HttpRequest request{.method = std::string(method),
                                 .path = target->path,
                                 .query = target->query,
                                 .headers = {{"Authorization", "Bearer " + kToken}},
                                 .body = std::string(body)};
  (void)api.is_slow(request);
  const net::HttpResponse response = api.on_request(request);
  TD_CHECK(response.status >= 200 && response.status < 600);
  if (response.status >= 400) {
    if (response.content_type == "application/json" && request.path.starts_with("/api/")) {
      check_error(response.body);
    }
  }
  net::HttpRequest stranger = request;
  stranger.headers.clear();
  const int status = api.on_request(stranger).status;
  const bool is_open =
      request.path == "/healthz" || request.path == "/readyz" || request.path.starts_with("/docs");
  TD_CHECK(is_open || status == 401 || status == 303);
}

void talk(Api& api, std::string_view target, std::string_view messages) {
  auto parsed = net::parse_target(target);
  if (!parsed) return;
  auto session = api.on_upgrade({.method = "GET",
                                 .path = "/api/v1/live",
                                 .query = parsed->query,
                                 .headers = {{"Authorization", "Bearer " + kToken}},
                                 .body = {}});
  if (!session) return check_error(session.error().body);
  while (!messages.empty()) {
    const std::string_view message = messages.substr(0, messages.find('\n'));
    messages.remove_prefix(std::min(messages.size(), message.size() + 1));
    (*session)->on_message(message);
    (*session)->on_wake();
    for (int steps = 0;; ++steps) {
      TD_CHECK(steps < 1000);  // it comes to rest
      const auto step = (*session)->next();
      if (std::holds_alternative<std::monostate>(step)) break;
      if (std::holds_alternative<net::CloseWebSocket>(step)) return;
      TD_CHECK(std::get<std::string>(step).starts_with("{\"type\":\""));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static FakePipeline fake;
  static const SystemClock clock;
  static Log log(clock, LogFormat::kText, LogLevel::kError, [](LogLevel, std::string_view) {});
  static Metrics metrics;
  static Api api(
      {.history = fake, .live = fake, .play = fake, .metrics = metrics, .log = log, .version = "0"},
      TokenGate({.operators = Secret(kToken)}, 8273));
  static const bool is_filled = [] {
    fake.put(bar(0, "10", 1));
    fake.put_trade("10", Timestamp{5}, 1);
    fake.table = store::Table{.columns = {"a"}, .rows = {{1.5}, {std::string("x")}}};
    return true;
  }();
  (void)is_filled;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view target = text.substr(0, text.find('\n'));
  const std::string_view rest = text.substr(std::min(text.size(), target.size() + 1));
  ask(api, "GET", target, {});
  ask(api, "POST", target, rest);
  talk(api, target, rest);
  return 0;
}
