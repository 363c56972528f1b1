// src/api/message.hpp: a message of a client of the live socket: one flat JSON object.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "net/http_message.hpp"

namespace tapedeck::api {

// {"type":"subscribe","run":2} to its members, in their order: strings decoded, numbers, true and
// false as they are written. Errors: kMalformed for what is no JSON, is nested, holds null, or
// names a member twice.
Result<net::Fields> parse_message(std::string_view text);

}  // namespace tapedeck::api
