#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "measure.hpp"
#include "serving_bench.hpp"

namespace tapedeck::bench {
namespace {

// One connection, with one request under way at a time.
struct Client {
  int socket = -1;
  std::string received{};
  std::size_t answer_bytes = 0;  // header and body; 0: the header is not whole yet
  double asked_s = 0;
};

int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    die(fmt::format("cannot connect to port {}", port));
  }
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return socket;
}

void ask(Client& client, std::string_view request) {
  client.received.clear();
  client.answer_bytes = 0;
  client.asked_s = now_s();
  if (::send(client.socket, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    die("the server takes no request");
  }
}

// How long the answer is, once its header is whole.
std::size_t bytes_of_answer(std::string_view received) {
  const auto header_end = received.find("\r\n\r\n");
  if (header_end == received.npos) return 0;
  if (!received.starts_with("HTTP/1.1 200 ")) die(std::string(received.substr(0, header_end)));
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  const auto length = received.find(kLength);
  std::size_t bytes = 0;
  if (length > header_end || std::from_chars(received.data() + length + kLength.size(),
                                             received.data() + header_end, bytes)
                                     .ec != std::errc{}) {
    die("an answer without a length");
  }
  return header_end + 4 + bytes;
}

// True: the answer is whole.
bool take(Client& client) {
  char piece[64 << 10];
  const ssize_t got = ::recv(client.socket, piece, sizeof piece, 0);
  if (got <= 0) die("the server closed a connection");
  client.received.append(piece, static_cast<std::size_t>(got));
  if (client.answer_bytes == 0) client.answer_bytes = bytes_of_answer(client.received);
  return client.answer_bytes != 0 && client.received.size() >= client.answer_bytes;
}

}  // namespace

void load(const LoadArguments& arguments) {
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\n\r\n",
                  arguments.target, arguments.port, arguments.token);
  std::vector<Client> clients(arguments.connections);
  std::vector<pollfd> polled;
  for (Client& client : clients) {
    client.socket = connect_to(arguments.port);
    polled.push_back({.fd = client.socket, .events = POLLIN, .revents = 0});
  }
  std::vector<double> latencies_ms;
  std::size_t answer_size = 0;
  const double start_s = now_s();
  const double end_s = start_s + static_cast<double>(arguments.duration_s);
  for (Client& client : clients) ask(client, request);
  while (now_s() < end_s) {
    if (::poll(polled.data(), polled.size(), 1000) < 0) die("poll failed");
    for (std::size_t i = 0; i < clients.size(); ++i) {
      if (polled[i].revents == 0 || !take(clients[i])) continue;
      latencies_ms.push_back((now_s() - clients[i].asked_s) * 1e3);
      answer_size = clients[i].answer_bytes;
      ask(clients[i], request);
    }
  }
  const double taken_s = now_s() - start_s;
  for (const Client& client : clients) ::close(client.socket);
  if (latencies_ms.empty()) die("no answer came");
  std::ranges::sort(latencies_ms);
  fmt::print(R"({{"requests":{},"s":{:.4f},"per_s":{:.1f},"answer_bytes":{},"connections":{},)"
             R"("p50_ms":{:.4f},"p99_ms":{:.4f},"cpu_s":{:.3f}}})"
             "\n",
             latencies_ms.size(), taken_s, static_cast<double>(latencies_ms.size()) / taken_s,
             answer_size, clients.size(), latencies_ms[latencies_ms.size() / 2],
             latencies_ms[latencies_ms.size() * 99 / 100], cpu_s());
}

}  // namespace tapedeck::bench
