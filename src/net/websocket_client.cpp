#include "net/websocket_client.hpp"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/rate_policy.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <concepts>
#include <csignal>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "base/check.hpp"
#include "net/endpoint.hpp"

namespace tapedeck::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kGoodbyeDeadline{2};

std::chrono::nanoseconds chrono_of(Duration d) { return std::chrono::nanoseconds(d.ns); }

class ReadListener {
 public:
  virtual void on_bytes(std::size_t bytes) = 0;

 protected:
  ~ReadListener() = default;
};

// Limits no rate: it tells of what was read at the moment of the read, which is when the bytes of
// all frames in it arrived.
class ReadWatch {
 public:
  explicit ReadWatch(ReadListener& listener) : listener_(&listener) {}

 private:
  friend class beast::rate_policy_access;
  static constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();
  std::size_t available_read_bytes() const { return kUnlimited; }
  std::size_t available_write_bytes() const { return kUnlimited; }
  void transfer_read_bytes(std::size_t bytes) { listener_->on_bytes(bytes); }
  void transfer_write_bytes(std::size_t) const {}
  void on_timer() const {}

  ReadListener* listener_;
};

using PlainStream = beast::basic_stream<tcp, asio::io_context::executor_type, ReadWatch>;

using TlsStream = beast::ssl_stream<PlainStream>;

// Called by Beast when all is said. Its own way waits for the other side to hang up, with no
// deadline where that has broken the protocol.
template <class Handler>
void async_teardown(beast::role_type, PlainStream& stream, Handler&& handler) {
  stream.close();
  asio::post(stream.get_executor(),
             beast::bind_front_handler(std::forward<Handler>(handler), error_code{}));
}

template <class Handler>
void async_teardown(beast::role_type role, TlsStream& stream, Handler&& handler) {
  async_teardown(role, stream.next_layer(), std::forward<Handler>(handler));
}

bool is_ip_address(const std::string& host) {
  error_code ec;
  asio::ip::make_address(host, ec);
  return !ec;
}

}  // namespace

struct WebSocketClient::Shared {
  Shared(const Clock& clock_in, Metrics& metrics_in)
      : clock(clock_in),
        metrics(metrics_in),
        bytes_received(metrics.counter("tapedeck_net_out_received_bytes_total",
                                       "Bytes read from venues' WebSockets, TLS included.")) {}

  const Clock& clock;
  Metrics& metrics;
  Counter& bytes_received;
  asio::ssl::context tls{asio::ssl::context::tls_client};
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  std::unordered_set<Session*> sessions;
  std::thread thread;
};

// What waits to be sent, where senders and the session meet.
struct WebSocket::Outbox {
  std::mutex mutex;
  std::deque<std::string> waiting;
  std::size_t waiting_bytes = 0;
  std::size_t bytes_max = 0;
  std::string origin;
  WebSocketClient::Session* session = nullptr;  // none: it ended
};

// One connection: what does not depend on whether it is over TLS. Kept alive by its own pending
// operations: it goes when the last of them has ended.
class WebSocketClient::Session : public ReadListener, public std::enable_shared_from_this<Session> {
 public:
  Session(Shared& shared, WebSocketOptions options, Endpoint endpoint,
          std::unique_ptr<WebSocketEvents> events)
      : shared_(shared),
        options_(std::move(options)),
        endpoint_(std::move(endpoint)),
        events_(std::move(events)),
        outbox_(std::make_shared<WebSocket::Outbox>()),
        handle_(outbox_),
        resolver_(shared.io),
        deadline_(shared.io) {
    outbox_->bytes_max = options_.queue_bytes_max;
    outbox_->origin = endpoint_.origin;
    outbox_->session = this;
  }
  virtual ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  WebSocket handle() const { return handle_; }
  asio::io_context& io() { return shared_.io; }

