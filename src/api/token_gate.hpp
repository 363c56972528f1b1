// src/api/token_gate.hpp: who may ask: the one who has a token, in a cookie or as a bearer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/result.hpp"
#include "net/http_message.hpp"

namespace tapedeck::api {

enum class Role {
  kViewer,    // reads
  kOperator,  // may also change what runs
};

class TokenGate {
 public:
  static constexpr std::size_t kTokenBytesMin = 32;

  // An empty token is nobody's. `metrics` reads /metrics and nothing else.
  struct Tokens {
    Secret operators;
    Secret viewers{};
    Secret metrics{};
  };

  // The cookie is named after the port, since browsers share cookies between the ports of a host.
  TokenGate(Tokens tokens, std::uint16_t port);

  // 256 random bits.
  static Secret make_token();
  // Errors: kInvalidArgument for one that is short or cannot stand in a cookie and an address, or
  // that is given twice.
  static Status check(const Tokens& tokens);

  // These take as long whatever is wrong with the token.
  std::optional<Role> role_of_token(std::string_view given) const;
  std::optional<Role> role_of(const net::HttpRequest& request) const;
  bool allows_metrics(const net::HttpRequest& request) const;
  // A Set-Cookie value; holds the token of that role.
  std::string cookie(Role role, std::string_view base_path, bool is_tls) const;

 private:
  Tokens tokens_;
  std::string cookie_name_;
};

}  // namespace tapedeck::api
