#include "feeds/kraken/kraken_feed.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "feeds/json_list.hpp"
#include "feeds/json_reader.hpp"
#include "feeds/json_rows.hpp"
#include "feeds/kraken/kraken_session.hpp"
#include "feeds/schema_watch.hpp"
#include "feeds/series_table.hpp"
#include "feeds/trade_fields.hpp"

namespace tapedeck::feeds::kraken {
namespace {

namespace od = simdjson::ondemand;
using Text = std::optional<std::string_view>;

struct Fields {
  Text symbol, side, price, size, id, time;
  UnknownFields unknown;
};

simdjson::error_code read_fields(od::object object, Fields& out) {
  for (auto item : object) {
    od::field field;
    if (const auto code = std::move(item).get(field)) return code;
    const std::string_view key = key_of(field);
    od::value& value = field.value();
    if (key == "symbol")
      out.symbol = text_of(value);
    else if (key == "side")
      out.side = text_of(value);
    else if (key == "price")
      out.price = text_of(value);
    else if (key == "qty")
      out.size = text_of(value);
    else if (key == "trade_id")
      out.id = text_of(value);
    else if (key == "timestamp")
      out.time = text_of(value);
    else if (key != "ord_type")
      out.unknown.add(key);
  }
  return simdjson::SUCCESS;
}

}  // namespace

struct KrakenFeed::State {
  explicit State(market::Catalog& catalog)
      : series(catalog, {.key = {"kraken", "trade", {}},
                         .order = market::TradeOrder::kVenueSequence,
                         .calendar = "24x7",
                         .conditions = {}}),
        origin(catalog.intern(market::Origin{.kind = market::OriginKind::kVenue})),
        watch(catalog) {}

  // Reads what is at the top of a frame; the trades too, if the channel was known before them.
  simdjson::error_code read_frame(od::document& document, Timestamp ts_recv) {
    od::object object;
    if (const auto code = document.get_object().get(object)) return code;
    for (auto item : object) {
      od::field field;
      if (const auto code = std::move(item).get(field)) return code;
      const std::string_view key = key_of(field);
      od::value& value = field.value();
      if (key == "channel")
        channel = text_of(value);
      else if (key == "method")
        method = text_of(value);
      else if (key == "success")
        success = text_of(value);
      else if (key == "error")
        error = text_of(value);
      else if (key == "data" && channel == "trade") {
        if (const auto code = read_trades(value, ts_recv)) return code;
      }
    }
    return is_whole(document) ? simdjson::SUCCESS : simdjson::TAPE_ERROR;
  }

  simdjson::error_code read_trades(od::value& data, Timestamp ts_recv) {
    od::array items;
    if (const auto code = data.get_array().get(items)) return code;
    trades_read = true;
    for (auto item : items) {
      od::object object;
      if (const auto code = item.get_object().get(object)) return code;
      Fields fields;
      if (const auto code = read_fields(object, fields)) return code;
      taken.push_back({.trade = take(fields, ts_recv),
                       .symbol = fields.symbol.value_or(""),
                       .unknown = fields.unknown});
    }
    return simdjson::SUCCESS;
  }

  std::expected<market::Trade, Flaw> take(const Fields& fields, Timestamp ts_recv,
                                          TimeUnit unit = TimeUnit::kIso) {
    auto flaw = find_missing("a trade", {{fields.symbol, "symbol"},
                                         {fields.id, "trade_id"},
                                         {fields.price, "price"},
                                         {fields.size, "qty"},
                                         {fields.time, "timestamp"},
                                         {fields.side, "side"}});
    if (flaw) return std::unexpected(std::move(*flaw));
    const bool taker_sold = *fields.side == "sell";
    if (!taker_sold && *fields.side != "buy") {
      return std::unexpected(Flaw{"malformed", "'side' is neither buy nor sell"});
    }
    auto price = take_price(*fields.price);
    if (!price) return std::unexpected(std::move(price.error()));
    auto size = take_size(*fields.size);
    if (!size) return std::unexpected(std::move(size.error()));
    auto time = take_time(*fields.time, unit);
    if (!time) return std::unexpected(std::move(time.error()));
    auto id = take_id(*fields.id);
    if (!id) return std::unexpected(std::move(id.error()));
    auto series_id = series.find_or_add(*fields.symbol);
    if (!series_id) {
      return std::unexpected(Flaw{"bad_symbol", std::move(series_id.error().message)});
    }
    return market::Trade{
        .series = *series_id,
        .side = taker_sold ? market::Side::kSell : market::Side::kBuy,
        .ts_event = unit == TimeUnit::kIso ? *time : floor_to(*time, microseconds(1)),
        .ts_recv = ts_recv,
        .price = *price,
        .size = *size,
        .identity = {.origin = origin, .seq = *id},
        .venue_sequence = *id};
  }

