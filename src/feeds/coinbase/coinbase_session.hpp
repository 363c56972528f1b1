// src/feeds/coinbase/coinbase_session.hpp: Coinbase Exchange's side of its feed: subscribe and
// unsubscribe, channels `matches` and `heartbeat`.
#pragma once

#include <memory>
#include <string_view>

#include "feeds/emulation.hpp"

namespace tapedeck::feeds::coinbase {

std::unique_ptr<VenueSession> open_session(std::string_view target);
// GET /products and /products/ID/trades.
VenueAnswer answer(const VenueQuestion& question);

}  // namespace tapedeck::feeds::coinbase
