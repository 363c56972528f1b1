#include "quality/connections.hpp"

#include <algorithm>
#include <optional>

namespace tapedeck::quality {

using market::FeedState;

void Connections::add(const market::FeedMark& mark) {
  std::vector<Spell>& spells = venues_[std::string(venue_of(mark))][mark.feed];
  const Timestamp t = mark.ts_recv;
  if (!spells.empty()) {
    Spell& last = spells.back();
    const bool ends_it = last.state == FeedState::kLive && mark.state != FeedState::kLive;
    if (t < last.to || (t == last.to && !ends_it)) return;
    if (last.state == FeedState::kLive && t - last.to <= kSilenceMax) {
      last.to = t;  // a mark speaks for what was before it
      if (!ends_it) return;
    } else if (last.state == mark.state && mark.state != FeedState::kLive) {
      last.to = t;
      return;
    }
  }
  spells.push_back({.state = mark.state, .from = t, .to = t});
}

Connected Connections::of(std::string_view venue, Timestamp start, Timestamp end) const {
  const auto feeds = venues_.find(venue);
  if (feeds == venues_.end()) return Connected::kUnknown;
  std::optional<Connected> all;
  for (const auto& [name, spells] : feeds->second) {
    const Connected one = of(spells, start, end);
    if (all && *all != one) return Connected::kUnknown;
    all = one;
  }
  return all.value_or(Connected::kUnknown);
}

std::vector<Outage> Connections::outages() const {
  std::vector<Outage> all;
  for (const auto& [venue, feeds] : venues_) {
    for (const auto& [feed, spells] : feeds) {
      std::optional<Timestamp> was_there;  // until then
      bool is_down = false;
      for (const Spell& spell : spells) {
        if (spell.state == FeedState::kLive) {
          if (is_down && was_there) all.push_back({feed, *was_there, spell.from});
          was_there = spell.to;
        }
        is_down = spell.state == FeedState::kDown;
      }
      if (is_down && was_there) all.push_back({feed, *was_there, std::nullopt});
    }
  }
  return all;
}

Connected Connections::of(const std::vector<Spell>& spells, Timestamp start, Timestamp end) {
  // From the one that lasts at the start, or was the last before it.
  auto at = std::ranges::upper_bound(spells, start, {}, &Spell::from);
  if (at != spells.begin()) --at;
  const bool is_whole =
      at != spells.end() && at->state == FeedState::kLive && at->from <= start && at->to >= end;
  if (is_whole) return Connected::kYes;
  for (; at != spells.end() && (at->from < end || at->from <= start); ++at) {
    if (at->state == FeedState::kDown) return Connected::kNo;
  }
  return Connected::kUnknown;
}

}  // namespace tapedeck::quality
