// src/pipeline/live_source.hpp: the events of a venue, as they happen: keeps a connection, asks for
// the symbols on it again whenever it is made anew, and never gives up. What was missed meanwhile
// it is told by the venue's ids (missing()), and fetches where the venue offers that. Thread:
// pull() and idle_for() one at a time; on_ready() and state() any.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
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

namespace tapedeck::pipeline {

struct LiveOptions {
  std::string feed;  // as in marks: "coinbase/crypto"
  std::vector<std::string> symbols;
  Secret url;              // empty: the venue's own
  Secret rest_url{};       // for repairs; empty: the venue's own
  std::uint64_t seed = 0;  // of the waits before connecting again
};

class LiveSource final : public feeds::Source {
 public:
  // Of one gap at most so many trades are fetched, the newest; the rest stays a gap that is known.
  static constexpr std::uint64_t kRepairMax = 50'000;
  // More gaps than these wait for the next start of the program.
  static constexpr std::size_t kGapsMax = 10'000;
  // So long a gap is left alone: the venue may only have changed the order.
  static constexpr Duration kRepairAfter = seconds(1);

  // How often it says that all that was received is handed on.
  static constexpr Duration kMarkEvery = seconds(1);

  // Borrows the catalog, the clock and the log.
  LiveSource(std::unique_ptr<feeds::Feed> feed, const feeds::LiveProtocol& protocol,
             LiveOptions options, std::unique_ptr<Net> net, const market::Catalog& catalog,
             const Clock& clock, Log& log);
  ~LiveSource() override;

  Result<bool> pull(feeds::EventSink& sink, std::size_t events_max) override;
  std::optional<Duration> idle_for() const override { return idle_for_; }
  void on_ready(const std::function<void()>& call) override { net_->on_ready(call); }
  std::string_view state() const override { return state_.load(); }
  bool repairs() const override { return protocol_.repair.has_value(); }
  void missing(SeriesId series, OriginId origin, std::uint64_t first, std::uint64_t last) override;

 private:
  void connect();
  void on_open();
  void on_frame(std::string_view frame, Timestamp ts_recv);
  void on_close(const std::string& why, std::optional<Duration> stay_away);
  void mark(market::FeedState state, Timestamp received_before);
  void fetch_missing();
  void on_answer(const Result<HttpAnswer>& answer);
  void give_up(const std::string& why);

  const std::unique_ptr<feeds::Feed> feed_;
  const feeds::LiveProtocol protocol_;
  const LiveOptions options_;
  const std::unique_ptr<Net> net_;
  const market::Catalog& catalog_;
  const Clock& clock_;
  Log& log_;
  Backoff backoff_;
  Backoff fetch_backoff_;

  // Times are the clock's elapsed().
  std::unique_ptr<Connection> connection_;  // null: not before next_attempt_
  Duration next_attempt_{};
  std::optional<Duration> opened_;  // nothing: it is not open yet
  Duration last_frame_{};
  Duration last_mark_{};
  Timestamp last_recv_{};  // of the last frame, by the wall clock
  std::uint64_t sessions_ = 0;
  std::uint64_t frames_ = 0;  // of this session
  std::string where_;

  struct Gap {
    std::string symbol;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };
  std::deque<Gap> gaps_;                   // the first is being fetched, or will be at next_fetch_
  std::map<SeriesId, IntervalSet> asked_;  // ids that were a gap once
  bool is_fetching_ = false;
  Duration next_fetch_{};

  feeds::EventSink* sink_ = nullptr;  // of the pull under way
  std::optional<Duration> idle_for_;
  std::atomic<const char*> state_{"connecting"};
};

}  // namespace tapedeck::pipeline
