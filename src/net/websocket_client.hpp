// src/net/websocket_client.hpp: WebSockets to venues, over TCP (ws://) or TLS (wss://). No vendor
// types. It does not connect again: who uses it decides when (base/backoff.hpp), and what to send
// then.
// Threads: one, named "net-out", runs all connections and calls their events. WebSocketClient and
// WebSocket may be used from any thread. No event comes from within a call of ours.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "net/failure.hpp"

namespace tapedeck::net {

struct WebSocketOptions {
  Secret url;  // ws:// or wss://
  std::vector<std::pair<std::string, Secret>> headers{};
  Duration open_deadline = seconds(15);  // DNS, TCP, TLS and handshake together
  // We ping at least twice in this time. Nothing received, not even a pong, for between half of it
  // and all of it: kMute. That a subscription is silent on a live socket is for the feed to notice.
  Duration idle = seconds(60);
  std::size_t handshake_bytes_max = 64 << 10;  // all that is received before it is open
  std::size_t message_bytes_max = 16 << 20;    // inflated
  std::size_t queue_bytes_max = 1 << 20;       // given to send() and not yet on its way
  bool deflate = false;                        // offer permessage-deflate for what we receive
};

// A connection's other end, as seen by whoever sends. A copy is the same connection; it may outlive
// both the connection and the client. Dropping all copies does not close it.
class WebSocket {
 public:
  // Queued until it is open. Errors: kBusy where the queue is full, kUnavailable once it ended.
  Status send(std::string text);
  // Says goodbye, waiting two seconds at most; what is still queued is dropped. on_closed follows.
  void close();

 private:
  friend class WebSocketClient;
  struct Outbox;
  explicit WebSocket(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}
  std::shared_ptr<Outbox> outbox_;
};

// What happens on one connection. Must not throw, and must not take long: all others wait.
class WebSocketEvents {
 public:
  virtual ~WebSocketEvents() = default;
  virtual void on_open(WebSocket& socket) = 0;
  // A whole message, text (valid UTF-8) or binary alike. `ts_recv`: when the bytes that completed
  // it were read from the socket.
  virtual void on_frame(WebSocket& socket, std::string_view frame, Timestamp ts_recv) = 0;
  virtual void on_ping(Timestamp) {}  // it was answered already
  // The last call, always made once.
  virtual void on_closed(const Failure& why) = 0;
};

class WebSocketClient {
 public:
  // `ca_file`: certificates (PEM) to trust instead of the system's; empty: the system's. Errors:
  // kInvalidArgument where it is no such file. `clock` and `metrics` outlive the client.
  static Result<std::unique_ptr<WebSocketClient>> start(const std::string& ca_file,
                                                        const Clock& clock, Metrics& metrics);
  // Ends all connections. May wait for a look-up of a name that is under way.
  ~WebSocketClient();

  // Starts connecting; how it went is told by the events, which are destroyed after on_closed.
  // Errors: kInvalidArgument, of the URL or a header.
  Result<WebSocket> connect(WebSocketOptions options, std::unique_ptr<WebSocketEvents> events);

 private:
  friend class WebSocket;
  class Session;
  template <class Stream>
  class SessionOver;
  struct Shared;
  explicit WebSocketClient(std::unique_ptr<Shared> shared);
  std::unique_ptr<Shared> shared_;
};

}  // namespace tapedeck::net
