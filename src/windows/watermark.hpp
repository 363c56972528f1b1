// src/windows/watermark.hpp: the event time below which a series expects nothing more. It is made
// from what is on the tape alone, so it is the same in every run (docs/time-order-identity.md).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "base/wire.hpp"
#include "windows/feed_clock.hpp"

namespace tapedeck::windows {

class Watermark {
 public:
  // Event times count up to this much after the newest receive time: one wrong stamp of the venue
  // cannot close windows that are still filling.
  static constexpr Duration kAheadOfReceiveMax = seconds(5);
  // Without receive times, a greater step than this counts once the next event confirms it.
  static constexpr Duration kUnconfirmedStepMax = hours(1);

  // An event of the series, when marks said `clock`.
  void observe(Timestamp ts_event, Timestamp ts_recv, bool recv_assumed, const ClockReading& clock);

  // Whether it has come to `t`, now that marks say `clock`: a window that ends its lateness before
  // then is complete. It is beyond all once its feeds have ended, until the next event.
  bool has_reached(Timestamp t, const ClockReading& clock) const;

  // For a checkpoint: what it has seen, and back. False for bytes that encode() did not write.
  void encode(std::string& out) const;
  bool decode(WireReader& reader);

 private:
  void advance(Timestamp t) { greatest_ = greatest_ ? std::max(*greatest_, t) : t; }

  std::optional<Timestamp> greatest_;
  std::optional<Timestamp> greatest_recv_;
  std::optional<Timestamp> unconfirmed_;
  std::uint64_t ends_ = 0;  // ends of its feeds before the last event
};

inline void Watermark::observe(Timestamp ts_event, Timestamp ts_recv, bool recv_assumed,
                               const ClockReading& clock) {
  ends_ = clock.ends;
  if (!recv_assumed) {
    greatest_recv_ = greatest_recv_ ? std::max(*greatest_recv_, ts_recv) : ts_recv;
    advance(std::min(ts_event, *greatest_recv_ + kAheadOfReceiveMax));
    return;
  }
  const bool is_step = !greatest_ || ts_event - *greatest_ > kUnconfirmedStepMax;
  if (!is_step) {
    unconfirmed_.reset();
    advance(ts_event);
  } else if (unconfirmed_) {
    advance(std::min(ts_event, *unconfirmed_));
    unconfirmed_.reset();
  } else {
    unconfirmed_ = ts_event;
  }
}

}  // namespace tapedeck::windows
