// src/feeds/random_user/random_user.hpp: randomuser.me's side, version 1.4: GET /api/ and /api/1.4/
// with results, page, seed and nat. It makes persons up, the same for a seed; pipelines/random_user
// is how they are asked for.
#pragma once

#include <string_view>

#include "feeds/emulation.hpp"

namespace tapedeck::feeds::random_user {

inline constexpr std::string_view kVenue = "random_user";

Emulation emulation();

}  // namespace tapedeck::feeds::random_user
