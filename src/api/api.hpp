// src/api/api.hpp: requests to answers: the table of routes, who may use them, and the headers of
// every answer. No sockets.
// Thread: "net"; on_request of what is_slow() also "net-slow", beside it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/live_session.hpp"
#include "api/token_gate.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "net/http_server.hpp"
#include "pipeline/history.hpp"
#include "pipeline/ingest.hpp"
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
    std::string base_path{};                 // "/tapedeck"; empty: "/" is the page
    pipeline::IngestDesk* ingest = nullptr;  // null: rows are not taken
    bool access_log = false;  // each request into the log, as information; else for debugging
  };
  Api(Parts parts, TokenGate gate);

  struct Route {
    std::string_view method;
    std::string_view path;
    enum class Access { kOpen, kMetrics, kViewer, kOperator } access;
    net::HttpResponse (Api::*answer)(const net::HttpRequest&);
    bool is_slow = false;  // it reads disks or computes for long
  };
  // All there are, but for the files beside "/" and below "/docs/".
  static std::span<const Route> routes();

  bool is_slow(const net::HttpRequest& request) const override;
  bool waits(const net::HttpRequest& request) const override;
  std::size_t body_bytes_max(const net::HttpRequest& request) const override;
  net::HttpResponse on_request(const net::HttpRequest& request) override;
  std::expected<std::unique_ptr<net::WebSocketHandler>, net::HttpResponse> on_upgrade(
      const net::HttpRequest& request) override;
  net::HttpResponse on_refusal(const net::HttpRefusal& refusal) override;

  // What is live has changed. Any thread.
  void note_change() { live_source_.note_change(); }

 private:
  net::HttpResponse page(const net::HttpRequest& request);
  net::HttpResponse docs(const net::HttpRequest& request);
  net::HttpResponse healthz(const net::HttpRequest& request);
  net::HttpResponse readyz(const net::HttpRequest& request);
  net::HttpResponse open_metrics(const net::HttpRequest& request);
  net::HttpResponse openapi(const net::HttpRequest& request);
  net::HttpResponse status(const net::HttpRequest& request);
  net::HttpResponse instruments(const net::HttpRequest& request);
  net::HttpResponse session(const net::HttpRequest& request);
  net::HttpResponse bars(const net::HttpRequest& request);
  net::HttpResponse empty(const net::HttpRequest& request);
  net::HttpResponse trades(const net::HttpRequest& request);
  net::HttpResponse last(const net::HttpRequest& request);
  net::HttpResponse feeds(const net::HttpRequest& request);
  net::HttpResponse tape(const net::HttpRequest& request);
  net::HttpResponse quality(const net::HttpRequest& request);
  net::HttpResponse quality_days(const net::HttpRequest& request);
  net::HttpResponse quality_gaps(const net::HttpRequest& request);
  net::HttpResponse quality_outages(const net::HttpRequest& request);
  net::HttpResponse quality_drift(const net::HttpRequest& request);
  net::HttpResponse tape_quality(
      const net::HttpRequest& request, std::string_view name,
      const std::function<std::string(const QualityRequest&, pipeline::TapeQuality&)>& rows_of);
  net::HttpResponse sql(const net::HttpRequest& request);
  net::HttpResponse ingest(const net::HttpRequest& request);
  net::HttpResponse live(const net::HttpRequest& request);
  net::HttpResponse restart(const net::HttpRequest& request);
  net::HttpResponse jump(const net::HttpRequest& request);
  net::HttpResponse speed(const net::HttpRequest& request);
  net::HttpResponse pause(const net::HttpRequest& request);
  net::HttpResponse resume(const net::HttpRequest& request);

  std::optional<std::string_view> path_below_base(std::string_view path) const;
  // As it came, and with the path below the base path; nothing: it is not below it.
  std::optional<net::HttpRequest> below_base(const net::HttpRequest& request) const;
  net::HttpResponse answer(const net::HttpRequest& request, std::string_view& route_label);
  net::HttpResponse enter_with_token(const net::HttpRequest& request);
  net::HttpResponse unauthorised(const net::HttpRequest& request) const;
  // Security headers, the metrics and the access log.
  net::HttpResponse finish(net::HttpResponse response, const net::HttpRequest& request,
                           std::string_view route_label);
  void count(const net::HttpRequest& request, std::string_view route_label, int status,
             std::size_t bytes);

  Parts parts_;
  const TokenGate gate_;
  const SystemClock clock_;
  LastValues last_values_;
  LiveSource live_source_;
};

}  // namespace tapedeck::api
