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

class Server final : public ApiServer {
 public:
  Server(std::unique_ptr<net::HttpServer> http, Api::Parts parts, Secret token, Secret url,
         pipeline::Live& live)
      : url_(std::move(url)),
        api_(std::move(parts), TokenGate(std::move(token), http->port())),
        http_(std::move(http)) {
    http_->serve(api_);
    subscription_ = live.subscribe([this] { http_->wake(); });
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

Result<std::unique_ptr<ApiServer>> start_api(const ApiOptions& options,
                                             const pipeline::History& history, pipeline::Live& live,
                                             pipeline::Play& play, Metrics& metrics, Log& log) {
  if (!options.address.starts_with("127.") && options.address != "::1") {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the address '{}' can be reached from other machines, and the API "
                            "has no TLS: use 127.0.0.1 or ::1",
                            options.address));
  }
  const Secret token = options.token.empty() ? TokenGate::make_token() : options.token;
  TD_TRY(TokenGate::check_token(token));

  const std::string host = options.address == "::1" ? std::string("[::1]") : options.address;
  net::HttpServerOptions http_options;
  http_options.address = options.address;
  http_options.port = options.port;
  http_options.port_attempts = options.port_is_fixed ? 1 : kPortAttempts;
  if (std::ranges::find(http_options.host_names, host) == http_options.host_names.end()) {
    http_options.host_names.push_back(host);
  }
  TD_ASSIGN(auto http, net::HttpServer::listen(http_options, metrics, log));
  Secret url(fmt::format("http://{}:{}/?token={}", host, http->port(), token.reveal()));
  Api::Parts parts{.history = history,
                   .live = live,
                   .play = play,
                   .metrics = metrics,
                   .log = log,
                   .version = options.version};
  return std::make_unique<Server>(std::move(http), std::move(parts), token, std::move(url), live);
}

}  // namespace tapedeck::api
