#include "feeds/events/event_writer.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/csv.hpp"
#include "base/log.hpp"
#include "feeds/events/names.hpp"

namespace tapedeck::feeds::events {
namespace {

using market::Decimal;
using market::StreamKind;

enum class Style { kCsv, kJson, kHeader };

// Appends one line, field by field.
class Line {
 public:
  Line(std::string& out, Style style) : out_(out), style_(style) {}

  // 64-bit numbers are strings in JSON: a browser would round them.
  void number(std::string_view name, auto value) { bare(name, fmt::format_int(value).c_str()); }
  void hex(std::string_view name, std::uint64_t value) { bare(name, fmt::format("{:#x}", value)); }
  void decimal(std::string_view name, const Decimal& value) { bare(name, to_string(value)); }
  // A word of ours: nothing in it needs quoting.
  void bare(std::string_view name, std::string_view value) {
    begin(name);
    if (style_ == Style::kJson) out_ += '"';
    if (style_ != Style::kHeader) out_ += value;
    if (style_ == Style::kJson) out_ += '"';
  }
  void flag(std::string_view name, bool value) {
    begin(name);
    if (style_ != Style::kHeader) out_ += value ? "true" : "false";
  }
  void text(std::string_view name, std::string_view value) {
    begin(name);
    if (style_ == Style::kJson) out_ += json_quote(value);
    if (style_ == Style::kCsv) out_ += csv_field(value);
  }
  // Several fields, as another Line has made them.
  void fields(std::string_view made) {
    separate();
    out_ += made;
  }
  // Bytes from outside: as hex where they are no text.
  void body(std::string_view value) {
    const bool is_text = is_utf8(value);
    const std::string hex = is_text ? std::string() : to_hex(value);
    if (style_ != Style::kJson || is_text) text("body", is_text ? value : "");
    if (style_ != Style::kJson || !is_text) bare("body_hex", hex);
  }

 private:
  void separate() {
    if (!is_first_) out_ += ',';
    is_first_ = false;
  }
  void begin(std::string_view name) {
    separate();
    if (style_ == Style::kCsv) return;
    if (style_ == Style::kJson) out_ += '"';
    out_ += name;
    if (style_ == Style::kJson) out_ += "\":";
  }

  static std::size_t count_replaced(std::string_view text) {
    std::size_t count = 0;
    for (auto at = text.find("\xEF\xBF\xBD"); at != text.npos;
         at = text.find("\xEF\xBF\xBD", at + 3)) {
      ++count;
    }
    return count;
  }
  // json_quote replaces what is not.
  static bool is_utf8(std::string_view text) {
    return count_replaced(json_quote(text)) == count_replaced(text);
  }
  static std::string to_hex(std::string_view bytes) {
    std::string hex;
    for (const char c : bytes) {
      fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<unsigned char>(c));
    }
    return hex;
  }

