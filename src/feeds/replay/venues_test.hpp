// src/feeds/replay/venues_test.hpp: the venues whose captures the tests read. The program's own
// table is in app/registry.cpp.
#pragma once

#include <array>

#include "feeds/binance/binance_feed.hpp"
#include "feeds/coinbase/coinbase_feed.hpp"
#include "feeds/kraken/kraken_feed.hpp"
#include "feeds/replay/replay.hpp"

namespace tapedeck::feeds::replay {

inline const std::array kVenues{binance::feed_kind(), coinbase::feed_kind(), kraken::feed_kind()};

inline ReplayOptions with_venues(ReplayOptions options) {
  options.feeds = kVenues;
  return options;
}

}  // namespace tapedeck::feeds::replay
