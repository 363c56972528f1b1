// src/feeds/yahoo/yahoo_feed.hpp: Yahoo's streamer: last prices, without sizes. Version 2 is
//   {"type":"pricing","message":"CgRBQVBMFZqZmUMY8PTPovpn..."}
// and version 1 the base64 alone; inside is a message of protocol buffers (pricing.hpp). There are
// no ids: an event is itself by its place in its session. A price that was told before comes again
// after each subscription; it is known traffic.
// Thread: one at a time.
#pragma once

#include <memory>
#include <string_view>

#include "feeds/feed.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::yahoo {

class YahooFeed final : public Feed {
 public:
  explicit YahooFeed(market::Catalog& catalog);  // the catalog outlives the feed
  ~YahooFeed() override;

  std::string_view venue() const override { return "yahoo"; }
  void begin_session(const market::Origin& session) override;
  void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                EventSink& sink) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

FeedKind feed_kind();

}  // namespace tapedeck::feeds::yahoo
