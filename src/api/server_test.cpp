// The whole API on real sockets of the loopback interface, with a pipeline played by hand.
#include "api/server.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <thread>

#include "api/fake_pipeline.hpp"
#include "net/loopback_client.hpp"
#include "net/test_ca_file.hpp"

namespace tapedeck::api {
namespace {

using net::LoopbackClient;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ServerTest : public testing::Test {
 protected:
  void start(ApiOptions options = {}) {
    options.port = 0;
    options.version = "0.1.0";
    auto started = start_api(options, fake_, fake_, fake_, metrics_, log_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = *std::move(started);
    url_ = server_->url_with_token().reveal();
    bearer_ = fmt::format("Authorization: Bearer {}\r\n", url_.substr(url_.find('=') + 1));
  }
  std::uint16_t port() const { return server_->port(); }
  std::string run_and_offset(const std::string& frame) {
    std::smatch found;
    std::regex_search(frame, found, std::regex("\"run\":(\\d+),\"offset\":\"(\\d+)\""));
    return found.str(1) + "@" + found.str(2);
  }
  // The next frame that is no status.
  static std::string next(LoopbackClient& client) {
    for (;;) {
      const auto frame = client.read_message();
      if (!frame) return "closed";
      if (!frame->starts_with("{\"type\":\"status\"")) return *frame;
    }
  }

  const std::string kLive = "/api/v1/live?series=lean/trade/SPY";
  FakePipeline fake_;
  SystemClock clock_;
  std::string logged_;
  Log log_{clock_, LogFormat::kText, LogLevel::kDebug,
           [this](LogLevel level, std::string_view line) {
             logged_.append(line);
             if (level >= LogLevel::kWarning) ADD_FAILURE() << line;
           }};
  Metrics metrics_;
  std::string url_;
  std::string bearer_;
  std::unique_ptr<ApiServer> server_;
};

TEST_F(ServerTest, TheAddressThatIsPrintedOpensThePage) {
  start();
  EXPECT_TRUE(std::regex_match(
      url_, std::regex(fmt::format("http://127\\.0\\.0\\.1:{}/\\?token=[0-9a-f]{{64}}", port()))))
      << url_;
  LoopbackClient client(port());
  EXPECT_EQ(client.request("GET", "/")->status, 401);
  const auto entered = client.request("GET", url_.substr(url_.find("/?")));
  ASSERT_TRUE(entered);
  EXPECT_EQ(entered->status, 303);
  EXPECT_EQ(entered->header("location"), "/");
  const std::string cookie = entered->header("set-cookie");
  EXPECT_THAT(cookie, StartsWith(fmt::format("tapedeck_{}=", port())));
  const auto page =
      client.request("GET", "/", fmt::format("Cookie: {}\r\n", cookie.substr(0, cookie.find(';'))));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->body, HasSubstr("<title>tapedeck</title>"));
  server_.reset();
  EXPECT_THAT(logged_, Not(HasSubstr(url_.substr(url_.find('=') + 1))));
}

TEST_F(ServerTest, EachStartHasAnotherToken) {
  start();
  const std::string first = url_.substr(url_.find('='));
  start();
  EXPECT_NE(url_.substr(url_.find('=')), first);
}

TEST_F(ServerTest, TakesAGivenToken) {
  ApiOptions options;
  options.token = Secret(std::string(32, 'k'));
  start(options);
  EXPECT_THAT(url_, HasSubstr("?token=" + std::string(32, 'k')));
  EXPECT_EQ(LoopbackClient(port()).request("GET", "/api/v1/status", bearer_)->status, 200);
}

TEST_F(ServerTest, AWrongHostIsToldNothing) {
  start();
  LoopbackClient client(port());
  client.send(fmt::format("GET /healthz HTTP/1.1\r\nHost: evil.example\r\n{}\r\n", bearer_));
  const auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
  EXPECT_THAT(answer->body, StartsWith("{\"error\":{\"code\":\"wrong_host\""));
  EXPECT_EQ(answer->header("content-type"), "application/json");
}

TEST_F(ServerTest, AnotherSiteMayNotRestart) {
  start();
  const std::string evil = bearer_ + "Origin: http://evil.example\r\n";
  EXPECT_EQ(LoopbackClient(port()).request("POST", "/api/v1/play/restart", evil)->status, 403);
  EXPECT_EQ(LoopbackClient(port()).upgrade(kLive, evil)->status, 403);
  EXPECT_EQ(fake_.status().run, 1u);
  EXPECT_EQ(LoopbackClient(port()).request("POST", "/api/v1/play/restart", bearer_)->body,
            "{\"run\":2}");
}

TEST_F(ServerTest, SnapshotThenBarsThenResumeThenRestart) {
  fake_.put(bar(0, "10", 5));
  start();
  {
    LoopbackClient client(port());
    ASSERT_EQ(client.upgrade(kLive, bearer_)->status, 101);
    const std::string snapshot = next(client);
    EXPECT_THAT(snapshot, StartsWith("{\"type\":\"snapshot\""));
    EXPECT_EQ(run_and_offset(snapshot), "1@5");
    fake_.put(bar(1, "11", 8));
    const std::string bars = next(client);
    EXPECT_THAT(bars, AllOf(StartsWith("{\"type\":\"bars\""), HasSubstr("\"open\":\"11\""),
                            Not(HasSubstr("\"open\":\"10\""))));
    EXPECT_EQ(run_and_offset(bars), "1@8");
  }
  fake_.put(bar(1, "12", 9));  // while nobody listens
  LoopbackClient client(port());
  ASSERT_EQ(client.upgrade(kLive + "&run=1&resume=8", bearer_)->status, 101);
  const std::string resumed = next(client);
  EXPECT_THAT(resumed, AllOf(StartsWith("{\"type\":\"resumed\""), HasSubstr("\"open\":\"12\""),
                             Not(HasSubstr("\"open\":\"10\""))));
  EXPECT_EQ(run_and_offset(resumed), "1@9");

  ASSERT_EQ(LoopbackClient(port()).request("POST", "/api/v1/play/restart", bearer_)->status, 202);
  EXPECT_EQ(next(client), "{\"type\":\"restarted\",\"run\":2}");
  EXPECT_EQ(run_and_offset(next(client)), "2@0");
  fake_.put(bar(0, "20", 1));
  EXPECT_THAT(next(client),
              AllOf(StartsWith("{\"type\":\"bars\",\"run\":2"), HasSubstr("\"open\":\"20\"")));
}

TEST_F(ServerTest, AStatusComesWithoutBeingAsked) {
  start();
  LoopbackClient client(port());
  ASSERT_EQ(client.upgrade(kLive, bearer_)->status, 101);
  EXPECT_THAT(*client.read_message(), StartsWith("{\"type\":\"snapshot\""));
  EXPECT_THAT(*client.read_message(), StartsWith("{\"type\":\"status\""));
  EXPECT_THAT(*client.read_message(), StartsWith("{\"type\":\"status\""));
}

TEST_F(ServerTest, AChangeDoesNotWaitForTheNextStatus) {
  start();
  LoopbackClient client(port());
  ASSERT_EQ(client.upgrade(kLive, bearer_)->status, 101);
  next(client);
  constexpr int kChanges = 10;
  int statuses = 0;
  for (int i = 1; i <= kChanges; ++i) {
    fake_.put(bar(0, "10", static_cast<std::uint64_t>(i)));
    for (;;) {
      const auto frame = client.read_message();
      ASSERT_TRUE(frame);
      if (frame->starts_with("{\"type\":\"bars\"")) break;
      ++statuses;
    }
  }
  EXPECT_LT(statuses, kChanges / 2);
}

TEST_F(ServerTest, ARefusedSocketSaysWhy) {
  start();
  LoopbackClient client(port());
  EXPECT_EQ(client.upgrade(kLive)->status, 401);
  const auto wrong = client.upgrade(kLive + "&interval=2m", bearer_);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->status, 400);
  EXPECT_THAT(wrong->body, HasSubstr("parameter interval"));
  EXPECT_EQ(client.upgrade("/api/v1/live?series=lean/trade/XYZ", bearer_)->status, 404);
}

TEST_F(ServerTest, ASlowClientEndsWithTheNewestBars) {
  start();
  LoopbackClient slow(port(), 4096);
  ASSERT_EQ(slow.upgrade(kLive, bearer_)->status, 101);
  LoopbackClient quick(port());
  ASSERT_EQ(quick.upgrade(kLive, bearer_)->status, 101);
  next(quick);
  // More than the kernel holds for the slow one, in ever the same bars.
  constexpr std::uint64_t kRounds = 20;
  constexpr std::uint64_t kBars = 500;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    for (std::uint64_t i = 1; i <= kBars; ++i) {
      fake_.put(bar(static_cast<std::int64_t>(i), std::to_string(round), round * kBars + i));
    }
    const std::string whole = fmt::format("1@{}", (round + 1) * kBars);
    while (run_and_offset(next(quick)) != whole) {
    }
  }
  const std::string newest = fmt::format("1@{}", kRounds * kBars);
  std::size_t frames = 0;
  while (run_and_offset(next(slow)) != newest) ASSERT_LT(++frames, kRounds * 10);
}

