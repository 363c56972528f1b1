// The client on real sockets of the loopback interface.
#include "net/websocket_client.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/tls1.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "net/loopback_server.hpp"
#include "net/test_ca_file.hpp"

namespace tapedeck::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Peer = LoopbackServer::Peer;

constexpr std::chrono::seconds kPatience{20};

// What happened on one connection.
class Record {
 public:
  struct Frame {
    std::string text;
    Timestamp ts_recv;
  };

  template <class Change>
  void change(Change change) {
    std::lock_guard lock(mutex_);
    change(*this);
    changed_.notify_all();
  }
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return condition(*this); });
  }
  // Also until nobody writes into it any more.
  Failure end() {
    EXPECT_TRUE(wait([](const Record& r) { return r.is_destroyed; })) << "it did not end";
    std::lock_guard lock(mutex_);
    return ends.empty() ? Failure{} : ends.front();
  }
  bool wait_open() {
    return wait([](const Record& r) { return r.is_open; });
  }
  std::vector<std::string> texts() {
    std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const Frame& frame : frames) out.push_back(frame.text);
    return out;
  }

  bool is_open = false;
  int pings = 0;
  std::vector<Frame> frames;
  std::vector<Failure> ends;
  bool is_destroyed = false;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

class Recorder final : public WebSocketEvents {
 public:
  explicit Recorder(Record& record) : record_(record) {}
  ~Recorder() override {
    record_.change([](Record& r) { r.is_destroyed = true; });
  }
  void on_open(WebSocket&) override {
    record_.change([](Record& r) { r.is_open = true; });
  }
  void on_frame(WebSocket& socket, std::string_view frame, Timestamp ts_recv) override {
    if (frame == "answer me") {
      EXPECT_TRUE(socket.send("heard you"));
    }
    record_.change([&](Record& r) { r.frames.push_back({std::string(frame), ts_recv}); });
  }
  void on_ping(Timestamp) override {
    record_.change([](Record& r) { ++r.pings; });
  }
  void on_closed(const Failure& why) override {
    record_.change([&](Record& r) { r.ends.push_back(why); });
  }

 private:
  Record& record_;
};

class WebSocketClientTest : public testing::Test {
 protected:
  WebSocketClient& client() {
    if (client_ == nullptr) client_ = *WebSocketClient::start(ca_file_.path(), clock_, metrics_);
    return *client_;
  }
  WebSocket connect(WebSocketOptions options, Record& record) {
    return *client().connect(std::move(options), std::make_unique<Recorder>(record));
  }
  static WebSocketOptions at(const LoopbackServer& server, std::string_view scheme = "ws",
                             std::string_view target = "/") {
    return {.url = Secret(fmt::format("{}://127.0.0.1:{}{}", scheme, server.port(), target))};
  }
  // How a connection to a server that plays `script` ends.
  Failure end_of(LoopbackServer::Script script, WebSocketOptions options = {}) {
    LoopbackServer server(std::move(script));
    options.url = at(server).url;
    Record record;
    connect(std::move(options), record);
    return record.end();
  }
  Failure end_over_tls(const Certificate& certificate, std::string_view host = "127.0.0.1",
                       int tls_max = 0) {
    LoopbackServer server([](Peer& peer) { peer.accept_websocket(); }, &certificate, tls_max);
    Record record;
    connect({.url = Secret(fmt::format("wss://{}:{}/", host, server.port()))}, record);
    Failure why = record.end();
    EXPECT_FALSE(record.is_open);
    return why;
  }

  SystemClock clock_;
  Metrics metrics_;
  TestCaFile ca_file_{authority()};
  std::unique_ptr<WebSocketClient> client_;
};

