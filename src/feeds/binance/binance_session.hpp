// src/feeds/binance/binance_session.hpp: Binance's side of its spot streams: /ws/NAME,
// /stream?streams=NAME/NAME, SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS of NAME@trade
// and NAME@aggTrade.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "feeds/emulation.hpp"

namespace tapedeck::feeds::binance {

// The channel of aggregates, and what a symbol that asks for them ends in: "BTCUSDT@aggTrade".
inline constexpr std::string_view kAggregateChannel = "aggTrade";
inline constexpr std::string_view kAggregates = "@aggTrade";

struct Wished {
  std::string_view instrument;  // "BTCUSDT"
  bool is_aggregate = false;
};
Wished split_symbol(std::string_view symbol);

// The stream of a symbol: "btcusdt@trade" of "BTCUSDT", "btcusdt@aggTrade" of "BTCUSDT@aggTrade".
std::string stream_of(std::string_view symbol);

std::unique_ptr<VenueSession> open_session(std::string_view target);
// GET /api/v3/historicalTrades, aggTrades, and exchangeInfo (what clients take from it).
VenueAnswer answer(const VenueQuestion& question);

}  // namespace tapedeck::feeds::binance
