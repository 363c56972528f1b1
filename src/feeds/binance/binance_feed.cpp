#include "feeds/binance/binance_feed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "feeds/binance/binance_session.hpp"
#include "feeds/json_answer.hpp"
#include "feeds/json_list.hpp"
#include "feeds/json_reader.hpp"
#include "feeds/json_rows.hpp"
#include "feeds/schema_watch.hpp"
#include "feeds/series_table.hpp"
#include "feeds/trade_fields.hpp"

namespace tapedeck::feeds::binance {
namespace {

namespace od = simdjson::ondemand;
using Text = std::optional<std::string_view>;

// What made a futures trade, where it was not the market ("X").
enum Kind : std::uint64_t {
  kInsuranceFund = 1,
  kAutoDeleverage = 2,
  kNotAvailable = 4,
  kOther = 8
};

constexpr market::ConditionTable kFuturesTable = [] {
  constexpr auto kNo = market::Answer::kNo;
  market::ConditionTable table{};
  table.flags[0] = {"InsuranceFund", kNo, kNo, kNo};
  table.flags[1] = {"AutoDeleverage", kNo, kNo, kNo};
  table.flags[2] = {"NotAvailable", kNo, kNo, kNo};
  table.flags[3] = {"UnknownKind", kNo, kNo, kNo};
  return table;
}();

std::uint64_t condition_of(std::string_view kind) {
  if (kind == "MARKET") return 0;
  if (kind == "INSURANCE_FUND") return kInsuranceFund;
  if (kind == "ADL") return kAutoDeleverage;
  if (kind == "NA") return kNotAvailable;
  return kOther;
}

// BTCUSD_PERP, BTCUSD_240927; but BTCUSDT_240927 is margined in USDT.
bool is_coin_margined(std::string_view symbol) {
  const auto underscore = symbol.rfind('_');
  if (underscore == symbol.npos || !symbol.substr(0, underscore).ends_with("USD")) return false;
  const std::string_view term = symbol.substr(underscore + 1);
  return term == "PERP" || (term.size() == 6 && term.find_first_not_of("0123456789") == term.npos);
}

struct Fields {
  Text event, symbol, id, aggregate_id, price, size, time, buyer_is_maker, kind;
  Text code, message;
  bool is_spot = false;   // "M" is there
  bool is_known = false;  // an answer or a snapshot, which have no "e"
  bool in_envelope = false;
  UnknownFields unknown;
};

// Of trades and aggregates, of all markets.
bool is_known_letter(char c) {
  constexpr std::string_view kLetters = "eEsatpqTmXMbfl";
  return kLetters.find(c) != kLetters.npos;
}

simdjson::error_code read_fields(od::object object, Fields& out) {
  for (auto item : object) {
    od::field field;
    if (const auto code = std::move(item).get(field)) return code;
    const std::string_view key = key_of(field);
    od::value& value = field.value();
    if (key.size() == 1) {
      switch (key.front()) {
        case 'e':
          out.event = text_of(value);
          break;
        case 's':
          out.symbol = text_of(value);
          break;
        case 't':
          out.id = text_of(value);
          break;
        case 'a':
          out.aggregate_id = text_of(value);
          break;
        case 'p':
          out.price = text_of(value);
          break;
        case 'q':
          out.size = text_of(value);
          break;
        case 'T':
          out.time = text_of(value);
          break;
        case 'm':
          out.buyer_is_maker = text_of(value);
          break;
        case 'X':
          out.kind = text_of(value);
          break;
        case 'M':
          out.is_spot = true;
          break;
        case 'u':
          out.is_known = true;
          break;  // bookTicker of spot
        default:
          if (!is_known_letter(key.front())) out.unknown.add(key);
          break;
      }
    } else if (key == "data" && !out.in_envelope) {
      out.in_envelope = true;
      od::json_type type;
      if (const auto code = value.type().get(type)) return code;
      if (type != od::json_type::object) continue;
      od::object data;
      if (const auto code = value.get_object().get(data)) return code;
      if (const auto code = read_fields(data, out)) return code;
    } else if (key == "result" || key == "lastUpdateId" || key == "stream") {
      out.is_known = true;
    } else if (key == "code") {
      out.code = text_of(value);
    } else if (key == "msg") {
      out.message = text_of(value);
    } else if (key == "error") {
      od::object error;
      if (value.get_object().get(error) == simdjson::SUCCESS) {
        if (const auto code = read_fields(error, out)) return code;
      }
    } else if (key != "nq") {  // an aggregate's size without what is hidden
      out.unknown.add(key);
    }
  }
  return simdjson::SUCCESS;
}

// A trade of the answer to GET /api/v3/historicalTrades.
simdjson::error_code read_answered(od::object object, Fields& out) {
  for (auto item : object) {
    od::field field;
    if (const auto code = std::move(item).get(field)) return code;
    const std::string_view key = key_of(field);
    od::value& value = field.value();
    if (key == "id") {
      out.id = text_of(value);
    } else if (key == "price") {
      out.price = text_of(value);
    } else if (key == "qty") {
      out.size = text_of(value);
    } else if (key == "time") {
      out.time = text_of(value);
    } else if (key == "isBuyerMaker") {
      out.buyer_is_maker = text_of(value);
    }
  }
  return simdjson::SUCCESS;
}

}  // namespace

const market::ConditionTable& futures_conditions() { return kFuturesTable; }

namespace {

constexpr std::string_view kSpot = "binance", kUsdMargined = "binance-usdm",
                           kCoinMargined = "binance-coinm";

// Spot too where only the symbol could tell, and it is missing.
std::string_view venue_of(const Fields& fields) {
  if (fields.is_spot || !fields.symbol) return kSpot;
  return is_coin_margined(*fields.symbol) ? kCoinMargined : kUsdMargined;
}

}  // namespace

// The series of one stream of trades, at each of the markets.
struct Channel {
  Channel(market::Catalog& catalog, std::string_view channel)
      : spot(catalog, series(kSpot, channel, "")),
        usd_margined(catalog, series(kUsdMargined, channel, kFuturesConditions)),
        coin_margined(catalog, series(kCoinMargined, channel, kFuturesConditions)) {}

