#include "api/api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "api/embedded.hpp"
#include "api/json.hpp"
#include "api/parameters.hpp"
#include "base/check.hpp"
#include "market/calendar.hpp"

namespace tapedeck::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;

// The page takes everything from us. It has no inline script and no inline style.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'self'; connect-src 'self'; style-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kHtml = "text/html; charset=utf-8";

constexpr std::string_view kNoTokenPage =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\" />"
    "<title>tapedeck</title></head>\n<body><h1>This dashboard needs its token</h1>\n"
    "<p>Open the address that the program printed when it started: it ends in "
    "<code>?token=...</code>. A program that was started again has a new one.</p></body></html>\n";

HttpResponse json_response(int status, std::string body) {
  return {.status = status,
          .content_type = std::string(kJson),
          .body = std::move(body),
          .headers = {{"Cache-Control", "no-store"}}};
}

HttpResponse error_response(int status, std::string_view code, std::string_view message) {
  return json_response(status, error_json(code, message));
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kMalformed:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kBusy:
      return 409;
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimeout:
      return 503;
    case ErrorCode::kPermission:
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
    case ErrorCode::kOverflow:
      return 500;
  }
  return 500;
}

HttpResponse error_response(const Error& error) {
  return error_response(status_of(error.code), to_string(error.code), error.message);
}

