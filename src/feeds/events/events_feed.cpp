#include "feeds/events/events_feed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "feeds/events/names.hpp"
#include "feeds/flaw.hpp"
#include "feeds/json_reader.hpp"
#include "feeds/trade_fields.hpp"
#include "market/calendar.hpp"

namespace tapedeck::feeds::events {
namespace {

namespace od = simdjson::ondemand;
using market::Decimal;
using market::StreamKind;
template <class T>
using Taken = std::expected<T, Flaw>;

// In the order in which a line has them.
enum Key : std::size_t {
  kLog,
  kOffset,
  kKind,
  kSeries,
  kOrder,
  kCalendar,
  kConditionTable,
  kTsEvent,
  kFeed,
  kState,
  kTsRecv,
  kPrice,
  kSize,
  kBid,
  kBidSize,
  kAsk,
  kAskSize,
  kInterval,
  kAdjustment,
  kOpen,
  kHigh,
  kLow,
  kClose,
  kVolume,
  kCorrection,
  kSide,
  kBody,
  kBodyHex,
  kConditions,
  kOriginKind,
  kOrigin,
  kOriginFirst,
  kRecvAssumed,
  kSeq,
  kPosition,
  kVenueSequence,
  kTargetOriginKind,
  kTargetOrigin,
  kTargetOriginFirst,
  kTargetRecvAssumed,
  kTargetSeq,
  kTargetPosition,
  kKeys
};
constexpr std::array<std::string_view, kKeys> kNames{"log",
                                                     "offset",
                                                     "kind",
                                                     "series",
                                                     "order",
                                                     "calendar",
                                                     "condition_table",
                                                     "ts_event",
                                                     "feed",
                                                     "state",
                                                     "ts_recv",
                                                     "price",
                                                     "size",
                                                     "bid",
                                                     "bid_size",
                                                     "ask",
                                                     "ask_size",
                                                     "interval",
                                                     "adjusted",
                                                     "open",
                                                     "high",
                                                     "low",
                                                     "close",
                                                     "volume",
                                                     "correction",
                                                     "side",
                                                     "body",
                                                     "body_hex",
                                                     "conditions",
                                                     "origin_kind",
                                                     "origin",
                                                     "origin_first",
                                                     "recv_assumed",
                                                     "seq",
                                                     "position",
                                                     "venue_sequence",
                                                     "target_origin_kind",
                                                     "target_origin",
                                                     "target_origin_first",
                                                     "target_recv_assumed",
                                                     "target_seq",
                                                     "target_position"};
// Those of an origin, and of the target's.
constexpr std::array kOwn{kOriginKind, kOrigin, kOriginFirst, kRecvAssumed, kSeq, kPosition};
constexpr std::array kTarget{kTargetOriginKind,  kTargetOrigin, kTargetOriginFirst,
                             kTargetRecvAssumed, kTargetSeq,    kTargetPosition};

std::unexpected<Flaw> flaw(std::string_view reason, std::string detail) {
  return std::unexpected(Flaw{reason, std::move(detail)});
}

std::string shown(std::string_view text) { return std::string(text.substr(0, 64)); }

bool is_printable(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
}

// The fields of one line. What is taken is marked: a field that nobody takes is no field of this
// kind of event, and perhaps a misspelled one.
class Fields {
 public:
  Taken<void> read(JsonReader& json, std::string_view line) {
    there_.reset();
    taken_.reset();
    std::size_t next = 0;
    od::document document;
    od::object object;
    simdjson::error_code code = json.iterate(line).get(document);
    if (code == simdjson::SUCCESS) code = document.get_object().get(object);
    if (code == simdjson::SUCCESS) {
      for (auto item : object) {
        od::field field;
        if (code = std::move(item).get(field); code != simdjson::SUCCESS) break;
        const std::string_view name = key_of(field);
        // Mostly the one behind the last.
        std::size_t key = 0;
        while (key < kKeys && kNames[(next + key) % kKeys] != name) ++key;
        if (key == kKeys) return flaw("malformed", fmt::format("unknown field '{}'", shown(name)));
        key = (next + key) % kKeys;
        next = key + 1;
        if (there_[key]) return flaw("malformed", fmt::format("'{}' is there twice", kNames[key]));
        od::value& value = field.value();
        is_string_[key] = value.raw_json_token().starts_with('"');
        const auto text = text_of(value);
        if (!text) {
          return flaw("malformed", fmt::format("'{}' is no text and no number", kNames[key]));
        }
        texts_[key] = *text;
        there_[key] = true;
      }
    }
    if (code == simdjson::SUCCESS && !is_whole(document)) code = simdjson::TRAILING_CONTENT;
    if (code == simdjson::SUCCESS) return {};
    return flaw("malformed",
                fmt::format("not an event as a JSON object: {}", simdjson::error_message(code)));
  }

