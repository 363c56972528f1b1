#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <ranges>
#include <thread>

#include "app/commands.hpp"
#include "app/emulator.hpp"
#include "app/recorded_files.hpp"
#include "app/registry.hpp"
#include "app/signals.hpp"
#include "base/disk.hpp"
#include "net/http_server.hpp"

namespace tapedeck::app {
namespace {

using feeds::EmulatedTrade;

constexpr std::size_t kPull = 4096;
constexpr Duration kLookEvery = milliseconds(200);

class TradesOf final : public feeds::EventSink {
 public:
  explicit TradesOf(const market::Catalog& catalog) : catalog_(catalog) {}
  void trade(const market::Trade& trade) override {
    const market::Origin& origin = catalog_.origin(trade.identity.origin);
    const std::string& symbol = catalog_.series(trade.series).key.instrument;
    // Ids that are no venue's are numbered anew: a venue counts from trade to trade.
    const bool has_id = origin.kind == market::OriginKind::kVenue && trade.identity.position == 0;
    trades.push_back({.symbol = symbol,
                      .id = has_id ? trade.identity.seq : ++counts_[symbol],
                      .price = trade.price,
                      .size = trade.size,
                      .side = trade.side,
                      .ts_event = trade.ts_event});
  }
  void event(const feeds::OtherEvent&) override {}
  void mark(const market::FeedMark&) override {}
  void control() override {}
  void refuse(const feeds::Refusal&) override {}

  std::vector<EmulatedTrade> trades;

 private:
  const market::Catalog& catalog_;
  std::map<std::string, std::uint64_t> counts_;
};

Result<std::vector<EmulatedTrade>> read_trades(Disk& disk, const FileArguments& files) {
  market::Catalog catalog;
  TD_ASSIGN(const auto source, open_files(disk, files, catalog, true));
  TradesOf sink(catalog);
  while (true) {
    TD_ASSIGN(const bool more, source->pull(sink, kPull));
    if (!more) break;
  }
  if (sink.trades.empty()) return fail(ErrorCode::kNotFound, "there is no trade in these files");
  std::ranges::stable_sort(sink.trades, {}, &EmulatedTrade::ts_event);
  return std::move(sink.trades);
}

// What a client that misses nothing gets, as a capture that `replay` reads.
Status write_capture(const std::string& path, const feeds::VenueSession& session,
                     const std::vector<EmulatedTrade>& trades) {
  std::ofstream file(path + ".part");
  for (const EmulatedTrade& trade : trades) {
    file << trade.ts_event.ns << ' ' << session.trade_frame(trade) << '\n';
  }
  file.close();
  if (!file || std::rename((path + ".part").c_str(), path.c_str()) != 0) {
    return fail(ErrorCode::kIo, fmt::format("'{}' cannot be written", path));
  }
  return {};
}

Status run_emulator(const EmulateArguments& arguments) {
  const auto venues = emulated_venues();
  const auto venue = std::ranges::find(venues, arguments.venue, &EmulatedVenue::venue);
  if (venue == venues.end()) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is no venue that can be played: those that can are {}", arguments.venue,
                    fmt::join(venues | std::views::transform(&EmulatedVenue::venue), ", ")));
  }
  const feeds::Emulation& emulation = venue->emulation;
  if (emulation.has_trades && arguments.files.paths.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is played from recorded trades: name a file", arguments.venue));
  }
  if (!emulation.has_trades && !arguments.files.paths.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} makes up what it tells: it takes no files", arguments.venue));
  }
  if (emulation.open == nullptr && !arguments.capture.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is asked over HTTP: it has no capture", arguments.venue));
  }
  std::vector<Fault> faults;
  for (const std::string& text : arguments.faults) {
    TD_ASSIGN(const Fault fault, parse_fault(text));
    faults.push_back(fault);
  }
  TD_ASSIGN(const Duration mute_for, parse_duration(arguments.mute));
  const auto disk = real_disk();
  std::vector<EmulatedTrade> trades;
  if (emulation.has_trades) {
    TD_ASSIGN(trades, read_trades(*disk, arguments.files));
  }
  const Duration length =
      trades.empty() ? Duration{} : trades.back().ts_event - trades.front().ts_event;
  const auto lasts =
      nanoseconds(static_cast<std::int64_t>(static_cast<double>(length.ns) / arguments.speed));
  for (const Fault& fault : make_faults(arguments.random_faults, lasts, arguments.seed)) {
    faults.push_back(fault);
  }
  std::ranges::stable_sort(faults, {}, &Fault::at);

  const Signals signals{SIGINT, SIGTERM};
  const SystemClock clock;
  Log log(clock, LogFormat::kText);
  Metrics metrics;
  EmulatorOptions options{
      .speed = arguments.speed, .faults = std::move(faults), .mute_for = mute_for, .on_begin = {}};
  options.on_begin = [&](const std::vector<EmulatedTrade>& played) {
    log.info("the play begins");
    if (arguments.capture.empty()) return;
    const auto wrote = write_capture(arguments.capture, *emulation.open(emulation.path), played);
    if (!wrote) log.error("the capture is not written", {{"why", wrote.error().message}});
  };
  const std::size_t count = trades.size();
  Emulator emulator(std::move(trades), emulation, std::move(options), clock);
  net::HttpServerOptions listen{.port = arguments.port};
  const bool is_tls = !arguments.tls_certificate.empty();
  if (is_tls) {
    TD_ASSIGN(listen.tls,
              net::TlsIdentity::read(arguments.tls_certificate, arguments.tls_key, clock.now()));
  }
  listen.limits.wake_interval = milliseconds(1);
  listen.limits.message_bytes_max = 64 << 10;
  TD_ASSIGN(const auto server, net::HttpServer::listen(listen, metrics, log));
  server->serve(emulator);
  const bool is_asked = emulation.open == nullptr;
  fmt::print("tapedeck emulate: {} at {}{}://127.0.0.1:{}{}\n", arguments.venue,
             is_asked ? "http" : "ws", is_tls ? "s" : "", server->port(), emulation.path);
  if (emulation.is_history) {
    fmt::print("{} trades, in bars. Stop with Ctrl-C.\n", count);
  } else if (emulation.has_trades) {
    fmt::print("{} trades in {} s, from when a client has asked for them. Stop with Ctrl-C.\n",
               count, lasts.ns / seconds(1).ns);
  } else {
    fmt::print("Stop with Ctrl-C.\n");
  }
  std::fflush(stdout);
  while (signals.next({}) == 0) {
    emulator.wait_for_next(kLookEvery);
    server->wake();
  }
  return {};
}

}  // namespace

int emulate(const EmulateArguments& arguments) {
  if (const Status done = run_emulator(arguments); !done) return report(done.error());
  return kExitOk;
}

}  // namespace tapedeck::app
