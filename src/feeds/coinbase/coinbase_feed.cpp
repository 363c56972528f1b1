#include "feeds/coinbase/coinbase_feed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "feeds/coinbase/coinbase_session.hpp"
#include "feeds/json_answer.hpp"
#include "feeds/json_list.hpp"
#include "feeds/json_reader.hpp"
#include "feeds/json_rows.hpp"
#include "feeds/schema_watch.hpp"
#include "feeds/series_table.hpp"
#include "feeds/trade_fields.hpp"

namespace tapedeck::feeds::coinbase {
namespace {

namespace od = simdjson::ondemand;
using Text = std::optional<std::string_view>;

struct Fields {
  Text type, id, side, size, price, product, time, message, reason;
  UnknownFields unknown;
};

simdjson::error_code read_fields(od::object object, Fields& out) {
  for (auto item : object) {
    od::field field;
    if (const auto code = std::move(item).get(field)) return code;
    const std::string_view key = key_of(field);
    od::value& value = field.value();
    if (key == "type")
      out.type = text_of(value);
    else if (key == "trade_id")
      out.id = text_of(value);
    else if (key == "side")
      out.side = text_of(value);
    else if (key == "size")
      out.size = text_of(value);
    else if (key == "price")
      out.price = text_of(value);
    else if (key == "product_id")
      out.product = text_of(value);
    else if (key == "time")
      out.time = text_of(value);
    else if (key == "message")
      out.message = text_of(value);
    else if (key == "reason")
      out.reason = text_of(value);
    else if (key != "maker_order_id" && key != "taker_order_id" && key != "sequence")
      out.unknown.add(key);
  }
  return simdjson::SUCCESS;
}

}  // namespace

struct CoinbaseFeed::State {
  explicit State(market::Catalog& catalog)
      : series(catalog, {.key = {"coinbase", "trade", {}},
                         .order = market::TradeOrder::kVenueSequence,
                         .calendar = "24x7",
                         .conditions = {}}),
        origin(catalog.intern(market::Origin{.kind = market::OriginKind::kVenue})),
        watch(catalog) {}

  std::expected<market::Trade, Flaw> take(const Fields& fields, Timestamp ts_recv) {
    auto flaw = find_missing("a match", {{fields.product, "product_id"},
                                         {fields.id, "trade_id"},
                                         {fields.price, "price"},
                                         {fields.size, "size"},
                                         {fields.time, "time"},
                                         {fields.side, "side"}});
    if (flaw) return std::unexpected(std::move(*flaw));
    // The maker's: who sold to the maker's bid was the taker.
    const bool taker_sold = *fields.side == "buy";
    if (!taker_sold && *fields.side != "sell") {
      return std::unexpected(Flaw{"malformed", "'side' is neither buy nor sell"});
    }
    auto price = take_price(*fields.price);
    if (!price) return std::unexpected(std::move(price.error()));
    auto size = take_size(*fields.size);
    if (!size) return std::unexpected(std::move(size.error()));
    auto time = take_time(*fields.time, TimeUnit::kIso);
    if (!time) return std::unexpected(std::move(time.error()));
    auto id = take_id(*fields.id);
    if (!id) return std::unexpected(std::move(id.error()));
    auto series_id = series.find_or_add(*fields.product);
    if (!series_id) {
      return std::unexpected(Flaw{"bad_symbol", std::move(series_id.error().message)});
    }
    return market::Trade{.series = *series_id,
                         .side = taker_sold ? market::Side::kSell : market::Side::kBuy,
                         .ts_event = *time,
                         .ts_recv = ts_recv,
                         .price = *price,
                         .size = *size,
                         .identity = {.origin = origin, .seq = *id},
                         .venue_sequence = *id};
  }

  SeriesTable series;
  OriginId origin;
  SchemaWatch watch;
  JsonReader json;
};

CoinbaseFeed::CoinbaseFeed(market::Catalog& catalog) : state_(std::make_unique<State>(catalog)) {}
CoinbaseFeed::~CoinbaseFeed() = default;

void CoinbaseFeed::on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                            EventSink& sink) {
  const auto refuse = [&](std::string_view reason, std::string detail) {
    sink.refuse({reason, std::move(detail), std::string(where), frame});
  };
  od::document document;
  od::object object;
  Fields fields;
  simdjson::error_code code = state_->json.iterate(frame).get(document);
  if (code == simdjson::SUCCESS) code = document.get_object().get(object);
  if (code == simdjson::SUCCESS) code = read_fields(object, fields);
  if (code == simdjson::SUCCESS && !is_whole(document)) code = simdjson::TAPE_ERROR;
  if (code != simdjson::SUCCESS) {
    return refuse("malformed", fmt::format("not a JSON object: {}", simdjson::error_message(code)));
  }
  if (fields.type == "match" || fields.type == "last_match") {
    auto trade = state_->take(fields, ts_recv);
    state_->watch.look({"coinbase", fields.product.value_or(""), fields.unknown.names()},
                       trade ? nullptr : &trade.error(), ts_recv, sink);
    if (!trade) return refuse(trade.error().reason, std::move(trade.error().detail));
    return sink.trade(*trade);
  }
  if (fields.type == "error") {
    return refuse("venue_error", fmt::format("coinbase says: {}: {}",
                                             fields.message.value_or("error").substr(0, 512),
                                             fields.reason.value_or("no reason").substr(0, 512)));
  }
  if (fields.type) return sink.control();
  refuse("unknown_message", "a frame without a type");
}