  bool has(Key key) const { return there_[key]; }
  // The text of a string, or of a number as it stands there.
  Taken<std::string_view> token(Key key) {
    taken_[key] = true;
    if (!there_[key]) return flaw("missing_field", fmt::format("there is no '{}'", kNames[key]));
    return texts_[key];
  }
  Taken<std::string_view> string(Key key) {
    TD_ASSIGN(const std::string_view text, token(key));
    if (!is_string_[key]) return flaw("malformed", fmt::format("'{}' is no string", kNames[key]));
    return text;
  }
  // Printable UTF-8 of at most so many bytes.
  Taken<std::string_view> name(Key key, std::size_t bytes_max, std::string_view reason) {
    TD_ASSIGN(const std::string_view text, string(key));
    if (text.size() <= bytes_max && is_printable(text)) return text;
    return flaw(reason, fmt::format("'{}' is not printable UTF-8 of at most {} bytes", kNames[key],
                                    bytes_max));
  }
  // One of some words; the first, where it is not there.
  template <class Value, std::size_t N>
  Taken<Value> word(Key key, const std::array<std::string_view, N>& words, bool must = false) {
    if (!has(key) && !must) return Value{};
    TD_ASSIGN(const std::string_view text, token(key));
    for (std::size_t i = 0; i < N; ++i) {
      if (words[i] == text) return static_cast<Value>(i);
    }
    return flaw("malformed", fmt::format("'{}' is '{}': there are {}", kNames[key], shown(text),
                                         fmt::join(words, ", ")));
  }
  Taken<bool> flag(Key key) {
    if (!has(key)) return false;
    TD_ASSIGN(const std::string_view text, token(key));
    if (text == "true" || text == "false") return text == "true";
    return flaw("malformed", fmt::format("'{}' is neither true nor false", kNames[key]));
  }
  Taken<std::uint64_t> number(Key key, bool must = true, std::string_view reason = "bad_id") {
    if (!has(key) && !must) return 0;
    TD_ASSIGN(const std::string_view text, token(key));
    const auto number = take_id(text);
    if (number) return *number;
    return flaw(reason, fmt::format("'{}' is '{}', not a whole number below 2^64", kNames[key],
                                    shown(text)));
  }
  Taken<Timestamp> time(Key key, bool zero_allowed = false) {
    if (!has(key) && zero_allowed) return Timestamp{};
    TD_ASSIGN(const std::string_view text, token(key));
    if (zero_allowed && text == "0") return Timestamp{};
    return at(key, take_time(text, TimeUnit::kNanoseconds));
  }
  Taken<Decimal> price(Key key) {
    TD_ASSIGN(const std::string_view text, token(key));
    return at(key, take_price(text));
  }
  // Zero or more; zero where it is not there, unless it must be.
  Taken<Decimal> amount(Key key, std::string_view reason, bool must = true) {
    if (!has(key) && !must) return Decimal{};
    TD_ASSIGN(const std::string_view text, token(key));
    auto amount = at(key, take_size(text));
    if (!amount) amount.error().reason = reason;
    return amount;
  }
  Taken<std::uint64_t> bits(Key key) {
    if (!has(key)) return 0;
    TD_ASSIGN(const std::string_view text, token(key));
    std::uint64_t bits = 0;
    const std::string_view digits = text.starts_with("0x") ? text.substr(2) : std::string_view{};
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
    if (error == std::errc{} && end == digits.data() + digits.size()) return bits;
    return flaw("bad_conditions", fmt::format("'{}' is '{}', not 0x and up to 16 hex digits",
                                              kNames[key], shown(text)));
  }
  // The bytes of a record.
  Taken<std::string> body() {
    if (!has(kBodyHex)) {
      TD_ASSIGN(const std::string_view text, string(kBody));
      return std::string(text);
    }
    TD_ASSIGN(const std::string_view hex, string(kBodyHex));
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      unsigned byte = 0;
      const auto [end, error] = std::from_chars(&hex[i], &hex[i] + 2, byte, 16);
      if (error != std::errc{} || end != &hex[i] + 2) break;
      bytes += static_cast<char>(byte);
    }
    if (2 * bytes.size() == hex.size()) return bytes;
    return flaw("malformed", "'body_hex' is not pairs of hex digits");
  }
  Taken<void> all_taken() const {
    for (std::size_t key = kKind; key < kKeys; ++key) {
      if (there_[key] && !taken_[key]) {
        return flaw("malformed", fmt::format("'{}' is no field of this kind", kNames[key]));
      }
    }
    return {};
  }

