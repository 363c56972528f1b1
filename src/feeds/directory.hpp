// src/feeds/directory.hpp: what a venue says over HTTP of the instruments that it has, so that
// people find the symbol before they ask for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace tapedeck::feeds {

// An instrument. What the venue does not say is empty.
struct Listed {
  std::string symbol;  // as subscribed
  std::string name;
  std::string type;      // "Common Stock", "spot"
  std::string currency;  // of its prices
  std::string status;    // "online"
};

struct Directory {
  std::string_view url;           // "https://host"
  std::string_view key_header{};  // where it wants a key
  // Path and query of a GET. `text`: what is looked for, percent-encoded; a venue that cannot
  // search answers with all.
  std::string (*target)(std::string_view text);
  // Errors: kMalformed, kUnavailable in the venue's words.
  Result<std::vector<Listed>> (*read)(std::string_view body);
  // Asked for "" it answers with all that it has: what is not in it is not there.
  bool lists_all = false;
  // What of a symbol is listed; null: all of it.
  std::string_view (*listed_as)(std::string_view symbol) = nullptr;
  std::string_view zone = "UTC";  // of its trading days
};

}  // namespace tapedeck::feeds
