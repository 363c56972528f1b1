// src/feeds/yahoo/yahoo_session.hpp: the streamer's own side: /?version=2 and / (version 1),
// subscribe and unsubscribe, and silence about what it does not grant.
#pragma once

#include <memory>
#include <string_view>

#include "feeds/emulation.hpp"

namespace tapedeck::feeds::yahoo {

std::unique_ptr<VenueSession> open_session(std::string_view target);

}  // namespace tapedeck::feeds::yahoo
