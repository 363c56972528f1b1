// src/feeds/flaw.hpp: what is wrong with something from outside: half a Refusal, before it is known
// where it happened.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tapedeck::feeds {

struct Flaw {
  std::string_view reason;  // a stable word, as in Refusal
  std::string detail;
  std::vector<std::string_view> missing{};  // of "missing_field": the venue's names, if known
};

}  // namespace tapedeck::feeds
