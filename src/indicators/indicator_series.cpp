#include "indicators/indicator_series.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.hpp"

namespace tapedeck::indicators {
namespace {

constexpr std::uint64_t kRungsPerLevel = 4;
constexpr std::uint64_t kBarsMax = std::uint64_t{1} << 60;
constexpr std::size_t kRungsMax = kRungsPerLevel * 62;  // a level for each bit of kBarsMax

std::unexpected<Error> out_of_order(Timestamp ts_open, std::string_view why) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("indicator: bar {}: {}", to_iso(ts_open), why));
}

}  // namespace

IndicatorSeries::IndicatorSeries(Indicator indicator, std::uint64_t every_bars)
    : indicator_(std::move(indicator)), every_bars_(every_bars) {
  TD_CHECK(every_bars > 0);
  clear();
}

void IndicatorSeries::clear() {
  indicator_.clear();
  bars_ = 0;
  newest_.reset();
  before_newest_.reset();
  redo_from_.reset();
  rungs_.clear();
}

Status IndicatorSeries::update(std::span<const market::Bar> changed, const BarSource& source,
                               const ValueSink& sink) {
  if (changed.empty()) return {};
  for (std::size_t i = 1; i < changed.size(); ++i) {
    if (changed[i].ts_open > changed[i - 1].ts_open) continue;
    return out_of_order(changed[i].ts_open, "changed bars must ascend");
  }
  const Timestamp first = changed.front().ts_open;
  const Timestamp last = changed.back().ts_open;
  const bool of_newest = newest_ == first && before_newest_;
  if (redo_from_ || (newest_ && first <= *newest_ && !of_newest)) {
    return recompute(std::min(first, redo_from_.value_or(first)),
                     std::max(last, newest_.value_or(last)), source, sink);
  }
  if (of_newest) {
    TD_TRY(indicator_.restore(*before_newest_));
    --bars_;
    std::erase_if(rungs_, [first](const Rung& rung) { return rung.newest >= first; });
  }
  for (const market::Bar& bar : changed) add(bar, first, sink);
  return {};
}

void IndicatorSeries::add(const market::Bar& bar, Timestamp report_from, const ValueSink& sink) {
  before_newest_.reset();
  if (!bar.is_final) before_newest_ = indicator_.snapshot();
  const Values values = indicator_.add(bar);
  newest_ = bar.ts_open;
  ++bars_;
  climb();
  if (bar.ts_open >= report_from) sink(bar.ts_open, values);
}

// A snapshot every so many bars. Of those whose number is a multiple of 2^n the last few are kept,
// for every n: so there is one before any bar, not much further from it than the newest is.
void IndicatorSeries::climb() {
  if (bars_ % every_bars_ != 0) return;
  rungs_.push_back({bars_, *newest_, indicator_.snapshot()});
  const std::uint64_t top = bars_ / every_bars_;
  std::erase_if(rungs_, [&](const Rung& rung) {
    const std::uint64_t number = rung.bars / every_bars_;
    return (top - number) >> std::countr_zero(number) >= kRungsPerLevel;
  });
}

Status IndicatorSeries::recompute(Timestamp from, Timestamp until, const BarSource& source,
                                  const ValueSink& sink) {
  redo_from_ = from;
  std::erase_if(rungs_, [from](const Rung& rung) { return rung.newest >= from; });
  before_newest_.reset();
  Timestamp read_from = kEarliestPlausible;
  if (rungs_.empty()) {
    indicator_.clear();
    bars_ = 0;
    newest_.reset();
  } else {
    const Rung& rung = rungs_.back();
    TD_TRY(indicator_.restore(rung.state));
    bars_ = rung.bars;
    newest_ = rung.newest;
    read_from = rung.newest + nanoseconds(1);
  }
  std::optional<Timestamp> disorder;
  TD_TRY(source(read_from, [&](const market::Bar& bar) {
    if (newest_ && bar.ts_open <= *newest_) disorder = bar.ts_open;
    if (!disorder) add(bar, from, sink);
  }));
  if (disorder) return out_of_order(*disorder, "the source's bars must ascend");
  if (!newest_ || *newest_ < until) {
    return out_of_order(until, "it is new or changed, but the source does not have it");
  }
  redo_from_.reset();
  return {};
}

std::string IndicatorSeries::snapshot() const {
  const auto instant = [](SnapshotWriter& out, const std::optional<Timestamp>& time) {
    out.u8(time ? 1 : 0);
    if (time) out.i64(time->ns);
  };
  SnapshotWriter out;
  out.u64(every_bars_);
  out.u64(bars_);
  instant(out, newest_);
  instant(out, redo_from_);
  out.bytes(indicator_.snapshot());
  out.bytes(before_newest_.value_or(std::string()));
  out.u32(static_cast<std::uint32_t>(rungs_.size()));
  for (const Rung& rung : rungs_) {
    out.u64(rung.bars);
    out.i64(rung.newest.ns);
    out.bytes(rung.state);
  }
  return std::move(out).finish();
}

Status IndicatorSeries::restore(std::string_view bytes) {
  clear();
  TD_ASSIGN(SnapshotReader in, SnapshotReader::open(bytes));
  Status done = read(in);
  if (!done) clear();
  return done;
}

Status IndicatorSeries::read(SnapshotReader& in) {
  const auto instant = [&in]() -> std::optional<Timestamp> {
    if (!in.flag()) return std::nullopt;
    return Timestamp{in.i64()};
  };
  // Every state in it is tried once: a later update must not find one that cannot be.
  if (in.u64() != every_bars_) in.spoil();
  bars_ = in.u64();
  newest_ = instant();
  redo_from_ = instant();
  const std::string_view newest_state = in.bytes();
  if (const std::string_view state = in.bytes(); !state.empty()) {
    TD_TRY(indicator_.restore(state));
    before_newest_ = state;
  }
  const std::uint32_t count = in.u32();
  if (count > kRungsMax || bars_ > kBarsMax || (bars_ > 0) != newest_.has_value()) in.spoil();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    Rung rung{.bars = in.u64(), .newest = Timestamp{in.i64()}, .state = std::string(in.bytes())};
    if (!in.ok()) break;
    const Rung* last = rungs_.empty() ? nullptr : &rungs_.back();
    if (rung.bars == 0 || rung.bars % every_bars_ != 0 || rung.bars > bars_ ||
        rung.newest > *newest_ ||
        (last != nullptr && (rung.bars <= last->bars || rung.newest <= last->newest))) {
      in.spoil();
      break;
    }
    TD_TRY(indicator_.restore(rung.state));
    rungs_.push_back(std::move(rung));
  }
  TD_TRY(in.finish());
  return indicator_.restore(newest_state);
}

}  // namespace tapedeck::indicators
