#include "windows/feed_clock.hpp"

#include <algorithm>

namespace tapedeck::windows {
namespace {

std::optional<Timestamp> later(std::optional<Timestamp> a, std::optional<Timestamp> b) {
  return a && b ? std::max(*a, *b) : a ? a : b;
}

void put_time(std::string& out, std::optional<Timestamp> t) {
  put_fixed(out, static_cast<std::uint8_t>(t.has_value()));
  if (t) put_fixed(out, t->ns);
}

std::optional<Timestamp> get_time(WireReader& reader) {
  if (reader.fixed<std::uint8_t>() == 0) return std::nullopt;
  return Timestamp{reader.fixed<std::int64_t>()};
}

}  // namespace

ClockReading join(const ClockReading& venue, const ClockReading& all) {
  return {.passed = later(venue.passed, all.passed), .ends = venue.ends + all.ends};
}

void FeedClock::observe(const market::FeedMark& mark) {
  newest_ = later(newest_, mark.ts_recv);
  if (mark.state == market::FeedState::kEnded) {
    open_.erase(mark.feed);
  } else if (mark.state == market::FeedState::kLive || open_.contains(mark.feed)) {
    // One that never was connected is not waited for.
    const auto [last, is_new] = open_.try_emplace(mark.feed, mark.ts_recv);
    if (!is_new) last->second = std::max(last->second, mark.ts_recv);
  }
  std::erase_if(open_, [&](const auto& feed) { return feed.second < *newest_ - kWaitMax; });
  if (!open_.empty()) {
    const auto slowest =
        std::ranges::min_element(open_, {}, [](const auto& feed) { return feed.second; });
    reading_.passed = later(reading_.passed, slowest->second);
  } else if (mark.state == market::FeedState::kEnded) {
    ++reading_.ends;
  }
}

void FeedClock::encode(std::string& out) const {
  put_time(out, newest_);
  put_time(out, reading_.passed);
  put_varint(out, reading_.ends);
  put_varint(out, open_.size());
  for (const auto& [feed, last] : open_) {
    put_text(out, feed);
    put_fixed(out, last.ns);
  }
}

bool FeedClock::decode(WireReader& reader) {
  newest_ = get_time(reader);
  reading_.passed = get_time(reader);
  reading_.ends = reader.varint();
  open_.clear();
  for (std::uint64_t left = reader.varint(); left > 0 && reader.ok(); --left) {
    const std::string feed(reader.text());
    open_[feed] = {reader.fixed<std::int64_t>()};
  }
  return reader.ok();
}

}  // namespace tapedeck::windows