  void forget_frame() {
    channel = method = success = error = std::nullopt;
    trades_read = false;
    taken.clear();
  }

  SeriesTable series;
  OriginId origin;
  SchemaWatch watch;
  JsonReader json;
  // Of the frame that is being read.
  Text channel, method, success, error;
  bool trades_read = false;
  struct Taken {
    std::expected<market::Trade, Flaw> trade;
    std::string_view symbol;  // in the document
    UnknownFields unknown;
  };
  std::vector<Taken> taken;
};

KrakenFeed::KrakenFeed(market::Catalog& catalog) : state_(std::make_unique<State>(catalog)) {}
KrakenFeed::~KrakenFeed() = default;

void KrakenFeed::on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                          EventSink& sink) {
  const auto refuse = [&](std::string_view reason, std::string detail) {
    sink.refuse({reason, std::move(detail), std::string(where), frame});
  };
  State& state = *state_;
  state.forget_frame();
  od::document document;
  simdjson::error_code code = state.json.iterate(frame).get(document);
  if (code == simdjson::SUCCESS) code = state.read_frame(document, ts_recv);
  if (code == simdjson::SUCCESS && state.channel == "trade" && !state.trades_read) {
    document.rewind();  // "data" stood before "channel"
    code = state.read_frame(document, ts_recv);
  }
  if (code != simdjson::SUCCESS) {
    return refuse("malformed",
                  fmt::format("not a frame of kraken: {}", simdjson::error_message(code)));
  }
  if (state.channel == "trade") {
    if (!state.trades_read) return refuse("missing_field", "a trade frame without 'data'");
    if (state.taken.empty()) return sink.control();
    for (auto& [trade, symbol, unknown] : state.taken) {
      state.watch.look({"kraken", symbol, unknown.names()}, trade ? nullptr : &trade.error(),
                       ts_recv, sink);
      if (trade) sink.trade(*trade);
      if (!trade) refuse(trade.error().reason, std::move(trade.error().detail));
    }
    return;
  }
  if (state.error || state.success == "false") {
    return refuse("venue_error", fmt::format("kraken says: {} (to {})",
                                             state.error.value_or("no reason").substr(0, 512),
                                             state.method.value_or("nothing").substr(0, 64)));
  }
  if (state.channel || state.method) return sink.control();
  refuse("unknown_message", "a frame without a channel or a method");
}

namespace {

// ["105433.60000","0.00027625",1762795433.9717445,"b","l","",10218208]
simdjson::error_code read_answered(od::array values, Fields& out) {
  std::size_t at = 0;
  for (auto element : values) {
    od::value value;
    if (const auto code = std::move(element).get(value)) return code;
    switch (at++) {
      case 0:
        out.price = text_of(value);
        break;
      case 1:
        out.size = text_of(value);
        break;
      case 2:
        out.time = text_of(value);
        break;
      case 3:
        out.side = text_of(value);
        break;
      case 6:
        out.id = text_of(value);
        break;
      default:
        break;
    }
  }
  return simdjson::SUCCESS;
}

// Of the first list that `result` has, whatever the name of the pair is there.
simdjson::error_code find_trades(od::object result, od::array& trades, bool& found) {
  for (auto item : result) {
    od::field field;
    if (const auto code = std::move(item).get(field)) return code;
    if (field.value().get_array().get(trades) != simdjson::SUCCESS) continue;
    found = true;
    return simdjson::SUCCESS;
  }
  return simdjson::SUCCESS;
}

}  // namespace

// {"error":[],"result":{"XXBTZUSD":[[...],...],"last":"1762820035982277754"}}, of GET
// /0/public/Trades; oldest first. Its times are finer than those of the stream, and are cut to
// microseconds as these are.
void KrakenFeed::on_answer(std::string_view symbol, std::string_view body, Timestamp ts_recv,
                           std::string_view where, EventSink& sink) {
  const auto refuse = [&](std::string_view reason, std::string detail) {
    sink.refuse({reason, std::move(detail), std::string(where), body});
  };
  od::document document;
  od::object object;
  od::array trades;
  bool found = false;
  simdjson::error_code code = state_->json.iterate(body).get(document);
  if (code == simdjson::SUCCESS) code = document.get_object().get(object);
  if (code != simdjson::SUCCESS) return refuse("malformed", "the answer is no JSON object");
  for (auto item : object) {
    od::field field;
    if (code = std::move(item).get(field); code != simdjson::SUCCESS) break;
    const std::string_view key = key_of(field);
    if (key == "error") {
      std::vector<std::string> errors;
      append_texts(field.value(), errors);
      if (!errors.empty()) {
        return refuse("venue_error", fmt::format("kraken says: {}", errors.front().substr(0, 512)));
      }
    } else if (key == "result") {
      od::object result;
      code = field.value().get_object().get(result);
      if (code == simdjson::SUCCESS) code = find_trades(result, trades, found);
      break;
    }
  }
  if (code != simdjson::SUCCESS || !found) {
    return refuse("malformed", "the answer has no list of trades");
  }
  for (auto element : trades) {
    od::array values;
    Fields fields;
    code = std::move(element).get_array().get(values);
    if (code == simdjson::SUCCESS) code = read_answered(values, fields);
    if (code != simdjson::SUCCESS) {
      return refuse("malformed",
                    fmt::format("the answer breaks: {}", simdjson::error_message(code)));
    }
    fields.symbol = symbol;
    if (fields.side == "b") fields.side = "buy";
    if (fields.side == "s") fields.side = "sell";
    const auto trade = state_->take(fields, ts_recv, TimeUnit::kSeconds);
    if (trade) sink.trade(*trade);
    if (!trade) refuse(trade.error().reason, trade.error().detail);
  }
}

