// src/api/token_gate.hpp: who may ask: the one who has the token, in a cookie or as a bearer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/result.hpp"
#include "net/http_message.hpp"

namespace tapedeck::api {

class TokenGate {
 public:
  static constexpr std::size_t kTokenBytesMin = 32;

  // The cookie is named after the port, since browsers share cookies between the ports of a host.
  TokenGate(Secret token, std::uint16_t port);

  // 256 random bits.
  static Secret make_token();
  // Errors: kInvalidArgument for one that is short or cannot stand in a cookie and an address.
  static Status check_token(const Secret& token);

  bool is_token(std::string_view given) const;  // takes as long whatever is wrong with it
  bool allows(const net::HttpRequest& request) const;
  std::string cookie() const;  // a Set-Cookie value; holds the token

 private:
  Secret token_;
  std::string cookie_name_;
};

}  // namespace tapedeck::api
