// src/feeds/json_list.hpp: texts as a JSON array, for what feeds send. Inside this room only.
#pragma once

#include <span>
#include <string>

#include "base/log.hpp"

namespace tapedeck::feeds {

inline std::string json_list(std::span<const std::string> texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    out += json_quote(text);
  }
  return out + ']';
}

}  // namespace tapedeck::feeds
