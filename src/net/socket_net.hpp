// src/net/socket_net.hpp: base/net.hpp over WebSockets. What happens on the connections is kept
// until poll() is called; where more is kept than the limit, the sockets are not read meanwhile, so
// that TCP pushes back.
// Thread: connect(), poll() and the connections belong to one thread at a time; on_ready() to any.
#pragma once

#include <memory>
#include <string>

#include "base/net.hpp"
#include "net/websocket_client.hpp"

namespace tapedeck::net {

struct SocketNetOptions {
  std::string ca_file{};                  // as WebSocketClient's
  WebSocketOptions sockets{};             // their url is given to connect()
  std::size_t kept_bytes_max = 16 << 20;  // and one frame
};

// Has a thread of its own, "net-out", and "net-rest" while it fetches. `clock` and `metrics`
// outlive it. Errors: as WebSocketClient.
Result<std::unique_ptr<Net>> make_socket_net(SocketNetOptions options, const Clock& clock,
                                             Metrics& metrics);

}  // namespace tapedeck::net
