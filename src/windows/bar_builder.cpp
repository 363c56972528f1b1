#include "windows/bar_builder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <iterator>
#include <limits>
#include <numeric>
#include <tuple>

#include "base/check.hpp"
#include "base/wire.hpp"

namespace tapedeck::windows {

using market::Bar;
using market::BarSource;
using market::BarSpec;
using market::ConditionMode;
using market::Correction;
using market::CorrectionKind;
using market::FeedMark;
using market::OrderKey;
using market::PriceTick;
using market::RevisionReason;
using market::SessionMode;
using market::Trade;
using market::TradeEffect;
using market::TradeSession;
using market::VendorBar;

namespace {

constexpr std::uint32_t kNone = ~std::uint32_t{0};  // end of a list
constexpr int kDeltaLooks = 4;
constexpr int kWindowLooks = 8;
constexpr Timestamp kNever{std::numeric_limits<std::int64_t>::max()};
constexpr std::uint8_t kStateVersion = 2;
constexpr std::string_view kSeriesEntry = "series/";
constexpr std::string_view kClockEntry = "clock/";  // then the venue; nothing: of all
constexpr std::string_view kKnownEntry = "known";
constexpr std::array kModes{ConditionMode::kEligible, ConditionMode::kAll};

using IdentityKey = std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>;
IdentityKey key_of(const market::Identity& identity) {
  return {identity.origin.value, identity.seq, identity.position};
}

// What the venue said last of a trade.
struct Amendment {
  CorrectionKind kind = CorrectionKind::kCancel;
  market::Side side = market::Side::kUnknown;
  market::Decimal price{}, size{};
  OrderKey order{};
};

// The trade as amended; nothing where it was taken back.
std::optional<Trade> amended(const Trade& trade, const Amendment* amendment) {
  if (amendment == nullptr) return trade;
  if (amendment->kind == CorrectionKind::kCancel) return std::nullopt;
  Trade changed = trade;
  changed.price = amendment->price;
  changed.size = amendment->size;
  changed.side = amendment->side;
  return changed;
}

// Days begin on a minute.
Duration pane_of(const std::vector<BarSpec>& specs) {
  Duration pane = minutes(1);
  for (const BarSpec& spec : specs) {
    pane.ns = std::gcd(std::gcd(pane.ns, spec.interval.ns), spec.slide.ns);
  }
  return pane;
}

bool is_repaired(const auto& event) { return (event.conditions & market::kRepaired) != 0; }

// A trade of which the venue has said something new.
struct Amended {
  Timestamp ts_event;
  TradeSession session = TradeSession::kRegular;
  RevisionReason reason = RevisionReason::kCancel;
  std::optional<Amendment> before;  // what it had said at the last flush
};

struct Mean {
  std::uint64_t trades = 0;
  market::DecimalSum price_sum;
  market::DecimalSum notional;
  bool changed = false;  // since the last tick
};

}  // namespace

struct BarBuilder::Window {
  BarCell cell;
  Timestamp ts_close{};
  bool changed = false;  // since take_changes()
  bool revised = false;  // changed after it was final
};

// The windows that are held of one kind, by ts_open. Nearly always a new one comes last, and one of
// the newest is looked for. A window stays where it is until it is erased.
class BarBuilder::Windows {
 public:
  using Entry = std::pair<Timestamp, std::unique_ptr<Window>>;
  using Iterator = std::deque<Entry>::const_iterator;

  Iterator begin() const { return entries_.begin(); }
  Iterator end() const { return entries_.end(); }
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  const Entry& oldest() const { return entries_.front(); }
  const Entry& newest() const { return entries_.back(); }

  // The first that opens at `t` or later.
  Iterator lower_bound(Timestamp t) const {
    auto it = end();
    for (int looks = 0; looks < kWindowLooks; ++looks, --it) {
      if (it == begin() || std::prev(it)->first < t) return it;
    }
    return std::lower_bound(begin(), it, t,
                            [](const Entry& entry, Timestamp at) { return entry.first < at; });
  }
  bool contains(Timestamp t) const {
    const auto found = lower_bound(t);
    return found != end() && found->first == t;
  }
  Window* insert(const Iterator& before, Timestamp ts_open, std::unique_ptr<Window> window) {
    return entries_.emplace(before, ts_open, std::move(window))->second.get();
  }
  void erase_oldest() { entries_.pop_front(); }

