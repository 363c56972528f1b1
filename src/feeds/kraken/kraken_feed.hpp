// src/feeds/kraken/kraken_feed.hpp: Kraken WebSocket v2, channel `trade`.
//   {"channel":"trade","type":"update","data":[{"symbol":"ETH/USD","side":"buy","price":1774.14,
//    "qty":0.00147959,"ord_type":"limit","trade_id":64175815,
//    "timestamp":"2026-07-07T23:00:04.585581Z"}]}
// Prices and sizes are JSON numbers; their text is taken, never a double.
// Thread: one at a time.
#pragma once

#include <memory>
#include <string_view>

#include "feeds/feed.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::kraken {

class KrakenFeed final : public Feed {
 public:
  explicit KrakenFeed(market::Catalog& catalog);  // the catalog outlives the feed
  ~KrakenFeed() override;

  std::string_view venue() const override { return "kraken"; }
  void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                EventSink& sink) override;
  void on_answer(std::string_view symbol, std::string_view body, Timestamp ts_recv,
                 std::string_view where, EventSink& sink) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

FeedKind feed_kind();

}  // namespace tapedeck::feeds::kraken
