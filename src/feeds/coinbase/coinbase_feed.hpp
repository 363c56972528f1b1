// src/feeds/coinbase/coinbase_feed.hpp: Coinbase Exchange, channel `matches`.
//   {"type":"match","trade_id":1052119289,"maker_order_id":"..","taker_order_id":"..",
//    "side":"sell","size":"0.2","price":"63514.6","product_id":"BTC-USD","sequence":132235026010,
//    "time":"2026-07-07T22:58:17.164892Z"}
// Thread: one at a time.
#pragma once

#include <memory>
#include <string_view>

#include "feeds/feed.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::coinbase {

class CoinbaseFeed final : public Feed {
 public:
  explicit CoinbaseFeed(market::Catalog& catalog);  // the catalog outlives the feed
  ~CoinbaseFeed() override;

  std::string_view venue() const override { return "coinbase"; }
  void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                EventSink& sink) override;
  void on_answer(std::string_view symbol, std::string_view body, Timestamp ts_recv,
                 std::string_view where, EventSink& sink) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

FeedKind feed_kind();

}  // namespace tapedeck::feeds::coinbase
