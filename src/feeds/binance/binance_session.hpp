// src/feeds/binance/binance_session.hpp: Binance's side of its spot streams: /ws/NAME,
// /stream?streams=NAME/NAME, SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS of NAME@trade.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "feeds/emulation.hpp"

namespace tapedeck::feeds::binance {

// The stream of a symbol's trades: "btcusdt@trade" of "BTCUSDT".
std::string stream_of(std::string_view symbol);

std::unique_ptr<VenueSession> open_session(std::string_view target);
// GET /api/v3/historicalTrades.
VenueAnswer answer(std::string_view path, const Parameters& query,
                   std::span<const EmulatedTrade> happened);
// GET /api/v3/exchangeInfo: what clients take from it.
std::string directory(std::span<const std::string> symbols);

}  // namespace tapedeck::feeds::binance
