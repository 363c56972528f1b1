#include "app/emulator.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "base/rng.hpp"

namespace tapedeck::app {
namespace {

using feeds::EmulatedTrade;
using net::WebSocketStep;

constexpr Duration kStall = seconds(3);
constexpr Duration kRefuseFor = seconds(3);
constexpr Duration kSkewFor = seconds(3);
constexpr Duration kSkew = seconds(2);
constexpr Duration kDripEvery = milliseconds(100);
constexpr std::size_t kDripPieces = 10;
constexpr std::size_t kOversizedBytes = 17 << 20;  // ours takes 16 MiB
// A client may have asked for more answers than it has read.
constexpr std::size_t kAnswersMax = 4096;

constexpr std::pair<std::string_view, FaultKind> kFaults[]{{"cut", FaultKind::kCut},
                                                           {"mute", FaultKind::kMute},
                                                           {"stall", FaultKind::kStall},
                                                           {"duplicate", FaultKind::kDuplicate},
                                                           {"reorder", FaultKind::kReorder},
                                                           {"drop", FaultKind::kDrop},
                                                           {"malformed", FaultKind::kMalformed},
                                                           {"unknown", FaultKind::kUnknown},
                                                           {"oversized", FaultKind::kOversized},
                                                           {"renamed", FaultKind::kRenamed},
                                                           {"added", FaultKind::kAdded},
                                                           {"kick", FaultKind::kKick},
                                                           {"skew", FaultKind::kSkew},
                                                           {"drip", FaultKind::kDrip},
                                                           {"429", FaultKind::kRefuse},
                                                           {"quota", FaultKind::kQuota}};

bool lasts(Duration since, Duration length) { return since >= Duration{} && since < length; }

// A frame in which the field with the price, as its text has it, has another name.
std::string with_renamed_field(std::string frame, const EmulatedTrade& trade) {
  const auto price = frame.find(to_string(trade.price));
  const auto name_end = frame.rfind("\":", price);
  if (name_end != frame.npos) frame.insert(name_end, "_v2");
  return frame;
}

// One with a field more before that.
std::string with_added_field(std::string frame, const EmulatedTrade& trade) {
  const auto price = frame.find(to_string(trade.price));
  const auto name_end = frame.rfind("\":", price);
  if (name_end == frame.npos || name_end == 0) return frame;
  const auto name_begin = frame.rfind('"', name_end - 1);
  if (name_begin != frame.npos) frame.insert(name_begin, R"("added":true,)");
  return frame;
}

}  // namespace

Result<Fault> parse_fault(std::string_view text) {
  const auto at = text.find('@');
  const auto known = std::ranges::find(kFaults, text.substr(0, at),
                                       &std::pair<std::string_view, FaultKind>::first);
  if (at != text.npos && known != std::end(kFaults)) {
    if (const auto when = parse_duration(text.substr(at + 1))) return Fault{*when, known->second};
  }
  std::vector<std::string_view> names;
  for (const auto& [name, kind] : kFaults) names.push_back(name);
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is no fault: write such as cut@5s, with one of {}", text,
                          fmt::join(names, ", ")));
}

std::vector<Fault> make_faults(std::size_t count, Duration length, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Fault> faults;
  for (std::size_t i = 0; i < count; ++i) {
    const auto ns = static_cast<std::int64_t>(
        rng.below(static_cast<std::uint64_t>(std::max<std::int64_t>(1, length.ns / 10 * 9))));
    faults.push_back({nanoseconds(ns), kFaults[rng.below(std::size(kFaults))].second});
  }
  std::ranges::stable_sort(faults, {}, &Fault::at);
  return faults;
}

class Emulator::Client final : public net::WebSocketHandler {
 public:
  Client(Emulator& emulator, std::unique_ptr<feeds::VenueSession> session)
      : emulator_(emulator), session_(std::move(session)), next_trade_(emulator.due()) {
    const auto played = emulator_.played().value_or(Duration{});
    const auto& faults = emulator_.options_.faults;
    next_fault_ = static_cast<std::size_t>(
        std::ranges::upper_bound(faults, played, {}, &Fault::at) - faults.begin());
    ++emulator_.clients_;
    if (!session_->symbols().empty()) emulator_.begin();
  }
  ~Client() override { --emulator_.clients_; }

  void on_wake() override {}
  void on_tick() override { is_beat_due_ = true; }

  void on_message(std::string_view text) override {
    const bool had_none = session_->symbols().empty();
    const auto before = session_->symbols();
    for (std::string& answer : session_->on_message(text)) answer_with(std::move(answer));
    for (const std::string& symbol : session_->symbols()) {
      if (before.contains(symbol)) continue;
      const auto happened =
          std::span<const EmulatedTrade>(emulator_.trades_).first(emulator_.due());
      for (std::string& past : session_->snapshot(symbol, happened)) answer_with(std::move(past));
    }
    if (!had_none || session_->symbols().empty()) return;
    next_trade_ = emulator_.due();  // what was traded before nobody sends
    emulator_.begin();
  }

