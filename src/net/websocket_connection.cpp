#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <utility>

#include "net/connection.hpp"

namespace tapedeck::net {
namespace {

namespace websocket = beast::websocket;
using SteadyTime = std::chrono::steady_clock::time_point;

// At most one message is on its way to the client; the handler is asked for the next one after it.
class WebSocketConnection final : public Connection,
                                  public std::enable_shared_from_this<WebSocketConnection> {
 public:
  WebSocketConnection(Shared& shared, Wire wire, BeastRequest request,
                      std::unique_ptr<WebSocketHandler> handler)
      : Connection(shared),
        socket_(std::move(wire)),
        request_(std::move(request)),
        handler_(std::move(handler)) {
    shared_.websockets_open.set(++shared_.websocket_count);
  }
  ~WebSocketConnection() override { shared_.websockets_open.set(--shared_.websocket_count); }

  void start() {
    lowest().expires_never();  // the WebSocket has deadlines of its own
    websocket::stream_base::timeout deadlines{};
    deadlines.handshake_timeout = chrono_of(shared_.limits.request_deadline);
    deadlines.idle_timeout = chrono_of(shared_.limits.websocket_idle);
    deadlines.keep_alive_pings = true;
    socket_.set_option(deadlines);
    // Off: compressing on one thread would let one client slow the others.
    websocket::permessage_deflate deflate;
    deflate.server_enable = false;
    socket_.set_option(deflate);
    socket_.read_message_max(shared_.limits.message_bytes_max);
    socket_.auto_fragment(false);
    socket_.text(true);
    socket_.async_accept(
        request_, beast::bind_front_handler(&WebSocketConnection::on_accept, shared_from_this()));
  }

  void cut() override {
    is_open_ = false;
    timer_.cancel();
    lowest().close();
    if (std::exchange(is_cut_, true)) return;
    // A closing waits until nothing is being read, and what reads a bad frame until the closing is
    // done: Beast never ends such two, not even when it is destroyed, as they hold us.
    asio::post(shared_.io, [self = shared_from_this()] {
      self->closing_signal_.emit(asio::cancellation_type::terminal);
      self->reading_signal_.emit(asio::cancellation_type::terminal);
    });
  }

  void on_wake() override {
    if (!is_open_) return;
    handler_->on_wake();
    pump();
  }

  void on_tick() override {
    if (is_closing_ && std::chrono::steady_clock::now() >= cut_at_) return cut();
    if (!is_open_) return;
    if (is_writing_) watch_progress();
    handler_->on_tick();
    pump();
  }

 private:
  SocketStream& lowest() { return beast::get_lowest_layer(socket_); }

  void on_accept(error_code ec) {
    if (ec) {
      if (ec != asio::error::operation_aborted) shared_.count_refusal("handshake", ec.message());
      return;
    }
    is_open_ = true;
    read();
    pump();
  }

  void read() {
    socket_.async_read(
        in_, asio::bind_cancellation_slot(
                 reading_signal_.slot(),
                 beast::bind_front_handler(&WebSocketConnection::on_read, shared_from_this())));
  }

  void on_read(error_code ec, std::size_t) {
    if (ec) return on_end(ec);
    if (is_cut_) return;
    if (socket_.got_text()) {
      handler_->on_message(
          std::string_view(static_cast<const char*>(in_.data().data()), in_.size()));
      in_.clear();
      pump();
    } else {
      in_.clear();
      close({1003, "only text messages are understood"});
    }
    if (!is_closing_) read();  // a closing reads by itself
  }

  void on_end(error_code ec) {
    is_open_ = false;
    if (is_closing_) return cut();  // we ended it, and that was counted where it had to be
    if (ec == websocket::error::message_too_big || ec == websocket::error::buffer_overflow) {
      shared_.count_refusal("message_too_large", ec.message());
    } else if (ec == beast::error::timeout) {
      shared_.count_refusal("silent_client", "a ping was not answered");
    } else if (ec != websocket::error::closed &&
               ec.category() == websocket::make_error_code(websocket::error::closed).category()) {
      shared_.count_refusal("malformed", ec.message());
    }
    cut();  // a message that is still on its way ends too
  }

  void pump() {
    if (!is_open_ || is_writing_ || is_closing_) return;
    WebSocketStep step = handler_->next();
    if (auto* text = std::get_if<std::string>(&step)) {
      write(std::move(*text), /*is_last=*/true);
    } else if (auto* part = std::get_if<MessagePart>(&step)) {
      write(std::move(part->text), part->is_last);
    } else if (const auto* later = std::get_if<Later>(&step)) {
      ask_after(later->wait);
    } else if (const auto* end = std::get_if<CloseWebSocket>(&step)) {
      close(*end);
    }
  }

  void ask_after(Duration wait) {
    if (std::exchange(is_waiting_, true)) return;
    timer_.expires_after(chrono_of(wait));
    timer_.async_wait([self = shared_from_this()](error_code) {
      self->is_waiting_ = false;
      self->pump();
    });
  }

  void write(std::string text, bool is_last) {
    out_ = std::move(text);
    is_writing_ = true;
    sent_bytes_seen_ = lowest().rate_policy().sent_bytes();
    progress_at_ = std::chrono::steady_clock::now();
    socket_.async_write_some(
        is_last, asio::buffer(out_),
        beast::bind_front_handler(&WebSocketConnection::on_write, shared_from_this()));
  }

  void on_write(error_code ec, std::size_t) {
    is_writing_ = false;
    if (!ec) pump();
  }

  void watch_progress() {
    const std::uint64_t sent_bytes = lowest().rate_policy().sent_bytes();
    const SteadyTime now = std::chrono::steady_clock::now();
    if (sent_bytes != sent_bytes_seen_) {
      sent_bytes_seen_ = sent_bytes;
      progress_at_ = now;
    } else if (now - progress_at_ >= chrono_of(shared_.limits.write_stall)) {
      shared_.count_refusal("slow_reader", "the client took nothing of a message");
      is_open_ = false;
      cut();
    }
  }

  void close(const CloseWebSocket& end) {
    if (is_closing_) return;
    is_closing_ = true;
    cut_at_ = std::chrono::steady_clock::now() + chrono_of(shared_.limits.request_deadline);
    constexpr std::size_t kReasonBytesMax = 123;
    websocket::close_reason reason;
    reason.code = end.code;
    reason.reason = end.reason.substr(0, kReasonBytesMax);
    socket_.async_close(reason,
                        asio::bind_cancellation_slot(closing_signal_.slot(),
                                                     [self = shared_from_this()](error_code) {}));
  }

  asio::cancellation_signal reading_signal_, closing_signal_;  // outlive what is cancelled
  websocket::stream<Wire> socket_;
  const BeastRequest request_;  // the handshake refers to it
  const std::unique_ptr<WebSocketHandler> handler_;
  beast::flat_buffer in_;
  std::string out_;
  bool is_open_ = false;
  bool is_writing_ = false;
  bool is_closing_ = false;
  SteadyTime cut_at_;  // if it is closing still
  bool is_cut_ = false;
  SteadyTimer timer_{shared_.io};
  bool is_waiting_ = false;  // for the timer
  std::uint64_t sent_bytes_seen_ = 0;
  SteadyTime progress_at_;
};

}  // namespace

void serve_websocket(Shared& shared, Wire wire, BeastRequest request,
                     std::unique_ptr<WebSocketHandler> handler) {
  std::make_shared<WebSocketConnection>(shared, std::move(wire), std::move(request),
                                        std::move(handler))
      ->start();
}

}  // namespace tapedeck::net