  std::string& out_;
  const Style style_;
  bool is_first_ = true;
};

// Fields of a series without what comes before and behind.
std::string series_fields(const market::Series& series, Style style) {
  std::string out;
  Line line(out, style);
  line.text("series", to_string(series.key));
  line.bare("order", word_of(kOrders, series.order));
  line.text("calendar", series.calendar);
  line.text("condition_table", series.conditions);
  return out;
}

// Fields of an origin without what comes before and behind.
std::string origin_fields(const market::Origin& origin, Style style) {
  std::string out;
  Line line(out, style);
  line.bare("origin_kind", word_of(kOriginKinds, origin.kind));
  line.text("origin", origin.key);
  line.number("origin_first", origin.first.ns);
  line.flag("recv_assumed", origin.recv_assumed);
  return out;
}

void own_fields(Line& line, const market::Trade& trade) {
  line.decimal("price", trade.price);
  line.decimal("size", trade.size);
  line.bare("side", word_of(kSides, trade.side));
}
void own_fields(Line& line, const market::Quote& quote) {
  line.decimal("bid", quote.bid);
  line.decimal("bid_size", quote.bid_size);
  line.decimal("ask", quote.ask);
  line.decimal("ask_size", quote.ask_size);
}
void own_fields(Line& line, const market::PriceTick& tick) { line.decimal("price", tick.price); }
void own_fields(Line& line, const market::VendorBar& bar) {
  line.number("interval", bar.interval.ns);
  line.bare("adjusted", word_of(kAdjusted, bar.adjusted));
  line.decimal("open", bar.open);
  line.decimal("high", bar.high);
  line.decimal("low", bar.low);
  line.decimal("close", bar.close);
  line.decimal("volume", bar.volume);
}
void own_fields(Line& line, const market::Correction& correction) {
  line.bare("correction", word_of(kCorrections, correction.kind));
  line.decimal("price", correction.price);
  line.decimal("size", correction.size);
  line.bare("side", word_of(kSides, correction.side));
}
void own_fields(Line& line, const market::Record& record) { line.body(record.body); }

// The target is a trade of the same series.
void target_fields(Line& line, const market::Identity& target, const market::Origin& origin) {
  line.bare("target_origin_kind", word_of(kOriginKinds, origin.kind));
  line.text("target_origin", origin.key);
  line.number("target_origin_first", origin.first.ns);
  line.flag("target_recv_assumed", origin.recv_assumed);
  line.number("target_seq", target.seq);
  line.number("target_position", target.position);
}

struct Named {
  std::string_view series;  // fields
  std::string_view origin;  // fields
  const market::Origin* target = nullptr;
};

void event_fields(Line& line, const market::FeedMark& mark, const Named&) {
  line.text("feed", mark.feed);
  line.bare("state", word_of(kStates, mark.state));
  line.number("ts_recv", mark.ts_recv.ns);
}
void event_fields(Line& line, const market::RawFrame& frame, const Named& named) {
  line.number("ts_recv", frame.ts_recv.ns);
  line.body(frame.body);
  line.fields(named.origin);
  line.number("seq", frame.identity.seq);
  line.number("position", frame.identity.position);
}
template <class Event>
void event_fields(Line& line, const Event& event, const Named& named) {
  line.fields(named.series);
  line.number("ts_event", event.ts_event.ns);
  line.number("ts_recv", event.ts_recv.ns);
  own_fields(line, event);
  line.hex("conditions", event.conditions);
  line.fields(named.origin);
  line.number("seq", event.identity.seq);
  line.number("position", event.identity.position);
  line.number("venue_sequence", event.venue_sequence);
  if constexpr (requires { event.target; }) target_fields(line, event.target, *named.target);
}

void write_line(std::string& out, Style style, std::string_view log, Offset offset, StreamKind kind,
                const auto& event, const Named& named) {
  if (style == Style::kJson) out += '{';
  Line line(out, style);
  line.bare("log", log);
  line.number("offset", offset.value);
  line.bare("kind", kind_name(kind));
  event_fields(line, event, named);
  out += style == Style::kJson ? "}\n" : "\n";
}

}  // namespace

std::string_view kind_name(StreamKind kind) {
  for (const auto& [known, name] : kKinds) {
    if (known == kind) return name;
  }
  return kind == StreamKind::kMixed ? "mixed" : kind == StreamKind::kLost ? "lost" : "unknown";
}

Result<StreamKind> parse_kind(std::string_view text) {
  std::string names;
  for (const auto& [kind, name] : kKinds) {
    if (name == text) return kind;
    names += names.empty() ? "" : ", ";
    names += name;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is no kind of event: there are {}", text, names));
}

std::string csv_header(StreamKind kind) {
  std::string out;
  market::Batch one{.kind = kind};
  const std::string series = series_fields({}, Style::kHeader);
  const std::string origin = origin_fields({}, Style::kHeader);
  const market::Origin target;
  visit_events(one, [&](auto& events) {
    write_line(out, Style::kHeader, "", {}, kind, events.emplace_back(),
               {.series = series, .origin = origin, .target = &target});
  });
  return out;
}

void EventWriter::write(const market::Batch& batch, std::size_t index, std::string_view log,
                        std::string& out) {
  const Style style = format_ == EventFormat::kCsv ? Style::kCsv : Style::kJson;
  visit_events(batch, [&](const auto& events) {
    const auto& event = events[index];
    Named named;
    if constexpr (requires { event.series; }) {
      while (series_.size() <= event.series.value) {
        const SeriesId next(static_cast<std::uint32_t>(series_.size()));
        series_.push_back(series_fields(catalog_.series(next), style));
      }
      named.series = series_[event.series.value];
    }
    if constexpr (requires { event.identity; }) {
      while (origins_.size() <= event.identity.origin.value) {
        const OriginId next(static_cast<std::uint32_t>(origins_.size()));
        origins_.push_back(origin_fields(catalog_.origin(next), style));
      }
      named.origin = origins_[event.identity.origin.value];
    }
    if constexpr (requires { event.target; }) named.target = &catalog_.origin(event.target.origin);
    write_line(out, style, log, batch.first + index, batch.kind, event, named);
  });
}

}  // namespace tapedeck::feeds::events
