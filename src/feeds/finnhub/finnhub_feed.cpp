#include "feeds/finnhub/finnhub_feed.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "feeds/finnhub/finnhub_session.hpp"
#include "feeds/json_reader.hpp"
#include "feeds/json_rows.hpp"
#include "feeds/schema_watch.hpp"
#include "feeds/series_table.hpp"
#include "feeds/session_count.hpp"
#include "feeds/trade_fields.hpp"

namespace tapedeck::feeds::finnhub {
namespace {

namespace od = simdjson::ondemand;
using Text = std::optional<std::string_view>;

constexpr unsigned kCodeMax = 59;

struct Fields {
  Text symbol, price, size, time;
  std::uint64_t conditions = 0;
  UnknownFields unknown;
};

std::uint64_t bit_of(std::string_view code) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), number);
  const bool is_known =
      error == std::errc() && end == code.data() + code.size() && number >= 1 && number <= kCodeMax;
  return is_known ? std::uint64_t{1} << number : kOtherCode;
}

simdjson::error_code read_trade(od::object object, Fields& out) {
  for (auto item : object) {
    od::field field;
    if (const auto code = std::move(item).get(field)) return code;
    const std::string_view key = key_of(field);
    if (key.size() != 1) {
      out.unknown.add(key);
      continue;
    }
    od::value& value = field.value();
    switch (key.front()) {
      case 's':
        out.symbol = text_of(value);
        break;
      case 'p':
        out.price = text_of(value);
        break;
      case 'v':
        out.size = text_of(value);
        break;
      case 't':
        out.time = text_of(value);
        break;
      case 'c': {
        od::array codes;
        if (value.get_array().get(codes) != simdjson::SUCCESS) break;  // null
        for (auto element : codes) {
          od::value one;
          if (const auto code = std::move(element).get(one)) return code;
          const Text text = text_of(one);
          out.conditions |= text ? bit_of(*text) : kOtherCode;
        }
        break;
      }
      default:
        out.unknown.add(key);
        break;
    }
  }
  return simdjson::SUCCESS;
}

struct Message {
  Text type, words;
  bool has_data = false;
  std::vector<Fields> trades;
};

