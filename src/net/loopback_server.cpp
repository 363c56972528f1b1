#include "net/loopback_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/beast/zlib/deflate_stream.hpp>
#include <boost/crc.hpp>
#include <csignal>

#include "base/check.hpp"

namespace tapedeck::net {
namespace {

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  TD_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate make(const Certificate* authority, const CertificateWishes& wishes) {
  Certificate made{{X509_new(), &X509_free}, {EVP_EC_gen("P-256"), &EVP_PKEY_free}};
  X509* const x509 = made.certificate.get();
  X509_set_version(x509, 2);
  static long serial = 0;
  ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x509), wishes.valid_from_s);
  X509_gmtime_adj(X509_getm_notAfter(x509), wishes.valid_until_s);
  X509_set_pubkey(x509, made.key.get());
  const std::string name =
      fmt::format("{} {}", authority == nullptr ? "authority" : "server", serial);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  const Certificate& issuer = authority == nullptr ? made : *authority;
  X509_set_issuer_name(x509, X509_get_subject_name(issuer.certificate.get()));
  add_extension(x509, issuer.certificate.get(), NID_basic_constraints,
                authority == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (authority != nullptr) {
    add_extension(x509, issuer.certificate.get(), NID_subject_alt_name, wishes.alternative_name);
  }
  TD_CHECK(X509_sign(x509, issuer.key.get(), EVP_sha256()) > 0);
  return made;
}

std::string accept_key(std::string_view head) {
  constexpr std::string_view kName = "Sec-WebSocket-Key: ";
  const std::size_t at = head.find(kName);
  if (at == head.npos) return {};
  const std::size_t begin = at + kName.size();
  std::string text(head.substr(begin, head.find('\r', begin) - begin));
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int bytes = 0;
  EVP_Digest(text.data(), text.size(), digest, &bytes, EVP_sha1(), nullptr);
  unsigned char base64[64];
  const int length = EVP_EncodeBlock(base64, digest, static_cast<int>(bytes));
  return {reinterpret_cast<const char*>(base64), static_cast<std::size_t>(length)};
}

std::string written(const std::function<void(BIO*)>& write) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> out(BIO_new(BIO_s_mem()), &BIO_free_all);
  write(out.get());
  const char* data = nullptr;
  const long bytes = BIO_ctrl(out.get(), BIO_CTRL_INFO, 0, static_cast<void*>(&data));
  return {data, static_cast<std::size_t>(bytes)};
}

}  // namespace

std::string Certificate::pem() const {
  return written([&](BIO* out) { PEM_write_bio_X509(out, certificate.get()); });
}

std::string Certificate::key_pem(const std::string& passphrase) const {
  return written([&](BIO* out) {
    PEM_write_bio_PKCS8PrivateKey(out, key.get(), passphrase.empty() ? nullptr : EVP_aes_256_cbc(),
                                  passphrase.data(), static_cast<int>(passphrase.size()), nullptr,
                                  nullptr);
  });
}

Certificate make_authority() { return make(nullptr, {}); }
Certificate make_certificate(const Certificate& authority, const CertificateWishes& wishes) {
  return make(&authority, wishes);
}

LoopbackServer::LoopbackServer(Script script, const Certificate* certificate, int tls_max)
    : script_(std::move(script)) {
  if (certificate != nullptr) {
    tls_ = {SSL_CTX_new(TLS_server_method()), &SSL_CTX_free};
    if (tls_max != 0) {
      SSL_CTX_set_security_level(tls_.get(), 0);
      SSL_CTX_set_min_proto_version(tls_.get(), 0);
      SSL_CTX_set_max_proto_version(tls_.get(), tls_max);
    }
    SSL_CTX_use_certificate(tls_.get(), certificate->certificate.get());
    SSL_CTX_use_PrivateKey(tls_.get(), certificate->key.get());
  }
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  TD_CHECK(listener_ >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  TD_CHECK(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  TD_CHECK(::listen(listener_, 256) == 0);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept(); });
}

LoopbackServer::~LoopbackServer() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    for (const Peer& peer : peers_) {
      if (peer.socket_ >= 0) ::shutdown(peer.socket_, SHUT_RDWR);
    }
  }
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
}

void LoopbackServer::accept() {
  // OpenSSL writes without MSG_NOSIGNAL. The threads of the scripts inherit this.
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  while (true) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    std::lock_guard lock(mutex_);
    if (is_stopping_ || socket < 0) {
      if (socket >= 0) ::close(socket);
      return;
    }
    Peer& peer = peers_.emplace_back();
    peer.socket_ = socket;
    threads_.emplace_back([this, &peer] { run(peer); });
  }
}

