#include "app/bar_writer.hpp"

#include <fmt/format.h>

#include <iterator>
#include <optional>

#include "base/log.hpp"

namespace tapedeck::app {
namespace {

using market::BarRow;
using market::Decimal;

// A CSV field, quoted where RFC 4180 asks for it.
std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string csv_price(const std::optional<Decimal>& price) {
  return price ? to_string(*price) : std::string();
}

std::string json_price(const std::optional<Decimal>& price) {
  return price ? fmt::format("\"{}\"", to_string(*price)) : "null";
}

void render_csv(const BarRow& row, std::string& out) {
  const market::Bar& bar = row.bar;
  fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                 csv_field(row.series.instrument), bar.ts_open.ns, csv_price(bar.open),
                 csv_price(bar.high), csv_price(bar.low), csv_price(bar.close),
                 bar.volume.to_string(), bar.trades, bar.notional.to_string(), bar.excluded,
                 to_string(row.spec.interval), to_string(row.spec.conditions),
                 to_string(row.spec.session), csv_field(row.series.venue),
                 csv_field(row.series.channel));
}

void render_json(const BarRow& row, std::string& out) {
  const market::Bar& bar = row.bar;
  fmt::format_to(std::back_inserter(out),
                 "{{\"instrument\":{},\"ts_open\":\"{}\",\"open\":{},\"high\":{},\"low\":{},"
                 "\"close\":{},\"volume\":\"{}\",\"trades\":{},\"notional\":\"{}\","
                 "\"excluded\":{},\"interval\":\"{}\",\"conditions\":\"{}\",\"session\":\"{}\","
                 "\"venue\":{},\"channel\":{}}}",
                 json_quote(row.series.instrument), bar.ts_open.ns, json_price(bar.open),
                 json_price(bar.high), json_price(bar.low), json_price(bar.close),
                 bar.volume.to_string(), bar.trades, bar.notional.to_string(), bar.excluded,
                 to_string(row.spec.interval), to_string(row.spec.conditions),
                 to_string(row.spec.session), json_quote(row.series.venue),
                 json_quote(row.series.channel));
}

}  // namespace

Result<BarFormat> parse_bar_format(std::string_view text) {
  if (text == "csv") return BarFormat::kCsv;
  if (text == "json") return BarFormat::kJson;
  if (text == "ndjson") return BarFormat::kNdjson;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("format '{}' is not known: use csv, json or ndjson", text));
}

std::string render_bars(std::span<const BarRow> rows, BarFormat format) {
  std::string out;
  if (format == BarFormat::kCsv) {
    out =
        "instrument,ts_open,open,high,low,close,volume,trades,notional,excluded,interval,"
        "conditions,session,venue,channel\n";
    for (const BarRow& row : rows) render_csv(row, out);
  } else if (format == BarFormat::kNdjson) {
    for (const BarRow& row : rows) {
      render_json(row, out);
      out += '\n';
    }
  } else {
    out = "[";
    for (const BarRow& row : rows) {
      out += &row == rows.data() ? "\n" : ",\n";
      render_json(row, out);
    }
    out += "\n]\n";
  }
  return out;
}

}  // namespace tapedeck::app
