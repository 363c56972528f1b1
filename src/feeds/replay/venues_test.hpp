// src/feeds/replay/venues_test.hpp: what recorded files may hold, as the tests read them. The
// program's own table is in app/registry.cpp.
#pragma once

#include <array>

#include "feeds/binance/binance_feed.hpp"
#include "feeds/coinbase/coinbase_feed.hpp"
#include "feeds/events/events_feed.hpp"
#include "feeds/finnhub/finnhub_feed.hpp"
#include "feeds/kraken/kraken_feed.hpp"
#include "feeds/replay/replay.hpp"
#include "feeds/yahoo/yahoo_feed.hpp"

namespace tapedeck::feeds::replay {

inline const market::ConditionTables& tables_of_tests() {
  static const market::ConditionTable table;
  static const market::ConditionTables tables{{"lean", &table}};
  return tables;
}

inline const std::array kVenues{binance::feed_kind(), coinbase::feed_kind(),
                                kraken::feed_kind(),  finnhub::feed_kind(),
                                yahoo::feed_kind(),   events::feed_kind<tables_of_tests>()};

inline ReplayOptions with_venues(ReplayOptions options) {
  options.feeds = kVenues;
  return options;
}

}  // namespace tapedeck::feeds::replay
