// The API as values: requests made by hand, no sockets.
#include "api/api.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "api/embedded.hpp"
#include "api/fake_pipeline.hpp"
#include "base/sha256.hpp"

namespace tapedeck::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kToken = "0123456789abcdef0123456789abcdef";
const std::string kViewer = "viewer6789abcdef0123456789abcdef";
const std::string kMetrics = "metrics789abcdef0123456789abcdef";

class ApiTest : public testing::Test {
 protected:
  static net::HttpRequest request(std::string method, std::string_view target) {
    auto parsed = net::parse_target(target);
    return {.method = std::move(method),
            .path = parsed->path,
            .query = parsed->query,
            .headers = {{"Authorization", "Bearer " + kToken}},
            .body = {}};
  }
  net::HttpResponse get(std::string_view target) { return api_.on_request(request("GET", target)); }
  net::HttpResponse get_without_token(std::string_view target) {
    net::HttpRequest r = request("GET", target);
    r.headers.clear();
    return api_.on_request(r);
  }
  static std::string header(const net::HttpResponse& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (net::equal_ignoring_case(key, name)) return value;
    }
    return {};
  }
  std::uint64_t counted(const std::string& route, const std::string& status) {
    return metrics_
        .counter("tapedeck_api_requests_total", "", {{"route", route}, {"status", status}})
        .value();
  }

  FakePipeline fake_;
  SystemClock clock_;
  std::string logged_;
  Log log_{clock_, LogFormat::kText, LogLevel::kDebug,
           [this](LogLevel, std::string_view line) { logged_.append(line).append("\n"); }};
  Metrics metrics_;
  Api api_{
      {.history = fake_,
       .live = fake_,
       .play = fake_,
       .metrics = metrics_,
       .log = log_,
       .version = "0.1.0"},
      TokenGate(
          {.operators = Secret(kToken), .viewers = Secret(kViewer), .metrics = Secret(kMetrics)},
          8273)};
};

TEST_F(ApiTest, TheDescriptionHasExactlyTheseRoutes) {
  std::set<std::string> in_code;
  for (const Api::Route& route : Api::routes()) {
    in_code.insert(std::string(route.method) + " " + std::string(route.path));
  }
  // Paths are the keys at two blanks, methods those at four, below the line "paths:".
  std::set<std::string> described;
  std::istringstream lines(get("/api/v1/openapi.yaml").body);
  std::string line, path;
  bool is_in_paths = false;
  while (std::getline(lines, line)) {
    if (!line.empty() && line[0] != ' ') is_in_paths = line == "paths:";
    if (!is_in_paths) continue;
    if (line.starts_with("  /") && line.ends_with(':')) path = line.substr(2, line.size() - 3);
    if (line.starts_with("    ") && line[4] != ' ' && line.ends_with(':')) {
      std::string method = line.substr(4, line.size() - 5);
      std::ranges::transform(method, method.begin(),
                             [](unsigned char c) { return std::toupper(c); });
      described.insert(fmt::format("{} {}", method, path));
    }
  }
  EXPECT_EQ(described, in_code);
  EXPECT_GE(in_code.size(), 10u);
}

TEST_F(ApiTest, WithoutTheTokenOnlyHealthAndTheDocumentsAreTold) {
  for (const Api::Route& route : Api::routes()) {
    net::HttpRequest r = request(std::string(route.method), route.path);
    r.headers.clear();
    const bool is_open = route.path == "/healthz" || route.path == "/readyz";
    if (route.path.starts_with("/docs")) continue;
    EXPECT_EQ(api_.on_request(r).status, is_open ? 200 : 401) << route.path;
    r.headers = {{"Authorization", "Bearer " + std::string(32, '0')}};
    EXPECT_EQ(api_.on_request(r).status, is_open ? 200 : 401) << route.path;
  }
  EXPECT_EQ(get_without_token("/app.js").status, 401);
  EXPECT_EQ(get_without_token("/nothing").status, 401);
  EXPECT_THAT(get_without_token("/api/v1/status").body, HasSubstr("\"code\":\"unauthorised\""));
  const auto page = get_without_token("/");
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(page.body, HasSubstr("Open the address that the program printed"));
  EXPECT_EQ(fake_.status().run, 1u);  // nothing was restarted
}

