// src/net/http_message.hpp: a request and its answer as values, and what is read from their text.
// No sockets: a handler can be called with a request made by hand.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace tapedeck::net {

// In the order in which they came. A name can come twice.
using Fields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // percent-decoded, begins with '/'
  Fields query;        // percent-decoded; '+' is a blank
  Fields headers;
  std::string body;
  std::string peer{};   // the client's address, as a trusted proxy says or as the socket does
  bool is_tls = false;  // the client came over TLS, to us or as a trusted proxy says

  // Value of the first header of that name, whatever its case; empty if there is none.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type;  // empty: none is sent
  std::string body;
  Fields headers;  // besides Content-Type and Content-Length
};

// "/bars?series=kraken%2Ftrade" to its path and query. Errors: kMalformed.
struct Target {
  std::string path;
  Fields query;
};
Result<Target> parse_target(std::string_view text);

// "text/html; charset=utf-8" matches nothing else: equal but for the case of ASCII letters.
bool equal_ignoring_case(std::string_view a, std::string_view b);

// The names by which this server may be asked. A page of another origin that made its own name
// point here (DNS rebinding) is told apart by them.
class AllowedHosts {
 public:
  struct Options {
    std::vector<std::string> names{};  // each with the server's port
    std::vector<std::string> exact{};  // as clients send them: "market.example.org"
    bool any_address = false;          // and every IP address with the port: no name, no rebinding
    bool is_tls = false;               // this server speaks it
  };
  AllowedHosts(Options options, std::uint16_t port);
  bool allows_host(std::string_view host_header) const;
  // An allowed host with our own scheme, or "https://" and an exact one, which then is a proxy's.
  // Only browsers send an Origin, so none at all is allowed.
  bool allows_origin(std::optional<std::string_view> origin_header) const;

 private:
  std::vector<std::string> exact_;
  std::vector<std::string> hosts_;  // "127.0.0.1:8273"
  bool any_address_;
  bool is_tls_;
  std::string port_;          // ":8273"
  bool port_may_be_missing_;  // clients leave it out where it is the usual one
};

// "1.2.3.4" or "[::1]".
bool is_ip_literal(std::string_view host);

}  // namespace tapedeck::net
