#include "feeds/binance/binance_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <ranges>

#include "feeds/json_list.hpp"
#include "feeds/json_reader.hpp"

namespace tapedeck::feeds::binance {
namespace {

namespace od = simdjson::ondemand;

constexpr std::string_view kSuffix = "@trade";

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  return out;
}

std::int64_t ms_of(Timestamp t) { return floor_to(t, milliseconds(1)).ns / milliseconds(1).ns; }

class BinanceSession final : public VenueSession {
 public:
  explicit BinanceSession(bool is_combined) : is_combined_(is_combined) {}

  // Streams other than trades are accepted, and silent. Each trade is an aggregate of its own; who
  // asks for both kinds of one symbol gets the one that was asked for last.
  void add(std::string_view stream) {
    if (!stream.ends_with(kSuffix) && !stream.ends_with(kAggregates)) return;
    const std::string symbol = upper(stream.substr(0, stream.rfind('@')));
    symbols_.insert(symbol);
    if (stream.ends_with(kAggregates)) aggregated_.insert(symbol);
    if (stream.ends_with(kSuffix)) aggregated_.erase(symbol);
  }

  std::vector<std::string> on_message(std::string_view text) override {
    od::document document;
    od::object object;
    if (json_.iterate(text).get(document) != simdjson::SUCCESS ||
        document.get_object().get(object) != simdjson::SUCCESS) {
      return {R"({"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"})"};
    }
    std::optional<std::string> method;
    std::vector<std::string> params;
    std::string id = "null";
    for (auto item : object) {
      od::field field;
      if (std::move(item).get(field) != simdjson::SUCCESS) break;
      const std::string_view key = key_of(field);
      od::value& value = field.value();
      if (key == "method") {
        if (const auto word = text_of(value)) method = *word;
      } else if (key == "id") {
        id = std::string(value.raw_json_token());
        while (!id.empty() && id.back() <= ' ') id.pop_back();
      } else if (key == "params") {
        append_texts(value, params);
      }
    }
    std::string result = "null";
    if (method == "SUBSCRIBE") {
      for (const std::string& name : params) add(name);
    } else if (method == "UNSUBSCRIBE") {
      for (const std::string& name : params) symbols_.erase(upper(name.substr(0, name.find('@'))));
    } else if (method == "LIST_SUBSCRIPTIONS") {
      std::vector<std::string> streams;
      for (const std::string& symbol : symbols_) streams.push_back(stream_name(symbol));
      result = json_list(streams);
    } else {
      return {R"({"code":2,"msg":"Invalid request: unknown variant"})"};
    }
    return {fmt::format(R"({{"result":{},"id":{}}})", result, id)};
  }

  std::string trade_frame(const EmulatedTrade& trade) const override {
    const bool is_aggregate = aggregated_.contains(trade.symbol);
    std::string data = fmt::format(
        R"({{"e":"{}","E":{},"s":{},"{}":{},"p":"{}","q":"{}",{}"T":{},"m":{},"M":true}})",
        is_aggregate ? "aggTrade" : "trade", ms_of(trade.ts_event), json_quote(trade.symbol),
        is_aggregate ? 'a' : 't', trade.id, to_string(trade.price), to_string(trade.size),
        is_aggregate ? fmt::format(R"("f":{0},"l":{0},)", trade.id) : std::string(),
        ms_of(trade.ts_event), trade.side == market::Side::kSell);
    if (!is_combined_) return data;
    return fmt::format(R"({{"stream":{},"data":{}}})", json_quote(stream_name(trade.symbol)), data);
  }

  std::vector<std::string> heartbeat(const std::vector<const EmulatedTrade*>&,
                                     Timestamp) const override {
    return {};
  }

 private:
  std::string stream_name(const std::string& symbol) const {
    return stream_of(aggregated_.contains(symbol) ? symbol + std::string(kAggregates) : symbol);
  }

  const bool is_combined_;
  std::set<std::string, std::less<>> aggregated_;
  JsonReader json_;
};

}  // namespace

Wished split_symbol(std::string_view symbol) {
  const bool is_aggregate = symbol.ends_with(kAggregates);
  if (is_aggregate) symbol.remove_suffix(kAggregates.size());
  return {symbol, is_aggregate};
}

std::string stream_of(std::string_view symbol) {
  const auto [instrument, is_aggregate] = split_symbol(symbol);
  std::string out(instrument);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return out + std::string(is_aggregate ? kAggregates : kSuffix);
}

