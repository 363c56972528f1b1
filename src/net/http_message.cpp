#include "net/http_message.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tapedeck::net {
namespace {

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool is_among(const std::vector<std::string>& hosts, std::string_view host) {
  return std::ranges::any_of(
      hosts, [&](const std::string& allowed) { return equal_ignoring_case(allowed, host); });
}

enum class Plus { kItself, kBlank };

Result<std::string> percent_decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = high < 0 ? -1 : hex_value(text[i + 2]);
      if (low < 0) {
        return fail(ErrorCode::kMalformed,
                    fmt::format("the address has a '%' without two hex digits after it, at {} of "
                                "its part '{}'",
                                i, text.substr(0, 128)));
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus == Plus::kBlank) {
      c = ' ';
    }
    out += c;
  }
  return out;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

Result<Target> parse_target(std::string_view text) {
  if (!text.starts_with('/')) {
    return fail(ErrorCode::kMalformed, "the request names no path that begins with '/'");
  }
  const auto mark = text.find('?');
  Target target;
  TD_ASSIGN(target.path, percent_decode(text.substr(0, mark), Plus::kItself));
  if (mark == text.npos) return target;
  std::string_view rest = text.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    TD_ASSIGN(std::string name, percent_decode(pair.substr(0, equals), Plus::kBlank));
    std::string value;
    if (equals != pair.npos) {
      TD_ASSIGN(value, percent_decode(pair.substr(equals + 1), Plus::kBlank));
    }
    target.query.emplace_back(std::move(name), std::move(value));
  }
  return target;
}

bool is_ip_literal(std::string_view host) {
  const auto all_of = [](std::string_view text, std::string_view allowed) {
    return !text.empty() && text.find_first_not_of(allowed) == text.npos;
  };
  if (host.starts_with('[') && host.ends_with(']')) {
    return all_of(host.substr(1, host.size() - 2), "0123456789abcdefABCDEF:.");
  }
  return all_of(host, "0123456789.") && std::ranges::count(host, '.') == 3;
}

AllowedHosts::AllowedHosts(Options options, std::uint16_t port)
    : exact_(std::move(options.exact)),
      any_address_(options.any_address),
      is_tls_(options.is_tls),
      port_(fmt::format(":{}", port)),
      port_may_be_missing_(port == (is_tls_ ? 443 : 80)) {
  for (const std::string& name : options.names) {
    hosts_.push_back(name + port_);
    if (port_may_be_missing_) hosts_.push_back(name);
  }
}

bool AllowedHosts::allows_host(std::string_view host_header) const {
  const bool has_port = host_header.ends_with(port_);
  if (any_address_ && (has_port || port_may_be_missing_) &&
      is_ip_literal(host_header.substr(0, host_header.size() - (has_port ? port_.size() : 0)))) {
    return true;
  }
  return is_among(hosts_, host_header) || is_among(exact_, host_header);
}

bool AllowedHosts::allows_origin(std::optional<std::string_view> origin_header) const {
  if (!origin_header) return true;
  constexpr std::string_view kPlain = "http://";
  constexpr std::string_view kTls = "https://";
  const std::string_view ours = is_tls_ ? kTls : kPlain;
  if (equal_ignoring_case(origin_header->substr(0, ours.size()), ours)) {
    return allows_host(origin_header->substr(ours.size()));
  }
  return equal_ignoring_case(origin_header->substr(0, kTls.size()), kTls) &&
         is_among(exact_, origin_header->substr(kTls.size()));
}

}  // namespace tapedeck::net
