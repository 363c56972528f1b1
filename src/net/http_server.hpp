// src/net/http_server.hpp: an HTTP/1.1 and WebSocket server for one handler. No vendor types.
// Threads: one, named "net", runs all connections and calls the handler; a few, named "net-slow",
// call on_request for what the handler says is slow, so that nobody else waits for it, and others,
// named "net-waits", for what waits for something else, which would hold those up. serve()
// starts them and the destructor joins them. wake() may be called from any thread. Limits are
// counted before anything is buffered, and every wait for a client has a deadline: what is refused
// or cut is counted in tapedeck_net_refusals_total{reason=}.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "net/http_message.hpp"
#include "net/tls_identity.hpp"

namespace tapedeck::net {

struct CloseWebSocket {
  std::uint16_t code = 1000;  // RFC 6455, section 7.4
  std::string reason;         // at most 123 bytes are sent
};

// A part of a text message. Until its last one has been given, nothing else may be but the end.
struct MessagePart {
  std::string text;
  bool is_last = false;
};

// Nothing for so long; then the handler is asked again, if nothing else had it asked before.
struct Later {
  Duration wait{};
};

// Nothing now, a text message or a part of one, or the end.
using WebSocketStep = std::variant<std::monostate, std::string, MessagePart, Later, CloseWebSocket>;

// One WebSocket. It is asked for each message when the one before it is sent, so there is never a
// queue: a slow client simply gets newer things. Destroyed when the connection is gone.
class WebSocketHandler {
 public:
  virtual ~WebSocketHandler() = default;
  virtual void on_wake() = 0;  // HttpServer::wake() was called
  virtual void on_tick() = 0;  // once every HttpLimits::tick
  virtual void on_message(std::string_view text) = 0;
  // Called after each of these, after each message that was sent, and when it said so; never while
  // one is being sent.
  virtual WebSocketStep next() = 0;
};

// What the server itself turned down, before or instead of asking the handler.
struct HttpRefusal {
  int status = 400;
  std::string_view reason;  // the metric's label: "wrong_host"
  std::string message;
  std::string peer{};
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // True: on_request may take long with it, and is called beside everything else.
  virtual bool is_slow(const HttpRequest&) const { return false; }
  // True: it mostly waits.
  virtual bool waits(const HttpRequest&) const { return false; }
  // How large a body may be, where that is more than the limits say of all; asked when the header
  // is there, and nothing of the body is kept. 0: as the limits say.
  virtual std::size_t body_bytes_max(const HttpRequest&) const { return 0; }
  virtual HttpResponse on_request(const HttpRequest& request) = 0;
  // A GET that asks to become a WebSocket.
  virtual std::expected<std::unique_ptr<WebSocketHandler>, HttpResponse> on_upgrade(
      const HttpRequest& request) = 0;
  // How a refusal is worded.
  virtual HttpResponse on_refusal(const HttpRefusal& refusal) = 0;
};

struct HttpLimits {
  std::size_t header_bytes_max = 16 << 10;
  std::size_t body_bytes_max = 16 << 10;
  std::size_t large_bodies_bytes_max = 64 << 20;  // together, of those that may be larger
  std::size_t message_bytes_max = 4 << 10;        // of a WebSocket message to us
  std::size_t connections_max = 2048;
  std::uint32_t requests_per_second_max = 5000;  // of one connection
  std::size_t slow_threads = 2;
  std::size_t slow_requests_max = 64;  // that wait for one of them
  std::size_t waiting_threads = 8;
  std::size_t waiting_requests_max = 16;
  Duration tls_deadline = seconds(10);      // until TLS is agreed upon
  Duration request_deadline = seconds(15);  // for a whole request, the wait for it included
  Duration write_stall = seconds(30);       // sending, and the client took nothing
  Duration websocket_idle = seconds(60);    // a ping at half of it; no answer: cut
  // on_wake is called no more often; and where many have much to be told, so seldom that it takes
  // a quarter of the thread's time, but no more seldom than wake_interval_max.
  Duration wake_interval = microseconds(500);
  Duration wake_interval_max = milliseconds(50);
  Duration tick = seconds(1);
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any that is free
  int port_attempts = 1;   // ports to try, counting up
  std::vector<std::string> host_names = {"localhost", "127.0.0.1", "[::1]"};
  // As AllowedHosts::Options.
  std::vector<std::string> exact_hosts{};
  bool any_address = false;
  // Addresses and networks ("10.0.0.0/8") whose X-Forwarded-For, -Host and -Proto are believed.
  std::vector<std::string> trusted_proxies{};
  // Serves HTTPS and WSS as this, and nothing else.
  std::optional<TlsIdentity> tls{};
  HttpLimits limits{};
};

class HttpServer {
 public:
  // Takes the port; connections wait until serve(). `metrics` and `log` are borrowed for the
  // server's life. Errors: kBusy, naming the ports that were tried; kInvalidArgument.
  static Result<std::unique_ptr<HttpServer>> listen(const HttpServerOptions& options,
                                                    Metrics& metrics, Log& log);
  ~HttpServer();  // cuts all connections; no call of the handler comes after

  std::uint16_t port() const;
  // Begins to answer. `handler` is borrowed until the destructor. Call once.
  void serve(HttpHandler& handler);
  // Calls on_wake of every WebSocket soon: at once after a quiet time, else after wake_interval
  // or more.
  void wake();

 private:
  class Listener;
  explicit HttpServer(std::unique_ptr<Listener> listener);
  std::unique_ptr<Listener> listener_;
};

}  // namespace tapedeck::net