  void start() {
    if (has_ended_) return;
    shared_.sessions.insert(this);
    deadline_.expires_after(chrono_of(options_.open_deadline));
    deadline_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec) self->end(FailureKind::kTimeout, self->stage_);
    });
    stage_ = "looking up its name";
    resolver_.async_resolve(endpoint_.host, endpoint_.port,
                            [self = shared_from_this()](error_code ec, const auto& found) {
                              if (self->has_ended_) return;
                              if (ec) return self->end(FailureKind::kDns, ec.message());
                              for (const auto& entry : found) {
                                self->addresses_.push_back(entry.endpoint());
                              }
                              self->stage_ = "connecting";
                              self->connect();
                            });
  }

  virtual void pump() = 0;   // sends what waits, if nothing is on its way
  virtual void close() = 0;  // by us, with a goodbye if it is open

  void on_bytes(std::size_t bytes) final {
    ts_read_ = shared_.clock.now();
    shared_.bytes_received.add(bytes);
    if (is_open_) return;
    opening_bytes_ += bytes;
    if (opening_bytes_ <= options_.handshake_bytes_max || is_over_limit_) return;
    is_over_limit_ = true;
    asio::post(shared_.io, [self = shared_from_this()] {
      self->end(
          FailureKind::kTooLarge,
          fmt::format("over {} bytes while {}", self->options_.handshake_bytes_max, self->stage_));
    });
  }

  void end(FailureKind kind, std::string_view detail, int code = 0) {
    end(failure(kind, endpoint_.origin, detail, code));
  }

  // Does nothing where it ended already.
  void end(const Failure& why) {
    if (has_ended_) return;
    has_ended_ = true;
    {
      std::lock_guard lock(outbox_->mutex);
      outbox_->session = nullptr;
      outbox_->waiting.clear();
    }
    deadline_.cancel();
    resolver_.cancel();
    cut();
    shared_.sessions.erase(this);
    shared_.metrics
        .counter("tapedeck_net_out_ends_total", "WebSockets to venues that ended, by why.",
                 {{"kind", std::string(to_string(why.kind))}})
        .add();
    events_->on_closed(why);
    events_.reset();
  }

 protected:
  virtual void connect() = 0;  // to the next of addresses_
  virtual void cut() = 0;      // closes the socket, which ends the pending operations

  // What the other side says, fit to be shown: on one line and without our keys.
  std::string shown(std::string_view text) const {
    std::string line(text);
    const auto hide = [&](std::string_view secret) {
      if (secret.empty()) return;
      for (std::size_t at = 0; (at = line.find(secret, at)) != line.npos; at += 3) {
        line.replace(at, secret.size(), "***");
      }
    };
    for (const auto& [name, value] : options_.headers) hide(value.reveal());
    std::string_view rest = endpoint_.target;
    while (rest.find_first_of("?&") != rest.npos) {
      rest.remove_prefix(rest.find_first_of("?&") + 1);
      const std::string_view pair = rest.substr(0, rest.find('&'));
      if (pair.find('=') != pair.npos) hide(pair.substr(pair.find('=') + 1));
    }
    std::ranges::replace_if(line, [](char c) { return c < ' ' || c == '\x7f'; }, ' ');
    return line;
  }

  Shared& shared_;
  const WebSocketOptions options_;
  const Endpoint endpoint_;
  std::unique_ptr<WebSocketEvents> events_;
  const std::shared_ptr<WebSocket::Outbox> outbox_;
  WebSocket handle_;
  asio::ip::basic_resolver<tcp, asio::io_context::executor_type> resolver_;
  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>,
                             asio::io_context::executor_type>
      deadline_;                         // of the opening, and of our goodbye
  std::deque<tcp::endpoint> addresses_;  // not tried yet
  std::string_view stage_;
  Timestamp ts_read_;
  std::size_t opening_bytes_ = 0;
  bool is_over_limit_ = false;
  bool is_open_ = false;
  bool is_closing_ = false;  // by us
  bool has_ended_ = false;
};

// `Stream`: the plain one or TLS over it.
template <class Stream>
class WebSocketClient::SessionOver final : public Session {
 public:
  template <class... Arguments>
  SessionOver(Shared& shared, WebSocketOptions options, Endpoint endpoint,
              std::unique_ptr<WebSocketEvents> events, Arguments&&... tls)
      : Session(shared, std::move(options), std::move(endpoint), std::move(events)),
        socket_(PlainStream(ReadWatch(*this), shared.io.get_executor()), tls...) {}