 private:
  std::deque<Entry> entries_;
};

struct BarBuilder::SpecBars {
  Windows windows;
  Timestamp first_open{};  // no window that opens before it is open still
  // Windows that open before it may be in the past, though they are not here.
  Timestamp past_before{std::numeric_limits<std::int64_t>::min()};
  Timestamp newest{std::numeric_limits<std::int64_t>::min()};
};

// What came of one pane since the last flush. Without a condition table both modes are the same,
// and only the first is kept.
struct BarBuilder::Delta {
  Timestamp from;  // where the pane begins
  BarSource source{};
  ConditionMode conditions{};
  bool regular = false;         // session
  bool repaired = false;        // some of it had been missed
  std::uint32_t older = kNone;  // another one of its series, or kNone
  BarCell cell;
};

// What marks have said, and which series a mark may concern.
struct BarBuilder::Venue {
  FeedClock clock;
  ClockReading before;   // at the last flush
  bool changed = false;  // since the last take_state
  // Its series, and when the first open bar of each is complete; kNever: none is open. Times that
  // stand side by side are looked through faster than a tree is kept.
  std::vector<SeriesBars*> series;
  std::vector<Timestamp> first_due;
};

struct BarBuilder::SeriesBars {
  SeriesId id;
  const market::Series* series = nullptr;
  const market::ConditionTable* table = nullptr;  // null: every trade is eligible
  const market::Calendar* calendar = nullptr;
  market::TradingDay day;  // of the last event
  std::uint64_t effect_conditions = 0;
  std::optional<TradeEffect> effect;  // of the last event, for the next one like it
  TradeSession effect_session{};
  Venue* venue = nullptr;
  std::size_t of_venue = 0;  // its place in venue->series
  Watermark watermark;
  Watermark watermark_before;  // at the last flush: what is late is late by this one
  bool touched = false;
  bool changed = false;
  std::uint32_t newest_delta = kNone;
  std::vector<VendorBar> vendor_bars;  // since the last flush
  std::vector<SpecBars> specs;         // as options_.specs
  std::map<IdentityKey, Amendment> amendments;
  std::map<IdentityKey, Amended> amended;  // since the last flush
  std::array<Mean, kModes.size()> means;
  Timestamp recv_clock{};
  std::optional<Timestamp> tick;  // under way
};

// A window that some amended trades are in.
struct BarBuilder::Rebuild {
  std::size_t spec = 0;
  Timestamp ts_open{}, ts_close{};
  RevisionReason reason{};
  Timestamp minute{};         // of the first of them
  std::uint64_t amended = 0;  // how many
  std::uint64_t left = 0;     // of those: the bar stays as if nothing had been said of them
};

BarBuilder::BarBuilder(market::Catalog& catalog, const market::ConditionTables& tables,
                       BarBuilderOptions options, Past* past)
    : catalog_(catalog),
      tables_(tables),
      options_(std::move(options)),
      pane_(pane_of(options_.specs)),
      past_(past),
      texts_(std::make_unique<KeyTexts>()),
      all_(&venue_called("")) {}
BarBuilder::~BarBuilder() = default;
BarBuilder::BarBuilder(BarBuilder&&) noexcept = default;

// ---- Events

// By series, because all that is known of one is looked up once then, and stays in the cache.
Status BarBuilder::add(std::span<const Trade> trades, const std::function<bool(SeriesId)>& takes) {
  group(trades);
  Status status;
  for (const SeriesId series : series_of_batch_) {
    const std::uint32_t first = std::exchange(first_trade_[series.value], kNone);
    if (!status || (takes && !takes(series))) continue;
    const auto bars = bars_of(series);
    if (bars) {
      add_of_one_series(**bars, trades, first);
    } else {
      status = std::unexpected(bars.error());
    }
  }
  return status;
}

void BarBuilder::group(std::span<const Trade> trades) {
  series_of_batch_.clear();
  next_trade_.resize(std::max(next_trade_.size(), trades.size()));
  for (std::size_t i = trades.size(); i-- > 0;) {  // backwards: each goes to the head of its list
    const SeriesId series = trades[i].series;
    if (first_trade_.size() <= series.value) first_trade_.resize(series.value + 1, kNone);
    std::uint32_t& first = first_trade_[series.value];
    if (first == kNone) series_of_batch_.push_back(series);
    next_trade_[i] = std::exchange(first, static_cast<std::uint32_t>(i));
  }
}

void BarBuilder::add_of_one_series(SeriesBars& bars, std::span<const Trade> trades,
                                   std::uint32_t first) {
  touch(bars);
  const ClockReading clock = clock_of(bars);
  for (std::uint32_t i = first; i != kNone; i = next_trade_[i]) {
    const Trade& trade = trades[i];
    const market::Origin& origin = origin_of(trade.identity.origin);
    const Trade* counted = &trade;
    std::optional<Trade> changed;
    if (!bars.amendments.empty()) {
      const auto amendment = bars.amendments.find(key_of(trade.identity));
      if (amendment != bars.amendments.end()) {
        changed = amended(trade, &amendment->second);
        counted = changed ? &*changed : nullptr;
      }
    }
    if (counted != nullptr) {
      apply(bars, *counted, BarSource::kTrades, order_key(trade, *bars.series, origin));
    }
    add_to_means(bars, trade.ts_recv, counted, false);
    observe(bars, clock, trade.ts_event, trade.ts_recv, origin.recv_assumed);
  }
}

Status BarBuilder::add(const PriceTick& tick) {
  TD_ASSIGN(SeriesBars * found, bars_of(tick.series));
  SeriesBars& bars = *found;
  touch(bars);
  const market::Origin& origin = origin_of(tick.identity.origin);
  const OrderKey key = order_key(
      {.ts_event = tick.ts_event, .identity = tick.identity, .venue_sequence = tick.venue_sequence},
      *bars.series, origin);
  apply(bars, tick, BarSource::kLast, key);
  observe(bars, clock_of(bars), tick.ts_event, tick.ts_recv, origin.recv_assumed);
  return {};
}

Status BarBuilder::add(const VendorBar& bar) {
  TD_ASSIGN(SeriesBars * found, bars_of(bar.series));
  SeriesBars& bars = *found;
  touch(bars);
  bars.vendor_bars.push_back(bar);
  observe(bars, clock_of(bars), bar.ts_event, bar.ts_recv,
          origin_of(bar.identity.origin).recv_assumed);
  return {};
}

Status BarBuilder::add(const Correction& correction, Offset offset) {
  TD_ASSIGN(SeriesBars * found, bars_of(correction.series));
  SeriesBars& bars = *found;
  if (past_ == nullptr) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("a trade of {} is taken back or corrected, and bars can only be made "
                            "again from a tape that is kept: name a folder for one (--tape)",
                            to_string(bars.series->key)));
  }
  touch(bars);
  const market::Origin& origin = origin_of(correction.identity.origin);
  observe(bars, clock_of(bars), correction.ts_event, correction.ts_recv, origin.recv_assumed);
  tick(bars, correction.ts_recv);
  const Amendment amendment{.kind = correction.kind,
                            .side = correction.side,
                            .price = correction.price,
                            .size = correction.size,
                            .order = {.ts_event = correction.ts_event,
                                      .venue_sequence = correction.venue_sequence,
                                      .origin_first = origin.first,
                                      .origin_key = origin.key,
                                      .seq = correction.identity.seq,
                                      .position = correction.identity.position}};
  const auto [entry, is_first] = bars.amendments.try_emplace(key_of(correction.target), amendment);
  if (!is_first && amendment.order < entry->second.order) return {};
  const std::optional<Amendment> before =
      is_first ? std::nullopt : std::optional(std::exchange(entry->second, amendment));
  const auto read = past_->trade(bars.id, correction.target, correction.ts_event, offset);
  if (!read && read.error().code == ErrorCode::kNotFound) {
    ++unapplied_;  // nobody can say any more in which bars it is
    return {};
  }
  TD_TRY(read);
  const std::optional<Trade>& trade = *read;
  if (!trade) {
    ++unknown_targets_;  // should it come later, it is counted as amended
    return {};
  }
  const auto old = amended(*trade, before ? &*before : nullptr);
  const auto now = amended(*trade, &amendment);
  const bool same_mean = old && now && old->price == now->price && old->size == now->size;
  if (old && !same_mean) add_to_means(bars, correction.ts_recv, &*old, true);
  if (now && !same_mean) add_to_means(bars, correction.ts_recv, &*now, false);
  Amended& amended_trade = bars.amended
                               .try_emplace(key_of(correction.target),
                                            Amended{.ts_event = trade->ts_event, .before = before})
                               .first->second;
  amended_trade.session = effect_on(bars, trade->ts_event, trade->conditions).session;
  amended_trade.reason = correction.kind == CorrectionKind::kCancel ? RevisionReason::kCancel
                                                                    : RevisionReason::kCorrection;
  return {};
}

