#include "feeds/ingest/ingest_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <expected>
#include <map>
#include <optional>
#include <utility>

#include "feeds/csv_row.hpp"
#include "feeds/json_reader.hpp"
#include "feeds/series_table.hpp"
#include "feeds/trade_row.hpp"

namespace tapedeck::feeds::ingest {
namespace {

namespace od = simdjson::ondemand;

constexpr std::array<std::string_view, 7> kFields{"symbol", "price", "size",      "time",
                                                  "id",     "side",  "conditions"};
constexpr unsigned kRowBits = 20;
static_assert(IngestReader::kRowsMax == 1u << kRowBits);
constexpr std::uint64_t kPieceNumberMax = (std::uint64_t{1} << (64 - kRowBits)) - 1;

std::optional<std::string_view>* field_of(RowTexts& texts, std::string_view name) {
  const std::array all{&texts.symbol, &texts.price, &texts.size,      &texts.time,
                       &texts.id,     &texts.side,  &texts.conditions};
  const auto* found = std::ranges::find(kFields, name);
  return found == kFields.end() ? nullptr
                                : all.at(static_cast<std::size_t>(found - kFields.begin()));
}

std::unexpected<Flaw> bad(std::string_view reason, std::string detail) {
  return std::unexpected(Flaw{reason, std::move(detail)});
}

std::string unknown_field(std::string_view name) {
  return fmt::format("unknown field '{}': there are {}", name.substr(0, 64),
                     fmt::join(kFields, ", "));
}

bool is_name(std::string_view text) {
  constexpr std::size_t kBytesMax = 64;
  return !text.empty() && text.size() <= kBytesMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

// Cuts the next line off, without its end.
std::string_view next_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest = end == rest.npos ? std::string_view{} : rest.substr(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t") == line.npos; }

}  // namespace

PieceName piece_name(std::string_view key) {
  const auto last = key.find_last_not_of("0123456789");
  const std::string_view digits = key.substr(last == key.npos ? 0 : last + 1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  // "a-07" and "a-7" are two names.
  const bool counts = !digits.empty() && error == std::errc{} && number <= kPieceNumberMax &&
                      (digits.size() == 1 || digits.front() != '0');
  if (!counts) return {.name = key};
  return {.name = key.substr(0, key.size() - digits.size()), .number = number};
}

struct IngestReader::State {
  // What all rows of a piece share.
  struct Piece {
    TimeUnit unit = TimeUnit::kIso;
    SeriesTable* series = nullptr;
    std::string_view symbol;
    std::optional<OriginId> origin;  // of rows without an id; nothing: the piece has no name
    std::uint64_t first_seq = 0;
    Timestamp ts_recv{};
  };

  Piece begin(const Rows& rows) {
    Piece piece{.unit = *parse_time_unit(rows.time),
                .series = nullptr,
                .symbol = rows.symbol,
                .origin = {},
                .first_seq = 0,
                .ts_recv = rows.ts_recv};
    if (!rows.venue.empty()) piece.series = find_series(rows.venue, rows.channel);
    if (!rows.key.empty()) {
      const PieceName key = piece_name(rows.key);
      // "a" and piece 0 of "a" are two.
      const bool counts = key.name.size() != rows.key.size();
      piece.origin = find_origin(fmt::format("ingest{}/{}", counts ? "#" : "", key.name));
      piece.first_seq = key.number << kRowBits;
    }
    return piece;
  }

  SeriesTable* find_series(const std::string& venue, const std::string& channel) {
    const auto key = std::pair(venue, channel);
    auto found = series.find(key);
    if (found == series.end()) {
      if (series.size() >= kVenuesMax) return nullptr;
      const market::Series pattern{.key = {venue, channel, {}}};
      found = series.emplace(key, SeriesTable(catalog, pattern)).first;
    }
    return &found->second;
  }

  std::optional<OriginId> find_origin(const std::string& key) {
    auto found = origins.find(key);
    if (found == origins.end()) {
      if (origins.size() >= kNamesMax) return std::nullopt;
      const market::Origin origin{.kind = market::OriginKind::kSession, .key = key};
      found = origins.emplace(key, catalog.intern(origin)).first;
    }
    return found->second;
  }

  // `number`: of the row, from 0.
  std::expected<market::Trade, Flaw> take(const Piece& piece, const RowTexts& texts,
                                          std::uint64_t number) {
    if (piece.series == nullptr) {
      return bad("bad_symbol",
                 "a trade needs the name of its venue, which is chosen by who sends it: venue=... "
                 "in the address, and not another one for each piece");
    }
    TD_ASSIGN(RowTrade row, take_row(texts, piece.unit));
    market::Trade& trade = row.trade;
    trade.ts_recv = piece.ts_recv;
    if (row.has_id) {
      trade.identity.origin = venue_origin;
    } else if (piece.origin) {
      trade.identity = {.origin = *piece.origin, .seq = piece.first_seq + number};
    } else {
      return bad("bad_id",
                 "there is no 'id', and the rows have no Idempotency-Key (or too many different "
                 "ones came that do not end in a number): without either, a trade that is sent "
                 "again would count twice");
    }
    auto id = piece.series->find_or_add(texts.symbol.value_or(piece.symbol));
    if (!id) return bad("bad_symbol", std::move(id.error().message));
    trade.series = *id;
    return trade;
  }

  void read_json(const Rows& rows, const Piece& piece, EventSink& sink) {
    std::string_view rest = rows.body;
    for (std::uint64_t line = 1, row = 0; !rest.empty(); ++line) {
      const std::string_view text = next_line(rest);
      if (is_blank(text)) continue;
      const std::string where = std::to_string(line);
      RowTexts texts;
      const auto is_event = read_object(text, texts);
      if (is_event && *is_event) {
        events->on_frame(text, rows.ts_recv, where, sink);
      } else if (!is_event) {
        sink.refuse({is_event.error().reason, is_event.error().detail, where, text});
      } else {
        give(take(piece, texts, row), where, text, sink);
      }
      ++row;
    }
  }

  // True: the line is an event of our own format.
  std::expected<bool, Flaw> read_object(std::string_view text, RowTexts& texts) {
    const auto malformed = [](simdjson::error_code code) {
      return bad("malformed", fmt::format("not a JSON object: {}", simdjson::error_message(code)));
    };
    od::document document;
    od::object object;
    if (const auto code = json.iterate(text).get(document)) return malformed(code);
    if (const auto code = document.get_object().get(object)) return malformed(code);
    for (auto item : object) {
      od::field field;
      if (const auto code = std::move(item).get(field)) return malformed(code);
      const std::string_view name = key_of(field);
      if (name == "kind") return true;
      auto* const place = field_of(texts, name);
      if (place == nullptr) return bad("malformed", unknown_field(name));
      if (*place) return bad("malformed", fmt::format("'{}' is there twice", name));
      if (field.value().raw_json_token().starts_with('n')) continue;  // null: not there
      *place = text_of(field.value());
      if (!*place) return bad("malformed", fmt::format("'{}' is no text and no number", name));
    }
    if (!is_whole(document)) return malformed(simdjson::TRAILING_CONTENT);
    return false;
  }

  void read_csv(const Rows& rows, const Piece& piece, EventSink& sink) {
    std::optional<std::vector<std::string>> header;
    std::string_view rest = rows.body;
    for (std::uint64_t line = 1, row = 0; !rest.empty(); ++line) {
      const std::string_view text = next_line(rest);
      if (is_blank(text)) continue;
      const auto fields = split_csv_row(text, kFields.size() + 1);
      const std::string where = std::to_string(line);
      if (!header) {
        header = fields;  // check() has seen that it is right
        continue;
      }
      give(take_csv(piece, *header, fields, row), where, text, sink);
      ++row;
    }
  }

  std::expected<market::Trade, Flaw> take_csv(const Piece& piece,
                                              const std::vector<std::string>& header,
                                              const std::optional<std::vector<std::string>>& fields,
                                              std::uint64_t row) {
    if (!fields) return bad("malformed", "the quotes of a field do not match");
    if (fields->size() != header.size()) {
      return bad("malformed",
                 fmt::format("{} fields, and the header has {}", fields->size(), header.size()));
    }
    RowTexts texts;
    for (std::size_t i = 0; i < header.size(); ++i) {
      if (!(*fields)[i].empty()) *field_of(texts, header[i]) = (*fields)[i];
    }
    return take(piece, texts, row);
  }

  void give(std::expected<market::Trade, Flaw> trade, const std::string& where,
            std::string_view text, EventSink& sink) {
    if (trade) return sink.trade(*trade);
    sink.refuse({trade.error().reason, std::move(trade.error().detail), where, text});
  }

  market::Catalog& catalog;
  std::unique_ptr<Feed> events;
  std::vector<std::string> taken;
  JsonReader json;
  std::map<std::pair<std::string, std::string>, SeriesTable> series;
  std::map<std::string, OriginId> origins;
  OriginId venue_origin;
};

IngestReader::IngestReader(market::Catalog& catalog, std::unique_ptr<Feed> events,
                           std::vector<std::string> taken)
    : state_(new State{.catalog = catalog,
                       .events = std::move(events),
                       .taken = std::move(taken),
                       .json = {},
                       .series = {},
                       .origins = {},
                       .venue_origin = catalog.intern(market::Origin{})}) {}
IngestReader::~IngestReader() = default;

Status IngestReader::check(const Rows& rows) const {
  const auto wrong = [](std::string message) {
    return fail(ErrorCode::kInvalidArgument, std::move(message));
  };
  for (const auto& [text, name] : {std::pair{&rows.venue, "venue"}, {&rows.channel, "channel"}}) {
    if ((text == &rows.venue && text->empty()) || is_name(*text)) continue;
    return wrong(fmt::format("{} '{}' is no name: use up to 64 letters, digits, '-', '_' and '.'",
                             name, text->substr(0, 64)));
  }
  if (std::ranges::find(state_->taken, rows.venue) != state_->taken.end()) {
    return wrong(
        fmt::format("venue '{}' has a feed of its own here, and its trades are numbered "
                    "by it: choose another name",
                    rows.venue));
  }
  if (const auto unit = parse_time_unit(rows.time); !unit) return wrong(unit.error().message);
  constexpr std::size_t kKeyBytesMax = 128;
  if (rows.key.size() > kKeyBytesMax ||
      std::ranges::any_of(rows.key, [](char c) { return c <= ' ' || c > '~'; })) {
    return wrong(fmt::format("an Idempotency-Key has up to {} printable characters without blanks",
                             kKeyBytesMax));
  }
  if (std::ranges::count(rows.body, '\n') >= static_cast<std::ptrdiff_t>(kRowsMax)) {
    return wrong(fmt::format("more than {} rows at once: send them in several pieces", kRowsMax));
  }
  if (!rows.is_csv) return {};
  std::string_view rest = rows.body;
  std::string_view line;
  while (!rest.empty() && is_blank(line)) line = next_line(rest);
  const auto header = split_csv_row(line, kFields.size() + 1);
  RowTexts seen;
  for (const std::string& name : header.value_or(std::vector<std::string>{})) {
    auto* const place = field_of(seen, name);
    if (place == nullptr) return wrong("the first line of CSV is a header: " + unknown_field(name));
    if (*place) return wrong(fmt::format("the header names '{}' twice", name));
    *place = name;
  }
  if (seen.price && seen.size && seen.time) return {};
  return wrong("the first line of CSV is a header, with price, size and time in it at least");
}

void IngestReader::read(const Rows& rows, EventSink& sink) {
  const State::Piece piece = state_->begin(rows);
  if (rows.is_csv) {
    state_->read_csv(rows, piece, sink);
  } else {
    state_->read_json(rows, piece, sink);
  }
}

}  // namespace tapedeck::feeds::ingest
