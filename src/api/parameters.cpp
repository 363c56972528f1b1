#include "api/parameters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <utility>

namespace tapedeck::api {
namespace {

constexpr std::size_t kShownBytesMax = 64;  // of what was given, in a message
constexpr Duration kEveryMax = minutes(1);

std::string shown(std::string_view given) {
  return fmt::format("'{}'{}", given.substr(0, kShownBytesMax),
                     given.size() > kShownBytesMax ? "..." : "");
}

class Parameters {
 public:
  static Result<Parameters> of(const net::Fields& query,
                               const std::vector<std::string_view>& known) {
    for (const auto& [name, value] : query) {
      if (std::ranges::find(known, name) == known.end()) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("parameter {} is not known here: use {}", shown(name),
                                fmt::join(known, ", ")));
      }
      if (std::ranges::count(query, name, &net::Fields::value_type::first) > 1) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("parameter {} is given twice: give it once", name));
      }
    }
    return Parameters(query);
  }

  std::optional<std::string_view> find(std::string_view name) const {
    const auto field = std::ranges::find(query_, name, &net::Fields::value_type::first);
    if (field == query_.end()) return std::nullopt;
    return field->second;
  }

  // The value as `parse` understands it; `otherwise` where it is not given.
  template <class T>
  Result<T> parsed(std::string_view name, Result<T> (*parse)(std::string_view), T otherwise) const {
    const auto text = find(name);
    if (!text) return otherwise;
    Result<T> value = parse(text->substr(0, kShownBytesMax));
    if (!value) return fail_within(std::move(value), fmt::format("parameter {}", name));
    return value;
  }

  template <class T>
  Result<std::optional<T>> number(std::string_view name, T least, T most) const {
    const auto text = find(name);
    if (!text) return std::nullopt;
    T value{};
    const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (ec != std::errc() || end != text->data() + text->size() || value < least || value > most) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("parameter {}: {} is not a whole number from {} to {}", name,
                              shown(*text), least, most));
    }
    return value;
  }

  Result<market::SeriesKey> series() const {
    const auto text = find("series");
    if (!text) {
      return fail(ErrorCode::kInvalidArgument,
                  "parameter series is missing: write venue/channel/instrument, such as "
                  "binance/trade/BTCUSDT; /api/v1/instruments lists those that there are");
    }
    auto key = market::parse_series_key(*text);
    if (!key) return fail_within(std::move(key), "parameter series");
    return key;
  }

  // Where nothing is said, the source is what the channel of the series holds, and of what has no
  // conditions all counts.
  Result<market::BarSpec> spec(const market::SeriesKey& series) const {
    market::BarSpec spec;
    if (series.channel == "last") spec.source = market::BarSource::kLast;
    if (series.channel == "bar") spec.source = market::BarSource::kVendor;
    const bool has_conditions = spec.source == market::BarSource::kTrades;
    TD_ASSIGN(spec.interval, parsed("interval", &market::parse_interval, spec.interval));
    TD_ASSIGN(spec.conditions,
              parsed("conditions", &market::parse_condition_mode, spec.conditions));
    TD_ASSIGN(spec.source, parsed("source", &market::parse_bar_source, spec.source));
    TD_ASSIGN(spec.adjusted, parsed("adjusted", &market::parse_adjusted, spec.adjusted));
    TD_ASSIGN(spec.session, parsed("session", &market::parse_session_mode, spec.session));
    if (!has_conditions && !find("source")) spec.conditions = market::ConditionMode::kEligible;
    return spec;
  }

  Result<Form> form() const {
    Form form;
    TD_ASSIGN(form.format, parsed("format", &parse_format, form.format));
    TD_ASSIGN(form.time, parsed("time", &parse_time_form, form.time));
    TD_ASSIGN(form.zone, parsed("tz", &parse_zone, form.zone));
    TD_ASSIGN(form.numbers, parsed("numbers", &parse_number_form, form.numbers));
    return form;
  }

  Result<std::optional<Timestamp>> instant(std::string_view name, std::string_view zone,
                                           Timestamp now) const {
    const auto text = find(name);
    if (!text) return std::nullopt;
    auto at = parse_instant(text->substr(0, kShownBytesMax), zone, now);
    if (!at) return fail_within(std::move(at), fmt::format("parameter {}", name));
    return *at;
  }

  // start before end, where both are given.
  template <class Query>
  Status range(Query& into, std::string_view zone, Timestamp now) const {
    TD_ASSIGN(into.start, instant("start", zone, now));
    TD_ASSIGN(into.end, instant("end", zone, now));
    if (into.start && into.end && *into.start >= *into.end) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("parameter start: {} is not before end, {}", to_iso(*into.start),
                              to_iso(*into.end)));
    }
    return {};
  }

  std::vector<std::string> indicators() const {
    const auto text = find("indicators");
    return text && !text->empty() ? split_indicators(*text) : std::vector<std::string>();
  }

  Result<std::optional<LiveQuery::Resume>> resume() const {
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
    TD_ASSIGN(const auto run, number<std::uint64_t>("run", 0, kMost));
    TD_ASSIGN(const auto offset, number<std::uint64_t>("resume", 0, kMost));
    if (run.has_value() != offset.has_value()) {
      return fail(ErrorCode::kInvalidArgument,
                  "parameters run and resume belong together: give both or neither");
    }
    if (!run) return std::nullopt;
    return LiveQuery::Resume{*run, Offset(*offset)};
  }

 private:
  explicit Parameters(const net::Fields& query) : query_(query) {}
  const net::Fields& query_;
};