void BarBuilder::observe(SeriesBars& bars, const ClockReading& clock, Timestamp ts_event,
                         Timestamp ts_recv, bool recv_assumed) {
  bars.watermark.observe(ts_event, ts_recv, recv_assumed, clock);
  ts_known_ = std::max(ts_known_, ts_recv);
}

void BarBuilder::add(const FeedMark& mark) {
  ts_known_ = std::max(ts_known_, mark.ts_recv);
  Venue& venue = venue_called(venue_of(mark));
  venue.clock.observe(mark);
  venue.changed = marked_ = true;
}

ClockReading BarBuilder::clock_of(const SeriesBars& bars) const {
  return join(bars.venue->clock.reading(), all_->clock.reading());
}

ClockReading BarBuilder::clock_of_before(const SeriesBars& bars) const {
  return join(bars.venue->before, all_->before);
}

// Series whose bars marks have passed are looked at, the others are not.
void BarBuilder::touch_passed_by_marks() {
  for (const auto& [name, venue] : venues_) {
    const ClockReading now = join(venue->clock.reading(), all_->clock.reading());
    const ClockReading before = join(venue->before, all_->before);
    if (now == before) continue;
    for (std::size_t i = 0; i < venue->series.size(); ++i) {
      const Timestamp ts_due = venue->first_due[i];
      if (ts_due == kNever) continue;
      const bool passed = now.passed && ts_due <= *now.passed;
      if (passed || now.ends != before.ends) touch(*venue->series[i]);
    }
  }
}

template <class Event>
void BarBuilder::apply(SeriesBars& bars, const Event& event, BarSource source,
                       const OrderKey& key) {
  const TradeEffect effect = effect_on(bars, event.ts_event, event.conditions);
  const bool regular = effect.session == TradeSession::kRegular;
  const auto apply_to = [&](ConditionMode conditions, const TradeEffect& allowed) {
    Delta& delta = delta_of(bars, event.ts_event, source, regular, conditions);
    delta.repaired |= is_repaired(event);
    delta.cell.apply(event, key, allowed);
  };
  apply_to(ConditionMode::kEligible, effect);
  if (bars.table != nullptr) apply_to(ConditionMode::kAll, TradeEffect{});
}

// Looks at the newest few only: a pane may have several deltas, and they add up to the same.
BarBuilder::Delta& BarBuilder::delta_of(SeriesBars& bars, Timestamp ts_event, BarSource source,
                                        bool regular, ConditionMode conditions) {
  std::uint32_t at = bars.newest_delta;
  for (int looks = 0; at != kNone && looks < kDeltaLooks; ++looks, at = deltas_[at].older) {
    Delta& delta = deltas_[at];
    if (delta.from <= ts_event && ts_event < delta.from + pane_ && delta.source == source &&
        delta.regular == regular && delta.conditions == conditions) {
      return delta;
    }
  }
  Delta& delta = deltas_.emplace_back();
  delta.from = floor_to(ts_event, pane_);
  delta.source = source;
  delta.conditions = conditions;
  delta.regular = regular;
  delta.older = std::exchange(bars.newest_delta, static_cast<std::uint32_t>(deltas_.size() - 1));
  return delta;
}