TEST_F(ServerTest, StopsWhileTheMarketMoves) {
  for (int i = 0; i < 20; ++i) {
    start();
    std::atomic<bool> stop = false;
    std::thread market([&] {
      for (std::uint64_t n = 1; !stop; ++n) fake_.put(bar(0, "10", n));
    });
    LoopbackClient client(port());
    ASSERT_EQ(client.upgrade(kLive, bearer_)->status, 101);
    EXPECT_TRUE(client.read_message());
    server_.reset();
    EXPECT_TRUE(client.read_end());
    stop = true;
    market.join();
    ASSERT_TRUE(fake_.restart());
  }
}

TEST_F(ServerTest, TakesTheNextPortUnlessItIsFixed) {
  start();
  ApiOptions options;
  options.port = port();
  auto next_one = start_api(options, fake_, fake_, fake_, metrics_, log_);
  ASSERT_TRUE(next_one) << next_one.error().message;
  EXPECT_GT((*next_one)->port(), port());
  EXPECT_THAT((*next_one)->url_with_token().reveal(),
              HasSubstr(fmt::format(":{}/", (*next_one)->port())));
  options.port_is_fixed = true;
  const auto refused = start_api(options, fake_, fake_, fake_, metrics_, log_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  EXPECT_THAT(refused.error().message, HasSubstr(std::to_string(port())));
}

TEST_F(ServerTest, ServesThisMachineOnly) {
  for (const char* address : {"0.0.0.0", "::", "192.168.1.1", "", "127.evil"}) {
    ApiOptions options;
    options.address = address;
    const auto refused = start_api(options, fake_, fake_, fake_, metrics_, log_);
    ASSERT_FALSE(refused) << address;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument) << address;
  }
}

