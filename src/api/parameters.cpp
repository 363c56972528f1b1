#include "api/parameters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <limits>

namespace tapedeck::api {
namespace {

constexpr std::size_t kShownBytesMax = 64;  // of what was given, in a message

std::string shown(std::string_view given) {
  return fmt::format("'{}'{}", given.substr(0, kShownBytesMax),
                     given.size() > kShownBytesMax ? "..." : "");
}

class Parameters {
 public:
  static Result<Parameters> of(const net::Fields& query,
                               std::initializer_list<std::string_view> known) {
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

  Result<market::BarSpec> spec() const {
    market::BarSpec spec;
    TD_ASSIGN(spec.interval, parsed("interval", &market::parse_interval, spec.interval));
    TD_ASSIGN(spec.conditions,
              parsed("conditions", &market::parse_condition_mode, spec.conditions));
    TD_ASSIGN(spec.session, parsed("session", &market::parse_session_mode, spec.session));
    return spec;
  }

 private:
  explicit Parameters(const net::Fields& query) : query_(query) {}
  const net::Fields& query_;
};

Result<std::optional<Timestamp>> instant(const Parameters& parameters, std::string_view name) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  TD_ASSIGN(const auto ns, parameters.number<std::int64_t>(name, 0, kMost));
  if (!ns) return std::nullopt;
  return Timestamp{*ns};
}

}  // namespace

Result<store::BarQuery> parse_bar_query(const net::Fields& query) {
  TD_ASSIGN(const Parameters parameters,
            Parameters::of(
                query, {"series", "interval", "conditions", "session", "start", "end", "limit"}));
  store::BarQuery bars;
  TD_ASSIGN(bars.series, parameters.series());
  TD_ASSIGN(bars.spec, parameters.spec());
  TD_ASSIGN(bars.start, instant(parameters, "start"));
  TD_ASSIGN(bars.end, instant(parameters, "end"));
  TD_ASSIGN(const auto limit, parameters.number<std::size_t>("limit", 1, kBarsLimitMax));
  bars.limit = limit.value_or(kBarsLimitMax);
  if (bars.start && bars.end && *bars.start >= *bars.end) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("parameter start: {} is not before end, {}", bars.start->ns, bars.end->ns));
  }
  return bars;
}

Result<LiveQuery> parse_live_query(const net::Fields& query) {
  TD_ASSIGN(const Parameters parameters, Parameters::of(query, {"series", "interval", "conditions",
                                                                "session", "run", "resume"}));
  LiveQuery live;
  TD_ASSIGN(live.series, parameters.series());
  TD_ASSIGN(live.spec, parameters.spec());
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  TD_ASSIGN(const auto run, parameters.number<std::uint64_t>("run", 0, kMost));
  TD_ASSIGN(const auto offset, parameters.number<std::uint64_t>("resume", 0, kMost));
  if (run.has_value() != offset.has_value()) {
    return fail(ErrorCode::kInvalidArgument,
                "parameters run and resume belong together: give both or neither");
  }
  if (run) live.resume = LiveQuery::Resume{*run, Offset(*offset)};
  return live;
}

}  // namespace tapedeck::api