TEST_F(ApiTest, TheDocumentsNeedNoToken) {
  if (find_embedded("page/docs/index.html") == nullptr) GTEST_SKIP() << "web/dist is not built";
  EXPECT_EQ(header(get_without_token("/docs"), "Location"), "/docs/");
  EXPECT_THAT(get_without_token("/docs/").body, HasSubstr("glossary.html"));
  std::size_t pages = 0;
  for (const EmbeddedFile& file : embedded_files()) {
    if (!file.name.starts_with("page/docs/")) continue;
    const auto response = get_without_token(file.name.substr(4));
    EXPECT_EQ(response.status, 200) << file.name;
    EXPECT_THAT(header(response, "Content-Security-Policy"), HasSubstr("default-src 'self'"));
    pages += file.name.ends_with(".html") ? 1u : 0u;
  }
  EXPECT_GE(pages, 6u);
  EXPECT_EQ(get_without_token("/docs/nothing.html").status, 401);
  EXPECT_EQ(get_without_token("/docs/../index.html").status, 401);
  EXPECT_EQ(counted("/docs/", "200"), pages + 4);  // with their script, style and icon
}

TEST_F(ApiTest, AViewerReadsAndChangesNothing) {
  const auto as = [&](const std::string& token, std::string method, std::string_view target) {
    net::HttpRequest r = request(std::move(method), target);
    r.headers = {{"Authorization", "Bearer " + token}};
    return api_.on_request(r);
  };
  EXPECT_EQ(as(kViewer, "GET", "/api/v1/status").status, 200);
  EXPECT_EQ(as(kViewer, "GET", "/metrics").status, 200);
  EXPECT_THAT(as(kViewer, "GET", "/api/v1/session").body, HasSubstr("\"role\":\"viewer\""));
  EXPECT_THAT(as(kToken, "GET", "/api/v1/session").body, HasSubstr("\"role\":\"operator\""));
  const auto refused = as(kViewer, "POST", "/api/v1/play/restart");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body, HasSubstr("\"code\":\"forbidden\""));
  EXPECT_EQ(fake_.status().run, 1u);
  // The metrics' token reads nothing else.
  for (const Api::Route& route : Api::routes()) {
    if (route.path.starts_with("/docs")) continue;
    const bool is_open = route.path == "/healthz" || route.path == "/readyz";
    const bool is_metrics = route.path == "/metrics";
    EXPECT_EQ(as(kMetrics, std::string(route.method), route.path).status,
              is_open || is_metrics ? 200 : 401)
        << route.path;
  }
  EXPECT_EQ(fake_.status().run, 1u);
  EXPECT_THAT(header(get_without_token("/?token=" + kViewer), "Set-Cookie"), HasSubstr(kViewer));
  EXPECT_EQ(get_without_token("/?token=" + kMetrics).status, 401);
}

TEST_F(ApiTest, ABasePathIsBeforeEverything) {
  Api api({.history = fake_,
           .live = fake_,
           .play = fake_,
           .metrics = metrics_,
           .log = log_,
           .version = "0.1.0",
           .base_path = "/deck"},
          TokenGate({.operators = Secret(kToken)}, 8273));
  EXPECT_EQ(api.on_request(request("GET", "/deck/api/v1/status")).status, 200);
  EXPECT_EQ(api.on_request(request("GET", "/deck/")).status, 200);
  EXPECT_EQ(api.on_request(request("GET", "/deck")).status, 200);
  EXPECT_TRUE(api.on_upgrade(request("GET", "/deck/api/v1/live")));
  EXPECT_TRUE(api.is_slow(request("GET", "/deck/api/v1/bars")));
  for (const char* target : {"/", "/api/v1/status", "/decks/api/v1/status", "/deckapi/v1/status"}) {
    EXPECT_EQ(api.on_request(request("GET", target)).status, 404) << target;
  }
  EXPECT_FALSE(api.on_upgrade(request("GET", "/api/v1/live")));
  const auto entered = api.on_request(request("GET", "/deck/?token=" + kToken));
  EXPECT_EQ(header(entered, "Location"), "/deck/");
  EXPECT_THAT(header(entered, "Set-Cookie"), HasSubstr("; Path=/deck/"));
}

TEST_F(ApiTest, WhatIsSlowIsSoForThoseWhoMayAsk) {
  EXPECT_TRUE(api_.is_slow(request("POST", "/api/v1/sql")));
  EXPECT_FALSE(api_.is_slow(request("GET", "/api/v1/status")));
  net::HttpRequest stranger = request("GET", "/api/v1/sql");
  stranger.headers.clear();
  EXPECT_FALSE(api_.is_slow(stranger));  // is refused at once, and holds up nobody
}

