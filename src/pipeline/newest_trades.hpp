// src/pipeline/newest_trades.hpp: what a venue says its newest trades are, beside those that came:
// a trade that is missed at the end of what came shows by no later one. A venue tells it by itself
// (heartbeats), or is asked; asking is planned here. Only of venues that count their trades.
// Thread: one at a time. Ownership: borrows the catalog.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "market/series.hpp"
#include "market/trade.hpp"

namespace tapedeck::pipeline {

class NewestTrades {
 public:
  // So long a symbol is left alone after a trade of it came; where there are none, each time twice
  // as long, up to the second.
  static constexpr Duration kQuiet = seconds(20);
  static constexpr Duration kQuietMax = minutes(5);
  // So long the connection has to bring a trade that was told of.
  static constexpr Duration kOnItsWay = seconds(5);
  // So long a symbol is not called deaf again after it was, each time twice as long, up to the
  // second: a new connection may be no better.
  static constexpr Duration kPatience = minutes(1);
  static constexpr Duration kPatienceMax = hours(1);

  struct Missed {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::optional<SeriesId> series{};  // nothing: no trade of it has come yet
  };

  // `symbol_of`: how a series is asked for; null: by its instrument.
  NewestTrades(const market::Catalog& catalog, std::string (*symbol_of)(const market::SeriesKey&))
      : catalog_(catalog), symbol_of_(symbol_of) {}

  // A trade that the connection brought.
  void came(const market::Trade& trade, Duration now);
  // It brought something that was refused, which may have been any trade.
  void refused(Duration now) { last_refused_ = now; }
  // The venue's newest trade of a symbol: what it shows to be missed and was not shown before.
  // Where nothing came yet that is this trade alone: those before it show by its id.
  std::optional<Missed> told(std::string_view symbol, std::uint64_t newest);

  // There is a new connection: each symbol is to be asked for once, and again when it
  // is quiet.
  void connected();
  // It is not asked for any more.
  void forget(const std::string& symbol);
  // Whom of these to ask for now, if anybody: who was not asked for on this connection comes first.
  std::optional<std::string> next(std::span<const std::string> symbols, Duration now);
  // When that may be somebody again; nothing: now.
  std::optional<Duration> next_due() const { return next_due_; }
  // It was asked for: what the venue said, if that could be read. As told().
  std::optional<Missed> answered(const std::string& symbol, std::optional<std::uint64_t> newest,
                                 Duration now);
  // A symbol whose trades the venue has and the connection does not bring, though it is there, and
  // all that it brought was read.
  std::optional<std::string> deaf(Duration now);

 private:
  struct Stream {
    SeriesId series{};
    std::uint64_t newest = 0;
    Duration last{};  // when it came
  };
  struct Look {
    Duration at{};
    Duration wait = kQuiet;  // until the next, while nothing comes
  };
  struct Unheard {
    std::uint64_t id = 0;
    Duration since{};
  };
  struct Patience {
    Duration until{};
    Duration wait = kPatience;
  };
  template <class Value>
  using BySymbol = std::map<std::string, Value, std::less<>>;

  const Stream* find(std::string_view symbol) const;

  const market::Catalog& catalog_;
  std::string (*const symbol_of_)(const market::SeriesKey&);
  std::map<SeriesId, Stream> came_;
  BySymbol<SeriesId> series_;     // of those in came_
  BySymbol<std::uint64_t> told_;  // the newest
  BySymbol<Look> looks_;          // on this connection
  BySymbol<Unheard> unheard_;     // told of while the connection was there and quiet
  BySymbol<Patience> patience_;   // with those that were deaf
  std::optional<Duration> last_refused_;
  std::optional<Duration> next_due_;  // of any symbol, at the earliest; nothing: now
};

}  // namespace tapedeck::pipeline
