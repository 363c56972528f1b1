// src/pipeline/play.hpp: what the api shows of the running pipeline, and what a person may ask of
// it. Thread: any.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "tape/tape.hpp"

namespace tapedeck::pipeline {

enum class PlayState { kLoading, kPlaying, kEnded, kFailed };
std::string_view to_string(PlayState state);  // "loading", "playing", "ended", "failed"

struct FeedStatus {
  std::string id;
  std::string state;  // as PlayState's words; of a live one "connecting", "live" or "down"
  std::uint64_t events = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t refused = 0;
};

struct PlayStatus {
  std::string mode;  // "demo"
  PlayState state = PlayState::kLoading;
  std::string label;    // "recorded", "simulated" or "live"
  std::string date;     // "2013-10-07"
  std::string title;    // "SPY, IBM, AIG"
  std::string source;   // who made the recording
  std::string licence;  // "Apache-2.0"
  double speed = 1;     // market seconds a second
  bool paused = false;
  std::string zone;  // IANA
  Timestamp market_time, start_time, end_time;
  std::uint64_t run = 1;  // rises with every restart
  std::optional<std::string> error;
  Offset durable_offset;
  tape::TapeStatus tape;
  std::vector<FeedStatus> feeds;
  std::uint64_t quarantine_total = 0;
  std::map<std::string, std::uint64_t> quarantine_reasons;
};

class Play {
 public:
  virtual ~Play() = default;
  virtual PlayStatus status() const = 0;
  // Begins a new run, with a tape and a store of its own; what is before `from` is there at once.
  // Without it, as the first run began. Returns its number. Errors: kBusy while another restart is
  // under way, kUnsupported for what is no play, kInvalidArgument for a time outside of it.
  virtual Result<std::uint64_t> restart(std::optional<Timestamp> from = {}) = 0;
  // Market seconds a second from now on, in the next runs too. Errors: kUnsupported;
  // kInvalidArgument for a speed that is not above 0 and at most kSpeedMax.
  static constexpr double kSpeedMax = 1'000'000;
  virtual Status set_speed(double speed) = 0;
  // Lets it stand still, or go on. Errors: kUnsupported.
  virtual Status pause(bool paused) = 0;
};

}  // namespace tapedeck::pipeline