TEST_F(ApiTest, TheTokenInTheAddressBecomesACookie) {
  const auto entered = get_without_token("/?token=" + kToken);
  EXPECT_EQ(entered.status, 303);
  EXPECT_EQ(header(entered, "Location"), "/");
  EXPECT_EQ(header(entered, "Set-Cookie"),
            "tapedeck_8273=" + kToken + "; HttpOnly; SameSite=Strict; Path=/");
  EXPECT_EQ(header(entered, "Cache-Control"), "no-store");
  net::HttpRequest next = request("GET", "/");
  next.headers = {{"Cookie", "tapedeck_8273=" + kToken}};
  EXPECT_EQ(api_.on_request(next).status, 200);

  for (const std::string& target :
       {std::string("/?token="), "/?token=" + std::string(32, '0'), "/?token=" + kToken + "0",
        "/api/v1/status?token=" + kToken, "/healthy?token=" + kToken}) {
    const auto refused = get_without_token(target);
    EXPECT_EQ(refused.status, 401) << target;
    EXPECT_EQ(header(refused, "Set-Cookie"), "");
  }
}

TEST_F(ApiTest, TheTokenIsNeitherLoggedNorShown) {
  get_without_token("/?token=" + kToken);
  get("/api/v1/status");
  get("/api/v1/bars?series=" + kToken);
  EXPECT_THAT(logged_, HasSubstr("path=/api/v1/status"));
  EXPECT_THAT(logged_, Not(HasSubstr(kToken)));
  EXPECT_THAT(get("/metrics").body, Not(HasSubstr(kToken)));
  EXPECT_THAT(get("/api/v1/status").body, Not(HasSubstr(kToken)));
}

TEST_F(ApiTest, EveryAnswerHasTheSecurityHeaders) {
  for (const auto& response :
       {get("/"), get("/api/v1/status"), get("/nothing"), get_without_token("/"),
        get_without_token("/?token=" + kToken), get_without_token("/api/v1/status"),
        api_.on_request(request("POST", "/api/v1/play/restart")),
        api_.on_refusal({.status = 403, .reason = "wrong_host", .message = "no"})}) {
    EXPECT_THAT(header(response, "Content-Security-Policy"),
                AllOf(StartsWith("default-src 'self'"), HasSubstr("frame-ancestors 'none'")));
    EXPECT_EQ(header(response, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(header(response, "Referrer-Policy"), "no-referrer");
    EXPECT_NE(header(response, "Cache-Control"), "");
  }
}

TEST_F(ApiTest, HealthIsTheTruth) {
  using enum pipeline::PlayState;
  const auto told = [&](pipeline::PlayState state) {
    fake_.set_state(state);
    const auto health = get_without_token("/healthz");
    const auto ready = get_without_token("/readyz");
    return std::to_string(health.status) + health.body + std::to_string(ready.status) + ready.body;
  };
  EXPECT_EQ(told(kLoading), "200{\"status\":\"ok\"}503{\"status\":\"loading\"}");
  EXPECT_EQ(told(kPlaying), "200{\"status\":\"ok\"}200{\"status\":\"ready\"}");
  EXPECT_EQ(told(kEnded), "200{\"status\":\"ok\"}200{\"status\":\"ready\"}");
  EXPECT_EQ(told(kFailed), "503{\"status\":\"failed\"}503{\"status\":\"failed\"}");
}

TEST_F(ApiTest, ServesThePageAndItsTag) {
  const auto page = get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_EQ(page.body, find_embedded("page/index.html")->content);
  EXPECT_EQ(header(page, "Cache-Control"), "no-cache");
  const std::string etag = header(page, "ETag");
  EXPECT_EQ(etag.size(), 66u);

  net::HttpRequest again = request("GET", "/index.html");
  again.headers.emplace_back("If-None-Match", "W/\"other\", " + etag);
  const auto same = api_.on_request(again);
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.body, "");
  EXPECT_EQ(header(same, "ETag"), etag);
  again.headers.back().second = "\"other\"";
  EXPECT_EQ(api_.on_request(again).status, 200);
}

TEST_F(ApiTest, EveryEmbeddedFileIsWhatItsHashSays) {
  for (const EmbeddedFile& file : embedded_files()) {
    EXPECT_EQ(sha256_hex(file.content), file.sha256) << file.name;
    if (!file.name.starts_with("page/")) continue;
    const auto response = get(file.name.substr(4));
    EXPECT_EQ(response.status, 200) << file.name;
    EXPECT_EQ(response.body, file.content);
    EXPECT_THAT(response.content_type, Not(HasSubstr("octet-stream"))) << file.name;
  }
}

TEST_F(ApiTest, NothingLeadsOutOfThePage) {
  for (const char* target :
       {"/../openapi.yaml", "/..%2fopenapi.yaml", "/%2e%2e/openapi.yaml", "/./index.html",
        "//index.html", "/page/index.html", "/index.html/", "/index.html%00", "/%2fetc/passwd",
        "/../../../../etc/passwd", "/etc/passwd", "/.built", "/api/v1/", "/api/v1/status/"}) {
    EXPECT_EQ(get(target).status, 404) << target;
  }
  EXPECT_THAT(get("/nothing").body, HasSubstr("\"code\":\"not_found\""));
  EXPECT_EQ(counted("none", "404"), 15u);
}

TEST_F(ApiTest, OtherMethodsAreNamed) {
  const auto refused = api_.on_request(request("POST", "/api/v1/status"));
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(header(refused, "Allow"), "GET");
  EXPECT_EQ(header(api_.on_request(request("GET", "/api/v1/play/restart")), "Allow"), "POST");
  EXPECT_EQ(api_.on_request(request("DELETE", "/index.html")).status, 404);
  EXPECT_EQ(api_.on_request(request("HEAD", "/api/v1/status")).status, 200);
}

TEST_F(ApiTest, ListsInstrumentsWithTheirZone) {
  const auto response = get("/api/v1/instruments");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body,
            "{\"bars\":[{\"interval\":\"1m\",\"conditions\":\"eligible\",\"session\":\"extended\","
            "\"source\":\"trades\",\"adjusted\":\"raw\"}],"
            "\"instruments\":[{\"series\":\"lean/trade/SPY\",\"instrument\":\"SPY\","
            "\"venue\":\"lean\",\"channel\":\"trade\",\"calendar\":\"us_equity\","
            "\"zone\":\"America/New_York\","
            "\"name\":null,\"type\":null,\"currency\":null,\"status\":null}]}");
}

