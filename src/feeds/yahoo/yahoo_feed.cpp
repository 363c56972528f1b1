#include "feeds/yahoo/yahoo_feed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "feeds/json_list.hpp"
#include "feeds/json_reader.hpp"
#include "feeds/schema_watch.hpp"
#include "feeds/series_table.hpp"
#include "feeds/session_count.hpp"
#include "feeds/trade_fields.hpp"
#include "feeds/yahoo/pricing.hpp"
#include "feeds/yahoo/yahoo_session.hpp"

namespace tapedeck::feeds::yahoo {
namespace {

namespace od = simdjson::ondemand;
using Text = std::optional<std::string_view>;

// Exchanges whose days are those of US shares, the indices of them too.
bool is_us(std::string_view exchange) {
  for (const std::string_view known : {"NMS", "NYQ", "NGM", "NCM", "NAS", "ASE", "PCX", "BTS",
                                       "CXI", "SNP", "DJI", "NIM", "PNK", "OQB", "OQX", "OEM"}) {
    if (exchange == known) return true;
  }
  return false;
}

struct Envelope {
  Text type, message;
};

simdjson::error_code read_envelope(od::document& document, Envelope& out) {
  od::object object;
  if (const auto code = document.get_object().get(object)) return code;
  for (auto item : object) {
    od::field field;
    if (const auto code = std::move(item).get(field)) return code;
    const std::string_view key = key_of(field);
    if (key == "type") out.type = text_of(field.value());
    if (key == "message") out.message = text_of(field.value());
  }
  return is_whole(document) ? simdjson::SUCCESS : simdjson::TAPE_ERROR;
}

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  return text;
}

}  // namespace

struct YahooFeed::State {
  explicit State(market::Catalog& catalog)
      : shares(catalog, series("us_equity")),
        others(catalog, series("24x7")),
        count(catalog, "yahoo"),
        watch(catalog) {}

  static market::Series series(std::string calendar) {
    return {.key = {"yahoo", "last", {}},
            .order = market::TradeOrder::kIdentity,
            .calendar = std::move(calendar),
            .conditions = {}};
  }

  std::optional<Flaw> take(std::string_view base64, Timestamp ts_recv, EventSink& sink) {
    const auto bytes = decode_base64(base64);
    if (!bytes) return Flaw{"malformed", "what it holds is no base64"};
    const auto pricing = decode_pricing(*bytes);
    if (!pricing) return pricing.error();
    if (pricing->quote_type == kHeartbeat) {
      sink.control();
      return std::nullopt;
    }
    std::optional<Flaw> missing;
    if (pricing->id.empty()) missing = {"missing_field", "a price without a symbol", {"id"}};
    if (!pricing->price) missing = {"missing_field", "a price that is not there", {"price"}};
    UnknownFields unknown;
    if (!pricing->unknown.empty()) unknown.add(pricing->unknown);
    watch.look({"yahoo", pricing->id, unknown.names()}, missing ? &*missing : nullptr, ts_recv,
               sink);
    if (missing) return missing;
    SeriesTable& table = is_us(pricing->exchange) ? shares : others;
    const auto id = table.find_or_add(pricing->id);
    if (!id) return Flaw{"bad_symbol", id.error().message};
    const market::Identity identity = count.next(*id);
    if (!std::isfinite(*pricing->price)) return Flaw{"bad_price", "the price is no number"};
    const auto price = take_price(price_text(*pricing->price, pricing->price_hint));
    if (!price) return price.error();
    const auto time = take_time(fmt::format("{}", pricing->time_ms), TimeUnit::kMilliseconds);
    if (!time) return time.error();
    if (id->value >= last.size()) last.resize(std::size_t{id->value} + 1);
    Last& before = last[id->value];
    if (*time < before.time || (*time == before.time && *price == before.price)) {
      sink.control();
      return std::nullopt;
    }
    before = {*time, *price};
    sink.event(market::PriceTick{.series = *id,
                                 .ts_event = *time,
                                 .ts_recv = ts_recv,
                                 .price = *price,
                                 .identity = identity});
    return std::nullopt;
  }

  struct Last {
    Timestamp time{};
    market::Decimal price{};
  };
  SeriesTable shares, others;
  SessionCount count;
  SchemaWatch watch;
  std::vector<Last> last;  // by SeriesId
  JsonReader json;
};

YahooFeed::YahooFeed(market::Catalog& catalog) : state_(std::make_unique<State>(catalog)) {}
YahooFeed::~YahooFeed() = default;

void YahooFeed::begin_session(const market::Origin& session) { state_->count.begin(session); }

void YahooFeed::on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                         EventSink& sink) {
  const auto refuse = [&](std::string_view reason, std::string detail) {
    sink.refuse({reason, std::move(detail), std::string(where), frame});
  };
  std::string_view base64 = without_blanks(frame);
  if (base64.empty()) return refuse("malformed", "the frame is empty");
  if (base64.front() == '{') {
    od::document document;
    Envelope envelope;
    simdjson::error_code code = state_->json.iterate(frame).get(document);
    if (code == simdjson::SUCCESS) code = read_envelope(document, envelope);
    if (code != simdjson::SUCCESS) {
      return refuse("malformed",
                    fmt::format("not a JSON object: {}", simdjson::error_message(code)));
    }
    if (envelope.type != "pricing") {
      return refuse("unknown_message", "a frame of another type than pricing");
    }
    if (!envelope.message) return refuse("missing_field", "a price without a 'message'");
    base64 = *envelope.message;
  }
  if (base64.empty()) return refuse("missing_field", "a message with nothing in it");
  if (auto flaw = state_->take(base64, ts_recv, sink)) {
    refuse(flaw->reason, std::move(flaw->detail));
  }
}

namespace {

// Version 1 begins with the number of the symbol's field, in base64; the receive time may stand
// before it.
bool recognises(std::string_view frame) {
  if (frame.contains(R"("type":"pricing")")) return frame.contains(R"("message":")");
  frame.remove_prefix(std::min(frame.find_first_not_of("0123456789"), frame.size()));
  return frame.starts_with("Cg");
}

std::vector<std::string> subscribe(std::span<const std::string> symbols) {
  return {fmt::format(R"({{"subscribe":{}}})", json_list(symbols))};
}
std::vector<std::string> unsubscribe(std::span<const std::string> symbols) {
  return {fmt::format(R"({{"unsubscribe":{}}})", json_list(symbols))};
}

}  // namespace

FeedKind feed_kind() {
  return {.venue = "yahoo",
          .help = "last prices of shares, indices, funds, currencies and crypto; no key",
          .make = [](market::Catalog& catalog) -> std::unique_ptr<Feed> {
            return std::make_unique<YahooFeed>(catalog);
          },
          .recognises = recognises,
          .live = LiveProtocol{.url = "wss://streamer.finance.yahoo.com/?version=2",
                               .symbols_max = 100,
                               .subscribe = subscribe,
                               .unsubscribe = unsubscribe,
                               .subscribe_every = minutes(5)},
          .emulation = Emulation{.path = "/?version=2", .open = open_session},
          .has_ids = false,
          .gives_prices = true};
}

}  // namespace tapedeck::feeds::yahoo
