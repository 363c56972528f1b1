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

}  // namespace tapedeck::feeds::finnhub