 private:
  template <class T>
  Taken<T> at(Key key, Taken<T> taken) {
    if (!taken) taken.error().detail.insert(0, fmt::format("'{}': ", kNames[key]));
    return taken;
  }

  std::array<std::string_view, kKeys> texts_{};
  std::bitset<kKeys> there_, taken_, is_string_;
};

Taken<void> own_fields(Fields& fields, market::Trade& trade) {
  TD_ASSIGN(trade.price, fields.price(kPrice));
  TD_ASSIGN(trade.size, fields.amount(kSize, "bad_size"));
  TD_ASSIGN(trade.side, fields.word<market::Side>(kSide, kSides));
  return {};
}

// Of a side that is quoted, the price is above zero.
Taken<void> quoted(Fields& fields, Key price_key, Key size_key, Decimal& price, Decimal& size) {
  TD_ASSIGN(size, fields.amount(size_key, "bad_size"));
  TD_ASSIGN(price,
            size.mantissa > 0 ? fields.price(price_key) : fields.amount(price_key, "bad_price"));
  return {};
}
Taken<void> own_fields(Fields& fields, market::Quote& quote) {
  TD_TRY(quoted(fields, kBid, kBidSize, quote.bid, quote.bid_size));
  return quoted(fields, kAsk, kAskSize, quote.ask, quote.ask_size);
}

Taken<void> own_fields(Fields& fields, market::PriceTick& tick) {
  TD_ASSIGN(tick.price, fields.price(kPrice));
  return {};
}

Taken<void> own_fields(Fields& fields, market::VendorBar& bar) {
  TD_ASSIGN(const std::uint64_t interval, fields.number(kInterval, true, "bad_time"));
  bar.interval.ns = static_cast<std::int64_t>(interval);
  if (bar.interval.ns <= 0) return flaw("bad_time", "'interval' is not nanoseconds above zero");
  TD_ASSIGN(bar.adjusted, fields.word<market::Adjusted>(kAdjustment, kAdjusted));
  TD_ASSIGN(bar.open, fields.price(kOpen));
  TD_ASSIGN(bar.high, fields.price(kHigh));
  TD_ASSIGN(bar.low, fields.price(kLow));
  TD_ASSIGN(bar.close, fields.price(kClose));
  TD_ASSIGN(bar.volume, fields.amount(kVolume, "bad_size"));
  return {};
}

Taken<void> own_fields(Fields& fields, market::Correction& correction) {
  TD_ASSIGN(correction.kind, fields.word<market::CorrectionKind>(kCorrection, kCorrections, true));
  TD_ASSIGN(correction.side, fields.word<market::Side>(kSide, kSides));
  if (correction.kind == market::CorrectionKind::kCorrect) {
    TD_ASSIGN(correction.price, fields.price(kPrice));
    TD_ASSIGN(correction.size, fields.amount(kSize, "bad_size"));
    return {};
  }
  TD_ASSIGN(correction.price, fields.amount(kPrice, "bad_price", false));
  TD_ASSIGN(correction.size, fields.amount(kSize, "bad_size", false));
  return {};
}

Taken<void> own_fields(Fields& fields, market::Record& record) {
  TD_ASSIGN(record.body, fields.body());
  return {};
}

}  // namespace