std::unique_ptr<VenueSession> open_session(std::string_view target) {
  constexpr std::string_view kCombined = "/stream";
  constexpr std::string_view kStreams = "streams=";
  const std::string_view path = target.substr(0, target.find('?'));
  std::string_view names;
  if (path == "/ws" || path.starts_with("/ws/")) {
    names = path.substr(std::min<std::size_t>(path.size(), 4));
  } else if (path == kCombined) {
    const auto at = target.find(kStreams);
    if (at != target.npos) names = target.substr(at + kStreams.size());
    names = names.substr(0, names.find('&'));
  } else {
    return nullptr;
  }
  auto session = std::make_unique<BinanceSession>(path == kCombined);
  while (!names.empty()) {
    const auto end = names.find('/');
    session->add(names.substr(0, end));
    names = end == names.npos ? std::string_view() : names.substr(end + 1);
  }
  return session;
}

namespace {

std::string exchange_info(std::span<const std::string> symbols) {
  // A symbol is both assets without a mark between them; these are what others are priced in.
  constexpr std::string_view kQuotes[] = {"USDT", "USDC", "FDUSD", "TUSD", "BTC", "ETH",
                                          "BNB",  "EUR",  "TRY",   "BRL",  "JPY"};
  std::string body;
  for (const std::string& symbol : symbols) {
    const auto quote = std::ranges::find_if(kQuotes, [&](std::string_view one) {
      return symbol.size() > one.size() && symbol.ends_with(one);
    });
    const std::size_t quote_size = quote == std::end(kQuotes) ? 0 : quote->size();
    body += fmt::format(
        R"({}{{"symbol":"{}","status":"TRADING","baseAsset":"{}","quoteAsset":"{}",)"
        R"("isSpotTradingAllowed":true,"filters":[{{"filterType":"PRICE_FILTER",)"
        R"("minPrice":"0.00000001","maxPrice":"1000000000","tickSize":"0.00000001"}}]}})",
        body.empty() ? "" : ",", symbol, symbol.substr(0, symbol.size() - quote_size),
        symbol.substr(symbol.size() - quote_size));
  }
  return fmt::format(R"({{"timezone":"UTC","symbols":[{}]}})", body);
}

}  // namespace

VenueAnswer answer(const VenueQuestion& question) {
  const Parameters& query = question.query;
  if (question.path == "/api/v3/exchangeInfo") return {.body = exchange_info(question.symbols)};
  const bool is_aggregate = question.path == "/api/v3/aggTrades";
  if (!is_aggregate && question.path != "/api/v3/historicalTrades") {
    return {.status = 404, .body = "{}"};
  }
  const std::string_view symbol = parameter(query, "symbol");
  const std::uint64_t first = number_or(parameter(query, "fromId"), 0);
  const std::uint64_t limit =
      std::min<std::uint64_t>(number_or(parameter(query, "limit"), 500), 1000);
  // From an id on, or else the newest; oldest first.
  std::vector<const EmulatedTrade*> asked;
  for (const EmulatedTrade& trade : question.happened) {
    if (trade.symbol == symbol && trade.id >= first) asked.push_back(&trade);
  }
  if (asked.size() > limit) {
    const auto extra = static_cast<std::ptrdiff_t>(asked.size() - limit);
    first > 0 ? asked.resize(limit) : void(asked.erase(asked.begin(), asked.begin() + extra));
  }
  std::string body;
  for (const EmulatedTrade* one : asked) {
    const EmulatedTrade& trade = *one;
    if (!body.empty()) body += ',';
    constexpr std::string_view kAggregate =
        R"({{"a":{0},"p":"{1}","q":"{2}","f":{0},"l":{0},"T":{3},"m":{4},"M":true}})";
    constexpr std::string_view kTrade =
        R"({{"id":{0},"price":"{1}","qty":"{2}","quoteQty":"0","time":{3},"isBuyerMaker":{4},)"
        R"("isBestMatch":true}})";
    body += fmt::format(fmt::runtime(is_aggregate ? kAggregate : kTrade), trade.id,
                        to_string(trade.price), to_string(trade.size), ms_of(trade.ts_event),
                        trade.side == market::Side::kSell);
  }
  return {.status = 200, .body = fmt::format("[{}]", body)};
}

}  // namespace tapedeck::feeds::binance
