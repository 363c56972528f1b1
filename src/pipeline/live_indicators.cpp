#include "pipeline/live_indicators.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "pipeline/indicator_columns.hpp"
#include "pipeline/trade_history.hpp"

namespace tapedeck::pipeline {
namespace {

std::unexpected<Error> not_yet() {
  return fail(ErrorCode::kBusy, "the bars before are being counted: ask again");
}

}  // namespace

LiveIndicators::LiveIndicators(const Pipeline& pipeline, std::function<void()> on_counted)
    : pipeline_(pipeline), on_counted_(std::move(on_counted)), thread_([this] { count_on(); }) {}

LiveIndicators::~LiveIndicators() {
  {
    std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Result<BarPage> LiveIndicators::bars_since(const market::SeriesKey& series,
                                           const market::BarSpec& spec, Offset since,
                                           std::span<const std::string> indicators) {
  const Key key{series, spec, {indicators.begin(), indicators.end()}};
  std::lock_guard lock(mutex_);
  auto found = places_.find(key);
  if (found == places_.end()) {
    TD_TRY(make(key));
    if (places_.size() == kSetsMax) {
      places_.erase(std::ranges::min_element(places_, {},
                                             [](const auto& place) { return place.second.used; }));
    }
    found = places_.try_emplace(key).first;
  }
  Place& place = found->second;
  place.used = ++uses_;
  if (!place.set) {
    if (auto failed = std::exchange(place.failed, std::nullopt)) {
      return std::unexpected(*std::move(failed));
    }
    want(key, place);
    return not_yet();
  }
  if (const Status updated = update(key, *place.set); !updated) {
    if (updated.error().code != ErrorCode::kBusy) {
      place.set.reset();
      want(key, place);
    }
    return not_yet();
  }
  return page_of(*place.set, since);
}

BarPage LiveIndicators::page_of(const Set& set, Offset since) {
  BarPage page;
  page.offset = set.applied;
  page.indicator_anchor = set.anchor;
  for (const std::string& column : set.columns) page.indicators.push_back({column, {}});
  for (const auto& [ts_open, row] : set.rows) {
    if (row.changed <= since) continue;
    page.bars.push_back(row.bar);
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      page.indicators[i].values.push_back(row.values[i]);
    }
  }
  // With as many changes as are kept, older bars may have changed too.
  page.limited = page.bars.size() >= Live::kBarsKept;
  return page;
}

Result<std::vector<indicators::Indicator>> LiveIndicators::make(const Key& key) const {
  const auto& [series, spec, texts] = key;
  const market::Catalog& catalog = pipeline_.catalog();
  TD_ASSIGN(const SeriesId id, find_series(catalog, series));
  TD_ASSIGN(const auto* const calendar, market::find_calendar(catalog.series(id).calendar));
  return make_indicators(texts, calendar);
}

void LiveIndicators::want(const Key& key, Place& place) {
  if (std::exchange(place.is_wanted, true)) return;
  wanted_.push_back(key);
  changed_.notify_all();
}

void LiveIndicators::count_on() {
  pthread_setname_np(pthread_self(), "indicators");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_over_ || !wanted_.empty(); });
    if (is_over_) return;
    const Key key = std::move(wanted_.front());
    wanted_.pop_front();
    lock.unlock();
    auto set = count(key);
    lock.lock();
    const auto place = places_.find(key);
    if (place == places_.end()) continue;
    place->second.is_wanted = false;
    if (set) {
      place->second.set = *std::move(set);
    } else if (set.error().code == ErrorCode::kBusy) {
      continue;  // whoever asks next has it counted again
    } else {
      place->second.failed = std::move(set.error());
    }
    lock.unlock();
    on_counted_();
    lock.lock();
  }
}

Result<LiveIndicators::Set> LiveIndicators::count(const Key& key) const {
  const auto& [series, spec, texts] = key;
  Set set;
  TD_ASSIGN(auto made, make(key));
  for (indicators::Indicator& indicator : made) {
    std::ranges::move(column_names(indicator), std::back_inserter(set.columns));
    set.indicators.emplace_back(std::move(indicator));
  }
  TD_ASSIGN(const LiveTable::Bars live, pipeline_.live().bars_since(series, spec, Offset()));
  if (pipeline_.stored() < live.gone) return not_yet();
  store::BarQuery before{
      .series = series, .spec = spec, .limit = kIndicatorBarsMax - live.bars.size()};
  if (!live.bars.empty()) before.end = live.bars.front().ts_open;
  TD_ASSIGN(auto bars, pipeline_.store().bars(before));
  bars.insert(bars.end(), live.bars.begin(), live.bars.end());
  TD_TRY(take(key, set, bars, live.applied, {}));
  return set;
}

Status LiveIndicators::update(const Key& key, Set& set) const {
  const auto& [series, spec, texts] = key;
  const Offset stored = pipeline_.stored();
  TD_ASSIGN(const LiveTable::Bars live, pipeline_.live().bars_since(series, spec, set.applied));
  if (live.gone > set.applied) {
    return fail(ErrorCode::kUnavailable, "bars that are not kept have changed");
  }
  return take(key, set, live.bars, live.applied, stored);
}

Status LiveIndicators::take(const Key& key, Set& set, std::span<const market::Bar> changed,
                            Offset applied, Offset stored_to) const {
  const auto& [series, spec, texts] = key;
  const Offset before = set.applied;
  if (!changed.empty()) {
    set.anchor = std::min(set.anchor.value_or(changed.front().ts_open), changed.front().ts_open);
  }
  for (const market::Bar& bar : changed.last(std::min(changed.size(), Live::kBarsKept))) {
    Row& row = set.rows[bar.ts_open];
    row.bar = bar;
    row.values.resize(set.columns.size());
    row.changed = applied;
  }
  // Of bars that are corrected those after it are read again, and a few before it.
  const auto read = [&](Timestamp from, const indicators::VisitBar& visit) -> Status {
    from = std::max(from, *set.anchor);
    const Timestamp kept_from = set.rows.begin()->first;
    if (from < kept_from) {
      if (stored_to < before) return not_yet();
      TD_ASSIGN(const auto stored, pipeline_.store().bars({.series = series,
                                                           .spec = spec,
                                                           .start = from,
                                                           .end = kept_from,
                                                           .limit = kIndicatorBarsMax}));
      std::ranges::for_each(stored, visit);
    }
    for (auto row = set.rows.lower_bound(from); row != set.rows.end(); ++row) {
      visit(row->second.bar);
    }
    return {};
  };
  std::size_t column = 0;
  for (indicators::IndicatorSeries& indicator : set.indicators) {
    const std::size_t outputs = indicator.indicator().outputs().size();
    const auto say = [&](Timestamp ts_open, const indicators::Values& values) {
      const auto row = set.rows.find(ts_open);
      if (row == set.rows.end()) return;
      for (std::size_t i = 0; i < outputs; ++i) {
        auto text = values[i] ? std::optional(indicators::to_string(*values[i])) : std::nullopt;
        auto& shown = row->second.values[column + i];
        if (shown == text) continue;
        shown = std::move(text);
        row->second.changed = applied;
      }
    };
    TD_TRY(indicator.update(changed, read, say));
    column += outputs;
  }
  while (set.rows.size() > Live::kBarsKept) set.rows.erase(set.rows.begin());
  set.applied = applied;
  return {};
}

}  // namespace tapedeck::pipeline
