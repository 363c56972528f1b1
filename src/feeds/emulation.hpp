// src/feeds/emulation.hpp: a venue's own side of its protocol, for the emulator: what it answers to
// a client and how it words a trade. Like a feed it has no socket, no thread and no clock.
#pragma once

#include <charconv>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "market/decimal.hpp"
#include "market/trade.hpp"

namespace tapedeck::feeds {

struct EmulatedTrade {
  std::string symbol;  // in the venue's spelling
  std::uint64_t id = 0;
  market::Decimal price{};
  market::Decimal size{};
  market::Side side = market::Side::kUnknown;  // the taker's
  Timestamp ts_event{};
};

// One client's connection.
class VenueSession {
 public:
  virtual ~VenueSession() = default;
  // What the client said, which may change symbols(). Returns what to answer.
  virtual std::vector<std::string> on_message(std::string_view text) = 0;
  virtual std::string trade_frame(const EmulatedTrade& trade) const = 0;
  // What is sent of the past once this symbol was asked for; `happened`: in the order of time.
  virtual std::vector<std::string> snapshot(std::string_view symbol,
                                            std::span<const EmulatedTrade> happened) const {
    static_cast<void>(symbol), static_cast<void>(happened);
    return {};
  }
  // What is sent each second: `last` has the last trade of each symbol that had one.
  virtual std::vector<std::string> heartbeat(const std::vector<const EmulatedTrade*>& last,
                                             Timestamp now) const = 0;
  // Those that the client asked for.
  const std::set<std::string, std::less<>>& symbols() const { return symbols_; }

 protected:
  std::set<std::string, std::less<>> symbols_;
};

using Parameters = std::vector<std::pair<std::string, std::string>>;
// Of the first with that name; empty: there is none.
inline std::string_view parameter(const Parameters& all, std::string_view name) {
  for (const auto& [key, value] : all) {
    if (key == name) return value;
  }
  return {};
}
// A whole number, or `otherwise`.
inline std::uint64_t number_or(std::string_view text, std::uint64_t otherwise) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : otherwise;
}

// A GET of a client's.
struct VenueQuestion {
  std::string_view path;
  const Parameters& query;
  std::span<const EmulatedTrade> happened;  // in the order of time
  std::span<const std::string> symbols;     // all that are traded there
  std::uint64_t asked_before = 0;           // questions, of all clients
};

struct VenueAnswer {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";
};

struct Emulation {
  std::string_view path;  // where its clients come to
  // `target`: path and query that a client asked for. Null: there is nothing there; as a whole: it
  // is asked over HTTP only.
  std::unique_ptr<VenueSession> (*open)(std::string_view target) = nullptr;
  // What its REST answers. Null: it has no REST here.
  VenueAnswer (*answer)(const VenueQuestion& question) = nullptr;
  // A question that begins the play, as a subscription does; empty: there is none.
  std::string_view begins_play{};
  bool has_trades = true;  // false: what it tells it makes up
  // It tells of the past: all of the trades have happened, at the times that they were recorded.
  bool is_history = false;
  // What it answers, with status 200, to who has asked too often.
  std::string_view quota =
      R"({"error":"quota exceeded","message":"You have asked too often today."})";
};

}  // namespace tapedeck::feeds
