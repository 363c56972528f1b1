#include "quality/old_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "base/interval_set.hpp"
#include "market/calendar.hpp"

namespace tapedeck::quality {
namespace {

using market::Decimal;
using market::DecimalSum;
using market::OrderKey;
using market::Trade;

constexpr Duration kMinute = minutes(1);
constexpr Duration kHour = hours(1);
constexpr Duration kAverageWindow = seconds(15);
constexpr Duration kTrigger = seconds(5);  // s5
constexpr std::string_view kHourZone = "America/New_York";

constexpr std::string_view kOneSymbol = "each series has a symbol of its own";
constexpr std::string_view kWriteOrder =
    "rows are written one by one, in the order in which the files give the trades; the later of "
    "two with one key stays";
constexpr std::string_view kAverageRun =
    "running_averages_15_sec is read at the end of each 15 s of ts_event, in a query that has run "
    "since the first trade without a break";

constexpr std::array<std::string_view, 4> kAssumedS1{
    "the vendor's bars are made of all these trades; an hour is labelled by its start on New "
    "York's clocks",
    "of two hours with one label, when the clocks go back, the later one stays",
    "the last date that there is is chosen as the end; rows are shown in the order of time",
    kOneSymbol};
constexpr std::array<std::string_view, 4> kAssumedS2{
    kWriteOrder, kAverageRun,
    "ingest_timestamp is when a batch began, and its length depends on the machine: here every "
    "trade is in a batch of its own, at ts_recv, which is the least that can go wrong",
    kOneSymbol};
constexpr std::array<std::string_view, 3> kAssumedS3{
    "every message is stored once; a batch that is run again stores all of its rows again, under "
    "new ids",
    "the row's time is ts_event, exactly; rows of one time come in any order", kOneSymbol};
constexpr std::array<std::string_view, 3> kAssumedS4{
    "the table is as its README wants it, but with the ticker as id: as committed the query does "
    "not start, and a ticker is no uuid",
    kWriteOrder, kOneSymbol};
constexpr std::array<std::string_view, 4> kAssumedS5{
    kWriteOrder, kAverageRun,
    "ingest_timestamp is ts_recv rounded up to the 5 s trigger: no batch takes longer, none holds "
    "more than the 1000 messages that it may",
    kOneSymbol};

constexpr std::string_view kSymbolAndTime = "PRIMARY KEY ((symbol), trade_timestamp), in ms";
constexpr std::array<OldDefinition, 5> kDefinitions{
    {{"s1", "financial_data.stock_<symbol>", "id = md5(symbol_timestamp) of bars of an hour",
      kAssumedS1},
     {"s2", "market.trades", kSymbolAndTime, kAssumedS2},
     {"s3", "spark_streams.created_users", "id = a new uuid for each row", kAssumedS3},
     {"s4", "streams.yahoofinance", "id = the ticker", kAssumedS4},
     {"s5", "market.trades", kSymbolAndTime, kAssumedS5}}};

struct BuiltBar {
  OldBar bar;
  OrderKey open_key;
  OrderKey close_key;

  void add(const Trade& trade, const OrderKey& key) {
    if (!bar.open || key < open_key) {
      bar.open = trade.price;
      open_key = key;
    }
    if (!bar.close || close_key < key) {
      bar.close = trade.price;
      close_key = key;
    }
    if (!bar.high || *bar.high < trade.price) bar.high = trade.price;
    if (!bar.low || trade.price < *bar.low) bar.low = trade.price;
    bar.volume.add(trade.size);
    bar.notional.add_product(trade.price, trade.size);
  }
};

struct Hour {
  BuiltBar built;
  std::uint64_t trades = 0;
  std::vector<Trade> first;  // some of the earliest, for their names
};

// Two trades of one instant with two prices: the price at that end of a bar is not known.
struct End {
  Trade trade;
  std::optional<Trade> other;

