// src/feeds/replay/capture_source.hpp: a recorded stream of frames, one a line, JSON but for
// Yahoo's first version:
//   1723161254087896568 {"stream":"btcusdt@trade","data":{...}}
// The receive time (ns) may be missing; ts_recv is then ts_event. The venue's ids are the identity;
// where it has none, the file is one session. What is packed is read twice, the first time to see
// that its checksum is right, and so is a session, to know which it is.
// Recordings of the library cryptofeed are read too, with seconds, and with what was sent:
//   wss://ws-feed.exchange.coinbase.com <- 1618677817.020616: {"type":"subscribe",...}
//   1618677817.061845: {"type":"subscriptions",...}
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "feeds/event_time.hpp"
#include "feeds/replay/member_source.hpp"

namespace tapedeck::feeds::replay {

// A line as frame and time; nothing: it is not of that form.
struct CaptureLine {
  std::optional<std::string_view> recv;
  TimeUnit unit = TimeUnit::kNanoseconds;
  std::string_view frame;  // empty: what the client did
};
std::optional<CaptureLine> parse_capture_line(std::string_view line);

// Whose frames these are, by the shape of the first; null: of none of them.
const FeedKind* recognise_venue(std::string_view first_lines, std::span<const FeedKind> feeds);

std::unique_ptr<Source> capture_source(MemberPlace place, std::unique_ptr<Feed> feed, bool has_ids,
                                       std::shared_ptr<Progress> progress);

}  // namespace tapedeck::feeds::replay
