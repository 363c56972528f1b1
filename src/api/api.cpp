#include "api/api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "api/embedded.hpp"
#include "api/error_table.hpp"
#include "api/json.hpp"
#include "api/message.hpp"
#include "api/parameters.hpp"
#include "api/pipeline_metrics.hpp"
#include "api/tables.hpp"
#include "base/check.hpp"
#include "market/calendar.hpp"

namespace tapedeck::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;

// What is below holds no data of anybody: it is open, as a manual is.
constexpr std::string_view kDocs = "/docs/";

// The page takes everything from us. It has no inline script and no inline style.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'self'; connect-src 'self'; style-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

constexpr std::string_view kIngest = "/api/v1/ingest";
constexpr std::size_t kIngestBytesMax = 8 << 20;

constexpr Timestamp kEarliest{std::numeric_limits<std::int64_t>::min()};
constexpr Timestamp kLatest{std::numeric_limits<std::int64_t>::max()};

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

HttpResponse error_response(std::string_view code, std::string_view message) {
  const ErrorEntry* entry = find_error(code);
  TD_CHECK(entry != nullptr && entry->http_status != 0);
  return json_response(entry->http_status, error_json(code, message));
}

HttpResponse error_response(const Error& error) {
  return error_response(to_string(error.code), error.message);
}

// A table in the form that was asked for: in JSON `{head,"name":rows}`; else the rows, and what
// stands beside them in a header.
HttpResponse table_response(const Form& form, std::string_view head, std::string_view name,
                            std::string rows) {
  constexpr std::size_t kHeaderBytesMax = 4096;
  HttpResponse response{.content_type = std::string(content_type_of(form.format)),
                        .body = {},
                        .headers = {{"Cache-Control", "no-store"}}};
  if (form.format == Format::kJson) {
    response.body = fmt::format("{{{}{}\"{}\":{}}}", head, head.empty() ? "" : ",", name, rows);
    return response;
  }
  response.body = std::move(rows);
  if (!head.empty() && head.size() <= kHeaderBytesMax) {
    response.headers.emplace_back("Tapedeck-Answer", fmt::format("{{{}}}", head));
  }
  return response;
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

// Leaves the rows that were asked for; of more than the limit the last ones, as they are sorted.
template <class Row>
void choose(std::vector<Row>& rows, const QualityRequest& asked, Timestamp Row::* first,
            Timestamp Row::* last) {
  std::erase_if(rows, [&](const Row& row) {
    return (asked.series && row.series != *asked.series) ||
           (asked.start && row.*last < *asked.start) || (asked.end && row.*first >= *asked.end);
  });
  const std::size_t all = rows.size();
  if (all > asked.limit) {
    rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(asked.limit));
  }
}

// HEAD is GET without the body, which the server leaves out.
std::string_view method_of(const HttpRequest& request) {
  return request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
}

}  // namespace

Api::Api(Parts parts, TokenGate gate)
    : parts_(std::move(parts)),
      gate_(std::move(gate)),
      last_values_(parts_.history, parts_.live),
      live_source_(parts_.live, parts_.play, last_values_, clock_, parts_.version, parts_.metrics) {
}

std::span<const Api::Route> Api::routes() {
  using enum Route::Access;
  static constexpr std::array kRoutes{
      Route{"GET", "/", kViewer, &Api::page},
      Route{"GET", "/healthz", kOpen, &Api::healthz},
      Route{"GET", "/readyz", kOpen, &Api::readyz},
      Route{"GET", "/metrics", kMetrics, &Api::open_metrics},
      Route{"GET", "/docs", kOpen, &Api::docs},
      Route{"GET", "/docs/", kOpen, &Api::docs},
      Route{"GET", "/api/v1/openapi.yaml", kViewer, &Api::openapi},
      Route{"GET", "/api/v1/status", kViewer, &Api::status},
      Route{"GET", "/api/v1/session", kViewer, &Api::session},
      Route{"GET", "/api/v1/instruments", kViewer, &Api::instruments},
      Route{"GET", "/api/v1/bars", kViewer, &Api::bars, true},
      Route{"GET", "/api/v1/bars/empty", kViewer, &Api::empty, true},
      Route{"GET", "/api/v1/trades", kViewer, &Api::trades, true},
      Route{"GET", "/api/v1/last", kViewer, &Api::last, true},
      Route{"GET", "/api/v1/feeds", kViewer, &Api::feeds},
      Route{"GET", "/api/v1/tape", kViewer, &Api::tape},
      Route{"GET", "/api/v1/quality", kViewer, &Api::quality},
      Route{"GET", "/api/v1/quality/days", kViewer, &Api::quality_days, true},
      Route{"GET", "/api/v1/quality/gaps", kViewer, &Api::quality_gaps, true},
      Route{"GET", "/api/v1/quality/outages", kViewer, &Api::quality_outages, true},
      Route{"GET", "/api/v1/quality/drift", kViewer, &Api::quality_drift, true},
      Route{"GET", "/api/v1/sql", kViewer, &Api::sql, true},
      Route{"POST", "/api/v1/sql", kViewer, &Api::sql, true},
      Route{"POST", kIngest, kOperator, &Api::ingest},
      Route{"GET", "/api/v1/live", kViewer, &Api::live},
      Route{"POST", "/api/v1/play/restart", kOperator, &Api::restart},
      Route{"POST", "/api/v1/play/jump", kOperator, &Api::jump},
      Route{"POST", "/api/v1/play/speed", kOperator, &Api::speed},
      Route{"POST", "/api/v1/play/pause", kOperator, &Api::pause},
      Route{"POST", "/api/v1/play/resume", kOperator, &Api::resume},
  };
  return kRoutes;
}