TEST_F(WebSocketClientTest, TalksOverTls) {
  std::string head;
  std::string server_name;
  std::string heard;
  LoopbackServer server(
      [&](Peer& peer) {
        server_name = peer.server_name();
        head = peer.accept_websocket();
        heard = peer.read_frame()->payload;
        peer.send_text("answer me");
        heard += "," + peer.read_frame()->payload;
        peer.send_frame(8, "\x03\xe8");
        peer.read_frame();
      },
      &good());
  Record record;
  const Timestamp before = clock_.now();
  WebSocket socket =
      connect({.url = Secret(fmt::format("wss://localhost:{}/ws?token=KEY", server.port())),
               .headers = {{"X-Token", Secret("TOKEN")}}},
              record);
  EXPECT_TRUE(socket.send("subscribe"));  // waits until it is open
  const Failure why = record.end();
  EXPECT_EQ(why.kind, FailureKind::kClosed) << why.message;
  EXPECT_EQ(why.code, 1000);
  EXPECT_EQ(server_name, "localhost");
  EXPECT_THAT(head, HasSubstr("GET /ws?token=KEY HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr(fmt::format("Host: localhost:{}\r\n", server.port())));
  EXPECT_THAT(head, HasSubstr("X-Token: TOKEN\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Extensions")));
  EXPECT_EQ(heard, "subscribe,heard you");
  ASSERT_EQ(record.frames.size(), 1u);
  EXPECT_GE(record.frames[0].ts_recv, before);
  EXPECT_LE(record.frames[0].ts_recv, clock_.now());
  EXPECT_TRUE(record.wait([](const Record& r) { return r.is_destroyed; }));
  EXPECT_EQ(record.ends.size(), 1u);
}

TEST_F(WebSocketClientTest, RefusesCertificatesThatProveNothing) {
  const auto made = [&](const CertificateWishes& wishes) {
    return make_certificate(authority(), wishes);
  };
  const Failure expired = end_over_tls(made({.valid_from_s = -7200, .valid_until_s = -60}));
  EXPECT_EQ(expired.kind, FailureKind::kTlsExpired);
  EXPECT_THAT(expired.message, HasSubstr("(certificate has expired): check this machine's clock"));
  EXPECT_EQ(end_over_tls(made({.valid_from_s = 3600, .valid_until_s = 7200})).kind,
            FailureKind::kTlsExpired);

  const Failure other_host = end_over_tls(made({.alternative_name = "DNS:other.example"}));
  EXPECT_EQ(other_host.kind, FailureKind::kTlsHost);
  EXPECT_THAT(other_host.message, HasSubstr("check the host in the URL"));
  const Certificate other_name = made({.alternative_name = "IP:127.0.0.1,DNS:local.host"});
  EXPECT_EQ(end_over_tls(other_name, "localhost").kind, FailureKind::kTlsHost);

  const Failure unknown = end_over_tls(make_certificate(make_authority()));
  EXPECT_EQ(unknown.kind, FailureKind::kTlsCertificate);
  EXPECT_THAT(unknown.message, HasSubstr("set ca_file"));

  // The system's store knows nothing of our authority.
  client_ = *WebSocketClient::start("", clock_, metrics_);
  EXPECT_EQ(end_over_tls(good()).kind, FailureKind::kTlsCertificate);
}

TEST_F(WebSocketClientTest, RefusesWhatIsNotTls12) {
  const Failure old = end_over_tls(good(), "127.0.0.1", TLS1_1_VERSION);
  EXPECT_EQ(old.kind, FailureKind::kTls) << old.message;

  LoopbackServer plain([](Peer& peer) { peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"); });
  Record to_plain;
  connect(at(plain, "wss"), to_plain);
  const Failure why = to_plain.end();
  EXPECT_EQ(why.kind, FailureKind::kTls) << why.message;
  EXPECT_THAT(why.message, HasSubstr("ws:// and http:// are for ports without TLS"));

  LoopbackServer tls([](Peer&) {}, &good());
  Record to_tls;
  connect(at(tls, "ws"), to_tls);
  EXPECT_THAT(to_tls.end().kind, testing::AnyOf(FailureKind::kReset, FailureKind::kMalformed));
}

TEST_F(WebSocketClientTest, SaysWhyItCannotConnect) {
  Record no_name;
  connect({.url = Secret("wss://nowhere.invalid/?token=KEY")}, no_name);
  EXPECT_EQ(no_name.end().kind, FailureKind::kDns);
  EXPECT_THAT(no_name.end().message, HasSubstr("wss://nowhere.invalid: "));
  EXPECT_THAT(no_name.end().message, Not(HasSubstr("KEY")));

  std::uint16_t port = 0;
  {
    port = LoopbackServer([](Peer&) {}).port();
  }
  Record nobody;
  connect({.url = Secret(fmt::format("ws://127.0.0.1:{}", port))}, nobody);
  EXPECT_EQ(nobody.end().kind, FailureKind::kRefused);
  EXPECT_THAT(nobody.end().message, HasSubstr("check host and port"));
  EXPECT_EQ(metrics_.counter("tapedeck_net_out_ends_total", "", {{"kind", "refused"}}).value(), 1u);
}

TEST_F(WebSocketClientTest, SaysWhatTheHandshakeCameTo) {
  const auto answer = [&](std::string_view text) {
    return end_of([text](Peer& peer) {
      peer.read_head();
      peer.send(text);
      peer.await_end();
    });
  };
  const Failure limited =
      answer("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: 4\r\n\r\nslow");
  EXPECT_EQ(limited.kind, FailureKind::kHandshake);
  EXPECT_EQ(limited.code, 429);
  EXPECT_EQ(limited.retry_after, seconds(30));
  const Failure forbidden = answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(forbidden.code, 403);
  EXPECT_THAT(forbidden.message, HasSubstr("(HTTP 403): check the key"));
  EXPECT_EQ(answer("HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n").code,
            302);
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").code, 200);
  EXPECT_EQ(answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: d3Jvbmc=\r\n\r\n")
                .kind,
            FailureKind::kMalformed);
  EXPECT_EQ(answer("SSH-2.0-OpenSSH_9.2\r\n\r\n").kind, FailureKind::kMalformed);
  EXPECT_EQ(end_of([](Peer& peer) { peer.read_head(); }).kind, FailureKind::kReset);
}

TEST_F(WebSocketClientTest, BoundsTheHandshake) {
  const Failure headers = end_of([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 101 Switching Protocols\r\n");
    while (peer.send("X-Filler: 0123456789012345678901234567890123456789\r\n")) continue;
  });
  EXPECT_EQ(headers.kind, FailureKind::kTooLarge) << headers.message;
  const Failure body = end_of([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 403 Forbidden\r\n\r\n");
    while (peer.send(std::string(1000, 'x'))) continue;
  });
  EXPECT_EQ(body.kind, FailureKind::kTooLarge) << body.message;
  EXPECT_THAT(body.message, HasSubstr("65536 bytes"));
}

TEST_F(WebSocketClientTest, OneDeadlineCoversTheWholeOpening) {
  const WebSocketOptions hasty{.open_deadline = milliseconds(80)};
  const Failure drip = end_of(
      [](Peer& peer) {
        peer.read_head();
        for (const char c : "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n") {
          peer.send({&c, 1});
          peer.pause(5);
        }
      },
      hasty);
  EXPECT_EQ(drip.kind, FailureKind::kTimeout);
  EXPECT_THAT(drip.message, HasSubstr("(asking for the WebSocket)"));

  LoopbackServer mute([](Peer& peer) { peer.await_end(); });
  Record record;
  WebSocketOptions options = at(mute, "wss");
  options.open_deadline = milliseconds(80);
  connect(std::move(options), record);
  EXPECT_EQ(record.end().kind, FailureKind::kTimeout);
  EXPECT_THAT(record.end().message, HasSubstr("(agreeing on TLS)"));
}

TEST_F(WebSocketClientTest, NoticesAMuteSocketButNotAQuietOne) {
  const WebSocketOptions impatient{.idle = milliseconds(60)};
  const Failure mute = end_of(
      [](Peer& peer) {
        peer.accept_websocket();
        peer.await_end();
      },
      impatient);
  EXPECT_EQ(mute.kind, FailureKind::kMute) << mute.message;

  // Nothing but answers to pings, for three times as long.
  const Failure quiet = end_of(
      [](Peer& peer) {
        peer.accept_websocket();
        for (int pongs = 0; pongs < 6; ++pongs) {
          const auto frame = peer.read_frame();
          if (!frame) return;
          EXPECT_EQ(frame->opcode, 9);
          peer.send_frame(10, frame->payload);
        }
        peer.send_frame(8, "\x0f\xa0");
        peer.read_frame();
      },
      impatient);
  EXPECT_EQ(quiet.kind, FailureKind::kClosed) << quiet.message;
  EXPECT_EQ(quiet.code, 4000);
}

TEST_F(WebSocketClientTest, AnswersPings) {
  std::string answer;
  Record record;
  {
    LoopbackServer server([&](Peer& peer) {
      peer.accept_websocket();
      peer.send_frame(9, "1700000000");
      const auto frame = peer.read_frame();
      if (frame) answer = fmt::format("{} {}", frame->opcode, frame->payload);
    });
    connect(at(server), record);
    EXPECT_EQ(record.end().kind, FailureKind::kReset);
  }  // its thread has ended
  EXPECT_EQ(answer, "10 1700000000");
  EXPECT_EQ(record.pings, 1);
}

TEST_F(WebSocketClientTest, TellsABrokenConnectionFromAClosedOne) {
  const auto end_after = [&](std::string_view bytes, bool is_reset) {
    return end_of([=](Peer& peer) {
      peer.accept_websocket();
      peer.send(bytes);
      if (is_reset) peer.reset();
    });
  };
  const std::string half = frame_bytes(1, "a message").substr(0, 5);
  EXPECT_EQ(end_after(half, false).kind, FailureKind::kReset);
  const Failure reset = end_after(half, true);
  EXPECT_EQ(reset.kind, FailureKind::kReset);
  EXPECT_THAT(reset.message, HasSubstr("connect again"));
  EXPECT_EQ(end_after("", false).kind, FailureKind::kReset);

  LoopbackServer tls(
      [](Peer& peer) {
        peer.accept_websocket();
        peer.reset();
      },
      &good());
  Record record;
  connect(at(tls, "wss"), record);
  EXPECT_EQ(record.end().kind, FailureKind::kReset) << record.end().message;
}

TEST_F(WebSocketClientTest, ReadsFragmentsAndManyFramesOfOneSegment) {
  LoopbackServer server([](Peer& peer) {
    peer.accept_websocket();
    std::string segment = frame_bytes(1, "in ", false) + frame_bytes(9, "") +
                          frame_bytes(0, "three ", false) + frame_bytes(0, "parts");
    segment += frame_bytes(2, std::string("\x00\xff", 2));
    for (int i = 0; i < 1000; ++i) segment += frame_bytes(1, std::to_string(i));
    peer.send(segment);
    peer.await_end();
  });
  Record record;
  WebSocket socket = connect(at(server), record);
  ASSERT_TRUE(record.wait([](const Record& r) { return r.frames.size() == 1002; }));
  const std::vector<std::string> texts = record.texts();
  EXPECT_EQ(texts[0], "in three parts");
  EXPECT_EQ(texts[1], std::string("\x00\xff", 2));
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(texts[i + 2], std::to_string(i));
  EXPECT_EQ(record.pings, 1);
  EXPECT_GT(metrics_.counter("tapedeck_net_out_received_bytes_total", "").value(), 4000u);
  // Stamped by the read, not by the handling: frames of one segment share their stamps.
  std::size_t stamps = 1;
  for (std::size_t i = 1; i < 1002; ++i) {
    EXPECT_GE(record.frames[i].ts_recv, record.frames[i - 1].ts_recv);
    if (record.frames[i].ts_recv != record.frames[i - 1].ts_recv) ++stamps;
  }
  EXPECT_LT(stamps, 50u);
  client_.reset();  // before its record goes
}

TEST_F(WebSocketClientTest, RefusesMessagesOverTheLimit) {
  const WebSocketOptions small{.message_bytes_max = 1000};
  const auto end_after = [&](const std::string& bytes, std::string_view fields = {}) {
    WebSocketOptions options = small;
    options.deflate = !fields.empty();
    const Failure why = end_of(
        [=](Peer& peer) {
          peer.accept_websocket(fields);
          peer.send(bytes);
          peer.await_end();
        },
        options);
    if (why.kind == FailureKind::kTooLarge) {
      EXPECT_THAT(why.message, HasSubstr("1000 bytes"));
    }
    return why.kind;
  };
  // The header alone is enough.
  EXPECT_EQ(end_after(frame_bytes(1, std::string(1001, 'x')).substr(0, 4)), FailureKind::kTooLarge);
  EXPECT_EQ(end_after(frame_bytes(1, std::string(600, 'x'), false) +
                      frame_bytes(0, std::string(600, 'x'), false)),
            FailureKind::kTooLarge);
  constexpr std::string_view kDeflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
  const std::string bomb = deflated(std::string(1 << 20, 'x'));
  EXPECT_LT(bomb.size(), 1100u);
  EXPECT_EQ(end_after(frame_bytes(1, bomb, true, true), kDeflate), FailureKind::kTooLarge);
  EXPECT_EQ(end_after(frame_bytes(1, "\xff\xff\xff", true, true), kDeflate),
            FailureKind::kMalformed);
  // Compressed though we did not offer it.
  EXPECT_EQ(end_after(frame_bytes(1, deflated("x"), true, true)), FailureKind::kMalformed);
}

TEST_F(WebSocketClientTest, ABombDoesNotGrowBeyondTheDefaultLimit) {
  const std::string bomb = deflated(std::string(std::size_t{64} << 20, 'x'));
  const Failure why = end_of(
      [&](Peer& peer) {
        peer.accept_websocket("Sec-WebSocket-Extensions: permessage-deflate\r\n");
        peer.send_frame(1, bomb, true, true);
        peer.await_end();
      },
      {.deflate = true});
  EXPECT_EQ(why.kind, FailureKind::kTooLarge);
  EXPECT_THAT(why.message, HasSubstr("16777216 bytes"));
}

TEST_F(WebSocketClientTest, InflatesWhatItOffered) {
  std::string head;
  LoopbackServer server([&](Peer& peer) {
    head = peer.accept_websocket("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    peer.send_frame(1, deflated(std::string(5000, 'x')), true, true);
    peer.send_text("as it is");
    peer.await_end();
  });
  Record record;
  WebSocketOptions options = at(server);
  options.deflate = true;
  connect(std::move(options), record);
  ASSERT_TRUE(record.wait([](const Record& r) { return r.frames.size() == 2; }));
  EXPECT_THAT(head, HasSubstr("permessage-deflate"));
  EXPECT_THAT(record.texts(), ElementsAre(std::string(5000, 'x'), "as it is"));
  client_.reset();  // before its record goes
}

TEST_F(WebSocketClientTest, RefusesWhatBreaksTheProtocol) {
  const std::string masked("\x81\x81\x01\x02\x03\x04x", 7);
  for (const std::string& bytes :
       {frame_bytes(1, "\xc3\x28"), frame_bytes(1, "\xed\xa0\x80"), frame_bytes(3, "x"),
        frame_bytes(0, "x"), frame_bytes(9, "x", false), frame_bytes(9, std::string(126, 'x')),
        frame_bytes(1, "x", false) + frame_bytes(1, "x"), frame_bytes(8, "\x03\xed"),
        frame_bytes(8, "x"), masked}) {
    std::optional<Peer::Frame> goodbye;
    const Failure why = end_of([&](Peer& peer) {
      peer.accept_websocket();
      peer.send(bytes);
      goodbye = peer.read_frame();
    });
    EXPECT_EQ(why.kind, FailureKind::kMalformed) << testing::PrintToString(bytes) << why.message;
    EXPECT_THAT(why.message, HasSubstr("a proxy in between"));
  }
}

TEST_F(WebSocketClientTest, TellsTheCodeAndTheWordsOfAClose) {
  const auto closed_with = [&](std::string_view payload) {
    LoopbackServer server([payload](Peer& peer) {
      peer.accept_websocket();
      peer.send_frame(8, payload);
      peer.read_frame();
    });
    Record record;
    WebSocketOptions options = at(server, "ws", "/?token=KEY-7&x=1");
    options.headers = {{"Authorization", Secret("OTHER-8")}};
    connect(std::move(options), record);
    return record.end();
  };
  const Failure policy = closed_with(
      "\x03\xf0"
      "bad token KEY-7\nor OTHER-8");
  EXPECT_EQ(policy.kind, FailureKind::kClosed);
  EXPECT_EQ(policy.code, 1008);
  EXPECT_THAT(policy.message, HasSubstr("(code 1008: bad token *** or ***): it breaks a rule"));
  const Failure away = closed_with("\x03\xe9");
  EXPECT_EQ(away.code, 1001);
  EXPECT_THAT(away.message, HasSubstr("(code 1001): connect again"));
  EXPECT_EQ(closed_with("").kind, FailureKind::kClosed);
  EXPECT_EQ(closed_with("").code, 1005);
}

TEST_F(WebSocketClientTest, ClosesWithAGoodbye) {
  std::optional<Peer::Frame> goodbye;
  LoopbackServer server([&](Peer& peer) {
    peer.accept_websocket();
    goodbye = peer.read_frame();
    if (goodbye) peer.send_frame(8, goodbye->payload);
  });
  Record record;
  WebSocket socket = connect(at(server), record);
  ASSERT_TRUE(record.wait_open());
  socket.close();
  EXPECT_EQ(record.end().kind, FailureKind::kStopped);
  ASSERT_TRUE(goodbye);
  EXPECT_EQ(goodbye->payload, "\x03\xe8");
  const Status sent = socket.send("late");
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::kUnavailable);
  socket.close();
  EXPECT_EQ(record.ends.size(), 1u);
}

// The goodbye waits for a message that the venue does not take, and so does what a bad frame
// causes.
TEST_F(WebSocketClientTest, EndsWhenABadFrameCrossesItsGoodbye) {
  constexpr std::size_t kLarge = 32 << 20;  // more than fits into the kernel's buffers
  std::promise<void> is_closing;
  LoopbackServer server([&](Peer& peer) {
    peer.accept_websocket();
    is_closing.get_future().wait();
    peer.send(std::string("\xf3\0", 2));  // of a reserved kind
    peer.await_end();
  });
  Record record;
  WebSocketOptions options = at(server);
  options.queue_bytes_max = 2 * kLarge;
  WebSocket socket = connect(std::move(options), record);
  ASSERT_TRUE(record.wait_open());
  EXPECT_TRUE(socket.send(std::string(kLarge, 'x')));
  socket.close();
  is_closing.set_value();
  EXPECT_EQ(record.end().kind, FailureKind::kStopped);
  client_.reset();  // it waits for nothing of that connection
}

TEST_F(WebSocketClientTest, AFullQueuePushesBack) {
  LoopbackServer server([](Peer& peer) { peer.await_end(); });
  Record record;
  WebSocketOptions options = at(server);
  options.queue_bytes_max = 1000;
  WebSocket socket = connect(std::move(options), record);
  EXPECT_TRUE(socket.send(std::string(600, 'x')));
  EXPECT_TRUE(socket.send(std::string(400, 'x')));
  const Status full = socket.send("x");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kBusy);
  EXPECT_THAT(full.error().message, HasSubstr("send less, or later"));
  socket.close();  // not open yet: at once
  EXPECT_EQ(record.end().kind, FailureKind::kStopped);
}

TEST_F(WebSocketClientTest, SendsInOrderFromManyThreads) {
  std::vector<std::string> heard;
  LoopbackServer server([&](Peer& peer) {
    peer.accept_websocket();
    while (heard.size() < 400) {
      const auto frame = peer.read_frame();
      if (!frame) break;
      heard.push_back(frame->payload);
    }
    peer.send_frame(8, "\x03\xe8");
    peer.read_frame();
  });
  Record record;
  const WebSocket socket = connect(at(server), record);
  std::vector<std::thread> senders;
  for (const std::string name : {"a", "b", "c", "d"}) {
    senders.emplace_back([name, copy = socket]() mutable {
      for (int i = 0; i < 100; ++i) EXPECT_TRUE(copy.send(fmt::format("{}{}", name, 100 + i)));
    });
  }
  for (std::thread& sender : senders) sender.join();
  record.end();
  ASSERT_EQ(heard.size(), 400u);
  std::ranges::stable_sort(heard, {}, [](const std::string& text) { return text[0]; });
  EXPECT_TRUE(std::ranges::is_sorted(heard));
}

TEST_F(WebSocketClientTest, OneThreadRunsManyAndEndsThemAll) {
  LoopbackServer server([](Peer& peer) {
    peer.accept_websocket();
    peer.send_text("hello");
    peer.await_end();
  });
  constexpr std::size_t kCount = 50;
  std::vector<Record> records(kCount);
  std::vector<WebSocket> sockets;
  for (Record& record : records) sockets.push_back(connect(at(server), record));
  for (Record& record : records) {
    ASSERT_TRUE(record.wait([](const Record& r) { return !r.frames.empty(); }));
  }
  client_.reset();
  for (Record& record : records) {
    ASSERT_EQ(record.ends.size(), 1u);
    EXPECT_EQ(record.ends[0].kind, FailureKind::kStopped);
    EXPECT_TRUE(record.is_destroyed);
  }
  for (WebSocket& socket : sockets) {
    EXPECT_FALSE(socket.send("too late"));
    socket.close();
  }
}

TEST_F(WebSocketClientTest, ConnectingThatHasJustBegunEndsToo) {
  LoopbackServer server([](Peer& peer) { peer.await_end(); });
  for (int i = 0; i < 20; ++i) {
    Record record;
    connect(at(server, i % 2 == 0 ? "ws" : "wss"), record);
    client_.reset();
    ASSERT_EQ(record.ends.size(), 1u);
    EXPECT_EQ(record.ends[0].kind, FailureKind::kStopped);
  }
}

TEST_F(WebSocketClientTest, RefusesWhatCannotBe) {
  Record record;
  const auto url =
      client().connect({.url = Secret("https://x/?token=KEY")}, std::make_unique<Recorder>(record));
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(url.error().message, Not(HasSubstr("KEY")));
  const auto header = client().connect(
      {.url = Secret("wss://x.org/"), .headers = {{"X-Token", Secret("KEY\r\nHost: y")}}},
      std::make_unique<Recorder>(record));
  ASSERT_FALSE(header);
  EXPECT_THAT(header.error().message, HasSubstr("look for line breaks in keys"));
  EXPECT_THAT(header.error().message, Not(HasSubstr("KEY")));
  const auto ca_file = WebSocketClient::start("no-such-file.pem", clock_, metrics_);
  ASSERT_FALSE(ca_file);
  EXPECT_THAT(ca_file.error().message, HasSubstr("no-such-file.pem: no certificates"));
}

}  // namespace
}  // namespace tapedeck::net
