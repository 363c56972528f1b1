#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>

#include "api/server.hpp"
#include "api/token_gate.hpp"
#include "app/commands.hpp"
#include "app/live_symbols.hpp"
#include "app/options.hpp"
#include "app/registry.hpp"
#include "app/signals.hpp"
#include "base/disk.hpp"
#include "base/machine.hpp"
#include "feeds/replay/replay.hpp"
#include "net/socket_net.hpp"
#include "pipeline/deck.hpp"
#include "pipeline/ingest.hpp"
#include "pipeline/live_source.hpp"
#include "pipeline/poll_source.hpp"
#include "store/embedded/sqlite_store.hpp"
#include "tape/embedded/embedded_tape.hpp"

namespace tapedeck::app {
namespace {

// How long a drain may take; what is not stored then is on the tape, and the next start goes on
// there.
constexpr Duration kDrainMax = seconds(5);
constexpr Duration kLookEvery = milliseconds(100);

// Whose clock it is, in marks: that of a venue; or of all, where the events are of any venue.
std::string mark_name(const config::FeedConfig& feed) {
  return feed.venue == kEventsVenue ? feed.id : feed.venue + "/" + feed.id;
}

// What a pipeline takes from the program around it.
struct Around {
  Disk& disk;
  const Clock& clock;
  Metrics& metrics;
  Log& log;
  pipeline::IngestDesk& ingest;
  bool keep_raw = false;  // frames of live feeds, on the tape
};

Result<std::unique_ptr<Net>> open_net(const Around& around, const config::FeedConfig& config) {
  net::SocketNetOptions sockets;
  sockets.ca_file = config.ca_file;
  auto net = net::make_socket_net(std::move(sockets), around.clock, around.metrics);
  if (!net) return std::unexpected(net.error().within(fmt::format("feed '{}'", config.id)));
  return net;
}

std::uint64_t seed_of_now(const Around& around) {
  return static_cast<std::uint64_t>(around.clock.now().ns);
}

// The symbols of one connection of a live feed. `name`: as in marks.
Result<pipeline::FeedPart> open_connection(
    const Around& around, const config::FeedConfig& config, std::unique_ptr<feeds::Feed> feed,
    feeds::LiveProtocol live, std::vector<std::string> symbols, const std::string& name,
    std::optional<feeds::Directory> directory, market::Catalog& catalog) {
  if (directory && !directory->lists_all) directory.reset();
  // Who plays a venue is asked at its own address, or not at all: the venue's trades are others.
  if (!config.url.empty() && config.rest_url.empty()) {
    directory.reset();
    if (live.repair) {
      live.repair.reset();
      around.log.warning(
          "a feed with a url of its own and no rest_url: what it misses is not fetched",
          {{"feed", name}});
    }
  }
  TD_ASSIGN(auto net, open_net(around, config));
  return pipeline::FeedPart{.id = name,
                            .source = std::make_unique<pipeline::LiveSource>(
                                std::move(feed), live,
                                pipeline::LiveOptions{.feed = name,
                                                      .symbols = std::move(symbols),
                                                      .url = Secret(config.url),
                                                      .token = config.token,
                                                      .rest_url = Secret(config.rest_url),
                                                      .directory = directory,
                                                      .seed = seed_of_now(around),
                                                      .keep_raw = around.keep_raw},
                                std::move(net), catalog, around.clock, around.log)};
}

// One part for each connection that its symbols take.
Result<std::vector<pipeline::FeedPart>> open_live_feed(const Around& around,
                                                       const config::FeedConfig& config,
                                                       market::Catalog& catalog) {
  std::vector<pipeline::FeedPart> parts;
  if (config.venue == kIngestVenue) {
    parts.push_back(
        {.id = config.id,
         .source = std::make_unique<pipeline::IngestSource>(
             config.id, around.ingest, make_ingest_reader(catalog), catalog, around.clock)});
    return parts;
  }
  auto special = make_special_feed(config, catalog);
  if (!special) return std::unexpected(special.error().within(fmt::format("feed '{}'", config.id)));
  if (*special && (*special)->poll) {
    auto poll = std::move((*special)->poll);
    TD_ASSIGN(auto net, open_net(around, config));
    const std::string name = fmt::format("{}/{}", poll->venue(), config.id);
    parts.push_back({.id = name,
                     .source = std::make_unique<pipeline::PollSource>(
                         name, std::move(poll), seed_of_now(around), std::move(net), around.clock,
                         around.log)});
    return parts;
  }
  if (*special) {
    auto feed = std::move((*special)->feed);
    std::string name = fmt::format("{}/{}", feed->venue(), config.id);
    TD_ASSIGN(auto part, open_connection(around, config, std::move(feed), (*special)->live,
                                         config.symbols, name, std::nullopt, catalog));
    parts.push_back(std::move(part));
    return parts;
  }
  const auto kinds = feed_kinds();
  const auto kind = std::ranges::find(kinds, config.venue, &feeds::FeedKind::venue);
  if (kind == kinds.end() || !kind->live) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("feed '{}': {} is read from recordings only: name them, files = "
                            "[\"...\"]",
                            config.id, config.venue));
  }
  if (kind->live->one_connection && config.symbols.size() > kind->live->symbols_max) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} serves {} symbols to a key, and these are {}: take fewer",
                            config.venue, kind->live->symbols_max, config.symbols.size()));
  }
  for (std::size_t at = 0; at < config.symbols.size(); at += kind->live->symbols_max) {
    const auto begin = config.symbols.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count = std::min(kind->live->symbols_max, config.symbols.size() - at);
    std::string name = mark_name(config);
    if (at > 0) name += fmt::format(".{}", parts.size() + 1);
    TD_ASSIGN(auto part, open_connection(around, config, kind->make(catalog), *kind->live,
                                         {begin, begin + static_cast<std::ptrdiff_t>(count)}, name,
                                         kind->directory, catalog));
    parts.push_back(std::move(part));
  }
  return parts;
}

