#include "feeds/kraken/kraken_session.hpp"

#include <fmt/format.h>

#include <optional>

#include "base/log.hpp"
#include "feeds/json_reader.hpp"

namespace tapedeck::feeds::kraken {
namespace {

namespace od = simdjson::ondemand;

class KrakenSession final : public VenueSession {
 public:
  std::vector<std::string> on_message(std::string_view text) override {
    od::document document;
    od::object object;
    if (json_.iterate(text).get(document) != simdjson::SUCCESS ||
        document.get_object().get(object) != simdjson::SUCCESS) {
      return {R"({"error":"Malformed request","success":false})"};
    }
    std::optional<std::string> method;
    std::optional<std::string> channel;
    std::vector<std::string> symbols;
    std::string id;
    for (auto item : object) {
      od::field field;
      if (std::move(item).get(field) != simdjson::SUCCESS) break;
      const std::string_view key = key_of(field);
      od::value& value = field.value();
      if (key == "method") {
        if (const auto word = text_of(value)) method = *word;
      } else if (key == "req_id") {
        if (const auto number = text_of(value)) id = fmt::format(R"("req_id":{},)", *number);
      } else if (key == "params") {
        od::object params;
        if (value.get_object().get(params) != simdjson::SUCCESS) continue;
        read_params(params, channel, symbols);
      }
    }
    if (method == "ping") return {fmt::format(R"({{"method":"pong",{}"success":true}})", id)};
    if (method != "subscribe" && method != "unsubscribe") {
      return {fmt::format(R"({{"error":"Unsupported method",{}"success":false}})", id)};
    }
    if (channel != "trade") {
      return {fmt::format(
          R"({{"error":"Subscription channel not found","method":"{}",{}"success":false}})",
          *method, id)};
    }
    std::vector<std::string> answers;
    for (const std::string& symbol : symbols) {
      method == "subscribe" ? void(symbols_.insert(symbol)) : void(symbols_.erase(symbol));
      answers.push_back(fmt::format(
          R"({{"method":"{}",{}"result":{{"channel":"trade","snapshot":false,"symbol":{}}},)"
          R"("success":true}})",
          *method, id, json_quote(symbol)));
    }
    return answers;
  }

  // Price and size are numbers.
  std::string trade_frame(const EmulatedTrade& trade) const override {
    return fmt::format(
        R"({{"channel":"trade","type":"update","data":[{{"symbol":{},"side":"{}","price":{},)"
        R"("qty":{},"ord_type":"limit","trade_id":{},"timestamp":"{}"}}]}})",
        json_quote(trade.symbol), trade.side == market::Side::kSell ? "sell" : "buy",
        to_string(trade.price), to_string(trade.size), trade.id,
        to_iso(floor_to(trade.ts_event, microseconds(1))));
  }

  std::vector<std::string> heartbeat(const std::vector<const EmulatedTrade*>&,
                                     Timestamp) const override {
    if (symbols_.empty()) return {};
    return {R"({"channel":"heartbeat"})"};
  }

 private:
  static void read_params(od::object& params, std::optional<std::string>& channel,
                          std::vector<std::string>& symbols) {
    for (auto item : params) {
      od::field field;
      if (std::move(item).get(field) != simdjson::SUCCESS) return;
      const std::string_view key = key_of(field);
      od::value& value = field.value();
      if (key == "channel") {
        if (const auto word = text_of(value)) channel = *word;
      } else if (key == "symbol") {
        append_texts(value, symbols);
      }
    }
  }

  JsonReader json_;
};

}  // namespace

std::unique_ptr<VenueSession> open_session(std::string_view target) {
  if (target.substr(0, target.find('?')) != "/v2") return nullptr;
  return std::make_unique<KrakenSession>();
}

}  // namespace tapedeck::feeds::kraken
