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
