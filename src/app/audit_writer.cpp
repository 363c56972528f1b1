#include "app/audit_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "base/log.hpp"

namespace tapedeck::app {
namespace {

using market::Decimal;
using market::DecimalSum;
using market::Trade;
using quality::Loss;
using quality::LostTrade;
using quality::OldBar;
using quality::OldKeyReport;
using quality::OldSeries;

constexpr std::size_t kSeriesMax = 10;  // of the text

template <class... A>
void put(std::string& out, fmt::format_string<A...> text, A&&... arguments) {
  fmt::format_to(std::back_inserter(out), text, std::forward<A>(arguments)...);
}

double share(double part, double whole) { return whole == 0 ? 0 : part / whole; }
double share(std::uint64_t part, std::uint64_t whole) {
  return share(static_cast<double>(part), static_cast<double>(whole));
}
double share(const DecimalSum& part, const DecimalSum& whole) {
  return share(part.to_double(), whole.to_double());
}

// ---- Text

std::string counted(std::uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// Without the zeros that say nothing.
std::string time(Timestamp t) {
  std::string text = to_iso(t);
  text.pop_back();
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + "Z";
}

std::string price(const std::optional<Decimal>& value) { return value ? to_string(*value) : "?"; }

std::string name_of(const Trade& trade, const market::Catalog& catalog) {
  const market::Origin& origin = catalog.origin(trade.identity.origin);
  const std::string what = fmt::format("{} x {} at {}", to_string(trade.price),
                                       to_string(trade.size), time(trade.ts_event));
  switch (origin.kind) {
    case market::OriginKind::kVenue:
      return fmt::format("{}, id {}", what, trade.identity.seq);
    case market::OriginKind::kFile:
      return fmt::format("{}, record {} of {}", what, trade.identity.seq, origin.key.substr(0, 8));
    case market::OriginKind::kSession:
    case market::OriginKind::kTopic:
      break;
  }
  return fmt::format("{}, {}:{} of {}", what, trade.identity.seq, trade.identity.position,
                     origin.key);
}

std::string_view words(Loss loss) {
  switch (loss) {
    case Loss::kOverwritten:
      return "overwritten by";
    case Loss::kBarOverwritten:
      return "its hour was overwritten by the hour of";
    case Loss::kNoTable:
      return "its symbol cannot name a table: every insert fails, the error is swallowed";
    case Loss::kHidden:
      return "in a bar of the last date, which the page leaves out";
    case Loss::kOrderUnknown:
      return "came before or after, nobody can tell,";
  }
  return "";
}

void put_bar(std::string& out, std::string_view name, const OldBar& bar) {
  put(out, "    {:<6} open {} high {} low {} close {} volume {}\n", name, price(bar.open),
      price(bar.high), price(bar.low), price(bar.close), bar.volume.to_string());
}

void put_series(std::string& out, const OldSeries& series, const quality::OldDefinition& old) {
  put(out, "\n{}\n", to_string(series.series));
  put(out, "  {} in {}{}\n", counted(series.trades, "trade"), counted(series.rows, "row"),
      series.hours ? ", bars of an hour: no trade is kept as such" : "");
  if (series.repeats > 0) {
    put(out, "  {}, {}\n", counted(series.repeats, "repeat"),
        old.name == "s3" ? fmt::format("each a row of its own: volume {} is counted twice",
                                       series.volume_repeated.to_string())
                         : "left out: a repeat takes the row that it has");
  }
  put(out, "  lost: {}, {:.2f} %\n", counted(series.lost, "trade"),
      100 * share(series.lost, series.trades));
  if (series.lost > 0) {
    put(out, "        volume {} of {}, {:.2f} %\n", series.volume_lost.to_string(),
        series.volume.to_string(), 100 * share(series.volume_lost, series.volume));
    put(out, "        notional {} of {}, {:.2f} %\n", series.notional_lost.to_string(),
        series.notional.to_string(), 100 * share(series.notional_lost, series.notional));
  }

  const quality::BarFaults& bars = series.bars;
  if (bars.absent == bars.bars) {
    put(out, "  1m bars: none of {} can be made from it\n", bars.bars);
  } else {
    put(out, "  1m bars: {} of {} misstated: volume {}, open {}, high {}, low {}, close {}\n",
        bars.misstated, bars.bars, bars.volume, bars.open, bars.high, bars.low, bars.close);
  }
  if (bars.worst && bars.worst->old) {
    put(out, "  the worst: {}\n", time(bars.worst->ts_open));
    put_bar(out, "true", bars.worst->truth);
    put_bar(out, old.name, *bars.worst->old);
  }
  if (const auto& averages = series.averages) {
    put(out,
        "  running_averages_15_sec: of {} windows {} off by more than 1 %, {} by more than 50 %\n",
        averages->windows, averages->off_percent, averages->off_half);
    const auto window = [&](std::string_view name, const auto& w) {
      put(out, "    {:<6} {}: shown {:.6g}, true {:.6g}\n", name, time(w.ts_open), w.shown,
          w.truth);
    };
    if (averages->worst) window("worst", *averages->worst);
    window("last", averages->last);
  }
  if (const auto& ingest = series.ingest) {
    const bool without_recv = ingest->without_recv == series.trades;
    if (without_recv && old.name == "s2") {
      put(out, "  drawn by ingest_timestamp: not known, for there are no receive times\n");
    } else {
      put(out, "  drawn by ingest_timestamp: {} in another minute than its own, {:.2f} %{}\n",
          counted(ingest->other_minute, "trade"), 100 * share(ingest->other_minute, series.trades),
          without_recv ? ", if received when it happened" : "");
    }
    if (ingest->average_rows > 0) {
      put(out,
          "  running_averages_15_sec: {} rows, under new uuids: run again, they are there "
          "twice\n",
          ingest->average_rows);
    }
  }
  if (const auto& hours = series.hours) {
    put(out, "  {} of {} hours overwritten by one of the same label\n", hours->overwritten,
        hours->hours);
    if (!hours->last_date.empty()) {
      put(out, "  with {} as the last date, {} rows of {} trades are not shown\n", hours->last_date,
          hours->hidden_bars, hours->hidden_trades);
      put(out, "  Daily Change: shown {}, of that date {}\n", hours->change_shown.to_string(),
          hours->change.to_string());
    }
  }
  if (const auto& mean = series.cumulative) {
    put(out, "  cumulative_avg_price: {:.10g}; by volume it is {:.10g}; the last price was {}\n",
        mean->shown, mean->vwap, to_string(mean->last));
  }
}

// ---- JSON

// Appends members, with commas where they belong.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  ~Object() { out_ += '}'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  std::string& name(std::string_view key) {
    if (!first_) out_ += ',';
    first_ = false;
    put(out_, "\"{}\":", key);
    return out_;
  }
  void text(std::string_view key, std::string_view value) { name(key) += json_quote(value); }
  void count(std::string_view key, std::uint64_t value) { put(name(key), "{}", value); }
  void id(std::string_view key, std::uint64_t value) { put(name(key), "\"{}\"", value); }
  void time(std::string_view key, Timestamp value) { put(name(key), "\"{}\"", value.ns); }
  void sum(std::string_view key, const DecimalSum& value) { text(key, value.to_string()); }
  void decimal(std::string_view key, const std::optional<Decimal>& value) {
    if (value) {
      text(key, to_string(*value));
    } else {
      name(key) += "null";
    }
  }
  void mean(std::string_view key, double value) {
    if (std::isfinite(value)) {
      put(name(key), "{}", value);
    } else {
      name(key) += "null";
    }
  }
  void share(std::string_view key, double value) { put(name(key), "{:.6f}", value); }

