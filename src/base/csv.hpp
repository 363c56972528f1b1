// src/base/csv.hpp: a field of a CSV file.
#pragma once

#include <string>
#include <string_view>

namespace tapedeck {

// Quoted where RFC 4180 asks for it.
inline std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace tapedeck