TradeEffect BarBuilder::effect_on(SeriesBars& bars, Timestamp ts_event, std::uint64_t conditions) {
  if (!bars.day.contains(ts_event)) bars.day = bars.calendar->day_of(ts_event);
  const TradeSession by_clock = bars.day.session_of(ts_event);
  if (bars.table == nullptr) return {.session = by_clock};
  if (!bars.effect || bars.effect_conditions != conditions || bars.effect_session != by_clock) {
    bars.effect = market::effect_of(*bars.table, conditions, by_clock);
    bars.effect_conditions = conditions;
    bars.effect_session = by_clock;
  }
  return *bars.effect;
}

// ---- From seconds to bars

Status BarBuilder::flush(Offset end) {
  if (marked_) touch_passed_by_marks();
  for (SeriesBars* bars : touched_) {
    TD_TRY(count(*bars, end));
    TD_TRY(rebuild(*bars, end));
    close_passed(*bars, end);
    bars->watermark_before = bars->watermark;
    bars->touched = false;
    if (!std::exchange(bars->changed, true)) changed_.push_back(bars);
  }
  touched_.clear();
  deltas_.clear();
  if (std::exchange(marked_, false)) {
    for (const auto& [name, venue] : venues_) venue->before = venue->clock.reading();
  }
  return {};
}

// Calls `f(ts_open, ts_close)` for each window of `spec` that holds `t`.
template <class F>
void BarBuilder::for_each_window(SeriesBars& bars, const BarSpec& spec, Timestamp t, F&& f) {
  if (spec.interval == market::kTradingDay) {
    if (!bars.day.contains(t)) bars.day = bars.calendar->day_of(t);
    f(bars.day.from, bars.day.until);
    return;
  }
  const Duration step = spec.slide.ns == 0 ? spec.interval : spec.slide;
  Timestamp ts_open = floor_to(t, step);
  for (; t < ts_open + spec.interval; ts_open = ts_open - step) f(ts_open, ts_open + spec.interval);
}

Result<BarBuilder::Window*> BarBuilder::window_of(SeriesBars& bars, std::size_t spec,
                                                  Timestamp ts_open) {
  SpecBars& own = bars.specs[spec];
  const auto found = own.windows.lower_bound(ts_open);
  if (found != own.windows.end() && found->first == ts_open) return found->second.get();

  auto window = std::make_unique<Window>();
  window->ts_close = close_of(bars, options_.specs[spec], ts_open);
  if (ts_open < own.past_before) {
    if (past_ == nullptr) return nullptr;
    auto stored = past_->bar(bars.id, options_.specs[spec], ts_open);
    if (!stored && stored.error().code == ErrorCode::kNotFound) return nullptr;
    if (!stored) return std::unexpected(std::move(stored.error()));
    if (*stored) {
      TD_ASSIGN(window->cell, decode_keys((*stored)->bar, (*stored)->keys, *texts_));
      return own.windows.insert(found, ts_open, std::move(window));
    }
  }
  Bar& bar = window->cell.bar;
  bar.ts_open = ts_open;
  // It may have been final already, as a bar without trades.
  bar.is_final = bars.watermark_before.has_reached(window->ts_close + options_.lateness_of(spec),
                                                   clock_of_before(bars));
  if (!bar.is_final) own.first_open = std::min(own.first_open, ts_open);
  own.newest = std::max(own.newest, ts_open);
  return own.windows.insert(found, ts_open, std::move(window));
}

Timestamp BarBuilder::close_of(SeriesBars& bars, const BarSpec& spec, Timestamp ts_open) {
  if (spec.interval != market::kTradingDay) return ts_open + spec.interval;
  if (!bars.day.contains(ts_open)) bars.day = bars.calendar->day_of(ts_open);
  return bars.day.until;
}

Status BarBuilder::count(SeriesBars& bars, const Delta& delta, Offset end) {
  const BarCell& part = delta.cell;
  for (std::size_t i = 0; i < options_.specs.size(); ++i) {
    const BarSpec& spec = options_.specs[i];
    if (spec.source != delta.source) continue;
    if (spec.session == SessionMode::kRegular && !delta.regular) continue;
    if (bars.table != nullptr && spec.conditions != delta.conditions) continue;
    Status status;
    for_each_window(bars, spec, delta.from, [&](Timestamp ts_open, Timestamp) {
      if (!status) return;
      const auto window = window_of(bars, i, ts_open);
      if (!window) {
        status = std::unexpected(window.error());
        return;
      }
      const std::uint64_t trades = part.bar.trades + part.bar.excluded;
      if (*window == nullptr) {
        late_ += trades;
        unapplied_ += trades;
        return;
      }
      Bar& bar = (*window)->cell.bar;
      if (bar.is_final) late_ += trades;
      (*window)->cell.merge(part);
      if (bar.volume.overflowed() || bar.notional.overflowed() || bar.price_sum.overflowed()) {
        status = fail(ErrorCode::kOverflow,
                      fmt::format("the volume of {} in the bar at {} does not fit 128 bits",
                                  to_string(bars.series->key), to_iso(bar.ts_open)));
      }
      change(bars, i, **window, end,
             delta.repaired ? RevisionReason::kRepair : RevisionReason::kLate);
    });
    TD_TRY(status);
  }
  return {};
}