  void pump() override {
    if (!is_open_ || is_writing_ || is_closing_ || has_ended_) return;
    {
      std::lock_guard lock(outbox_->mutex);
      if (outbox_->waiting.empty()) return;
      out_ = std::move(outbox_->waiting.front());
      outbox_->waiting.pop_front();
      outbox_->waiting_bytes -= out_.size();
    }
    is_writing_ = true;
    socket_.async_write(asio::buffer(out_),
                        beast::bind_front_handler(&SessionOver::on_write, self()));
  }

  void close() override {
    if (has_ended_ || is_closing_) return;
    if (!is_open_) return end(FailureKind::kStopped, "");
    is_closing_ = true;
    deadline_.expires_after(kGoodbyeDeadline);
    deadline_.async_wait([self = self()](error_code ec) {
      if (!ec) self->end(FailureKind::kStopped, "");
    });
    socket_.async_close(
        websocket::close_code::normal,
        asio::bind_cancellation_slot(closing_signal_.slot(), [self = self()](error_code) {
          self->end(FailureKind::kStopped, "");
        }));
  }

 private:
  static constexpr bool kIsTls = std::same_as<Stream, TlsStream>;

  std::shared_ptr<SessionOver> self() {
    return std::static_pointer_cast<SessionOver>(this->shared_from_this());
  }
  PlainStream& lowest() { return beast::get_lowest_layer(socket_); }
  void cut() override {
    lowest().close();
    // As in websocket_connection.cpp: a closing and what reads a bad frame wait for each other.
    asio::post(shared_.io, [self = self()] {
      self->closing_signal_.emit(asio::cancellation_type::terminal);
      self->reading_signal_.emit(asio::cancellation_type::terminal);
    });
  }

  void connect() override {
    // An address that swallows what is sent must leave time for the next one.
    lowest().expires_after(chrono_of(nanoseconds(options_.open_deadline.ns / 4)));
    lowest().async_connect(addresses_.front(),
                           beast::bind_front_handler(&SessionOver::on_connect, self()));
    addresses_.pop_front();
  }

