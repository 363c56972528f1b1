#include "windows/watermark.hpp"

#include <algorithm>

namespace tapedeck::windows {

void Watermark::observe(Timestamp ts_event, Timestamp ts_recv, bool recv_assumed,
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

bool Watermark::has_reached(Timestamp t, const ClockReading& clock) const {
  return clock.ends > ends_ || (greatest_ && t <= *greatest_) ||
         (clock.passed && t <= *clock.passed);
}

void Watermark::encode(std::string& out) const {
  for (const auto& t : {greatest_, greatest_recv_, unconfirmed_}) {
    put_fixed(out, static_cast<std::uint8_t>(t.has_value()));
    if (t) put_fixed(out, t->ns);
  }
  put_varint(out, ends_);
}

bool Watermark::decode(WireReader& reader) {
  for (auto* t : {&greatest_, &greatest_recv_, &unconfirmed_}) {
    const bool has_value = reader.fixed<std::uint8_t>() != 0;
    t->reset();
    if (has_value) *t = Timestamp{reader.fixed<std::int64_t>()};
  }
  ends_ = reader.varint();
  return reader.ok();
}

void Watermark::advance(Timestamp t) { greatest_ = greatest_ ? std::max(*greatest_, t) : t; }

}  // namespace tapedeck::windows
