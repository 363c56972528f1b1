#include "api/live_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "api/json.hpp"
#include "api/message.hpp"
#include "pipeline/latencies.hpp"

namespace tapedeck::api {
namespace {

constexpr std::size_t kIdBytesMax = 64;
constexpr Offset kNever{std::numeric_limits<std::uint64_t>::max()};
constexpr std::size_t kRepliesMax = 32;  // that wait for a client to take them

Counter& frames(Metrics& metrics, std::string type) {
  return metrics.counter("tapedeck_api_frames_total", "Frames made for live sessions, by type.",
                         {{"type", std::move(type)}});
}

Status check_id(std::string_view id) {
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  };
  if (!id.empty() && id.size() <= kIdBytesMax && std::ranges::all_of(id, is_plain)) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("id is missing or wrong: choose up to {} letters, digits, '-' or '_'",
                          kIdBytesMax));
}

}  // namespace

LiveSource::LiveSource(const pipeline::Live& live_in, const pipeline::Play& play_in,
                       LastValues& last_in, const Clock& clock_in, std::string version_in,
                       Metrics& metrics)
    : live(live_in),
      play(play_in),
      last(last_in),
      clock(clock_in),
      version(std::move(version_in)),
      snapshots(frames(metrics, "snapshot")),
      resumes(frames(metrics, "resumed")),
      updates(frames(metrics, "update")),
      statuses(frames(metrics, "status")),
      restarts(frames(metrics, "restarted")),
      errors(frames(metrics, "error")),
      conflated(metrics.counter("tapedeck_api_conflated_total",
                                "Changes that a client got with a later one, as it was not ready "
                                "for them.")),
      pushed(pipeline::stage_histogram(metrics, "pushed")),
      sessions_open(metrics.gauge("tapedeck_api_live_sessions", "Live sessions that are open.")),
      subscriptions_open(
          metrics.gauge("tapedeck_api_live_subscriptions", "What these sessions watch.")) {}

std::string LiveSource::status() const { return status_json(play.status(), version); }

// ---- Subscription

Result<std::unique_ptr<Subscription>> Subscription::open(LiveSource& source, std::string id,
                                                         LiveQuery query) {
  std::unique_ptr<Subscription> made(new Subscription(source, std::move(id), std::move(query)));
  const auto now = made->change("", kNever);  // is there such a thing at all?
  if (!now && now.error().code != ErrorCode::kBusy) return std::unexpected(now.error());
  made->run_ = now ? now->run : source.play.status().run;
  return made;
}

Subscription::Subscription(LiveSource& source, std::string id, LiveQuery query)
    : source_(source), id_(std::move(id)), query_(std::move(query)) {
  source_.subscriptions_open.set(++source_.subscription_count);
}

Subscription::~Subscription() { source_.subscriptions_open.set(--source_.subscription_count); }

Result<std::string> Subscription::begin() {
  if (query_.resume) {
    TD_ASSIGN(Change since, change("resumed", query_.resume->offset));
    if (since.run == query_.resume->run && query_.resume->offset <= since.offset &&
        since.is_whole) {
      source_.resumes.add();
      sent(since);
      return std::move(since.frame);
    }
  }
  TD_ASSIGN(Change whole, snapshot());
  source_.snapshots.add();
  sent(whole);
  return std::move(whole.frame);
}

Result<Subscription::Change> Subscription::change(std::string_view type, Offset since) const {
  const FrameHead head{type, id_};
  const bool is_first = type == "snapshot" || type == "resumed";
  const std::string status = id_.empty() && is_first ? source_.status() : std::string();
  switch (query_.channel) {
    case LiveChannel::kBars: {
      TD_ASSIGN(const auto page,
                source_.live.bars_since(query_.series, query_.spec, since, query_.indicators));
      return Change{.run = page.run,
                    .offset = page.offset,
                    .is_empty = page.bars.empty(),
                    .is_whole = !page.limited,
                    .frame = type == "snapshot" ? bars_snapshot_frame(head, query_.series,
                                                                      query_.spec, page, status)
                                                : bars_frame(head, query_.spec, page, status)};
    }
    case LiveChannel::kLast: {
      const LastValues::Page page = source_.last.since(since);
      return Change{.run = page.run,
                    .offset = page.offset,
                    .is_empty = page.values.empty(),
                    .frame = last_frame(head, page)};
    }
    case LiveChannel::kTrades: {
      TD_ASSIGN(const auto page, source_.live.trades_since(query_.series, since));
      return Change{.run = page.run,
                    .offset = page.offset,
                    .is_empty = page.trades.empty(),
                    .is_whole = !page.limited,
                    .frame = trades_frame(head, page)};
    }
  }
  return fail(ErrorCode::kUnsupported, "there is no such channel");
}

void Subscription::sent(const Change& change) {
  run_ = change.run;
  since_ = change.offset;
  needs_snapshot_ = false;
}

