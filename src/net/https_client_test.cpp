// The client on real sockets of the loopback interface.
#include "net/https_client.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/tls1.h>

#include <atomic>
#include <thread>

#include "net/loopback_server.hpp"
#include "net/test_ca_file.hpp"

namespace tapedeck::net {
namespace {

using testing::HasSubstr;
using testing::Not;
using Peer = LoopbackServer::Peer;

class HttpsClientTest : public testing::Test {
 protected:
  static Secret url_of(const LoopbackServer& server, std::string_view scheme = "http",
                       std::string_view host = "127.0.0.1") {
    return Secret(fmt::format("{}://{}:{}/query?apikey=KEY", scheme, host, server.port()));
  }
  std::expected<HttpsAnswer, Failure> call(const HttpsCall& request) {
    auto answer = client_->call(request, {});
    if (!answer) {
      EXPECT_THAT(answer.error().message, Not(HasSubstr("KEY")));
      EXPECT_THAT(answer.error().message, Not(HasSubstr("query")));
    }
    return answer;
  }
  // What came of a server that plays `script`.
  std::expected<HttpsAnswer, Failure> call_to(LoopbackServer::Script script,
                                              HttpsCall request = {}) {
    const LoopbackServer server(std::move(script));
    request.url = url_of(server);
    return call(request);
  }
  std::expected<HttpsAnswer, Failure> call_to_one_that_says(std::string text) {
    return call_to([text = std::move(text)](Peer& peer) {
      peer.read_head();
      peer.send(text);
    });
  }
  Failure failure_over_tls(const Certificate& certificate, std::string_view host = "127.0.0.1",
                           int tls_max = 0) {
    const LoopbackServer server([](Peer& peer) { peer.read_head(); }, &certificate, tls_max);
    const auto answer = call({.url = url_of(server, "https", host)});
    EXPECT_FALSE(answer);
    return answer ? Failure{} : answer.error();
  }

