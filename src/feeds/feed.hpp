// src/feeds/feed.hpp: the door of this room. A feed is a venue's protocol as a state machine: what
// a frame means. It has no socket, no thread and no clock. A source is where recorded or simulated
// events are pulled from.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "feeds/directory.hpp"
#include "feeds/emulation.hpp"
#include "market/event.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds {

// Something that came in and was not taken. Counted by reason and kept in quarantine.
struct Refusal {
  std::string_view reason;  // a stable word: "bad_price", "bad_time", "malformed", "truncated", ...
  std::string detail;       // what is wrong, and what to do where that helps
  std::string where;        // "20131007_trade.zip:20131007_spy_Trade_Tick.csv: line 17"
  std::string_view text;    // the bytes, borrowed for the call; may be cut
};

// What is neither a trade nor a mark; trades have a way of their own because there are so many.
using OtherEvent = std::variant<market::Quote, market::PriceTick, market::VendorBar,
                                market::Correction, market::Record>;

// Takes what a feed or a source makes of its input.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void trade(const market::Trade& trade) = 0;
  virtual void event(const OtherEvent& event) = 0;
  virtual void mark(const market::FeedMark& mark) = 0;
  // Known traffic that is no event: acknowledgements, heartbeats, other channels.
  virtual void control() = 0;
  virtual void refuse(const Refusal& refusal) = 0;
  // Of trades and events: how many so far were there already, by identity.
  virtual std::uint64_t repeats() const { return 0; }
  // What a live source received, before anybody has read it, where it is told to keep that.
  virtual void frame(const market::RawFrame& /*frame*/) {}
};

class Feed {
 public:
  virtual ~Feed() = default;
  virtual std::string_view venue() const = 0;
  // Of a venue that does not number its trades (FeedKind::has_ids): the frames from now on are of
  // this connection or this file, from its first one on.
  virtual void begin_session(const market::Origin& session) { static_cast<void>(session); }
  // `where` names the frame in refusals: "capture.gz: line 17".
  virtual void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                        EventSink& sink) = 0;
  // What came for a RepairProtocol's target: trades of this symbol, in any order.
  virtual void on_answer(std::string_view symbol, std::string_view body, Timestamp ts_recv,
                         std::string_view where, EventSink& sink) {
    static_cast<void>(symbol), static_cast<void>(ts_recv);
    sink.refuse(
        {"unknown_message", "this venue is not asked for trades", std::string(where), body});
  }
};

// How a venue is asked over HTTP for trades that were missed.
struct RepairProtocol {
  std::string_view url;  // "https://host"
  // Path and query of a GET whose answer has some of these ids, if the venue still has them. Null:
  // it is asked by time.
  std::string (*target)(std::string_view symbol, std::uint64_t first, std::uint64_t last) = nullptr;
  // Of one whose answer has the first trades after this instant.
  std::string (*target_since)(std::string_view symbol, Timestamp since) = nullptr;
  // How a series is asked for. Null: by its instrument, as the venue has one kind of trade only.
  std::string (*symbol_of)(const market::SeriesKey& key) = nullptr;
  Duration pause = milliseconds(250);  // between two, for the venue's limits
  // Of a venue whose connection says nothing of a symbol that is not traded: path and query of a
  // GET whose answer tells the newest trade, and its id there. It is asked when a connection is
  // new and when a symbol is quiet. Null: LiveProtocol::newest_of tells, or nobody.
  std::string (*newest_target)(std::string_view symbol) = nullptr;
  std::optional<std::uint64_t> (*newest_in)(std::string_view symbol,
                                            std::string_view body) = nullptr;
};

