#include "api/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/api.hpp"
#include "api/token_gate.hpp"
#include "net/http_server.hpp"

namespace tapedeck::api {
namespace {

constexpr int kPortAttempts = 20;

bool is_loopback(std::string_view address) {
  return address == "::1" || (address.starts_with("127.") && net::is_ip_literal(address));
}

std::string in_url(const std::string& host) {
  return host.contains(':') ? fmt::format("[{}]", host) : host;
}

bool is_any(std::string_view address) { return address == "0.0.0.0" || address == "::"; }

Status check_base_path(std::string_view path) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
  const bool is_fine =
      path.empty() ||
      (path.starts_with('/') && !path.ends_with('/') && path.find("//") == path.npos &&
       path.find("..") == path.npos && path.find_first_not_of(kAllowed) == path.npos);
  if (is_fine) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("the base path '{}' must begin with '/', not end with one, and have only "
                          "letters, digits, '-', '_' and '.' between",
                          path));
}

// By which the address is printed.
std::string host_in_url(const ApiOptions& options) {
  std::string host = is_any(options.address) ? "127.0.0.1" : options.address;
  if (options.tls) {
    const auto& names = options.tls->names();
    if (!names.empty() && std::ranges::find(names, host) == names.end()) host = names.front();
  }
  return in_url(host);
}

class Server final : public ApiServer {
 public:
  Server(std::unique_ptr<net::HttpServer> http, Api::Parts parts, TokenGate::Tokens tokens,
         Secret url, pipeline::Live& live)
      : url_(std::move(url)),
        api_(std::move(parts), TokenGate(std::move(tokens), http->port())),
        http_(std::move(http)) {
    http_->serve(api_);
    subscription_ = live.subscribe([this] {
      api_.note_change();
      http_->wake();
    });
  }

  std::uint16_t port() const override { return http_->port(); }
  Secret url_with_token() const override { return url_; }

 private:
  // They end in the opposite order: no more wakes, no more requests, then what answered them.
  const Secret url_;
  Api api_;
  const std::unique_ptr<net::HttpServer> http_;
  std::unique_ptr<pipeline::Live::Subscription> subscription_;
};

}  // namespace

Status check_address(const ApiOptions& options) {
  if (is_loopback(options.address) || options.tls || options.insecure ||
      (options.is_container && is_any(options.address))) {
    return {};
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("other machines can reach the address '{}' and there is no encryption: "
                          "name a certificate in a pipeline file ([api] tls_certificate, tls_key), "
                          "use 127.0.0.1 behind a proxy with TLS, or say --insecure where "
                          "everybody on the network may listen",
                          options.address));
}

std::string tunnel_command(std::string_view ssh_connection, std::string_view user,
                           std::uint16_t port) {
  // "client-address client-port server-address server-port"
  std::vector<std::string_view> parts;
  for (std::string_view rest = ssh_connection; !rest.empty();) {
    const auto blank = std::min(rest.find(' '), rest.size());
    if (blank > 0) parts.push_back(rest.substr(0, blank));
    rest.remove_prefix(std::min(blank + 1, rest.size()));
  }
  if (parts.size() != 4) return {};
  const std::string port_option = parts[3] == "22" ? "" : fmt::format(" -p {}", parts[3]);
  return fmt::format("ssh -N -L {0}:127.0.0.1:{0}{1} {2}{3}{4}", port, port_option, user,
                     user.empty() ? "" : "@", parts[2]);
}

Result<std::unique_ptr<ApiServer>> start_api(const ApiOptions& options,
                                             const pipeline::History& history, pipeline::Live& live,
                                             pipeline::Play& play, Metrics& metrics, Log& log) {
  TD_TRY(check_address(options));
  TD_TRY(check_base_path(options.base_path));
  TokenGate::Tokens tokens{
      .operators = options.token.empty() ? TokenGate::make_token() : options.token,
      .viewers = options.viewer_token,
      .metrics = options.metrics_token};
  TD_TRY(TokenGate::check(tokens));

  net::HttpServerOptions http_options;
  http_options.address = options.address;
  http_options.port = options.port;
  http_options.port_attempts = options.port_is_fixed ? 1 : kPortAttempts;
  http_options.exact_hosts = options.hosts;
  http_options.any_address = !is_loopback(options.address);
  http_options.trusted_proxies = options.trusted_proxies;
  http_options.tls = options.tls;
  http_options.host_names.push_back(in_url(options.address));
  if (options.tls) {  // whoever gets another name to point here cannot show a certificate for it
    for (const std::string& name : options.tls->names()) {
      http_options.host_names.push_back(in_url(name));
    }
  }
  TD_ASSIGN(auto http, net::HttpServer::listen(http_options, metrics, log));
  Secret url(fmt::format("{}://{}:{}{}/?token={}", options.tls ? "https" : "http",
                         host_in_url(options), http->port(), options.base_path,
                         tokens.operators.reveal()));
  Api::Parts parts{.history = history,
                   .live = live,
                   .play = play,
                   .metrics = metrics,
                   .log = log,
                   .version = options.version,
                   .base_path = options.base_path,
                   .ingest = options.ingest,
                   .access_log = options.access_log};
  return std::make_unique<Server>(std::move(http), std::move(parts), std::move(tokens),
                                  std::move(url), live);
}

}  // namespace tapedeck::api
