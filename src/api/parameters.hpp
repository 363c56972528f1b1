// src/api/parameters.hpp: the query of an address, and a message of a WebSocket, to typed values.
// What is unknown, given twice or wrong is an error that names the parameter, what was given and
// what is allowed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/rows.hpp"
#include "net/http_message.hpp"
#include "pipeline/history.hpp"
#include "pipeline/ingest.hpp"
#include "store/store.hpp"

namespace tapedeck::api {

inline constexpr std::size_t kBarsLimitMax = 10'000;  // also when none is given
inline constexpr std::size_t kTradesLimitMax = 10'000;
inline constexpr std::size_t kRowsLimitMax = 10'000;  // of SQL

// format, time, tz, numbers; where they are a request's only ones. Errors of all: kInvalidArgument.
Result<Form> parse_form_query(const net::Fields& query);

struct BarRequest {
  store::BarQuery query;
  std::vector<std::string> indicators;
  Form form;
};
// series, interval, conditions, session, source, adjusted, start, end, as_of, limit, indicators,
// and the form. `now`: of the market.
Result<BarRequest> parse_bar_query(const net::Fields& query, Timestamp now);

struct TradeRequest {
  pipeline::TradeQuery query;
  Form form;
};
// series, start, end, order, limit, and the form.
Result<TradeRequest> parse_trade_query(const net::Fields& query, Timestamp now);

struct QualityRequest {
  std::optional<market::SeriesKey> series{};  // nothing: all
  std::optional<Timestamp> start{}, end{};    // what has some of it between
  std::size_t limit = 1000;                   // the newest are kept
  Form form;
};
// series, start, end, limit, and the form.
Result<QualityRequest> parse_quality_query(const net::Fields& query, Timestamp now);

struct SqlRequest {
  std::string statement;
  std::size_t limit = 1000;
  Form form;
};
// query (where there is no body), limit, format, numbers.
Result<SqlRequest> parse_sql_query(const net::Fields& query, std::string_view body);

// venue, channel, symbol, time, format (csv, ndjson; else as Content-Type says), and the header
// Idempotency-Key. With the body.
Result<pipeline::Rows> parse_ingest(const net::HttpRequest& request);

// to: an instant; a time of day alone is not one.
Result<Timestamp> parse_jump_query(const net::Fields& query, Timestamp now);
// value: market seconds a second.
Result<double> parse_speed_query(const net::Fields& query);

enum class LiveChannel { kBars, kLast, kTrades };
std::string_view to_string(LiveChannel channel);

struct LiveQuery {
  LiveChannel channel = LiveChannel::kBars;
  market::SeriesKey series;               // not of kLast
  market::BarSpec spec;                   // of kBars
  std::vector<std::string> indicators{};  // of kBars
  struct Resume {
    std::uint64_t run = 0;
    Offset offset;  // trades before it are known to the client
  };
  std::optional<Resume> resume;
};
// Of the address of a live socket.
struct LiveAddress {
  std::optional<LiveQuery> query{};  // nothing: it will subscribe by messages
  Duration every{};                  // changes come no more often
};
// every; and series, interval, conditions, session, source, adjusted, indicators, run, resume:
// bars.
Result<LiveAddress> parse_live_address(const net::Fields& query);
// Those, and channel; each channel takes what it needs.
Result<LiveQuery> parse_subscription(const net::Fields& fields);

// "sma(20),macd(12,26,9)" at the commas outside of parentheses.
std::vector<std::string> split_indicators(std::string_view text);

}  // namespace tapedeck::api
