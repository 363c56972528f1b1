// The server on real sockets of the loopback interface.
#include "net/http_server.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/tls1.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "net/https_client.hpp"
#include "net/loopback_client.hpp"
#include "net/test_ca_file.hpp"

namespace tapedeck::net {
namespace {

using testing::HasSubstr;

// Waits until `condition` holds, with patience.
bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + LoopbackClient::kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

// What the test and the handler, which runs on the server's thread, tell each other.
struct Script {
  std::atomic<int> wakes = 0;
  std::atomic<int> ticks = 0;
  std::atomic<int> open_sessions = 0;
  std::atomic<std::size_t> bytes_per_wake = 0;  // a message of this size for each wake
  std::atomic<bool> slow_may_end = false;
  std::atomic<int> slow_ones = 0;  // that are being answered

  void say(WebSocketStep step) {
    std::lock_guard lock(mutex);
    steps.push_back(std::move(step));
  }
  std::mutex mutex;
  std::deque<WebSocketStep> steps;  // to whoever asks first
  std::vector<std::string> heard;
};

class TestSession final : public WebSocketHandler {
 public:
  explicit TestSession(Script& script) : script_(script) { ++script_.open_sessions; }
  ~TestSession() override { --script_.open_sessions; }
  void on_wake() override {
    ++script_.wakes;
    is_woken_ = true;
  }
  void on_tick() override { ++script_.ticks; }
  void on_message(std::string_view text) override {
    std::lock_guard lock(script_.mutex);
    script_.heard.emplace_back(text);
    if (text == "answer me") script_.steps.emplace_back("heard you");
  }
  WebSocketStep next() override {
    if (is_woken_ && script_.bytes_per_wake > 0) {
      is_woken_ = false;
      return std::string(script_.bytes_per_wake, 'x');
    }
    std::lock_guard lock(script_.mutex);
    if (script_.steps.empty()) return std::monostate{};
    WebSocketStep step = std::move(script_.steps.front());
    script_.steps.pop_front();
    return step;
  }

 private:
  Script& script_;
  bool is_woken_ = false;
};

class TestHandler final : public HttpHandler {
 public:
  explicit TestHandler(Script& script) : script_(script) {}

  bool is_slow(const HttpRequest& request) const override {
    return request.path == "/slow" || request.path == "/slow-thread";
  }

  bool waits(const HttpRequest& request) const override { return request.path == "/waits-thread"; }
  std::size_t body_bytes_max(const HttpRequest& request) const override {
    return request.path == "/waits-thread" && request.header("X-Key") == "right" ? 5000 : 0;
  }

  HttpResponse on_request(const HttpRequest& request) override {
    if (request.path == "/slow") {
      ++script_.slow_ones;
      while (!script_.slow_may_end) std::this_thread::yield();
      --script_.slow_ones;
    }
    if (request.path == "/peer") {
      return {.content_type = "text/plain",
              .body = request.peer + (request.is_tls ? " tls" : ""),
              .headers{}};
    }
    if (request.path == "/large") return {.content_type = "text/plain", .body = large, .headers{}};
    if (request.path.ends_with("thread")) {
      char name[16]{};
      pthread_getname_np(pthread_self(), name, sizeof name);
      return {.content_type = "text/plain", .body = name, .headers{}};
    }
    if (request.path == "/same") return {.status = 304, .content_type{}, .body{}, .headers{}};
    return {.content_type = "text/plain",
            .body = fmt::format("{} {} {}", request.method, request.path, request.body),
            .headers = {{"X-Seen", std::string(request.header("x-sent"))}}};
  }

  std::expected<std::unique_ptr<WebSocketHandler>, HttpResponse> on_upgrade(
      const HttpRequest& request) override {
    if (request.path != "/live") {
      return std::unexpected(
          HttpResponse{.status = 404, .content_type{}, .body = "no such", .headers{}});
    }
    return std::make_unique<TestSession>(script_);
  }

  HttpResponse on_refusal(const HttpRefusal& refusal) override {
    return {.status = refusal.status,
            .content_type = "text/plain",
            .body = fmt::format("{}: {}", refusal.reason, refusal.message),
            .headers{}};
  }

  const std::string large = std::string(2 << 20, 'y');