TEST_F(ApiTest, SaysOfAnInstrumentWhatItsVenuesListSays) {
  fake_.known_listing =
      R"({"venue":"lean","symbol":"SPY","name":"S&P \"500\"","type":"ETF","currency":"USD"})";
  EXPECT_THAT(get("/api/v1/instruments").body,
              HasSubstr(R"("name":"S&P \"500\"","type":"ETF","currency":"USD","status":null)"));
  EXPECT_THAT(get("/api/v1/instruments?format=csv").body,
              HasSubstr("America/New_York,\"S&P \"\"500\"\"\",ETF,USD,\n"));
  fake_.known_listing = "[what somebody wrote there]";
  EXPECT_THAT(get("/api/v1/instruments").body, HasSubstr(R"("name":null,"type":null)"));
}

TEST_F(ApiTest, AnswersBars) {
  fake_.put(bar(0, "10", 5));
  const auto response = get(
      "/api/v1/bars?series=lean%2Ftrade%2FSPY&interval=15s&conditions=all&limit=7&start=0&end=9");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(
      response.body,
      StartsWith("{\"series\":\"lean/trade/SPY\",\"interval\":\"15s\",\"conditions\":"
                 "\"all\",\"session\":\"extended\",\"source\":\"trades\",\"adjusted\":\"raw\","
                 "\"run\":1,\"offset\":\"5\",\"coverage\":{\"start\":\"0\",\"end\":\"9\","
                 "\"market_time\":\"0\",\"bars\":1,\"final\":0,\"complete\":0,\"revised\":0,"
                 "\"unapplied\":0,\"limited\":false,\"gaps\":null,\"missing\":null},"
                 "\"bars\":[{\"ts_open\""));
  EXPECT_EQ(header(response, "Cache-Control"), "no-store");
  const auto query = fake_.last_query();
  ASSERT_TRUE(query);
  EXPECT_EQ(query->spec.interval, seconds(15));
  EXPECT_EQ(query->limit, 7u);
  EXPECT_EQ(query->start, Timestamp{0});
  EXPECT_EQ(query->end, Timestamp{9});
}