 private:
  std::string& out_;
  bool first_ = true;
};

template <class T, class F>
void json_array(std::string& out, const T& items, F&& item) {
  out += '[';
  bool first = true;
  for (const auto& one : items) {
    if (!first) out += ',';
    first = false;
    item(one);
  }
  out += ']';
}

void json_bar(std::string& out, const OldBar& bar) {
  Object object(out);
  object.decimal("open", bar.open);
  object.decimal("high", bar.high);
  object.decimal("low", bar.low);
  object.decimal("close", bar.close);
  object.sum("volume", bar.volume);
  object.sum("notional", bar.notional);
}

void json_window(std::string& out, const quality::AverageFaults::Window& window) {
  Object object(out);
  object.time("ts_open", window.ts_open);
  object.mean("shown", window.shown);
  object.mean("true", window.truth);
}

void json_trade(std::string& out, const Trade& trade, const market::Catalog& catalog) {
  const market::Origin& origin = catalog.origin(trade.identity.origin);
  Object object(out);
  object.text("series", to_string(catalog.series(trade.series).key));
  object.time("ts_event", trade.ts_event);
  object.decimal("price", trade.price);
  object.decimal("size", trade.size);
  object.text("origin", origin.key);
  object.id("seq", trade.identity.seq);
  object.id("position", trade.identity.position);
}

void json_faults(Object& object, const OldSeries& series) {
  const quality::BarFaults& bars = series.bars;
  {
    Object faults(object.name("bars_1m"));
    faults.count("bars", bars.bars);
    faults.count("misstated", bars.misstated);
    faults.count("absent", bars.absent);
    faults.count("volume", bars.volume);
    faults.count("open", bars.open);
    faults.count("high", bars.high);
    faults.count("low", bars.low);
    faults.count("close", bars.close);
    if (bars.worst) {
      Object worst(faults.name("worst"));
      worst.time("ts_open", bars.worst->ts_open);
      json_bar(worst.name("true"), bars.worst->truth);
      if (bars.worst->old) {
        json_bar(worst.name("old"), *bars.worst->old);
      } else {
        worst.name("old") += "null";
      }
    }
  }
  if (const auto& averages = series.averages) {
    Object means(object.name("running_averages_15_sec"));
    means.count("windows", averages->windows);
    means.count("off_by_1_percent", averages->off_percent);
    means.count("off_by_50_percent", averages->off_half);
    if (averages->worst) json_window(means.name("worst"), *averages->worst);
    json_window(means.name("last"), averages->last);
  }
  if (const auto& ingest = series.ingest) {
    Object drawn(object.name("ingest_timestamp"));
    drawn.count("without_ts_recv", ingest->without_recv);
    drawn.count("in_another_minute", ingest->other_minute);
    if (ingest->average_rows > 0) drawn.count("average_rows", ingest->average_rows);
  }
  if (const auto& hours = series.hours) {
    Object table(object.name("hours"));
    table.count("hours", hours->hours);
    table.count("overwritten", hours->overwritten);
    table.text("last_date", hours->last_date);
    table.count("hidden_rows", hours->hidden_bars);
    table.count("hidden_trades", hours->hidden_trades);
    table.sum("daily_change_shown", hours->change_shown);
    table.sum("daily_change", hours->change);
  }
  if (const auto& mean = series.cumulative) {
    Object price(object.name("cumulative_avg_price"));
    price.mean("shown", mean->shown);
    price.mean("vwap", mean->vwap);
    price.decimal("last", mean->last);
  }
}

void json_series(std::string& out, const OldSeries& series) {
  Object object(out);
  object.text("series", to_string(series.series));
  object.count("trades", series.trades);
  object.count("repeats", series.repeats);
  object.count("rows", series.rows);
  object.count("lost", series.lost);
  object.share("lost_share", share(series.lost, series.trades));
  object.sum("volume", series.volume);
  object.sum("volume_lost", series.volume_lost);
  object.share("volume_lost_share", share(series.volume_lost, series.volume));
  object.sum("notional", series.notional);
  object.sum("notional_lost", series.notional_lost);
  object.share("notional_lost_share", share(series.notional_lost, series.notional));
  object.sum("volume_repeated", series.volume_repeated);
  json_faults(object, series);
}

struct Totals {
  std::uint64_t trades = 0, repeats = 0, rows = 0, lost = 0;
};
Totals totals_of(const OldKeyReport& report) {
  Totals totals;
  for (const OldSeries& series : report.series) {
    totals.trades += series.trades;
    totals.repeats += series.repeats;
    totals.rows += series.rows;
    totals.lost += series.lost;
  }
  return totals;
}

}  // namespace

