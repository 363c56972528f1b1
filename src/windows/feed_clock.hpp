// src/windows/feed_clock.hpp: what the clock marks of feeds say of a venue's series: up to where
// all that was received has come. Made from marks on the tape alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "base/wire.hpp"
#include "market/event.hpp"

namespace tapedeck::windows {

// What a series is told by its venue's marks and by those that speak for all.
struct ClockReading {
  std::optional<Timestamp> passed;  // all that was received before it has come
  std::uint64_t ends = 0;           // how often the last open feed has ended
  bool operator==(const ClockReading&) const = default;
};
ClockReading join(const ClockReading& venue, const ClockReading& all);

// Of one venue. Any number of feeds may bring its trades: it is as far as the slowest of them.
class FeedClock {
 public:
  // A feed that is so far behind the newest mark of its venue is not waited for any more.
  static constexpr Duration kWaitMax = hours(1);

  void observe(const market::FeedMark& mark);
  const ClockReading& reading() const { return reading_; }

  // For a checkpoint: what it has seen, and back. False for bytes that encode() did not write.
  void encode(std::string& out) const;
  bool decode(WireReader& reader);

 private:
  std::map<std::string, Timestamp, std::less<>> open_;  // last mark of each feed that is waited for
  std::optional<Timestamp> newest_;
  ClockReading reading_;
};

}  // namespace tapedeck::windows
