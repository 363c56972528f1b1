// src/windows/past.hpp: what a bar builder no longer holds and must ask for: stored bars when
// something late comes, and trades when one of them is taken back or corrected.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "market/bar.hpp"
#include "market/trade.hpp"

namespace tapedeck::windows {

struct PastBar {
  market::Bar bar;
  std::string keys;  // as BarChange::keys()
};

class Past {
 public:
  virtual ~Past() = default;
  // The bar as it was last given out; nothing where there was none. Errors: kNotFound where it may
  // have been and is no longer kept.
  virtual Result<std::optional<PastBar>> bar(SeriesId series, const market::BarSpec& spec,
                                             Timestamp ts_open) = 0;
  // Calls `visit` with each trade of the series that has from <= ts_event < to, stands before `end`
  // on the tape, and has not been dropped from it; in any order. Whoever asks knows how many there
  // were.
  virtual Status trades(SeriesId series, Timestamp from, Timestamp to, Offset end,
                        const std::function<void(const market::Trade&)>& visit) = 0;
  // The trade of this identity, if it stands before `end`. `near`: it is looked for there first.
  // Errors: kNotFound where it may have been dropped from the tape.
  virtual Result<std::optional<market::Trade>> trade(SeriesId series,
                                                     const market::Identity& identity,
                                                     Timestamp near, Offset end) = 0;
};

}  // namespace tapedeck::windows
