#include "pipeline/indicator_columns.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tapedeck::pipeline {

using indicators::Indicator;

Result<std::vector<Indicator>> make_indicators(std::span<const std::string> texts,
                                               const market::Calendar* calendar) {
  if (texts.size() > kIndicatorsMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} indicators are asked for: at most {} in one answer", texts.size(),
                            kIndicatorsMax));
  }
  std::vector<Indicator> made;
  for (const std::string& text : texts) {
    TD_ASSIGN(auto spec, indicators::parse_indicator(text));
    TD_ASSIGN(auto indicator, Indicator::make(std::move(spec), calendar));
    made.push_back(std::move(indicator));
  }
  return made;
}

std::vector<std::string> column_names(const Indicator& indicator) {
  std::vector<std::string> names;
  const auto outputs = indicator.outputs();
  const std::string name = to_string(indicator.spec());
  for (const std::string_view output : outputs) {
    names.push_back(outputs.size() == 1 ? name : fmt::format("{}.{}", name, output));
  }
  return names;
}

namespace {

void add_columns(BarPage& page, std::vector<Indicator>& indicators,
                 std::span<const market::Bar> bars) {
  const std::size_t before = bars.size() - page.bars.size();
  for (Indicator& indicator : indicators) {
    const std::size_t first = page.indicators.size();
    for (std::string& name : column_names(indicator)) {
      page.indicators.push_back({std::move(name), {}});
    }
    for (std::size_t i = 0; i < bars.size(); ++i) {
      const indicators::Values values = indicator.add(bars[i]);
      if (i < before) continue;
      for (std::size_t output = 0; output < indicator.outputs().size(); ++output) {
        const auto& value = values[output];
        page.indicators[first + output].values.push_back(
            value ? std::optional(indicators::to_string(*value)) : std::nullopt);
      }
    }
  }
  if (!bars.empty()) page.indicator_anchor = bars.front().ts_open;
}

}  // namespace

Result<BarPage> read_bars(const store::Store& store, const store::BarQuery& query,
                          std::span<const std::string> texts, const market::Calendar* calendar) {
  TD_ASSIGN(auto indicators, make_indicators(texts, calendar));
  BarPage page;
  if (indicators.empty()) {
    TD_ASSIGN(page.bars, store.bars(query));
    return page;
  }
  store::BarQuery all = query;
  all.start.reset();
  all.limit = std::max(query.limit, kIndicatorBarsMax);
  TD_ASSIGN(const auto bars, store.bars(all));
  auto from = query.start ? std::ranges::lower_bound(bars, *query.start, {}, &market::Bar::ts_open)
                          : bars.begin();
  const auto limit = static_cast<std::ptrdiff_t>(query.limit);
  if (bars.end() - from > limit) from = bars.end() - limit;
  page.bars.assign(from, bars.end());
  add_columns(page, indicators, bars);
  return page;
}

}  // namespace tapedeck::pipeline