TEST_F(ServerTest, MoreThanThisMachineOnlyWhereOneSaysSo) {
  ApiOptions options;
  options.address = "0.0.0.0";
  options.insecure = true;
  start(options);
  EXPECT_THAT(url_, StartsWith(fmt::format("http://127.0.0.1:{}/", port())));
  LoopbackClient client(port());
  // Still with the token, and to names of its own.
  EXPECT_EQ(client.request("GET", "/api/v1/status")->status, 401);
  EXPECT_EQ(client.request("GET", "/api/v1/status", bearer_)->status, 200);
  client.send(fmt::format("GET / HTTP/1.1\r\nHost: evil.example:{}\r\n{}\r\n", port(), bearer_));
  EXPECT_EQ(client.read_answer()->status, 403);
  LoopbackClient by_address(port());
  by_address.send(fmt::format("GET /healthz HTTP/1.1\r\nHost: 192.168.1.7:{}\r\n\r\n", port()));
  EXPECT_EQ(by_address.read_answer()->status, 200);
}

TEST_F(ServerTest, WithTlsMoreThanThisMachine) {
  const net::Certificate made = net::make_certificate(
      net::authority(), {.alternative_name = "DNS:deck.example.org,DNS:localhost"});
  const net::TestFile certificate(made.pem()), key(made.key_pem());
  ApiOptions options;
  options.address = "0.0.0.0";
  options.tls = *net::TlsIdentity::read(certificate.path(), key.path(), SystemClock().now());
  start(options);
  // By a name that it can prove.
  EXPECT_THAT(url_, StartsWith(fmt::format("https://deck.example.org:{}/?token=", port())));
  const LoopbackClient::Door door{port(), true};
  EXPECT_EQ(LoopbackClient(door).request("GET", "/api/v1/status", bearer_)->status, 200);
  const auto as = [&](const std::string& host, const std::string& fields) {
    LoopbackClient client(door);
    client.send(fmt::format("GET /?token={} HTTP/1.1\r\nHost: {}\r\n{}\r\n",
                            url_.substr(url_.find('=') + 1), host, fields));
    return *client.read_answer();
  };
  EXPECT_THAT(as(fmt::format("deck.example.org:{}", port()), "").header("Set-Cookie"),
              HasSubstr("; Secure"));
  EXPECT_EQ(as(fmt::format("evil.example:{}", port()), "").status, 403);
  const auto origin = [&](std::string_view scheme) {
    return LoopbackClient(door)
        .upgrade("/api/v1/live",
                 fmt::format("{}Origin: {}://localhost:{}\r\n", bearer_, scheme, port()))
        ->status;
  };
  EXPECT_EQ(origin("https"), 101);
  EXPECT_EQ(origin("http"), 403);
  EXPECT_EQ(LoopbackClient(port()).request("GET", "/healthz")->status, 400);
}