TEST_F(ApiTest, SaysWhatBarsMayLack) {
  fake_.put(bar(3, "10", 5));
  fake_.known_missing = quality::Missing{.gaps = 2, .ids = 124};
  const auto coverage = HasSubstr("\"gaps\":2,\"missing\":\"124\"}");
  EXPECT_THAT(get("/api/v1/bars?series=lean/trade/SPY&start=0&end=9").body, coverage);
  EXPECT_EQ(fake_.last_missing_range, std::pair(Timestamp{0}, Timestamp{9}));
  // Of what is answered: who asks for the newest is told of these.
  EXPECT_THAT(get("/api/v1/bars?series=lean/trade/SPY").body, coverage);
  EXPECT_EQ(fake_.last_missing_range.first, bar(3, "10", 5).ts_open);
  EXPECT_THAT(get("/api/v1/bars?series=lean/trade/SPY&start=0&limit=1").body, coverage);
  EXPECT_EQ(fake_.last_missing_range.first, bar(3, "10", 5).ts_open);
}

TEST_F(ApiTest, AnswersBarsWithIndicatorsInEveryFormat) {
  fake_.put(bar(0, "10", 5));
  fake_.put(bar(1, "11", 6));
  const std::string target = "/api/v1/bars?series=lean/trade/SPY&indicators=sma(20),macd(12,26,9)";
  const auto json = get(target);
  EXPECT_THAT(json.body, HasSubstr("\"indicators\":[\"sma(20)\",\"macd(12,26,9)\"],"
                                   "\"indicator_anchor\":\"7\",\"bars\":["));
  EXPECT_THAT(json.body, HasSubstr("\"sma(20)\":null,\"macd(12,26,9)\":null}"));
  EXPECT_THAT(json.body, HasSubstr("\"sma(20)\":\"1.5\",\"macd(12,26,9)\":\"1.5\"}"));
  const auto csv = get(target + "&format=csv");
  EXPECT_EQ(csv.content_type, "text/csv; charset=utf-8");
  EXPECT_THAT(csv.body, HasSubstr(",offset,sma(20),\"macd(12,26,9)\"\n"));
  EXPECT_THAT(header(csv, "Tapedeck-Answer"),
              AllOf(StartsWith("{\"series\""), HasSubstr("\"coverage\":{")));
  EXPECT_EQ(header(json, "Tapedeck-Answer"), "");
}

TEST_F(ApiTest, SaysWhyThereIsNoBar) {
  fake_.known_empty = {
      {Timestamp{60'000'000'000}, Timestamp{180'000'000'000}, pipeline::EmptyReason::kNoTrade}};
  const std::string path = "/api/v1/bars/empty?series=lean/trade/SPY";
  EXPECT_EQ(get(path).body,
            "{\"empty\":[{\"start\":\"60000000000\",\"end\":\"180000000000\",\"reason\":"
            "\"no_trade\"}]}");
  EXPECT_EQ(get(path + "&format=csv&time=iso").body,
            "start,end,reason\n1970-01-01T00:01:00.000000000Z,1970-01-01T00:03:00.000000000Z,"
            "no_trade\n");
  EXPECT_EQ(get(path + "&indicators=sma(2)").status, 400);
  EXPECT_EQ(get(path + "&as_of=now").status, 400);
  EXPECT_EQ(get("/api/v1/bars/empty").status, 400);
}

