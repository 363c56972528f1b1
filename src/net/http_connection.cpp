#include <openssl/err.h>
#include <openssl/sslerr.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <array>
#include <utility>

#include "net/connection.hpp"

namespace tapedeck::net {
namespace {

namespace http = beast::http;

// What the client asked for, behind a trusted proxy as that one says.
struct Asked {
  std::string host;
  std::string peer;
  bool is_tls = false;
};

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

Asked asked_of(const BeastRequest& message, const asio::ip::address& peer,
               const ProxyList& proxies) {
  Asked asked{.host = std::string(message[http::field::host]), .peer = peer.to_string()};
  if (!proxies.contains(peer)) return asked;
  if (const auto host = message["X-Forwarded-Host"]; !host.empty()) asked.host = host;
  asked.is_tls = equal_ignoring_case(message["X-Forwarded-Proto"], "https");
  // Each proxy adds whom it heard from at the end: the last that is no proxy of ours is the client.
  std::string_view rest = message["X-Forwarded-For"];
  while (!rest.empty()) {
    const auto comma = rest.rfind(',');
    const std::string_view last = trimmed(comma == rest.npos ? rest : rest.substr(comma + 1));
    rest = comma == rest.npos ? std::string_view() : rest.substr(0, comma);
    error_code ec;
    const auto address = asio::ip::make_address(std::string(last), ec);
    if (ec) break;
    asked.peer = address.to_string();
    if (!proxies.contains(address)) break;
  }
  return asked;
}

// Takes the body out of `message`.
HttpRequest request_of(BeastRequest& message, Target target, const Asked& asked) {
  HttpRequest request{.method = std::string(message.method_string()),
                      .path = std::move(target.path),
                      .query = std::move(target.query),
                      .headers = {},
                      .body = std::move(message.body()),
                      .peer = asked.peer,
                      .is_tls = asked.is_tls};
  for (const auto& field : message) {
    request.headers.emplace_back(field.name_string(), field.value());
  }
  return request;
}

// One client over HTTP/1.1: request, answer, request, ... until one of us closes or it becomes a
// WebSocket.
class HttpConnection final : public Connection,
                             public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(Shared& shared, Wire wire)
      : Connection(shared),
        wire_(std::move(wire)),
        buffer_(shared.limits.header_bytes_max + shared.limits.body_bytes_max) {
    error_code ec;
    peer_ = lowest().socket().remote_endpoint(ec).address();
  }

  ~HttpConnection() override { release_body(); }

  void start() {
    if (!wire_.is_tls()) return read_request();
    lowest().expires_after(chrono_of(shared_.limits.tls_deadline));
    wire_.shake_hands([self = shared_from_this()](error_code ec) { self->on_handshake(ec); });
  }

  // Of one who speaks plain HTTP where TLS is.
  void refuse_plain() {
    parser_.emplace();
    refuse({400, "plain_http", "this port speaks HTTPS: write https:// before the address"});
  }

  void cut() override { lowest().close(); }

 private:
  SocketStream& lowest() { return beast::get_lowest_layer(wire_); }

  void on_handshake(error_code ec) {
    if (!ec) return read_request();
    if (ec == beast::error::timeout) {
      shared_.count_refusal("slow_handshake", "TLS was not agreed upon at its deadline");
    } else if (ec.category() != asio::error::get_ssl_category()) {
      return;  // the client left
    } else if (ERR_GET_REASON(static_cast<unsigned long>(ec.value())) == SSL_R_HTTP_REQUEST) {
      std::make_shared<HttpConnection>(shared_, Wire(std::move(lowest())))->refuse_plain();
    } else {
      shared_.count_refusal("tls", ec.message());
    }
  }

  void read_request() {
    release_body();
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(shared_.limits.header_bytes_max));
    parser_->body_limit(boost::none);  // until the header says whose it is
    body_bytes_max_ = shared_.limits.body_bytes_max;
    lowest().expires_after(chrono_of(shared_.limits.request_deadline));
    http::async_read_header(
        wire_, buffer_, *parser_,
        beast::bind_front_handler(&HttpConnection::on_header, shared_from_this()));
  }

  void on_header(error_code ec, std::size_t) {
    if (ec || parser_->is_done()) return on_read(ec, 0);
    const auto length = parser_->content_length();
    if (!length || *length > body_bytes_max_) {
      if (!allow_large_body()) {
        return refuse({503, "too_busy", "too much is being sent by others: send it again"});
      }
      if (length && *length > body_bytes_max_) return on_read(http::error::body_limit, 0);
    }
    parser_->body_limit(body_bytes_max_);
    if (!equal_ignoring_case(parser_->get()[http::field::expect], "100-continue")) {
      return read_body();
    }
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(wire_, asio::buffer(kContinue),
                      [self = shared_from_this()](error_code failed, std::size_t) {
                        if (!failed) self->read_body();
                      });
  }

