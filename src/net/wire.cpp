#include "net/wire.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/ssl/stream.hpp>

namespace tapedeck::net {

struct Wire::Tls {
  asio::ssl::stream<SocketStream> stream;
};

Wire::Wire(SocketStream socket) : socket_(std::move(socket)) {}
Wire::Wire(SocketStream socket, asio::ssl::context& tls)
    : tls_(new Tls{asio::ssl::stream<SocketStream>(std::move(socket), tls)}) {}
Wire::Wire(Wire&&) noexcept = default;
Wire::~Wire() = default;

SocketStream& Wire::next_layer() { return tls_ != nullptr ? tls_->stream.next_layer() : *socket_; }

void Wire::shake_hands(Done done) {
  tls_->stream.async_handshake(asio::ssl::stream_base::server,
                               asio::bind_executor(get_executor(), std::move(done)));
}

void Wire::take_leave(Done done) {
  tls_->stream.async_shutdown(asio::bind_executor(get_executor(), std::move(done)));
}

void Wire::read_tls(asio::mutable_buffer into, DoneSome done) {
  tls_->stream.async_read_some(into, asio::bind_executor(get_executor(), std::move(done)));
}

void Wire::write_tls(asio::const_buffer from, DoneSome done) {
  tls_->stream.async_write_some(from, asio::bind_executor(get_executor(), std::move(done)));
}

}  // namespace tapedeck::net
