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

// Looks at all of the token, so that the time does not tell how much of a guess was right.
bool is_token(const Secret& secret, std::string_view given) {
  const std::string& token = secret.reveal();
  unsigned difference = given.size() == token.size() ? 0 : 1;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const char c = i < given.size() ? given[i] : '\0';
    difference |= static_cast<unsigned char>(c ^ token[i]);
  }
  return difference == 0 && !token.empty();
}

Status check_token(const Secret& token) {
  const auto is_safe = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  };
  const std::string& text = token.reveal();
  if (text.size() < TokenGate::kTokenBytesMin || text.size() > kTokenBytesMax ||
      !std::ranges::all_of(text, is_safe)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the token must be {} to {} letters, digits, '-' or '_': leave it out "
                            "and one is made",
                            TokenGate::kTokenBytesMin, kTokenBytesMax));
  }
  return {};
}

std::string_view bearer_of(const net::HttpRequest& request) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view authorization = request.header("Authorization");
  if (!net::equal_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return {};
  return trimmed(authorization.substr(kScheme.size()));
}

}  // namespace

TokenGate::TokenGate(Tokens tokens, std::uint16_t port)
    : tokens_(std::move(tokens)), cookie_name_(fmt::format("tapedeck_{}", port)) {}

Secret TokenGate::make_token() { return Secret(random_hex(32)); }

Status TokenGate::check(const Tokens& tokens) {
  TD_TRY(check_token(tokens.operators));
  const Secret* const others[]{&tokens.viewers, &tokens.metrics};
  for (const Secret* token : others) {
    if (token->empty()) continue;
    TD_TRY(check_token(*token));
    const bool is_others = token == &tokens.metrics && is_token(tokens.viewers, token->reveal());
    if (is_others || is_token(tokens.operators, token->reveal())) {
      return fail(ErrorCode::kInvalidArgument, "two roles have the same token: give each its own");
    }
  }
  return {};
}

std::optional<Role> TokenGate::role_of_token(std::string_view given) const {
  const bool is_operator = is_token(tokens_.operators, given);
  const bool is_viewer = is_token(tokens_.viewers, given);
  if (is_operator) return Role::kOperator;
  if (is_viewer) return Role::kViewer;
  return std::nullopt;
}

std::optional<Role> TokenGate::role_of(const net::HttpRequest& request) const {
  if (const auto role = role_of_token(bearer_of(request))) return role;
  for (const auto& [name, value] : request.headers) {
    if (!net::equal_ignoring_case(name, "Cookie")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::string_view pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      const auto equals = pair.find('=');
      if (equals == pair.npos || trimmed(pair.substr(0, equals)) != cookie_name_) continue;
      if (const auto role = role_of_token(trimmed(pair.substr(equals + 1)))) return role;
    }
  }
  return std::nullopt;
}

bool TokenGate::allows_metrics(const net::HttpRequest& request) const {
  return is_token(tokens_.metrics, bearer_of(request));
}

std::string TokenGate::cookie(Role role, std::string_view base_path, bool is_tls) const {
  const Secret& token = role == Role::kOperator ? tokens_.operators : tokens_.viewers;
  return fmt::format("{}={}; HttpOnly; SameSite=Strict; Path={}/{}", cookie_name_, token.reveal(),
                     base_path, is_tls ? "; Secure" : "");
}

}  // namespace tapedeck::api
