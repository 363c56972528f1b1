#include "pipeline/live_table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tapedeck::pipeline {

LiveTable::LiveTable(std::vector<market::BarSpec> specs, std::function<void()> on_change,
                     ReadStored read_stored)
    : specs_(std::move(specs)),
      on_change_(std::move(on_change)),
      read_stored_(std::move(read_stored)) {}

void LiveTable::KeptBars::drop_old() {
  while (bars.size() > Live::kBarsKept) {
    gone = std::max(gone, bars.begin()->second.offset);
    bars.erase(bars.begin());
  }
}

void LiveTable::publish(std::span<const store::BarResult> results, Offset applied) {
  {
    std::lock_guard lock(mutex_);
    for (const auto& [row, state] : results) {
      KeptBars& kept = bars_[{row.series, row.spec}];
      kept.bars.insert_or_assign(row.bar.ts_open, row.bar);
      kept.drop_old();
    }
    applied_ = std::max(applied_, applied);
  }
  if (!results.empty() && on_change_) on_change_();
}

void LiveTable::publish_trades(std::span<const market::Trade> trades, Offset first) {
  std::lock_guard lock(mutex_);
  for (const market::Trade& trade : trades) {
    if (trade.series.value >= trades_.size()) trades_.resize(trade.series.value + 1);
    SeriesTrades& of_series = trades_[trade.series.value];
    if (of_series.kept.size() == Live::kTradesKept) {
      of_series.gone = of_series.kept.front().offset;
      of_series.kept.pop_front();
    }
    of_series.kept.push_back({trade, first});
    ++first;
  }
}

LiveTable::Trades LiveTable::trades_since(SeriesId series, Offset since) const {
  std::lock_guard lock(mutex_);
  Trades found{.applied = applied_, .trades = {}, .limited = false};
  if (series.value >= trades_.size()) return found;
  const SeriesTrades& of_series = trades_[series.value];
  found.limited = of_series.gone && *of_series.gone >= since;
  for (const KeptTrade& kept : of_series.kept) {
    // Those of a batch that is still being applied come with the next question.
    if (kept.offset >= since && kept.offset < applied_) found.trades.push_back(kept);
  }
  return found;
}

Offset LiveTable::last_since(Offset since,
                             const std::function<bool(const market::Trade&)>& may_count,
                             const std::function<void(const market::Trade&, Offset)>& visit) const {
  std::lock_guard lock(mutex_);
  for (const SeriesTrades& of_series : trades_) {
    if (of_series.kept.empty() || of_series.kept.back().offset < since) continue;
    const KeptTrade* newest = nullptr;  // by its own time: a late one changes nothing
    for (auto kept = of_series.kept.rbegin(); kept != of_series.kept.rend(); ++kept) {
      if (kept->offset >= applied_) continue;
      const bool is_newer = newest == nullptr || kept->trade.ts_event > newest->trade.ts_event;
      if (is_newer && may_count(kept->trade)) newest = &*kept;
    }
    if (newest != nullptr) visit(newest->trade, newest->offset);
  }
  return applied_;
}

Result<LiveTable::Bars> LiveTable::bars_since(const market::SeriesKey& series,
                                              const market::BarSpec& spec, Offset since) const {
  TD_TRY(check(spec));
  TD_TRY(read_stored(series, spec));
  std::lock_guard lock(mutex_);
  Bars found{.applied = applied_, .bars = {}, .gone = {}};
  const auto kept = bars_.find({series, spec});
  if (kept == bars_.end()) return found;
  found.gone = kept->second.gone;
  for (const auto& [ts_open, bar] : kept->second.bars) {
    if (bar.offset > since) found.bars.push_back(bar);
  }
  return found;
}

Status LiveTable::read_stored(const market::SeriesKey& series, const market::BarSpec& spec) const {
  if (!read_stored_) return {};
  {
    std::lock_guard lock(mutex_);
    const auto kept = bars_.find({series, spec});
    if (kept != bars_.end() && kept->second.stored_are_read) return {};
  }
  TD_ASSIGN(const auto stored, read_stored_(series, spec, Live::kBarsKept));
  std::lock_guard lock(mutex_);
  KeptBars& kept = bars_[{series, spec}];
  kept.stored_are_read = true;
  // What is here already is newer. Of older ones only this is known: when they changed at last.
  for (const market::Bar& bar : stored) kept.bars.try_emplace(bar.ts_open, bar);
  if (stored.size() == Live::kBarsKept) kept.gone = applied_;
  kept.drop_old();
  return {};
}

Offset LiveTable::applied() const {
  std::lock_guard lock(mutex_);
  return applied_;
}

Status LiveTable::check(const market::BarSpec& spec) const {
  if (std::ranges::find(specs_, spec) != specs_.end()) return {};
  std::string kept;
  for (const market::BarSpec& s : specs_) {
    kept += fmt::format("{}{} {} {}", kept.empty() ? "" : ", ", to_string(s.interval),
                        to_string(s.conditions), to_string(s.session));
  }
  return fail(
      ErrorCode::kNotFound,
      fmt::format("no bars of {} {} {} are kept here; there are: {}", to_string(spec.interval),
                  to_string(spec.conditions), to_string(spec.session), kept));
}

}  // namespace tapedeck::pipeline