// "data" stands before "type", so it is read whatever the type may be; what is no list of objects
// is not looked into.
simdjson::error_code read_data(od::value& data, Message& out) {
  od::array items;
  if (data.get_array().get(items) != simdjson::SUCCESS) return simdjson::SUCCESS;
  out.has_data = true;
  for (auto item : items) {
    od::object object;
    if (const auto code = item.get_object().get(object)) return code;
    if (const auto code = read_trade(object, out.trades.emplace_back())) return code;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code read_message(od::document& document, Message& out) {
  od::object object;
  if (const auto code = document.get_object().get(object)) return code;
  for (auto item : object) {
    od::field field;
    if (const auto code = std::move(item).get(field)) return code;
    const std::string_view key = key_of(field);
    od::value& value = field.value();
    if (key == "type")
      out.type = text_of(value);
    else if (key == "msg")
      out.words = text_of(value);
    else if (key == "data") {
      if (const auto code = read_data(value, out)) return code;
    }
  }
  return is_whole(document) ? simdjson::SUCCESS : simdjson::TAPE_ERROR;
}

std::string advice_for(std::string_view words) {
  if (words.contains("too many")) {
    return "a free key gets 50 symbols: take fewer, or a key of a larger plan";
  }
  if (words.contains("nvalid symbol")) {
    return "write it as finnhub does, such as AAPL or BINANCE:BTCUSDT, or leave it out";
  }
  if (words.contains("key") || words.contains("oken")) {
    return "check the feed's token";
  }
  return "see finnhub.io/docs";
}

}  // namespace

const market::ConditionTable& conditions() {
  static const market::ConditionTable table = [] {
    constexpr auto kYes = market::Answer::kYes;
    constexpr auto kNo = market::Answer::kNo;
    constexpr auto kOutside = market::Answer::kOutsideRegular;
    static const std::array<std::string, kCodeMax + 1> names = [] {
      std::array<std::string, kCodeMax + 1> all;
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = fmt::format("Code{}", i);
      return all;
    }();
    market::ConditionTable all{};
    for (std::size_t i = 1; i < names.size(); ++i) all.flags[i] = {names[i]};
    all.flags[1] = {"Regular"};
    all.flags[8] = {"IntermarketSweep"};
    all.flags[12] = {"OddLot", kNo, kNo, kYes};
    all.flags[24] = {"FormT", kOutside, kOutside, kYes};
    all.flags[60] = {"OtherCode"};
    all.flags[61] = {"SameMessage"};
    return all;
  }();
  return table;
}

struct FinnhubFeed::State {
  explicit State(market::Catalog& catalog)
      : shares(catalog, series("trade", "us_equity", kConditions)),
        pairs(catalog, series("trade", "24x7", "")),
        share_prices(catalog, series("last", "us_equity", "")),
        pair_prices(catalog, series("last", "24x7", "")),
        count(catalog, "finnhub"),
        watch(catalog) {}

  static market::Series series(std::string channel, std::string calendar,
                               std::string_view conditions) {
    return {.key = {"finnhub", std::move(channel), {}},
            .order = market::TradeOrder::kIdentity,
            .calendar = std::move(calendar),
            .conditions = std::string(conditions)};
  }

  // Gives one event to `sink`, or says what is wrong.
  std::optional<Flaw> take(const Fields& fields, Timestamp ts_recv, EventSink& sink) {
    auto flaw = find_missing(
        "a trade",
        {{fields.symbol, "s"}, {fields.price, "p"}, {fields.time, "t"}, {fields.size, "v"}});
    if (flaw) return flaw;
    const bool is_pair = fields.symbol->contains(':');  // "BINANCE:BTCUSDT"
    auto size = take_size(*fields.size);
    const bool is_price = size && size->mantissa == 0;
    SeriesTable& table =
        is_price ? (is_pair ? pair_prices : share_prices) : (is_pair ? pairs : shares);
    const auto id = table.find_or_add(*fields.symbol);
    if (!id) return Flaw{"bad_symbol", id.error().message};
    const market::Identity identity = count.next(*id);
    if (!size) return std::move(size.error());
    const auto price = take_price(*fields.price);
    if (!price) return price.error();
    const auto time = take_time(*fields.time, TimeUnit::kMilliseconds);
    if (!time) return time.error();
    const std::uint64_t flags = is_pair || is_price ? 0 : fields.conditions | repeated;
    if (is_price) {
      sink.event(market::PriceTick{.series = *id,
                                   .conditions = flags,
                                   .ts_event = *time,
                                   .ts_recv = ts_recv,
                                   .price = *price,
                                   .identity = identity});
    } else {
      sink.trade({.series = *id,
                  .conditions = flags,
                  .ts_event = *time,
                  .ts_recv = ts_recv,
                  .price = *price,
                  .size = *size,
                  .identity = identity});
    }
    return std::nullopt;
  }

  SeriesTable shares, pairs, share_prices, pair_prices;
  SessionCount count;
  SchemaWatch watch;
  JsonReader json;
  Message message;
  std::string before;  // the message of trades before this one
  std::uint64_t repeated = 0;
};

FinnhubFeed::FinnhubFeed(market::Catalog& catalog) : state_(std::make_unique<State>(catalog)) {}
FinnhubFeed::~FinnhubFeed() = default;

void FinnhubFeed::begin_session(const market::Origin& session) {
  state_->count.begin(session);
  state_->before.clear();
}

void FinnhubFeed::on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                           EventSink& sink) {
  const auto refuse = [&](std::string_view reason, std::string detail) {
    sink.refuse({reason, std::move(detail), std::string(where), frame});
  };
  State& state = *state_;
  Message& message = state.message;
  message.type = message.words = std::nullopt;
  message.has_data = false;
  message.trades.clear();
  od::document document;
  simdjson::error_code code = state.json.iterate(frame).get(document);
  if (code == simdjson::SUCCESS) code = read_message(document, message);
  if (code != simdjson::SUCCESS) {
    return refuse("malformed",
                  fmt::format("not a message of finnhub: {}", simdjson::error_message(code)));
  }
  if (message.type == "trade") {
    if (!message.has_data) return refuse("missing_field", "a message of trades without 'data'");
    if (message.trades.empty()) return sink.control();
    state.repeated = frame == state.before ? kSameMessage : 0;
    state.before = frame;
    for (const Fields& fields : message.trades) {
      auto flaw = state.take(fields, ts_recv, sink);
      state.watch.look({"finnhub", fields.symbol.value_or(""), fields.unknown.names()},
                       flaw ? &*flaw : nullptr, ts_recv, sink);
      if (flaw) {
        refuse(flaw->reason, std::move(flaw->detail));
      }
    }
    return;
  }
  if (message.type == "error") {
    const std::string_view words = message.words.value_or("no reason").substr(0, 512);
    return refuse("venue_error", fmt::format("finnhub says: {}: {}", words, advice_for(words)));
  }
  if (message.type == "ping" || message.type == "news" || message.type == "pr") {
    return sink.control();
  }
  refuse("unknown_message", "a message of no type that is known of finnhub");
}

