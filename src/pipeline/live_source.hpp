// src/pipeline/live_source.hpp: the events of a venue, as they happen: keeps a connection, asks for
// the symbols on it again whenever it is made anew, and never gives up. Where the venue ends each
// connection at an age, it makes the next one before. What was missed meanwhile
// it is told by the venue's ids (missing()), and fetches where the venue offers that. Thread:
// pull() and idle_for() one at a time; on_ready(), set_symbols() and state() any.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/interval_set.hpp"
#include "base/log.hpp"
#include "base/net.hpp"
#include "feeds/feed.hpp"
#include "market/series.hpp"
#include "pipeline/newest_trades.hpp"

namespace tapedeck::pipeline {

struct LiveOptions {
  std::string feed;  // as in marks: "coinbase/crypto"
  std::vector<std::string> symbols;
  Secret url;         // empty: the venue's own
  Secret token{};     // where the protocol wants a key
  Secret rest_url{};  // for repairs and the list; empty: the venue's own
  // Where to look symbols up before they are asked for; nothing: they are asked for as they are.
  std::optional<feeds::Directory> directory{};
  std::uint64_t seed = 0;  // of the waits before connecting again
  bool keep_raw = false;   // frames go on as they came, too
};

class LiveSource final : public feeds::Source {
 public:
  // Of one gap at most so many trades are fetched, the newest; the rest stays a gap that is known.
  static constexpr std::uint64_t kRepairMax = 50'000;
  // More gaps than these wait for the next start of the program.
  static constexpr std::size_t kGapsMax = 10'000;
  // So long a gap is left alone: the venue may only have changed the order.
  static constexpr Duration kRepairAfter = seconds(1);

  // So long before the venue would end a connection the next one is made,
  static constexpr Duration kSuccessorBefore = minutes(10);
  // and so long both are listened to: what one has brought the other may still have on its way.
  static constexpr Duration kBothFor = seconds(5);
  // Of one connection so many refused frames are told in the log; all are in the quarantine.
  static constexpr int kRefusalsTold = 10;

  // How often a venue is asked by time for one gap, until it is found.
  static constexpr int kLooksMax = 100;
  // How often in a row an answer without trades but with something else is taken for a passing
  // trouble of the venue, such as a quota.
  static constexpr int kStrangeAnswersMax = 20;
  // By how much a venue's clock may be set back for that to find all the same.
  static constexpr Duration kClockStepMax = seconds(16);

  // For so long symbols wait for the venue's list; then they are asked for as they are.
  static constexpr Duration kListWait = seconds(3);

  // How often it says that all that was received is handed on.
  static constexpr Duration kMarkEvery = seconds(1);

  // Borrows the catalog, the clock and the log.
  LiveSource(std::unique_ptr<feeds::Feed> feed, const feeds::LiveProtocol& protocol,
             LiveOptions options, std::unique_ptr<Net> net, market::Catalog& catalog,
             const Clock& clock, Log& log);
  ~LiveSource() override;

  Result<bool> pull(feeds::EventSink& sink, std::size_t events_max) override;
  std::optional<Duration> idle_for() const override { return idle_for_; }
  void on_ready(const std::function<void()>& call) override { net_->on_ready(call); }
  std::string_view state() const override { return state_.load(); }
  bool repairs() const override { return protocol_.repair.has_value(); }
  bool set_symbols(const std::vector<std::string>& symbols) override;
  void missing(SeriesId series, OriginId origin, std::uint64_t first, std::uint64_t last,
               std::optional<Timestamp> before) override;

 private:
  struct Link;

