#include "pipeline/empty_times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "quality/connections.hpp"

namespace tapedeck::pipeline {
namespace {

using market::FeedMark;

// More than there are open at once.
constexpr std::size_t kNewest = 64;
constexpr std::uint64_t kIntervalsMax = 200'000;
constexpr std::uint64_t kEventsMax = 8'000'000;

// What the marks on the tape say of the connections of one venue, over one range.
Result<quality::Connections> connections_of(const tape::TapeView& tape, std::string_view venue,
                                            Timestamp from, Timestamp to) {
  quality::Connections found;
  const PartitionId partition{0};  // each has every mark
  const Offset end = tape.durable_end(partition);
  // Marks beside the range count too, as far as one may say something of it.
  TD_ASSIGN(const auto reader, tape.read({.partition = partition,
                                          .first = tape.first_offset(partition),
                                          .from = from - quality::Connections::kSilenceMax,
                                          .to = to + quality::Connections::kSilenceMax}));
  std::uint64_t events = 0;
  while (events < kEventsMax) {
    TD_ASSIGN(const auto batch, reader->next());
    if (!batch || batch->first >= end) return found;
    events += batch->size();
    for (const FeedMark& mark : batch->marks) {
      if (venue_of(mark) == venue) found.add(mark);
    }
  }
  return quality::Connections();  // too much to read for one answer: nothing is known
}

EmptyReason reason_of(quality::Connected connected) {
  switch (connected) {
    case quality::Connected::kYes:
      return EmptyReason::kNoTrade;
    case quality::Connected::kNo:
      return EmptyReason::kNotConnected;
    case quality::Connected::kUnknown:
      break;
  }
  return EmptyReason::kUnknown;
}

Timestamp down_to(Timestamp t, Duration interval) {
  const std::int64_t over = t.ns % interval.ns;
  return Timestamp{t.ns - (over < 0 ? over + interval.ns : over)};
}

}  // namespace

std::string_view to_string(EmptyReason reason) {
  switch (reason) {
    case EmptyReason::kClosed:
      return "closed";
    case EmptyReason::kNoTrade:
      return "no_trade";
    case EmptyReason::kNotConnected:
      return "not_connected";
    case EmptyReason::kUnknown:
      return "unknown";
    case EmptyReason::kProvisional:
      return "provisional";
    case EmptyReason::kDropped:
      return "dropped";
  }
  return "unknown";
}

Result<std::vector<EmptyTime>> empty_times(const store::Store& store, const tape::TapeView& tape,
                                           const market::Series& series,
                                           const store::BarQuery& query, Timestamp now) {
  const Duration interval = query.spec.interval;
  if (interval >= market::kTradingDay || query.spec.slide.ns != 0) {
    return fail(ErrorCode::kInvalidArgument,
                "why there is no bar is told of intervals below a day that do not overlap");
  }
  TD_ASSIGN(const auto bars, store.bars(query));
  TD_ASSIGN(const auto kept_from, store.kept_from(query.series, query.spec));
  TD_ASSIGN(const market::Calendar* calendar, market::find_calendar(series.calendar));
  // A limit keeps the newest bars: before them there are others.
  const bool is_cut = bars.size() >= query.limit;
  if (bars.empty() && (!query.start || !query.end)) return std::vector<EmptyTime>();
  const Timestamp from = query.start && !is_cut
                             ? down_to(*query.start + interval - Duration{1}, interval)
                             : bars.front().ts_open;
  const Timestamp to = std::min(query.end.value_or(bars.empty() ? from : bars.back().ts_open), now);
  // A bar that is final says so of all before it, in the range or after it.
  const auto last_final = std::ranges::find_if(bars.rbegin(), bars.rend(), &market::Bar::is_final);
  bool is_over = false;
  if (query.end) {
    store::BarQuery later = query;
    later.start = query.end;
    later.end.reset();
    later.limit = kNewest;
    TD_ASSIGN(const auto newest, store.bars(later));
    is_over = std::ranges::any_of(newest, &market::Bar::is_final);
  }

  std::vector<EmptyTime> found;
  const auto add = [&](Timestamp start, Timestamp end, EmptyReason reason) {
    if (!found.empty() && found.back().end == start && found.back().reason == reason) {
      found.back().end = end;
    } else {
      found.push_back({start, end, reason});
    }
  };
  std::uint64_t looked_at = 0;
  auto bar = bars.begin();
  market::TradingDay day = calendar->day_of(from);
  for (Timestamp t = from; t < to;) {
    if (bar != bars.end() && bar->ts_open <= t) {
      t = (bar++)->ts_open + interval;
      continue;
    }
    if (++looked_at > kIntervalsMax) {
      return fail(ErrorCode::kOverflow,
                  fmt::format("the range has more than {} intervals without a bar: ask for a "
                              "shorter one, or for longer bars",
                              kIntervalsMax));
    }
    if (!day.contains(t)) day = calendar->day_of(t);
    const bool is_regular = query.spec.session == market::SessionMode::kRegular;
    const Timestamp open = is_regular ? day.open : day.pre_open;
    const Timestamp close = is_regular ? day.close : day.post_close;
    const Timestamp next = t + interval;
    if (open >= close || next <= open || t >= close) {
      // At once to where trading may begin, but not past a bar: those of prints beside the hours.
      Timestamp until =
          open < close && next <= open ? down_to(open, interval) : down_to(day.until, interval);
      if (bar != bars.end()) until = std::min(until, bar->ts_open);
      until = std::min(std::max(until, next), std::max(down_to(to, interval), next));
      add(t, until, EmptyReason::kClosed);
      t = until;
      continue;
    }
    EmptyReason reason = EmptyReason::kUnknown;
    if (kept_from && t < *kept_from) {
      reason = EmptyReason::kDropped;
    } else if (!is_over && (last_final == bars.rend() || t > last_final->ts_open)) {
      reason = EmptyReason::kProvisional;
    }
    add(t, next, reason);
    t = next;
  }

  // Of what is left the marks may know more.
  const auto is_open = [](const EmptyTime& e) { return e.reason == EmptyReason::kUnknown; };
  const auto first = std::ranges::find_if(found, is_open);
  if (first == found.end()) return found;
  const auto last = std::ranges::find_if(found.rbegin(), found.rend(), is_open);
  TD_ASSIGN(const auto connections,
            connections_of(tape, query.series.venue, first->start, last->end));
  std::vector<EmptyTime> told;
  told.swap(found);
  for (const EmptyTime& empty : told) {
    if (!is_open(empty)) {
      add(empty.start, empty.end, empty.reason);
      continue;
    }
    for (Timestamp t = empty.start; t < empty.end; t = t + interval) {
      add(t, t + interval, reason_of(connections.of(query.series.venue, t, t + interval)));
    }
  }
  return found;
}

}  // namespace tapedeck::pipeline
