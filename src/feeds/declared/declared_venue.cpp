#include "feeds/declared/declared_venue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <expected>
#include <map>
#include <optional>
#include <utility>

#include "base/percent.hpp"
#include "base/sha256.hpp"
#include "feeds/json_reader.hpp"
#include "feeds/series_table.hpp"
#include "feeds/trade_fields.hpp"
#include "feeds/trade_row.hpp"

namespace tapedeck::feeds::declared {
namespace {

namespace od = simdjson::ondemand;

constexpr std::array<std::string_view, 4> kKinds{"trade", "tick", "quote", "record"};

std::unexpected<Flaw> bad(std::string_view reason, std::string detail) {
  return std::unexpected(Flaw{reason, std::move(detail)});
}

std::unexpected<Error> wrong(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return out;
}

// Which fields a kind of rows has, and which of them it must have.
struct Fields {
  std::vector<JsonField> must;
  std::vector<JsonField> may;
};
Fields fields_of(RowKind kind) {
  using enum JsonField;
  switch (kind) {
    case RowKind::kTrade:
      return {{kTime, kPrice, kSize, kId}, {kSide, kSymbol}};
    case RowKind::kTick:
      return {{kPrice}, {kTime, kId, kSymbol}};
    case RowKind::kQuote:
      return {{kBid, kAsk}, {kBidSize, kAskSize, kTime, kId, kSymbol}};
    case RowKind::kRecord:
      return {{}, {kTime, kId, kSymbol}};
  }
  return {};
}

// The value as it stands in the document.
simdjson::error_code raw_of(od::value value, std::string_view& raw) {
  od::json_type type;
  if (const auto code = value.type().get(type)) return code;
  if (type == od::json_type::object) {
    od::object object;
    if (const auto code = value.get_object().get(object)) return code;
    return object.raw_json().get(raw);
  }
  if (type == od::json_type::array) {
    od::array list;
    if (const auto code = value.get_array().get(list)) return code;
    return list.raw_json().get(raw);
  }
  raw = value.raw_json_token();
  return simdjson::SUCCESS;
}

simdjson::error_code append_rows(od::array& list, std::vector<std::string_view>& rows) {
  for (auto element : list) {
    od::value value;
    std::string_view raw;
    if (const auto code = std::move(element).get(value)) return code;
    if (const auto code = raw_of(value, raw)) return code;
    rows.push_back(raw);
  }
  return simdjson::SUCCESS;
}

Status check_fields(const JsonMap& map, RowKind kind) {
  const Fields fields = fields_of(kind);
  for (std::size_t i = 0; i < kJsonFields; ++i) {
    const auto field = static_cast<JsonField>(i);
    const bool must = std::ranges::find(fields.must, field) != fields.must.end();
    const bool may = std::ranges::find(fields.may, field) != fields.may.end();
    if (must && !map[field]) {
      return wrong(fmt::format("map: a {} needs {}", to_string(kind), to_string(field)));
    }
    if (!must && !may && map[field]) {
      return wrong(fmt::format("map: a {} has no {}", to_string(kind), to_string(field)));
    }
  }
  return {};
}

}  // namespace

std::string_view to_string(RowKind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }

struct RowReader::State {
  using Text = std::optional<std::string_view>;

  State(const Declaration& declared_in, JsonMap map_in, std::optional<JsonFilter> filter_in,
        market::Catalog& catalog)
      : declared(declared_in),
        map(std::move(map_in)),
        filter(std::move(filter_in)),
        series(catalog, {.key = {declared.name, std::string(to_string(declared.kind)), {}},
                         .order = declared.consecutive_ids ? market::TradeOrder::kVenueSequence
                                                           : market::TradeOrder::kIdentity}),
        origin(catalog.intern(market::Origin{})) {}

  // One row, whose texts live until the next.
  void take_row_of(std::string_view raw, std::string_view symbol, Timestamp ts_recv,
                   const std::string& where, EventSink& sink) {
    const auto taken = take(raw, symbol, ts_recv, sink);
    if (!taken) sink.refuse({taken.error().reason, taken.error().detail, where, raw});
  }