void LoopbackServer::run(Peer& peer) {
  bool is_ready = true;
  if (tls_ != nullptr) {
    peer.tls_ = {SSL_new(tls_.get()), &SSL_free};
    SSL_set_fd(peer.tls_.get(), peer.socket_);
    is_ready = SSL_accept(peer.tls_.get()) == 1;
    ERR_clear_error();
    const char* const name = SSL_get_servername(peer.tls_.get(), TLSEXT_NAMETYPE_host_name);
    if (name != nullptr) peer.server_name_ = name;
  }
  if (is_ready) script_(peer);
  std::lock_guard lock(mutex_);
  if (peer.socket_ >= 0) ::close(peer.socket_);
  peer.socket_ = -1;
}

LoopbackServer::Peer::~Peer() = default;

bool LoopbackServer::Peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    long sent = 0;
    if (tls_ != nullptr) {
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

bool LoopbackServer::Peer::receive() {
  char chunk[4096];
  long got = 0;
  if (tls_ != nullptr) {
    got = SSL_read(tls_.get(), chunk, sizeof chunk);
    ERR_clear_error();
  } else {
    got = ::recv(socket_, chunk, sizeof chunk, 0);
  }
  if (got <= 0) return false;
  buffer_.append(chunk, static_cast<std::size_t>(got));
  return true;
}

std::string LoopbackServer::Peer::read_head() {
  while (buffer_.find("\r\n\r\n") == buffer_.npos) {
    if (!receive()) return std::exchange(buffer_, {});
  }
  return read(buffer_.find("\r\n\r\n") + 4);
}

std::string LoopbackServer::Peer::read(std::size_t bytes) {
  while (buffer_.size() < bytes && receive()) continue;
  std::string taken = buffer_.substr(0, bytes);
  buffer_.erase(0, taken.size());
  return taken;
}

void LoopbackServer::Peer::await_end() {
  while (receive()) buffer_.clear();
}

void LoopbackServer::Peer::pause(int milliseconds) {
  pollfd end{.fd = socket_, .events = POLLRDHUP, .revents = 0};
  ::poll(&end, 1, milliseconds);
}

void LoopbackServer::Peer::reset() {
  const linger abort{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
}

std::string LoopbackServer::Peer::accept_websocket(std::string_view fields) {
  std::string head = read_head();
  send(
      fmt::format("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{}\r\n",
                  accept_key(head), fields));
  return head;
}

std::string frame_bytes(int opcode, std::string_view payload, bool is_last, bool is_deflated) {
  std::string bytes;
  bytes += static_cast<char>(opcode | (is_last ? 0x80 : 0) | (is_deflated ? 0x40 : 0));
  const std::size_t size = payload.size();
  int size_bytes = 0;
  if (size < 126) {
    bytes += static_cast<char>(size);
  } else if (size < 65536) {
    bytes += static_cast<char>(126);
    size_bytes = 2;
  } else {
    bytes += static_cast<char>(127);
    size_bytes = 8;
  }
  for (int i = size_bytes - 1; i >= 0; --i) bytes += static_cast<char>(size >> (8 * i));
  bytes += payload;
  return bytes;
}

bool LoopbackServer::Peer::send_frame(int opcode, std::string_view payload, bool is_last,
                                      bool is_deflated) {
  return send(frame_bytes(opcode, payload, is_last, is_deflated));
}

std::optional<LoopbackServer::Peer::Frame> LoopbackServer::Peer::read_frame() {
  const std::string head = read(2);
  if (head.size() < 2) return std::nullopt;
  std::size_t size = static_cast<unsigned char>(head[1]) & 0x7fu;
  if (size == 126 || size == 127) {
    const std::string longer = read(size == 126 ? 2 : 8);
    size = 0;
    for (const char c : longer) size = size << 8 | static_cast<unsigned char>(c);
  }
  const std::string mask = read(4);  // a client always masks
  Frame frame{head[0] & 0x0f, read(size)};
  if (mask.size() < 4 || frame.payload.size() < size) return std::nullopt;
  for (std::size_t i = 0; i < size; ++i) {
    frame.payload[i] = static_cast<char>(frame.payload[i] ^ mask[i % 4]);
  }
  return frame;
}

std::string deflated(std::string_view text) {
  namespace zlib = boost::beast::zlib;
  zlib::deflate_stream stream;
  std::string out(stream.upper_bound(text.size()) + 64, '\0');
  zlib::z_params io;
  io.next_in = text.data();
  io.avail_in = text.size();
  io.next_out = out.data();
  io.avail_out = out.size();
  boost::system::error_code ec;
  stream.write(io, zlib::Flush::sync, ec);
  TD_CHECK(io.avail_in == 0);
  out.resize(io.total_out - 4);  // without 00 00 ff ff
  return out;
}

std::string gzipped(std::string_view text) {
  // RFC 1952: header, deflate with its last block (empty and final), CRC-32, size.
  boost::crc_32_type sum;
  sum.process_bytes(text.data(), text.size());
  std::string out("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  out += deflated(text) + std::string("\0\0\xff\xff\x03\0", 6);
  for (const std::size_t number : {std::size_t{sum.checksum()}, text.size()}) {
    for (int i = 0; i < 4; ++i) out += static_cast<char>(number >> (8 * i));
  }
  return out;
}

}  // namespace tapedeck::net