namespace {

bool recognises(std::string_view frame) {
  return !frame.contains(R"("channel":)") && frame.contains(R"("type":"trade")") &&
         frame.contains(R"("data":[)");
}

// One symbol a message; nothing says that it was granted.
std::vector<std::string> say(std::string_view type, std::span<const std::string> symbols) {
  std::vector<std::string> texts;
  for (const std::string& symbol : symbols) {
    texts.push_back(fmt::format(R"({{"type":"{}","symbol":{}}})", type, json_quote(symbol)));
  }
  return texts;
}
std::vector<std::string> subscribe(std::span<const std::string> symbols) {
  return say("subscribe", symbols);
}
std::vector<std::string> unsubscribe(std::span<const std::string> symbols) {
  return say("unsubscribe", symbols);
}

// {"count":1,"result":[{"description":"APPLE INC","symbol":"AAPL","type":"Common Stock",...}]}, of
// GET /api/v1/search.
Result<std::vector<Listed>> read_directory(std::string_view body) {
  JsonReader json;
  od::document document;
  od::array rows;
  simdjson::error_code code = json.iterate(body).get(document);
  if (code == simdjson::SUCCESS) code = document["result"].get_array().get(rows);
  if (code != simdjson::SUCCESS) {
    return fail(ErrorCode::kMalformed,
                fmt::format("finnhub answered no list: {}", body.substr(0, 200)));
  }
  std::vector<Listed> all;
  TD_TRY(for_each_row<3>(rows, {"symbol", "description", "type"}, [&](auto& texts) {
    all.push_back({.symbol = std::move(texts[0]),
                   .name = std::move(texts[1]),
                   .type = std::move(texts[2]),
                   .currency = {},
                   .status = {}});
  }));
  return all;
}

}  // namespace

FeedKind feed_kind() {
  return {
      .venue = "finnhub",
      .help = "trades of US shares, crypto and currencies; needs a key, a free one will do",
      .make = [](market::Catalog& catalog) -> std::unique_ptr<Feed> {
        return std::make_unique<FinnhubFeed>(catalog);
      },
      .recognises = recognises,
      .live = LiveProtocol{.url = "wss://ws.finnhub.io",
                           .symbols_max = kSymbolsMax,
                           .key_parameter = "token",
                           .one_connection = true,
                           .subscribe = subscribe,
                           .unsubscribe = unsubscribe,
                           .silence_max = seconds(150)},
      .emulation =
          Emulation{
              .path = "/", .open = open_session, .answer = answer, .begins_play = "/api/v1/quote"},
      .has_ids = false,
      .directory = Directory{.url = "https://finnhub.io",
                             .key_header = "X-Finnhub-Token",
                             .target =
                                 [](std::string_view text) {
                                   return fmt::format("/api/v1/search?q={}", text);
                                 },
                             .read = read_directory},
      .gives_prices = true};
}

}  // namespace tapedeck::feeds::finnhub