Status BarBuilder::count(SeriesBars& bars, Offset end) {
  while (bars.newest_delta != kNone) {
    const Delta& delta = deltas_[bars.newest_delta];
    TD_TRY(count(bars, delta, end));
    bars.newest_delta = delta.older;
  }
  for (const VendorBar& vendor : bars.vendor_bars) {
    const OrderKey key = order_key({.ts_event = vendor.ts_event,
                                    .identity = vendor.identity,
                                    .venue_sequence = vendor.venue_sequence},
                                   *bars.series, origin_of(vendor.identity.origin));
    for (std::size_t i = 0; i < options_.specs.size(); ++i) {
      const BarSpec& spec = options_.specs[i];
      if (spec.source != BarSource::kVendor || spec.interval != vendor.interval ||
          spec.adjusted != vendor.adjusted) {
        continue;
      }
      TD_ASSIGN(Window * window, window_of(bars, i, vendor.ts_event));
      if (window == nullptr) {
        ++late_;
        ++unapplied_;
        continue;
      }
      BarCell& cell = window->cell;
      if (cell.bar.open && key < cell.close_key) continue;  // the last by order counts
      cell.bar.open = vendor.open;
      cell.bar.high = vendor.high;
      cell.bar.low = vendor.low;
      cell.bar.close = vendor.close;
      cell.bar.volume = {};
      cell.bar.volume.add(vendor.volume);
      cell.close_key = key;
      change(bars, i, *window, end,
             is_repaired(vendor) ? RevisionReason::kRepair : RevisionReason::kLate);
    }
  }
  bars.vendor_bars.clear();
  return {};
}

void BarBuilder::change(SeriesBars& bars, std::size_t spec, Window& window, Offset end,
                        RevisionReason reason) {
  Bar& bar = window.cell.bar;
  bar.offset = end;
  bar.ts_known = ts_known_;
  if (bar.is_final) {
    bar.reason = window.revised ? std::max(bar.reason, reason) : reason;
    window.revised = true;
  }
  give_out(bars, spec, window);
}

void BarBuilder::give_out(SeriesBars& bars, std::size_t spec, Window& window) {
  if (std::exchange(window.changed, true)) return;
  changed_bars_.push_back({&bars, spec, &window});
}

void BarBuilder::close_passed(SeriesBars& bars, Offset end) {
  const ClockReading clock = clock_of(bars);
  Timestamp& first_due = bars.venue->first_due[bars.of_venue];
  first_due = kNever;
  for (std::size_t i = 0; i < bars.specs.size(); ++i) {
    SpecBars& own = bars.specs[i];
    auto it = own.windows.lower_bound(own.first_open);
    for (; it != own.windows.end(); ++it) {
      Window& window = *it->second;
      if (window.cell.bar.is_final) continue;
      const Timestamp ts_due = window.ts_close + options_.lateness_of(i);
      if (!bars.watermark.has_reached(ts_due, clock)) {
        own.first_open = it->first;
        first_due = std::min(first_due, ts_due);
        break;
      }
      change(bars, i, window, end, RevisionReason::kNone);
      window.cell.bar.is_final = true;
    }
    if (it == own.windows.end() && !own.windows.empty()) {
      own.first_open = own.windows.newest().first;
    }
  }
}

// ---- What was taken back or corrected

Status BarBuilder::rebuild(SeriesBars& bars, Offset end) {
  if (bars.amended.empty()) return {};
  std::map<std::pair<std::size_t, Timestamp>, Rebuild> windows;
  for (const auto& [identity, trade] : bars.amended) {
    for (std::size_t i = 0; i < options_.specs.size(); ++i) {
      const BarSpec& spec = options_.specs[i];
      if (spec.source != BarSource::kTrades) continue;
      if (spec.session == SessionMode::kRegular && trade.session != TradeSession::kRegular) {
        continue;
      }
      const Timestamp minute = floor_to(trade.ts_event, minutes(1));
      for_each_window(bars, spec, trade.ts_event, [&](Timestamp from, Timestamp to) {
        Rebuild& window = windows[{i, from}];
        const bool is_new = window.amended++ == 0;
        window = {.spec = i,
                  .ts_open = from,
                  .ts_close = to,
                  .reason = std::max(window.reason, trade.reason),
                  .minute = is_new ? minute : std::min(window.minute, minute),
                  .amended = window.amended};
      });
    }
  }
  // Windows of up to a minute are made again from their trades, those of one minute in one reading;
  // longer ones from the bars of their minutes, where those are made too.
  std::map<Timestamp, std::vector<Rebuild*>> by_minute;
  for (auto& [key, window] : windows) {
    if (options_.specs[window.spec].interval <= minutes(1)) {
      by_minute[window.minute].push_back(&window);
    }
  }
  for (const auto& [minute, of_minute] : by_minute) {
    TD_TRY(rebuild_from_trades(bars, of_minute, end));
  }
  for (auto& [key, window] : windows) {
    BarSpec minute = options_.specs[window.spec];
    if (minute.interval <= minutes(1)) continue;
    minute.interval = minutes(1);
    const auto found = std::ranges::find(options_.specs, minute);
    if (found == options_.specs.end()) {
      TD_TRY(rebuild_from_trades(bars, {&window}, end));
      continue;
    }
    const auto minute_spec = static_cast<std::size_t>(found - options_.specs.begin());
    auto of_window = windows.lower_bound({minute_spec, window.ts_open});
    for (; of_window != windows.end() && of_window->first.first == minute_spec &&
           of_window->first.second < window.ts_close;
         ++of_window) {
      window.left += of_window->second.left;
    }
    TD_TRY(rebuild_from_minutes(bars, window, minute_spec, end));
  }
  bars.amended.clear();
  return {};
}

