// src/api/last_values.hpp: the last price of every series, and what its change is counted from.
// Thread: any.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "market/calendar.hpp"
#include "pipeline/history.hpp"
#include "pipeline/live.hpp"

namespace tapedeck::api {

struct Basis {
  enum class Kind {
    kPreviousClose,  // of the regular session before the one of the price's trading date
    kSessionOpen,    // the first price of this date's regular session
    kFirstPrice,     // the first price that is stored of this date
  };
  Kind kind = Kind::kPreviousClose;
  market::Decimal price;
  Timestamp ts_open;  // of the bar that it was read from
};
std::string_view to_string(Basis::Kind kind);  // "previous_close", "session_open", "first_price"

struct LastValue {
  market::SeriesKey series;
  std::optional<market::Decimal> price;
  std::optional<market::Decimal> size;  // none where the price is a stored bar's
  std::optional<Timestamp> ts_event;    // of the trade, else of the bar
  std::optional<Basis> basis;
  Offset offset;

  std::string change() const;          // exact; empty where there is none
  std::string change_percent() const;  // rounded half-even to nine digits
};

class LastValues {
 public:
  // Borrows both.
  LastValues(const pipeline::History& history, const pipeline::Live& live)
      : history_(history), live_(live) {}

  struct Page {
    std::uint64_t run = 0;
    Offset offset;
    std::vector<LastValue> values{};
  };
  // With `since` 0 one of each series, in the order of the instruments, from the store where no
  // trade is in memory; else those that have had trades at or after it.
  Page since(Offset since);

 private:
  struct Known {
    std::uint64_t run = 0;
    Timestamp from, until;  // the trading date that the basis is for
    Timestamp looked_at;
    std::optional<Basis> basis;
  };

  std::optional<Basis> basis_of(const market::Series& series, Timestamp at, std::uint64_t run);
  std::optional<Basis> find_basis(const market::Series& series, const market::Calendar& calendar,
                                  const market::TradingDay& day) const;
  std::optional<LastValue> stored(const market::Series& series) const;
  std::optional<market::BarSpec> best_bars(market::SessionMode session) const;

  const pipeline::History& history_;
  const pipeline::Live& live_;
  std::mutex mutex_;
  std::map<market::SeriesKey, Known> known_;
};

}  // namespace tapedeck::api