  void on_connect(error_code ec) {
    if (has_ended_) return;
    if (ec) {
      lowest().close();
      if (!addresses_.empty()) return connect();
      if (ec == asio::error::connection_refused) return end(FailureKind::kRefused, "");
      if (ec == beast::error::timeout) return end(FailureKind::kTimeout, stage_);
      return end(FailureKind::kUnreachable, ec.message());
    }
    lowest().expires_never();  // deadline_ covers the rest
    error_code ignored;
    lowest().socket().set_option(tcp::no_delay(true), ignored);
    if constexpr (kIsTls) {
      stage_ = "agreeing on TLS";
      SSL* const tls = socket_.next_layer().native_handle();
      // The check of the name takes addresses too; SNI is for names only.
      const bool is_set = SSL_set1_host(tls, endpoint_.host.c_str()) == 1 &&
                          (is_ip_address(endpoint_.host) ||
                           SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                    const_cast<char*>(endpoint_.host.c_str())) == 1);
      if (!is_set) return end(FailureKind::kTls, "its name does not fit into TLS");
      socket_.next_layer().async_handshake(asio::ssl::stream_base::client,
                                           beast::bind_front_handler(&SessionOver::on_tls, self()));
    } else {
      shake_hands();
    }
  }

  void on_tls(error_code ec) {
    if (has_ended_) return;
    if (!ec) return shake_hands();
    if constexpr (kIsTls) {
      const long verified = SSL_get_verify_result(socket_.next_layer().native_handle());
      if (verified != X509_V_OK) return end(certificate_failure(endpoint_.origin, verified));
    }
    // A server without TLS often just hangs up.
    end(FailureKind::kTls, ec.message());
  }

  void shake_hands() {
    stage_ = "asking for the WebSocket";
    websocket::stream_base::timeout deadlines{};
    deadlines.handshake_timeout = chrono_of(options_.open_deadline);
    deadlines.idle_timeout = chrono_of(options_.idle);
    deadlines.keep_alive_pings = true;
    socket_.set_option(deadlines);
    websocket::permessage_deflate deflate;
    deflate.client_enable = options_.deflate;
    deflate.msg_size_threshold = std::numeric_limits<std::size_t>::max();  // what we send is short
    socket_.set_option(deflate);
    socket_.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
      request.set(beast::http::field::user_agent, "tapedeck");
      for (const auto& [name, value] : options_.headers) request.set(name, value.reveal());
    }));
    socket_.read_message_max(options_.message_bytes_max);
    socket_.auto_fragment(false);
    socket_.text(true);
    socket_.control_callback([this](websocket::frame_type type, beast::string_view) {
      if (type == websocket::frame_type::ping && !has_ended_) events_->on_ping(ts_read_);
    });
    socket_.async_handshake(answer_, endpoint_.host_header, endpoint_.target,
                            beast::bind_front_handler(&SessionOver::on_handshake, self()));
  }

  void on_handshake(error_code ec) {
    if (has_ended_) return;
    if (ec) return end_of_handshake(ec);
    deadline_.cancel();
    is_open_ = true;
    websocket::stream_base::timeout deadlines{};
    socket_.get_option(deadlines);
    deadlines.handshake_timeout = kGoodbyeDeadline;  // which is that of closing from here on
    socket_.set_option(deadlines);
    events_->on_open(handle_);
    pump();
    read();
  }

  void end_of_handshake(error_code ec) {
    if (ec == websocket::error::upgrade_declined) {
      const int status = static_cast<int>(answer_.result_int());
      Failure why = failure(FailureKind::kHandshake, endpoint_.origin,
                            fmt::format("HTTP {}", status), status);
      why.retry_after = parse_retry_after(answer_[beast::http::field::retry_after]);
      return end(why);
    }
    if (ec == beast::http::error::header_limit || ec == beast::http::error::body_limit ||
        ec == beast::http::error::buffer_overflow) {
      return end(FailureKind::kTooLarge, stage_);
    }
    if (is_protocol_error(ec)) return end(FailureKind::kMalformed, ec.message());
    end(FailureKind::kReset, fmt::format("{}: {}", stage_, ec.message()));
  }

  void read() {
    socket_.async_read(
        in_, asio::bind_cancellation_slot(
                 reading_signal_.slot(), beast::bind_front_handler(&SessionOver::on_read, self())));
  }

  void on_read(error_code ec, std::size_t) {
    if (has_ended_) return;
    if (ec) return end_of_reading(ec);
    events_->on_frame(handle_,
                      std::string_view(static_cast<const char*>(in_.data().data()), in_.size()),
                      ts_read_);
    in_.clear();
    if (in_.capacity() > kBufferKeptMax) in_.shrink_to_fit();
    read();
  }

  void end_of_reading(error_code ec) {
    if (is_closing_) return end(FailureKind::kStopped, "");
    if (ec == websocket::error::closed) {
      const websocket::close_reason& reason = socket_.reason();
      const std::string_view said{reason.reason.data(), reason.reason.size()};
      constexpr int kNoCode = websocket::close_code::no_status;
      const int code = reason.code == websocket::close_code::none ? kNoCode : int{reason.code};
      return end(FailureKind::kClosed,
                 said.empty() ? fmt::format("code {}", code)
                              : fmt::format("code {}: {}", code, shown(said)),
                 code);
    }
    if (ec == websocket::error::message_too_big || ec == websocket::error::buffer_overflow) {
      return end(FailureKind::kTooLarge,
                 fmt::format("a message over {} bytes", options_.message_bytes_max));
    }
    if (ec == beast::error::timeout) {
      return end(FailureKind::kMute, fmt::format("for up to {}", to_string(options_.idle)));
    }
    end(is_protocol_error(ec) ? FailureKind::kMalformed : FailureKind::kReset, ec.message());
  }

  // Neither of the system nor of TLS: of HTTP, WebSocket or deflate.
  static bool is_protocol_error(error_code ec) {
    return ec != beast::http::error::end_of_stream && ec != beast::http::error::partial_message &&
           ec.category() != boost::system::system_category() &&
           ec.category() != asio::error::get_misc_category() &&
           ec.category() != asio::error::get_ssl_category() &&
           ec.category() != asio::ssl::error::get_stream_category();
  }

  void on_write(error_code ec, std::size_t) {
    is_writing_ = false;
    if (!ec) pump();  // else reading fails too, and knows better why
  }

  static constexpr std::size_t kBufferKeptMax = 1 << 20;       // of a rare large message
  asio::cancellation_signal reading_signal_, closing_signal_;  // outlive what is cancelled
  websocket::stream<Stream> socket_;
  websocket::response_type answer_;
  beast::flat_buffer in_;
  std::string out_;
  bool is_writing_ = false;
};

