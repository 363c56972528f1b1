// src/app/live_symbols.hpp: what people write on the command line for live feeds: venue:symbol.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace tapedeck::app {

// "binance:BTCUSDT" as venue and symbol, if the venue is known.
std::optional<std::pair<std::string, std::string>> live_symbol(const std::string& word);
// A feed of each venue, named "live", with its symbols in the order given. Errors:
// kInvalidArgument, naming the venues that there are.
Result<std::vector<config::FeedConfig>> live_feeds(const std::vector<std::string>& words);

bool wants_key(const std::string& venue);
std::string key_variable(const std::string& venue);  // "FINNHUB_TOKEN"
// Where no file says it. Errors: kInvalidArgument.
Result<Secret> key_of_environment(const std::string& venue);
// Whether one of them gives prices without trades.
bool gives_prices(const std::vector<config::FeedConfig>& feeds);

}  // namespace tapedeck::app