  static market::Series series(std::string_view venue, std::string_view channel,
                               std::string_view conditions) {
    return {.key = {std::string(venue), std::string(channel), {}},
            .order = market::TradeOrder::kVenueSequence,
            .calendar = "24x7",
            .conditions = std::string(conditions)};
  }

  SeriesTable& of(const Fields& fields) {
    const std::string_view venue = venue_of(fields);
    return venue == kSpot ? spot : venue == kCoinMargined ? coin_margined : usd_margined;
  }

  SeriesTable spot, usd_margined, coin_margined;
};

struct BinanceFeed::State {
  State(market::Catalog& catalog, TimeUnit time_unit)
      : unit(time_unit),
        trades(catalog, "trade"),
        aggregates(catalog, kAggregateChannel),
        origin(catalog.intern(market::Origin{.kind = market::OriginKind::kVenue})),
        watch(catalog) {}

  // An aggregate is what one order of the taker got at one price: a trade of its own series, with
  // the id that counts aggregates.
  std::expected<market::Trade, Flaw> take(const Fields& fields, bool is_aggregate,
                                          Timestamp ts_recv) {
    const Text& id_text = is_aggregate ? fields.aggregate_id : fields.id;
    auto flaw = find_missing("a trade", {{fields.symbol, "s"},
                                         {id_text, is_aggregate ? "a" : "t"},
                                         {fields.price, "p"},
                                         {fields.size, "q"},
                                         {fields.time, "T"},
                                         {fields.buyer_is_maker, "m"}});
    if (flaw) return std::unexpected(std::move(*flaw));
    const bool taker_sold = *fields.buyer_is_maker == "true";
    if (!taker_sold && *fields.buyer_is_maker != "false") {
      return std::unexpected(Flaw{"malformed", "'m' is neither true nor false"});
    }
    auto price = take_price(*fields.price);
    if (!price) return std::unexpected(std::move(price.error()));
    auto size = take_size(*fields.size);
    if (!size) return std::unexpected(std::move(size.error()));
    auto time = take_time(*fields.time, unit);
    if (!time) return std::unexpected(std::move(time.error()));
    auto id = take_id(*id_text);
    if (!id) return std::unexpected(std::move(id.error()));
    SeriesTable& table = (is_aggregate ? aggregates : trades).of(fields);
    auto series_id = table.find_or_add(*fields.symbol);
    if (!series_id) {
      return std::unexpected(Flaw{"bad_symbol", std::move(series_id.error().message)});
    }
    return market::Trade{
        .series = *series_id,
        .side = taker_sold ? market::Side::kSell : market::Side::kBuy,
        .conditions = fields.is_spot || !fields.kind ? 0 : condition_of(*fields.kind),
        .ts_event = *time,
        .ts_recv = ts_recv,
        .price = *price,
        .size = *size,
        .identity = {.origin = origin, .seq = *id},
        .venue_sequence = *id};
  }

