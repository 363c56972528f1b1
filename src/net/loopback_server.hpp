// src/net/loopback_server.hpp: a small server on plain sockets or TLS, played by a script, for
// tests of the clients: it shares no code with them, and can misbehave in every way. Certificates
// are made when a test asks for them. Threads: one accepts, one more runs the script of each
// connection.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

struct x509_st;
struct evp_pkey_st;
struct ssl_st;
struct ssl_ctx_st;

namespace tapedeck::net {

struct Certificate {
  std::shared_ptr<x509_st> certificate;
  std::shared_ptr<evp_pkey_st> key;
  std::string pem() const;  // without the key
  std::string key_pem(const std::string& passphrase = {}) const;
};

struct CertificateWishes {
  std::string alternative_name = "IP:127.0.0.1,DNS:localhost";
  long valid_from_s = -3600;  // relative to now
  long valid_until_s = 3600;
};

Certificate make_authority();
Certificate make_certificate(const Certificate& authority, const CertificateWishes& wishes = {});

class LoopbackServer {
 public:
  // One connection, for its script. Every wait ends when the server is destroyed.
  class Peer {
   public:
    ~Peer();
    bool send(std::string_view bytes);
    std::string read_head();  // up to the empty line; less: the client left
    std::string read(std::size_t bytes);
    void await_end();                                                // until the client left
    void pause(int milliseconds);                                    // less if the client leaves
    void reset();                                                    // RST instead of FIN
    const std::string& server_name() const { return server_name_; }  // SNI

    // Takes the handshake; `fields` ("Name: value\r\n" each) are added. Returns its head.
    std::string accept_websocket(std::string_view fields = {});
    struct Frame {
      int opcode = 0;
      std::string payload;
    };
    bool send_frame(int opcode, std::string_view payload, bool is_last = true,
                    bool is_deflated = false);
    bool send_text(std::string_view text) { return send_frame(1, text); }
    std::optional<Frame> read_frame();

   private:
    friend class LoopbackServer;
    bool receive();  // more into buffer_
    int socket_ = -1;
    std::unique_ptr<ssl_st, void (*)(ssl_st*)> tls_{nullptr, nullptr};
    std::string server_name_;
    std::string buffer_;
  };
  using Script = std::function<void(Peer&)>;

  // Listens on 127.0.0.1, with TLS if there is a certificate. `tls_max`: TLS1_1_VERSION, ...
  explicit LoopbackServer(Script script, const Certificate* certificate = nullptr, int tls_max = 0);
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;
  std::uint16_t port() const { return port_; }

 private:
  void accept();
  void run(Peer& peer);

  Script script_;
  std::unique_ptr<ssl_ctx_st, void (*)(ssl_ctx_st*)> tls_{nullptr, nullptr};
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  bool is_stopping_ = false;
  std::list<Peer> peers_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

std::string frame_bytes(int opcode, std::string_view payload, bool is_last = true,
                        bool is_deflated = false);
// As permessage-deflate has it.
std::string deflated(std::string_view text);
std::string gzipped(std::string_view text);

}  // namespace tapedeck::net
