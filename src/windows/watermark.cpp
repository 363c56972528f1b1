#include "windows/watermark.hpp"

namespace tapedeck::windows {

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

}  // namespace tapedeck::windows
