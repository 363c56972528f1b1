#include "feeds/kraken/kraken_session.hpp"

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <ranges>
#include <set>

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
    bool wants_snapshot = false;
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
        read_params(params, channel, wants_snapshot, symbols);
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
      if (wants_snapshot) with_snapshot_.insert(symbol);
      answers.push_back(fmt::format(
          R"({{"method":"{}",{}"result":{{"channel":"trade","snapshot":{},"symbol":{}}},)"
          R"("success":true}})",
          *method, id, wants_snapshot, json_quote(symbol)));
    }
    return answers;
  }

  std::string trade_frame(const EmulatedTrade& trade) const override {
    return frame("update", trade_text(trade));
  }

  std::vector<std::string> snapshot(std::string_view symbol,
                                    std::span<const EmulatedTrade> happened) const override {
    constexpr std::size_t kMost = 50;
    std::vector<const EmulatedTrade*> last;
    for (const EmulatedTrade& trade : happened | std::views::reverse) {
      if (last.size() == kMost || !with_snapshot_.contains(symbol)) break;
      if (trade.symbol == symbol) last.push_back(&trade);
    }
    std::string texts;
    for (const EmulatedTrade* trade : last | std::views::reverse) {
      texts += (texts.empty() ? "" : ",") + trade_text(*trade);
    }
    if (texts.empty()) return {};
    return {frame("snapshot", texts)};
  }

  std::vector<std::string> heartbeat(const std::vector<const EmulatedTrade*>&,
                                     Timestamp) const override {
    if (symbols_.empty()) return {};
    return {R"({"channel":"heartbeat"})"};
  }

 private:
  static std::string frame(std::string_view type, std::string_view trades) {
    return fmt::format(R"({{"channel":"trade","type":"{}","data":[{}]}})", type, trades);
  }
  // Price and size are numbers.
  static std::string trade_text(const EmulatedTrade& trade) {
    return fmt::format(
        R"({{"symbol":{},"side":"{}","price":{},"qty":{},"ord_type":"limit","trade_id":{},)"
        R"("timestamp":"{}"}})",
        json_quote(trade.symbol), trade.side == market::Side::kSell ? "sell" : "buy",
        to_string(trade.price), to_string(trade.size), trade.id,
        to_iso(floor_to(trade.ts_event, microseconds(1))));
  }

  static void read_params(od::object& params, std::optional<std::string>& channel, bool& snapshot,
                          std::vector<std::string>& symbols) {
    for (auto item : params) {
      od::field field;
      if (std::move(item).get(field) != simdjson::SUCCESS) return;
      const std::string_view key = key_of(field);
      od::value& value = field.value();
      if (key == "channel") {
        if (const auto word = text_of(value)) channel = *word;
      } else if (key == "snapshot") {
        snapshot = text_of(value) == "true";
      } else if (key == "symbol") {
        append_texts(value, symbols);
      }
    }
  }

  std::set<std::string, std::less<>> with_snapshot_;
  JsonReader json_;
};

}  // namespace

std::unique_ptr<VenueSession> open_session(std::string_view target) {
  if (target.substr(0, target.find('?')) != "/v2") return nullptr;
  return std::make_unique<KrakenSession>();
}

std::string pair_of(std::string_view symbol) {
  std::string pair;
  const auto slash = symbol.find('/');
  const std::string_view base = symbol.substr(0, slash);
  pair += base == "BTC" ? "XBT" : base == "DOGE" ? "XDG" : base;
  if (slash != symbol.npos) pair += symbol.substr(slash + 1);
  return pair;
}

namespace {

// {"error":[],"result":{"XBTUSD":{"wsname":"XBT/USD","status":"online"}}}
std::string asset_pairs(std::span<const std::string> symbols) {
  std::string body;
  for (const std::string& symbol : symbols) {
    const std::string pair = pair_of(symbol);
    const auto slash = symbol.find('/');
    std::string name = pair;
    if (slash != symbol.npos) name.insert(pair.size() - (symbol.size() - slash - 1), "/");
    body += fmt::format(R"({}{}:{{"wsname":{},"status":"online"}})", body.empty() ? "" : ",",
                        json_quote(pair), json_quote(name));
  }
  return fmt::format(R"({{"error":[],"result":{{{}}}}})", body);
}

}  // namespace

VenueAnswer answer(const VenueQuestion& question) {
  const Parameters& query = question.query;
  if (question.path == "/0/public/AssetPairs") return {.body = asset_pairs(question.symbols)};
  constexpr std::size_t kMost = 1000;
  if (question.path != "/0/public/Trades") {
    return {.status = 404, .body = R"({"error":["EGeneral:Unknown method"]})"};
  }
  const std::string_view pair = parameter(query, "pair");
  const std::uint64_t since = number_or(parameter(query, "since"), 0);
  std::string trades;
  std::uint64_t last = since;
  std::size_t count = 0;
  for (const EmulatedTrade& trade : question.happened) {
    const auto ns = static_cast<std::uint64_t>(trade.ts_event.ns);
    if (pair_of(trade.symbol) != pair || ns <= since) continue;
    if (++count > kMost) break;
    last = ns;
    trades += fmt::format(R"({}["{}","{}",{}.{:07},"{}","l","",{}])", trades.empty() ? "" : ",",
                          to_string(trade.price), to_string(trade.size), ns / 1'000'000'000,
                          ns % 1'000'000'000 / 100, trade.side == market::Side::kSell ? 's' : 'b',
                          trade.id);
  }
  return {.status = 200,
          .body = fmt::format(R"({{"error":[],"result":{{"{}":[{}],"last":"{}"}}}})", pair, trades,
                              last)};
}

}  // namespace tapedeck::feeds::kraken
