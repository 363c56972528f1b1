#include "quality/connections.hpp"

#include <algorithm>
#include <iterator>
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
    const bool follows = t - last.to <= (ends_it ? kToldWithin : kSilenceMax);
    if (last.state == FeedState::kLive && follows) {
      last.to = t;  // a mark speaks for what was before it
      if (!ends_it) return;
    } else if (last.state == mark.state && mark.state != FeedState::kLive) {
      last.to = t;
      return;
    } else if (last.state == FeedState::kLive && mark.state == FeedState::kDown) {
      spells.push_back({.state = FeedState::kDown, .from = last.to, .to = t});
      return;
    }
  }
  spells.push_back({.state = mark.state, .from = t, .to = t});
}

template <class Predicate>
Connected Connections::agreed(std::string_view venue, Timestamp start, Timestamp end,
                              const Predicate& may_have_brought) const {
  const auto feeds = venues_.find(venue);
  if (feeds == venues_.end()) return Connected::kUnknown;
  std::optional<Connected> all;
  for (const auto& [name, spells] : feeds->second) {
    if (!may_have_brought(spells)) continue;
    const Connected one = of(spells, start, end);
    if (all && *all != one) return Connected::kUnknown;
    all = one;
  }
  return all.value_or(Connected::kUnknown);
}

Connected Connections::of(std::string_view venue, Timestamp start, Timestamp end) const {
  return agreed(venue, start, end, [&](const Spells& spells) {
    if (spells.empty() || spells.front().from >= end) return false;
    const auto next = std::ranges::upper_bound(spells, start, {}, &Spell::from);
    const bool has_ended = next != spells.begin() && std::prev(next)->state == FeedState::kEnded;
    return !has_ended || (next != spells.end() && next->from < end);
  });
}

Connected Connections::between(std::string_view venue, Timestamp came, Timestamp next_came) const {
  return agreed(venue, came, next_came, [&](const Spells& spells) {
    return was_there(spells, came) && was_there(spells, next_came);
  });
}

bool Connections::was_there(const Spells& spells, Timestamp t) {
  // A mark comes within a second, and so may be older or newer than what came.
  return std::ranges::any_of(spells, [&](const Spell& spell) {
    return spell.state == FeedState::kLive && spell.from - kToldWithin <= t &&
           t <= spell.to + kToldWithin;
  });
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
  std::ranges::stable_sort(all, {}, &Outage::from);
  return all;
}

Connected Connections::of(const Spells& spells, Timestamp start, Timestamp end) {
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
