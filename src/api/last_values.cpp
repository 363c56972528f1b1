#include "api/last_values.hpp"

#include <algorithm>
#include <cstdlib>

#include "market/ratio.hpp"

namespace tapedeck::api {
namespace {

// Trading dates that are looked through for the last close.
constexpr int kDatesBackMax = 7;
constexpr Duration kLookEvery = seconds(1);  // of market time

market::Decimal negative(const market::Decimal& value) {
  return market::Decimal::make(-value.mantissa, value.scale);
}

}  // namespace

std::string_view to_string(Basis::Kind kind) {
  switch (kind) {
    case Basis::Kind::kPreviousClose:
      return "previous_close";
    case Basis::Kind::kSessionOpen:
      return "session_open";
    case Basis::Kind::kFirstPrice:
      return "first_price";
  }
  return "first_price";
}

std::string LastValue::change() const {
  if (!price || !basis) return {};
  market::DecimalSum change;
  change.add(*price);
  change.add(negative(basis->price));
  return change.to_string();
}

std::string LastValue::change_percent() const {
  if (!price || !basis) return {};
  const market::Decimal hundred = market::Decimal::make(100, 0);
  market::DecimalSum change, whole;
  change.add_product(*price, hundred);
  change.add_product(negative(basis->price), hundred);
  whole.add(basis->price);
  return market::ratio_text(change, whole);
}

LastValues::Page LastValues::since(Offset since) {
  const pipeline::Live::LastPage live = live_.last_since(since);
  Page page{.run = live.run, .offset = live.offset};
  std::map<market::SeriesKey, const pipeline::LastTrade*> found;
  for (const pipeline::LastTrade& trade : live.trades) found.emplace(trade.series, &trade);
  for (const market::Series& series : history_.instruments()) {
    const auto trade = found.find(series.key);
    if (trade != found.end()) {
      page.values.push_back({.series = series.key,
                             .price = trade->second->price,
                             .size = trade->second->size,
                             .ts_event = trade->second->ts_event,
                             .offset = trade->second->offset});
    } else if (since == Offset()) {
      page.values.push_back(stored(series).value_or(LastValue{.series = series.key}));
    } else {
      continue;
    }
    LastValue& value = page.values.back();
    if (value.ts_event) value.basis = basis_of(series, *value.ts_event, page.run);
  }
  return page;
}

std::optional<market::BarSpec> LastValues::best_bars(market::SessionMode session) const {
  std::optional<market::BarSpec> best;
  const auto from_a_minute = [](const market::BarSpec& spec) {
    return std::abs(spec.interval.ns - minutes(1).ns);
  };
  for (const market::BarSpec& spec : history_.bar_series()) {
    if (spec.session != session || spec.conditions != market::ConditionMode::kEligible ||
        spec.source == market::BarSource::kVendor || spec.slide != Duration{}) {
      continue;
    }
    if (!best || from_a_minute(spec) < from_a_minute(*best)) best = spec;
  }
  return best;
}

std::optional<LastValue> LastValues::stored(const market::Series& series) const {
  const auto spec = best_bars(market::SessionMode::kExtended);
  if (!spec) return std::nullopt;
  // The newest may hold trades that set no price.
  const auto page = history_.bars({.series = series.key, .spec = *spec, .limit = 100}, {});
  if (!page) return std::nullopt;
  for (auto bar = page->bars.rbegin(); bar != page->bars.rend(); ++bar) {
    if (!bar->close) continue;
    return LastValue{
        .series = series.key, .price = bar->close, .ts_event = bar->ts_open, .offset = bar->offset};
  }
  return std::nullopt;
}

std::optional<Basis> LastValues::basis_of(const market::Series& series, Timestamp at,
                                          std::uint64_t run) {
  const auto calendar = market::find_calendar(series.calendar);
  if (!calendar) return std::nullopt;
  std::lock_guard lock(mutex_);
  Known& known = known_[series.key];
  const bool is_that_date = known.run == run && known.from <= at && at < known.until;
  // A better one can only come while there is none of the session yet; it is not looked for with
  // every trade.
  const bool is_settled = known.basis && known.basis->kind != Basis::Kind::kFirstPrice;
  if (is_that_date && (is_settled || at - known.looked_at < kLookEvery)) return known.basis;
  const market::TradingDay day = (*calendar)->day_of(at);
  known = {.run = run,
           .from = day.from,
           .until = day.until,
           .looked_at = at,
           .basis = find_basis(series, **calendar, day)};
  return known.basis;
}

std::optional<Basis> LastValues::find_basis(const market::Series& series,
                                            const market::Calendar& calendar,
                                            const market::TradingDay& day) const {
  const auto read = [&](const market::BarSpec& spec, Timestamp start, Timestamp end) {
    auto page = history_.bars({.series = series.key, .spec = spec, .start = start, .end = end}, {});
    return page ? std::move(page->bars) : std::vector<market::Bar>();
  };
  const auto first_of = [](const std::vector<market::Bar>& bars,
                           Basis::Kind kind) -> std::optional<Basis> {
    const auto bar = std::ranges::find_if(bars, [](const auto& b) { return b.open.has_value(); });
    if (bar == bars.end()) return std::nullopt;
    return Basis{kind, *bar->open, bar->ts_open};
  };
  const auto regular = best_bars(market::SessionMode::kRegular);
  const auto extended = best_bars(market::SessionMode::kExtended);

  market::TradingDay before = day;
  for (int i = 0; i < kDatesBackMax; ++i) {
    before = calendar.day_of(before.from - nanoseconds(1));
    if (before.open == before.close) continue;  // no trading on that date
    const auto bars = regular    ? read(*regular, before.from, before.until)
                      : extended ? read(*extended, before.open, before.close)
                                 : std::vector<market::Bar>();
    for (auto bar = bars.rbegin(); bar != bars.rend(); ++bar) {
      if (bar->close) return Basis{Basis::Kind::kPreviousClose, *bar->close, bar->ts_open};
    }
  }
  if (day.open != day.close) {
    auto basis = regular ? first_of(read(*regular, day.from, day.until), Basis::Kind::kSessionOpen)
                 : extended
                     ? first_of(read(*extended, day.open, day.close), Basis::Kind::kSessionOpen)
                     : std::nullopt;
    if (basis) return basis;
  }
  if (!extended) return std::nullopt;
  return first_of(read(*extended, day.from, day.until), Basis::Kind::kFirstPrice);
}

}  // namespace tapedeck::api