std::optional<std::string_view> Api::path_below_base(std::string_view path) const {
  if (!path.starts_with(parts_.base_path)) return std::nullopt;
  path.remove_prefix(parts_.base_path.size());
  if (path.empty() && !parts_.base_path.empty()) path = "/";
  if (!path.starts_with('/')) return std::nullopt;
  return path;
}

std::optional<HttpRequest> Api::below_base(const HttpRequest& request) const {
  const auto path = path_below_base(request.path);
  if (!path) return std::nullopt;
  HttpRequest below = request;
  below.path = *path;
  return below;
}

bool Api::is_slow(const HttpRequest& request) const {
  const auto path = path_below_base(request.path);
  return path && gate_.role_of(request).has_value() &&
         std::ranges::any_of(routes(),
                             [&](const Route& r) { return r.is_slow && r.path == *path; });
}

bool Api::waits(const HttpRequest& request) const {
  const auto below = path_below_base(request.path);
  return request.method == "POST" && below == kIngest && gate_.role_of(request) == Role::kOperator;
}

std::size_t Api::body_bytes_max(const HttpRequest& request) const {
  return waits(request) ? kIngestBytesMax : 0;
}

HttpResponse Api::on_request(const HttpRequest& request) {
  std::string_view route_label = "none";
  const auto below = below_base(request);
  HttpResponse response =
      below ? answer(*below, route_label)
            : error_response("not_found",
                             fmt::format("everything here is below {}/", parts_.base_path));
  return finish(std::move(response), request, route_label);
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
  const EmbeddedFile* file = allowed.empty() ? find_embedded("page" + request.path) : nullptr;
  using enum Route::Access;
  const bool is_open = route != nullptr ? route->access == kOpen
                                        : file != nullptr && request.path.starts_with(kDocs);
  const bool is_metrics = route != nullptr && route->access == kMetrics;
  if (request.path == "/" && request.query.size() == 1 && request.query[0].first == "token") {
    return enter_with_token(request);
  }
  const auto role = gate_.role_of(request);
  if (!is_open && !role && !(is_metrics && gate_.allows_metrics(request))) {
    return unauthorised(request);
  }
  if (route != nullptr && route->access == kOperator && role != Role::kOperator) {
    return error_response("forbidden", "this is for operators, and the token is a viewer's");
  }
  if (route != nullptr) return (this->*route->answer)(request);
  if (!allowed.empty()) {
    HttpResponse response =
        error_response("method_not_allowed", fmt::format("{} takes {}", request.path, allowed));
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  if (file != nullptr && method_of(request) == "GET") {
    route_label = request.path.starts_with(kDocs) ? kDocs : "/";
    return file_response(request, *file);
  }
  return error_response(
      "not_found", "there is nothing at this address: /api/v1/openapi.yaml lists what there is");
}

std::expected<std::unique_ptr<net::WebSocketHandler>, HttpResponse> Api::on_upgrade(
    const HttpRequest& request) {
  constexpr std::string_view kPath = "/api/v1/live";
  const auto below = below_base(request);
  const bool is_there = below && below->path == kPath;
  const auto refuse = [&](HttpResponse response) {
    return std::unexpected(finish(std::move(response), request, is_there ? kPath : "none"));
  };
  if (!gate_.role_of(request)) return refuse(unauthorised(request));
  if (!is_there) {
    return refuse(error_response("not_found", "the WebSocket is at /api/v1/live"));
  }
  auto address = parse_live_address(request.query);
  if (!address) return refuse(error_response(address.error()));
  auto session = LiveSession::open(live_source_, *std::move(address));
  if (!session) return refuse(error_response(session.error()));
  count(request, kPath, 101, 0);
  return *std::move(session);
}

HttpResponse Api::on_refusal(const net::HttpRefusal& refusal) {
  const HttpRequest unknown{
      .method = "-", .path = "-", .query = {}, .headers = {}, .body = {}, .peer = refusal.peer};
  HttpResponse response =
      json_response(refusal.status, error_json(refusal.reason, refusal.message));
  if (refusal.status == 429 || refusal.status == 503) {
    response.headers.emplace_back("Retry-After", "1");
  }
  return finish(std::move(response), unknown, "none");
}

HttpResponse Api::enter_with_token(const HttpRequest& request) {
  const auto role = gate_.role_of_token(request.query[0].second);
  if (!role) {
    return {.status = 401,
            .content_type = std::string(kHtml),
            .body = std::string(kNoTokenPage),
            .headers = {{"Cache-Control", "no-store"}}};
  }
  // Away from the address with the token, which should not stay in view.
  return {.status = 303,
          .content_type = {},
          .body = {},
          .headers = {{"Location", parts_.base_path + "/"},
                      {"Set-Cookie", gate_.cookie(*role, parts_.base_path, request.is_tls)},
                      {"Cache-Control", "no-store"}}};
}

HttpResponse Api::unauthorised(const HttpRequest& request) const {
  if (request.path == "/") {
    return {.status = 401,
            .content_type = std::string(kHtml),
            .body = std::string(kNoTokenPage),
            .headers = {{"Cache-Control", "no-store"}}};
  }
  HttpResponse response = error_response(
      "unauthorised",
      "this needs the token: open the address that the program printed, or send it as "
      "'Authorization: Bearer ...'");
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

HttpResponse Api::finish(HttpResponse response, const HttpRequest& request,
                         std::string_view route_label) {
  response.headers.emplace_back("Content-Security-Policy", kContentSecurityPolicy);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  count(request, route_label, response.status, response.body.size());
  return response;
}

void Api::count(const HttpRequest& request, std::string_view route_label, int status,
                std::size_t bytes) {
  parts_.metrics
      .counter("tapedeck_api_requests_total", "Requests answered, by route and HTTP status.",
               {{"route", std::string(route_label)}, {"status", std::to_string(status)}})
      .add();
  // Without the query, which may hold the token.
  const auto write = parts_.access_log ? &Log::info : &Log::debug;
  (parts_.log.*write)("api: request", {{"method", request.method},
                                       {"path", request.path},
                                       {"status", status},
                                       {"bytes", static_cast<std::uint64_t>(bytes)},
                                       {"peer", request.peer}});
}

HttpResponse Api::page(const HttpRequest& request) {
  const EmbeddedFile* index = find_embedded("page/index.html");
  TD_CHECK(index != nullptr);
  return file_response(request, *index);
}

HttpResponse Api::docs(const HttpRequest& request) {
  if (request.path != kDocs) {
    return {.status = 303,
            .content_type = {},
            .body = {},
            .headers = {{"Location", parts_.base_path + std::string(kDocs)}}};
  }
  if (const EmbeddedFile* index = find_embedded("page/docs/index.html")) {
    return file_response(request, *index);
  }
  return error_response("not_found",
                        "this program was built without its documents: build it with ./dev build");
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
          .body = parts_.metrics.open_metrics(
              pipeline_metrics(parts_.play.status(), parts_.history.quality(),
                               parts_.history.tape_quality().value_or(pipeline::TapeQuality()))),
          .headers = {{"Cache-Control", "no-store"}}};
}

HttpResponse Api::openapi(const HttpRequest& request) {
  const EmbeddedFile* description = find_embedded("openapi.yaml");
  TD_CHECK(description != nullptr);
  return file_response(request, *description);
}

HttpResponse Api::status(const HttpRequest&) { return json_response(200, live_source_.status()); }

HttpResponse Api::session(const HttpRequest& request) {
  const bool is_operator = gate_.role_of(request) == Role::kOperator;
  return json_response(
      200, session_json(is_operator ? "operator" : "viewer", parts_.version, parts_.play.status()));
}

HttpResponse Api::instruments(const HttpRequest& request) {
  const auto form = parse_form_query(request.query);
  if (!form) return error_response(form.error());
  std::vector<InstrumentForm> forms;
  for (market::Series& series : parts_.history.instruments()) {
    const auto calendar = market::find_calendar(series.calendar);
    if (!calendar) return error_response(calendar.error());
    auto listed = parse_message(parts_.history.listing(series.key));
    forms.push_back({std::move(series), std::string((*calendar)->zone()),
                     std::move(listed).value_or(net::Fields())});
  }
  const std::string bars = bar_series_rows({}, parts_.history.bar_series());
  return table_response(*form, "\"bars\":" + bars, "instruments", instrument_rows(*form, forms));
}

HttpResponse Api::bars(const HttpRequest& request) {
  const Timestamp now = parts_.play.status().market_time;
  const auto asked = parse_bar_query(request.query, now);
  if (!asked) return error_response(asked.error());
  const auto page = parts_.history.bars(asked->query, asked->indicators);
  if (!page) return error_response(page.error());
  // Of what is answered, not of what was asked for, where that is less.
  const bool is_cut = !asked->query.start || page->bars.size() == asked->query.limit;
  const Timestamp start = !page->bars.empty() && is_cut ? page->bars.front().ts_open
                                                        : asked->query.start.value_or(kEarliest);
  const auto missing =
      parts_.history.missing(asked->query.series, start, asked->query.end.value_or(kLatest));
  if (!missing) return error_response(missing.error());
  return table_response(asked->form, bars_head(*asked, *page, *missing, now), "bars",
                        bar_rows(asked->form, asked->query.spec, *page));
}

HttpResponse Api::empty(const HttpRequest& request) {
  const auto asked = parse_bar_query(request.query, parts_.play.status().market_time);
  if (!asked) return error_response(asked.error());
  if (asked->query.as_of || !asked->indicators.empty()) {
    return error_response("invalid_argument", "this takes neither as_of nor indicators");
  }
  const auto times = parts_.history.empty_times(asked->query);
  if (!times) return error_response(times.error());
  return table_response(asked->form, {}, "empty", empty_rows(asked->form, *times));
}

HttpResponse Api::trades(const HttpRequest& request) {
  const auto asked = parse_trade_query(request.query, parts_.play.status().market_time);
  if (!asked) return error_response(asked.error());
  const auto page = parts_.history.trades(asked->query);
  if (!page) return error_response(page.error());
  return table_response(asked->form, trades_head(*asked, *page), "trades",
                        trade_rows(asked->form, page->trades));
}

HttpResponse Api::last(const HttpRequest& request) {
  const auto form = parse_form_query(request.query);
  if (!form) return error_response(form.error());
  const LastValues::Page page = last_values_.since(Offset(0));
  return table_response(*form,
                        fmt::format("\"run\":{},\"offset\":\"{}\"", page.run, page.offset.value),
                        "last", last_rows(*form, page.values));
}

HttpResponse Api::feeds(const HttpRequest& request) {
  const auto form = parse_form_query(request.query);
  if (!form) return error_response(form.error());
  return table_response(*form, {}, "feeds", feed_rows(*form, parts_.play.status().feeds));
}

HttpResponse Api::tape(const HttpRequest&) {
  return json_response(200, tape_json(parts_.play.status()));
}

HttpResponse Api::quality(const HttpRequest&) {
  return json_response(200, quality_json(parts_.history.quality()));
}

HttpResponse Api::quality_days(const HttpRequest& request) {
  return tape_quality(request, "days", [](const QualityRequest& asked, auto& known) {
    choose(known.days, asked, &quality::DayQuality::first, &quality::DayQuality::last);
    return day_quality_rows(asked.form, known.days);
  });
}

HttpResponse Api::quality_gaps(const HttpRequest& request) {
  return tape_quality(request, "gaps", [](const QualityRequest& asked, auto& known) {
    choose(known.gaps, asked, &quality::IdGap::after, &quality::IdGap::before);
    return gap_rows(asked.form, known.gaps);
  });
}

HttpResponse Api::quality_outages(const HttpRequest& request) {
  return tape_quality(request, "outages", [](const QualityRequest& asked, auto& known) {
    auto& rows = known.outages;
    // Of a series: those of its venue's feeds, of which any may bring it.
    std::erase_if(rows, [&](const quality::Outage& row) {
      return (asked.series && row.venue() != asked.series->venue) ||
             (asked.start && row.to && *row.to < *asked.start) ||
             (asked.end && row.from >= *asked.end);
    });
    if (rows.size() > asked.limit) {
      rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(asked.limit));
    }
    return outage_rows(asked.form, rows);
  });
}