  std::expected<void, Flaw> take(std::string_view raw, std::string_view symbol, Timestamp ts_recv,
                                 EventSink& sink) {
    std::array<std::optional<std::string>, kJsonFields> texts;
    TD_TRY(read_fields(raw, texts));
    const auto text = [&](JsonField field) -> Text {
      const auto& found = texts.at(static_cast<std::size_t>(field));
      return found ? Text(*found) : std::nullopt;
    };
    const std::string_view name = text(JsonField::kSymbol).value_or(symbol);
    RowTexts row{.symbol = name,
                 .price = text(JsonField::kPrice),
                 .size = text(JsonField::kSize),
                 .time = text(JsonField::kTime),
                 .id = text(JsonField::kId),
                 .side = side_of(text(JsonField::kSide))};
    const auto& time = map[JsonField::kTime];
    const TimeUnit unit = time ? time->unit : TimeUnit::kIso;
    if (declared.kind == RowKind::kTrade) {
      TD_ASSIGN(RowTrade read, take_row(row, unit));
      if (!read.has_id) return bad("missing_field", "there is no 'id'");
      read.trade.ts_recv = ts_recv;
      read.trade.identity.origin = origin;
      if (declared.consecutive_ids && read.trade.identity.position != 0) {
        return bad("bad_id", "the id is no number, and ids were declared to be consecutive");
      }
      TD_ASSIGN(read.trade.series, series_of(name));
      sink.trade(read.trade);
      return {};
    }
    Timestamp ts_event = ts_recv;
    if (time) {
      if (!row.time) return bad("missing_field", "there is no 'time'");
      TD_ASSIGN(ts_event, take_time(*row.time, unit));
    }
    // Which one it is: by its id, or by what it says.
    market::Identity identity{.origin = origin};
    if (row.id) {
      TD_ASSIGN(const RowId id, take_row_id(*row.id));
      identity.seq = id.seq;
      identity.position = id.position;
    } else if (map[JsonField::kId]) {
      return bad("missing_field", "there is no 'id'");
    } else {
      TD_ASSIGN(const RowId id, take_row_id(fmt::format("{}{}", ts_event.ns, sha256_hex(raw))));
      identity.seq = id.seq;
      identity.position = id.position;
    }
    const auto finish = [&](auto event) -> std::expected<void, Flaw> {
      event.ts_event = ts_event;
      event.ts_recv = ts_recv;
      event.identity = identity;
      TD_ASSIGN(event.series, series_of(name));
      if (!row.id && !is_news(event.series, raw)) {
        sink.control();
      } else {
        sink.event(std::move(event));
      }
      return {};
    };
    switch (declared.kind) {
      case RowKind::kTick: {
        market::PriceTick tick;
        if (!row.price) return bad("missing_field", "there is no 'price'");
        TD_ASSIGN(tick.price, take_price(*row.price));
        return finish(tick);
      }
      case RowKind::kQuote: {
        market::Quote quote;
        TD_TRY(take_side_of_quote(text(JsonField::kBid), text(JsonField::kBidSize), "bid",
                                  quote.bid, quote.bid_size));
        TD_TRY(take_side_of_quote(text(JsonField::kAsk), text(JsonField::kAskSize), "ask",
                                  quote.ask, quote.ask_size));
        return finish(quote);
      }
      default:
        return finish(market::Record{.body = std::string(raw)});
    }
  }

  static std::expected<void, Flaw> take_side_of_quote(Text price, Text size, std::string_view name,
                                                      market::Decimal& to_price,
                                                      market::Decimal& to_size) {
    if (!price) return bad("missing_field", fmt::format("there is no '{}'", name));
    TD_ASSIGN(to_price, take_price(*price));
    // A size that nobody told is 1, as 0 says that there is no quote.
    to_size = market::Decimal::make(1, 0);
    if (size) {
      TD_ASSIGN(to_size, take_size(*size));
    }
    return {};
  }

  Text side_of(Text said) const {
    const auto& place = map[JsonField::kSide];
    if (!place || place->buy.empty() || !said) return said;
    return *said == place->buy ? "buy" : "sell";
  }

  std::expected<SeriesId, Flaw> series_of(std::string_view name) {
    auto id = series.find_or_add(name.empty() ? std::string_view(declared.name) : name);
    if (!id) return bad("bad_symbol", std::move(id.error().message));
    return *id;
  }