struct EventsFeed::State {
  State(market::Catalog& catalog_in, const market::ConditionTables& tables_in)
      : catalog(catalog_in), tables(tables_in) {}

  // Gives the event of the line that was read, or says what is wrong with it.
  Taken<void> take_line(EventSink& sink) {
    TD_ASSIGN(const std::string_view name, fields.token(kKind));
    const auto kind = std::ranges::find(kKinds, name, &decltype(kKinds)::value_type::second);
    switch (kind == kKinds.end() ? StreamKind::kLost : kind->first) {
      case StreamKind::kTrade:
        return take<market::Trade>(sink);
      case StreamKind::kQuote:
        return take<market::Quote>(sink);
      case StreamKind::kPriceTick:
        return take<market::PriceTick>(sink);
      case StreamKind::kVendorBar:
        return take<market::VendorBar>(sink);
      case StreamKind::kCorrection:
        return take<market::Correction>(sink);
      case StreamKind::kRecord:
        return take<market::Record>(sink);
      case StreamKind::kStatus:
        return take_mark(sink);
      case StreamKind::kRawFrame:
        return flaw("unknown_message", "a raw frame is no event: replay the capture that it is of");
      default:
        return flaw("unknown_message", fmt::format("'{}' is no kind of event", shown(name)));
    }
  }

  template <class Event>
  Taken<void> take(EventSink& sink) {
    Event event;
    TD_ASSIGN(event.ts_event, fields.time(kTsEvent));
    TD_ASSIGN(event.ts_recv, fields.time(kTsRecv));
    TD_TRY(own_fields(fields, event));
    TD_ASSIGN(event.conditions, fields.bits(kConditions));
    TD_ASSIGN(event.venue_sequence, fields.number(kVenueSequence, false, "bad_sequence"));
    TD_ASSIGN(event.identity, identity(kOwn, own_origin));
    if constexpr (requires { event.target; }) {
      TD_ASSIGN(event.target, identity(kTarget, target_origin));
    }
    // Last, so that only a good line defines a series.
    TD_ASSIGN(const SeriesNames names, series_names());
    TD_TRY(fields.all_taken());
    TD_ASSIGN(event.series, series(names));
    if constexpr (std::is_same_v<Event, market::Trade>) {
      sink.trade(event);
    } else {
      sink.event(std::move(event));
    }
    return {};
  }

  Taken<void> take_mark(EventSink& sink) {
    market::FeedMark mark;
    TD_ASSIGN(mark.feed, fields.name(kFeed, 128, "bad_symbol"));
    TD_ASSIGN(mark.state, fields.word<market::FeedState>(kState, kStates, true));
    TD_ASSIGN(mark.ts_recv, fields.time(kTsRecv, true));  // 0: nothing was received before it
    TD_TRY(fields.all_taken());
    sink.mark(mark);
    return {};
  }

  // The origin of the last line, by its texts: mostly this one's too.
  struct LastOrigin {
    market::Origin origin{};
    std::optional<OriginId> id{};
  };

  Taken<market::Identity> identity(const std::array<Key, 6>& keys, LastOrigin& last) {
    const auto [kind_key, key_key, first_key, assumed_key, seq_key, position_key] = keys;
    TD_ASSIGN(const auto kind, fields.word<market::OriginKind>(kind_key, kOriginKinds));
    std::string_view key;
    if (fields.has(key_key)) {
      TD_ASSIGN(key, fields.name(key_key, 512, "bad_id"));
    }
    TD_ASSIGN(const Timestamp first, fields.time(first_key, true));
    TD_ASSIGN(const bool assumed, fields.flag(assumed_key));
    market::Identity identity;
    TD_ASSIGN(identity.seq, fields.number(seq_key));
    TD_ASSIGN(identity.position, fields.number(position_key, false));
    market::Origin& origin = last.origin;
    if (!last.id || origin.kind != kind || origin.key != key || origin.first != first ||
        origin.recv_assumed != assumed) {
      origin = {kind, std::string(key), first, assumed};
      last.id.reset();
      auto known = origins.find(origin);
      if (known == origins.end()) {
        if (origins.size() >= kOriginsMax) {
          return flaw("bad_id", fmt::format("more than {} origins", kOriginsMax));
        }
        known = origins.emplace(origin, catalog.intern(origin)).first;
      }
      last.id = known->second;
    }
    identity.origin = *last.id;
    return identity;
  }