TEST_F(ServerTest, InAContainerAllAddressesNeedNoWord) {
  ApiOptions options;
  options.is_container = true;
  options.address = "192.168.1.1";
  EXPECT_FALSE(start_api(options, fake_, fake_, fake_, metrics_, log_));
  options.address = "0.0.0.0";
  start(options);
}

TEST_F(ServerTest, ABasePathIsInTheAddress) {
  ApiOptions options;
  options.base_path = "/deck";
  start(options);
  EXPECT_THAT(url_, HasSubstr(fmt::format(":{}/deck/?token=", port())));
  EXPECT_EQ(LoopbackClient(port()).request("GET", "/deck/api/v1/status", bearer_)->status, 200);
  for (const char* wrong :
       {"deck", "/deck/", "/", "//deck", "/a/../b", "/a b", "/a?b", "/a\r\nX: y"}) {
    options.base_path = wrong;
    EXPECT_FALSE(start_api(options, fake_, fake_, fake_, metrics_, log_)) << wrong;
  }
}

TEST_F(ServerTest, TheAccessLogNamesWhoAskedAndNoToken) {
  ApiOptions options;
  options.access_log = true;
  start(options);
  LoopbackClient(port()).request("GET", url_.substr(url_.find("/?")));
  LoopbackClient(port()).request("GET", "/api/v1/trades?series=lean/trade/SPY", bearer_);
  server_.reset();
  EXPECT_THAT(logged_, AllOf(HasSubstr("path=/api/v1/trades"), HasSubstr("peer=127.0.0.1"),
                             HasSubstr("status=200"), Not(HasSubstr("series"))));
  EXPECT_THAT(logged_, Not(HasSubstr(url_.substr(url_.find('=') + 1))));
}

TEST(TunnelCommand, IsForWhoCameOverSsh) {
  EXPECT_EQ(tunnel_command("203.0.113.9 51000 198.51.100.7 22", "ann", 8273),
            "ssh -N -L 8273:127.0.0.1:8273 ann@198.51.100.7");
  EXPECT_EQ(tunnel_command("203.0.113.9 51000 198.51.100.7 2222", "", 8273),
            "ssh -N -L 8273:127.0.0.1:8273 -p 2222 198.51.100.7");
  EXPECT_EQ(tunnel_command("", "ann", 8273), "");
  EXPECT_EQ(tunnel_command("what is this", "ann", 8273), "");
}

TEST_F(ServerTest, RefusesAWeakToken) {
  ApiOptions options;
  options.token = Secret("secret");
  const auto refused = start_api(options, fake_, fake_, fake_, metrics_, log_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("token"), Not(HasSubstr("'secret'"))));
}

}  // namespace
}  // namespace tapedeck::api