  void see(const Trade& seen, bool further) {
    if (further) {
      *this = {seen, std::nullopt};
    } else if (seen.ts_event == trade.ts_event && !other && seen.price != trade.price) {
      other = seen;
    }
  }
};
struct Ends {
  End first, last;
  DecimalSum volume_repeated, notional_repeated;
};

struct Pane {
  std::uint64_t trades = 0;
  DecimalSum notional;
};

// Keeps `trades` the earliest, equal ones in the order in which they came.
void keep_earliest(std::vector<Trade>& trades, const Trade& trade) {
  const auto place =
      std::upper_bound(trades.begin(), trades.end(), trade,
                       [](const Trade& a, const Trade& b) { return a.ts_event < b.ts_event; });
  trades.insert(place, trade);
  if (trades.size() > OldKeyAudit::kNamedMax) trades.pop_back();
}

// `old`: as the table makes it; nothing: it cannot. Counts what differs.
void compare(Timestamp ts_open, const OldBar& truth, const std::optional<OldBar>& old,
             BarFaults& faults) {
  ++faults.bars;
  double missing = truth.notional.to_double();
  if (old) {
    const bool volume = !(truth.volume == old->volume);
    const bool open = truth.open != old->open;
    const bool high = truth.high != old->high;
    const bool low = truth.low != old->low;
    const bool close = truth.close != old->close;
    faults.volume += volume;
    faults.open += open;
    faults.high += high;
    faults.low += low;
    faults.close += close;
    if (!volume && !open && !high && !low && !close) return;
    missing = std::abs(missing - old->notional.to_double());
  } else {
    ++faults.absent;
  }
  ++faults.misstated;
  if (faults.worst) {
    const BarFault& worst = *faults.worst;
    const double most =
        worst.old ? std::abs(worst.truth.notional.to_double() - worst.old->notional.to_double())
                  : worst.truth.notional.to_double();
    if (missing <= most) return;
  }
  faults.worst = BarFault{ts_open, truth, old};
}

// How far `shown` is off, as a share of the truth.
double share_off(double truth, double shown) {
  if (shown == truth) return 0;
  return truth == 0 ? std::numeric_limits<double>::infinity()
                    : std::abs(shown - truth) / std::abs(truth);
}

AverageFaults average_faults(const std::map<Timestamp, Pane>& panes) {
  AverageFaults faults;
  Pane since_start;
  double worst_off = 0;
  for (const auto& [ts_open, pane] : panes) {
    since_start.trades += pane.trades;
    since_start.notional.add(pane.notional);
    faults.last = {ts_open, pane.notional.to_double() / static_cast<double>(pane.trades),
                   since_start.notional.to_double() / static_cast<double>(since_start.trades)};
    ++faults.windows;
    const double off = share_off(faults.last.truth, faults.last.shown);
    if (off > 0.01) ++faults.off_percent;
    if (off > 0.5) ++faults.off_half;
    if (off > worst_off && std::isfinite(off)) {
      worst_off = off;
      faults.worst = faults.last;
    }
  }
  return faults;
}

// A name that CQL takes without quotes.
bool can_name_a_table(std::string_view symbol) {
  return !symbol.empty() && std::all_of(symbol.begin(), symbol.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Timestamp round_up(Timestamp t, Duration step) {
  const Timestamp floor = floor_to(t, step);
  return floor == t ? t : floor + step;
}

}  // namespace

struct OldKeyAudit::SeriesState {
  const market::Series* series = nullptr;
  OldSeries result{};
  std::map<Timestamp, BuiltBar> minutes{};
  std::unordered_map<std::int64_t, Trade> rows{};  // s2, s4, s5: by key
  std::map<Timestamp, Hour> hours{};               // s1
  std::map<Timestamp, Ends> ends{};                // s3: of each minute
  DecimalSum prices{};                             // s4
  std::map<Timestamp, Pane> panes{};               // s2, s5
  IngestFaults ingest{};                           // s2, s5
  IntervalSet ticks{};                             // s5: triggers that found a trade
};

Result<OldPipeline> parse_old_pipeline(std::string_view text) {
  for (std::size_t i = 0; i < kDefinitions.size(); ++i) {
    if (kDefinitions[i].name == text) return static_cast<OldPipeline>(i);
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is no older pipeline: use s1, s2, s3, s4 or s5", text));
}

const OldDefinition& definition_of(OldPipeline pipeline) {
  return kDefinitions.at(static_cast<std::size_t>(pipeline));
}

std::string_view to_string(Loss loss) {
  switch (loss) {
    case Loss::kOverwritten:
      return "overwritten";
    case Loss::kBarOverwritten:
      return "bar_overwritten";
    case Loss::kNoTable:
      return "no_table";
    case Loss::kHidden:
      return "hidden";
    case Loss::kOrderUnknown:
      return "order_unknown";
  }
  return "";
}

OldKeyAudit::OldKeyAudit(const market::Catalog& catalog, OldPipeline pipeline)
    : catalog_(catalog), pipeline_(pipeline) {}
OldKeyAudit::~OldKeyAudit() = default;

void OldKeyAudit::add(const Trade& trade) {
  SeriesState& state = state_of(trade.series);
  OldSeries& result = state.result;
  const market::Origin& origin = catalog_.origin(trade.identity.origin);
  const OrderKey key = order_key(trade, *state.series, origin);
  ++result.trades;
  result.volume.add(trade.size);
  result.notional.add_product(trade.price, trade.size);
  const Timestamp minute = floor_to(trade.ts_event, kMinute);
  state.minutes[minute].add(trade, key);

  const auto write = [&](std::int64_t row_key) {
    const auto [row, added] = state.rows.try_emplace(row_key, trade);
    if (added) return;
    ++result.lost;
    result.volume_lost.add(row->second.size);
    result.notional_lost.add_product(row->second.price, row->second.size);
    name({Loss::kOverwritten, row->second, trade});
    row->second = trade;
  };
  switch (pipeline_) {
    case OldPipeline::kS1: {
      Hour& hour = state.hours[floor_to(trade.ts_event, kHour)];
      hour.built.add(trade, key);
      ++hour.trades;
      keep_earliest(hour.first, trade);
      break;
    }
    case OldPipeline::kS2:
    case OldPipeline::kS5: {
      write(floor_to(trade.ts_event, milliseconds(1)).ns);
      Pane& pane = state.panes[floor_to(trade.ts_event, kAverageWindow)];
      ++pane.trades;
      pane.notional.add_product(trade.price, trade.size);
      const bool is_s5 = pipeline_ == OldPipeline::kS5;
      const Timestamp ingest = is_s5 ? round_up(trade.ts_recv, kTrigger) : trade.ts_recv;
      if (is_s5) state.ticks.insert(static_cast<std::uint64_t>(ingest.ns / kTrigger.ns));
      state.ingest.without_recv += origin.recv_assumed;
      state.ingest.other_minute += floor_to(ingest, kMinute) != minute;
      break;
    }
    case OldPipeline::kS3: {
      const auto [entry, added] = state.ends.try_emplace(minute);
      Ends& ends = entry->second;
      ends.first.see(trade, added || trade.ts_event < ends.first.trade.ts_event);
      ends.last.see(trade, added || ends.last.trade.ts_event < trade.ts_event);
      break;
    }
    case OldPipeline::kS4:
      write(0);
      state.prices.add(trade.price);
      break;
  }
}

void OldKeyAudit::add_repeat(const Trade& trade) {
  SeriesState& state = state_of(trade.series);
  ++state.result.repeats;
  if (pipeline_ != OldPipeline::kS3) return;  // it takes the row that it has
  state.result.volume_repeated.add(trade.size);
  const auto ends = state.ends.find(floor_to(trade.ts_event, kMinute));
  if (ends == state.ends.end()) return;  // a source that gives one identity two times
  ends->second.volume_repeated.add(trade.size);
  ends->second.notional_repeated.add_product(trade.price, trade.size);
}

Result<OldKeyReport> OldKeyAudit::finish() {
  OldKeyReport report{.pipeline = pipeline_, .series = {}, .lost = {}};
  for (const auto& entry : series_) {
    if (!entry) continue;
    SeriesState& state = *entry;
    OldSeries& result = state.result;
    result.series = state.series->key;
    switch (pipeline_) {
      case OldPipeline::kS1:
        TD_TRY(finish_hours(state));
        break;
      case OldPipeline::kS3:
        result.rows = result.trades + result.repeats;
        break;
      case OldPipeline::kS4:
        result.rows = state.rows.size();
        result.volume_lost = result.volume;  // its messages have no size
        result.notional_lost = result.notional;
        result.cumulative = CumulativeAverage{
            .shown = state.prices.to_double() / static_cast<double>(result.trades),
            .vwap = result.notional.to_double() / result.volume.to_double(),
            .last = state.rows.at(0).price};
        break;
      case OldPipeline::kS2:
      case OldPipeline::kS5:
        result.rows = state.rows.size();
        result.averages = average_faults(state.panes);
        if (pipeline_ == OldPipeline::kS5)
          state.ticks.for_each(
              [&](const auto& run) { state.ingest.average_rows += run.last - run.first + 1; });
        result.ingest = state.ingest;
        break;
    }
    compare_bars(state);
    if (result.volume.overflowed() || result.notional.overflowed() ||
        result.volume_repeated.overflowed() || state.prices.overflowed()) {
      return fail(ErrorCode::kOverflow,
                  fmt::format("the volume of {} does not fit 128 bits: audit fewer files at once",
                              to_string(result.series)));
    }
    report.series.push_back(std::move(result));
  }
  std::sort(report.series.begin(), report.series.end(),
            [](const OldSeries& a, const OldSeries& b) { return a.series < b.series; });
  report.lost = std::move(named_);
  return report;
}

OldKeyAudit::SeriesState& OldKeyAudit::state_of(SeriesId id) {
  if (series_.size() <= id.value) series_.resize(id.value + 1);
  auto& slot = series_[id.value];
  if (!slot) {
    slot = std::make_unique<SeriesState>();
    slot->series = &catalog_.series(id);
  }
  return *slot;
}

// Keeps the earliest, equal ones in the order in which they are named.
void OldKeyAudit::name(LostTrade lost) {
  const auto earlier = [&](const LostTrade& a, const LostTrade& b) {
    if (a.trade.ts_event != b.trade.ts_event) return a.trade.ts_event < b.trade.ts_event;
    return a.trade.series != b.trade.series &&
           catalog_.series(a.trade.series).key < catalog_.series(b.trade.series).key;
  };
  if (named_.size() == kNamedMax && !earlier(lost, named_.back())) return;
  named_.insert(std::upper_bound(named_.begin(), named_.end(), lost, earlier), lost);
  if (named_.size() > kNamedMax) named_.pop_back();
}

void OldKeyAudit::compare_bars(SeriesState& state) {
  BarFaults& faults = state.result.bars;
  if (pipeline_ == OldPipeline::kS1 || pipeline_ == OldPipeline::kS4) {
    for (const auto& [ts_open, built] : state.minutes) {
      compare(ts_open, built.bar, std::nullopt, faults);
    }
    return;
  }
  if (pipeline_ == OldPipeline::kS3) {
    for (const auto& [ts_open, built] : state.minutes) {
      const Ends& ends = state.ends.at(ts_open);
      OldBar old = built.bar;
      old.volume.add(ends.volume_repeated);
      old.notional.add(ends.notional_repeated);
      if (ends.first.other) {
        old.open.reset();
        name({Loss::kOrderUnknown, ends.first.trade, ends.first.other});
      }
      if (ends.last.other) {
        old.close.reset();
        if (ends.last.trade != ends.first.trade) {
          name({Loss::kOrderUnknown, ends.last.trade, ends.last.other});
        }
      }
      compare(ts_open, built.bar, old, faults);
    }
    return;
  }
  std::vector<std::pair<std::int64_t, const Trade*>> rows;
  rows.reserve(state.rows.size());
  for (const auto& [key, trade] : state.rows) rows.emplace_back(key, &trade);
  std::sort(rows.begin(), rows.end());
  auto row = rows.begin();
  // Every minute with a trade has a row, for a row's time is its trade's but for the part of a ms.
  for (const auto& [ts_open, built] : state.minutes) {
    BuiltBar old;
    for (; row != rows.end() && row->first < (ts_open + kMinute).ns; ++row) {
      old.add(*row->second, OrderKey{.ts_event = Timestamp{row->first}});
    }
    compare(ts_open, built.bar, old.bar, faults);
  }
}

Status OldKeyAudit::finish_hours(SeriesState& state) {
  OldSeries& result = state.result;
  HourFaults faults;
  const bool has_table = can_name_a_table(state.series->key.instrument);
  std::map<Timestamp, const Hour*> table;  // by New York's clocks
  const auto lose = [&](const Hour& hour, Loss loss, const std::optional<Trade>& other) {
    result.lost += hour.trades;
    result.volume_lost.add(hour.built.bar.volume);
    result.notional_lost.add(hour.built.bar.notional);
    for (const Trade& trade : hour.first) name({loss, trade, other});
  };
  for (const auto& [ts_open, hour] : state.hours) {
    ++faults.hours;
    if (!has_table) {
      lose(hour, Loss::kNoTable, std::nullopt);
      continue;
    }
    TD_ASSIGN(const Duration offset, market::utc_offset(kHourZone, ts_open));
    const auto [row, added] = table.try_emplace(ts_open + offset, &hour);
    if (added) continue;
    ++faults.overwritten;
    lose(*row->second, Loss::kBarOverwritten, hour.first.front());
    row->second = &hour;
  }
  result.rows = table.size();
  if (!table.empty()) {
    const Timestamp midnight = floor_to(table.rbegin()->first, hours(24));
    faults.last_date = to_iso(midnight).substr(0, 10);
    for (auto it = table.upper_bound(midnight); it != table.end(); ++it) {
      ++faults.hidden_bars;
      faults.hidden_trades += it->second->trades;
      for (const Trade& trade : it->second->first) {
        name({Loss::kHidden, trade, std::nullopt});
      }
    }
    const auto change = [](const Decimal& close, const Decimal& open) {
      DecimalSum sum;
      sum.add(close);
      sum.add(Decimal{-open.mantissa, open.scale});
      return sum;
    };
    const OldBar& last = table.rbegin()->second->built.bar;
    faults.change_shown = change(*last.close, *last.open);
    faults.change = change(*last.close, *table.lower_bound(midnight)->second->built.bar.open);
  }
  result.hours = faults;
  return {};
}

}  // namespace tapedeck::quality