  TimeUnit unit;
  Channel trades, aggregates;
  OriginId origin;
  SchemaWatch watch;
  JsonReader json;
};

BinanceFeed::BinanceFeed(market::Catalog& catalog, TimeUnit unit)
    : state_(std::make_unique<State>(catalog, unit)) {}
BinanceFeed::~BinanceFeed() = default;

void BinanceFeed::on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
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
  const bool is_aggregate = fields.event == kAggregateChannel;
  if (is_aggregate || fields.event == "trade") {
    auto trade = state_->take(fields, is_aggregate, ts_recv);
    state_->watch.look({venue_of(fields), fields.symbol.value_or(""), fields.unknown.names()},
                       trade ? nullptr : &trade.error(), ts_recv, sink);
    if (!trade) return refuse(trade.error().reason, std::move(trade.error().detail));
    return sink.trade(*trade);
  }
  if (fields.event || fields.is_known || fields.in_envelope) return sink.control();
  if (fields.message) {
    return refuse("venue_error",
                  fmt::format("binance says: {} (code {})", fields.message->substr(0, 512),
                              fields.code.value_or("none").substr(0, 32)));
  }
  refuse("unknown_message", "neither an event nor an answer of binance");
}

// [{"id":28457,"price":"4.00","qty":"12.00","quoteQty":"48.00","time":1499865549590,
//   "isBuyerMaker":true,"isBestMatch":true}], of GET /api/v3/historicalTrades, or
// [{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":true,
//   "M":true}], of GET /api/v3/aggTrades; oldest first.
void BinanceFeed::on_answer(std::string_view symbol, std::string_view body, Timestamp ts_recv,
                            std::string_view where, EventSink& sink) {
  Fields fields;
  const auto [instrument, is_aggregate] = split_symbol(symbol);
  const auto read = [&](od::object trade) {
    fields = {};
    return is_aggregate ? read_fields(trade, fields) : read_answered(trade, fields);
  };
  read_answer(state_->json, body, where, sink, read, [&] {
    fields.symbol = instrument;
    fields.is_spot = true;
    return state_->take(fields, is_aggregate, ts_recv);
  });
}