 private:
  Script& script_;
};

// Whether it speaks TLS.
class HttpServerTest : public testing::TestWithParam<bool> {
 protected:
  void start(HttpServerOptions options = {}) {
    if (is_tls()) options.tls = good_identity();
    auto listening = HttpServer::listen(options, metrics_, log_);
    ASSERT_TRUE(listening) << listening.error().message;
    server_ = *std::move(listening);
    server_->serve(handler_);
  }
  static bool is_tls() { return GetParam(); }
  std::uint16_t port() const { return server_->port(); }
  LoopbackClient::Door door() const { return {port(), is_tls()}; }
  std::uint64_t refusals(const std::string& reason) {
    return metrics_.counter("tapedeck_net_refusals_total", "", {{"reason", reason}}).value();
  }
  std::int64_t gauge(const std::string& name) { return metrics_.gauge(name, "").value(); }
  bool all_gone() {
    return eventually([&] { return gauge("tapedeck_net_connections") == 0; });
  }

  SystemClock clock_;
  std::mutex log_mutex_;
  std::string logged_;
  Log log_{clock_, LogFormat::kText, LogLevel::kInfo,
           [this](LogLevel, std::string_view line) { logged_ += line; }};
  Metrics metrics_;
  Script script_;
  TestHandler handler_{script_};
  std::unique_ptr<HttpServer> server_;
};

TEST_P(HttpServerTest, AnswersOneRequestAfterTheOther) {
  start();
  LoopbackClient client(door());
  const auto first = client.request("GET", "/a?b=c", "X-Sent: hello\r\n");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->status, 200);
  EXPECT_EQ(first->body, "GET /a ");
  EXPECT_EQ(first->header("x-seen"), "hello");
  EXPECT_EQ(first->header("content-type"), "text/plain");
  const auto second = client.request("POST", "/b", {}, "body");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->body, "POST /b body");
}

TEST_P(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  LoopbackClient client(door());
  const std::string host = fmt::format("Host: localhost:{}\r\n\r\n", port());
  client.send("GET /1 HTTP/1.1\r\n" + host + "GET /2 HTTP/1.1\r\n" + host);
  EXPECT_EQ(client.read_answer()->body, "GET /1 ");
  EXPECT_EQ(client.read_answer()->body, "GET /2 ");
}

TEST_P(HttpServerTest, HeadHasTheLengthAndNoBody) {
  start();
  LoopbackClient client(door());
  const auto head = client.request("HEAD", "/large");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->header("content-length"), std::to_string(handler_.large.size()));
  EXPECT_EQ(client.request("GET", "/next")->body, "GET /next ");
}

TEST_P(HttpServerTest, NotModifiedHasNoBody) {
  start();
  LoopbackClient client(door());
  const auto same = client.request("GET", "/same");
  ASSERT_TRUE(same);
  EXPECT_EQ(same->status, 304);
  EXPECT_EQ(same->header("content-length"), "");
  EXPECT_EQ(client.request("GET", "/next")->body, "GET /next ");
}

TEST_P(HttpServerTest, SendsLargeAnswersWhole) {
  start();
  LoopbackClient client(door());
  EXPECT_EQ(client.request("GET", "/large")->body, handler_.large);
}

TEST_P(HttpServerTest, RunsOnAThreadOfThatName) {
  start();
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/thread")->body, "net");
}

TEST_P(HttpServerTest, NobodyWaitsForASlowAnswer) {
  start({.limits = {.slow_threads = 2, .slow_requests_max = 1}});
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/slow-thread")->body, "net-slow");
  const std::string slow = fmt::format("GET /slow HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", port());
  LoopbackClient first(door()), second(door()), third(door()), fourth(door());
  first.send(slow);  // one after the other: what no thread has taken yet counts as waiting
  ASSERT_TRUE(eventually([&] { return script_.slow_ones == 1; }));
  second.send(slow);
  ASSERT_TRUE(eventually([&] { return script_.slow_ones == 2; }));
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/quick")->body, "GET /quick ");
  // Both threads are taken: one may wait, and the next is told so. Which is which is not certain.
  third.send(slow);
  ASSERT_TRUE(eventually([&] {
    LoopbackClient more(door());
    more.send(slow);
    return refusals("too_busy") > 0;
  }));
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/quick")->status, 200);
  script_.slow_may_end = true;
  EXPECT_EQ(first.read_answer()->body, "GET /slow ");
  EXPECT_EQ(second.read_answer()->body, "GET /slow ");
  EXPECT_EQ(first.request("GET", "/next")->body, "GET /next ");
}

TEST_P(HttpServerTest, EndsWhileSomebodyWaitsForASlowAnswer) {
  for (int i = 0; i < 20; ++i) {
    script_.slow_may_end = false;
    start({.limits = {.slow_threads = 1}});
    const std::string slow =
        fmt::format("GET /slow HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", port());
    LoopbackClient answered(door()), waiting(door());
    answered.send(slow);
    ASSERT_TRUE(eventually([&] { return script_.slow_ones == 1; }));
    waiting.send(slow);
    std::thread ending([&] { server_.reset(); });
    script_.slow_may_end = true;
    ending.join();
    EXPECT_EQ(gauge("tapedeck_net_connections"), 0);
  }
}

