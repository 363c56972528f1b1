// src/feeds/session_count.hpp: identities where the venue gives none: the place of an event among
// those of its series that one connection, or one recorded file, brought. Without holes, so that
// knowing them costs nothing (quality/seen_identities.hpp). Thread: one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "market/series.hpp"
#include "market/trade.hpp"

namespace tapedeck::feeds {

class SessionCount {
 public:
  // Until begin() is called it is a session that is named like the venue.
  SessionCount(market::Catalog& catalog, std::string_view venue) : catalog_(catalog) {
    begin({.kind = market::OriginKind::kSession, .key = std::string(venue)});
  }

  void begin(const market::Origin& session) {
    origin_ = catalog_.intern(session);
    counts_.clear();
  }
  // Of the next event of this series. What is refused for another reason than its symbol counts
  // too: then a feed that learns to read it gives the others the same identities.
  market::Identity next(SeriesId series) {
    if (series.value >= counts_.size()) counts_.resize(std::size_t{series.value} + 1);
    return {.origin = origin_, .seq = counts_[series.value]++};
  }

 private:
  market::Catalog& catalog_;
  OriginId origin_{};
  std::vector<std::uint64_t> counts_;  // by SeriesId
};

}  // namespace tapedeck::feeds
