#include "net/http_server.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <thread>

#include "base/check.hpp"
#include "net/connection.hpp"

namespace tapedeck::net {

Shared::Shared(const HttpServerOptions& options, Metrics& metrics_in, Log& log_in)
    : limits(options.limits),
      metrics(metrics_in),
      log(log_in),
      bytes_received(metrics.counter("tapedeck_net_received_bytes_total",
                                     "Bytes read from the clients of the HTTP server.")),
      bytes_sent(metrics.counter("tapedeck_net_sent_bytes_total",
                                 "Bytes sent to the clients of the HTTP server.")),
      connections_open(metrics.gauge("tapedeck_net_connections",
                                     "Connections to the HTTP server that are open.")),
      websockets_open(
          metrics.gauge("tapedeck_net_websockets", "Those of them that are WebSockets.")) {
  if (options.tls) {
    SSL_CTX_up_ref(options.tls->context());  // given back by its new owner
    tls.emplace(options.tls->context());
  }
}

void SlowThreads::start() {
  for (std::size_t i = 0; i < threads_wanted_; ++i) {
    threads_.emplace_back([this] {
      pthread_setname_np(pthread_self(), name_);
      run();
    });
  }
}

bool SlowThreads::submit(std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    if (waiting_.size() >= waiting_max_) return false;
    waiting_.push_back(std::move(work));
  }
  changed_.notify_one();
  return true;
}

void SlowThreads::join() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void SlowThreads::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    auto work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

Result<ProxyList> ProxyList::of(const std::vector<std::string>& texts) {
  ProxyList list;
  for (const std::string& text : texts) {
    const bool is_network = text.find('/') != text.npos;
    error_code ec;
    const bool is_v6 = text.find(':') != text.npos;
    if (is_v6) {
      list.v6_.push_back(asio::ip::make_network_v6(is_network ? text : text + "/128", ec));
    } else {
      list.v4_.push_back(asio::ip::make_network_v4(is_network ? text : text + "/32", ec));
    }
    if (ec) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is no address of a proxy: write one such as 10.0.0.7 or a "
                              "network such as 10.0.0.0/8",
                              text));
    }
  }
  return list;
}

bool ProxyList::contains(const asio::ip::address& address) const {
  if (address.is_v4()) {
    return std::ranges::any_of(v4_, [&](const auto& network) {
      return address.to_v4() == network.address() ||
             network.canonical() ==
                 asio::ip::network_v4(address.to_v4(), network.prefix_length()).canonical();
    });
  }
  return std::ranges::any_of(v6_, [&](const auto& network) {
    return network.canonical() ==
           asio::ip::network_v6(address.to_v6(), network.prefix_length()).canonical();
  });
}

void Shared::count_refusal(std::string_view reason, std::string_view detail) {
  metrics
      .counter("tapedeck_net_refusals_total", "Requests refused and clients cut, by reason.",
               {{"reason", std::string(reason)}})
      .add();
  log.debug("net: refused", {{"reason", reason}, {"detail", detail}});
}

Connection::Connection(Shared& shared) : shared_(shared) {
  shared_.connections.insert(this);
  shared_.connections_open.set(static_cast<std::int64_t>(shared_.connections.size()));
}

Connection::~Connection() {
  shared_.connections.erase(this);
  shared_.connections_open.set(static_cast<std::int64_t>(shared_.connections.size()));
}