Result<pipeline::FeedPart> open_recorded_feed(const Around& around,
                                              const config::FeedConfig& config,
                                              market::Catalog& catalog) {
  const auto kinds = recorded_kinds();
  const bool has_frames =
      std::ranges::find(kinds, config.venue, &feeds::FeedKind::venue) != kinds.end();
  const bool is_play = config.speed.has_value();  // then events go by their time
  auto source = feeds::replay::open_replay(around.disk, config.files,
                                           {.map = {},
                                            .symbol = {},
                                            .venue = has_frames ? config.venue : std::string(),
                                            .feeds = kinds,
                                            .feed = mark_name(config)},
                                           catalog, is_play);
  if (!source) return std::unexpected(source.error().within(fmt::format("feed '{}'", config.id)));
  pipeline::FeedPart part{.id = mark_name(config), .source = *std::move(source)};
  if (is_play) part.pace = pipeline::Pace{.speed = *config.speed};
  return part;
}

Result<std::unique_ptr<pipeline::Pipeline>> make_pipeline(const config::Config& config,
                                                          const Around& around,
                                                          std::function<void()> on_change) {
  Disk& disk = around.disk;
  pipeline::PipelineParts parts;
  parts.catalog = std::make_unique<market::Catalog>();
  TD_TRY(disk.create_directories(config.store.dir));
  TD_ASSIGN(parts.quarantine,
            quality::Quarantine::with_file(disk, config.store.dir + "/quarantine.ndjson"));
  around.ingest.open(std::ranges::find(config.feeds, kIngestVenue, &config::FeedConfig::venue) !=
                     config.feeds.end());
  for (const config::FeedConfig& feed : config.feeds) {
    if (!feed.files.empty()) {
      TD_ASSIGN(auto part, open_recorded_feed(around, feed, *parts.catalog));
      parts.feeds.push_back(std::move(part));
      continue;
    }
    TD_ASSIGN(auto opened, open_live_feed(around, feed, *parts.catalog));
    std::ranges::move(opened, std::back_inserter(parts.feeds));
  }
  TD_ASSIGN(parts.tape, tape::embedded::open_embedded_tape(disk, around.clock, *parts.catalog,
                                                           embedded_tape_options(config.tape)));
  TD_ASSIGN(parts.store, store::embedded::open_sqlite_store(disk, config.store.dir + "/store.db"));
  pipeline::PipelineOptions options{.specs = {},
                                    .lateness = {},
                                    .bars_kept_max = pipeline::kBarsBesideStore,
                                    .means = config.store.means,
                                    .keeps_seen = config.tape.retention_age.has_value() ||
                                                  config.tape.retention_bytes.has_value(),
                                    .on_full_disk = pipeline::OnFullDisk::kWait,
                                    .metrics = &around.metrics};
  for (const config::BarsConfig& bars : config.bars) {
    options.specs.push_back(bars.spec());
    options.lateness.push_back(bars.lateness);
  }
  return std::make_unique<pipeline::Pipeline>(std::move(parts), condition_tables(), around.clock,
                                              options, std::move(on_change));
}

