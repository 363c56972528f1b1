// src/quality/connections.hpp: when the feeds of each venue were connected, as far as the clock
// marks of a tape tell (docs/time-order-identity.md). Memory: 24 bytes for each time that a
// connection was made or lost. Thread: one at a time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "market/event.hpp"

namespace tapedeck::quality {

enum class Connected {
  kYes,      // all the time
  kNo,       // not for some of it
  kUnknown,  // nothing tells
};

// When a feed was not connected, between two times when it was: what its venue sent meanwhile came
// later, by ids, or never.
struct Outage {
  std::string feed{};             // as in marks: "finnhub/shares"
  Timestamp from{};               // the last that is known of the connection before,
  std::optional<Timestamp> to{};  // and the first of the next; nothing: there is none yet
  std::string_view venue() const { return std::string_view(feed).substr(0, feed.find('/')); }
};

class Connections {
 public:
  // Live marks come each second. Between two that are further apart, nobody knows.
  static constexpr Duration kSilenceMax = seconds(10);

  // In the order of their times; one that is not newer than the last of its feed says nothing new,
  // as where partitions repeat them.
  void add(const market::FeedMark& mark);
  // By our clock, from `start` on, before `end`. A series may be brought by any feed of its venue:
  // where two differ, nothing is known.
  Connected of(std::string_view venue, Timestamp start, Timestamp end) const;
  std::vector<Outage> outages() const;  // by feed, then time

 private:
  // A time that one state lasted, of kLive as far as marks follow each other. What was lost or
  // ended stays so until the next spell.
  struct Spell {
    market::FeedState state = market::FeedState::kLive;
    Timestamp from{}, to{};
  };
  static Connected of(const std::vector<Spell>& spells, Timestamp start, Timestamp end);

  std::map<std::string, std::map<std::string, std::vector<Spell>>, std::less<>> venues_;  // by feed
};

}  // namespace tapedeck::quality
