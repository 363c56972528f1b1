// src/feeds/events/events_feed.hpp: reads events from lines of JSON, as event_writer.hpp and
// `tapedeck tape cat` write them:
//   {"log":"p0","offset":"7","kind":"trade","series":"kraken/trade/BTC/USD",
//    "order":"venue_sequence","calendar":"24x7","condition_table":"",
//    "ts_event":"1783465204585581000","ts_recv":"1783465204599000000","price":"61837.63",
//    "size":"0.5","side":"buy","conditions":"0x0","origin_kind":"venue","origin":"",
//    "origin_first":"0","recv_assumed":false,"seq":"103436768","position":"0",
//    "venue_sequence":"103436768"}
// The README beside this has every kind and field. ts_recv is the line's own.
// Thread: one at a time.
#pragma once

#include <memory>
#include <string_view>

#include "feeds/feed.hpp"
#include "market/conditions.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::events {

class EventsFeed final : public Feed {
 public:
  // A series that names a table which is not among `tables` is refused. Both outlive the feed.
  EventsFeed(market::Catalog& catalog, const market::ConditionTables& tables);
  ~EventsFeed() override;

  std::string_view venue() const override { return kName; }
  void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                EventSink& sink) override;

  static constexpr std::string_view kName = "events";
  // Names from outside must not fill the memory.
  static constexpr std::size_t kSeriesMax = 100'000;
  static constexpr std::size_t kOriginsMax = 100'000;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

bool recognises(std::string_view frame);

template <const market::ConditionTables& (*Tables)()>
FeedKind feed_kind() {
  return {.venue = EventsFeed::kName,
          .help = "events of every kind, one JSON object a line, as 'tapedeck tape cat' prints",
          .make = [](market::Catalog& catalog) -> std::unique_ptr<Feed> {
            return std::make_unique<EventsFeed>(catalog, Tables());
          },
          .recognises = recognises};
}

}  // namespace tapedeck::feeds::events