HttpResponse Api::quality_drift(const HttpRequest& request) {
  return tape_quality(request, "drift", [](const QualityRequest& asked, auto& known) {
    choose(known.drift, asked, &quality::DriftSeen::first, &quality::DriftSeen::first);
    return drift_rows(asked.form, known.drift);
  });
}

HttpResponse Api::tape_quality(
    const HttpRequest& request, std::string_view name,
    const std::function<std::string(const QualityRequest&, pipeline::TapeQuality&)>& rows_of) {
  const auto asked = parse_quality_query(request.query, parts_.play.status().market_time);
  if (!asked) return error_response(asked.error());
  auto known = parts_.history.tape_quality();
  if (!known) return error_response(known.error());
  std::string rows = rows_of(*asked, *known);
  return table_response(asked->form,
                        fmt::format("\"whole\":{},\"behind\":\"{}\",\"problem\":{}",
                                    known->is_whole, known->behind, json_quote(known->problem)),
                        name, std::move(rows));
}

HttpResponse Api::sql(const HttpRequest& request) {
  const auto asked = parse_sql_query(request.query, request.body);
  if (!asked) return error_response(asked.error());
  const auto table = parts_.history.select(asked->statement, asked->limit);
  if (!table) return error_response(table.error());
  return table_response(asked->form, sql_head(*table), "rows", sql_rows(asked->form, *table));
}

