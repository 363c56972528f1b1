// src/feeds/kraken/kraken_session.hpp: Kraken's side of its WebSocket v2: subscribe and unsubscribe
// of channel `trade`, with a snapshot of the last trades, ping, heartbeats; its REST.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "feeds/emulation.hpp"

namespace tapedeck::feeds::kraken {

// "XBTUSD" of "BTC/USD": its REST has older names.
std::string pair_of(std::string_view symbol);

std::unique_ptr<VenueSession> open_session(std::string_view target);
// GET /0/public/Trades and /0/public/AssetPairs.
VenueAnswer answer(const VenueQuestion& question);

}  // namespace tapedeck::feeds::kraken