  // Absent: as the series is known already, else the default.
  struct SeriesNames {
    std::string_view key;
    std::optional<market::TradeOrder> order;
    std::optional<std::string_view> calendar, table;
  };

  Taken<SeriesNames> series_names() {
    SeriesNames names;
    TD_ASSIGN(names.key, fields.name(kSeries, 3 * 128 + 2, "bad_symbol"));
    if (fields.has(kOrder)) {
      TD_ASSIGN(names.order, fields.word<market::TradeOrder>(kOrder, kOrders));
    }
    if (fields.has(kCalendar)) {
      TD_ASSIGN(names.calendar, fields.string(kCalendar));
    }
    if (fields.has(kConditionTable)) {
      TD_ASSIGN(names.table, fields.string(kConditionTable));
    }
    return names;
  }

  Taken<SeriesId> series(const SeriesNames& names) {
    auto known = known_series.find(names.key);
    if (known == known_series.end()) {
      TD_ASSIGN(const SeriesId added, add_series(names));
      known = known_series.emplace(names.key, added).first;
    }
    const market::Series& is = catalog.series(known->second);
    if (is.order == names.order.value_or(is.order) &&
        is.calendar == names.calendar.value_or(is.calendar) &&
        is.conditions == names.table.value_or(is.conditions)) {
      return known->second;
    }
    return flaw("bad_symbol",
                fmt::format("series '{}' has order '{}', calendar '{}' and condition_table '{}' "
                            "already: none of them can change",
                            names.key, word_of(kOrders, is.order), is.calendar, is.conditions));
  }

  Taken<SeriesId> add_series(const SeriesNames& names) {
    auto key = market::parse_series_key(names.key);
    if (!key) return flaw("bad_symbol", std::move(key.error().message));
    for (const std::string& part : {key->venue, key->channel, key->instrument}) {
      if (part.size() > 128) return flaw("bad_symbol", "a part of 'series' is over 128 bytes");
    }
    market::Series series{.key = *std::move(key)};
    if (names.order) series.order = *names.order;
    if (names.calendar) series.calendar = *names.calendar;
    if (names.table) series.conditions = *names.table;
    if (auto found = market::find_calendar(series.calendar); !found) {
      return flaw("bad_symbol", std::move(found.error().message));
    }
    if (!series.conditions.empty() && !tables.contains(series.conditions)) {
      std::string known;
      for (const auto& [table, flags] : tables) known += (known.empty() ? "" : ", ") + table;
      return flaw("bad_symbol", fmt::format("condition_table '{}' is not known: there are {}",
                                            shown(series.conditions), known));
    }
    if (known_series.size() >= kSeriesMax) {
      return flaw("bad_symbol", fmt::format("more than {} series", kSeriesMax));
    }
    return catalog.intern(series);
  }

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  market::Catalog& catalog;
  const market::ConditionTables& tables;
  JsonReader json;
  Fields fields;
  std::unordered_map<std::string, SeriesId, Hash, std::equal_to<>> known_series;
  std::map<market::Origin, OriginId> origins;
  LastOrigin own_origin, target_origin;
};

EventsFeed::EventsFeed(market::Catalog& catalog, const market::ConditionTables& tables)
    : state_(std::make_unique<State>(catalog, tables)) {}
EventsFeed::~EventsFeed() = default;

void EventsFeed::on_frame(std::string_view frame, Timestamp, std::string_view where,
                          EventSink& sink) {
  auto taken = state_->fields.read(state_->json, frame);
  if (taken) taken = state_->take_line(sink);
  if (!taken) {
    sink.refuse({taken.error().reason, std::move(taken.error().detail), std::string(where), frame});
  }
}

bool recognises(std::string_view frame) {
  if (!frame.contains(R"("ts_recv":)")) return false;
  return std::ranges::any_of(kKinds, [&](const auto& kind) {
    return frame.contains(fmt::format(R"("kind":"{}")", kind.second));
  });
}

}  // namespace tapedeck::feeds::events