// A request without the wish to become a WebSocket; else it goes to on_upgrade.
HttpResponse Api::ingest(const HttpRequest& request) {
  constexpr std::chrono::seconds kPatience{10};
  const auto later = [](HttpResponse response) {
    response.headers.emplace_back("Retry-After", "1");
    return response;
  };
  auto rows = parse_ingest(request);
  if (!rows) return error_response(rows.error());
  if (parts_.ingest == nullptr) {
    return error_response("unsupported", "this pipeline takes no rows");
  }
  const tape::TapeStatus tape = parts_.play.status().tape;
  if (tape.state == tape::TapeState::kDiskFull || tape.state == tape::TapeState::kDiskFailing) {
    return later(error_response("unavailable", tape.message));
  }
  const auto receipt = parts_.ingest->hand_in(*std::move(rows), kPatience);
  if (!receipt && receipt.error().code == ErrorCode::kBusy) {
    return later(error_response("too_busy", receipt.error().message));
  }
  if (!receipt) {
    HttpResponse response = error_response(receipt.error());
    return is_retryable(receipt.error().code) ? later(std::move(response)) : response;
  }
  for (const auto& [result, count] : {std::pair{"taken", receipt->taken},
                                      {"duplicate", receipt->duplicate},
                                      {"refused", receipt->refused}}) {
    parts_.metrics
        .counter("tapedeck_ingest_rows_total",
                 "Rows that programs have handed in, by what became of them.", {{"result", result}})
        .add(count);
  }
  return json_response(200, ingest_json(*receipt));
}

