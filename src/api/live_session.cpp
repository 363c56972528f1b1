#include "api/live_session.hpp"

#include <utility>

#include "api/json.hpp"

namespace tapedeck::api {
namespace {

Counter& frames(Metrics& metrics, std::string type) {
  return metrics.counter("tapedeck_api_frames_total", "Frames made for live sessions, by type.",
                         {{"type", std::move(type)}});
}

}  // namespace

LiveSource::LiveSource(const pipeline::Live& live_in, const pipeline::Play& play_in,
                       std::string version_in, Metrics& metrics)
    : live(live_in),
      play(play_in),
      version(std::move(version_in)),
      snapshots(frames(metrics, "snapshot")),
      resumes(frames(metrics, "resumed")),
      updates(frames(metrics, "bars")),
      statuses(frames(metrics, "status")),
      restarts(frames(metrics, "restarted")),
      sessions_open(metrics.gauge("tapedeck_api_live_sessions", "Live sessions that are open.")) {}

std::string LiveSource::status() const { return status_json(play.status(), version); }

Result<std::unique_ptr<LiveSession>> LiveSession::open(LiveSource& source, LiveQuery query) {
  std::unique_ptr<LiveSession> session(new LiveSession(source, std::move(query)));
  TD_TRY(session->begin());
  return session;
}

LiveSession::LiveSession(LiveSource& source, LiveQuery query)
    : source_(source), query_(std::move(query)) {
  source_.sessions_open.set(++source_.session_count);
}

LiveSession::~LiveSession() { source_.sessions_open.set(--source_.session_count); }

Status LiveSession::begin() {
  if (query_.resume) {
    TD_ASSIGN(const pipeline::BarPage page,
              source_.live.bars_since(query_.series, query_.spec, query_.resume->offset));
    // With as many changes as Live keeps, older ones may be missing.
    if (page.run == query_.resume->run && query_.resume->offset <= page.offset &&
        page.bars.size() < pipeline::Live::kBarsKept) {
      run_ = page.run;
      since_ = page.offset;
      source_.resumes.add();
      first_frame_ = resumed_frame(page, source_.status());
      return {};
    }
  }
  TD_ASSIGN(const pipeline::BarPage page,
            source_.live.bars_since(query_.series, query_.spec, Offset(0)));
  run_ = page.run;
  first_frame_ = snapshot(page);
  return {};
}

void LiveSession::on_tick() {
  status_is_due_ = true;
  bars_are_due_ = true;  // whatever a wake may have missed
}

void LiveSession::on_message(std::string_view) { was_spoken_to_ = true; }

net::WebSocketStep LiveSession::next() {
  if (was_spoken_to_) return net::CloseWebSocket{1008, "this socket takes no messages"};
  if (!first_frame_.empty()) return std::exchange(first_frame_, {});
  if (std::exchange(status_is_due_, false)) {
    source_.statuses.add();
    return status_frame(source_.status());
  }
  if (std::exchange(bars_are_due_, false)) return next_bars();
  return std::monostate{};
}

net::WebSocketStep LiveSession::next_bars() {
  const Offset since = needs_snapshot_ ? Offset(0) : since_;
  auto page = source_.live.bars_since(query_.series, query_.spec, since);
  if (!page) return without_bars(page.error());
  if (page->run != run_) return announce_run(page->run);
  if (needs_snapshot_) return snapshot(*page);
  since_ = page->offset;
  if (page->bars.empty()) return std::monostate{};
  source_.updates.add();
  return bars_frame(*page);
}

// A new run may not have met this series yet; then its bars come later.
net::WebSocketStep LiveSession::without_bars(const Error& why) {
  if (why.code != ErrorCode::kNotFound && !is_retryable(why.code)) {
    return net::CloseWebSocket{1011, why.message};
  }
  const std::uint64_t run = source_.play.status().run;
  if (run != run_) return announce_run(run);
  return std::monostate{};
}

std::string LiveSession::announce_run(std::uint64_t run) {
  run_ = run;
  needs_snapshot_ = true;
  bars_are_due_ = true;
  source_.restarts.add();
  return restarted_frame(run);
}

std::string LiveSession::snapshot(const pipeline::BarPage& page) {
  needs_snapshot_ = false;
  since_ = page.offset;
  source_.snapshots.add();
  return snapshot_frame(query_.series, query_.spec, page, source_.status());
}

}  // namespace tapedeck::api
