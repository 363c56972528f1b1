// src/net/wire.hpp: the bytes to and from one client of the server, plain or over TLS, as Asio's
// streams are. What is built on it is compiled once for both. Inside of this room only.
// Thread: "net" only.
#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/buffer_traits.hpp>
#include <boost/beast/core/rate_policy.hpp>
#include <boost/beast/core/role.hpp>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/metrics.hpp"

namespace tapedeck::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;
using boost::system::error_code;

// Limits no rate: it counts what passes, which is also how progress is seen.
class ByteCount {
 public:
  ByteCount(Counter& received, Counter& sent) : received_(&received), sent_(&sent) {}
  std::uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  friend class beast::rate_policy_access;
  static constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();
  std::size_t available_read_bytes() const { return kUnlimited; }
  std::size_t available_write_bytes() const { return kUnlimited; }
  void transfer_read_bytes(std::size_t n) { received_->add(n); }
  void transfer_write_bytes(std::size_t n) {
    sent_->add(n);
    sent_bytes_ += n;
  }
  void on_timer() const {}

  Counter* received_;
  Counter* sent_;
  std::uint64_t sent_bytes_ = 0;
};

using SocketStream = beast::basic_stream<tcp, asio::io_context::executor_type, ByteCount>;
using Socket = SocketStream::socket_type;

class Wire {
 public:
  using executor_type = asio::io_context::executor_type;
  using next_layer_type = SocketStream;
  using Done = std::move_only_function<void(error_code)>;
  using DoneSome = std::move_only_function<void(error_code, std::size_t)>;

  explicit Wire(SocketStream socket);
  // Nothing can be sent before shake_hands() is done.
  Wire(SocketStream socket, asio::ssl::context& tls);
  Wire(Wire&&) noexcept;
  ~Wire();

  bool is_tls() const { return tls_ != nullptr; }
  void shake_hands(Done done);  // of TLS
  void take_leave(Done done);   // of TLS: waits for the client to do so too

  SocketStream& next_layer();
  const SocketStream& next_layer() const { return const_cast<Wire*>(this)->next_layer(); }
  executor_type get_executor() { return next_layer().get_executor(); }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& into, Handler&& handler) {
    if (!is_tls()) {
      next_layer().async_read_some(into, std::forward<Handler>(handler));
    } else {
      read_tls(first_of<asio::mutable_buffer>(into), DoneSome(std::forward<Handler>(handler)));
    }
  }

  template <class Buffers, class Handler>
  void async_write_some(const Buffers& from, Handler&& handler) {
    if (!is_tls()) {
      next_layer().async_write_some(from, std::forward<Handler>(handler));
    } else {
      write_tls(joined(from), DoneSome(std::forward<Handler>(handler)));
    }
  }

 private:
  struct Tls;
  static constexpr std::size_t kRecordBytesMax = 16 << 10;

  void read_tls(asio::mutable_buffer into, DoneSome done);
  void write_tls(asio::const_buffer from, DoneSome done);

  // That is not empty, if there is one.
  template <class Buffer, class Buffers>
  static Buffer first_of(const Buffers& all) {
    for (auto at = asio::buffer_sequence_begin(all); at != asio::buffer_sequence_end(all); ++at) {
      if (const Buffer buffer = *at; buffer.size() > 0) return buffer;
    }
    return {};
  }

  // A record for each piece would be many small ones.
  template <class Buffers>
  asio::const_buffer joined(const Buffers& all) {
    const auto first = first_of<asio::const_buffer>(all);
    const std::size_t bytes = std::min(beast::buffer_bytes(all), kRecordBytesMax);
    if (first.size() >= bytes) return first;
    joined_.resize(bytes);
    asio::buffer_copy(asio::buffer(joined_), all);
    return asio::buffer(joined_);
  }

  std::optional<SocketStream> socket_;  // without TLS
  std::unique_ptr<Tls> tls_;
  std::vector<char> joined_;  // what is being written, over TLS
};

// Called by Beast when a WebSocket has said all, which is leave enough: over TLS it would wait for
// the client's, with no deadline where that has broken the protocol.
template <class Handler>
void async_teardown(beast::role_type role, Wire& wire, Handler&& handler) {
  async_teardown(role, wire.next_layer(), std::forward<Handler>(handler));
}

}  // namespace tapedeck::net