  void read_body() {
    http::async_read(wire_, buffer_, *parser_,
                     beast::bind_front_handler(&HttpConnection::on_read, shared_from_this()));
  }

  // As the handler says. False: too much of others is here already.
  bool allow_large_body() {
    const BeastRequest& message = parser_->get();
    auto target = parse_target(message.target());
    if (!target) return true;  // it is refused when it is whole
    const std::size_t most = shared_.handler->body_bytes_max(
        request_of(parser_->get(), *std::move(target), asked_of(message, peer_, shared_.proxies)));
    if (most <= body_bytes_max_) return true;
    if (shared_.large_bodies_bytes + most > shared_.limits.large_bodies_bytes_max) return false;
    shared_.large_bodies_bytes += most;
    body_bytes_max_ = large_body_bytes_ = most;
    return true;
  }

  void release_body() { shared_.large_bodies_bytes -= std::exchange(large_body_bytes_, 0); }

  void on_read(error_code ec, std::size_t) {
    if (!ec) return on_request();
    if (ec == beast::error::timeout) {
      // A connection that is kept for later and not used again is no fault.
      if (parser_->got_some()) {
        shared_.count_refusal("slow_request", "the request was not complete at its deadline");
      }
    } else if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
      refuse({431, "header_too_large",
              "the request's header is larger than " +
                  std::to_string(shared_.limits.header_bytes_max) + " bytes"});
    } else if (ec == http::error::body_limit) {
      refuse({413, "body_too_large",
              "the request's body is larger than " + std::to_string(body_bytes_max_) + " bytes"});
    } else if (ec == http::error::partial_message ||
               (ec == asio::ssl::error::stream_truncated && parser_->got_some())) {
      shared_.count_refusal("malformed", "the client left in the middle of a request");
    } else if (ec != http::error::end_of_stream &&
               ec.category() == http::make_error_code(http::error::end_of_stream).category()) {
      refuse({400, "malformed", "the request is not HTTP/1.1: " + ec.message()});
    } else if (ec.category() == asio::error::get_ssl_category()) {
      shared_.count_refusal("tls", ec.message());
    }
  }

  void on_request() {
    const BeastRequest& message = parser_->get();
    if (comes_too_fast()) {
      return refuse({429, "too_many_requests",
                     "a connection may send " +
                         std::to_string(shared_.limits.requests_per_second_max) +
                         " requests in a second"});
    }
    auto target = parse_target(message.target());
    if (!target) return refuse({400, "malformed", target.error().message});
    Asked asked = asked_of(message, peer_, shared_.proxies);
    asked.is_tls |= wire_.is_tls();
    if (message.count(http::field::host) != 1 || !shared_.hosts->allows_host(asked.host)) {
      return refuse({403, "wrong_host",
                     "this server does not answer to that name: open the address that the program "
                     "printed, or add the name to the allowed hosts"});
    }
    const bool is_upgrade = beast::websocket::is_upgrade(message);
    const bool is_read_only =
        message.method() == http::verb::get || message.method() == http::verb::head;
    if ((is_upgrade || !is_read_only) && !origin_is_allowed(message)) {
      return refuse({403, "wrong_origin", "another site's page may not do this"});
    }
    HttpRequest request = request_of(parser_->get(), *std::move(target), asked);
    if (!is_upgrade && shared_.handler->waits(request)) {
      return answer_later(shared_.waiting, std::move(request), message.keep_alive());
    }
    if (!is_upgrade && shared_.handler->is_slow(request)) {
      return answer_later(shared_.slow, std::move(request), message.keep_alive());
    }
    if (!is_upgrade) {
      return respond(shared_.handler->on_request(request), message.keep_alive());
    }
    if (buffer_.size() != 0) {
      return refuse({400, "malformed", "a client waits for the answer before it sends frames"});
    }
    auto accepted = shared_.handler->on_upgrade(request);
    if (!accepted) return respond(std::move(accepted.error()), message.keep_alive());
    serve_websocket(shared_, std::move(wire_), parser_->release(), *std::move(accepted));
  }

  bool origin_is_allowed(const BeastRequest& message) const {
    const auto count = message.count(http::field::origin);
    if (count == 0) return shared_.hosts->allows_origin(std::nullopt);
    return count == 1 && shared_.hosts->allows_origin(message[http::field::origin]);
  }

  bool comes_too_fast() {
    const auto now = std::chrono::steady_clock::now();
    if (now - second_began_ >= std::chrono::seconds(1)) {
      second_began_ = now;
      requests_ = 0;
    }
    return ++requests_ > shared_.limits.requests_per_second_max;
  }

  // Nothing is read and nothing is sent meanwhile, so that there is no deadline for the client.
  void answer_later(SlowThreads& threads, HttpRequest request, bool keep_alive) {
    lowest().expires_never();
    // The connection ends on the net thread: whoever works here lets go of it by handing it on.
    const bool is_taken = threads.submit([self = shared_from_this(), &shared = shared_,
                                          request = std::move(request), keep_alive]() mutable {
      HttpResponse answer = shared.handler->on_request(request);
      asio::post(shared.io,
                 [self = std::move(self), answer = std::move(answer), keep_alive]() mutable {
                   if (self->lowest().socket().is_open())
                     self->respond(std::move(answer), keep_alive);
                 });
    });
    if (!is_taken) {
      refuse({503, "too_busy", "too many requests that take long are waiting already"});
    }
  }

  void refuse(HttpRefusal refusal) {
    refusal.peer = peer_.to_string();
    shared_.count_refusal(refusal.reason, refusal.message);
    respond(shared_.handler->on_refusal(refusal), /*keep_alive=*/false);
  }

  void respond(HttpResponse answer, bool keep_alive) {
    const bool has_body = answer.status != 204 && answer.status != 304;
    is_head_ = parser_->get().method() == http::verb::head;
    response_.emplace();
    response_->result(static_cast<unsigned>(answer.status));
    for (const auto& [name, value] : answer.headers) response_->insert(name, value);
    if (!answer.content_type.empty()) {
      response_->set(http::field::content_type, answer.content_type);
    }
    response_->keep_alive(keep_alive);
    if (has_body) {
      response_->body() = std::move(answer.body);
      response_->content_length(response_->body().size());
    }
    serializer_.emplace(*response_);
    serializer_->split(is_head_);
    write_some();
  }

  void write_some() {
    lowest().expires_after(chrono_of(shared_.limits.write_stall));  // for each piece anew
    http::async_write_some(
        wire_, *serializer_,
        beast::bind_front_handler(&HttpConnection::on_write, shared_from_this()));
  }

  void on_write(error_code ec, std::size_t) {
    if (ec == beast::error::timeout) {
      shared_.count_refusal("slow_reader", "the client took nothing of its answer");
    }
    if (ec) return;
    const bool is_done = serializer_->is_done() || (is_head_ && serializer_->is_header_done());
    if (!is_done) return write_some();
    const bool keep_alive = response_->keep_alive();
    serializer_.reset();
    response_.reset();
    if (keep_alive) return read_request();
    lowest().expires_after(kGoodbyeDeadline);
    if (!wire_.is_tls()) return hang_up();
    wire_.take_leave([self = shared_from_this()](error_code) { self->hang_up(); });
  }

  void hang_up() {
    error_code ignored;
    lowest().socket().shutdown(tcp::socket::shutdown_send, ignored);
    drain();
  }

  // Closing with unread bytes would reset the connection, and the client might lose our answer. So
  // a little is read first, and not for long.
  void drain() {
    lowest().async_read_some(
        asio::buffer(drained_),
        beast::bind_front_handler(&HttpConnection::on_drained, shared_from_this()));
  }

  void on_drained(error_code ec, std::size_t bytes) {
    drained_bytes_ += bytes;
    if (!ec && drained_bytes_ < kDrainBytesMax) drain();
  }

  static constexpr std::chrono::seconds kGoodbyeDeadline{1};
  static constexpr std::size_t kDrainBytesMax = 256 << 10;

  Wire wire_;
  asio::ip::address peer_;
  std::size_t body_bytes_max_ = 0;
  std::size_t large_body_bytes_ = 0;  // of those of all, what this one takes
  std::chrono::steady_clock::time_point second_began_{};
  std::uint32_t requests_ = 0;  // in that second
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
  bool is_head_ = false;
  std::array<char, 4096> drained_{};
  std::size_t drained_bytes_ = 0;
};

}  // namespace

void serve_http(Shared& shared, Socket socket) {
  SocketStream stream(ByteCount(shared.bytes_received, shared.bytes_sent), std::move(socket));
  Wire wire = shared.tls ? Wire(std::move(stream), *shared.tls) : Wire(std::move(stream));
  std::make_shared<HttpConnection>(shared, std::move(wire))->start();
}

}  // namespace tapedeck::net