// [{"time":"2026-07-07T22:58:17.164892Z","trade_id":74,"price":"10.0","size":"0.01",
//   "side":"buy"}], of GET /products/ID/trades; newest first, the side is the maker's.
void CoinbaseFeed::on_answer(std::string_view symbol, std::string_view body, Timestamp ts_recv,
                             std::string_view where, EventSink& sink) {
  Fields fields;
  const auto read = [&](od::object trade) {
    fields = {};
    return read_fields(trade, fields);
  };
  read_answer(state_->json, body, where, sink, read, [&] {
    fields.product = symbol;
    return state_->take(fields, ts_recv);
  });
}

namespace {

bool recognises(std::string_view frame) {
  return frame.contains(R"("type":")") &&
         (frame.contains(R"("product_id":")") || frame.contains(R"("product_ids":[)"));
}

// {"type":"subscribe","product_ids":["BTC-USD"],"channels":["matches","heartbeat"]}; heartbeats
// come each second for each product.
std::vector<std::string> say(std::string_view type, std::span<const std::string> symbols) {
  return {fmt::format(R"({{"type":"{}","product_ids":{},"channels":["matches","heartbeat"]}})",
                      type, json_list(symbols))};
}
std::vector<std::string> subscribe(std::span<const std::string> symbols) {
  return say("subscribe", symbols);
}
std::vector<std::string> unsubscribe(std::span<const std::string> symbols) {
  return say("unsubscribe", symbols);
}

// {"type":"heartbeat","last_trade_id":1052119293,"product_id":"BTC-USD",...}
std::optional<std::string_view> beat_of(std::string_view frame) {
  constexpr std::string_view kProduct = R"("product_id":")";
  if (!frame.contains(R"("type":"heartbeat")")) return std::nullopt;
  const auto at = frame.find(kProduct);
  if (at == frame.npos) return std::nullopt;
  frame.remove_prefix(at + kProduct.size());
  return frame.substr(0, frame.find('"'));
}

std::optional<std::uint64_t> newest_of(std::string_view beat) {
  constexpr std::string_view kNewest = R"("last_trade_id":)";
  const auto at = beat.find(kNewest);
  if (at == beat.npos) return std::nullopt;
  beat.remove_prefix(at + kNewest.size());
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(beat.data(), beat.data() + beat.size(), id);
  return error == std::errc() && id > 0 ? std::optional(id) : std::nullopt;
}

// [{"id":"BTC-USD","display_name":"BTC/USD","quote_currency":"USD","status":"online",...}], of GET
// /products.
Result<std::vector<Listed>> read_directory(std::string_view body) {
  JsonReader json;
  od::document document;
  od::array rows;
  simdjson::error_code code = json.iterate(body).get(document);
  if (code == simdjson::SUCCESS) code = document.get_array().get(rows);
  if (code != simdjson::SUCCESS) {
    return fail(ErrorCode::kMalformed,
                fmt::format("coinbase answered no list: {}", body.substr(0, 200)));
  }
  std::vector<Listed> all;
  TD_TRY(
      for_each_row<4>(rows, {"id", "display_name", "quote_currency", "status"}, [&](auto& texts) {
        all.push_back({.symbol = std::move(texts[0]),
                       .name = std::move(texts[1]),
                       .type = "spot",
                       .currency = std::move(texts[2]),
                       .status = std::move(texts[3])});
      }));
  return all;
}

constexpr std::uint64_t kAnswerMax = 1000;  // trades

// The newest below `after`.
std::string repair_target(std::string_view symbol, std::uint64_t first, std::uint64_t last) {
  return fmt::format("/products/{}/trades?limit={}&after={}", symbol,
                     std::min(last - first + 1, kAnswerMax), last + 1);
}

}  // namespace

FeedKind feed_kind() {
  return {
      .venue = "coinbase",
      .help = "Exchange matches, live or from captured frames",
      .make = [](market::Catalog& catalog) -> std::unique_ptr<Feed> {
        return std::make_unique<CoinbaseFeed>(catalog);
      },
      .recognises = recognises,
      .live = LiveProtocol{.url = "wss://ws-feed.exchange.coinbase.com",
                           .symbols_max = 100,
                           .subscribe = subscribe,
                           .unsubscribe = unsubscribe,
                           .silence_max = seconds(10),
                           .beat_of = beat_of,
                           .newest_of = newest_of,
                           .repair = RepairProtocol{.url = "https://api.exchange.coinbase.com",
                                                    .target = repair_target}},
      .emulation = Emulation{.path = "/", .open = open_session, .answer = answer},
      .directory = Directory{.url = "https://api.exchange.coinbase.com",
                             .target = [](std::string_view) -> std::string { return "/products"; },
                             .read = read_directory,
                             .lists_all = true}};
}

}  // namespace tapedeck::feeds::coinbase
