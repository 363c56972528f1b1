// src/net/endpoint.hpp: what the clients of this room are given, checked before it is used: where a
// URL leads, headers, a CA's file. Inside of this room only.
#pragma once

#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/result.hpp"

namespace tapedeck::net {

struct Endpoint {
  bool is_tls = false;
  std::string host;         // without the brackets of an IPv6 address
  std::string port;         // "443"
  std::string host_header;  // the port only where it is not the scheme's own
  std::string target;       // "/path?query"; may hold keys
  std::string origin;       // "wss://host:9443": what may be shown
};

// Strict: what other readers of URLs could understand in another way is refused.
// `scheme`: "ws" or "http"; with an "s" it is TLS. Errors: kInvalidArgument; they show nothing of
// the URL but its origin.
Result<Endpoint> parse_endpoint(const Secret& url, std::string_view scheme);

// Whether name and value can stand in a header of a request: no line breaks.
bool is_header(std::string_view name, std::string_view value);

// Whether there are certificates (PEM) in it. An empty path means the system's. Errors:
// kInvalidArgument.
Status check_ca_file(const std::string& path);

}  // namespace tapedeck::net
