#include "net/loopback_client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <csignal>

namespace tapedeck::net {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

SSL_CTX* tls_context() {
  // OpenSSL writes without MSG_NOSIGNAL.
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  static const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> made(
      SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  return made.get();
}

}  // namespace

LoopbackClient::LoopbackClient(Door door, int receive_buffer_bytes) : port_(door.port) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return;
  if (receive_buffer_bytes > 0) {
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof receive_buffer_bytes);
  }
  const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(socket_);
    socket_ = -1;
  }
  if (!door.is_tls || socket_ < 0) return;
  tls_ = {SSL_new(tls_context()), &SSL_free};
  SSL_set_fd(tls_.get(), socket_);
  if (door.tls_max != 0) {
    SSL_set_security_level(tls_.get(), 0);
    SSL_set_min_proto_version(tls_.get(), 0);
    SSL_set_max_proto_version(tls_.get(), door.tls_max);
  }
  if (SSL_connect(tls_.get()) == 1) return;
  ERR_clear_error();
  ::close(socket_);
  socket_ = -1;
}

LoopbackClient::~LoopbackClient() {
  if (socket_ >= 0) ::close(socket_);
}

void LoopbackClient::reset() {
  const linger abort{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  ::close(socket_);
  socket_ = -1;
}

bool LoopbackClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    long sent = 0;
    if (tls_ != nullptr && socket_ >= 0) {
      sent = SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
      ERR_clear_error();
    } else {
      sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

long LoopbackClient::receive(char* bytes, std::size_t size) {
  if (tls_ == nullptr || socket_ < 0) return ::recv(socket_, bytes, size, 0);
  const long got = SSL_read(tls_.get(), bytes, static_cast<int>(size));
  if (got <= 0 && SSL_get_error(tls_.get(), static_cast<int>(got)) == SSL_ERROR_ZERO_RETURN) {
    return 0;
  }
  ERR_clear_error();
  return got;
}

bool LoopbackClient::fill() {
  char bytes[64 << 10];
  const long got = receive(bytes, sizeof bytes);
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

std::optional<std::string> LoopbackClient::take(std::size_t bytes) {
  while (buffer_.size() < bytes) {
    if (!fill()) return std::nullopt;
  }
  std::string out = buffer_.substr(0, bytes);
  buffer_.erase(0, bytes);
  return out;
}

bool LoopbackClient::read_end() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  char bytes[64 << 10];
  while (std::chrono::steady_clock::now() < deadline) {
    errno = 0;
    const long got = receive(bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return true;
    if (got < 0) return false;
  }
  return false;
}

std::string LoopbackClient::Answer::header(std::string_view name) const {
  const std::string fields = lower(head);
  const auto at = fields.find("\r\n" + lower(name) + ":");
  if (at == fields.npos) return {};
  const auto begin = head.find_first_not_of(' ', at + 2 + name.size() + 1);
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

std::optional<LoopbackClient::Answer> LoopbackClient::read_answer(bool has_body) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == buffer_.npos) {
    if (!fill()) return std::nullopt;
  }
  Answer answer;
  answer.head = *take(end + 2);
  take(2);
  std::from_chars(answer.head.data() + 9, answer.head.data() + 12, answer.status);
  const std::string length = answer.header("Content-Length");
  if (!has_body || length.empty()) return answer;
  auto body = take(std::stoul(length));
  if (!body) return std::nullopt;
  answer.body = *std::move(body);
  return answer;
}

std::optional<LoopbackClient::Answer> LoopbackClient::request(std::string_view method,
                                                              std::string_view target,
                                                              std::string_view fields,
                                                              std::string_view body) {
  const std::string length =
      body.empty() ? std::string() : fmt::format("Content-Length: {}\r\n", body.size());
  send(fmt::format("{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{}{}\r\n{}", method, target, port_,
                   fields, length, body));
  return read_answer(method != "HEAD");
}

std::optional<LoopbackClient::Answer> LoopbackClient::upgrade(std::string_view target,
                                                              std::string_view fields) {
  // Key and answer are the example of RFC 6455, section 1.3.
  auto answer = request("GET", target,
                        fmt::format("Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                    "Sec-WebSocket-Version: 13\r\n"
                                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}",
                                    fields));
  if (answer && answer->status == 101 &&
      answer->header("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
    return std::nullopt;
  }
  return answer;
}

bool LoopbackClient::send_message(std::string_view text, int opcode) {
  std::string frame{static_cast<char>(0x80 | opcode)};
  if (text.size() < 126) {
    frame += static_cast<char>(0x80 | text.size());
  } else {
    frame += static_cast<char>(0x80 | 126);
    frame += static_cast<char>(text.size() >> 8);
    frame += static_cast<char>(text.size() & 0xFF);
  }
  frame += std::string(4, '\0');  // a mask of zeros changes nothing
  frame += text;
  return send(frame);
}

std::optional<std::string> LoopbackClient::read_message() {
  for (;;) {
    const auto head = take(2);
    if (!head) return std::nullopt;
    const auto byte = [](char c) { return static_cast<unsigned char>(c); };
    const int opcode = byte((*head)[0]) & 0x0F;
    std::uint64_t size = byte((*head)[1]);
    if (size > 125) {
      const auto more = take(size == 126 ? 2 : 8);
      if (!more) return std::nullopt;
      size = 0;
      for (const char c : *more) size = size << 8 | byte(c);
    }
    auto payload = take(size);
    if (!payload) return std::nullopt;
    if (opcode <= 1) return payload;  // of a message, its first or another one
    if (opcode == 9) send_message(*payload, 10);
    if (opcode == 8) {
      if (payload->size() >= 2) {
        close_code_ = byte((*payload)[0]) << 8 | byte((*payload)[1]);
        close_reason_ = payload->substr(2);
      }
      send_message(*payload, 8);
      return std::nullopt;
    }
  }
}

}  // namespace tapedeck::net
