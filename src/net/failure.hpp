// src/net/failure.hpp: how the clients of this room tell why a connection or a call came to
// nothing. The kind is for programs and metrics, the message for people; a message names the
// origin only, never a path, a query string or a header, because these hold keys.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace tapedeck::net {

enum class FailureKind {
  kStopped,         // by us
  kDns,             // the name leads nowhere
  kRefused,         // nothing listens there
  kUnreachable,     // no way to the host
  kTimeout,         // a deadline passed
  kTls,             // no TLS of 1.2 or newer
  kTlsCertificate,  // nobody whom we trust vouches for it
  kTlsExpired,      // or not valid yet
  kTlsHost,         // it is another host's
  kHandshake,       // an HTTP answer instead of a WebSocket
  kReset,           // the connection broke
  kClosed,          // the other side said that it ends
  kTooLarge,
  kMalformed,  // bytes that break the protocol
  kMute,       // nothing came, not even answers to our pings
};

std::string_view to_string(FailureKind kind);  // a metric's label: "tls_expired"

struct Failure {
  FailureKind kind = FailureKind::kStopped;
  int code = 0;                           // kHandshake: the HTTP status; kClosed: the close code
  std::optional<Duration> retry_after{};  // as the other side asked
  std::string message;                    // what, where and what to do, in one line
};

// "wss://host: <what it is> (<detail>): <what to do>".
Failure failure(FailureKind kind, std::string_view origin, std::string_view detail, int code = 0);

// Of what OpenSSL's check of a certificate found (X509_V_ERR_...).
Failure certificate_failure(std::string_view origin, long verify_result);

// The seconds of a Retry-After header. Its other form, a date, is not used by venues.
std::optional<Duration> parse_retry_after(std::string_view value);

}  // namespace tapedeck::net
