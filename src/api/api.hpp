// src/api/api.hpp: requests to answers: the table of routes, who may use them, and the headers of
// every answer. No sockets.
// Thread: "net".
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "api/live_session.hpp"
#include "api/token_gate.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "net/http_server.hpp"
#include "pipeline/history.hpp"
#include "pipeline/live.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::api {

class Api final : public net::HttpHandler {
 public:
  struct Parts {
    const pipeline::History& history;
    const pipeline::Live& live;
    pipeline::Play& play;
    Metrics& metrics;
    Log& log;
    std::string version;
  };
  Api(Parts parts, TokenGate gate);

  struct Route {
    std::string_view method;
    std::string_view path;
    enum class Access { kOpen, kToken } access;
    net::HttpResponse (Api::*answer)(const net::HttpRequest&);
  };
  // All there are, but for the files of the dashboard beside "/".
  static std::span<const Route> routes();

  net::HttpResponse on_request(const net::HttpRequest& request) override;
  std::expected<std::unique_ptr<net::WebSocketHandler>, net::HttpResponse> on_upgrade(
      const net::HttpRequest& request) override;
  net::HttpResponse on_refusal(const net::HttpRefusal& refusal) override;

 private:
  net::HttpResponse page(const net::HttpRequest& request);
  net::HttpResponse healthz(const net::HttpRequest& request);
  net::HttpResponse readyz(const net::HttpRequest& request);
  net::HttpResponse open_metrics(const net::HttpRequest& request);
  net::HttpResponse openapi(const net::HttpRequest& request);
  net::HttpResponse status(const net::HttpRequest& request);
  net::HttpResponse instruments(const net::HttpRequest& request);
  net::HttpResponse bars(const net::HttpRequest& request);
  net::HttpResponse live(const net::HttpRequest& request);
  net::HttpResponse restart(const net::HttpRequest& request);

  net::HttpResponse answer(const net::HttpRequest& request, std::string_view& route_label);
  net::HttpResponse enter_with_token(std::string_view token);
  net::HttpResponse unauthorised(const net::HttpRequest& request) const;
  net::HttpResponse finish(net::HttpResponse response, std::string_view method,
                           std::string_view path, std::string_view route_label);
  void count(std::string_view method, std::string_view path, std::string_view route_label,
             int status);

  Parts parts_;
  const TokenGate gate_;
  LiveSource live_source_;
};

}  // namespace tapedeck::api
