// src/feeds/binance/binance_feed.hpp: Binance market streams, spot and futures.
//   {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,
//    "p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}
// or the object in `data` alone. Futures have "X" in place of "M".
// Thread: one at a time.
#pragma once

#include <memory>
#include <string_view>

#include "feeds/event_time.hpp"
#include "feeds/feed.hpp"
#include "market/conditions.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::binance {

// Name of the table in Series::conditions of futures; spot has none.
inline constexpr std::string_view kFuturesConditions = "binance-futures";
// Trades that no order of the market made ("X" is not MARKET) update nothing.
const market::ConditionTable& futures_conditions();

class BinanceFeed final : public Feed {
 public:
  // `unit`: what the stream was asked for; a frame cannot tell. The catalog outlives the feed.
  explicit BinanceFeed(market::Catalog& catalog, TimeUnit unit = TimeUnit::kMilliseconds);
  ~BinanceFeed() override;

  std::string_view venue() const override { return "binance"; }
  void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                EventSink& sink) override;
  void on_answer(std::string_view symbol, std::string_view body, Timestamp ts_recv,
                 std::string_view where, EventSink& sink) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

FeedKind feed_kind();

}  // namespace tapedeck::feeds::binance
