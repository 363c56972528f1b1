// tests/fuzz/served_bytes.hpp: gives bytes to the server's sessions as a client's socket would, on
// one thread, and checks what comes back: the API behind them, on a pipeline played by hand.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "api/api.hpp"
#include "api/fake_pipeline.hpp"
#include "base/check.hpp"
#include "net/connection.hpp"

namespace tapedeck::net {

inline const std::string kFuzzToken(32, 't');

// The API, but for its threads.
class OneThread final : public HttpHandler {
 public:
  explicit OneThread(HttpHandler& handler) : handler_(handler) {}
  HttpResponse on_request(const HttpRequest& request) override {
    (void)handler_.is_slow(request);
    return handler_.on_request(request);
  }
  std::expected<std::unique_ptr<WebSocketHandler>, HttpResponse> on_upgrade(
      const HttpRequest& request) override {
    return handler_.on_upgrade(request);
  }
  HttpResponse on_refusal(const HttpRefusal& refusal) override {
    return handler_.on_refusal(refusal);
  }

 private:
  HttpHandler& handler_;
};

class FuzzedServer {
 public:
  // `handler`: in place of the API.
  explicit FuzzedServer(HttpHandler* handler = nullptr) {
    fake_.put(api::bar(0, "10", 1));
    fake_.put_trade("10", Timestamp{5}, 1);
    shared_.hosts.emplace(AllowedHosts::Options{.names = {"localhost"}}, kPort);
    shared_.handler = handler != nullptr ? handler : &one_thread_;
  }

  // A client that sends `first`, waits for the answer, sends `rest` in pieces, each when there is
  // nothing left to do for the one before it, and is gone. Returns all that it was sent.
  std::string serve(std::string_view first, std::string_view rest, std::size_t piece_bytes) {
    int ends[2]{};
    TD_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    {
      Socket socket(shared_.io);
      socket.assign(tcp::v4(), ends[0]);
      serve_http(shared_, std::move(socket));
    }
    std::string answers;
    shared_.limits.request_deadline = HttpLimits{}.request_deadline;
    if (!first.empty()) {
      send(ends[1], first, answers);
      shared_.limits.request_deadline = {};  // of goodbyes, from here on
    }
    if (piece_bytes == 0) piece_bytes = std::max<std::size_t>(rest.size(), 1);
    for (; !rest.empty(); rest.remove_prefix(std::min(rest.size(), piece_bytes))) {
      send(ends[1], rest.substr(0, piece_bytes), answers);
      for (Connection* connection : shared_.connections) connection->on_wake();
    }
    ::shutdown(ends[1], SHUT_WR);
    run(ends[1], answers);
    ::close(ends[1]);
    run(-1, answers);
    // Who answers a goodbye with a bad frame is let go of at a deadline.
    for (Connection* connection : shared_.connections) {
      first.empty() ? connection->cut() : connection->on_tick();
    }
    run(-1, answers);
    TD_CHECK(shared_.connections.empty());  // whoever is gone is let go of
    TD_CHECK(shared_.websocket_count == 0);
    return answers;
  }

  static constexpr std::uint16_t kPort = 8273;

 private:
  // Until nothing happens any more.
  void run(int client, std::string& answers) {
    bool is_busy = true;
    while (is_busy) {
      shared_.io.restart();
      is_busy = shared_.io.poll() > 0;
      char piece[16 << 10];
      for (ssize_t got = 1; client >= 0 && got > 0;) {
        got = ::recv(client, piece, sizeof piece, 0);
        if (got <= 0) break;
        answers.append(piece, static_cast<std::size_t>(got));
        is_busy = true;
      }
    }
  }

  void send(int client, std::string_view bytes, std::string& answers) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      run(client, answers);
      if (sent < 0) return;  // the server ended it, or takes nothing any more
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  api::FakePipeline fake_;
  const SystemClock clock_;
  Log log_{clock_, LogFormat::kText, LogLevel::kError, [](LogLevel, std::string_view) {}};
  Metrics metrics_;
  api::Api api_{{.history = fake_,
                 .live = fake_,
                 .play = fake_,
                 .metrics = metrics_,
                 .log = log_,
                 .version = "0"},
                api::TokenGate({.operators = Secret(kFuzzToken)}, kPort)};
  OneThread one_thread_{api_};
  Shared shared_{{}, metrics_, log_};
};

// What any client may be told. `input`: all that it sent.
inline void check_answers(std::string_view answers, std::string_view input) {
  TD_CHECK(answers.empty() || answers.starts_with("HTTP/1.1 "));
  TD_CHECK(answers.find("HTTP/1.1 5") == answers.npos);  // nobody breaks it
  if (input.find(kFuzzToken) != input.npos) return;
  TD_CHECK(answers.find("HTTP/1.1 101") == answers.npos);
  const bool asks_for_what_is_open =
      input.find("healthz") != input.npos || input.find("readyz") != input.npos ||
      input.find("docs") != input.npos || input.find('%') != input.npos;  // or so, encoded
  TD_CHECK(asks_for_what_is_open || answers.find("HTTP/1.1 200") == answers.npos);
}

// The first byte says how long the pieces are.
inline void fuzz_http(FuzzedServer& server, const unsigned char* data, std::size_t size) {
  if (size == 0) return;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_answers(server.serve({}, input, data[0]), input);
}

}  // namespace tapedeck::net
