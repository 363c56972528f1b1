// tests/fuzz/checking_sink.hpp: holds a feed to its promises: every frame is answered, and what is
// given as a trade can be one.
#pragma once

#include "base/check.hpp"
#include "feeds/feed.hpp"
#include "market/about.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds {

class CheckingSink final : public EventSink {
 public:
  explicit CheckingSink(const market::Catalog& catalog) : catalog_(catalog) {}

  void trade(const market::Trade& trade) override {
    ++answers;
    TD_CHECK(trade.price.mantissa > 0);
    TD_CHECK(trade.size.mantissa >= 0);
    TD_CHECK(is_plausible(trade.ts_event));
    TD_CHECK(!catalog_.series(trade.series).key.instrument.empty());
  }
  void event(const OtherEvent& event) override {
    std::visit(
        [this](const auto& one) {
          // Of drift that is told once a day, beside the answer.
          if (!market::is_about(catalog_.series(one.series).key)) ++answers;
          TD_CHECK(is_plausible(one.ts_event));
          TD_CHECK(!catalog_.series(one.series).key.instrument.empty());
        },
        event);
  }
  void mark(const market::FeedMark&) override { ++answers; }
  void control() override { ++answers; }
  void refuse(const Refusal& refusal) override {
    ++answers;
    TD_CHECK(!refusal.reason.empty());
    TD_CHECK(!refusal.detail.empty());
  }

  int answers = 0;

 private:
  const market::Catalog& catalog_;
};

// Gives the same bytes to a feed twice: as a new one, and as one that has seen frames before.
template <class AnyFeed>
void fuzz_feed(std::string_view frame) {
  static market::Catalog used_catalog;
  static AnyFeed used(used_catalog);
  market::Catalog catalog;
  AnyFeed fresh(catalog);
  CheckingSink first(catalog);
  CheckingSink second(used_catalog);
  fresh.on_frame(frame, Timestamp{1'723'161'254'000'000'000}, "fuzz", first);
  used.on_frame(frame, Timestamp{1'723'161'254'000'000'000}, "fuzz", second);
  TD_CHECK(first.answers > 0);
  TD_CHECK(first.answers == second.answers);
}

}  // namespace tapedeck::feeds
