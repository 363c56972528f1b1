// src/feeds/coinbase/coinbase_session.hpp: Coinbase Exchange's side of its feed: subscribe and
// unsubscribe, channels `matches` and `heartbeat`.
#pragma once

#include <memory>
#include <string_view>

#include "feeds/emulation.hpp"

namespace tapedeck::feeds::coinbase {

std::unique_ptr<VenueSession> open_session(std::string_view target);
// GET /products/ID/trades.
VenueAnswer answer(std::string_view path, const Parameters& query,
                   std::span<const EmulatedTrade> happened);

}  // namespace tapedeck::feeds::coinbase