// How a venue is asked for its trades over a WebSocket, and what it promises while it is.
struct LiveProtocol {
  std::string_view url;         // where it serves everybody
  std::size_t symbols_max = 0;  // of one connection
  // Of the key in the address, "token"; empty: it asks for none.
  std::string_view key_parameter{};
  bool one_connection = false;  // with one key: a second one ends both
  // What to send when the connection opens. The symbols are in the venue's spelling.
  std::function<std::vector<std::string>(std::span<const std::string> symbols)> subscribe;
  std::vector<std::string> (*unsubscribe)(std::span<const std::string> symbols) = nullptr;
  // When nothing came for so long the subscription is dead, whatever the socket says. Nothing: the
  // venue may be silent for as long as nobody trades.
  std::optional<Duration> silence_max{};
  // Each symbol's own sign of life: which one's this frame is. Once a symbol has given one, its
  // silence counts as above, however much comes of others. Null: there are no such frames.
  std::optional<std::string_view> (*beat_of)(std::string_view frame) = nullptr;
  // The newest trade that there is, where such a frame tells it: what is behind the last one that
  // came is missed. Of venues with ids only. Null: a miss shows when the next trade comes.
  std::optional<std::uint64_t> (*newest_of)(std::string_view beat) = nullptr;
  // To be said again so often, for the venue forgets who is quiet.
  std::optional<Duration> subscribe_every{};
  // The venue ends a connection that is older. Shortly before, another one is made; the old one is
  // left when the new one brings what is asked for. Of venues with ids only: both bring the same.
  std::optional<Duration> session_max{};
  // Whether the venue says with this frame that it will end the connection soon.
  bool (*says_goodbye)(std::string_view frame) = nullptr;
  std::optional<RepairProtocol> repair{};  // nothing: what was missed is lost
};

// What an answer to a poll was good for.
struct PollVerdict {
  enum class Outcome {
    kTaken,  // go on with the next
    kAgain,  // it was none: the same is to be asked again
  } outcome = Outcome::kTaken;
  Duration wait{};    // before that, at least
  std::string why{};  // of kAgain, for people; without the key
  // Of kTaken: all that the venue had when it was asked has come, of every symbol.
  bool is_current = true;
};

// A venue that is asked over HTTP every so often: what to ask next and what an answer means. Like a
// Feed it has no socket, no thread and no clock.
class PollFeed {
 public:
  virtual ~PollFeed() = default;
  virtual std::string_view venue() const = 0;
  // The whole address to ask next, with the key: the same one until an answer to it was taken.
  virtual Secret next() = 0;
  // What came for it with status 200; other statuses are whoever asked's to judge.
  virtual PollVerdict on_answer(std::string_view body, Timestamp ts_recv, std::string_view where,
                                EventSink& sink) = 0;
  // It was answered with a status that will not change, such as 404.
  virtual PollVerdict on_status(int status, std::string_view where, EventSink& sink) = 0;
};

// What is known of a venue before there is a feed of it. app/registry.cpp has the table of them.
struct FeedKind {
  std::string_view venue;
  std::string_view help;                                    // one line, for people
  std::unique_ptr<Feed> (*make)(market::Catalog& catalog);  // the catalog outlives the feed
  // True if `frame`, from which blanks were taken out, is of this venue by its shape.
  bool (*recognises)(std::string_view frame);
  std::optional<LiveProtocol> live{};  // nothing: it is read from recordings only
  std::optional<Emulation> emulation{};
  bool has_ids = true;                   // else begin_session() comes before the first frame
  std::optional<Directory> directory{};  // nothing: it cannot be asked for its symbols
  bool gives_prices = false;             // price ticks, beside trades or in place of them
};

// Events from a file, a simulator or a live connection, in its own order.
class Source {
 public:
  virtual ~Source() = default;
  // Gives about `events_max` events to `sink`. False: it is at its end, having given a last
  // FeedMark of state kEnded. An error: the rest of the source is lost; it has been told to `sink`
  // as a refusal too, and the next call returns false.
  virtual Result<bool> pull(EventSink& sink, std::size_t events_max) = 0;
  // After a pull that gave nothing: for how long there is nothing to do, unless `on_ready` says
  // so. Nothing: pull again, as of every source that is not live.
  virtual std::optional<Duration> idle_for() const { return std::nullopt; }
  // What a live source calls, from any thread, when there may be more; nothing: nobody.
  virtual void on_ready(const std::function<void()>& /*call*/) {}
  // True: it can be told of what is missing of any series, and may bring it later.
  virtual bool repairs() const { return false; }
  // `before`: when the trade behind them was, if that is known.
  virtual void missing(SeriesId, OriginId, std::uint64_t /*first*/, std::uint64_t /*last*/,
                       std::optional<Timestamp> /*before*/) {}
  // Of a live source: what to take from now on, on the connection that it has. False: it cannot.
  // Any thread; it shows in a later pull.
  virtual bool set_symbols(const std::vector<std::string>& /*symbols*/) { return false; }
  // True: somebody waits for what it has given to be on the tape for good. It is not pulled again
  // before on_durable() has said so.
  virtual bool awaits_durable() const { return false; }
  virtual void on_durable() {}
  // Of a live source: "connecting", "live" or "down"; empty of others. Any thread.
  virtual std::string_view state() const { return {}; }
};

}  // namespace tapedeck::feeds
