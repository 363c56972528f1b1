#include "feeds/coinbase/coinbase_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <ranges>

#include "feeds/json_list.hpp"
#include "feeds/json_reader.hpp"

namespace tapedeck::feeds::coinbase {
namespace {

namespace od = simdjson::ondemand;

// "2026-07-07T22:58:17.164892Z": always six digits, of the nine that we write.
std::string time_text(Timestamp t) {
  const std::string text = to_iso(t);
  return text.substr(0, text.size() - 4) + 'Z';
}

class CoinbaseSession final : public VenueSession {
 public:
  std::vector<std::string> on_message(std::string_view text) override {
    od::document document;
    od::object object;
    std::optional<std::string> type;
    std::vector<std::string> products;
    std::vector<std::string> channels;
    if (json_.iterate(text).get(document) != simdjson::SUCCESS ||
        document.get_object().get(object) != simdjson::SUCCESS) {
      return {R"({"type":"error","message":"Malformed JSON"})"};
    }
    for (auto item : object) {
      od::field field;
      if (std::move(item).get(field) != simdjson::SUCCESS) break;
      const std::string_view key = key_of(field);
      od::value& value = field.value();
      if (key == "type") {
        if (const auto word = text_of(value)) type = *word;
      } else if (key == "product_ids") {
        append_texts(value, products);
      } else if (key == "channels") {
        append_texts(value, channels);
      }
    }
    if (type == "subscribe") {
      symbols_.insert(products.begin(), products.end());
      for (const std::string& channel : channels) has_heartbeat_ |= channel == "heartbeat";
    } else if (type == "unsubscribe") {
      for (const std::string& product : products) symbols_.erase(product);
    } else {
      return {R"({"type":"error","message":"Type has to be either subscribe or unsubscribe"})"};
    }
    const std::vector<std::string> all(symbols_.begin(), symbols_.end());
    return {
        fmt::format(R"({{"type":"subscriptions","channels":[{{"name":"matches","product_ids":{},)"
                    R"("account_ids":null}}]}})",
                    json_list(all))};
  }

  // The side is the maker's.
  std::string trade_frame(const EmulatedTrade& trade) const override {
    return fmt::format(
        R"({{"type":"match","trade_id":{},"maker_order_id":"00000000-0000-0000-0000-000000000000",)"
        R"("taker_order_id":"00000000-0000-0000-0000-000000000000","side":"{}","size":"{}",)"
        R"("price":"{}","product_id":{},"sequence":{},"time":"{}"}})",
        trade.id, trade.side == market::Side::kSell ? "buy" : "sell", to_string(trade.size),
        to_string(trade.price), json_quote(trade.symbol), trade.id, time_text(trade.ts_event));
  }

  std::vector<std::string> heartbeat(const std::vector<const EmulatedTrade*>& last,
                                     Timestamp now) const override {
    std::vector<std::string> frames;
    if (!has_heartbeat_) return frames;
    for (const std::string& symbol : symbols_) {
      std::uint64_t id = 0;
      for (const EmulatedTrade* trade : last) {
        if (trade->symbol == symbol) id = trade->id;
      }
      frames.push_back(fmt::format(
          R"({{"type":"heartbeat","last_trade_id":{},"product_id":{},"sequence":{},"time":"{}"}})",
          id, json_quote(symbol), id, time_text(now)));
    }
    return frames;
  }

 private:
  bool has_heartbeat_ = false;
  JsonReader json_;
};

}  // namespace

std::unique_ptr<VenueSession> open_session(std::string_view target) {
  if (target.substr(0, target.find('?')) != "/") return nullptr;
  return std::make_unique<CoinbaseSession>();
}

namespace {

// [{"id":"BTC-USD","display_name":"BTC/USD","quote_currency":"USD","status":"online"}]
std::string products(std::span<const std::string> symbols) {
  std::string body;
  for (const std::string& symbol : symbols) {
    const std::string base = symbol.substr(0, symbol.find('-'));
    const std::string quote = symbol.substr(std::min(symbol.size(), base.size() + 1));
    body += fmt::format(R"({}{{"id":{},"display_name":{},"quote_currency":{},"status":"online"}})",
                        body.empty() ? "" : ",", json_quote(symbol),
                        json_quote(fmt::format("{}/{}", base, quote)), json_quote(quote));
  }
  return fmt::format("[{}]", body);
}

}  // namespace

VenueAnswer answer(const VenueQuestion& question) {
  if (question.path == "/products") return {.body = products(question.symbols)};
  std::string_view path = question.path;
  const Parameters& query = question.query;
  constexpr std::string_view kBefore = "/products/";
  constexpr std::string_view kBehind = "/trades";
  if (!path.starts_with(kBefore) || !path.ends_with(kBehind)) {
    return {.status = 404, .body = R"({"message":"NotFound"})"};
  }
  path.remove_prefix(kBefore.size());
  path.remove_suffix(kBehind.size());
  const std::uint64_t after = number_or(parameter(query, "after"), UINT64_MAX);
  std::uint64_t limit = std::min<std::uint64_t>(number_or(parameter(query, "limit"), 1000), 1000);
  std::string body;
  for (const EmulatedTrade& trade : question.happened | std::views::reverse) {
    if (trade.symbol != path || trade.id >= after) continue;
    if (limit-- == 0) break;
    body += fmt::format(R"({}{{"time":"{}","trade_id":{},"price":"{}","size":"{}","side":"{}"}})",
                        body.empty() ? "" : ",", time_text(trade.ts_event), trade.id,
                        to_string(trade.price), to_string(trade.size),
                        trade.side == market::Side::kSell ? "buy" : "sell");
  }
  return {.status = 200, .body = fmt::format("[{}]", body)};
}

}  // namespace tapedeck::feeds::coinbase