  bool is_news(SeriesId id, std::string_view raw) {
    std::string hash = sha256_hex(raw);
    std::string& last = last_[id];
    if (hash == last) return false;
    last = std::move(hash);
    return true;
  }

  std::expected<void, Flaw> read_fields(
      std::string_view raw, std::array<std::optional<std::string>, kJsonFields>& texts) {
    od::document document;
    if (const auto code = row_json.iterate(raw).get(document)) return malformed(code);
    for (std::size_t i = 0; i < kJsonFields; ++i) {
      const auto& place = map.places[i];
      if (!place) continue;
      od::value value;
      const auto code = document.at_pointer(place->pointer).get(value);
      if (code == simdjson::NO_SUCH_FIELD || code == simdjson::INDEX_OUT_OF_BOUNDS) continue;
      if (code == simdjson::INCORRECT_TYPE || code == simdjson::INVALID_JSON_POINTER) continue;
      if (code != simdjson::SUCCESS) return malformed(code);
      if (value.raw_json_token().starts_with('n')) continue;  // null: not there
      if (const auto text = text_of(value)) texts.at(i) = std::string(*text);
    }
    return {};
  }

  static std::unexpected<Flaw> malformed(simdjson::error_code code) {
    return bad("malformed", fmt::format("not JSON as declared: {}", simdjson::error_message(code)));
  }

  const Declaration declared;
  const JsonMap map;
  const std::optional<JsonFilter> filter;
  SeriesTable series;
  const OriginId origin;
  JsonReader json;
  JsonReader row_json;
  std::map<SeriesId, std::string> last_;  // hash of the last row without an id
};

RowReader::RowReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
RowReader::~RowReader() = default;

Result<std::unique_ptr<RowReader>> RowReader::make(const Declaration& declared,
                                                   market::Catalog& catalog) {
  TD_ASSIGN(JsonMap map, parse_json_map(declared.map));
  TD_TRY(check_fields(map, declared.kind));
  std::optional<JsonFilter> filter;
  if (!declared.only.empty()) {
    TD_ASSIGN(filter, parse_json_filter(declared.only));
  }
  if (!declared.rows.empty() && !declared.rows.starts_with('/')) {
    return wrong(fmt::format("rows: '{}' is no JSON Pointer: it begins with '/'", declared.rows));
  }
  if (declared.name.empty() || declared.name.contains('/')) return wrong("it needs a name");
  return std::unique_ptr<RowReader>(
      new RowReader(std::make_unique<State>(declared, std::move(map), std::move(filter), catalog)));
}

void RowReader::read(std::string_view text, std::string_view symbol, Timestamp ts_recv,
                     std::string_view where, EventSink& sink) {
  State& state = *state_;
  const auto refuse = [&](const Flaw& flaw) {
    sink.refuse({flaw.reason, flaw.detail, std::string(where), text});
  };
  if (symbol.empty()) symbol = state.declared.symbol;
  od::document document;
  if (const auto code = state.json.iterate(text).get(document)) {
    return refuse(State::malformed(code).error());
  }
  const auto is_absent = [](simdjson::error_code code) {
    return code == simdjson::NO_SUCH_FIELD || code == simdjson::INDEX_OUT_OF_BOUNDS ||
           code == simdjson::INCORRECT_TYPE || code == simdjson::INVALID_JSON_POINTER;
  };
  if (state.filter) {
    od::value value;
    const auto code = document.at_pointer(state.filter->pointer).get(value);
    if (code != simdjson::SUCCESS && !is_absent(code)) {
      return refuse(State::malformed(code).error());
    }
    if (code != simdjson::SUCCESS || text_of(value) != state.filter->text) return sink.control();
  }
  std::vector<std::string_view> rows;
  od::json_type type;
  od::value value;
  simdjson::error_code code = simdjson::SUCCESS;
  // A document that is a value of its own cannot be asked for by the empty pointer.
  if (state.declared.rows.empty()) {
    document.rewind();
    code = document.type().get(type);
    if (code == simdjson::SUCCESS && type == od::json_type::object) {
      rows.push_back(text);
    } else if (code == simdjson::SUCCESS && type == od::json_type::array) {
      od::array list;
      code = document.get_array().get(list);
      if (code == simdjson::SUCCESS) code = append_rows(list, rows);
    }
  } else {
    code = document.at_pointer(state.declared.rows).get(value);
    if (is_absent(code)) {
      if (state.filter)
        return refuse({"missing_field", "there are no rows where they were declared"});
      return sink.control();
    }
    if (code == simdjson::SUCCESS) code = value.type().get(type);
    if (code == simdjson::SUCCESS && type == od::json_type::array) {
      od::array list;
      code = value.get_array().get(list);
      if (code == simdjson::SUCCESS) code = append_rows(list, rows);
    } else if (code == simdjson::SUCCESS) {
      std::string_view raw;
      code = raw_of(value, raw);
      if (code == simdjson::SUCCESS) rows.push_back(raw);
    }
  }
  if (code != simdjson::SUCCESS) return refuse(State::malformed(code).error());
  if (rows.empty()) return sink.control();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    state.take_row_of(rows[i], symbol, ts_recv, fmt::format("{}: row {}", where, i + 1), sink);
  }
}

