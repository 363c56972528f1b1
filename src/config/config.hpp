// src/config/config.hpp: the door of this room. A pipeline file (TOML) becomes typed options, or a
// list of all that is wrong with it. The options' tables make the reference too, so it cannot rot.
// Thread: any; nothing is kept.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "market/bar.hpp"

namespace tapedeck {

// For what is configured: whether it is the same again.
inline bool operator==(const Secret& a, const Secret& b) { return a.reveal() == b.reveal(); }

}  // namespace tapedeck

namespace tapedeck::config {

// What may be lost of what was acknowledged: the reference and check-config say it.
enum class Fsync { kAlways, kGroup, kNever };
enum class RawFrames { kDrop, kKeep };

struct TapeConfig {
  std::string kind = "embedded";
  std::string dir = "var/tape";
  Fsync fsync = Fsync::kGroup;
  std::optional<std::uint32_t> partitions;  // of a new tape; nothing: 1
  std::uint64_t segment_bytes = 64u << 20;
  std::optional<Duration> retention_age;  // nothing: for ever
  std::optional<std::uint64_t> retention_bytes;
  RawFrames raw = RawFrames::kDrop;
  std::optional<Duration> raw_retention_age;
  std::optional<std::uint64_t> raw_retention_bytes;
  std::uint64_t free_warn_bytes = 2u << 30;
  std::uint64_t free_stop_bytes = 256u << 20;
  bool operator==(const TapeConfig&) const = default;
};

// The venue of a feed of rows that other programs send: it has neither symbols nor files.
inline constexpr std::string_view kIngestVenue = "ingest";
// Those of venues that the file itself declares.
inline constexpr std::string_view kHttpJsonVenue = "http_json";
inline constexpr std::string_view kWsJsonVenue = "ws_json";

// What the rows of a declared venue are.
enum class RowKind { kTrade, kTick, kQuote, kRecord };

struct FeedConfig {
  std::string id;
  std::string venue;
  std::vector<std::string> symbols;
  std::vector<std::string> files;
  Secret token;
  std::string url;                // of a live connection; empty: the venue's own
  std::string rest_url;           // of repairs; empty: the venue's own
  std::string ca_file;            // empty: the system's
  std::optional<double> speed;    // of files; nothing: as fast as they can be taken
  std::optional<Duration> every;  // of what is polled; nothing: the venue's own
  // Of a vendor's bars.
  std::optional<Duration> interval;  // nothing: a minute
  std::vector<std::string> months;
  bool adjusted = false;
  // Of declared venues.
  std::string map;
  RowKind kind = RowKind::kTrade;
  std::string rows;
  std::string only;
  std::vector<std::string> subscribe;
  std::optional<Duration> silence;  // nothing: it may be silent for ever
  bool consecutive_ids = false;
  bool operator==(const FeedConfig&) const = default;
};

struct BarsConfig {
  Duration interval = minutes(1);
  std::optional<Duration> slide;  // nothing: bars do not overlap
  market::ConditionMode conditions = market::ConditionMode::kEligible;
  market::SessionMode session = market::SessionMode::kExtended;
  market::BarSource source = market::BarSource::kTrades;
  market::Adjusted adjusted = market::Adjusted::kRaw;
  Duration lateness = seconds(10);

  bool operator==(const BarsConfig&) const = default;
  market::BarSpec spec() const {
    return {interval, conditions, session, source, adjusted, slide.value_or(Duration{})};
  }
};

struct StoreConfig {
  std::string kind = "embedded";
  std::string dir = "var/store";
  bool means = false;
  bool operator==(const StoreConfig&) const = default;
};

struct Endpoint {
  std::string address;
  std::uint16_t port = 0;  // 0: any that is free
  bool operator==(const Endpoint&) const = default;
};

// "127.0.0.1:8273" or "[::1]:8273". Errors: kInvalidArgument.
Result<Endpoint> parse_endpoint(std::string_view text);

struct ApiConfig {
  Endpoint listen{"127.0.0.1", 8273};
  Secret token;  // empty: made at the first start
  Secret viewer_token;
  Secret metrics_token;
  std::string tls_certificate;  // files; empty: no TLS
  std::string tls_key;
  bool insecure = false;
  std::optional<std::vector<std::string>> hosts;
  std::optional<std::vector<std::string>> trusted_proxies;
  std::optional<std::string> base_path;
  bool access_log = false;
  bool operator==(const ApiConfig&) const = default;
};

struct LogConfig {
  LogFormat format = LogFormat::kText;
  LogLevel level = LogLevel::kInfo;
  bool operator==(const LogConfig&) const = default;
};

struct Config {
  TapeConfig tape;
  std::vector<FeedConfig> feeds;
  std::vector<BarsConfig> bars{BarsConfig{}};  // replaced by those of the file, if it has any
  StoreConfig store;
  ApiConfig api;
  LogConfig log;
  bool operator==(const Config&) const = default;
};

struct ConfigProblem {
  enum class Severity { kWarning, kError };
  std::string file;
  std::uint32_t line = 0;  // from 1
  std::uint32_t column = 0;
  std::string key;      // "feed[2].token"; empty where the file is no TOML
  std::string message;  // what is wrong and what to write; never a secret
  Severity severity = Severity::kError;
};

// "pipeline.toml:3:12: bars[1].lateness: '10parsec' is not a duration: ..."
std::string to_string(const ConfigProblem& problem);

struct ParsedConfig {
  Config config;                        // means something only if usable()
  std::vector<ConfigProblem> problems;  // all of them, in the order of the file

  bool usable() const;  // there are warnings at most
};

// A venue that the program knows, and what a feed of it must keep to while it is live.
struct VenueRules {
  std::string name;
  bool needs_token = false;
  // With one token, whatever asks: then no two feeds may have the same, and this many symbols are
  // all there are; elsewhere more make more connections. 0: there is no such rule.
  std::size_t symbols_max_of_token = 0;
};

// What a file is read against.
struct Surroundings {
  // The value of an environment variable, if it is set.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  std::vector<VenueRules> venues;
  bool is_container = false;  // which may listen on all interfaces
  bool insecure = false;      // said on the command line; as in [api]
};

// The environment of this process.
std::optional<std::string> process_environment(const std::string& name);

// `file` is for the problems only; `text` is what it holds.
ParsedConfig parse_config(std::string_view text, std::string_view file,
                          const Surroundings& surroundings);

// ---- The reference

struct OptionReference {
  std::string name;
  std::string kind;           // "duration, such as \"10s\""
  std::string default_value;  // as it would be written; empty: none
  bool required = false;
  std::string help;
};

struct ComponentReference {
  std::string name;   // "feed"
  bool many = false;  // written [[feed]], any number of times
  std::string help;
  std::vector<OptionReference> options;
};

std::vector<ComponentReference> reference();
// A whole file, as an example.
std::string_view example();
// docs/reference/config.md
std::string reference_markdown();

}  // namespace tapedeck::config