using Names = std::vector<std::string_view>;
const Names kSpecNames{"interval", "conditions", "session", "source", "adjusted"};
const Names kFormNames{"format", "time", "tz", "numbers"};

Names names(std::initializer_list<std::string_view> own, const Names& more,
            const Names& still_more = {}) {
  Names all(own);
  all.insert(all.end(), more.begin(), more.end());
  all.insert(all.end(), still_more.begin(), still_more.end());
  return all;
}

Result<LiveChannel> parse_channel(std::string_view text) {
  for (const auto channel : {LiveChannel::kBars, LiveChannel::kLast, LiveChannel::kTrades}) {
    if (to_string(channel) == text) return channel;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("channel {} is not known: use bars, last or trades", shown(text)));
}

Result<double> parse_speed(std::string_view text) {
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec == std::errc() && end == text.data() + text.size()) return value;
  return fail(ErrorCode::kInvalidArgument, fmt::format("{} is not a number", shown(text)));
}

std::unexpected<Error> missing(std::string_view name, std::string_view what) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("parameter {} is missing: write {}", name, what));
}

}  // namespace

Result<Timestamp> parse_jump_query(const net::Fields& query, Timestamp now) {
  TD_ASSIGN(const Parameters parameters, Parameters::of(query, {"to"}));
  TD_ASSIGN(const auto to, parameters.instant("to", "", now));
  if (!to) return missing("to", "an instant, such as 2013-10-07T14:00:00Z or -10m");
  return *to;
}

Result<double> parse_speed_query(const net::Fields& query) {
  TD_ASSIGN(const Parameters parameters, Parameters::of(query, {"value"}));
  if (!parameters.find("value")) return missing("value", "market seconds a second, such as 20");
  return parameters.parsed("value", &parse_speed, 1.0);
}

std::string_view to_string(LiveChannel channel) {
  switch (channel) {
    case LiveChannel::kBars:
      return "bars";
    case LiveChannel::kLast:
      return "last";
    case LiveChannel::kTrades:
      return "trades";
  }
  return "bars";
}

std::vector<std::string> split_indicators(std::string_view text) {
  std::vector<std::string> parts;
  int depth = 0;
  std::string part;
  for (const char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth == 0) {
      parts.push_back(std::exchange(part, {}));
    } else {
      part += c;
    }
  }
  parts.push_back(std::move(part));
  return parts;
}

Result<Form> parse_form_query(const net::Fields& query) {
  TD_ASSIGN(const Parameters parameters, Parameters::of(query, kFormNames));
  return parameters.form();
}

Result<BarRequest> parse_bar_query(const net::Fields& query, Timestamp now) {
  TD_ASSIGN(const Parameters parameters,
            Parameters::of(query, names({"series", "start", "end", "as_of", "limit", "indicators"},
                                        kSpecNames, kFormNames)));
  BarRequest request;
  store::BarQuery& bars = request.query;
  TD_ASSIGN(request.form, parameters.form());
  TD_ASSIGN(bars.series, parameters.series());
  TD_ASSIGN(bars.spec, parameters.spec(bars.series));
  TD_TRY(parameters.range(bars, request.form.zone, now));
  TD_ASSIGN(bars.as_of, parameters.instant("as_of", request.form.zone, now));
  TD_ASSIGN(const auto limit, parameters.number<std::size_t>("limit", 1, kBarsLimitMax));
  bars.limit = limit.value_or(kBarsLimitMax);
  request.indicators = parameters.indicators();
  return request;
}

Result<TradeRequest> parse_trade_query(const net::Fields& query, Timestamp now) {
  TD_ASSIGN(const Parameters parameters,
            Parameters::of(query, names({"series", "start", "end", "order", "limit"}, kFormNames)));
  TradeRequest request;
  pipeline::TradeQuery& trades = request.query;
  TD_ASSIGN(request.form, parameters.form());
  TD_ASSIGN(trades.series, parameters.series());
  TD_TRY(parameters.range(trades, request.form.zone, now));
  const std::string_view order = parameters.find("order").value_or("newest");
  if (order != "newest" && order != "oldest") {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("parameter order: {} is not known: use newest or oldest", shown(order)));
  }
  trades.oldest_first = order == "oldest";
  TD_ASSIGN(const auto limit, parameters.number<std::size_t>("limit", 1, kTradesLimitMax));
  trades.limit = limit.value_or(trades.limit);
  return request;
}

