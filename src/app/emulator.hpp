// src/app/emulator.hpp: plays trades as a venue would, to any number of its clients, with the
// faults that venues have. The play begins when the first client has asked for symbols, or what
// begins it where the venue has no WebSocket.
// Thread: the handler's calls come from the server's thread; wait_for_next() is another's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "feeds/emulation.hpp"
#include "net/http_server.hpp"

namespace tapedeck::app {

enum class FaultKind {
  kCut,        // the connection is closed
  kMute,       // nothing is sent for a while, not even heartbeats: what was traded is lost
  kStall,      // nothing is sent for three seconds, then all of it
  kDuplicate,  // the next trade comes twice
  kReorder,    // the next two trades change places
  kDrop,       // the next trade does not come
  kMalformed,  // half of a frame comes before the next trade
  kUnknown,    // a message that no client knows comes
  kOversized,  // a message larger than clients take comes
  kRenamed,    // a field of the next trade has another name
  kAdded,      // the next trade has a field more
  kKick,       // the venue ends the connection, as it does after a day
  kSkew,       // for three seconds the venue's clock is two ahead: all that is said has its time
  kDrip,       // the next trade comes in pieces, for a second or more
  kRefuse,     // for three seconds REST and new connections get 429, with Retry-After
  kQuota,      // for three seconds REST answers 200 with an error for a body
};

struct Fault {
  Duration at;  // since the play began
  FaultKind kind = FaultKind::kCut;
};

// "cut@5s". Errors: kInvalidArgument, naming the kinds.
Result<Fault> parse_fault(std::string_view text);
// So many faults of all kinds, spread over the first nine tenths of `length`, so that a client can
// see what it has missed; the same for a seed.
std::vector<Fault> make_faults(std::size_t count, Duration length, std::uint64_t seed);

struct EmulatorOptions {
  double speed = 1;           // market seconds a second
  std::vector<Fault> faults;  // each hits every client that is connected then
  Duration mute_for = seconds(20);
  // Told what a client that misses nothing gets, when the play begins.
  std::function<void(const std::vector<feeds::EmulatedTrade>&)> on_begin;
};

class Emulator final : public net::HttpHandler {
 public:
  // `trades` in the order of ts_event. Borrows the clock.
  Emulator(std::vector<feeds::EmulatedTrade> trades, feeds::Emulation emulation,
           EmulatorOptions options, const Clock& clock);

  // Returns when a trade is due that was not, or after `max`.
  void wait_for_next(Duration max);
  std::uint64_t clients() const { return clients_; }
  std::uint64_t frames() const { return frames_; }  // of trades, sent to all clients

  net::HttpResponse on_request(const net::HttpRequest& request) override;
  std::expected<std::unique_ptr<net::WebSocketHandler>, net::HttpResponse> on_upgrade(
      const net::HttpRequest& request) override;
  net::HttpResponse on_refusal(const net::HttpRefusal& refusal) override;

 private:
  class Client;
  bool is_refusing(FaultKind kind) const;  // now
  void begin();                            // the play, if it has not begun
  std::optional<Duration> played() const;  // how long it lasts now; nothing: it has not begun
  std::size_t due() const;                 // trades that have happened

  // Their ts_event: as recorded, and once the play has begun as now, unless the venue tells of the
  // past.
  std::vector<feeds::EmulatedTrade> trades_;
  std::vector<std::string> symbols_;  // of those, sorted
  const feeds::Emulation emulation_;
  EmulatorOptions options_;
  const Clock& clock_;
  std::vector<Duration> offsets_;  // of the trades, since the play began
  mutable std::mutex mutex_;
  std::condition_variable begun_;
  std::optional<Duration> began_;  // by the clock's elapsed()
  std::atomic<std::uint64_t> clients_{0};
  std::atomic<std::uint64_t> frames_{0};
  std::uint64_t questions_ = 0;  // of the server's thread
};

}  // namespace tapedeck::app