std::string_view content_type_of(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kTypes{{
      {".html", kHtml},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".txt", "text/plain; charset=utf-8"},
      {".yaml", "application/yaml"},
      {".json", kJson},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
  }};
  for (const auto& [ending, type] : kTypes) {
    if (name.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

// True if the client has the content of this tag already.
bool has_tag(std::string_view if_none_match, std::string_view etag) {
  return if_none_match == "*" || if_none_match.find(etag) != if_none_match.npos;
}

HttpResponse file_response(const HttpRequest& request, const EmbeddedFile& file) {
  const std::string etag = fmt::format("\"{}\"", file.sha256);
  // Kept by the browser, but asked for again each time: the names stay, the program changes.
  HttpResponse response{.headers = {{"ETag", etag}, {"Cache-Control", "no-cache"}}};
  if (has_tag(request.header("If-None-Match"), etag)) {
    response.status = 304;
    return response;
  }
  response.content_type = content_type_of(file.name);
  response.body = file.content;
  return response;
}

// HEAD is GET without the body, which the server leaves out.
std::string_view method_of(const HttpRequest& request) {
  return request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
}

}  // namespace

Api::Api(Parts parts, TokenGate gate)
    : parts_(std::move(parts)),
      gate_(std::move(gate)),
      live_source_(parts_.live, parts_.play, parts_.version, parts_.metrics) {}

std::span<const Api::Route> Api::routes() {
  using enum Route::Access;
  static constexpr std::array kRoutes{
      Route{"GET", "/", kToken, &Api::page},
      Route{"GET", "/healthz", kOpen, &Api::healthz},
      Route{"GET", "/readyz", kOpen, &Api::readyz},
      Route{"GET", "/metrics", kToken, &Api::open_metrics},
      Route{"GET", "/api/v1/openapi.yaml", kToken, &Api::openapi},
      Route{"GET", "/api/v1/status", kToken, &Api::status},
      Route{"GET", "/api/v1/instruments", kToken, &Api::instruments},
      Route{"GET", "/api/v1/bars", kToken, &Api::bars},
      Route{"GET", "/api/v1/live", kToken, &Api::live},
      Route{"POST", "/api/v1/play/restart", kToken, &Api::restart},
  };
  return kRoutes;
}

HttpResponse Api::on_request(const HttpRequest& request) {
  std::string_view route_label = "none";
  HttpResponse response = answer(request, route_label);
  return finish(std::move(response), request.method, request.path, route_label);
}

HttpResponse Api::answer(const HttpRequest& request, std::string_view& route_label) {
  const Route* route = nullptr;
  std::string allowed;
  for (const Route& candidate : routes()) {
    if (candidate.path != request.path) continue;
    route_label = candidate.path;
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", candidate.method);
    if (candidate.method == method_of(request)) route = &candidate;
  }
  const bool is_open = route != nullptr && route->access == Route::Access::kOpen;
  if (request.path == "/" && request.query.size() == 1 && request.query[0].first == "token") {
    return enter_with_token(request.query[0].second);
  }
  if (!is_open && !gate_.allows(request)) return unauthorised(request);
  if (route != nullptr) return (this->*route->answer)(request);
  if (!allowed.empty()) {
    HttpResponse response = error_response(405, "method_not_allowed",
                                           fmt::format("{} takes {}", request.path, allowed));
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  if (const EmbeddedFile* file = find_embedded("page" + request.path);
      file != nullptr && method_of(request) == "GET") {
    route_label = "/";
    return file_response(request, *file);
  }
  return error_response(
      404, "not_found",
      "there is nothing at this address: /api/v1/openapi.yaml lists what there is");
}

std::expected<std::unique_ptr<net::WebSocketHandler>, HttpResponse> Api::on_upgrade(
    const HttpRequest& request) {
  constexpr std::string_view kPath = "/api/v1/live";
  const auto refuse = [&](HttpResponse response) {
    return std::unexpected(finish(std::move(response), request.method, request.path,
                                  request.path == kPath ? kPath : "none"));
  };
  if (!gate_.allows(request)) return refuse(unauthorised(request));
  if (request.path != kPath) {
    return refuse(error_response(404, "not_found", "the WebSocket is at /api/v1/live"));
  }
  auto query = parse_live_query(request.query);
  if (!query) return refuse(error_response(query.error()));
  auto session = LiveSession::open(live_source_, *std::move(query));
  if (!session) return refuse(error_response(session.error()));
  count(request.method, request.path, kPath, 101);
  return *std::move(session);
}

HttpResponse Api::on_refusal(const net::HttpRefusal& refusal) {
  return finish(error_response(refusal.status, refusal.reason, refusal.message), "-", "-", "none");
}

HttpResponse Api::enter_with_token(std::string_view token) {
  if (!gate_.is_token(token)) {
    return {.status = 401,
            .content_type = std::string(kHtml),
            .body = std::string(kNoTokenPage),
            .headers = {{"Cache-Control", "no-store"}}};
  }
  // Away from the address with the token, which should not stay in view.
  return {.status = 303,
          .content_type = {},
          .body = {},
          .headers = {
              {"Location", "/"}, {"Set-Cookie", gate_.cookie()}, {"Cache-Control", "no-store"}}};
}

HttpResponse Api::unauthorised(const HttpRequest& request) const {
  if (request.path == "/") {
    return {.status = 401,
            .content_type = std::string(kHtml),
            .body = std::string(kNoTokenPage),
            .headers = {{"Cache-Control", "no-store"}}};
  }
  HttpResponse response = error_response(
      401, "unauthorised",
      "this needs the token: open the address that the program printed, or send it as "
      "'Authorization: Bearer ...'");
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

HttpResponse Api::finish(HttpResponse response, std::string_view method, std::string_view path,
                         std::string_view route_label) {
  response.headers.emplace_back("Content-Security-Policy", kContentSecurityPolicy);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  count(method, path, route_label, response.status);
  return response;
}

void Api::count(std::string_view method, std::string_view path, std::string_view route_label,
                int status) {
  parts_.metrics
      .counter("tapedeck_api_requests_total", "Requests answered, by route and HTTP status.",
               {{"route", std::string(route_label)}, {"status", std::to_string(status)}})
      .add();
  // Without the query, which may hold the token.
  parts_.log.debug("api: request", {{"method", method}, {"path", path}, {"status", status}});
}

HttpResponse Api::page(const HttpRequest& request) {
  const EmbeddedFile* index = find_embedded("page/index.html");
  TD_CHECK(index != nullptr);
  return file_response(request, *index);
}

// Alive is who has not failed: what failed stays so until somebody acts.
HttpResponse Api::healthz(const HttpRequest&) {
  const bool has_failed = parts_.play.status().state == pipeline::PlayState::kFailed;
  return json_response(has_failed ? 503 : 200, health_json(has_failed ? "failed" : "ok"));
}

HttpResponse Api::readyz(const HttpRequest&) {
  const pipeline::PlayState state = parts_.play.status().state;
  const bool is_ready =
      state == pipeline::PlayState::kPlaying || state == pipeline::PlayState::kEnded;
  return json_response(is_ready ? 200 : 503, health_json(is_ready ? "ready" : to_string(state)));
}

HttpResponse Api::open_metrics(const HttpRequest&) {
  return {.content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
          .body = parts_.metrics.open_metrics(),
          .headers = {{"Cache-Control", "no-store"}}};
}

HttpResponse Api::openapi(const HttpRequest& request) {
  const EmbeddedFile* description = find_embedded("openapi.yaml");
  TD_CHECK(description != nullptr);
  return file_response(request, *description);
}

HttpResponse Api::status(const HttpRequest&) { return json_response(200, live_source_.status()); }

HttpResponse Api::instruments(const HttpRequest&) {
  std::vector<InstrumentForm> forms;
  for (market::Series& series : parts_.history.instruments()) {
    const auto calendar = market::find_calendar(series.calendar);
    if (!calendar) return error_response(calendar.error());
    forms.push_back({std::move(series), std::string((*calendar)->zone())});
  }
  return json_response(200, instruments_json(forms));
}

HttpResponse Api::bars(const HttpRequest& request) {
  const auto query = parse_bar_query(request.query);
  if (!query) return error_response(query.error());
  const auto page = parts_.history.bars(*query, {});
  if (!page) return error_response(page.error());
  return json_response(200, bars_json(query->series, query->spec, *page));
}

// A request without the wish to become a WebSocket; else it goes to on_upgrade.
HttpResponse Api::live(const HttpRequest&) {
  HttpResponse response =
      error_response(426, "upgrade_required", "this is a WebSocket: ask for an upgrade");
  response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

HttpResponse Api::restart(const HttpRequest&) {
  const auto run = parts_.play.restart();
  if (!run) return error_response(run.error());
  return json_response(202, restart_json(*run));
}

}  // namespace tapedeck::api