HttpResponse Api::live(const HttpRequest&) {
  HttpResponse response =
      error_response("upgrade_required", "this is a WebSocket: ask for an upgrade");
  response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

HttpResponse Api::restart(const HttpRequest&) {
  const auto run = parts_.play.restart();
  if (!run) return error_response(run.error());
  return json_response(202, restart_json(*run));
}

// A jump is a new run that begins there.
HttpResponse Api::jump(const HttpRequest& request) {
  const auto to = parse_jump_query(request.query, parts_.play.status().market_time);
  if (!to) return error_response(to.error());
  const auto run = parts_.play.restart(*to);
  if (!run) return error_response(run.error());
  return json_response(202, restart_json(*run));
}

HttpResponse Api::speed(const HttpRequest& request) {
  const auto speed = parse_speed_query(request.query);
  if (!speed) return error_response(speed.error());
  if (const Status set = parts_.play.set_speed(*speed); !set) return error_response(set.error());
  return json_response(200, pace_json(parts_.play.status()));
}

HttpResponse Api::pause(const HttpRequest&) {
  if (const Status set = parts_.play.pause(true); !set) return error_response(set.error());
  return json_response(200, pace_json(parts_.play.status()));
}

HttpResponse Api::resume(const HttpRequest&) {
  if (const Status set = parts_.play.pause(false); !set) return error_response(set.error());
  return json_response(200, pace_json(parts_.play.status()));
}

}  // namespace tapedeck::api