TEST_F(ApiTest, SaysHowCompleteTheTapeIs) {
  const market::SeriesKey spy{"lean", "trade", "SPY"};
  const market::SeriesKey ibm{"lean", "trade", "IBM"};
  fake_.known_tape_quality = {
      .days = {{.series = ibm, .trades = 3, .first = Timestamp{5}, .last = Timestamp{9}},
               {.series = spy, .trades = 7, .first = Timestamp{20}, .last = Timestamp{30}}},
      .gaps =
          {{.series = spy,
            .first = 4,
            .last = 6,
            .after = Timestamp{5},
            .before = {Timestamp{8}},
            .cause = quality::GapCause::kOurs},
           {.series = spy, .first = 9, .last = 9, .after = Timestamp{8}, .before = {Timestamp{9}}}},
      .drift = {{.series = {"v", "schema", "X"},
                 .date = std::chrono::year_month_day{std::chrono::year(2024), std::chrono::month(2),
                                                     std::chrono::day(1)},
                 .drift = {.field = "f"},
                 .first = Timestamp{5}},
                {.series = {"v", "schema", "X"}, .drift = {"p", true}, .first = Timestamp{9}}},
      .is_whole = true};
  fake_.known_tape_quality.outages = {{"lean/day", Timestamp{3}, Timestamp{6}},
                                      {"v/a", Timestamp{4}, std::nullopt}};
  EXPECT_EQ(get("/api/v1/quality/outages").body,
            R"({"whole":true,"behind":"0","problem":"","outages":[)"
            R"({"feed":"lean/day","from":"3","to":"6"},{"feed":"v/a","from":"4","to":null}]})");
  const auto outages = [&](const std::string& query) {
    return get("/api/v1/quality/outages?format=csv&" + query).body;
  };
  EXPECT_EQ(outages("series=lean/trade/SPY"), "feed,from,to\nlean/day,3,6\n");
  EXPECT_EQ(outages("start=7"), "feed,from,to\nv/a,4,\n");
  EXPECT_EQ(outages("end=4"), "feed,from,to\nlean/day,3,6\n");
  EXPECT_EQ(outages("limit=1"), "feed,from,to\nv/a,4,\n");
  EXPECT_EQ(get("/api/v1/quality/drift?end=9").body,
            R"({"whole":true,"behind":"0","problem":"","drift":[)"
            R"({"series":"v/schema/X","venue":"v","instrument":"X","date":"2024-02-01",)"
            R"("field":"f","is":"unknown","first":"5"}]})");
  EXPECT_THAT(get("/api/v1/quality/drift?limit=1&format=csv").body, HasSubstr(",p,missing,9\n"));
  EXPECT_THAT(get("/metrics").body, HasSubstr("tapedeck_quality_schema_drift{venue=\"v\"} 2\n"));
  EXPECT_EQ(get("/api/v1/quality/gaps").body,
            R"({"whole":true,"behind":"0","problem":"","gaps":[)"
            R"({"series":"lean/trade/SPY","first_id":"4","last_id":"6","missing":"3",)"
            R"("after":"5","before":"8","cause":"ours"},)"
            R"({"series":"lean/trade/SPY","first_id":"9","last_id":"9","missing":"1",)"
            R"("after":"8","before":"9","cause":"unknown"}]})");
  EXPECT_EQ(
      get("/api/v1/quality/gaps?format=csv&limit=1&numbers=string").body,
      "series,first_id,last_id,missing,after,before,cause\nlean/trade/SPY,9,9,1,8,9,unknown\n");
  EXPECT_EQ(get("/api/v1/quality/gaps?format=ndjson&end=8").body.find("\"9\""), std::string::npos);
  const auto lines = [&](const std::string& query) {
    const std::string body = get("/api/v1/quality/days?format=csv&" + query).body;
    return std::ranges::count(body, '\n') - 1;
  };
  EXPECT_EQ(lines("series=lean/trade/SPY"), 1);
  EXPECT_EQ(lines("series=lean/trade/AIG"), 0);
  EXPECT_EQ(lines("start=9"), 2);
  EXPECT_EQ(lines("start=10"), 1);
  EXPECT_EQ(lines("end=20"), 1);
  EXPECT_EQ(get("/api/v1/quality/days?series=SPY").status, 400);
  EXPECT_EQ(get("/api/v1/quality/days?limit=0").status, 400);
  fake_.known_tape_quality.problem = "segment 3 is damaged";
  fake_.known_tape_quality.is_whole = false;
  EXPECT_TRUE(get("/api/v1/quality/days")
                  .body.starts_with(
                      R"({"whole":false,"behind":"0","problem":"segment 3 is damaged","days":[)"));
}

TEST_F(ApiTest, AnswersTrades) {
  fake_.put_trade("10.5", Timestamp{70}, 5);
  const auto response = get("/api/v1/trades?series=lean/trade/SPY&limit=7&order=oldest&start=5");
  EXPECT_EQ(
      response.body,
      "{\"series\":\"lean/trade/SPY\",\"order\":\"oldest\",\"run\":1,\"offset\":\"6\","
      "\"limited\":false,\"trades\":[{\"ts_event\":\"70\",\"ts_recv\":\"70\",\"price\":\"10.5\","
      "\"size\":\"100\",\"side\":\"unknown\",\"conditions\":[],\"eligible\":true,"
      "\"updates\":[\"open_close\",\"high_low\",\"volume\"],\"session\":\"regular\","
      "\"origin\":\"venue\",\"seq\":\"0\",\"position\":\"0\",\"offset\":\"5\"}]}");
  EXPECT_EQ(fake_.last_trade_query().limit, 7u);
  EXPECT_TRUE(fake_.last_trade_query().oldest_first);
  EXPECT_EQ(fake_.last_trade_query().start, Timestamp{5});
  EXPECT_EQ(get("/api/v1/trades?series=a/b/c").status, 404);
}

