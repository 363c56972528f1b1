// src/feeds/finnhub/finnhub_feed.hpp: Finnhub's WebSocket: trades of US shares and of other venues,
// and prices without a size.
//   {"data":[{"c":["1","12"],"p":164.0601,"s":"AAPL","t":1680286537580,"v":5}],"type":"trade"}
// Prices and sizes are JSON numbers; their text is taken, never a double. There are no ids: an
// event is itself by its place in its session, and the same message twice is two.
// Thread: one at a time.
#pragma once

#include <memory>
#include <string_view>

#include "feeds/feed.hpp"
#include "market/conditions.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::finnhub {

// Name of the table in Series::conditions of shares; pairs ("BINANCE:BTCUSDT") have none.
inline constexpr std::string_view kConditions = "finnhub";
// Bit n: the code "n" was there, 1 to 59. What a code means is known of four of them; the others
// are kept and allow everything.
const market::ConditionTable& conditions();
// The code is no number from 1 to 59.
inline constexpr std::uint64_t kOtherCode = std::uint64_t{1} << 60;
// The whole message is byte for byte the one before: they have sent messages twice, and with no ids
// nobody can tell. It counts.
inline constexpr std::uint64_t kSameMessage = std::uint64_t{1} << 61;

class FinnhubFeed final : public Feed {
 public:
  explicit FinnhubFeed(market::Catalog& catalog);  // the catalog outlives the feed
  ~FinnhubFeed() override;

  std::string_view venue() const override { return "finnhub"; }
  void begin_session(const market::Origin& session) override;
  void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                EventSink& sink) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

FeedKind feed_kind();

}  // namespace tapedeck::feeds::finnhub
