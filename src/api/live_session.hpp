// src/api/live_session.hpp: one client of /api/v1/live, with any number of subscriptions. Each asks
// for what changed since the offset that it last sent, when the client is ready for more, so a slow
// client gets fewer and newer things.
// Thread: "net".
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/last_values.hpp"
#include "api/parameters.hpp"
#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "net/http_server.hpp"
#include "pipeline/live.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::api {

// What all sessions share; outlives them.
struct LiveSource {
  LiveSource(const pipeline::Live& live_in, const pipeline::Play& play_in, LastValues& last_in,
             const Clock& clock_in, std::string version_in, Metrics& metrics);
  std::string status() const;  // as JSON

  // Something changed; until the sessions are woken only the first time counts. Any thread.
  void note_change() {
    if (!is_change_noted.exchange(true)) changed_ns = clock.elapsed().ns;
  }

  const pipeline::Live& live;
  const pipeline::Play& play;
  LastValues& last;
  const Clock& clock;
  const std::string version;
  Counter& snapshots;
  Counter& resumes;
  Counter& updates;
  Counter& statuses;
  Counter& restarts;
  Counter& errors;
  Counter& conflated;
  Histogram& pushed;
  Gauge& sessions_open;
  Gauge& subscriptions_open;
  std::int64_t session_count = 0;
  std::int64_t subscription_count = 0;
  std::atomic<bool> is_change_noted = false;
  std::atomic<std::int64_t> changed_ns = 0;
};

// One thing that a client watches.
class Subscription {
 public:
  // `id` is empty for the one that the address of the socket asked for: its first frame carries the
  // status. Errors: kNotFound where there are no such bars or trades.
  static Result<std::unique_ptr<Subscription>> open(LiveSource& source, std::string id,
                                                    LiveQuery query);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  const std::string& id() const { return id_; }
  // `changed_at`: by the clock, when what it is woken for changed.
  void wake(std::optional<Duration> changed_at) {
    if (changed_at_ && changed_at) source_.conflated.add();
    is_due_ = true;
    if (!changed_at_) changed_at_ = changed_at;
  }
  bool has_begun() const { return has_begun_; }           // its first frame has been taken
  bool is_due() const { return is_due_ || !has_begun_; }  // there may be a frame
  // The next frame, if there is any now. An error that does not pass ends the socket.
  Result<std::optional<std::string>> next();

 private:
  // What changed since an offset, and how much of it is told.
  struct Change {
    std::uint64_t run = 0;
    Offset offset;
    bool is_empty = true;
    bool is_whole = true;  // all since then is in it
    std::string frame;
  };

  Subscription(LiveSource& source, std::string id, LiveQuery query);
  // The first frame, made when the client is ready for it: what takes nothing holds nothing.
  Result<std::string> begin();
  Result<Change> change(std::string_view type, Offset since) const;
  Result<Change> snapshot() const { return change("snapshot", Offset(0)); }
  std::string announce_run(std::uint64_t run);
  void sent(const Change& change);

  LiveSource& source_;
  const std::string id_;
  const LiveQuery query_;
  bool has_begun_ = false;
  std::uint64_t run_ = 0;  // of what the client has
  Offset since_;           // trades before it are in that
  bool needs_snapshot_ = false;
  bool is_due_ = false;
  std::optional<Duration> changed_at_;
};

class LiveSession final : public net::WebSocketHandler {
 public:
  static constexpr std::size_t kSubscriptionsMax = 64;
  static constexpr std::size_t kMessagesPerTick = 100;

  // With the subscription that the address asks for; or none yet. Errors: as Subscription's.
  static Result<std::unique_ptr<LiveSession>> open(LiveSource& source, LiveAddress address);
  ~LiveSession() override;

  void on_wake() override;
  void on_tick() override;
  void on_message(std::string_view text) override;
  net::WebSocketStep next() override;

 private:
  LiveSession(LiveSource& source, Duration every) : source_(source), every_(every) {
    source_.sessions_open.set(++source_.session_count);
    // What changed when nobody listened made nobody wait.
    if (source_.session_count == 1) source_.is_change_noted = false;
  }
  Status obey(std::string_view text, std::string& id);
  void reply(std::string frame);

  LiveSource& source_;
  std::vector<std::unique_ptr<Subscription>> subscriptions_;
  std::size_t turn_ = 0;  // whose turn it is, so that a busy one does not starve the others
  std::deque<std::string> replies_;
  std::size_t messages_ = 0;  // since the last tick
  bool status_is_due_ = false;
  const Duration every_;      // from one round of changes to the next
  bool is_in_round_ = false;  // what is due is being sent
  Duration next_round_{};     // not before, by the clock
  std::optional<net::CloseWebSocket> end_;
};

}  // namespace tapedeck::api
