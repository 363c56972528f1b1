// src/quality/connections.hpp: when the feeds of each venue were connected, as far as the clock
// marks of a tape tell (docs/time-order-identity.md). Memory: 24 bytes for each time that a
// connection was made or lost, or a feed of seldom marks said something. Thread: one at a time.
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
  // A loss is told when it is noticed, which is soon after the last live mark. Where it is not, the
  // mark is of a start: the program was away.
  static constexpr Duration kToldWithin = milliseconds(1500);

  // In the order of their times; one that is not newer than the last of its feed says nothing new,
  // as where partitions repeat them.
  void add(const market::FeedMark& mark);
  // By our clock, from `start` on, before `end`. A series may be brought by any feed of its venue
  // that has begun and not ended: where two differ, nothing is known.
  Connected of(std::string_view venue, Timestamp start, Timestamp end) const;
  // The same between two events that came then: by a feed that was connected both times.
  Connected between(std::string_view venue, Timestamp came, Timestamp next_came) const;
  std::vector<Outage> outages() const;  // by time

 private:
  // A time that one state lasted, of kLive as far as marks follow each other. What was lost or
  // ended stays so until the next spell.
  struct Spell {
    market::FeedState state = market::FeedState::kLive;
    Timestamp from{}, to{};
  };
  using Spells = std::vector<Spell>;
  static Connected of(const Spells& spells, Timestamp start, Timestamp end);
  static bool was_there(const Spells& spells, Timestamp t);
  // What all feeds of a venue say for which `may_have_brought` is true.
  template <class Predicate>
  Connected agreed(std::string_view venue, Timestamp start, Timestamp end,
                   const Predicate& may_have_brought) const;

  std::map<std::string, std::map<std::string, std::vector<Spell>>, std::less<>> venues_;  // by feed
};

}  // namespace tapedeck::quality
