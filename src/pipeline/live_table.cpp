#include "pipeline/live_table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tapedeck::pipeline {

LiveTable::LiveTable(std::vector<market::BarSpec> specs, std::function<void()> on_change)
    : specs_(std::move(specs)), on_change_(std::move(on_change)) {}

void LiveTable::publish(std::span<const store::BarResult> results, Offset applied) {
  {
    std::lock_guard lock(mutex_);
    for (const auto& [row, state] : results) {
      Bars& bars = bars_[{row.series, row.spec}];
      bars.insert_or_assign(row.bar.ts_open, row.bar);
      if (bars.size() > Live::kBarsKept) bars.erase(bars.begin());
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

Result<BarPage> LiveTable::bars_since(const market::SeriesKey& series, const market::BarSpec& spec,
                                      Offset since) const {
  TD_TRY(check(spec));
  std::lock_guard lock(mutex_);
  BarPage page{.run = 0, .offset = applied_, .bars = {}};
  const auto found = bars_.find({series, spec});
  if (found == bars_.end()) return page;
  for (const auto& [ts_open, bar] : found->second) {
    if (bar.offset > since) page.bars.push_back(bar);
  }
  return page;
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
