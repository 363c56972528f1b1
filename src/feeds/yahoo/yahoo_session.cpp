#include "feeds/yahoo/yahoo_session.hpp"

#include <fmt/format.h>

#include "feeds/json_reader.hpp"
#include "feeds/yahoo/pricing.hpp"

namespace tapedeck::feeds::yahoo {
namespace {

namespace od = simdjson::ondemand;

constexpr std::size_t kSymbolsMax = 100;
constexpr std::int64_t kShare = 8;
constexpr std::int64_t kCrypto = 41;

class YahooSession final : public VenueSession {
 public:
  explicit YahooSession(bool is_in_json) : is_in_json_(is_in_json) {}

  std::vector<std::string> on_message(std::string_view text) override {
    od::document document;
    od::object object;
    if (json_.iterate(text).get(document) != simdjson::SUCCESS ||
        document.get_object().get(object) != simdjson::SUCCESS) {
      return {};
    }
    for (auto item : object) {
      od::field field;
      if (std::move(item).get(field) != simdjson::SUCCESS) break;
      const std::string_view key = key_of(field);
      std::vector<std::string> names;
      append_texts(field.value(), names);
      for (const std::string& name : names) {
        if (key == "subscribe" && symbols_.size() < kSymbolsMax) symbols_.insert(name);
        if (key == "unsubscribe") symbols_.erase(name);
      }
    }
    return {};
  }

  std::string trade_frame(const EmulatedTrade& trade) const override {
    const bool is_crypto = trade.symbol.contains('-');
    const std::string base64 = encode_base64(encode_pricing(
        {.id = trade.symbol,
         .price = static_cast<float>(to_double(trade.price)),
         .time_ms = floor_to(trade.ts_event, milliseconds(1)).ns / milliseconds(1).ns,
         .exchange = is_crypto ? "CCC" : "NMS",
         .quote_type = is_crypto ? kCrypto : kShare,
         .market_hours = 1,
         .price_hint = trade.price.scale}));
    return is_in_json_ ? fmt::format(R"({{"type":"pricing","message":"{}"}})", base64) : base64;
  }

  std::vector<std::string> heartbeat(const std::vector<const EmulatedTrade*>&,
                                     Timestamp) const override {
    return {};
  }

 private:
  const bool is_in_json_;
  JsonReader json_;
};

}  // namespace

std::unique_ptr<VenueSession> open_session(std::string_view target) {
  const auto mark = target.find('?');
  if (target.substr(0, mark) != "/") return nullptr;
  return std::make_unique<YahooSession>(mark != target.npos &&
                                        target.substr(mark).contains("version=2"));
}

}  // namespace tapedeck::feeds::yahoo