TEST_P(HttpServerTest, AConnectionMayAskOnlySoOften) {
  start({.limits = {.requests_per_second_max = 3}});
  LoopbackClient client(door());
  int answered = 0;
  std::optional<LoopbackClient::Answer> answer;
  // More than a second's worth, so that a second that ends in between changes nothing.
  for (int i = 0; i < 8; ++i) {
    answer = client.request("GET", "/");
    ASSERT_TRUE(answer);
    if (answer->status == 429) break;
    ++answered;
  }
  EXPECT_GE(answered, 3);
  EXPECT_EQ(answer->status, 429);
  EXPECT_THAT(answer->body, HasSubstr("3 requests in a second"));
  EXPECT_TRUE(client.read_end());
  EXPECT_EQ(refusals("too_many_requests"), 1u);
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/")->status, 200);
}

TEST_P(HttpServerTest, OnlyATrustedProxyIsBelieved) {
  const std::string forwarded =
      "X-Forwarded-For: 203.0.113.9, 198.51.100.7, 127.0.0.2\r\nX-Forwarded-Proto: https\r\n";
  const std::string ours = is_tls() ? "127.0.0.1 tls" : "127.0.0.1";
  start();
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/peer", forwarded)->body, ours);
  EXPECT_EQ(LoopbackClient(door())
                .request("GET", "/peer", "X-Forwarded-Host: market.example.org\r\n")
                ->status,
            200);

  start({.exact_hosts = {"market.example.org"}, .trusted_proxies = {"127.0.0.0/8", "::1"}});
  // What the client itself put at the front is not believed.
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/peer", forwarded)->body, "198.51.100.7 tls");
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/peer", "X-Forwarded-For: evil\r\n")->body,
            ours);
  const auto asked = [&](const std::string& fields) {
    return LoopbackClient(door()).request("POST", "/peer", fields)->status;
  };
  EXPECT_EQ(asked("X-Forwarded-Host: market.example.org\r\nOrigin: https://market.example.org\r\n"),
            200);
  EXPECT_EQ(asked("X-Forwarded-Host: evil.example\r\n"), 403);
  EXPECT_EQ(asked("X-Forwarded-Host: market.example.org\r\nOrigin: https://evil.example\r\n"), 403);
  for (const char* wrong : {"", "proxy.example.org", "10.0.0.0/33", "10.0.0.256", "::g"}) {
    EXPECT_FALSE(HttpServer::listen({.trusted_proxies = {wrong}}, metrics_, log_)) << wrong;
  }
}