Status BarBuilder::rebuild_from_trades(SeriesBars& bars, const std::vector<Rebuild*>& windows,
                                       Offset end) {
  Timestamp from = windows.front()->ts_open;
  Timestamp to = windows.front()->ts_close;
  for (const Rebuild* window : windows) {
    from = std::min(from, window->ts_open);
    to = std::max(to, window->ts_close);
  }
  std::vector<BarCell> cells(windows.size());
  std::vector<std::uint64_t> found(windows.size());  // trades that the bar should have counted
  ++reads_of_trades_;
  TD_TRY(past_->trades(bars.id, from, to, end, [&](const Trade& trade) {
    const IdentityKey identity = key_of(trade.identity);
    const auto entry = bars.amendments.find(identity);
    const Amendment* now = entry == bars.amendments.end() ? nullptr : &entry->second;
    const Amendment* before = now;
    if (const auto known = bars.amended.find(identity); known != bars.amended.end()) {
      before = known->second.before ? &*known->second.before : nullptr;
    }
    const auto counted = amended(trade, now);
    const bool was_counted = amended(trade, before).has_value();
    const TradeEffect effect = effect_on(bars, trade.ts_event, trade.conditions);
    const OrderKey key = order_key(trade, *bars.series, origin_of(trade.identity.origin));
    for (std::size_t w = 0; w < windows.size(); ++w) {
      if (trade.ts_event < windows[w]->ts_open || trade.ts_event >= windows[w]->ts_close) continue;
      const BarSpec& spec = options_.specs[windows[w]->spec];
      if (spec.session == SessionMode::kRegular && effect.session != TradeSession::kRegular) {
        continue;
      }
      const bool all = spec.conditions == ConditionMode::kAll;
      if (was_counted) ++found[w];
      if (counted) cells[w].apply(*counted, key, all ? TradeEffect{} : effect);
    }
  }));
  for (std::size_t w = 0; w < windows.size(); ++w) {
    Rebuild& rebuilt = *windows[w];
    TD_ASSIGN(Window * window, window_of(bars, rebuilt.spec, rebuilt.ts_open));
    if (window == nullptr) {
      unapplied_ += rebuilt.amended;
      continue;
    }
    // All that it has counted is there, or some is gone from the tape. A bar is never made from a
    // part of its trades.
    const Bar& bar = window->cell.bar;
    if (found[w] == bar.trades + bar.excluded) {
      replace(bars, rebuilt, *window, cells[w], end);
    } else {
      rebuilt.left = rebuilt.amended;
      leave(bars, rebuilt, *window, end);
    }
  }
  return {};
}

Status BarBuilder::rebuild_from_minutes(SeriesBars& bars, const Rebuild& rebuilt,
                                        std::size_t minute_spec, Offset end) {
  BarCell cell;
  const Timestamp newest = bars.specs[minute_spec].newest;
  for (Timestamp t = rebuilt.ts_open; t < rebuilt.ts_close && t <= newest; t = t + minutes(1)) {
    const SpecBars& own = bars.specs[minute_spec];
    if (!own.windows.contains(t) && t >= own.past_before) continue;  // there is none
    TD_ASSIGN(const Window* minute, window_of(bars, minute_spec, t));
    if (minute == nullptr) {
      unapplied_ += rebuilt.amended;
      return {};
    }
    cell.merge(minute->cell);
  }
  TD_ASSIGN(Window * window, window_of(bars, rebuilt.spec, rebuilt.ts_open));
  if (window == nullptr) {
    unapplied_ += rebuilt.amended;
    return {};
  }
  if (rebuilt.left < rebuilt.amended) replace(bars, rebuilt, *window, cell, end);
  if (rebuilt.left > 0) leave(bars, rebuilt, *window, end);
  return {};
}

void BarBuilder::leave(SeriesBars& bars, const Rebuild& rebuilt, Window& window, Offset end) {
  unapplied_ += rebuilt.left;
  window.cell.bar.unapplied += rebuilt.left;
  change(bars, rebuilt.spec, window, end, rebuilt.reason);
}

void BarBuilder::replace(SeriesBars& bars, const Rebuild& rebuilt, Window& window, BarCell cell,
                         Offset end) {
  BarCell& old = window.cell;
  if (old.is_void() && cell.is_void()) return;
  const Bar& before = old.bar;
  cell.bar.ts_open = before.ts_open;
  cell.bar.is_final = before.is_final;
  cell.bar.revision = before.revision;
  cell.bar.reason = before.reason;
  cell.bar.unapplied = before.unapplied;
  cell.bar.offset = before.offset;
  cell.bar.ts_known = before.ts_known;
  // The trade that was taken back may not show: then there is nothing new to say of the bar.
  const bool is_same = cell.bar == before;
  old = cell;
  if (is_same) {
    give_out(bars, rebuilt.spec, window);  // the keys may be others
  } else {
    change(bars, rebuilt.spec, window, end, rebuilt.reason);
  }
}

// ---- Means

void BarBuilder::add_to_means(SeriesBars& bars, Timestamp ts_recv, const Trade* trade,
                              bool take_away) {
  if (!options_.means) return;
  tick(bars, ts_recv);
  if (trade == nullptr) return;
  const bool eligible = effect_on(bars, trade->ts_event, trade->conditions).volume;
  for (std::size_t m = 0; m < kModes.size(); ++m) {
    if (kModes[m] == ConditionMode::kEligible && !eligible) continue;
    Mean& mean = bars.means[m];
    market::Decimal price = trade->price;
    if (take_away) price.mantissa = -price.mantissa;
    mean.trades += take_away ? ~std::uint64_t{0} : 1;
    mean.price_sum.add(price);
    mean.notional.add_product(price, trade->size);
    mean.changed = true;
  }
  bars.tick = floor_to(bars.recv_clock, MeanChange::kTick) + MeanChange::kTick;
}

