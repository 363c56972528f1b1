#include "app/live_symbols.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "app/registry.hpp"

namespace tapedeck::app {
namespace {

const feeds::FeedKind* live_kind(std::string_view venue) {
  const auto kinds = feed_kinds();
  const auto kind = std::ranges::find(kinds, venue, &feeds::FeedKind::venue);
  return kind != kinds.end() && kind->live ? &*kind : nullptr;
}

}  // namespace

std::optional<std::pair<std::string, std::string>> live_symbol(const std::string& word) {
  const auto colon = word.find(':');
  if (colon == word.npos || colon + 1 == word.size()) return std::nullopt;
  const std::string venue = word.substr(0, colon);
  if (live_kind(venue) == nullptr) return std::nullopt;
  return std::pair(venue, word.substr(colon + 1));
}

Result<std::vector<config::FeedConfig>> live_feeds(const std::vector<std::string>& words) {
  std::vector<config::FeedConfig> feeds;
  for (const std::string& word : words) {
    if (word == kIngestVenue) {
      feeds.push_back({.id = word, .venue = word});
      continue;
    }
    const auto symbol = live_symbol(word);
    if (!symbol) {
      std::vector<std::string_view> live;
      for (const feeds::FeedKind& kind : feed_kinds()) {
        if (kind.live) live.push_back(kind.venue);
      }
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is neither a pipeline file nor venue:symbol with one of the "
                              "venues {}; such as binance:BTCUSDT; or ingest, for rows of your own",
                              word, fmt::join(live, ", ")));
    }
    const auto& [venue, name] = *symbol;
    auto feed = std::ranges::find(feeds, venue, &config::FeedConfig::venue);
    if (feed == feeds.end()) feed = feeds.insert(feed, {.id = "live", .venue = venue});
    if (std::ranges::find(feed->symbols, name) == feed->symbols.end()) {
      feed->symbols.push_back(name);
    }
  }
  return feeds;
}

bool wants_key(const std::string& venue) {
  const auto* kind = live_kind(venue);
  return kind != nullptr && !kind->live->key_parameter.empty();
}

std::string key_variable(const std::string& venue) {
  std::string name = venue + "_token";
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

Result<Secret> key_of_environment(const std::string& venue) {
  const std::string name = key_variable(venue);
  if (auto key = config::process_environment(name); key && !key->empty()) {
    return Secret(*std::move(key));
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} wants a key: put it into the environment variable {}; a pipeline "
                          "file can say file:PATH, as 'tapedeck init' writes it",
                          venue, name));
}

bool gives_prices(const std::vector<config::FeedConfig>& feeds) {
  return std::ranges::any_of(feeds, [](const config::FeedConfig& feed) {
    const auto* kind = live_kind(feed.venue);
    return kind != nullptr && kind->gives_prices;
  });
}

}  // namespace tapedeck::app
