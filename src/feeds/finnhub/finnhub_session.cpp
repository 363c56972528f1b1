#include "feeds/finnhub/finnhub_session.hpp"

#include <fmt/format.h>

#include <optional>

#include "base/log.hpp"
#include "feeds/json_reader.hpp"

namespace tapedeck::feeds::finnhub {
namespace {

namespace od = simdjson::ondemand;

std::string error(std::string_view words) {
  return fmt::format(R"({{"msg":{},"type":"error"}})", json_quote(words));
}

class FinnhubSession final : public VenueSession {
 public:
  explicit FinnhubSession(bool has_key) : has_key_(has_key) {}

  std::vector<std::string> on_message(std::string_view text) override {
    od::document document;
    od::object object;
    if (json_.iterate(text).get(document) != simdjson::SUCCESS ||
        document.get_object().get(object) != simdjson::SUCCESS) {
      return {error("Invalid message")};
    }
    std::optional<std::string> type;
    std::optional<std::string> symbol;
    for (auto item : object) {
      od::field field;
      if (std::move(item).get(field) != simdjson::SUCCESS) break;
      const std::string_view key = key_of(field);
      if (key != "type" && key != "symbol") continue;
      if (const auto word = text_of(field.value())) (key == "type" ? type : symbol) = *word;
    }
    if (!has_key_) return {error("Invalid API key")};
    if (type == "unsubscribe" && symbol) {
      symbols_.erase(*symbol);
      return {};
    }
    if (type != "subscribe") return {error("Unknown message type")};
    if (!symbol || symbol->empty()) return {error("Invalid symbol")};
    if (!symbols_.contains(*symbol) && symbols_.size() >= kSymbolsMax) {
      return {error("Subscribing to too many symbols")};
    }
    symbols_.insert(*symbol);
    return {};
  }

  // Price and size are numbers; a size of 0 is a price alone.
  std::string trade_frame(const EmulatedTrade& trade) const override {
    const std::string_view codes = trade.symbol.contains(':') ? "null" : R"(["1"])";
    return fmt::format(R"({{"data":[{{"c":{},"p":{},"s":{},"t":{},"v":{}}}],"type":"trade"}})",
                       codes, to_string(trade.price), json_quote(trade.symbol),
                       floor_to(trade.ts_event, milliseconds(1)).ns / milliseconds(1).ns,
                       to_string(trade.size));
  }

  // A ping a minute, even where nobody asked for a symbol.
  std::vector<std::string> heartbeat(const std::vector<const EmulatedTrade*>&,
                                     Timestamp now) const override {
    if (now.ns / seconds(1).ns % 60 != 0) return {};
    return {R"({"type":"ping"})"};
  }

 private:
  const bool has_key_;
  JsonReader json_;
};

}  // namespace

std::unique_ptr<VenueSession> open_session(std::string_view target) {
  constexpr std::string_view kKey = "token=";
  const auto mark = target.find('?');
  if (target.substr(0, mark) != "/") return nullptr;
  const auto key = target.find(kKey, mark == target.npos ? target.size() : mark);
  return std::make_unique<FinnhubSession>(key != target.npos && key + kKey.size() < target.size() &&
                                          target[key + kKey.size()] != '&');
}

namespace {

// {"count":1,"result":[{"description":"AAPL","displaySymbol":"AAPL","symbol":"AAPL",
//   "type":"Common Stock"}]}
std::string search(std::string_view wanted, std::span<const std::string> symbols) {
  std::string rows;
  std::size_t count = 0;
  for (const std::string& symbol : symbols) {
    if (!symbol.contains(wanted)) continue;
    ++count;
    rows += fmt::format(R"({0}{{"description":{1},"displaySymbol":{1},"symbol":{1},"type":"{2}"}})",
                        rows.empty() ? "" : ",", json_quote(symbol),
                        symbol.contains(':') ? "Crypto" : "Common Stock");
  }
  return fmt::format(R"({{"count":{},"result":[{}]}})", count, rows);
}

// {"c":162.65,"d":0.29,"dp":0.1786,"h":163.09,"l":162.13,"o":162.44,"pc":162.36,"t":1680273039}; of
// what it does not know all is 0. The day before ended with the first price that is known.
std::string quote(std::string_view symbol, std::span<const EmulatedTrade> happened) {
  const EmulatedTrade *first = nullptr, *last = nullptr, *high = nullptr, *low = nullptr;
  for (const EmulatedTrade& trade : happened) {
    if (trade.symbol != symbol) continue;
    if (first == nullptr) first = high = low = &trade;
    last = &trade;
    if (trade.price > high->price) high = &trade;
    if (trade.price < low->price) low = &trade;
  }
  if (last == nullptr) return R"({"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0})";
  const double before = to_double(first->price);
  const double change = to_double(last->price) - before;
  return fmt::format(R"({{"c":{},"d":{:.4f},"dp":{:.4f},"h":{},"l":{},"o":{},"pc":{},"t":{}}})",
                     to_string(last->price), change, change / before * 100, to_string(high->price),
                     to_string(low->price), to_string(first->price), to_string(first->price),
                     last->ts_event.ns / seconds(1).ns);
}

}  // namespace

VenueAnswer answer(const VenueQuestion& question) {
  if (question.path != "/api/v1/quote" && question.path != "/api/v1/search") {
    return {.status = 404, .body = R"({"error":"API endpoint not found"})"};
  }
  if (question.path == "/api/v1/search") {
    return {.body = search(parameter(question.query, "q"), question.symbols)};
  }
  // A key in a header is not seen here.
  if (parameter(question.query, "token").empty()) {
    return {.status = 401, .body = R"({"error":"Please use an API key."})"};
  }
  return {.body = quote(parameter(question.query, "symbol"), question.happened)};
}

}  // namespace tapedeck::feeds::finnhub
