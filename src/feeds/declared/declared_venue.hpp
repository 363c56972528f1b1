// src/feeds/declared/declared_venue.hpp: venues that are declared in a pipeline file: one that is
// asked over HTTP (http_json), one that sends over a WebSocket (ws_json). Both give rows of JSON,
// and one map says what is what. Thread: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "feeds/declared/json_map.hpp"
#include "feeds/feed.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::declared {

enum class RowKind { kTrade, kTick, kQuote, kRecord };
std::string_view to_string(RowKind kind);  // "trade", ...: also the channel of its series

struct Declaration {
  std::string name;  // the venue of its series
  RowKind kind = RowKind::kTrade;
  std::string rows{};            // pointer to the list of rows, or to the only one
  std::string only{};            // filter; empty: every document has rows
  std::string map{};             // as JsonMap
  std::string symbol{};          // of rows that name none
  bool consecutive_ids = false;  // a missing id is a missed trade
};

// The rows of documents, as events. A row without an id is told by what it says: the same row right
// behind itself, of one symbol, is no news. Trades must have ids, records need not.
class RowReader {
 public:
  // Errors: kInvalidArgument. The catalog outlives the reader.
  static Result<std::unique_ptr<RowReader>> make(const Declaration& declared,
                                                 market::Catalog& catalog);
  ~RowReader();

  // `symbol`: that was asked for, if one was. A document that has none of these rows is control.
  void read(std::string_view document, std::string_view symbol, Timestamp ts_recv,
            std::string_view where, EventSink& sink);

 private:
  struct State;
  explicit RowReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct PollOptions {
  std::string url;                   // with {symbol} and {token} where they go
  std::vector<std::string> symbols;  // asked for one after the other
  Secret token{};
  Duration every = seconds(60);  // between two answers of one symbol
};
Result<std::unique_ptr<PollFeed>> make_http_json(const Declaration& declared, PollOptions options,
                                                 market::Catalog& catalog);

Result<std::unique_ptr<Feed>> make_ws_json(const Declaration& declared, market::Catalog& catalog);
// What to send when the connection opens: each text with {symbol} (or {symbol_lower}) once for each
// symbol, the others once.
std::vector<std::string> subscriptions(std::span<const std::string> texts,
                                       std::span<const std::string> symbols);

}  // namespace tapedeck::feeds::declared
