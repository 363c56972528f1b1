// src/net/loopback_client.hpp: a small HTTP and WebSocket client on plain sockets or TLS, for
// tests: it shares no code with the server, and can misbehave in every way. Thread: the test's;
// every wait ends after kPatience at the latest.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct ssl_st;

namespace tapedeck::net {

class LoopbackClient {
 public:
  static constexpr std::chrono::seconds kPatience{20};

  struct Door {
    Door(std::uint16_t port_in, bool is_tls_in = false, int tls_max_in = 0)
        : port(port_in), is_tls(is_tls_in), tls_max(tls_max_in) {}
    std::uint16_t port;
    bool is_tls;  // whatever certificate is shown is taken
    int tls_max;  // TLS1_1_VERSION, ...; 0: OpenSSL's own choice
  };

  // Connects to 127.0.0.1. `receive_buffer_bytes`: of the socket; 0: the system's own choice.
  explicit LoopbackClient(Door door, int receive_buffer_bytes = 0);
  ~LoopbackClient();
  LoopbackClient(const LoopbackClient&) = delete;
  LoopbackClient& operator=(const LoopbackClient&) = delete;

  bool is_connected() const { return socket_ >= 0; }
  bool send(std::string_view bytes);  // false: the other side is gone
  void reset();                       // closes with RST instead of FIN

  struct Answer {
    int status = 0;
    std::string head;  // status line and fields
    std::string body;
    std::string header(std::string_view name) const;  // empty if there is none
  };
  // Nothing: the connection ended before a whole answer came.
  std::optional<Answer> read_answer(bool has_body = true);
  // "GET /x" with the right Host and `fields` ("Name: value\r\n" each).
  std::optional<Answer> request(std::string_view method, std::string_view target,
                                std::string_view fields = {}, std::string_view body = {});
  bool read_end();  // true: the other side closed, after whatever bytes

  // The answer to the handshake: 101 if it became a WebSocket.
  std::optional<Answer> upgrade(std::string_view target, std::string_view fields = {});
  bool send_message(std::string_view text, int opcode = 1);
  // The next frame of a text message; pings are answered. Nothing: closed, with close_code() and
  // why.
  std::optional<std::string> read_message();
  int close_code() const { return close_code_; }
  const std::string& close_reason() const { return close_reason_; }

 private:
  bool fill();  // reads more into buffer_
  long receive(char* bytes, std::size_t size);
  std::optional<std::string> take(std::size_t bytes);

  std::uint16_t port_;
  int socket_ = -1;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> tls_{nullptr, nullptr};
  std::string buffer_;
  int close_code_ = 0;
  std::string close_reason_;
};

}  // namespace tapedeck::net
