#include "app/bar_writer.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>
#include <optional>

#include "base/csv.hpp"
#include "base/log.hpp"
#include "market/ratio.hpp"
#include "windows/bar_builder.hpp"

namespace tapedeck::app {
namespace {

using market::BarRow;
using market::Decimal;

std::string csv_price(const std::optional<Decimal>& price) {
  return price ? to_string(*price) : std::string();
}

std::string json_price(const std::optional<Decimal>& price) {
  return price ? fmt::format("\"{}\"", to_string(*price)) : "null";
}

// A vendor's bar has no notional to make one of.
std::string vwap(const BarRow& row) {
  if (row.spec.source == market::BarSource::kVendor) return {};
  return market::ratio_text(row.bar.notional, row.bar.volume);
}

std::string_view adjusted(const BarRow& row) {
  return row.spec.source == market::BarSource::kVendor ? to_string(row.spec.adjusted) : "";
}

// The fields that all rows of one series and spec have in common, which follow each other.
class SameFields {
 public:
  // True: `row` is of another series or spec than the one before it.
  bool changed(const BarRow& row) {
    if (last_ != nullptr && last_->spec == row.spec && last_->series == row.series) return false;
    last_ = &row;
    return true;
  }
  std::string before;  // each ends with a comma
  std::string after;   // each begins with one

 private:
  const BarRow* last_ = nullptr;
};

template <class Number>
void put_number(std::string& out, Number number) {
  std::array<char, 20> digits;
  out.append(digits.data(), std::to_chars(digits.begin(), digits.end(), number).ptr);
}

void render_csv(const BarRow& row, SameFields& same, std::string& out) {
  const market::Bar& bar = row.bar;
  if (same.changed(row)) {
    same.before = csv_field(row.series.instrument) + ',';
    same.after = fmt::format(",{},{},{},{},{}\n", to_string(row.spec.interval),
                             to_string(row.spec.conditions), to_string(row.spec.session),
                             csv_field(row.series.venue), csv_field(row.series.channel));
  }
  out += same.before;
  put_number(out, bar.ts_open.ns);
  for (const auto& price : {bar.open, bar.high, bar.low, bar.close}) {
    out += ',';
    out += csv_price(price);
  }
  out += ',';
  out += bar.volume.to_string();
  out += ',';
  put_number(out, bar.trades);
  out += ',';
  out += bar.notional.to_string();
  out += ',';
  put_number(out, bar.excluded);
  out += same.after;
}

void render_full_csv(const BarRow& row, std::string& out) {
  const market::Bar& bar = row.bar;
  fmt::format_to(
      std::back_inserter(out), "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
      csv_field(row.series.venue), csv_field(row.series.channel), csv_field(row.series.instrument),
      bar.ts_open.ns, csv_price(bar.open), csv_price(bar.high), csv_price(bar.low),
      csv_price(bar.close), bar.volume.to_string(), bar.notional.to_string(), bar.trades,
      bar.excluded, bar.buy_volume.to_string(), bar.sell_volume.to_string(), vwap(row),
      to_string(row.spec.interval), to_string(row.spec.conditions), to_string(row.spec.session),
      to_string(row.spec.source), adjusted(row));
}

void render_json(const BarRow& row, std::string& out) {
  const market::Bar& bar = row.bar;
  fmt::format_to(
      std::back_inserter(out),
      "{{\"instrument\":{},\"ts_open\":\"{}\",\"open\":{},\"high\":{},\"low\":{},"
      "\"close\":{},\"volume\":\"{}\",\"trades\":{},\"notional\":\"{}\","
      "\"excluded\":{},\"interval\":\"{}\",\"conditions\":\"{}\",\"session\":\"{}\","
      "\"venue\":{},\"channel\":{},\"buy_volume\":\"{}\",\"sell_volume\":\"{}\","
      "\"vwap\":{},\"source\":\"{}\",\"adjusted\":{}",
      json_quote(row.series.instrument), bar.ts_open.ns, json_price(bar.open), json_price(bar.high),
      json_price(bar.low), json_price(bar.close), bar.volume.to_string(), bar.trades,
      bar.notional.to_string(), bar.excluded, to_string(row.spec.interval),
      to_string(row.spec.conditions), to_string(row.spec.session), json_quote(row.series.venue),
      json_quote(row.series.channel), bar.buy_volume.to_string(), bar.sell_volume.to_string(),
      vwap(row).empty() ? "null" : fmt::format("\"{}\"", vwap(row)), to_string(row.spec.source),
      adjusted(row).empty() ? "null" : fmt::format("\"{}\"", adjusted(row)));
  out += '}';
}

}  // namespace

Result<BarFormat> parse_bar_format(std::string_view text) {
  if (text == "csv") return BarFormat::kCsv;
  if (text == "json") return BarFormat::kJson;
  if (text == "ndjson") return BarFormat::kNdjson;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("format '{}' is not known: use csv, json or ndjson", text));
}