Result<std::optional<std::string>> Subscription::next() {
  if (!std::exchange(has_begun_, true)) {
    if (auto first = begin()) return std::move(*first);
    needs_snapshot_ = is_due_ = true;  // a run that began just now may not have met it yet
  }
  if (!std::exchange(is_due_, false)) return std::nullopt;
  const auto changed_at = std::exchange(changed_at_, std::nullopt);
  auto changed = needs_snapshot_ ? snapshot() : change(to_string(query_.channel), since_);
  if (!changed) {
    // A new run may not have met this series yet; then it comes later.
    const ErrorCode code = changed.error().code;
    if (code != ErrorCode::kNotFound && !is_retryable(code)) {
      return std::unexpected(std::move(changed.error()));
    }
    const std::uint64_t run = source_.play.status().run;
    if (run != run_) return announce_run(run);
    return std::nullopt;
  }
  if (changed->run != run_) return announce_run(changed->run);
  const bool is_snapshot = needs_snapshot_;
  sent(*changed);
  if (is_snapshot) {
    source_.snapshots.add();
  } else if (changed->is_empty) {
    return std::nullopt;
  } else {
    source_.updates.add();
    if (changed_at) source_.pushed.observe(source_.clock.elapsed() - *changed_at);
  }
  return std::move(changed->frame);
}

std::string Subscription::announce_run(std::uint64_t run) {
  run_ = run;
  needs_snapshot_ = true;
  is_due_ = true;
  source_.restarts.add();
  return restarted_frame(id_, run);
}

// ---- LiveSession

Result<std::unique_ptr<LiveSession>> LiveSession::open(LiveSource& source, LiveAddress address) {
  std::unique_ptr<LiveSession> session(new LiveSession(source, address.every));
  if (address.query) {
    TD_ASSIGN(auto subscription, Subscription::open(source, {}, *std::move(address.query)));
    session->subscriptions_.push_back(std::move(subscription));
  }
  return session;
}

LiveSession::~LiveSession() { source_.sessions_open.set(--source_.session_count); }

void LiveSession::on_wake() {
  source_.is_change_noted = false;
  const Duration changed_at{source_.changed_ns};
  for (const auto& subscription : subscriptions_) subscription->wake(changed_at);
}

void LiveSession::on_tick() {
  status_is_due_ = true;
  messages_ = 0;
  // Whatever a wake may have missed.
  for (const auto& subscription : subscriptions_) subscription->wake(std::nullopt);
}

void LiveSession::reply(std::string frame) {
  if (replies_.size() == kRepliesMax) {
    end_ = net::CloseWebSocket{1008, "too many messages: wait for the answers"};
    return;
  }
  replies_.push_back(std::move(frame));
}

void LiveSession::on_message(std::string_view text) {
  if (++messages_ > kMessagesPerTick) {
    end_ = net::CloseWebSocket{1008, "too many messages in a second"};
    return;
  }
  std::string id;
  const Status obeyed = obey(text, id);
  if (obeyed) return;
  source_.errors.add();
  reply(error_frame(id, obeyed.error()));
}

Status LiveSession::obey(std::string_view text, std::string& id) {
  TD_ASSIGN(net::Fields fields, parse_message(text));
  const auto take = [&](std::string_view name) {
    const auto field = std::ranges::find(fields, name, &net::Fields::value_type::first);
    if (field == fields.end()) return std::string();
    std::string value = std::move(field->second);
    fields.erase(field);
    return value;
  };
  const std::string type = take("type");
  std::string given = take("id");
  TD_TRY(check_id(given));
  id = given;
  const auto there = std::ranges::find(subscriptions_, id, [](const auto& s) { return s->id(); });
  if (type == "unsubscribe") {
    if (there == subscriptions_.end()) {
      return fail(ErrorCode::kNotFound, fmt::format("nothing is subscribed to as '{}'", id));
    }
    subscriptions_.erase(there);
    reply(unsubscribed_frame(id));
    return {};
  }
  if (type != "subscribe") {
    return fail(ErrorCode::kInvalidArgument,
                "type is missing or wrong: use subscribe or unsubscribe");
  }
  if (there != subscriptions_.end()) {
    return fail(
        ErrorCode::kAlreadyExists,
        fmt::format("'{}' is subscribed to already: choose another id, or unsubscribe it", id));
  }
  if (subscriptions_.size() == kSubscriptionsMax) {
    return fail(ErrorCode::kOverflow, fmt::format("a socket has at most {} subscriptions: end "
                                                  "others first, or open another socket",
                                                  kSubscriptionsMax));
  }
  TD_ASSIGN(LiveQuery query, parse_subscription(fields));
  TD_ASSIGN(auto subscription, Subscription::open(source_, id, std::move(query)));
  subscriptions_.push_back(std::move(subscription));
  return {};
}

net::WebSocketStep LiveSession::next() {
  if (end_) return *end_;
  if (!replies_.empty()) {
    std::string frame = std::move(replies_.front());
    replies_.pop_front();
    return frame;
  }
  const bool has_begun = std::ranges::all_of(
      subscriptions_, [](const auto& subscription) { return subscription->has_begun(); });
  if (has_begun && std::exchange(status_is_due_, false)) {
    source_.statuses.add();
    return status_frame(source_.status());
  }
  const Duration now = source_.clock.elapsed();
  if (has_begun && !is_in_round_ && now < next_round_) {
    if (std::ranges::none_of(subscriptions_, [](const auto& s) { return s->is_due(); })) {
      return std::monostate{};
    }
    return net::Later{next_round_ - now};
  }
  for (std::size_t i = 0; i < subscriptions_.size(); ++i) {
    turn_ = (turn_ + 1) % subscriptions_.size();
    auto frame = subscriptions_[turn_]->next();
    if (!frame) return net::CloseWebSocket{1011, frame.error().message};
    if (!*frame) continue;
    if (!std::exchange(is_in_round_, true)) next_round_ = now + every_;
    return std::move(**frame);
  }
  is_in_round_ = false;
  return std::monostate{};
}

}  // namespace tapedeck::api