namespace {

bool recognises(std::string_view frame) {
  return frame.contains(R"("stream":")") || frame.contains(R"("lastUpdateId":)") ||
         (frame.contains(R"("e":")") && frame.contains(R"("E":)"));
}

// {"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}; names of streams are lower case.
std::vector<std::string> say(std::string_view method, std::span<const std::string> symbols) {
  std::vector<std::string> streams;
  for (const std::string& symbol : symbols) streams.push_back(stream_of(symbol));
  return {fmt::format(R"({{"method":"{}","params":{},"id":1}})", method, json_list(streams))};
}
std::vector<std::string> subscribe(std::span<const std::string> symbols) {
  return say("SUBSCRIBE", symbols);
}
std::vector<std::string> unsubscribe(std::span<const std::string> symbols) {
  return say("UNSUBSCRIBE", symbols);
}

// {"e":"serverShutdown","E":1770123456789}, about ten minutes before.
bool says_goodbye(std::string_view frame) {
  return frame.size() < 256 && frame.contains(R"("e":"serverShutdown")");
}

// {"symbols":[{"symbol":"ETHBTC","status":"TRADING","baseAsset":"ETH","quoteAsset":"BTC",...}]}, of
// GET /api/v3/exchangeInfo.
Result<std::vector<Listed>> read_directory(std::string_view body) {
  JsonReader json;
  od::document document;
  od::array rows;
  simdjson::error_code code = json.iterate(body).get(document);
  if (code == simdjson::SUCCESS) code = document["symbols"].get_array().get(rows);
  if (code != simdjson::SUCCESS) {
    return fail(ErrorCode::kMalformed,
                fmt::format("binance answered no list: {}", body.substr(0, 200)));
  }
  std::vector<Listed> all;
  TD_TRY(for_each_row<4>(rows, {"symbol", "baseAsset", "quoteAsset", "status"}, [&](auto& texts) {
    all.push_back({.symbol = std::move(texts[0]),
                   .name = texts[1] + "/" + texts[2],
                   .type = "spot",
                   .currency = std::move(texts[2]),
                   .status = std::move(texts[3])});
  }));
  return all;
}

// Without the permissions it is a third as long.
std::string directory_target(std::string_view) {
  return "/api/v3/exchangeInfo?showPermissionSets=false";
}

constexpr std::uint64_t kAnswerMax = 1000;  // trades

std::string repair_target(std::string_view symbol, std::uint64_t first, std::uint64_t last) {
  const auto [instrument, is_aggregate] = split_symbol(symbol);
  return fmt::format("/api/v3/{}?symbol={}&fromId={}&limit={}",
                     is_aggregate ? "aggTrades" : "historicalTrades", instrument, first,
                     std::min(last - first + 1, kAnswerMax));
}

// An aggregate names the last of its trades, so that one question serves both; it is also the one
// that costs the least of what an address may ask.
std::string newest_target(std::string_view symbol) {
  return fmt::format("/api/v3/aggTrades?symbol={}&limit=1", split_symbol(symbol).instrument);
}

std::optional<std::uint64_t> newest_in(std::string_view symbol, std::string_view body) {
  JsonReader json;
  od::document document;
  std::uint64_t id = 0;
  simdjson::error_code code = json.iterate(body).get(document);
  const std::string_view key = split_symbol(symbol).is_aggregate ? "a" : "l";
  if (code == simdjson::SUCCESS) code = document.at(0)[key].get_uint64().get(id);
  return code == simdjson::SUCCESS ? std::optional(id) : std::nullopt;
}

std::string symbol_of(const market::SeriesKey& key) {
  return key.channel == kAggregateChannel ? key.instrument + std::string(kAggregates)
                                          : key.instrument;
}

}  // namespace

FeedKind feed_kind() {
  return {
      .venue = "binance",
      .help =
          "spot trades and aggTrades, live; those of USD-M and COIN-M too, from captured frames",
      .make = [](market::Catalog& catalog) -> std::unique_ptr<Feed> {
        return std::make_unique<BinanceFeed>(catalog);
      },
      .recognises = recognises,
      .live = LiveProtocol{.url = "wss://stream.binance.com:9443/stream",
                           .symbols_max = 1024,
                           .subscribe = subscribe,
                           .unsubscribe = unsubscribe,
                           .session_max = hours(24),
                           .says_goodbye = says_goodbye,
                           .repair = RepairProtocol{.url = "https://api.binance.com",
                                                    .target = repair_target,
                                                    .symbol_of = symbol_of,
                                                    .newest_target = newest_target,
                                                    .newest_in = newest_in}},
      .emulation = Emulation{.path = "/stream", .open = open_session, .answer = answer},
      .directory = Directory{
          .url = "https://api.binance.com",
          .target = directory_target,
          .read = read_directory,
          .lists_all = true,
          .listed_as = [](std::string_view symbol) { return split_symbol(symbol).instrument; }}};
}

}  // namespace tapedeck::feeds::binance