TEST_F(ApiTest, TheChangeSaysWhatItIsCountedFrom) {
  // Monday 2013-10-07 10:00 in New York; bars of Friday and of this day.
  const Timestamp ten{1'381'154'400'000'000'000};
  const auto minute_of = [](Timestamp t) { return t.ns / minutes(1).ns; };
  const auto line = [&] {
    const std::string body = get("/api/v1/last?format=csv").body;
    return body.substr(body.find('\n') + 1);
  };
  fake_.specs = {{}, {.session = market::SessionMode::kRegular}};
  EXPECT_EQ(line(), "lean/trade/SPY,,,,,,,,,0\n");
  fake_.put_trade("8", ten, 4);
  EXPECT_EQ(line(), fmt::format("lean/trade/SPY,8,100,{},,,,,,5\n", ten.ns));
  fake_.put(bar(minute_of(ten - hours(2)), "10", 5));  // before the session: extended and regular
  fake_.put_trade("9", ten + seconds(2), 5);
  EXPECT_THAT(line(), HasSubstr(fmt::format("9,100,{},-1,-10,session_open,10,{},6",
                                            (ten + seconds(2)).ns, (ten - hours(2)).ns)));
  ASSERT_TRUE(fake_.restart());
  fake_.put(bar(minute_of(ten - hours(24) * 3), "6", 5));
  fake_.put_trade("9", ten, 5);
  EXPECT_THAT(line(),
              HasSubstr(fmt::format(",3,50,previous_close,6,{},6", (ten - hours(24) * 3).ns)));
}

TEST_F(ApiTest, AnswersSql) {
  fake_.table = store::Table{.columns = {"a", "a", "c"},
                             .rows = {{std::int64_t{9007199254740993}, 1.5, std::string("x\"y")},
                                      {std::monostate{}, std::monostate{},
                                       store::Table::Blob{std::string("\x00\xff", 2)}}},
                             .limited = false};
  EXPECT_EQ(get("/api/v1/sql?query=SELECT+1").body,
            "{\"columns\":[\"a\",\"a\",\"c\"],\"limited\":false,\"rows\":["
            "[\"9007199254740993\",1.5,\"x\\\"y\"],[null,null,\"00ff\"]]}");
  EXPECT_EQ(fake_.last_sql(), "SELECT 1");
  net::HttpRequest post = request("POST", "/api/v1/sql?limit=1&format=csv");
  post.body = "SELECT 2";
  const auto csv = api_.on_request(post);
  EXPECT_EQ(csv.body, "a,a,c\n9007199254740993,1.5,\"x\"\"y\"\n");
  EXPECT_THAT(header(csv, "Tapedeck-Answer"), HasSubstr("\"limited\":true"));
  EXPECT_EQ(fake_.last_sql(), "SELECT 2");
  EXPECT_EQ(get("/api/v1/sql").status, 400);
  fake_.table = fail(ErrorCode::kTimeout, "it ran too long");
  EXPECT_EQ(get("/api/v1/sql?query=SELECT+1").status, 503);
}

TEST_F(ApiTest, ErrorsOfThePipelineKeepTheirWords) {
  EXPECT_EQ(get("/api/v1/bars").status, 400);
  EXPECT_THAT(get("/api/v1/bars").body, HasSubstr("\"code\":\"invalid_argument\""));
  const auto unknown = get("/api/v1/bars?series=lean/trade/XYZ");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(
      unknown.body,
      "{\"error\":{\"code\":\"not_found\",\"message\":\"there is no series lean/trade/XYZ: "
      "there is lean/trade/SPY\",\"action\":\"Look at /api/v1/openapi.yaml for addresses and at "
      "/api/v1/instruments for series and bars; of a file, check its path.\"}}");
  fake_.fail_bars(Error{ErrorCode::kUnavailable, "not now"});
  EXPECT_EQ(get("/api/v1/bars?series=lean/trade/SPY").status, 503);
  fake_.fail_bars(Error{ErrorCode::kCorrupt, "damaged"});
  EXPECT_EQ(get("/api/v1/bars?series=lean/trade/SPY").status, 500);
}

