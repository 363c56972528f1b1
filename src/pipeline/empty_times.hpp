// src/pipeline/empty_times.hpp: why there is no bar where none is, as far as it is known. Nothing
// is guessed: what neither the calendar nor the tape tells is said to be unknown. Thread: any.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "market/calendar.hpp"
#include "market/series.hpp"
#include "store/store.hpp"
#include "tape/tape.hpp"

namespace tapedeck::pipeline {

enum class EmptyReason {
  kClosed,        // no trading then, by the calendar; of regular bars, outside regular hours
  kNoTrade,       // its feed was connected all the time, and no trade came
  kNotConnected,  // its feed was not, for some of the time
  kUnknown,       // no trade is on the tape, and nothing on it tells whether its feed was connected
  kProvisional,   // the time is not over: a trade may still come
  kDropped,       // there may have been one: bars so short are no longer kept
};
std::string_view to_string(EmptyReason reason);  // "closed", "no_trade", "not_connected", ...

// Neighbouring intervals without a bar, for one reason.
struct EmptyTime {
  Timestamp start, end;
  EmptyReason reason = EmptyReason::kUnknown;
  bool operator==(const EmptyTime&) const = default;
};

// Of the range of the query, or from the first bar that it finds to the last; never beyond `now`,
// the market's time. Ascending. Errors: kInvalidArgument for bars of a day or that slide, and
// kOverflow where the range has more intervals than are looked at at once.
Result<std::vector<EmptyTime>> empty_times(const store::Store& store, const tape::TapeView& tape,
                                           const market::Series& series,
                                           const store::BarQuery& query, Timestamp now);

}  // namespace tapedeck::pipeline
