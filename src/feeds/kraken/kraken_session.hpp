// src/feeds/kraken/kraken_session.hpp: Kraken's side of its WebSocket v2: subscribe and unsubscribe
// of channel `trade`, ping, heartbeats. Without the snapshot of past trades.
#pragma once

#include <memory>
#include <string_view>

#include "feeds/emulation.hpp"

namespace tapedeck::feeds::kraken {

std::unique_ptr<VenueSession> open_session(std::string_view target);

}  // namespace tapedeck::feeds::kraken