Result<QualityRequest> parse_quality_query(const net::Fields& query, Timestamp now) {
  TD_ASSIGN(const Parameters parameters,
            Parameters::of(query, names({"series", "start", "end", "limit"}, kFormNames)));
  QualityRequest request;
  TD_ASSIGN(request.form, parameters.form());
  if (parameters.find("series")) {
    TD_ASSIGN(request.series, parameters.series());
  }
  TD_TRY(parameters.range(request, request.form.zone, now));
  TD_ASSIGN(const auto limit, parameters.number<std::size_t>("limit", 1, kRowsLimitMax));
  request.limit = limit.value_or(request.limit);
  return request;
}

Result<SqlRequest> parse_sql_query(const net::Fields& query, std::string_view body) {
  TD_ASSIGN(const Parameters parameters,
            Parameters::of(query, {"query", "limit", "format", "numbers"}));
  SqlRequest request;
  TD_ASSIGN(request.form, parameters.form());
  TD_ASSIGN(const auto limit, parameters.number<std::size_t>("limit", 1, kRowsLimitMax));
  request.limit = limit.value_or(request.limit);
  const auto text = parameters.find("query");
  if (text.has_value() == !body.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "one statement is needed: write it as parameter query, or send it as the body of "
                "a POST");
  }
  request.statement = text.value_or(body);
  return request;
}

Result<pipeline::Rows> parse_ingest(const net::HttpRequest& request) {
  TD_ASSIGN(const Parameters parameters,
            Parameters::of(request.query, {"venue", "channel", "symbol", "time", "format"}));
  pipeline::Rows rows;
  const auto take = [&](std::string_view name, std::string& out) {
    if (const auto text = parameters.find(name)) out = *text;
  };
  take("venue", rows.venue);
  take("channel", rows.channel);
  take("symbol", rows.symbol);
  take("time", rows.time);
  rows.is_csv = request.header("Content-Type").starts_with("text/csv");
  if (const auto format = parameters.find("format")) {
    if (format != "csv" && format != "ndjson") {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("parameter format: {} is not known: use csv or ndjson", shown(*format)));
    }
    rows.is_csv = format == "csv";
  }
  rows.key = request.header("Idempotency-Key");
  rows.body = request.body;
  return rows;
}

Result<LiveAddress> parse_live_address(const net::Fields& query) {
  TD_ASSIGN(
      const Parameters parameters,
      Parameters::of(query, names({"every", "series", "indicators", "run", "resume"}, kSpecNames)));
  LiveAddress address;
  if (const auto every = parameters.find("every")) {
    const auto parsed = parse_duration(*every);
    if (!parsed || parsed->ns < 0 || *parsed > kEveryMax) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("parameter every: {} is not a time of at most {}: use 50ms, or 1s",
                              shown(*every), to_string(kEveryMax)));
    }
    address.every = *parsed;
    if (query.size() == 1) return address;
  }
  if (query.empty()) return address;
  LiveQuery live;
  TD_ASSIGN(live.series, parameters.series());
  TD_ASSIGN(live.spec, parameters.spec(live.series));
  live.indicators = parameters.indicators();
  TD_ASSIGN(live.resume, parameters.resume());
  address.query = std::move(live);
  return address;
}

Result<LiveQuery> parse_subscription(const net::Fields& fields) {
  const auto named = std::ranges::find(fields, "channel", &net::Fields::value_type::first);
  if (named == fields.end()) {
    return fail(ErrorCode::kInvalidArgument, "channel is missing: use bars, last or trades");
  }
  TD_ASSIGN(const LiveChannel channel, parse_channel(named->second));
  Names known{"channel", "run", "resume"};
  if (channel != LiveChannel::kLast) known.push_back("series");
  if (channel == LiveChannel::kBars) known = names({"indicators"}, known, kSpecNames);
  TD_ASSIGN(const Parameters parameters, Parameters::of(fields, known));
  LiveQuery live{.channel = channel};
  if (channel != LiveChannel::kLast) {
    TD_ASSIGN(live.series, parameters.series());
  }
  if (channel == LiveChannel::kBars) {
    TD_ASSIGN(live.spec, parameters.spec(live.series));
    live.indicators = parameters.indicators();
  }
  TD_ASSIGN(live.resume, parameters.resume());
  return live;
}

}  // namespace tapedeck::api