  SystemClock clock_;
  TestCaFile ca_file_{authority()};
  std::unique_ptr<HttpsClient> client_ = *HttpsClient::make(ca_file_.path(), clock_);
};

TEST_F(HttpsClientTest, GetsOverTls) {
  std::string head;
  std::string server_name;
  const LoopbackServer server(
      [&](Peer& peer) {
        server_name = peer.server_name();
        head = peer.read_head();
        peer.send(
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nX-MBX-USED-WEIGHT-1M:  1200 \r\n"
            "Content-Length: 5\r\n\r\nlater");
      },
      &good());
  const Timestamp before = clock_.now();
  const auto answer = call(
      {.url = url_of(server, "https", "localhost"), .headers = {{"X-Token", Secret("TOKEN")}}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(answer->body, "later");
  EXPECT_EQ(answer->retry_after(), seconds(7));
  EXPECT_EQ(answer->header("x-mbx-used-weight-1m"), "1200");
  EXPECT_EQ(answer->header("X-Other"), "");
  EXPECT_GE(answer->ts_recv, before);
  EXPECT_LE(answer->ts_recv, clock_.now());
  EXPECT_EQ(server_name, "localhost");
  EXPECT_THAT(head, HasSubstr("GET /query?apikey=KEY HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr("X-Token: TOKEN\r\n"));
}

TEST_F(HttpsClientTest, Posts) {
  std::string head;
  std::string body;
  const auto answer = call_to(
      [&](Peer& peer) {
        head = peer.read_head();
        body = peer.read(5);
        peer.send("HTTP/1.1 204 No Content\r\n\r\n");
      },
      {.headers = {{"Content-Type", Secret("application/json")}},
       .body = std::string("{\0: }", 5)});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 204);
  EXPECT_EQ(answer->body, "");
  EXPECT_THAT(head, HasSubstr("POST /query"));
  EXPECT_THAT(head, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Expect")));
  EXPECT_EQ(body, std::string("{\0: }", 5));
}

TEST_F(HttpsClientTest, KeepsConnectionsOpenAndForgetsTheCallBefore) {
  std::atomic<int> connections = 0;
  std::vector<std::string> heads;
  const LoopbackServer server([&](Peer& peer) {
    ++connections;
    while (true) {
      const std::string head = peer.read_head();
      if (head.empty()) return;
      heads.push_back(head);
      if (head.starts_with("POST")) peer.read(1);
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  EXPECT_TRUE(call({.url = url_of(server), .headers = {{"X-One", Secret("1")}}, .body = "x"}));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(call({.url = url_of(server)}));
  EXPECT_EQ(connections, 1);
  ASSERT_EQ(heads.size(), 4u);
  EXPECT_THAT(heads[3], HasSubstr("GET "));
  EXPECT_THAT(heads[3], Not(HasSubstr("X-One")));
}

TEST_F(HttpsClientTest, RedirectsAreAnAnswer) {
  const auto answer = call_to_one_that_says(
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(answer->header("Location"), "http://127.0.0.1:1/");
}

TEST_F(HttpsClientTest, RefusesCertificatesThatProveNothing) {
  const auto made = [&](const CertificateWishes& wishes) {
    return make_certificate(authority(), wishes);
  };
  const Failure expired = failure_over_tls(made({.valid_from_s = -7200, .valid_until_s = -60}));
  EXPECT_EQ(expired.kind, FailureKind::kTlsExpired) << expired.message;
  EXPECT_EQ(failure_over_tls(made({.valid_from_s = 3600, .valid_until_s = 7200})).kind,
            FailureKind::kTlsExpired);
  const Certificate other = made({.alternative_name = "DNS:other.example,IP:127.0.0.2"});
  const Failure other_host = failure_over_tls(other, "localhost");
  EXPECT_EQ(other_host.kind, FailureKind::kTlsHost) << other_host.message;
  EXPECT_EQ(failure_over_tls(other).kind, FailureKind::kTlsHost);
  const Failure unknown = failure_over_tls(make_certificate(make_authority()));
  EXPECT_EQ(unknown.kind, FailureKind::kTlsCertificate) << unknown.message;
  EXPECT_THAT(unknown.message, HasSubstr("set ca_file"));
  EXPECT_EQ(failure_over_tls(good(), "127.0.0.1", TLS1_1_VERSION).kind, FailureKind::kTls);
  client_ = *HttpsClient::make("", clock_);
  EXPECT_EQ(failure_over_tls(good()).kind, FailureKind::kTlsCertificate);
}

TEST_F(HttpsClientTest, SaysWhyThereIsNoAnswer) {
  const LoopbackServer plain([](Peer& peer) { peer.send("HTTP/1.1 400 Bad\r\n\r\n"); });
  const auto no_tls = call({.url = url_of(plain, "https")});
  ASSERT_FALSE(no_tls);
  EXPECT_EQ(no_tls.error().kind, FailureKind::kTls) << no_tls.error().message;

  const auto no_name = call({.url = Secret("https://nowhere.invalid/query?apikey=KEY")});
  ASSERT_FALSE(no_name);
  EXPECT_EQ(no_name.error().kind, FailureKind::kDns);
  EXPECT_THAT(no_name.error().message, HasSubstr("https://nowhere.invalid: "));

  std::uint16_t port = 0;
  {
    port = LoopbackServer([](Peer&) {}).port();
  }
  const auto nobody = call({.url = Secret(fmt::format("http://127.0.0.1:{}/", port))});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, FailureKind::kRefused);

  const std::vector<std::pair<std::string, FailureKind>> broken{
      {"", FailureKind::kReset},
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", FailureKind::kReset},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nKEY\r\n", FailureKind::kReset},
      {"SSH-2.0-OpenSSH_9.2 KEY\r\n\r\n", FailureKind::kMalformed},
      {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nKEY",
       FailureKind::kMalformed}};
  for (const auto& [text, kind] : broken) {
    const auto answer = call_to_one_that_says(text);
    ASSERT_FALSE(answer) << text;
    EXPECT_EQ(answer.error().kind, kind) << text << answer.error().message;
  }
  const auto reset = call_to([](Peer& peer) {
    peer.read_head();
    peer.reset();
  });
  ASSERT_FALSE(reset);
  EXPECT_EQ(reset.error().kind, FailureKind::kReset);
}

TEST_F(HttpsClientTest, CountsWhileReceiving) {
  const auto endless = [&](std::string_view head, std::string_view more) {
    const auto answer = call_to(
        [=](Peer& peer) {
          peer.read_head();
          peer.send(head);
          while (peer.send(more)) continue;
        },
        {.body_bytes_max = 10'000});
    EXPECT_FALSE(answer);
    return answer ? Failure{} : answer.error();
  };
  const Failure body = endless("HTTP/1.1 200 OK\r\n\r\n", std::string(1000, 'x'));
  EXPECT_EQ(body.kind, FailureKind::kTooLarge);
  EXPECT_THAT(body.message, HasSubstr("over 10000 bytes"));
  const Failure head = endless("HTTP/1.1 200 OK\r\n", "X-Filler: 0123456789012345678901234\r\n");
  EXPECT_EQ(head.kind, FailureKind::kTooLarge) << head.message;

  const auto fits = call_to_one_that_says("HTTP/1.1 200 OK\r\n\r\n" + std::string(500'000, 'x'));
  ASSERT_TRUE(fits);
  EXPECT_EQ(fits->body.size(), 500'000u);
}

TEST_F(HttpsClientTest, ABombIsCountedInflated) {
  const std::string zipped = gzipped(std::string(1 << 20, 'x'));
  EXPECT_LT(zipped.size(), 2000u);
  const auto script = [&](Peer& peer) {
    peer.read_head();
    peer.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                          zipped.size()));
    peer.send(zipped);
  };
  const auto whole = call_to(script);
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(whole->body, std::string(1 << 20, 'x'));
  const auto refused = call_to(script, {.body_bytes_max = 100'000});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, FailureKind::kTooLarge) << refused.error().message;
}

TEST_F(HttpsClientTest, OneDeadlineCoversTheWholeCall) {
  const auto drip = call_to(
      [](Peer& peer) {
        peer.read_head();
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        while (peer.send("x")) peer.pause(5);
      },
      {.deadline = milliseconds(80)});
  ASSERT_FALSE(drip);
  EXPECT_EQ(drip.error().kind, FailureKind::kTimeout);
  EXPECT_THAT(drip.error().message, HasSubstr("80ms for all of it"));

  const LoopbackServer mute([](Peer& peer) { peer.await_end(); });
  const auto no_tls = call({.url = url_of(mute, "https"), .connect_deadline = milliseconds(80)});
  ASSERT_FALSE(no_tls);
  EXPECT_EQ(no_tls.error().kind, FailureKind::kTimeout);
}

TEST_F(HttpsClientTest, AnotherThreadEndsTheCall) {
  std::stop_source stop;
  const LoopbackServer server([&](Peer& peer) {
    peer.read_head();
    stop.request_stop();
    peer.await_end();
  });
  const auto began = clock_.elapsed();
  const auto answer = client_->call({.url = url_of(server)}, stop.get_token());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, FailureKind::kStopped);
  EXPECT_LT(clock_.elapsed() - began, seconds(10));
  EXPECT_FALSE(client_->call({.url = url_of(server)}, stop.get_token()));
}

TEST_F(HttpsClientTest, RefusesWhatCannotBe) {
  const auto url = call({.url = Secret("ftp://x/?apikey=KEY")});
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().kind, FailureKind::kMalformed);
  const auto header =
      call({.url = Secret("http://x.org/"), .headers = {{"X-Token", Secret("KEY\r\nHost: y")}}});
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().kind, FailureKind::kMalformed);
  EXPECT_THAT(header.error().message, HasSubstr("line breaks in keys"));
  EXPECT_FALSE(HttpsClient::make("no-such-file.pem", clock_));
}

}  // namespace
}  // namespace tapedeck::net
