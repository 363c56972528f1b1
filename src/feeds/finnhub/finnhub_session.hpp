// src/feeds/finnhub/finnhub_session.hpp: Finnhub's side of its WebSocket: /?token=KEY, subscribe,
// unsubscribe, pings, and the limit of a free key.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "feeds/emulation.hpp"

namespace tapedeck::feeds::finnhub {

inline constexpr std::size_t kSymbolsMax = 50;  // of a free key

// Without a token it grants nothing, and says so.
std::unique_ptr<VenueSession> open_session(std::string_view target);
// GET /api/v1/quote and /api/v1/search.
VenueAnswer answer(const VenueQuestion& question);

}  // namespace tapedeck::feeds::finnhub