void BarBuilder::tick(SeriesBars& bars, Timestamp clock) {
  if (!options_.means) return;
  bars.recv_clock = std::max(bars.recv_clock, clock);
  const Timestamp next = floor_to(bars.recv_clock, MeanChange::kTick) + MeanChange::kTick;
  if (!bars.tick || next <= *bars.tick) return;
  for (std::size_t m = 0; m < kModes.size(); ++m) {
    Mean& mean = bars.means[m];
    if (!std::exchange(mean.changed, false)) continue;
    means_.push_back({.series = bars.id,
                      .conditions = kModes[m],
                      .ts_tick = *bars.tick,
                      .trades = mean.trades,
                      .price_sum = mean.price_sum,
                      .notional = mean.notional});
  }
  bars.tick.reset();
}

std::vector<MeanChange> BarBuilder::take_means(bool all) {
  for (const auto& bars : series_) {
    if (all && bars && bars->tick) tick(*bars, *bars->tick);
  }
  return std::exchange(means_, {});
}

// ---- Results and state

std::vector<BarChange> BarBuilder::take_changes(Offset stored) {
  std::vector<BarChange> changes;
  changes.reserve(changed_bars_.size());
  for (const Changed& changed : changed_bars_) {
    Window& window = *changed.window;
    if (window.revised) ++window.cell.bar.revision;
    window.changed = window.revised = false;
    changes.emplace_back(changed.bars->id, options_.specs[changed.spec], window.cell.bar,
                         window.cell.open_key, window.cell.close_key);
  }
  if (options_.bars_kept_max > 0) {
    for (const Changed& changed : changed_bars_) {
      SpecBars& own = changed.bars->specs[changed.spec];
      while (own.windows.size() > options_.bars_kept_max) {
        const auto& [ts_open, oldest] = own.windows.oldest();
        const Bar& bar = oldest->cell.bar;
        if (!bar.is_final || oldest->changed || bar.offset > stored) break;
        own.past_before = std::max(own.past_before, ts_open + Duration{1});
        own.windows.erase_oldest();
      }
    }
  }
  changed_bars_.clear();
  return changes;
}

std::vector<std::pair<std::string, std::string>> BarBuilder::take_state() {
  std::vector<std::pair<std::string, std::string>> entries;
  for (SeriesBars* bars : changed_) {
    bars->changed = false;
    entries.emplace_back(std::string(kSeriesEntry) + to_string(bars->series->key), state_of(*bars));
  }
  changed_.clear();
  for (const auto& [name, venue] : venues_) {
    if (!std::exchange(venue->changed, false)) continue;
    std::string clock;
    venue->clock.encode(clock);
    entries.emplace_back(std::string(kClockEntry) + name, std::move(clock));
  }
  std::string known;
  put_fixed(known, ts_known_.ns);
  entries.emplace_back(kKnownEntry, std::move(known));
  return entries;
}

std::string BarBuilder::state_of(const SeriesBars& bars) const {
  std::string out;
  put_fixed(out, kStateVersion);
  market::put_series(out, *bars.series);
  bars.watermark.encode(out);
  put_fixed(out, bars.recv_clock.ns);
  put_fixed(out, static_cast<std::uint8_t>(bars.tick.has_value()));
  put_fixed(out, bars.tick.value_or(Timestamp{}).ns);
  for (const Mean& mean : bars.means) {
    put_varint(out, mean.trades);
    put_text(out, mean.price_sum.to_string());
    put_text(out, mean.notional.to_string());
    put_fixed(out, static_cast<std::uint8_t>(mean.changed));
  }
  put_varint(out, bars.specs.size());
  for (const SpecBars& own : bars.specs) {
    put_fixed(out, std::max(own.newest, own.past_before).ns);
    std::vector<Timestamp> open;
    for (auto it = own.windows.lower_bound(own.first_open); it != own.windows.end(); ++it) {
      if (!it->second->cell.bar.is_final) open.push_back(it->first);
    }
    put_varint(out, open.size());
    for (const Timestamp ts_open : open) put_fixed(out, ts_open.ns);
  }
  put_varint(out, bars.amendments.size());
  for (const auto& [target, amendment] : bars.amendments) {
    const auto& [origin_id, seq, position] = target;
    const market::Origin& origin = catalog_.origin(OriginId(origin_id));
    market::put_origin(out, origin);
    put_varint(out, seq);
    put_varint(out, position);
    put_fixed(out, static_cast<std::uint8_t>(amendment.kind));
    put_fixed(out, static_cast<std::uint8_t>(amendment.side));
    put_fixed(out, amendment.price.mantissa);
    put_fixed(out, amendment.price.scale);
    put_fixed(out, amendment.size.mantissa);
    put_fixed(out, amendment.size.scale);
    put_fixed(out, amendment.order.ts_event.ns);
    put_fixed(out, amendment.order.venue_sequence);
    put_fixed(out, amendment.order.origin_first.ns);
    put_text(out, amendment.order.origin_key);
    put_varint(out, amendment.order.seq);
    put_varint(out, amendment.order.position);
  }
  return out;
}

Status BarBuilder::restore(const std::vector<std::pair<std::string, std::string>>& entries) {
  for (const auto& [key, value] : entries) {
    if (key.starts_with(kClockEntry)) {
      Venue& venue = venue_called(std::string_view(key).substr(kClockEntry.size()));
      WireReader reader(value);
      if (!venue.clock.decode(reader) || !reader.at_end()) {
        return fail(ErrorCode::kCorrupt, fmt::format("checkpoint: {}: it does not decode", key));
      }
      venue.before = venue.clock.reading();
    } else if (key == kKnownEntry) {
      WireReader reader(value);
      ts_known_ = {reader.fixed<std::int64_t>()};
      if (!reader.ok()) return fail(ErrorCode::kCorrupt, "a checkpoint's clock does not decode");
    } else if (key.starts_with(kSeriesEntry)) {
      if (Status restored = restore_series(value); !restored) {
        return std::unexpected(restored.error().within("checkpoint: " + key));
      }
    }
  }
  return {};
}

