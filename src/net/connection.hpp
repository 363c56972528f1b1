// src/net/connection.hpp: what the connections of one server share. Inside of this room only: it
// includes Asio and Beast, which no other header does.
// Thread: "net" only.
#pragma once

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include "net/http_server.hpp"
#include "net/wire.hpp"

namespace tapedeck::net {

inline std::chrono::nanoseconds chrono_of(Duration d) { return std::chrono::nanoseconds(d.ns); }

using SteadyTimer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                               asio::wait_traits<std::chrono::steady_clock>,
                                               asio::io_context::executor_type>;
using BeastRequest = beast::http::request<beast::http::string_body>;

class Connection;

// Threads that answer what takes long. Work that waits when they are joined is not done.
class SlowThreads {
 public:
  SlowThreads(const char* name, std::size_t threads, std::size_t waiting_max)
      : name_(name), threads_wanted_(threads), waiting_max_(waiting_max) {}
  ~SlowThreads() { join(); }
  void start();
  // False: too much waits already.
  bool submit(std::function<void()> work);
  void join();

 private:
  void run();

  const char* const name_;
  const std::size_t threads_wanted_;
  const std::size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Addresses and networks.
class ProxyList {
 public:
  static Result<ProxyList> of(const std::vector<std::string>& texts);
  bool contains(const asio::ip::address& address) const;
  bool empty() const { return v4_.empty() && v6_.empty(); }

 private:
  std::vector<asio::ip::network_v4> v4_;
  std::vector<asio::ip::network_v6> v6_;
};

// Outlives all connections of its server.
struct Shared {
  Shared(const HttpServerOptions& options, Metrics& metrics_in, Log& log_in);

  // Counts it and puts it into the log.
  void count_refusal(std::string_view reason, std::string_view detail);

  HttpLimits limits;
  Metrics& metrics;
  Log& log;
  Counter& bytes_received;
  Counter& bytes_sent;
  Gauge& connections_open;
  Gauge& websockets_open;
  std::optional<asio::ssl::context> tls;
  std::optional<AllowedHosts> hosts;  // once the port is known
  ProxyList proxies;
  HttpHandler* handler = nullptr;  // once serving
  std::unordered_set<Connection*> connections;
  std::atomic<std::int64_t> websocket_count = 0;
  asio::io_context io{1};
  std::size_t large_bodies_bytes = 0;  // that are being read or answered, at most
  SlowThreads slow{"net-slow", limits.slow_threads, limits.slow_requests_max};
  SlowThreads waiting{"net-waits", limits.waiting_threads, limits.waiting_requests_max};
};

// Kept alive by its own pending operations: it goes when the last of them has ended.
class Connection {
 public:
  explicit Connection(Shared& shared);
  virtual ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  virtual void cut() = 0;  // closes the socket, which ends the pending operations
  virtual void on_wake() {}
  virtual void on_tick() {}

 protected:
  Shared& shared_;
};

// With TLS if `shared` has it.
void serve_http(Shared& shared, Socket socket);
// `request` is the one that asked for the upgrade.
void serve_websocket(Shared& shared, Wire wire, BeastRequest request,
                     std::unique_ptr<WebSocketHandler> handler);

}  // namespace tapedeck::net
