#include "net/failure.hpp"

#include <fmt/format.h>
#include <openssl/x509_vfy.h>

#include <charconv>

#include "base/check.hpp"

namespace tapedeck::net {
namespace {

struct Words {
  std::string_view label;
  std::string_view what;
  std::string_view advice;
};

Words words_of(FailureKind kind) {
  switch (kind) {
    case FailureKind::kStopped:
      return {"stopped", "it was ended here", "nothing is to be done"};
    case FailureKind::kDns:
      return {"dns", "the name of the host leads nowhere",
              "check its spelling, and that this machine's DNS answers"};
    case FailureKind::kRefused:
      return {"refused", "nothing listens there",
              "check host and port; if they are right, the other side is down"};
    case FailureKind::kUnreachable:
      return {"unreachable", "there is no way to the host",
              "check this machine's network and firewall"};
    case FailureKind::kTimeout:
      return {"timeout", "it took too long",
              "check the network, and whether a firewall swallows what is sent"};
    case FailureKind::kTls:
      return {"tls", "TLS 1.2 or newer could not be agreed on",
              "check the port; ws:// and http:// are for ports without TLS"};
    case FailureKind::kTlsCertificate:
      return {"tls_certificate", "its certificate is not trusted",
              "install the system's ca-certificates or, for a CA of one's own, set ca_file to its "
              "certificate"};
    case FailureKind::kTlsExpired:
      return {"tls_expired", "its certificate is not valid now",
              "check this machine's clock; if it is right, the other side must renew it"};
    case FailureKind::kTlsHost:
      return {"tls_host", "its certificate is that of another host",
              "check the host in the URL; if it is right, somebody stands in between"};
    case FailureKind::kHandshake:
      return {"handshake", "it did not become a WebSocket", "check the path of the URL"};
    case FailureKind::kReset:
      return {"reset", "the connection broke",
              "connect again; if it happens often, look at the network in between"};
    case FailureKind::kClosed:
      return {"closed", "the other side ended it", "connect again"};
    case FailureKind::kTooLarge:
      return {"too_large", "more came than is allowed",
              "raise the limit if the other side is right to send so much"};
    case FailureKind::kMalformed:
      return {"malformed", "what came breaks the protocol",
              "check that the URL is that of the service, and for a proxy in between"};
    case FailureKind::kMute:
      return {"mute", "nothing came any more, not even answers to pings", "connect again"};
  }
  TD_CHECK(false);
}

std::string_view advice_for_status(int status) {
  if (status == 401 || status == 403) return "check the key, and what it is entitled to";
  if (status == 418 || status == 429) return "too many attempts: wait, and connect less often";
  if (status >= 300 && status < 400) return "redirects are not followed: write where it leads";
  if (status >= 500) return "the other side is in trouble: try again later";
  return words_of(FailureKind::kHandshake).advice;
}

}  // namespace

std::string_view to_string(FailureKind kind) { return words_of(kind).label; }

Failure failure(FailureKind kind, std::string_view origin, std::string_view detail, int code) {
  const Words words = words_of(kind);
  std::string_view advice = words.advice;
  if (kind == FailureKind::kHandshake) advice = advice_for_status(code);
  if (kind == FailureKind::kClosed && code == 1008) {
    advice = "it breaks a rule of theirs: check the key and their limits";
  }
  const std::string in_brackets = detail.empty() ? "" : fmt::format(" ({})", detail);
  return {kind, code, {}, fmt::format("{}: {}{}: {}", origin, words.what, in_brackets, advice)};
}

Failure certificate_failure(std::string_view origin, long verify_result) {
  FailureKind kind = FailureKind::kTlsCertificate;
  switch (verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      kind = FailureKind::kTlsExpired;
      break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      kind = FailureKind::kTlsHost;
      break;
    default:
      break;
  }
  return failure(kind, origin, X509_verify_cert_error_string(verify_result));
}

std::optional<Duration> parse_retry_after(std::string_view value) {
  std::uint32_t whole_seconds = 0;
  const auto [end, error] =
      std::from_chars(value.data(), value.data() + value.size(), whole_seconds);
  if (error != std::errc{} || end != value.data() + value.size()) return std::nullopt;
  return seconds(whole_seconds);
}

}  // namespace tapedeck::net