  WebSocketStep next() override {
    take_faults();
    if (goodbye_) return *goodbye_;
    const Duration played = emulator_.played().value_or(Duration{});
    if (played < silent_until_) {
      if (is_mute_) next_trade_ = emulator_.due();
      return std::monostate();
    }
    if (!dripping_.empty()) return drip(played);
    if (queue_.empty()) fill();
    if (queue_.empty()) return std::monostate();
    std::string frame = std::move(queue_.front());
    queue_.pop_front();
    if (std::exchange(next_drips_, false)) {
      dripping_ = std::move(frame);
      drip_bytes_ = dripping_.size() / kDripPieces + 1;
      return drip(played);
    }
    return frame;
  }

 private:
  void answer_with(std::string text) {
    if (queue_.size() < kAnswersMax) queue_.push_back(std::move(text));
  }

  // The next piece, when it is time for it.
  WebSocketStep drip(Duration played) {
    if (played < next_drip_) return std::monostate();
    next_drip_ = played + kDripEvery;
    std::string piece = dripping_.substr(0, drip_bytes_);
    dripping_.erase(0, piece.size());
    return net::MessagePart{std::move(piece), dripping_.empty()};
  }

  void take_faults() {
    const auto played = emulator_.played();
    const auto& faults = emulator_.options_.faults;
    for (; played && next_fault_ < faults.size() && faults[next_fault_].at <= *played;
         ++next_fault_) {
      const FaultKind kind = faults[next_fault_].kind;
      switch (kind) {
        case FaultKind::kCut:
          goodbye_ = net::CloseWebSocket{1012, "service restart"};
          break;
        case FaultKind::kKick:
          goodbye_ = net::CloseWebSocket{1001, "this connection is a day old"};
          break;
        case FaultKind::kOversized:
          queue_.emplace_back(kOversizedBytes, ' ');
          break;
        case FaultKind::kSkew:  // of all clients
        case FaultKind::kRefuse:
        case FaultKind::kQuota:
          break;
        case FaultKind::kMute:
          is_mute_ = true;
          silent_until_ = *played + emulator_.options_.mute_for;
          break;
        case FaultKind::kStall:
          is_mute_ = false;
          silent_until_ = *played + kStall;
          break;
        case FaultKind::kUnknown:
          queue_.emplace_back(R"({"what_is_this":[1,2,3]})");
          break;
        default:
          for_next_trade_.push_back(kind);
      }
    }
  }

  // With what is to be sent now.
  void fill() {
    // Of all that was traded, whether this client got it or not.
    for (; looked_at_ < next_trade_; ++looked_at_) {
      last_[emulator_.trades_[looked_at_].symbol] = &emulator_.trades_[looked_at_];
    }
    if (std::exchange(is_beat_due_, false)) {
      std::vector<const EmulatedTrade*> last;
      for (const auto& [symbol, trade] : last_) last.push_back(trade);
      for (std::string& beat : session_->heartbeat(last, emulator_.clock_.now())) {
        queue_.push_back(std::move(beat));
      }
    }
    const std::size_t due = emulator_.due();
    while (queue_.empty() && next_trade_ < due) {
      const EmulatedTrade& trade = emulator_.trades_[next_trade_++];
      if (!session_->symbols().contains(trade.symbol)) continue;
      send(trade);
    }
  }

  void send(const EmulatedTrade& trade) {
    std::string frame = session_->trade_frame(trade);
    const auto faults = std::exchange(for_next_trade_, {});
    const auto has = [&](FaultKind kind) {
      return std::ranges::find(faults, kind) != faults.end();
    };
    if (has(FaultKind::kDrip)) next_drips_ = true;
    if (has(FaultKind::kMalformed)) queue_.push_back(frame.substr(0, frame.size() / 2));
    if (has(FaultKind::kAdded)) frame = with_added_field(std::move(frame), trade);
    if (has(FaultKind::kRenamed)) frame = with_renamed_field(std::move(frame), trade);
    if (has(FaultKind::kDrop)) return;
    if (has(FaultKind::kDuplicate)) queue_.push_back(frame);
    if (has(FaultKind::kReorder) && !held_) {
      held_ = std::move(frame);
      return;
    }
    queue_.push_back(std::move(frame));
    ++emulator_.frames_;
    if (!held_) return;
    queue_.push_back(*std::exchange(held_, std::nullopt));
    ++emulator_.frames_;
  }

  Emulator& emulator_;
  std::unique_ptr<feeds::VenueSession> session_;
  std::deque<std::string> queue_;
  std::size_t next_trade_;
  std::size_t looked_at_ = 0;  // for last_
  std::map<std::string_view, const EmulatedTrade*> last_;
  bool is_beat_due_ = false;

  std::size_t next_fault_ = 0;
  std::vector<FaultKind> for_next_trade_;
  std::optional<std::string> held_;  // until the next trade is sent
  std::optional<net::CloseWebSocket> goodbye_;
  bool next_drips_ = false;  // the first of queue_
  std::string dripping_;     // what is left of it
  std::size_t drip_bytes_ = 0;
  Duration next_drip_{};
  bool is_mute_ = false;
  Duration silent_until_{};
};

