#include "api/token_gate.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/sha256.hpp"

namespace tapedeck::api {
namespace {

constexpr std::size_t kTokenBytesMax = 256;

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

TokenGate::TokenGate(Secret token, std::uint16_t port)
    : token_(std::move(token)), cookie_name_(fmt::format("tapedeck_{}", port)) {}

Secret TokenGate::make_token() { return Secret(random_hex(32)); }

Status TokenGate::check_token(const Secret& token) {
  const auto is_safe = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  };
  const std::string& text = token.reveal();
  if (text.size() < kTokenBytesMin || text.size() > kTokenBytesMax ||
      !std::ranges::all_of(text, is_safe)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the token must be {} to {} letters, digits, '-' or '_': leave it out "
                            "and one is made",
                            kTokenBytesMin, kTokenBytesMax));
  }
  return {};
}

bool TokenGate::is_token(std::string_view given) const {
  const std::string& token = token_.reveal();
  // Looks at all of the token, so that the time does not tell how much of a guess was right.
  unsigned difference = given.size() == token.size() ? 0 : 1;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const char c = i < given.size() ? given[i] : '\0';
    difference |= static_cast<unsigned char>(c ^ token[i]);
  }
  return difference == 0;
}

bool TokenGate::allows(const net::HttpRequest& request) const {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view authorization = request.header("Authorization");
  if (net::equal_ignoring_case(authorization.substr(0, kScheme.size()), kScheme) &&
      is_token(trimmed(authorization.substr(kScheme.size())))) {
    return true;
  }
  for (const auto& [name, value] : request.headers) {
    if (!net::equal_ignoring_case(name, "Cookie")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::string_view pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      const auto equals = pair.find('=');
      if (equals != pair.npos && trimmed(pair.substr(0, equals)) == cookie_name_ &&
          is_token(trimmed(pair.substr(equals + 1)))) {
        return true;
      }
    }
  }
  return false;
}

std::string TokenGate::cookie() const {
  return fmt::format("{}={}; HttpOnly; SameSite=Strict; Path=/", cookie_name_, token_.reveal());
}

}  // namespace tapedeck::api
