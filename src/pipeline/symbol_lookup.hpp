// src/pipeline/symbol_lookup.hpp: what a venue's list says of the symbols that it will be asked
// for, so that a misspelt one is told before it is waited for: Binance grants any, and is silent.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/net.hpp"
#include "base/result.hpp"
#include "feeds/directory.hpp"
#include "market/event.hpp"
#include "market/series.hpp"

namespace tapedeck::pipeline {

struct LookedUp {
  std::vector<std::string> listed;
  std::vector<std::string> unlisted;
  // Of those that are listed, in the series VENUE/instrument/SYMBOL: a JSON object with venue,
  // symbol, name, type, currency, status and zone; what the venue does not say is left out. The
  // same again is the same event.
  std::vector<market::Record> records;
};

// Errors: kUnavailable, where the answer is no list.
Result<LookedUp> look_up(const feeds::Directory& directory, std::string_view venue,
                         std::span<const std::string> symbols, const HttpAnswer& answer,
                         market::Catalog& catalog);

}  // namespace tapedeck::pipeline