  std::unique_ptr<Link> connect();
  Secret address() const;
  void on_open(Link& link);
  void on_frame(Link& link, std::string_view frame, Timestamp ts_recv);
  // Destroys the link.
  void on_close(Link& link, const std::string& why, std::optional<Duration> stay_away);
  void subscribe(Link& link);
  bool say(Link& link, const std::vector<std::string>& texts);  // false: the link is no more
  void take_symbols();
  void look_up_symbols();
  void on_list(const Result<HttpAnswer>& answer);
  // For these, which are what the list has left of unseen_.
  void ask_for(const std::vector<std::string>& symbols);
  // Over HTTP, at rest_url or else there.
  void fetch(std::string_view venue_url, const std::string& target,
             std::function<void(const Result<HttpAnswer>&)> done);
  bool is_wanted(const std::string& symbol) const;
  void look_after(Link& link);  // what is due by the time, which may destroy it
  void hand_over();
  void mark(market::FeedState state, Timestamp received_before);
  void on_beat(Link& link, std::string_view symbol, std::string_view frame);
  void ask_for_newest();
  bool may_ask_for_newest() const;
  void on_newest(const std::string& symbol, std::uint64_t session,
                 const Result<HttpAnswer>& answer);
  bool is_on_tape(const std::string& symbol) const;  // or was seen by now
  void add_missed(const std::string& symbol, const std::optional<NewestTrades::Missed>& missed);
  void add_gap(const std::string& symbol, std::uint64_t first, std::uint64_t last,
               Timestamp before);
  void fetch_missing();
  // False: it is one to be asked again, not before next_fetch_.
  bool was_answered(const Result<HttpAnswer>& answer);
  void on_answer(const Result<HttpAnswer>& answer);
  struct Gap;
  struct Came;
  // Where a venue is asked by time: sets from when on to ask next. False: it is of no use.
  bool look_elsewhere(Gap& gap, const Came& came);
  void give_up(const std::string& why);
  void fetch_later(const std::string& why, Duration at_least);

  const std::unique_ptr<feeds::Feed> feed_;
  const feeds::LiveProtocol protocol_;
  const LiveOptions options_;
  std::vector<std::string> symbols_;
  std::vector<std::string> unseen_;    // not asked for yet: the venue's list has not come
  std::optional<Duration> listed_by_;  // then they are asked for all the same
  bool is_list_asked_ = false;
  std::mutex wanted_mutex_;
  std::optional<std::vector<std::string>> wanted_;  // in place of them
  const std::unique_ptr<Net> net_;
  market::Catalog& catalog_;
  const Clock& clock_;
  Log& log_;
  Backoff backoff_;
  Backoff fetch_backoff_;

  // A connection. Times are the clock's elapsed().
  struct Link {
    std::unique_ptr<Connection> connection;
    std::uint64_t session = 0;
    std::uint64_t frames = 0;
    OriginId origin{};               // of raw frames
    std::optional<Duration> opened;  // nothing: it is not open yet
    std::optional<Duration> proven;  // when its first frame came: it is subscribed
    Duration last_frame{};
    Duration last_subscribed{};
    std::map<std::string, Duration, std::less<>> beats;  // of symbols that have given one, the last
    bool is_ending = false;                              // the venue said so
    int refusals_told = 0;
  };
  std::unique_ptr<Link> link_;       // null: not before next_attempt_
  std::unique_ptr<Link> successor_;  // where the venue will end link_; not before next_successor_
  Duration next_attempt_{};
  Duration next_successor_{};
  Duration last_mark_{};
  Timestamp last_recv_{};  // of the last frame, by the wall clock
  std::uint64_t sessions_ = 0;
  std::string where_;

  struct Gap {
    std::string symbol;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    // Where the venue is asked by time: what is after `since`. The first that is missing was
    // between `too_early` and `too_late`.
    Timestamp since{};
    Timestamp too_late{};
    std::optional<Timestamp> too_early{};
    Duration step = minutes(1);  // by which the next look goes further back
    int looks = 0;
    int strange_answers = 0;  // in a row
    Timestamp behind{};       // of the trade behind it
    Duration back{};          // before that, when its neighbours' times were of no help
  };
  // What an answer had, of any id.
  struct Came {
    IntervalSet ids;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    Timestamp first_time{};
    Timestamp last_time{};
    bool is_empty = true;
  };
  std::deque<Gap> gaps_;                   // the first is being fetched, or will be at next_fetch_
  std::map<SeriesId, IntervalSet> asked_;  // ids that were a gap once
  bool is_fetching_ = false;
  Duration next_fetch_{};
  std::optional<NewestTrades> newest_;  // where the venue tells them

  feeds::EventSink* sink_ = nullptr;  // of the pull under way
  std::optional<Duration> idle_for_;
  std::atomic<const char*> state_{"connecting"};
};

}  // namespace tapedeck::pipeline
