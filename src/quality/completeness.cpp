#include "quality/completeness.hpp"

#include <algorithm>
#include <iterator>
#include <type_traits>

#include "market/conditions.hpp"

namespace tapedeck::quality {

std::string_view to_string(GapCause cause) {
  switch (cause) {
    case GapCause::kOurs:
      return "ours";
    case GapCause::kVenue:
      return "venue";
    case GapCause::kUnknown:
      break;
  }
  return "unknown";
}

Result<Completeness::SeriesDays*> Completeness::series_of(SeriesId id) {
  const auto [entry, added] = series_.try_emplace(id.value);
  SeriesDays& series = entry->second;
  if (added) {
    series.series = &catalog_.series(id);
    by_key_.emplace(series.series->key, &series);
  }
  if (series.calendar == nullptr) {
    TD_ASSIGN(series.calendar, market::find_calendar(series.series->calendar));
  }
  return &series;
}

Completeness::Day& Completeness::day_of(SeriesDays& series, Timestamp t) {
  if (series.day != nullptr && series.day->times.contains(t)) return *series.day;
  const market::TradingDay times = series.calendar->day_of(t);
  const auto [entry, added] = series.days.try_emplace(std::chrono::sys_days(times.date));
  Day& day = entry->second;
  if (added) {
    day.times = times;
    day.quality.date = times.date;
    day.quality.first = day.quality.last = t;
    day.quality.session_minutes =
        static_cast<std::uint64_t>((times.close - times.open).ns / minutes(1).ns);
  }
  series.day = &day;
  return day;
}

void Completeness::add_id(Runs& runs, std::uint64_t id, const Times& times) {
  auto next = runs.upper_bound(id);
  if (next != runs.begin()) {
    const auto before = std::prev(next);
    Run& run = before->second;
    if (id <= run.last) return;
    if (id == run.last + 1) {
      run.last = id;
      run.last_times = times;
      if (next == runs.end() || next->first != id + 1) return;
      run.last = next->second.last;
      run.last_times = next->second.last_times;
      runs.erase(next);
      return;
    }
  }
  Run run{.last = id, .first_times = times, .last_times = times};
  if (next != runs.end() && next->first == id + 1) {
    run.last = next->second.last;
    run.last_times = next->second.last_times;
    next = runs.erase(next);
  }
  runs.emplace_hint(next, id, run);
}

template <class Event>
Status Completeness::add_event(const Event& event) {
  TD_ASSIGN(SeriesDays * series, series_of(event.series));
  const Timestamp t = event.ts_event;
  Day& day = day_of(*series, t);
  DayQuality& quality = day.quality;
  std::is_same_v<Event, market::Trade> ? ++quality.trades : ++quality.others;
  quality.first = std::min(quality.first, t);
  quality.last = std::max(quality.last, t);
  if (t >= day.times.open && t < day.times.close) {
    day.minutes.set(static_cast<std::size_t>((t - day.times.open).ns / minutes(1).ns));
  }
  if (series->newest && t < *series->newest) {
    ++quality.reordered;
    const Duration back = *series->newest - t;
    quality.disorder = std::max(quality.disorder, back);
    if (back > kLate) ++quality.late;
  }
  series->newest = series->newest ? std::max(*series->newest, t) : t;
  const market::Origin& origin = catalog_.origin(event.identity.origin);
  if (!origin.recv_assumed) {
    const Duration delay = event.ts_recv - t;
    quality.delay_min = quality.delay_min ? std::min(*quality.delay_min, delay) : delay;
    quality.delay_max = quality.delay_max ? std::max(*quality.delay_max, delay) : delay;
  }
  if constexpr (std::is_same_v<Event, market::Trade>) {
    if (event.identity.position == 0 && market::is_count_of_venue(*series->series, origin)) {
      const bool was_fetched = (event.conditions & market::kRepaired) != 0;
      add_id(series->ids[event.identity.origin], event.identity.seq,
             {.event = t, .came = was_fetched ? std::nullopt : std::optional(event.ts_recv)});
    }
  }
  return {};
}

void Completeness::add_drift(const market::Record& record) {
  const market::SeriesKey& key = catalog_.series(record.series).key;
  if (key.channel != market::kSchemaChannel) return;
  auto drift = market::parse_schema_drift(record.body);
  if (!drift) return;  // somebody else's
  const auto date = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(record.ts_recv.ns)));
  const auto [entry, added] =
      drift_.try_emplace({key, date, std::move(drift->field), drift->is_missing}, record.ts_recv);
  if (!added) entry->second = std::min(entry->second, record.ts_recv);
}

