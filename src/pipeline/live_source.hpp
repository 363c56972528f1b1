// src/pipeline/live_source.hpp: the events of a venue, as they happen: keeps a connection, asks for
// the symbols on it again whenever it is made anew, and never gives up. What was missed meanwhile
// is not known here: the venue's ids tell (quality/completeness.hpp).
// Thread: pull() and idle_for() one at a time; on_ready() and state() any.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/net.hpp"
#include "feeds/feed.hpp"

namespace tapedeck::pipeline {

struct LiveOptions {
  std::string feed;  // as in marks: "coinbase/crypto"
  std::vector<std::string> symbols;
  Secret url;              // empty: the venue's own
  std::uint64_t seed = 0;  // of the waits before connecting again
};

class LiveSource final : public feeds::Source {
 public:
  // How often it says that all that was received is handed on.
  static constexpr Duration kMarkEvery = seconds(1);

  // Borrows the clock and the log.
  LiveSource(std::unique_ptr<feeds::Feed> feed, const feeds::LiveProtocol& protocol,
             LiveOptions options, std::unique_ptr<Net> net, const Clock& clock, Log& log);
  ~LiveSource() override;

  Result<bool> pull(feeds::EventSink& sink, std::size_t events_max) override;
  std::optional<Duration> idle_for() const override { return idle_for_; }
  void on_ready(std::function<void()> call) override { net_->on_ready(std::move(call)); }
  std::string_view state() const override { return state_.load(); }

 private:
  void connect();
  void on_open();
  void on_frame(std::string_view frame, Timestamp ts_recv);
  void on_close(const std::string& why, std::optional<Duration> stay_away);
  void mark(market::FeedState state, Timestamp received_before);

  const std::unique_ptr<feeds::Feed> feed_;
  const feeds::LiveProtocol protocol_;
  const LiveOptions options_;
  const std::unique_ptr<Net> net_;
  const Clock& clock_;
  Log& log_;
  Backoff backoff_;

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

  feeds::EventSink* sink_ = nullptr;  // of the pull under way
  std::optional<Duration> idle_for_;
  std::atomic<const char*> state_{"connecting"};
};

}  // namespace tapedeck::pipeline