Result<BarColumns> parse_bar_columns(std::string_view text) {
  if (text == "replay") return BarColumns::kReplay;
  if (text == "full") return BarColumns::kFull;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("columns '{}' are not known: use replay or full", text));
}

std::string render_averages(std::span<const BarRow> rows) {
  std::string out =
      "venue,channel,instrument,ts_end,trades,price_sum,notional,average_price,average_notional,"
      "window,conditions,session\n";
  SameFields same;
  for (const BarRow& row : rows) {
    const market::Bar& bar = row.bar;
    if (bar.trades == 0) continue;
    if (same.changed(row)) {
      same.before = fmt::format("{},{},{},", csv_field(row.series.venue),
                                csv_field(row.series.channel), csv_field(row.series.instrument));
      same.after = fmt::format(",{},{},{}\n", to_string(row.spec.interval),
                               to_string(row.spec.conditions), to_string(row.spec.session));
    }
    out += same.before;
    put_number(out, (bar.ts_open + row.spec.interval).ns);
    out += ',';
    put_number(out, bar.trades);
    for (const market::DecimalSum* sum : {&bar.price_sum, &bar.notional}) {
      out += ',';
      out += sum->to_string();
    }
    for (const market::DecimalSum* sum : {&bar.price_sum, &bar.notional}) {
      out += ',';
      out += market::ratio_text(*sum, bar.trades);
    }
    out += same.after;
  }
  return out;
}

std::string render_means(std::span<const store::MeanRow> rows) {
  std::string out =
      "venue,channel,instrument,ts_tick,trades,price_sum,notional,mean_price,mean_notional,tick,"
      "conditions,session\n";
  for (const store::MeanRow& row : rows) {
    fmt::format_to(
        std::back_inserter(out), "{},{},{},{},{},{},{},{},{},{},{},{}\n",
        csv_field(row.series.venue), csv_field(row.series.channel),
        csv_field(row.series.instrument), row.ts_tick.ns, row.trades, row.price_sum.to_string(),
        row.notional.to_string(), market::ratio_text(row.price_sum, row.trades),
        market::ratio_text(row.notional, row.trades), to_string(windows::MeanChange::kTick),
        to_string(row.conditions), to_string(market::SessionMode::kExtended));
  }
  return out;
}

std::string render_bars(std::span<const BarRow> rows, BarFormat format, BarColumns columns) {
  std::string out;
  if (format == BarFormat::kCsv && columns == BarColumns::kFull) {
    out =
        "venue,channel,instrument,ts_open,open,high,low,close,volume,notional,trades,excluded,"
        "buy_volume,sell_volume,vwap,interval,conditions,session,source,adjusted\n";
    for (const BarRow& row : rows) {
      render_full_csv(row, out);
      out += '\n';
    }
  } else if (format == BarFormat::kCsv) {
    out =
        "instrument,ts_open,open,high,low,close,volume,trades,notional,excluded,interval,"
        "conditions,session,venue,channel\n";
    SameFields same;
    for (const BarRow& row : rows) render_csv(row, same, out);
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
