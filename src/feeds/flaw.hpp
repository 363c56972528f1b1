// src/feeds/flaw.hpp: what is wrong with something from outside: half a Refusal, before it is known
// where it happened.
#pragma once

#include <string>
#include <string_view>

namespace tapedeck::feeds {

struct Flaw {
  std::string_view reason;  // a stable word, as in Refusal
  std::string detail;
  std::string_view field{};  // of "missing_field": its name, where the venue's own is known
};

}  // namespace tapedeck::feeds