Status WebSocket::send(std::string text) {
  std::lock_guard lock(outbox_->mutex);
  if (outbox_->session == nullptr) {
    return fail(ErrorCode::kUnavailable, fmt::format("{}: it has ended", outbox_->origin));
  }
  if (text.size() > outbox_->bytes_max - outbox_->waiting_bytes) {
    return fail(ErrorCode::kBusy, fmt::format("{}: {} bytes wait to be sent, as many as may: send "
                                              "less, or later",
                                              outbox_->origin, outbox_->waiting_bytes));
  }
  outbox_->waiting_bytes += text.size();
  outbox_->waiting.push_back(std::move(text));
  // Under the lock: a session that has not ended is alive, and so is what runs it.
  asio::post(outbox_->session->io(),
             [session = outbox_->session->shared_from_this()] { session->pump(); });
  return {};
}

void WebSocket::close() {
  std::lock_guard lock(outbox_->mutex);
  if (outbox_->session == nullptr) return;
  asio::post(outbox_->session->io(),
             [session = outbox_->session->shared_from_this()] { session->close(); });
}

Result<std::unique_ptr<WebSocketClient>> WebSocketClient::start(const std::string& ca_file,
                                                                const Clock& clock,
                                                                Metrics& metrics) {
  TD_TRY(check_ca_file(ca_file));
  auto shared = std::make_unique<Shared>(clock, metrics);
  SSL_CTX* const tls = shared->tls.native_handle();
  SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
  SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, nullptr);
  const int is_loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(tls)
                                        : SSL_CTX_load_verify_file(tls, ca_file.c_str());
  TD_CHECK(is_loaded == 1);
  // Signals are for the threads that expect them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  shared->thread = std::thread([&io = shared->io] {
    pthread_setname_np(pthread_self(), "net-out");
    io.run();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return std::unique_ptr<WebSocketClient>(new WebSocketClient(std::move(shared)));
}

WebSocketClient::WebSocketClient(std::unique_ptr<Shared> shared) : shared_(std::move(shared)) {}

WebSocketClient::~WebSocketClient() {
  asio::post(shared_->io, [this] {
    while (!shared_->sessions.empty()) {
      (*shared_->sessions.begin())->end(FailureKind::kStopped, "");
    }
    shared_->work.reset();
  });
  shared_->thread.join();
}

Result<WebSocket> WebSocketClient::connect(WebSocketOptions options,
                                           std::unique_ptr<WebSocketEvents> events) {
  TD_ASSIGN(Endpoint endpoint, parse_endpoint(options.url, "ws"));
  for (const auto& [name, value] : options.headers) {
    if (!is_header(name, value.reveal())) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: the name or the value of a header has letters that it must not "
                              "have: look for line breaks in keys",
                              endpoint.origin));
    }
  }
  std::shared_ptr<Session> session;
  if (endpoint.is_tls) {
    session = std::make_shared<SessionOver<TlsStream>>(
        *shared_, std::move(options), std::move(endpoint), std::move(events), shared_->tls);
  } else {
    session = std::make_shared<SessionOver<PlainStream>>(*shared_, std::move(options),
                                                         std::move(endpoint), std::move(events));
  }
  WebSocket handle = session->handle();
  asio::post(shared_->io, [session = std::move(session)] { session->start(); });
  return handle;
}

}  // namespace tapedeck::net