Status BarBuilder::restore_series(std::string_view state) {
  const auto corrupt = [] { return fail(ErrorCode::kCorrupt, "it does not decode"); };
  WireReader reader(state);
  if (reader.fixed<std::uint8_t>() != kStateVersion) return corrupt();
  const market::Series series = market::read_series(reader);
  if (!reader.ok()) return corrupt();
  TD_ASSIGN(SeriesBars * bars, bars_of(catalog_.intern(series)));
  if (!bars->watermark.decode(reader)) return corrupt();
  bars->watermark_before = bars->watermark;
  bars->recv_clock = {reader.fixed<std::int64_t>()};
  const bool has_tick = reader.fixed<std::uint8_t>() != 0;
  const Timestamp tick{reader.fixed<std::int64_t>()};
  if (has_tick) bars->tick = tick;
  for (Mean& mean : bars->means) {
    mean.trades = reader.varint();
    TD_ASSIGN(mean.price_sum, market::parse_decimal_sum(reader.text()));
    TD_ASSIGN(mean.notional, market::parse_decimal_sum(reader.text()));
    mean.changed = reader.fixed<std::uint8_t>() != 0;
  }
  if (reader.varint() != bars->specs.size()) return corrupt();
  Timestamp& first_due = bars->venue->first_due[bars->of_venue];
  for (std::size_t i = 0; i < bars->specs.size(); ++i) {
    SpecBars& own = bars->specs[i];
    own.newest = {reader.fixed<std::int64_t>()};
    own.past_before = own.newest;
    if (own.newest.ns != std::numeric_limits<std::int64_t>::min()) {
      own.past_before = own.newest + Duration{1};
      own.first_open = own.newest;
    }
    for (std::uint64_t left = reader.varint(); left > 0 && reader.ok(); --left) {
      const Timestamp ts_open{reader.fixed<std::int64_t>()};
      if (!reader.ok() || past_ == nullptr) return corrupt();
      TD_ASSIGN(const Window* window, window_of(*bars, i, ts_open));
      if (window == nullptr) return fail(ErrorCode::kCorrupt, "an open bar is not in the store");
      own.first_open = std::min(own.first_open, ts_open);
      first_due = std::min(first_due, window->ts_close + options_.lateness_of(i));
    }
  }
  for (std::uint64_t left = reader.varint(); left > 0 && reader.ok(); --left) {
    const market::Origin origin = market::read_origin(reader);
    if (!reader.ok()) return corrupt();
    market::Identity target{.origin = catalog_.intern(origin), .seq = 0, .position = 0};
    target.seq = reader.varint();
    target.position = reader.varint();
    Amendment amendment;
    const auto correction = reader.fixed<std::uint8_t>();
    const auto side = reader.fixed<std::uint8_t>();
    amendment.price.mantissa = reader.fixed<std::int64_t>();
    amendment.price.scale = reader.fixed<std::uint8_t>();
    amendment.size.mantissa = reader.fixed<std::int64_t>();
    amendment.size.scale = reader.fixed<std::uint8_t>();
    amendment.order.ts_event = {reader.fixed<std::int64_t>()};
    amendment.order.venue_sequence = reader.fixed<std::uint64_t>();
    amendment.order.origin_first = {reader.fixed<std::int64_t>()};
    amendment.order.origin_key = *texts_->emplace(reader.text()).first;
    amendment.order.seq = reader.varint();
    amendment.order.position = reader.varint();
    if (correction > 1 || side > 2 || amendment.price.scale > market::kScaleMax ||
        amendment.size.scale > market::kScaleMax) {
      return corrupt();
    }
    amendment.kind = static_cast<CorrectionKind>(correction);
    amendment.side = static_cast<market::Side>(side);
    bars->amendments[key_of(target)] = amendment;
  }
  if (!reader.ok() || !reader.at_end()) return corrupt();
  return {};
}

// ---- Series

Result<BarBuilder::SeriesBars*> BarBuilder::bars_of(SeriesId id) {
  if (series_.size() <= id.value) series_.resize(id.value + 1);
  auto& slot = series_[id.value];
  if (slot) return slot.get();
  auto bars = std::make_unique<SeriesBars>();
  bars->id = id;
  bars->series = &catalog_.series(id);
  bars->specs = std::vector<SpecBars>(options_.specs.size());
  bars->venue = &venue_called(bars->series->key.venue);
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
  bars->of_venue = bars->venue->series.size();
  bars->venue->series.push_back(bars.get());
  bars->venue->first_due.push_back(kNever);
  slot = std::move(bars);
  return slot.get();
}

const market::Origin& BarBuilder::origin_of(OriginId id) {
  if (origins_.size() <= id.value) origins_.resize(id.value + 1);
  const market::Origin*& origin = origins_[id.value];
  if (origin == nullptr) origin = &catalog_.origin(id);
  return *origin;
}

BarBuilder::Venue& BarBuilder::venue_called(std::string_view name) {
  auto found = venues_.find(name);
  if (found == venues_.end()) {
    found = venues_.emplace(name, std::make_unique<Venue>()).first;
  }
  return *found->second;
}

void BarBuilder::touch(SeriesBars& bars) {
  if (!std::exchange(bars.touched, true)) touched_.push_back(&bars);
}

}  // namespace tapedeck::windows