Error system_error(const std::string& path) {
  return {ErrorCode::kIo, fmt::format("'{}': {}", path, std::strerror(errno))};
}

// The token of the dashboard: as the file says, or made once and kept where only we may read it.
Result<Secret> token_of(const config::Config& config) {
  if (!config.api.token.empty()) return config.api.token;
  const std::string path = config.store.dir + "/token";
  const int made = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (made >= 0) {
    Secret token = api::TokenGate::make_token();
    const std::string& text = token.reveal();
    const bool whole =
        ::write(made, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(made) == 0;
    ::close(made);
    if (whole) return token;
    ::unlink(path.c_str());
    return std::unexpected(system_error(path));
  }
  if (errno != EEXIST) return std::unexpected(system_error(path));
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::unexpected(system_error(path));
  char text[256];
  const ssize_t got = ::read(file, text, sizeof text);
  ::close(file);
  if (got < 0) return std::unexpected(system_error(path));
  return Secret(std::string(text, static_cast<std::size_t>(got)));
}

pipeline::PlayStatus describe(const std::string& source, const config::Config& config) {
  pipeline::PlayStatus about;
  about.mode = "run";
  const bool is_live = std::ranges::any_of(
      config.feeds, [](const config::FeedConfig& feed) { return feed.files.empty(); });
  about.label = is_live ? "live" : "recorded";
  about.title = std::filesystem::path(source).stem().string();
  about.source = source;
  about.zone = "UTC";
  for (const config::FeedConfig& feed : config.feeds) about.speed = feed.speed.value_or(0);
  return about;
}

// What the file says now. A run that begins asks for it.
class CurrentConfig {
 public:
  explicit CurrentConfig(config::Config config) : config_(std::move(config)) {}
  config::Config get() const {
    std::lock_guard lock(mutex_);
    return config_;
  }
  void set(config::Config config) {
    std::lock_guard lock(mutex_);
    config_ = std::move(config);
  }

 private:
  mutable std::mutex mutex_;
  config::Config config_;
};

// The feeds that take other symbols now, by their names in marks; nothing: more than symbols is
// another.
std::optional<std::vector<const config::FeedConfig*>> other_symbols(const config::Config& before,
                                                                    const config::Config& now) {
  if (before.feeds.size() != now.feeds.size()) return std::nullopt;
  config::Config same = now;
  std::vector<const config::FeedConfig*> others;
  for (std::size_t i = 0; i < now.feeds.size(); ++i) {
    same.feeds[i].symbols = before.feeds[i].symbols;
    if (now.feeds[i].symbols == before.feeds[i].symbols) continue;
    const auto kind = std::ranges::find(feed_kinds(), now.feeds[i].venue, &feeds::FeedKind::venue);
    if (kind == feed_kinds().end() || !kind->live ||
        before.feeds[i].symbols.size() > kind->live->symbols_max) {
      return std::nullopt;
    }
    others.push_back(&now.feeds[i]);
  }
  if (!(same == before) || others.empty()) return std::nullopt;
  return others;
}

void reload(const std::string& file, bool insecure, CurrentConfig& current, pipeline::Deck& deck,
            Log& log) {
  auto config = load_config(file, insecure);
  if (!config) {
    log.error("the file was read again and is not used: the pipeline runs on as before",
              {{"error", config.error().message}});
    return;
  }
  const auto served = [](const config::ApiConfig& api) {
    return std::tie(api.listen, api.tls_certificate, api.tls_key);
  };
  if (served(config->api) != served(current.get().api)) {
    log.warning("another [api] listen address or certificate takes a restart of the program");
  }
  log.info("the file was read again: the pipeline goes on with it", {{"file", file}});
  const auto others = other_symbols(current.get(), *config);
  current.set(*config);
  const bool is_done = others && std::ranges::all_of(*others, [&](const config::FeedConfig* feed) {
                         return deck.set_symbols(mark_name(*feed), feed->symbols);
                       });
  if (!is_done) deck.renew();
}

// Lets what came in be stored. Does not return if it takes too long or is asked for twice: what was
// acknowledged is on the disk at any moment, and the next start goes on from there.
void drain(pipeline::Deck& deck, const Signals& signals, const Clock& clock, Log& log) {
  const Duration began = clock.elapsed();
  while (!deck.drain(kLookEvery)) {
    const bool is_late = clock.elapsed() - began >= kDrainMax;
    if (signals.next({}) == 0 && !is_late) continue;
    log.warning(is_late ? "stopped before all was stored: the rest is on the tape, and the next "
                          "start goes on there"
                        : "stopped at once: what was not stored is on the tape, and the next start "
                          "goes on there");
    std::_Exit(kExitFailed);
  }
  log.info("stopped: all that came in is stored");
}

// What these symbols need, with all else as it is when nothing is said. Errors: kInvalidArgument.
Result<config::Config> config_of(const std::vector<std::string>& words) {
  config::Config config;
  config.tape.dir = "var/live/tape";
  config.store.dir = "var/live/store";
  config.bars.clear();
  for (const market::BarSpec& spec : chart_specs()) {
    config.bars.push_back({.interval = spec.interval,
                           .slide = {},
                           .conditions = spec.conditions,
                           .session = spec.session});
  }
  TD_ASSIGN(config.feeds, live_feeds(words));
  for (config::FeedConfig& feed : config.feeds) {
    if (wants_key(feed.venue)) {
      TD_ASSIGN(feed.token, key_of_environment(feed.venue));
    }
  }
  if (gives_prices(config.feeds)) {
    const auto trades = config.bars;
    for (config::BarsConfig bars : trades) {
      if (bars.conditions != market::ConditionMode::kEligible) continue;
      bars.source = market::BarSource::kLast;
      config.bars.push_back(bars);
    }
  }
  return config;
}

Status run_config(const std::string& source, const config::Config& config, bool is_file,
                  bool insecure) {
  const Signals signals{SIGINT, SIGTERM, SIGHUP};
  const SystemClock clock;
  Log log(clock, config.log.format, config.log.level);
  TD_ASSIGN(auto tls, tls_identity(config.api, clock.now()));
  const auto disk = real_disk();
  CurrentConfig current(config);
  Metrics metrics;
  pipeline::IngestDesk ingest;
  pipeline::Deck deck(
      describe(source, config), pipeline::Deck::NextRun::kGoesOn,
      [&](std::uint64_t, std::function<void()> on_change) {
        return make_pipeline(current.get(),
                             {*disk, clock, metrics, log, ingest,
                              current.get().tape.raw == config::RawFrames::kKeep},
                             std::move(on_change));
      },
      log);
  TD_TRY(deck.start());
  TD_ASSIGN(const Secret token, token_of(config));
  TD_ASSIGN(const auto server,
            api::start_api(
                {.address = config.api.listen.address,
                 .port = config.api.listen.port,
                 .port_is_fixed = true,
                 .token = token,
                 .viewer_token = config.api.viewer_token,
                 .metrics_token = config.api.metrics_token,
                 .tls = std::move(tls),
                 .insecure = config.api.insecure || insecure,
                 .is_container = real_machine()->is_container(),
                 .hosts = config.api.hosts.value_or(std::vector<std::string>()),
                 .trusted_proxies = config.api.trusted_proxies.value_or(std::vector<std::string>()),
                 .base_path = config.api.base_path.value_or(""),
                 .access_log = config.api.access_log,
                 .version = TAPEDECK_VERSION,
                 .ingest = &ingest},
                deck, deck, deck, metrics, log));
  fmt::print("tapedeck run: {}: {} feeds, {} kinds of bars.\nOpen {}\nStop with Ctrl-C.\n", source,
             config.feeds.size(), config.bars.size(), server->url_with_token().reveal());
  print_tunnel(server->port());
  std::fflush(stdout);
  while (true) {
    const int signal = signals.next(kLookEvery);
    if (signal == SIGINT || signal == SIGTERM) break;
    if (signal == SIGHUP && is_file) reload(source, insecure, current, deck, log);
    if (const auto why = deck.failure()) {
      ingest.open(false);
      return fail(ErrorCode::kIo, *why);
    }
  }
  ingest.open(false);
  drain(deck, signals, clock, log);
  return {};
}

}  // namespace

int run(const RunArguments& arguments) {
  const std::vector<std::string>& what = arguments.what;
  const bool is_file =
      what.size() == 1 && what.front() != kIngestVenue && !live_symbol(what.front());
  const auto config = is_file ? load_config(what.front(), arguments.insecure) : config_of(what);
  if (!config) return report(config.error());
  const std::string source = fmt::format("{}", fmt::join(what, " "));
  if (const Status status = run_config(source, *config, is_file, arguments.insecure); !status) {
    return report(status.error());
  }
  return kExitOk;
}

}  // namespace tapedeck::app