Emulator::Emulator(std::vector<EmulatedTrade> trades, feeds::Emulation emulation,
                   EmulatorOptions options, const Clock& clock)
    : trades_(std::move(trades)),
      emulation_(emulation),
      options_(std::move(options)),
      clock_(clock) {
  std::set<std::string> symbols;
  for (const EmulatedTrade& trade : trades_) {
    symbols.insert(trade.symbol);
    const double since = static_cast<double>((trade.ts_event - trades_.front().ts_event).ns);
    offsets_.push_back(nanoseconds(static_cast<std::int64_t>(since / options_.speed)));
  }
  symbols_.assign(symbols.begin(), symbols.end());
}

void Emulator::begin() {
  {
    std::lock_guard lock(mutex_);
    if (began_) return;
    began_ = clock_.elapsed();
    // Venues stamp in ms at best; so do we, that all of them can word the same time.
    const Timestamp now = floor_to(clock_.now(), milliseconds(1));
    for (std::size_t i = 0; i < trades_.size() && !emulation_.is_history; ++i) {
      const bool is_ahead = std::ranges::any_of(options_.faults, [&](const Fault& fault) {
        return fault.kind == FaultKind::kSkew && lasts(offsets_[i] - fault.at, kSkewFor);
      });
      trades_[i].ts_event =
          floor_to(now + offsets_[i] + (is_ahead ? kSkew : Duration{}), milliseconds(1));
    }
  }
  if (options_.on_begin) options_.on_begin(trades_);
  begun_.notify_all();
}

std::optional<Duration> Emulator::played() const {
  std::lock_guard lock(mutex_);
  if (!began_) return std::nullopt;
  return clock_.elapsed() - *began_;
}

std::size_t Emulator::due() const {
  const auto now = played();
  if (!now) return 0;
  return static_cast<std::size_t>(std::ranges::upper_bound(offsets_, *now) - offsets_.begin());
}

void Emulator::wait_for_next(Duration max) {
  Duration wait = max;
  if (const auto now = played()) {
    const std::size_t next = due();
    if (next < offsets_.size()) wait = std::min(wait, offsets_[next] - *now);
  }
  std::unique_lock lock(mutex_);
  const bool had_begun = began_.has_value();
  begun_.wait_for(lock, std::chrono::nanoseconds(std::max<std::int64_t>(wait.ns, 1)),
                  [&] { return !had_begun && began_.has_value(); });
}

bool Emulator::is_refusing(FaultKind kind) const {
  const auto now = played();
  return now && std::ranges::any_of(options_.faults, [&](const Fault& fault) {
           return fault.kind == kind && lasts(*now - fault.at, kRefuseFor);
         });
}

namespace {

net::HttpResponse json(int status, std::string body) {
  return {.status = status, .content_type = "application/json", .body = std::move(body)};
}
net::HttpResponse nothing_there(const std::string& path, std::string_view what) {
  return {.status = 404,
          .content_type = "text/plain",
          .body = fmt::format("this emulator has no {} at '{}'\n", what, path)};
}

net::HttpResponse too_many() {
  auto response = json(429, R"({"code":-1003,"msg":"Too many requests."})");
  response.headers = {{"Retry-After", "1"}};
  return response;
}

}  // namespace

net::HttpResponse Emulator::on_request(const net::HttpRequest& request) {
  std::string path = request.path;  // "//" is "/" to most servers, and finnhub-python says it
  for (auto at = path.find("//"); at != path.npos; at = path.find("//")) path.erase(at, 1);
  if (!emulation_.begins_play.empty() && path.starts_with(emulation_.begins_play)) begin();
  if (is_refusing(FaultKind::kRefuse)) return too_many();
  if (is_refusing(FaultKind::kQuota)) return json(200, std::string(emulation_.quota));
  if (emulation_.answer == nullptr) return nothing_there(path, "REST");
  const std::span<const EmulatedTrade> all(trades_);
  auto answer = emulation_.answer({.path = path,
                                   .query = request.query,
                                   .happened = emulation_.is_history ? all : all.first(due()),
                                   .symbols = symbols_,
                                   .asked_before = questions_++});
  return {.status = answer.status,
          .content_type = std::string(answer.content_type),
          .body = std::move(answer.body)};
}

std::expected<std::unique_ptr<net::WebSocketHandler>, net::HttpResponse> Emulator::on_upgrade(
    const net::HttpRequest& request) {
  if (is_refusing(FaultKind::kRefuse)) return std::unexpected(too_many());
  std::string target = request.path;
  for (const auto& [name, value] : request.query) {
    target += fmt::format("{}{}={}", target.contains('?') ? '&' : '?', name, value);
  }
  auto session = emulation_.open == nullptr ? nullptr : emulation_.open(target);
  if (session == nullptr) return std::unexpected(nothing_there(request.path, "WebSocket"));
  return std::make_unique<Client>(*this, std::move(session));
}

net::HttpResponse Emulator::on_refusal(const net::HttpRefusal& refusal) {
  return {.status = refusal.status, .content_type = "text/plain", .body = refusal.message + "\n"};
}

}  // namespace tapedeck::app