std::string audit_text(const OldKeyReport& report, const market::Catalog& catalog) {
  const quality::OldDefinition& old = definition_of(report.pipeline);
  const Totals totals = totals_of(report);
  std::string out;
  put(out, "{}: table {}, {}\n", old.name, old.table, old.key);
  put(out, "{} in {}, {} lost, {:.2f} %\n", counted(totals.trades, "trade"),
      counted(totals.rows, "row"), totals.lost, 100 * share(totals.lost, totals.trades));

  std::vector<const OldSeries*> shown;
  for (const OldSeries& series : report.series) shown.push_back(&series);
  if (shown.size() > kSeriesMax) {
    std::stable_sort(shown.begin(), shown.end(),
                     [](const OldSeries* a, const OldSeries* b) { return a->lost > b->lost; });
    shown.resize(kSeriesMax);
  }
  for (const OldSeries* series : shown) put_series(out, *series, old);
  if (shown.size() < report.series.size()) {
    put(out, "\n{} more series, which lose less: --json has them all\n",
        report.series.size() - shown.size());
  }
  if (!report.lost.empty()) out += "\nBy name, the earliest:\n";
  for (const LostTrade& lost : report.lost) {
    put(out, "  {} {}\n    {}{}{}\n", to_string(catalog.series(lost.trade.series).key),
        name_of(lost.trade, catalog), words(lost.loss), lost.other ? " " : "",
        lost.other ? name_of(*lost.other, catalog) : "");
  }
  out += "\nAssumed:\n";
  for (const std::string_view assumed : old.assumed) put(out, "  - {}\n", assumed);
  return out;
}

std::string audit_json(const OldKeyReport& report, const market::Catalog& catalog) {
  const quality::OldDefinition& old = definition_of(report.pipeline);
  const Totals totals = totals_of(report);
  std::string out;
  {
    Object object(out);
    object.text("as", old.name);
    object.text("table", old.table);
    object.text("key", old.key);
    json_array(object.name("assumed"), old.assumed,
               [&](std::string_view text) { out += json_quote(text); });
    object.count("trades", totals.trades);
    object.count("repeats", totals.repeats);
    object.count("rows", totals.rows);
    object.count("lost", totals.lost);
    object.share("lost_share", share(totals.lost, totals.trades));
    json_array(object.name("series"), report.series,
               [&](const OldSeries& series) { json_series(out, series); });
    json_array(object.name("named"), report.lost, [&](const LostTrade& lost) {
      Object one(out);
      one.text("loss", to_string(lost.loss));
      json_trade(one.name("trade"), lost.trade, catalog);
      if (lost.other) json_trade(one.name("other"), *lost.other, catalog);
    });
  }
  return out + "\n";
}

}  // namespace tapedeck::app