namespace {

// Many systems let a program open 1024 files unless it asks for more, which it may.
void allow_descriptors(std::size_t connections) {
  constexpr rlim_t kOthers = 512;  // the tape's, the store's
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min<rlim_t>(connections + kOthers, limit.rlim_max);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

class HttpServer::Listener {
 public:
  Listener(const HttpServerOptions& options, Metrics& metrics, Log& log)
      : shared_(options, metrics, log),
        acceptor_(shared_.io),
        retry_timer_(shared_.io),
        tick_timer_(shared_.io),
        wake_timer_(shared_.io) {}

  ~Listener() {
    if (!thread_.joinable()) return;
    asio::post(shared_.io, [this] { stop(); });
    thread_.join();
    shared_.slow.join();
    shared_.waiting.join();
  }

  Status open(const HttpServerOptions& options) {
    TD_ASSIGN(shared_.proxies, ProxyList::of(options.trusted_proxies));
    error_code ec;
    const auto address = asio::ip::make_address(options.address, ec);
    if (ec) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is no IP address: write one such as 127.0.0.1 or ::1",
                              options.address));
    }
    const int attempts = options.port == 0 ? 1 : options.port_attempts;
    for (int i = 0; i < attempts; ++i) {
      const int port = options.port + i;
      if (port > 65535) break;
      ec = bind({address, static_cast<std::uint16_t>(port)});
      if (!ec) {
        shared_.hosts.emplace(AllowedHosts::Options{.names = options.host_names,
                                                    .exact = options.exact_hosts,
                                                    .any_address = options.any_address,
                                                    .is_tls = options.tls.has_value()},
                              this->port());
        return {};
      }
      if (ec != asio::error::address_in_use) {
        return fail(
            ec == asio::error::access_denied ? ErrorCode::kPermission : ErrorCode::kIo,
            fmt::format("cannot listen on {} port {}: {}", options.address, port, ec.message()));
      }
    }
    return fail(ErrorCode::kBusy, describe_taken(options, attempts));
  }

  std::uint16_t port() const {
    error_code ec;
    return acceptor_.local_endpoint(ec).port();
  }

  void serve(HttpHandler& handler) {
    TD_CHECK(shared_.handler == nullptr);
    shared_.handler = &handler;
    accept();
    tick_timer_.expires_after(chrono_of(shared_.limits.tick));
    await_tick();
    // Signals are for the threads that expect them.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    shared_.slow.start();
    shared_.waiting.start();
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "net");
      shared_.io.run();
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void wake() {
    // Who comes just now is told all that is there then.
    if (shared_.websocket_count == 0 || wake_is_due_.exchange(true)) return;
    asio::post(shared_.io, [this] { await_wake(); });
  }

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;

  static std::string describe_taken(const HttpServerOptions& options, int attempts) {
    if (attempts == 1) {
      return fmt::format(
          "port {} on {} is in use: stop the program that has it or choose another port",
          options.port, options.address);
    }
    return fmt::format(
        "ports {} to {} on {} are all in use: stop a program that has one or choose another port",
        options.port, std::min(options.port + attempts - 1, 65535), options.address);
  }

  error_code bind(const tcp::endpoint& endpoint) {
    error_code ec;
    acceptor_.open(endpoint.protocol(), ec);
    if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec) acceptor_.bind(endpoint, ec);
    if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) {
      error_code ignored;
      acceptor_.close(ignored);
    }
    return ec;
  }

  void accept() {
    acceptor_.async_accept([this](error_code ec, Socket socket) {
      if (is_stopping_) return;
      if (ec) return retry_accept(ec);
      on_client(std::move(socket));
      accept();
    });
  }

  void on_client(Socket socket) {
    if (shared_.connections.size() >= shared_.limits.connections_max) {
      shared_.count_refusal("too_many_connections", "the client was sent away");
      return;
    }
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    // What lies in the kernel for a slow client can no longer be replaced by something newer.
    socket.set_option(asio::socket_base::send_buffer_size(256 << 10), ignored);
    serve_http(shared_, std::move(socket));
  }

  // Out of descriptors, most likely: wait until some are closed.
  void retry_accept(error_code why) {
    shared_.count_refusal("accept_failed", why.message());
    shared_.log.warning("net: cannot take a new connection; trying again",
                        {{"why", why.message()}});
    retry_timer_.expires_after(std::chrono::milliseconds(100));
    retry_timer_.async_wait([this](error_code ec) {
      if (!ec && !is_stopping_) accept();
    });
  }

  void await_tick() {
    tick_timer_.async_wait([this](error_code ec) {
      if (ec || is_stopping_) return;
      for (Connection* connection : shared_.connections) connection->on_tick();
      give_back_memory();
      tick_timer_.expires_at(tick_timer_.expiry() + chrono_of(shared_.limits.tick));
      await_tick();
    });
  }

  // What a crowd needed is free when it has left, and the allocator would keep it for ever.
  void give_back_memory() {
    constexpr std::size_t kCrowd = 64;
    const std::size_t open = shared_.connections.size();
    most_open_ = std::max(most_open_, open);
    if (most_open_ < kCrowd || open > most_open_ / 2) return;
    most_open_ = open;
    ::malloc_trim(0);
  }

  void await_wake() {
    const auto due = next_wake();
    wake_timer_.expires_at(std::max(due, SteadyTime::clock::now()));
    wake_timer_.async_wait([this, due](error_code ec) {
      if (ec || is_stopping_) return;
      // What the last one began has gone on meanwhile; to wait costs something too.
      if (next_wake() - due > chrono_of(shared_.limits.wake_interval)) return await_wake();
      last_wake_ = SteadyTime::clock::now();
      busy_at_last_wake_ = thread_time();
      wake_is_due_ = false;  // before asking: what changes from here on wakes again
      for (Connection* connection : shared_.connections) connection->on_wake();
    });
  }

  SteadyTime next_wake() const {
    constexpr int kWait = 2;  // times what the last one took, with all that it began
    const auto& limits = shared_.limits;
    const Duration took = thread_time() - busy_at_last_wake_;
    const Duration wait =
        std::max(limits.wake_interval, std::min(took * kWait, limits.wake_interval_max));
    return last_wake_ + chrono_of(wait);
  }

  // Of the processor, by the thread that asks.
  static Duration thread_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
  }

  void stop() {
    is_stopping_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    retry_timer_.cancel();
    tick_timer_.cancel();
    wake_timer_.cancel();
    for (Connection* connection : shared_.connections) connection->cut();
  }

  Shared shared_;
  asio::basic_socket_acceptor<tcp, asio::io_context::executor_type> acceptor_;
  SteadyTimer retry_timer_, tick_timer_, wake_timer_;
  SteadyTime last_wake_ = SteadyTime::clock::now() - chrono_of(shared_.limits.wake_interval);
  Duration busy_at_last_wake_{};
  std::atomic<bool> wake_is_due_ = false;
  std::size_t most_open_ = 0;  // connections, since memory was given back
  bool is_stopping_ = false;
  std::thread thread_;
};

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const HttpServerOptions& options,
                                                       Metrics& metrics, Log& log) {
  allow_descriptors(options.limits.connections_max);
  auto listener = std::make_unique<Listener>(options, metrics, log);
  TD_TRY(listener->open(options));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(listener)));
}

HttpServer::HttpServer(std::unique_ptr<Listener> listener) : listener_(std::move(listener)) {}
HttpServer::~HttpServer() = default;
std::uint16_t HttpServer::port() const { return listener_->port(); }
void HttpServer::serve(HttpHandler& handler) { listener_->serve(handler); }
void HttpServer::wake() { listener_->wake(); }

}  // namespace tapedeck::net