TEST_P(HttpServerTest, AnswersOnlyToItsOwnNames) {
  start();
  const std::string good = fmt::format("localhost:{}", port());
  for (const std::string& hosts :
       {std::string(), std::string("Host: evil.example\r\n"),
        fmt::format("Host: evil.example:{}\r\n", port()), std::string("Host: localhost:1\r\n"),
        fmt::format("Host: {}\r\nHost: evil.example\r\n", good)}) {
    LoopbackClient client(door());
    client.send(fmt::format("GET / HTTP/1.1\r\n{}\r\n", hosts));
    const auto answer = client.read_answer();
    ASSERT_TRUE(answer) << hosts;
    EXPECT_EQ(answer->status, 403) << hosts;
    EXPECT_THAT(answer->body, HasSubstr("wrong_host"));
    EXPECT_TRUE(client.read_end());
  }
  EXPECT_EQ(refusals("wrong_host"), 5u);
  LoopbackClient client(door());
  client.send(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", good));
  EXPECT_EQ(client.read_answer()->status, 200);
}

TEST_P(HttpServerTest, OtherSitesMayNeitherPostNorOpenWebSockets) {
  start();
  const std::string evil = "Origin: http://evil.example\r\n";
  const std::string ours =
      fmt::format("Origin: {}://localhost:{}\r\n", is_tls() ? "https" : "http", port());
  EXPECT_EQ(LoopbackClient(door()).request("POST", "/", evil)->status, 403);
  EXPECT_EQ(LoopbackClient(door()).request("DELETE", "/", "Origin: null\r\n")->status, 403);
  EXPECT_EQ(LoopbackClient(door()).request("POST", "/", ours + evil)->status, 403);
  EXPECT_EQ(LoopbackClient(door()).upgrade("/live", evil)->status, 403);
  EXPECT_EQ(refusals("wrong_origin"), 4u);
  EXPECT_EQ(script_.open_sessions, 0);

  EXPECT_EQ(LoopbackClient(door()).request("POST", "/", ours)->status, 200);
  EXPECT_EQ(LoopbackClient(door()).request("POST", "/")->status, 200);
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/", evil)->status, 200);
  EXPECT_EQ(LoopbackClient(door()).upgrade("/live", ours)->status, 101);
  EXPECT_EQ(LoopbackClient(door()).upgrade("/live")->status, 101);
}

TEST_P(HttpServerTest, RefusesWhatIsTooLarge) {
  HttpServerOptions options;
  options.limits.header_bytes_max = 2048;
  options.limits.body_bytes_max = 1000;
  start(options);
  const std::string padding = fmt::format("X-Padding: {}\r\n", std::string(3000, 'p'));
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/", padding)->status, 431);
  EXPECT_EQ(refusals("header_too_large"), 1u);

  EXPECT_EQ(LoopbackClient(door()).request("POST", "/", {}, std::string(1000, 'b'))->status, 200);
  EXPECT_EQ(LoopbackClient(door()).request("POST", "/", {}, std::string(1001, 'b'))->status, 413);
  LoopbackClient announcing(door());
  EXPECT_EQ(announcing.request("POST", "/", "Content-Length: 999999999999\r\n")->status, 413);
  LoopbackClient chunked(door());
  EXPECT_EQ(chunked
                .request("POST", "/",
                         fmt::format("Transfer-Encoding: chunked\r\n\r\n800\r\n{}\r\n0\r\n",
                                     std::string(2048, 'c')))
                ->status,
            413);
  EXPECT_EQ(refusals("body_too_large"), 3u);
}

TEST_P(HttpServerTest, TheHandlerAllowsLargerBodiesOnceItKnowsWhose) {
  HttpServerOptions options;
  options.limits.body_bytes_max = 1000;
  options.limits.large_bodies_bytes_max = 9000;
  start(options);
  const auto post = [&](std::string_view fields, std::size_t bytes) {
    return LoopbackClient(door())
        .request("POST", "/waits-thread", fields, std::string(bytes, 'b'))
        ->status;
  };
  EXPECT_EQ(post("", 5000), 413);
  EXPECT_EQ(post("X-Key: right\r\n", 5000), 200);
  EXPECT_EQ(post("X-Key: right\r\n", 5001), 413);
  EXPECT_EQ(LoopbackClient(door()).request("POST", "/waits-thread", {}, "b")->body, "net-waits");
  const auto chunked = [&](std::string_view fields) {
    return LoopbackClient(door())
        .request("POST", "/waits-thread",
                 fmt::format("{}Transfer-Encoding: chunked\r\n\r\n800\r\n{}\r\n0\r\n", fields,
                             std::string(2048, 'c')))
        ->status;
  };
  EXPECT_EQ(chunked(""), 413);
  EXPECT_EQ(chunked("X-Key: right\r\n"), 200);
  // All of them together have a limit too: one that is on its way counts as what it may become.
  LoopbackClient first(door());
  first.send(
      fmt::format("POST /waits-thread HTTP/1.1\r\nHost: localhost:{}\r\nX-Key: right\r\n"
                  "Expect: 100-continue\r\nContent-Length: 2000\r\n\r\n",
                  port()));
  EXPECT_EQ(first.read_answer(/*has_body=*/false)->status, 100);
  EXPECT_EQ(post("X-Key: right\r\n", 2000), 503);
  EXPECT_EQ(refusals("too_busy"), 1u);
  first.send(std::string(2000, 'b'));
  EXPECT_EQ(first.read_answer()->status, 200);
  EXPECT_EQ(post("X-Key: right\r\n", 2000), 200);
}

TEST_P(HttpServerTest, RefusesWhatIsNotHttp) {
  start();
  for (const char* text :
       {"nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\x01 HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\n\r\n", "GET /%zz HTTP/1.1\r\n\r\n"}) {
    LoopbackClient client(door());
    client.send(text);
    const auto answer = client.read_answer();
    ASSERT_TRUE(answer) << text;
    EXPECT_EQ(answer->status, 400) << text;
    EXPECT_TRUE(client.read_end());
  }
  EXPECT_EQ(refusals("malformed"), 7u);
}

TEST_P(HttpServerTest, CutsASlowRequestAtItsDeadline) {
  HttpServerOptions options;
  options.limits.request_deadline = milliseconds(100);
  start(options);
  LoopbackClient idle(door());
  LoopbackClient head(door());
  head.send("GET / HTTP/1.1\r\nHost: loc");
  LoopbackClient body(door());
  body.send(
      fmt::format("POST / HTTP/1.1\r\nHost: localhost:{}\r\nContent-Length: 9\r\n\r\n123", port()));
  EXPECT_TRUE(head.read_end());
  EXPECT_TRUE(body.read_end());
  EXPECT_TRUE(idle.read_end());
  EXPECT_TRUE(all_gone());
  EXPECT_EQ(refusals("slow_request"), 2u);  // the idle one did nothing wrong
}

TEST_P(HttpServerTest, ADrippingRequestDoesNotMoveItsDeadline) {
  HttpServerOptions options;
  options.limits.header_bytes_max = 64 << 20;
  options.limits.request_deadline = milliseconds(100);
  start(options);
  LoopbackClient client(door());
  client.send("GET / HTTP/1.1\r\n");
  EXPECT_TRUE(eventually([&] {
    client.send("X-Drip: 1\r\n");
    return refusals("slow_request") == 1;
  }));
}

TEST_P(HttpServerTest, CutsAClientThatDoesNotTakeItsAnswer) {
  HttpServerOptions options;
  options.limits.write_stall = milliseconds(100);
  start(options);
  LoopbackClient client(door(), 4096);
  client.send(fmt::format("GET /large HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", port()));
  EXPECT_TRUE(eventually([&] { return refusals("slow_reader") == 1; }));
  EXPECT_TRUE(all_gone());
}

TEST_P(HttpServerTest, SendsAwayWhoComesAboveTheLimit) {
  HttpServerOptions options;
  options.limits.connections_max = 2;
  start(options);
  LoopbackClient first(door());
  ASSERT_TRUE(first.request("GET", "/"));
  {
    LoopbackClient second(door());
    ASSERT_TRUE(second.request("GET", "/"));
    EXPECT_TRUE(LoopbackClient(door()).read_end());
    EXPECT_EQ(refusals("too_many_connections"), 1u);
    EXPECT_TRUE(second.request("GET", "/"));
  }
  EXPECT_TRUE(eventually([&] { return gauge("tapedeck_net_connections") == 1; }));
  EXPECT_TRUE(LoopbackClient(door()).request("GET", "/"));
}

TEST_P(HttpServerTest, CarriesMessagesBothWays) {
  start();
  LoopbackClient client(door());
  ASSERT_EQ(client.upgrade("/live")->status, 101);
  EXPECT_EQ(gauge("tapedeck_net_websockets"), 1);
  script_.say("one");
  script_.say("two");
  server_->wake();
  EXPECT_EQ(client.read_message(), "one");
  EXPECT_EQ(client.read_message(), "two");
  client.send_message("hello");
  client.send_message("answer me");
  EXPECT_EQ(client.read_message(), "heard you");
  std::lock_guard lock(script_.mutex);
  EXPECT_THAT(script_.heard, testing::ElementsAre("hello", "answer me"));
}

TEST_P(HttpServerTest, ALargeMessageIsOneFrame) {
  start();
  LoopbackClient client(door());
  ASSERT_EQ(client.upgrade("/live")->status, 101);
  script_.say(std::string(1 << 20, 'z'));
  server_->wake();
  EXPECT_EQ(client.read_message(), std::string(1 << 20, 'z'));
}

TEST_P(HttpServerTest, AMessageMayComeInParts) {
  start();
  script_.say(MessagePart{"one "});
  script_.say(MessagePart{"message", true});
  script_.say("another");
  LoopbackClient client(door());
  ASSERT_EQ(client.upgrade("/live")->status, 101);
  EXPECT_EQ(client.read_message(), "one ");
  EXPECT_EQ(client.read_message(), "message");
  EXPECT_EQ(client.read_message(), "another");
}

TEST_P(HttpServerTest, TicksWithoutBeingWoken) {
  HttpServerOptions options;
  options.limits.tick = milliseconds(10);
  start(options);
  LoopbackClient client(door());
  ASSERT_EQ(client.upgrade("/live")->status, 101);
  script_.say("tick");
  EXPECT_EQ(client.read_message(), "tick");
  EXPECT_TRUE(eventually([&] { return script_.ticks >= 3; }));
  EXPECT_EQ(script_.wakes, 0);
}

TEST_P(HttpServerTest, RefusesAnUpgradeThatTheHandlerRefuses) {
  start();
  LoopbackClient client(door());
  const auto answer = client.upgrade("/elsewhere");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(client.request("GET", "/next")->status, 200);
}

TEST_P(HttpServerTest, ClosesAsTheHandlerSays) {
  HttpServerOptions options;
  options.limits.request_deadline = milliseconds(100);  // the client never closes its side
  start(options);
  LoopbackClient client(door());
  ASSERT_EQ(client.upgrade("/live")->status, 101);
  script_.say(CloseWebSocket{1008, std::string(500, 'r')});
  server_->wake();
  EXPECT_FALSE(client.read_message());
  EXPECT_EQ(client.close_code(), 1008);
  EXPECT_EQ(client.close_reason(), std::string(123, 'r'));
  EXPECT_TRUE(client.read_end());
  EXPECT_TRUE(eventually([&] { return script_.open_sessions == 0; }));
}

const std::string kBadFrame("\xf3\x80\0\0\0\0", 6);  // of a reserved kind

// Beast's closing waits for a frame to be read, and its reading of a bad frame for the closing.
TEST_P(HttpServerTest, LetsGoOfWhoAnswersAGoodbyeWithABadFrame) {
  HttpServerOptions options;
  options.limits.request_deadline = milliseconds(100);
  options.limits.tick = milliseconds(10);
  start(options);
  {
    LoopbackClient client(door());
    ASSERT_EQ(client.upgrade("/live")->status, 101);
    script_.say(CloseWebSocket{1008, {}});
    server_->wake();
    EXPECT_FALSE(client.read_message());
    client.send(kBadFrame);
    EXPECT_TRUE(all_gone());
    LoopbackClient other(door());
    ASSERT_EQ(other.upgrade("/live")->status, 101);
    other.send(std::string("\x82\x81\0\0\0\0x", 7) + kBadFrame);  // no text, at first
    EXPECT_TRUE(all_gone());
  }
  EXPECT_EQ(script_.open_sessions, 0);
}

TEST_P(HttpServerTest, StopsInTheMiddleOfAGoodbye) {
  start();
  LoopbackClient client(door());
  ASSERT_EQ(client.upgrade("/live")->status, 101);
  script_.say(CloseWebSocket{1008, {}});
  server_->wake();
  EXPECT_FALSE(client.read_message());
  client.send(kBadFrame);
  server_.reset();
  EXPECT_EQ(script_.open_sessions, 0);
}

TEST_P(HttpServerTest, CutsWhoSendsTooMuchOrNoText) {
  HttpServerOptions options;
  options.limits.message_bytes_max = 100;
  options.limits.request_deadline = milliseconds(100);  // the clients never close their side
  start(options);
  LoopbackClient large(door());
  ASSERT_EQ(large.upgrade("/live")->status, 101);
  large.send_message(std::string(101, 'x'));
  EXPECT_FALSE(large.read_message());
  EXPECT_EQ(large.close_code(), 1009);

  LoopbackClient binary(door());
  ASSERT_EQ(binary.upgrade("/live")->status, 101);
  binary.send_message("x", 2);
  EXPECT_FALSE(binary.read_message());
  EXPECT_EQ(binary.close_code(), 1003);

  LoopbackClient broken(door());
  ASSERT_EQ(broken.upgrade("/live")->status, 101);
  broken.send(std::string("\x81\x01x", 3));  // not masked
  EXPECT_FALSE(broken.read_message());
  EXPECT_EQ(broken.close_code(), 1002);
  EXPECT_TRUE(all_gone());
  EXPECT_EQ(script_.open_sessions, 0);
  EXPECT_EQ(refusals("message_too_large"), 1u);
  EXPECT_EQ(refusals("malformed"), 1u);
}

TEST_P(HttpServerTest, CutsAClientThatAnswersNoPing) {
  HttpServerOptions options;
  options.limits.websocket_idle = milliseconds(100);
  start(options);
  LoopbackClient client(door());
  ASSERT_EQ(client.upgrade("/live")->status, 101);
  EXPECT_TRUE(eventually([&] { return refusals("silent_client") == 1; }));
  EXPECT_TRUE(all_gone());
}

TEST_P(HttpServerTest, ASlowClientIsNotQueuedForAndStopsNobody) {
  HttpServerOptions options;
  options.limits.tick = milliseconds(10);
  options.limits.write_stall = seconds(1);
  options.limits.wake_interval = milliseconds(1);
  start(options);
  script_.bytes_per_wake = 256 << 10;
  LoopbackClient slow(door(), 4096);
  ASSERT_EQ(slow.upgrade("/live")->status, 101);
  LoopbackClient quick(door());
  ASSERT_EQ(quick.upgrade("/live")->status, 101);
  const auto sent = [&] { return metrics_.counter("tapedeck_net_sent_bytes_total", "").value(); };
  constexpr std::uint64_t kRounds = 100;
  for (std::uint64_t i = 0; i < kRounds; ++i) {
    server_->wake();
    ASSERT_TRUE(quick.read_message()) << i;
  }
  // The slow one has at most what its kernel buffers hold, whatever went to the other.
  EXPECT_LT(sent(), (kRounds + 8) * (256 << 10));
  EXPECT_TRUE(eventually([&] { return refusals("slow_reader") == 1; }));
  EXPECT_TRUE(eventually([&] { return script_.open_sessions == 1; }));
  server_->wake();
  EXPECT_TRUE(quick.read_message());
}

TEST_P(HttpServerTest, AsksAgainWhenTheHandlerSaidSo) {
  script_.steps = {Later{milliseconds(20)}, std::string("there")};
  start();
  LoopbackClient client(door());
  ASSERT_EQ(client.upgrade("/live")->status, 101);
  EXPECT_EQ(client.read_message(), "there");  // though nobody wakes it
  {
    std::lock_guard lock(script_.mutex);
    script_.steps.emplace_back(Later{hours(1)});
  }
  server_->wake();
  EXPECT_TRUE(eventually([&] {
    std::lock_guard lock(script_.mutex);
    return script_.steps.empty();
  }));
  server_.reset();  // and it does not wait for that
}

TEST_P(HttpServerTest, ManyWakesBecomeFew) {
  HttpServerOptions options;
  options.limits.wake_interval = seconds(3600);
  start(options);
  LoopbackClient client(door());
  ASSERT_EQ(client.upgrade("/live")->status, 101);
  server_->wake();
  EXPECT_TRUE(eventually([&] { return script_.wakes == 1; }));  // at once: it was quiet before
  for (int i = 0; i < 1000; ++i) server_->wake();
  ASSERT_TRUE(client.send_message("are you there"));
  EXPECT_TRUE(eventually([&] {
    std::lock_guard lock(script_.mutex);
    return script_.heard.size() == 1;
  }));
  EXPECT_EQ(script_.wakes, 1);
}

TEST_P(HttpServerTest, SaysWhichPortIsTaken) {
  start();
  HttpServerOptions options;
  options.port = port();
  const auto second = HttpServer::listen(options, metrics_, log_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
  EXPECT_THAT(second.error().message, HasSubstr(fmt::format("port {} on 127.0.0.1", port())));
  EXPECT_THAT(second.error().message, HasSubstr("choose another port"));
}

TEST_P(HttpServerTest, TakesTheNextFreePort) {
  start();
  HttpServerOptions options;
  options.port = port();
  options.port_attempts = 50;
  const auto second = HttpServer::listen(options, metrics_, log_);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_GT((*second)->port(), port());
  EXPECT_LT((*second)->port(), port() + 50);
}

TEST_P(HttpServerTest, SaysThatAllPortsAreTaken) {
  start();
  HttpServerOptions options;
  options.port = 65535;
  options.port_attempts = 10;
  auto last = HttpServer::listen(options, metrics_, log_);
  const auto after = HttpServer::listen(options, metrics_, log_);
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().code, ErrorCode::kBusy);
  EXPECT_THAT(after.error().message, HasSubstr("ports 65535 to 65535"));
}

TEST_P(HttpServerTest, RefusesWhatIsNoAddress) {
  HttpServerOptions options;
  options.address = "localhost";
  const auto server = HttpServer::listen(options, metrics_, log_);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(server.error().message, HasSubstr("'localhost' is no IP address"));
}

TEST_P(HttpServerTest, StopsWithClientsInEveryState) {
  const std::size_t before = open_descriptors();
  {
    start();
    script_.bytes_per_wake = 4 << 20;
    LoopbackClient idle(door());
    LoopbackClient asking(door());
    asking.send("GET / HT");
    LoopbackClient reading(door(), 4096);
    reading.send(fmt::format("GET /large HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", port()));
    LoopbackClient live(door());
    ASSERT_EQ(live.upgrade("/live")->status, 101);
    LoopbackClient slow(door(), 4096);
    ASSERT_EQ(slow.upgrade("/live")->status, 101);
    server_->wake();
    EXPECT_TRUE(live.read_message());
    server_.reset();
    EXPECT_EQ(script_.open_sessions, 0);
    for (LoopbackClient* client : {&idle, &asking, &reading, &live, &slow}) {
      EXPECT_TRUE(client->read_end());
    }
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_P(HttpServerTest, StopsWithoutHavingServed) {
  HttpServerOptions options;
  if (is_tls()) options.tls = good_identity();
  auto listening = HttpServer::listen(options, metrics_, log_);
  ASSERT_TRUE(listening);
  LoopbackClient client((*listening)->port());  // who would wait for TLS
  EXPECT_TRUE(client.is_connected());
  listening->reset();
  EXPECT_TRUE(client.read_end());
}

TEST_P(HttpServerTest, ThousandsOfClientsLeaveNothingBehind) {
  start();
  ASSERT_TRUE(LoopbackClient(door()).request("GET", "/"));
  ASSERT_TRUE(all_gone());
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 400; ++i) {
    LoopbackClient silent(door());
    LoopbackClient complete(door());
    ASSERT_TRUE(complete.request("GET", "/"));
    LoopbackClient half(door());
    half.send("GET / HTTP/1.1\r\nHo");
    LoopbackClient rude(door());  // leaves while a large answer is being written to it
    rude.send(fmt::format("GET /large HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", port()));
    rude.reset();
    LoopbackClient live(door());
    ASSERT_EQ(live.upgrade("/live")->status, 101);
    if (i % 2 == 0) live.reset();
  }
  EXPECT_TRUE(all_gone());
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(script_.open_sessions, 0);
  EXPECT_EQ(gauge("tapedeck_net_websockets"), 0);
}

// ---- TLS

INSTANTIATE_TEST_SUITE_P(, HttpServerTest, testing::Bool(),
                         [](const auto& whether) { return whether.param ? "Tls" : "Plain"; });

class TlsServerTest : public HttpServerTest {};
INSTANTIATE_TEST_SUITE_P(, TlsServerTest, testing::Values(true), [](const auto&) { return "Tls"; });

TEST_P(TlsServerTest, ShowsItsCertificateToOurOwnClient) {
  start();
  const TestCaFile trusted(authority());
  const auto client = HttpsClient::make(trusted.path(), clock_);
  ASSERT_TRUE(client);
  const auto answer =
      (*client)->call({.url = Secret(fmt::format("https://localhost:{}/peer", port()))}, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "127.0.0.1 tls");
}

TEST_P(TlsServerTest, TellsWhoSpeaksPlainHttpWhatToDo) {
  start();
  for (const char* method : {"GET", "HEAD", "POST"}) {
    LoopbackClient client(port());
    const auto answer = client.request(method, "/");
    ASSERT_TRUE(answer) << method;
    EXPECT_EQ(answer->status, 400);
    EXPECT_TRUE(client.read_end());
  }
  EXPECT_THAT(LoopbackClient(port()).request("GET", "/")->body, HasSubstr("https://"));
  EXPECT_TRUE(all_gone());
  EXPECT_EQ(refusals("plain_http"), 4u);
  EXPECT_EQ(LoopbackClient(door()).request("GET", "/")->status, 200);
}

TEST_P(TlsServerTest, CutsWhatIsNoTls) {
  start();
  for (const std::string& bytes :
       {std::string("SSH-2.0-OpenSSH\r\n"), std::string(600, '\0'), std::string("OPTIONS * HTTP"),
        std::string("\x16\x03\x01\xff\xff garbage that has no end").append(70'000, 'x')}) {
    LoopbackClient client(port());
    client.send(bytes);
    EXPECT_TRUE(client.read_end());
  }
  EXPECT_TRUE(all_gone());
  EXPECT_EQ(refusals("tls"), 4u);
}

TEST_P(TlsServerTest, OldVersionsAreRefused) {
  start();
  EXPECT_FALSE(LoopbackClient({port(), true, TLS1_1_VERSION}).is_connected());
  EXPECT_TRUE(LoopbackClient({port(), true, TLS1_2_VERSION}).is_connected());
  EXPECT_TRUE(all_gone());
  EXPECT_EQ(refusals("tls"), 1u);
}

TEST_P(TlsServerTest, ADrippingHandshakeDoesNotMoveItsDeadline) {
  HttpServerOptions options;
  options.limits.tls_deadline = milliseconds(100);
  start(options);
  LoopbackClient silent(port());
  LoopbackClient dripping(port());
  dripping.send("\x16\x03\x01\x3f\xff");  // a record of 16 KiB begins
  auto next = std::chrono::steady_clock::now();
  EXPECT_TRUE(eventually([&] {
    if (std::chrono::steady_clock::now() >= next) {  // or the whole record would be there in time
      dripping.send("x");
      next += std::chrono::milliseconds(1);
    }
    return refusals("slow_handshake") == 2;
  }));
  EXPECT_TRUE(silent.read_end());
  EXPECT_TRUE(all_gone());
}

TEST_P(TlsServerTest, WhoOnlyBeginsTakesAPlaceLikeAnyOther) {
  HttpServerOptions options;
  options.limits.connections_max = 1;
  start(options);
  LoopbackClient silent(port());
  ASSERT_TRUE(eventually([&] { return gauge("tapedeck_net_connections") == 1; }));
  EXPECT_FALSE(LoopbackClient(door()).is_connected());
  EXPECT_EQ(refusals("too_many_connections"), 1u);
}

TEST_P(TlsServerTest, StopsInTheMiddleOfAHandshake) {
  start();
  LoopbackClient silent(port());
  LoopbackClient half(port());
  half.send("\x16\x03\x01");
  ASSERT_TRUE(eventually([&] { return gauge("tapedeck_net_connections") == 2; }));
  server_.reset();
  EXPECT_TRUE(silent.read_end());
  EXPECT_TRUE(half.read_end());
}

}  // namespace
}  // namespace tapedeck::net
