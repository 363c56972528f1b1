#include "net/endpoint.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <memory>

#include "net/http_message.hpp"

namespace tapedeck::net {
namespace {

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_port(std::string_view text) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number != 0;
}

std::unexpected<Error> refuse(std::string_view scheme, std::string_view why) {
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("not a URL of {0}: {1}: write one such as {0}s://example.org/path", scheme, why));
}

}  // namespace

Result<Endpoint> parse_endpoint(const Secret& url, std::string_view scheme) {
  Endpoint endpoint;
  std::string_view rest = url.reveal();
  if (!rest.starts_with(scheme)) {
    return refuse(scheme, fmt::format("it begins neither with {0}:// nor with {0}s://", scheme));
  }
  rest.remove_prefix(scheme.size());
  endpoint.is_tls = rest.starts_with('s');
  if (endpoint.is_tls) rest.remove_prefix(1);
  if (!rest.starts_with("://")) {
    return refuse(scheme, fmt::format("it begins neither with {0}:// nor with {0}s://", scheme));
  }
  rest.remove_prefix(3);

  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, end);
  const std::string_view target = rest.substr(end);
  if (authority.find('@') != authority.npos) {
    return refuse(scheme, "it holds a user's name: keys belong into headers");
  }
  std::string_view host = authority;
  std::string_view after_host;
  if (authority.starts_with('[')) {
    const std::size_t bracket = authority.find(']');
    if (bracket == authority.npos || !is_ip_literal(authority.substr(0, bracket + 1))) {
      return refuse(scheme, "there is no IPv6 address in the brackets");
    }
    host = authority.substr(1, bracket - 1);
    after_host = authority.substr(bracket + 1);
  } else {
    host = authority.substr(0, authority.find(':'));
    after_host = authority.substr(host.size());
    const bool is_name = !host.empty() && std::ranges::all_of(host, [](char c) {
      return is_alphanumeric(c) || c == '.' || c == '-' || c == '_';
    });
    if (!is_name) return refuse(scheme, "its host is no name and no address");
  }
  const std::string_view scheme_port = endpoint.is_tls ? "443" : "80";
  std::string_view port = scheme_port;
  if (!after_host.empty()) {
    port = after_host.substr(1);
    if (after_host[0] != ':' || !is_port(port)) return refuse(scheme, "its port is no number");
  }
  const bool is_visible = std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f'; });
  if (!is_visible) {
    return refuse(scheme, "a blank or a letter that is not ASCII is in it: percent-encode it");
  }
  if (target.find('#') != target.npos) return refuse(scheme, "a '#' is in it: write %23");

  endpoint.host = host;
  endpoint.port = port;
  endpoint.host_header =
      port == scheme_port ? authority.substr(0, authority.size() - after_host.size()) : authority;
  endpoint.target = target.starts_with('/') ? target : fmt::format("/{}", target);
  endpoint.origin =
      fmt::format("{}{}://{}", scheme, endpoint.is_tls ? "s" : "", endpoint.host_header);
  return endpoint;
}

bool is_header(std::string_view name, std::string_view value) {
  const auto is_control = [](char c) {
    return c != '\t' && ((c >= '\0' && c < ' ') || c == '\x7f');
  };
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return is_alphanumeric(c) || c == '-'; }) &&
         std::ranges::none_of(value, is_control);
}

Status check_ca_file(const std::string& path) {
  if (path.empty()) return {};
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(),
                                                                      &X509_STORE_free);
  if (X509_STORE_load_file(store.get(), path.c_str()) == 1) return {};
  ERR_clear_error();
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("ca_file {}: no certificates can be read from it: give a file in PEM form, "
                  "or leave it out to trust the system's",
                  path));
}

}  // namespace tapedeck::net