TEST_F(ApiTest, Restarts) {
  const auto response = api_.on_request(request("POST", "/api/v1/play/restart"));
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.body, "{\"run\":2}");
  fake_.refuse_restart(true);
  EXPECT_EQ(api_.on_request(request("POST", "/api/v1/play/restart")).status, 409);
  EXPECT_EQ(fake_.status().run, 2u);
}

TEST_F(ApiTest, ThePlayIsPausedSpedUpAndJumped) {
  const auto post = [&](const std::string& target) {
    return api_.on_request(request("POST", target));
  };
  EXPECT_EQ(post("/api/v1/play/pause").body, "{\"speed\":1,\"paused\":true}");
  EXPECT_EQ(post("/api/v1/play/speed?value=2.5").body, "{\"speed\":2.5,\"paused\":true}");
  EXPECT_EQ(post("/api/v1/play/resume").body, "{\"speed\":2.5,\"paused\":false}");
  for (const std::string wrong : {"speed", "speed?value=fast", "speed?value=0", "jump",
                                  "jump?to=noon", "jump?from=2013-10-07T14:00:00Z"}) {
    EXPECT_EQ(post("/api/v1/play/" + wrong).status, 400) << wrong;
  }
  EXPECT_EQ(fake_.status().run, 1u);
  EXPECT_EQ(post("/api/v1/play/jump?to=2013-10-07T14:00:00Z").status, 202);
  EXPECT_EQ(fake_.restarted_from(), *parse_iso("2013-10-07T14:00:00Z"));
  EXPECT_EQ(fake_.status().run, 2u);
  EXPECT_EQ(get("/api/v1/play/pause").status, 405);
}

TEST_F(ApiTest, CountsRequestsByRouteAndStatus) {
  get("/api/v1/status");
  get("/api/v1/status");
  get_without_token("/api/v1/status");
  EXPECT_EQ(counted("/api/v1/status", "200"), 2u);
  EXPECT_EQ(counted("/api/v1/status", "401"), 1u);
  const auto metrics = get("/metrics");
  EXPECT_THAT(metrics.content_type, StartsWith("application/openmetrics-text; version=1.0.0"));
  EXPECT_THAT(
      metrics.body,
      HasSubstr("tapedeck_api_requests_total{route=\"/api/v1/status\",status=\"200\"} 2\n"));
  EXPECT_TRUE(metrics.body.ends_with("# EOF\n"));
}

TEST_F(ApiTest, OpensLiveSessions) {
  const std::string target = "/api/v1/live?series=lean/trade/SPY";
  EXPECT_EQ(get(target).status, 426);
  EXPECT_TRUE(api_.on_upgrade(request("GET", target)));
  EXPECT_TRUE(api_.on_upgrade(request("GET", target)));
  EXPECT_EQ(counted("/api/v1/live", "101"), 2u);

  net::HttpRequest without_token = request("GET", target);
  without_token.headers.clear();
  EXPECT_EQ(api_.on_upgrade(without_token).error().status, 401);
  EXPECT_EQ(api_.on_upgrade(request("GET", "/api/v1/bars")).error().status, 404);
  EXPECT_EQ(api_.on_upgrade(request("GET", "/api/v1/live?interval=1m")).error().status, 400);
  EXPECT_TRUE(api_.on_upgrade(request("GET", "/api/v1/live")));  // it subscribes later
  EXPECT_EQ(api_.on_upgrade(request("GET", "/api/v1/live?series=a/b/c")).error().status, 404);
  EXPECT_EQ(header(api_.on_upgrade(request("GET", "/api/v1/bars")).error(), "Referrer-Policy"),
            "no-referrer");
}

TEST_F(ApiTest, WordsTheRefusalsOfTheServer) {
  const auto response =
      api_.on_refusal({.status = 431, .reason = "header_too_large", .message = "too large"});
  EXPECT_EQ(response.status, 431);
  EXPECT_THAT(response.body,
              StartsWith("{\"error\":{\"code\":\"header_too_large\",\"message\":\"too large\","
                         "\"action\":\"Send "));
}

}  // namespace
}  // namespace tapedeck::api
