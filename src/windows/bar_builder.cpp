#include "windows/bar_builder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace tapedeck::windows {

using market::Bar;
using market::ConditionMode;
using market::OrderKey;
using market::SessionMode;
using market::Trade;
using market::TradeEffect;
using market::TradeSession;

struct BarBuilder::BuiltBar {
  Bar bar;
  OrderKey open_key;   // of the trade that set bar.open
  OrderKey close_key;  // of the one that set bar.close
  bool changed = false;
  bool revised = false;  // changed after it was final
};

struct BarBuilder::SeriesBars {
  SeriesId id;
  const market::Series* series = nullptr;
  const market::ConditionTable* table = nullptr;  // null: every trade is eligible
  const market::Calendar* calendar = nullptr;
  market::TradingDay day;  // of the last trade
  Watermark watermark;
  std::map<Timestamp, BuiltBar> bars;  // by ts_open
  Timestamp first_open{};              // no bar that opens before it is open still
  std::optional<Timestamp> gone_before;

  explicit SeriesBars(Duration lateness) : watermark(lateness) {}
};

BarBuilder::BarBuilder(const market::Catalog& catalog, const market::ConditionTables& tables,
                       BarBuilderOptions options)
    : catalog_(catalog), tables_(tables), options_(options) {}
BarBuilder::~BarBuilder() = default;
BarBuilder::BarBuilder(BarBuilder&&) noexcept = default;

Status BarBuilder::add(const Trade& trade, Offset offset) {
  TD_ASSIGN(SeriesBars * found, bars_of(trade.series));
  SeriesBars& bars = *found;
  const market::Origin& origin = origin_of(trade.identity.origin);

  if (!bars.day.contains(trade.ts_event)) bars.day = bars.calendar->day_of(trade.ts_event);
  const TradeSession by_clock = bars.day.session_of(trade.ts_event);
  TradeEffect effect{.session = by_clock};
  if (bars.table != nullptr) {
    effect = market::effect_of(*bars.table, trade.conditions, by_clock);
    if (options_.spec.conditions == ConditionMode::kAll) {
      effect.open_close = effect.high_low = effect.volume = true;
    }
  }
  const bool in_session =
      options_.spec.session == SessionMode::kExtended || effect.session == TradeSession::kRegular;
  if (in_session) {
    const Timestamp ts_open = floor_to(trade.ts_event, options_.spec.interval);
    if (bars.gone_before && ts_open < *bars.gone_before) {
      ++late_;
      ++not_applied_;
    } else {
      const auto [entry, added] = bars.bars.try_emplace(ts_open);
      BuiltBar& built = entry->second;
      if (added) {
        built.bar.ts_open = ts_open;
        // It was final already, as a bar without trades.
        built.bar.is_final = bars.watermark.has_passed(ts_open + options_.spec.interval);
        if (!built.bar.is_final) bars.first_open = std::min(bars.first_open, ts_open);
      }
      apply(built, trade, order_key(trade, *bars.series, origin), effect);
      if (built.bar.volume.overflowed() || built.bar.notional.overflowed()) {
        return fail(ErrorCode::kOverflow,
                    fmt::format("the volume of {} in the bar at {} does not fit 128 bits",
                                to_string(bars.series->key), to_iso(ts_open)));
      }
      built.bar.offset = std::max(built.bar.offset, offset + 1);
      if (built.bar.is_final) {
        ++late_;
        built.revised = true;
      }
      touch(bars, built);
    }
  }
  bars.watermark.observe(trade.ts_event, trade.ts_recv, origin.recv_assumed);
  close_passed(bars, offset);
  return {};
}

void BarBuilder::add(const market::FeedMark& mark, Offset offset) {
  for (const auto& bars : series_) {
    if (!bars) continue;
    if (mark.state == market::FeedState::kEnded) {
      bars->watermark.observe_end();
    } else {
      bars->watermark.observe_mark(mark.ts_recv);
    }
    close_passed(*bars, offset);
  }
}

std::vector<BarChange> BarBuilder::take_changes() {
  std::vector<BarChange> changes;
  changes.reserve(changed_.size());
  for (const auto& [bars, ts_open] : changed_) {
    BuiltBar& built = bars->bars.at(ts_open);
    if (built.revised) ++built.bar.revision;
    built.changed = built.revised = false;
    changes.push_back({bars->id, built.bar});
  }
  changed_.clear();
  if (options_.bars_kept_max > 0) {
    for (const auto& bars : series_) {
      while (bars && bars->bars.size() > options_.bars_kept_max &&
             bars->bars.begin()->second.bar.is_final) {
        bars->gone_before = bars->bars.begin()->first + options_.spec.interval;
        bars->bars.erase(bars->bars.begin());
      }
    }
  }
  return changes;
}

Result<BarBuilder::SeriesBars*> BarBuilder::bars_of(SeriesId id) {
  if (series_.size() <= id.value) series_.resize(id.value + 1);
  auto& slot = series_[id.value];
  if (slot) return slot.get();
  auto bars = std::make_unique<SeriesBars>(options_.lateness);
  bars->id = id;
  bars->series = &catalog_.series(id);
  TD_ASSIGN(bars->calendar, market::find_calendar(bars->series->calendar));
  if (!bars->series->conditions.empty()) {
    const auto table = tables_.find(bars->series->conditions);
    if (table == tables_.end()) {
      return fail(ErrorCode::kNotFound,
                  fmt::format("series {} names the condition table '{}', which this release does "
                              "not have",
                              to_string(bars->series->key), bars->series->conditions));
    }
    bars->table = table->second;
  }
  slot = std::move(bars);
  return slot.get();
}

const market::Origin& BarBuilder::origin_of(OriginId id) {
  if (origins_.size() <= id.value) origins_.resize(id.value + 1);
  const market::Origin*& origin = origins_[id.value];
  if (origin == nullptr) origin = &catalog_.origin(id);
  return *origin;
}

void BarBuilder::apply(BuiltBar& built, const Trade& trade, const OrderKey& key,
                       const TradeEffect& effect) {
  Bar& bar = built.bar;
  if (effect.open_close) {
    if (!bar.open || key < built.open_key) {
      bar.open = trade.price;
      built.open_key = key;
    }
    if (!bar.close || built.close_key < key) {
      bar.close = trade.price;
      built.close_key = key;
    }
  }
  if (effect.high_low) {
    if (!bar.high || *bar.high < trade.price) bar.high = trade.price;
    if (!bar.low || trade.price < *bar.low) bar.low = trade.price;
  }
  if (effect.volume) {
    bar.volume.add(trade.size);
    bar.notional.add_product(trade.price, trade.size);
    ++bar.trades;
  } else {
    ++bar.excluded;
  }
}

void BarBuilder::touch(SeriesBars& bars, BuiltBar& built) {
  if (std::exchange(built.changed, true)) return;
  changed_.emplace_back(&bars, built.bar.ts_open);
}

void BarBuilder::close_passed(SeriesBars& bars, Offset offset) {
  for (auto it = bars.bars.lower_bound(bars.first_open); it != bars.bars.end(); ++it) {
    BuiltBar& built = it->second;
    if (built.bar.is_final) continue;
    if (!bars.watermark.has_passed(built.bar.ts_open + options_.spec.interval)) {
      bars.first_open = built.bar.ts_open;
      return;
    }
    built.bar.is_final = true;
    built.bar.offset = std::max(built.bar.offset, offset + 1);  // all before it are counted
    touch(bars, built);
  }
  if (!bars.bars.empty()) bars.first_open = bars.bars.rbegin()->first;
}

}  // namespace tapedeck::windows