namespace {

std::string repair_target(std::string_view symbol, Timestamp since) {
  return fmt::format("/0/public/Trades?pair={}&since={}", pair_of(symbol), since.ns);
}

bool recognises(std::string_view frame) {
  return frame.contains(R"("channel":")") && !frame.contains(R"("jsonrpc":)") &&
         (frame.contains(R"("type":"update")") || frame.contains(R"("type":"snapshot")") ||
          frame.contains(R"("success":)"));
}

// {"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"],"snapshot":true}}; the
// snapshot, the last 50 trades, closes small gaps after a cut. Heartbeats come each second.
std::vector<std::string> subscribe(std::span<const std::string> symbols) {
  return {fmt::format(
      R"({{"method":"subscribe","params":{{"channel":"trade","symbol":{},"snapshot":true}}}})",
      json_list(symbols))};
}
std::vector<std::string> unsubscribe(std::span<const std::string> symbols) {
  return {fmt::format(R"({{"method":"unsubscribe","params":{{"channel":"trade","symbol":{}}}}})",
                      json_list(symbols))};
}

// {"error":[],"result":{"XXBTZUSD":{"wsname":"XBT/USD","status":"online",...}}}, of GET
// /0/public/AssetPairs.
Result<std::vector<Listed>> read_directory(std::string_view body) {
  const auto wrong = [&] {
    return fail(ErrorCode::kMalformed,
                fmt::format("kraken answered no list: {}", body.substr(0, 200)));
  };
  JsonReader json;
  od::document document;
  od::object result;
  simdjson::error_code code = json.iterate(body).get(document);
  if (code == simdjson::SUCCESS) code = document["result"].get_object().get(result);
  if (code != simdjson::SUCCESS) return wrong();
  std::vector<Listed> all;
  for (auto item : result) {
    od::field field;
    od::object pair;
    code = std::move(item).get(field);
    if (code == simdjson::SUCCESS) code = field.value().get_object().get(pair);
    if (code != simdjson::SUCCESS) return wrong();
    TD_ASSIGN(auto texts, (read_row<2>(pair, {"wsname", "status"})));
    auto& [name, status] = texts;
    const auto slash = name.find('/');
    if (slash == name.npos) continue;
    for (const auto& [old_name, new_name] : {std::pair{"XBT/", "BTC/"}, {"XDG/", "DOGE/"}}) {
      if (name.starts_with(old_name)) name.replace(0, 4, new_name);
    }
    std::string currency = name.substr(name.find('/') + 1);
    all.push_back({.symbol = std::move(name),
                   .name = {},
                   .type = "spot",
                   .currency = std::move(currency),
                   .status = std::move(status)});
  }
  if (all.empty()) return wrong();
  return all;
}

}  // namespace

FeedKind feed_kind() {
  return {.venue = "kraken",
          .help = "WebSocket v2 trades, live or from captured frames",
          .make = [](market::Catalog& catalog) -> std::unique_ptr<Feed> {
            return std::make_unique<KrakenFeed>(catalog);
          },
          .recognises = recognises,
          .live = LiveProtocol{.url = "wss://ws.kraken.com/v2",
                               .symbols_max = 100,
                               .subscribe = subscribe,
                               .unsubscribe = unsubscribe,
                               .silence_max = seconds(10),
                               .repair = RepairProtocol{.url = "https://api.kraken.com",
                                                        .target_since = repair_target,
                                                        .pause = seconds(1)}},
          .emulation = Emulation{.path = "/v2", .open = open_session, .answer = answer},
          .directory = Directory{
              .url = "https://api.kraken.com",
              .target = [](std::string_view) -> std::string { return "/0/public/AssetPairs"; },
              .read = read_directory,
              .lists_all = true}};
}

}  // namespace tapedeck::feeds::kraken