Status Completeness::add(const market::Batch& batch) {
  const auto add_all = [this](const auto& events) -> Status {
    for (const auto& event : events) TD_TRY(add_event(event));
    return {};
  };
  for (const market::FeedMark& mark : batch.marks) connections_.add(mark);
  for (const market::Record& record : batch.records) add_drift(record);
  TD_TRY(add_all(batch.trades));
  TD_TRY(add_all(batch.quotes));
  TD_TRY(add_all(batch.ticks));
  return add_all(batch.vendor_bars);
}

Status Completeness::add_duplicate(SeriesId id, Timestamp ts_event) {
  if (is_about(catalog_.series(id).key)) return {};  // nothing of it is traded
  TD_ASSIGN(SeriesDays * series, series_of(id));
  auto& duplicates = day_of(*series, ts_event).quality.duplicates;
  duplicates = duplicates.value_or(0) + 1;
  return {};
}

GapCause Completeness::cause_of(const market::SeriesKey& key, const Times& after,
                                const Times& before) const {
  constexpr Duration kClocksDiffer = seconds(2);  // the venue's and ours, at most, or nearly so
  const Timestamp start = after.came.value_or(after.event - kClocksDiffer);
  const Timestamp end = before.came.value_or(before.event + kClocksDiffer);
  switch (connections_.between(key.venue, start, end)) {
    case Connected::kYes:
      return GapCause::kVenue;
    case Connected::kNo:
      return GapCause::kOurs;
    case Connected::kUnknown:
      break;
  }
  return GapCause::kUnknown;
}

std::vector<IdGap> Completeness::gaps_of(const SeriesDays& series) const {
  std::vector<IdGap> gaps;
  for (const auto& [origin, runs] : series.ids) {
    const Run* before = nullptr;
    for (const auto& [first, run] : runs) {
      if (before != nullptr) {
        gaps.push_back(
            {.series = series.series->key,
             .first = before->last + 1,
             .last = first - 1,
             .after = before->last_times.event,
             .before = run.first_times.event,
             .cause = cause_of(series.series->key, before->last_times, run.first_times)});
      }
      before = &run;
    }
  }
  return gaps;
}

std::vector<IdGap> Completeness::gaps() const {
  std::vector<IdGap> gaps;
  for (const auto& [key, series] : by_key_)
    std::ranges::move(gaps_of(*series), std::back_inserter(gaps));
  return gaps;
}

std::vector<DriftSeen> Completeness::drift() const {
  std::vector<DriftSeen> all;
  for (const auto& [what, first] : drift_) {
    const auto& [series, date, field, is_missing] = what;
    all.push_back({.series = series,
                   .date = date,
                   .drift = {.field = field, .is_missing = is_missing},
                   .first = first});
  }
  std::ranges::stable_sort(all, {}, &DriftSeen::first);
  return all;
}

std::optional<Missing> Completeness::missing(const market::SeriesKey& key, Timestamp start,
                                             Timestamp end) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second->ids.empty()) return std::nullopt;
  Missing missing;
  for (const IdGap& gap : gaps_of(*found->second)) {
    if (gap.after >= end || gap.before < start) continue;
    ++missing.gaps;
    missing.ids += gap.count();
  }
  return missing;
}

std::vector<DayQuality> Completeness::days(const std::vector<IdGap>& all_gaps) const {
  std::vector<DayQuality> days;
  auto gap = all_gaps.begin();
  for (const auto& [key, series] : by_key_) {
    const std::size_t first = days.size();
    for (const auto& [date, day] : series->days) {
      DayQuality& quality = days.emplace_back(day.quality);
      quality.series = key;
      quality.minutes = day.minutes.count();
      if (!series->ids.empty()) quality.missing = 0;
    }
    for (; gap != all_gaps.end() && gap->series == key; ++gap) {
      const auto date = std::chrono::sys_days(series->calendar->day_of(gap->after).date);
      const auto nth = std::distance(series->days.begin(), series->days.find(date));
      *days[first + static_cast<std::size_t>(nth)].missing += gap->count();
    }
  }
  return days;
}

}  // namespace tapedeck::quality
