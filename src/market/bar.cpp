#include "market/bar.hpp"

#include <fmt/format.h>

#include <array>

namespace tapedeck::market {
namespace {

constexpr std::array kIntervals{seconds(1), seconds(5),  seconds(15), seconds(30), minutes(1),
                                minutes(5), minutes(15), minutes(30), hours(1),    kTradingDay};

std::string text_of(const std::optional<Decimal>& price) {
  return price ? to_string(*price) : std::string();
}

}  // namespace

std::string_view to_string(ConditionMode mode) {
  return mode == ConditionMode::kAll ? "all" : "eligible";
}

std::string_view to_string(SessionMode mode) {
  return mode == SessionMode::kRegular ? "regular" : "extended";
}

std::string_view to_string(BarSource source) {
  switch (source) {
    case BarSource::kTrades:
      return "trades";
    case BarSource::kLast:
      return "last";
    case BarSource::kVendor:
      return "vendor";
  }
  return "";
}

std::string_view to_string(Adjusted adjusted) {
  switch (adjusted) {
    case Adjusted::kRaw:
      return "raw";
    case Adjusted::kSplit:
      return "split";
    case Adjusted::kTotal:
      return "total";
  }
  return "";
}

std::string_view to_string(RevisionReason reason) {
  switch (reason) {
    case RevisionReason::kNone:
      return "";
    case RevisionReason::kLate:
      return "late";
    case RevisionReason::kRepair:
      return "repair";
    case RevisionReason::kCancel:
      return "cancel";
    case RevisionReason::kCorrection:
      return "correction";
  }
  return "";
}

Result<BarSource> parse_bar_source(std::string_view text) {
  for (const BarSource source : {BarSource::kTrades, BarSource::kLast, BarSource::kVendor}) {
    if (to_string(source) == text) return source;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("source '{}' is not known: use trades, last or vendor", text));
}

Result<Adjusted> parse_adjusted(std::string_view text) {
  for (const Adjusted adjusted : {Adjusted::kRaw, Adjusted::kSplit, Adjusted::kTotal}) {
    if (to_string(adjusted) == text) return adjusted;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("adjusted '{}' is not known: use raw, split or total", text));
}

Result<ConditionMode> parse_condition_mode(std::string_view text) {
  if (text == "eligible") return ConditionMode::kEligible;
  if (text == "all") return ConditionMode::kAll;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("conditions '{}' are not known: use eligible or all", text));
}

Result<SessionMode> parse_session_mode(std::string_view text) {
  if (text == "extended") return SessionMode::kExtended;
  if (text == "regular") return SessionMode::kRegular;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("session '{}' is not known: use extended or regular", text));
}

Result<Duration> parse_interval(std::string_view text) {
  std::string known;
  for (const Duration interval : kIntervals) {
    if (to_string(interval) == text) return interval;
    known += known.empty() ? to_string(interval) : ", " + to_string(interval);
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("interval '{}' is not known: use one of {}", text, known));
}

void BarDigest::add(const BarRow& row) {
  const Bar& bar = row.bar;
  sha_.update(fmt::format(
      "{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}\n", to_string(row.series), row.spec.interval.ns,
      to_string(row.spec.conditions), to_string(row.spec.session), bar.ts_open.ns,
      text_of(bar.open), text_of(bar.high), text_of(bar.low), text_of(bar.close),
      bar.volume.to_string(), bar.trades, bar.excluded, bar.notional.to_string()));
}

}  // namespace tapedeck::market