namespace {

class HttpJson final : public PollFeed {
 public:
  HttpJson(std::string name, std::unique_ptr<RowReader> reader, PollOptions options)
      : name_(std::move(name)), reader_(std::move(reader)), options_(std::move(options)) {
    if (options_.symbols.empty()) options_.symbols.emplace_back();
  }
  std::string_view venue() const override { return name_; }
  Secret next() override {
    std::string url = options_.url;
    replace_all(url, "{symbol}", percent_encode(options_.symbols[turn_]));
    replace_all(url, "{token}", percent_encode(options_.token.reveal()));
    return Secret(std::move(url));
  }
  PollVerdict on_answer(std::string_view body, Timestamp ts_recv, std::string_view where,
                        EventSink& sink) override {
    reader_->read(body, options_.symbols[turn_], ts_recv, where, sink);
    return taken();
  }
  PollVerdict on_status(int status, std::string_view where, EventSink& sink) override {
    sink.refuse({"venue_error", fmt::format("it answered {}", status), std::string(where), {}});
    return taken();
  }

 private:
  PollVerdict taken() {
    turn_ = (turn_ + 1) % options_.symbols.size();
    const auto symbols = static_cast<std::int64_t>(options_.symbols.size());
    return {.wait = {options_.every.ns / symbols}, .is_current = turn_ == 0};
  }

  const std::string name_;
  const std::unique_ptr<RowReader> reader_;
  PollOptions options_;
  std::size_t turn_ = 0;
};

class WsJson final : public Feed {
 public:
  WsJson(std::string name, std::unique_ptr<RowReader> reader)
      : name_(std::move(name)), reader_(std::move(reader)) {}
  std::string_view venue() const override { return name_; }
  void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                EventSink& sink) override {
    reader_->read(frame, {}, ts_recv, where, sink);
  }

 private:
  const std::string name_;
  const std::unique_ptr<RowReader> reader_;
};

}  // namespace

Result<std::unique_ptr<PollFeed>> make_http_json(const Declaration& declared, PollOptions options,
                                                 market::Catalog& catalog) {
  TD_ASSIGN(auto reader, RowReader::make(declared, catalog));
  return std::make_unique<HttpJson>(declared.name, std::move(reader), std::move(options));
}

Result<std::unique_ptr<Feed>> make_ws_json(const Declaration& declared, market::Catalog& catalog) {
  TD_ASSIGN(auto reader, RowReader::make(declared, catalog));
  return std::make_unique<WsJson>(declared.name, std::move(reader));
}

std::vector<std::string> subscriptions(std::span<const std::string> texts,
                                       std::span<const std::string> symbols) {
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    if (!text.contains("{symbol}") && !text.contains("{symbol_lower}")) {
      out.push_back(text);
      continue;
    }
    for (const std::string& symbol : symbols) {
      std::string one = text;
      replace_all(one, "{symbol}", symbol);
      replace_all(one, "{symbol_lower}", lower(symbol));
      out.push_back(std::move(one));
    }
  }
  return out;
}

}  // namespace tapedeck::feeds::declared
