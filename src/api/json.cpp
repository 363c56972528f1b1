#include "api/json.hpp"

#include <fmt/format.h>

#include <iterator>

#include "api/error_table.hpp"
#include "api/tables.hpp"
#include "base/log.hpp"

namespace tapedeck::api {
namespace {

template <class... Args>
void append(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

// "series":...,"interval":...,"conditions":...,"session":...,
void append_spec(std::string& out, const market::SeriesKey& series, const market::BarSpec& spec) {
  append(out,
         "\"series\":{},\"interval\":\"{}\",\"conditions\":\"{}\",\"session\":\"{}\","
         "\"source\":\"{}\",\"adjusted\":\"{}\",",
         json_quote(to_string(series)), to_string(spec.interval), to_string(spec.conditions),
         to_string(spec.session), to_string(spec.source), to_string(spec.adjusted));
}

std::string instant_or_null(std::optional<Timestamp> t) {
  return t ? fmt::format("\"{}\"", t->ns) : "null";
}

// ,"indicators":[...],"indicator_anchor":...
void append_indicators(std::string& out, const pipeline::BarPage& page) {
  out += ",\"indicators\":[";
  for (const auto& column : page.indicators) {
    append(out, "{}{}", &column == page.indicators.data() ? "" : ",", json_quote(column.name));
  }
  append(out, "],\"indicator_anchor\":{}", instant_or_null(page.indicator_anchor));
}

// "bars":[...], and of which indicators their columns are
void append_bars(std::string& out, const market::BarSpec& spec, const pipeline::BarPage& page) {
  append(out, "\"bars\":{}", bar_rows({}, spec, page));
  if (!page.indicators.empty()) append_indicators(out, page);
}

// {"type":...,"id":...,"run":...,"offset":...,
std::string begin_frame(const FrameHead& head, std::uint64_t run, Offset offset) {
  std::string out = fmt::format("{{\"type\":\"{}\",", head.type);
  if (!head.id.empty()) append(out, "\"id\":{},", json_quote(head.id));
  append(out, "\"run\":{},\"offset\":\"{}\",", run, offset.value);
  return out;
}

std::string end_frame(std::string out, std::string_view status) {
  out += status.empty() ? "}" : fmt::format(",\"status\":{}}}", status);
  return out;
}

void append_tape(std::string& out, const pipeline::PlayStatus& status) {
  append(out,
         "{{\"durable_offset\":\"{}\",\"bytes\":\"{}\",\"state\":\"{}\",\"message\":{},"
         "\"free_bytes\":\"{}\",\"days_until_full\":{},\"segments\":\"{}\",\"unsealed\":\"{}\","
         "\"damaged\":[",
         status.durable_offset.value, status.tape.bytes, to_string(status.tape.state),
         json_quote(status.tape.message), status.tape.free_bytes,
         status.tape.days_until_full ? fmt::format("{:.1f}", *status.tape.days_until_full) : "null",
         status.tape.segments, status.tape.unsealed);
  for (const std::string& damage : status.tape.damaged) {
    append(out, "{}{}", &damage == status.tape.damaged.data() ? "" : ",", json_quote(damage));
  }
  out += "]}";
}

// {"total":...,"reasons":{...}
void append_quarantine(std::string& out, std::uint64_t total,
                       const std::map<std::string, std::uint64_t>& reasons) {
  append(out, "{{\"total\":\"{}\",\"reasons\":{{", total);
  const char* separator = "";
  for (const auto& [reason, count] : reasons) {
    append(out, "{}{}:\"{}\"", separator, json_quote(reason), count);
    separator = ",";
  }
  out += '}';
}

std::string error_object(std::string_view code, std::string_view message) {
  const ErrorEntry* entry = find_error(code);
  return fmt::format("{{\"code\":{},\"message\":{},\"action\":{}}}", json_quote(code),
                     json_quote(message),
                     json_quote(entry == nullptr ? std::string_view() : entry->action));
}

}  // namespace

std::string error_json(std::string_view code, std::string_view message) {
  return fmt::format("{{\"error\":{}}}", error_object(code, message));
}

std::string health_json(std::string_view status) {
  return fmt::format("{{\"status\":{}}}", json_quote(status));
}

std::string ingest_json(const pipeline::IngestReceipt& receipt) {
  std::string out = fmt::format("{{\"taken\":{},\"duplicate\":{},\"refused\":{},\"refusals\":[",
                                receipt.taken, receipt.duplicate, receipt.refused);
  for (const auto& [line, reason, detail] : receipt.shown) {
    append(out, "{}{{\"line\":{},\"reason\":{},\"detail\":{}}}",
           &line == &receipt.shown.front().line ? "" : ",", line, json_quote(reason),
           json_quote(detail));
  }
  return out + "]}";
}

std::string restart_json(std::uint64_t run) { return fmt::format("{{\"run\":{}}}", run); }

std::string pace_json(const pipeline::PlayStatus& status) {
  return fmt::format("{{\"speed\":{},\"paused\":{}}}", status.speed, status.paused);
}

std::string status_json(const pipeline::PlayStatus& status, std::string_view version) {
  std::string out;
  append(out,
         "{{\"version\":{},\"mode\":{},\"play\":{{\"state\":\"{}\",\"label\":{},\"date\":{},"
         "\"title\":{},\"source\":{},\"licence\":{},",
         json_quote(version), json_quote(status.mode), to_string(status.state),
         json_quote(status.label), json_quote(status.date), json_quote(status.title),
         json_quote(status.source), json_quote(status.licence));
  append(
      out,
      "\"speed\":{},\"paused\":{},\"market_time\":\"{}\",\"start_time\":\"{}\",\"end_time\":\"{}\","
      "\"zone\":{},\"run\":{},\"error\":{}}},",
      status.speed, status.paused, status.market_time.ns, status.start_time.ns, status.end_time.ns,
      json_quote(status.zone), status.run, status.error ? json_quote(*status.error) : "null");
  out += "\"tape\":";
  append_tape(out, status);
  out += ",\"feeds\":";
  out += feed_rows({}, status.feeds);
  out += ",\"quarantine\":";
  append_quarantine(out, status.quarantine_total, status.quarantine_reasons);
  out += "}}";
  return out;
}

std::string session_json(std::string_view role, std::string_view version,
                         const pipeline::PlayStatus& status) {
  return fmt::format("{{\"role\":{},\"version\":{},\"now\":\"{}\",\"mode\":{}}}", json_quote(role),
                     json_quote(version), status.market_time.ns, json_quote(status.mode));
}

std::string tape_json(const pipeline::PlayStatus& status) {
  std::string out;
  append_tape(out, status);
  return out;
}

std::string quality_json(const pipeline::Quality& quality) {
  constexpr std::size_t kTextBytesMax = 256;
  std::string out;
  append(out,
         "{{\"duplicates\":\"{}\",\"refused\":\"{}\",\"late\":\"{}\",\"unapplied\":\"{}\","
         "\"marks\":\"{}\",\"quarantine\":",
         quality.duplicates, quality.refused, quality.late, quality.unapplied, quality.control);
  append_quarantine(out, quality.quarantine_total, quality.quarantine_reasons);
  append(out, ",\"file_problem\":{},\"examples\":[", json_quote(quality.quarantine_file_problem));
  for (const quality::Refused& refused : quality.quarantine_examples) {
    append(out, "{}{{\"reason\":{},\"detail\":{},\"where\":{},\"text\":{}}}",
           &refused == quality.quarantine_examples.data() ? "" : ",", json_quote(refused.reason),
           json_quote(refused.detail), json_quote(refused.where),
           json_quote(std::string_view(refused.text).substr(0, kTextBytesMax)));
  }
  return out + "]}}";
}

std::string bars_head(const BarRequest& request, const pipeline::BarPage& page,
                      const std::optional<quality::Missing>& missing, Timestamp market_time) {
  std::string out;
  append_spec(out, request.query.series, request.query.spec);
  append(out, "\"run\":{},\"offset\":\"{}\",", page.run, page.offset.value);
  std::size_t final = 0, complete = 0, revised = 0;
  std::uint64_t unapplied = 0;
  for (const market::Bar& bar : page.bars) {
    final += bar.is_final ? 1u : 0u;
    complete += is_complete(bar) ? 1u : 0u;
    revised += bar.revision > 0 ? 1u : 0u;
    unapplied += bar.unapplied;
  }
  append(out,
         "\"coverage\":{{\"start\":{},\"end\":{},\"market_time\":\"{}\",\"bars\":{},\"final\":{},"
         "\"complete\":{},\"revised\":{},\"unapplied\":{},\"limited\":{},"
         "\"gaps\":{},\"missing\":{}}}",
         instant_or_null(request.query.start), instant_or_null(request.query.end), market_time.ns,
         page.bars.size(), final, complete, revised, unapplied,
         page.bars.size() == request.query.limit,
         missing ? fmt::format("{}", missing->gaps) : "null",
         missing ? fmt::format("\"{}\"", missing->ids) : "null");
  if (!request.indicators.empty()) append_indicators(out, page);
  return out;
}

std::string trades_head(const TradeRequest& request, const pipeline::TradePage& page) {
  return fmt::format("\"series\":{},\"order\":\"{}\",\"run\":{},\"offset\":\"{}\",\"limited\":{}",
                     json_quote(to_string(request.query.series)),
                     request.query.oldest_first ? "oldest" : "newest", page.run, page.offset.value,
                     page.limited);
}

std::string sql_head(const store::Table& table) {
  std::string columns;
  for (const std::string& column : table.columns) {
    append(columns, "{}{}", columns.empty() ? "" : ",", json_quote(column));
  }
  return fmt::format("\"columns\":[{}],\"limited\":{}", columns, table.limited);
}

std::string bars_frame(const FrameHead& head, const market::BarSpec& spec,
                       const pipeline::BarPage& page, std::string_view status) {
  std::string out = begin_frame(head, page.run, page.offset);
  append_bars(out, spec, page);
  return end_frame(std::move(out), status);
}

std::string bars_snapshot_frame(const FrameHead& head, const market::SeriesKey& series,
                                const market::BarSpec& spec, const pipeline::BarPage& page,
                                std::string_view status) {
  std::string out = begin_frame(head, page.run, page.offset);
  append_spec(out, series, spec);
  append_bars(out, spec, page);
  return end_frame(std::move(out), status);
}

std::string last_frame(const FrameHead& head, const LastValues::Page& page) {
  std::string out = begin_frame(head, page.run, page.offset);
  append(out, "\"channel\":\"last\",\"last\":{}", last_rows({}, page.values));
  return end_frame(std::move(out), {});
}

std::string trades_frame(const FrameHead& head, const pipeline::TradePage& page) {
  std::string out = begin_frame(head, page.run, page.offset);
  append(out, "\"channel\":\"trades\",\"skipped\":{},\"trades\":{}", page.limited,
         trade_rows({}, page.trades));
  return end_frame(std::move(out), {});
}

std::string status_frame(std::string_view status) {
  return fmt::format("{{\"type\":\"status\",\"status\":{}}}", status);
}

std::string restarted_frame(std::string_view id, std::uint64_t run) {
  if (id.empty()) return fmt::format("{{\"type\":\"restarted\",\"run\":{}}}", run);
  return fmt::format("{{\"type\":\"restarted\",\"id\":{},\"run\":{}}}", json_quote(id), run);
}

std::string unsubscribed_frame(std::string_view id) {
  return fmt::format("{{\"type\":\"unsubscribed\",\"id\":{}}}", json_quote(id));
}

std::string error_frame(std::string_view id, const Error& error) {
  return fmt::format("{{\"type\":\"error\",\"id\":{},\"error\":{}}}",
                     id.empty() ? "null" : json_quote(id),
                     error_object(to_string(error.code), error.message));
}

}  // namespace tapedeck::api
