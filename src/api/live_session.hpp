// src/api/live_session.hpp: one client of /api/v1/live. It asks Live for what changed since the
// offset that it last sent, each time its client is ready for more, so a slow client gets fewer and
// newer bars.
// Thread: "net".
#pragma once

#include <memory>
#include <string>

#include "api/parameters.hpp"
#include "base/metrics.hpp"
#include "net/http_server.hpp"
#include "pipeline/live.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::api {

// What all sessions share; outlives them.
struct LiveSource {
  LiveSource(const pipeline::Live& live_in, const pipeline::Play& play_in, std::string version_in,
             Metrics& metrics);
  std::string status() const;  // as JSON

  const pipeline::Live& live;
  const pipeline::Play& play;
  const std::string version;
  Counter& snapshots;
  Counter& resumes;
  Counter& updates;
  Counter& statuses;
  Counter& restarts;
  Gauge& sessions_open;
  std::int64_t session_count = 0;
};

class LiveSession final : public net::WebSocketHandler {
 public:
  // Errors: kNotFound where there are no such bars.
  static Result<std::unique_ptr<LiveSession>> open(LiveSource& source, LiveQuery query);
  ~LiveSession() override;

  void on_wake() override { bars_are_due_ = true; }
  void on_tick() override;
  void on_message(std::string_view text) override;
  net::WebSocketStep next() override;

 private:
  LiveSession(LiveSource& source, LiveQuery query);
  Status begin();
  net::WebSocketStep next_bars();
  net::WebSocketStep without_bars(const Error& why);
  std::string snapshot(const pipeline::BarPage& page);
  std::string announce_run(std::uint64_t run);

  LiveSource& source_;
  const LiveQuery query_;
  std::string first_frame_;  // empty once it was sent
  std::uint64_t run_ = 0;    // of the bars that the client has
  Offset since_;             // trades before it are in them
  bool needs_snapshot_ = false;
  bool bars_are_due_ = false;
  bool status_is_due_ = false;
  bool was_spoken_to_ = false;
};

}  // namespace tapedeck::api
