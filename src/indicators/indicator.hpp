// src/indicators/indicator.hpp: the door of this room: which indicators there are, the text that
// names one ("macd(12,26,9)", "vwap(session)"), and one that runs: bars in, values out.
// Thread: one. Clock: none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "indicators/formula.hpp"
#include "market/bar.hpp"
#include "market/calendar.hpp"

namespace tapedeck::indicators {

std::string to_string(const Value& value);  // the shortest that reads back as the same value
double to_double(const Value& value);

// All there are; the table is in kinds.cpp.
std::span<const IndicatorKind> indicator_kinds();

// From which bar on an indicator counts.
enum class Anchor : std::uint8_t {
  kFirstBar = 0,  // the first of the series
  kSession = 1,   // the first of each trading date of its calendar
};

struct IndicatorSpec {
  const IndicatorKind* kind = nullptr;
  std::vector<market::Decimal> arguments{};  // one for each parameter
  Anchor anchor = Anchor::kFirstBar;

  std::size_t warm_up() const { return kind->warm_up(arguments); }
};

std::string to_string(const IndicatorSpec& spec);  // canonical: "ema(20)", "rsi(14,session)"
// "name", "name(arguments)", "name(arguments,session)"; without arguments the standard ones. Blanks
// are allowed around each. Errors: kInvalidArgument, saying what would be right.
Result<IndicatorSpec> parse_indicator(std::string_view text);

// A pure function of the bars since its anchor: no clock, no I/O, the same bits on every machine.
class Indicator {
 public:
  // Borrows the calendar, which decides where a session starts; another anchor needs none.
  // Errors: kInvalidArgument where one is needed and there is none.
  static Result<Indicator> make(IndicatorSpec spec, const market::Calendar* calendar = nullptr);

  // The values after this bar; bars come in ascending ts_open, gaps are no bars. A bar that lacks a
  // price that the formula reads (or has one of 10^15 or more) does not count: it gives no values
  // and changes nothing.
  Values add(const market::Bar& bar);
  void clear();  // as new

  const IndicatorSpec& spec() const { return spec_; }
  std::span<const std::string_view> outputs() const { return spec_.kind->outputs; }
  std::uint64_t not_counted() const { return not_counted_; }  // bars since it was new

  // What a restored one says from then on is what this one would have said, bit by bit.
  std::string snapshot() const;
  // Errors: kCorrupt; kUnsupported (another version); kInvalidArgument (of another indicator or
  // calendar). It is as new then.
  Status restore(std::string_view bytes);

 private:
  Indicator(IndicatorSpec spec, const market::Calendar* calendar);

  IndicatorSpec spec_;
  const market::Calendar* calendar_;  // of a session anchor, else null
  std::unique_ptr<Formula> formula_;
  std::optional<Timestamp> last_;  // of a session anchor: the last bar's ts_open
  market::TradingDay day_{};       // of last_
  std::uint64_t not_counted_ = 0;
};

}  // namespace tapedeck::indicators
