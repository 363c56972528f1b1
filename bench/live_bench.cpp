#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <simdjson.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/server.hpp"
#include "base/disk.hpp"
#include "measure.hpp"
#include "net/websocket_client.hpp"
#include "pipeline/deck.hpp"
#include "serving_bench.hpp"
#include "store/embedded/sqlite_store.hpp"
#include "tape/embedded/embedded_tape.hpp"

namespace tapedeck::bench {
namespace {

constexpr auto kFeedPause = std::chrono::microseconds(500);
constexpr Duration kPatience = seconds(30);  // with what should have happened
constexpr const char* kToken = "a-token-of-the-benchmark-and-of-nobody-else";

std::string series_name(std::uint32_t index) { return fmt::format("bench/trade/S{:03}", index); }

// A wait that nothing ends early.
void pause(std::chrono::microseconds how_long) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, how_long, [] { return false; });
}

// What the threads of a run tell each other.
struct Progress {
  std::atomic<std::uint32_t> subscribed{0};  // series that the client watches
  std::atomic<bool> may_begin{false};        // everybody is there
  std::atomic<std::uint64_t> arrived{0};     // trades at the client
  std::atomic<bool> has_failed{false};
};

// Gives one trade of each series; once everybody watches them, `rate` trades a second. A
// trade's times say when it was due, so that a feed that is held up is held up in the numbers.
class PacedSource final : public feeds::Source {
 public:
  PacedSource(const LiveArguments& arguments, const Progress& progress, market::Catalog& catalog)
      : arguments_(arguments), progress_(progress) {
    for (std::uint32_t i = 0; i < arguments.series; ++i) {
      series_.push_back(catalog.intern({.key = *market::parse_series_key(series_name(i))}));
    }
    origin_ = catalog.intern({.kind = market::OriginKind::kVenue});
  }

  Result<bool> pull(feeds::EventSink& sink, std::size_t events_max) override {
    if (given_ == 0) {
      while (given_ < series_.size()) give(sink, kClock.now());
      return true;
    }
    if (!progress_.may_begin) {
      pause(kFeedPause);
      return true;
    }
    if (!began_) began_ = kClock.now() + milliseconds(100);
    const Timestamp now = kClock.now();
    for (std::size_t i = 0; i < events_max && paced_ < total(); ++i) {
      const Timestamp due =
          *began_ + Duration{static_cast<std::int64_t>(paced_ * 1'000'000'000 / arguments_.rate)};
      if (due > now) {
        if (i == 0) pause(kFeedPause);
        return true;
      }
      give(sink, due);
      ++paced_;
    }
    if (paced_ < total()) return true;
    sink.mark({"bench", market::FeedState::kEnded, now});
    return false;
  }

 private:
  std::uint64_t total() const { return arguments_.rate * arguments_.duration_s; }

  void give(feeds::EventSink& sink, Timestamp when) {
    sink.trade({.series = series_[given_ % series_.size()],
                .side = market::Side::kBuy,
                .ts_event = when,
                .ts_recv = when,
                .price = market::Decimal::make(static_cast<std::int64_t>(10'000 + given_ % 97), 2),
                .size = market::Decimal::make(static_cast<std::int64_t>(1 + given_ % 300), 0),
                .identity = {.origin = origin_, .seq = given_ / series_.size()}});
    ++given_;
  }

  const LiveArguments arguments_;
  const Progress& progress_;
  std::vector<SeriesId> series_;
  OriginId origin_;
  std::uint64_t given_ = 0;
  std::uint64_t paced_ = 0;
  std::optional<Timestamp> began_;
};

// Watches the trades of all series. Its numbers are read once the client is gone.
class Watcher final : public net::WebSocketEvents {
 public:
  Watcher(std::uint32_t series, Progress& progress, std::vector<double>& latencies_ms,
          std::vector<double>& frames_bytes)
      : series_(series),
        progress_(progress),
        latencies_ms_(latencies_ms),
        frames_bytes_(frames_bytes) {}

  void on_open(net::WebSocket& socket) override {
    for (std::uint32_t i = 0; i < series_; ++i) {
      (void)socket.send(
          fmt::format(R"({{"type":"subscribe","id":"s{}","channel":"trades","series":"{}"}})", i,
                      series_name(i)));
    }
  }

  void on_frame(net::WebSocket&, std::string_view frame, Timestamp ts_recv) override {
    const simdjson::dom::element message = parser_.parse(frame.data(), frame.size());
    const std::string_view type = message["type"];
    if (type == "error") return fail(std::string(frame));
    if (type == "snapshot") ++progress_.subscribed;
    if (type != "trades") return;
    frames_bytes_.push_back(static_cast<double>(frame.size()));
    std::uint64_t count = 0;
    for (const auto trade : message["trades"]) {
      const std::int64_t due = std::stoll(std::string(std::string_view(trade["ts_recv"])));
      latencies_ms_.push_back(static_cast<double>(ts_recv.ns - due) * 1e-6);
      ++count;
    }
    progress_.arrived += count;
  }

  void on_closed(const net::Failure& why) override {
    if (why.kind != net::FailureKind::kStopped) fail(why.message);
  }

 private:
  void fail(const std::string& why) {
    fmt::print(stderr, "td_bench: the client: {}\n", why);
    progress_.has_failed = true;
  }

  const std::uint32_t series_;
  Progress& progress_;
  std::vector<double>& latencies_ms_;
  std::vector<double>& frames_bytes_;
  simdjson::dom::parser parser_;
};

// Appends to a file and calls fdatasync 50 times a second, for as long as it lives.
class SyncProbe {
 public:
  explicit SyncProbe(const std::string& path)
      : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (file_ < 0) die(path + ": cannot be written");
    thread_ = std::jthread([this](const std::stop_token& stop) {
      const std::string piece(16 << 10, 'x');  // about what a batch of the tape is
      while (!stop.stop_requested()) {
        if (::write(file_, piece.data(), piece.size()) < 0) die("cannot write");
        const double before_s = now_s();
        if (::fdatasync(file_) != 0) die("fdatasync failed");
        syncs_ms_.push_back((now_s() - before_s) * 1e3);
        pause(std::chrono::milliseconds(20));
      }
    });
  }
  std::vector<double> finish() {
    thread_ = {};  // joined
    ::close(file_);
    return std::move(syncs_ms_);
  }

 private:
  int file_;
  std::vector<double> syncs_ms_;
  std::jthread thread_;
};

// Clients that are there while others are measured, in this process; one thread reads what comes.
class Crowd {
 public:
  Crowd(std::uint16_t port, const LiveArguments& arguments) {
    for (std::uint32_t i = 0; i < arguments.crowd; ++i) {
      const bool is_slow = i % 10 == 8;
      const bool is_dead = i % 10 == 9;
      const int socket = join(port, i % arguments.series, is_slow);
      if (is_dead) {
        const linger abort{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        ::close(socket);
      } else {
        (is_slow ? slow_ : fast_).push_back({.fd = socket, .events = POLLIN, .revents = 0});
      }
    }
    thread_ = std::jthread([this](const std::stop_token& stop) {
      std::vector<char> piece(64 << 10);
      while (!stop.stop_requested()) {
        if (::poll(fast_.data(), fast_.size(), 100) <= 0) continue;
        for (const pollfd& one : fast_) {
          if (one.revents == 0) continue;
          const auto got = ::recv(one.fd, piece.data(), piece.size(), MSG_DONTWAIT);
          if (got == 0) die("the program closed a client that reads");
          if (got > 0) received_bytes_ += static_cast<std::uint64_t>(got);
        }
      }
    });
  }
  ~Crowd() {
    thread_ = {};  // joined
    for (const auto* all : {&fast_, &slow_}) {
      for (const pollfd& one : *all) ::close(one.fd);
    }
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  std::uint64_t received_bytes() const { return received_bytes_; }

 private:
  static int join(std::uint16_t port, std::uint32_t series, bool is_slow) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int little = 4096;
    if (is_slow) ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      die("a client of the crowd cannot connect");
    }
    send(socket, fmt::format("GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n"
                             "Authorization: Bearer {}\r\nConnection: Upgrade\r\n"
                             "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                             port, kToken));
    std::string head;
    for (char byte = 0; !head.ends_with("\r\n\r\n"); head += byte) {
      if (::recv(socket, &byte, 1, 0) != 1) die("a client of the crowd is not let in");
    }
    const std::string text =
        fmt::format(R"({{"type":"subscribe","id":"b","channel":"bars","series":"{}",)"
                    R"("interval":"1m"}})",
                    series_name(series));
    if (text.size() > 125) die("a message of the crowd is too long");
    send(socket, std::string("\x81") + static_cast<char>(0x80 | text.size()) +
                     std::string(4, '\0') + text);  // masked with zeros
    return socket;
  }

  static void send(int socket, std::string_view bytes) {
    if (::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size())) {
      die("a client of the crowd cannot send");
    }
  }

  std::vector<pollfd> fast_, slow_;
  std::atomic<std::uint64_t> received_bytes_{0};
  std::jthread thread_;
};

double quantile(std::vector<double>& values, double q) {
  if (values.empty()) die("nothing was measured");
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, at);
  return *at;
}

template <class Condition>
void wait_for(const char* what, const Progress& progress, Condition condition, Duration patience) {
  const double until_s = now_s() + static_cast<double>(patience.ns) * 1e-9;
  while (!condition()) {
    if (progress.has_failed) die("see above");
    if (now_s() > until_s) die(fmt::format("waited in vain: {}", what));
    pause(std::chrono::milliseconds(10));
  }
}

// The whole program in one process: a feed of that rate, tape, bars, store and API.
class Served {
 public:
  Served(const LiveArguments& arguments, const Progress& progress)
      : disk_(real_disk()), log_(kClock, LogFormat::kText, LogLevel::kWarning) {
    or_exit(disk_->create_directories(arguments.directory));
    const auto make_run =
        [this, &arguments, &progress](
            std::uint64_t,
            std::function<void()> on_change) -> Result<std::unique_ptr<pipeline::Pipeline>> {
      pipeline::PipelineParts parts;
      parts.catalog = std::make_unique<market::Catalog>();
      parts.quarantine = std::make_unique<quality::Quarantine>();
      TD_ASSIGN(parts.tape,
                tape::embedded::open_embedded_tape(*disk_, kClock, *parts.catalog,
                                                   {.directory = arguments.directory + "/tape"}));
      TD_ASSIGN(parts.store,
                store::embedded::open_sqlite_store(*disk_, arguments.directory + "/store.db"));
      parts.feeds.push_back(
          {.id = "bench",
           .source = std::make_unique<PacedSource>(arguments, progress, *parts.catalog)});
      const pipeline::PipelineOptions options{.specs = {{.interval = minutes(1)}},
                                              .bars_kept_max = pipeline::kBarsBesideStore,
                                              .metrics = &metrics_};
      return std::make_unique<pipeline::Pipeline>(std::move(parts), tables_, kClock, options,
                                                  std::move(on_change));
    };
    deck_.emplace(pipeline::PlayStatus{}, pipeline::Deck::NextRun::kGoesOn, make_run, log_);
    or_exit(deck_->start());
    server_ = or_exit(api::start_api({.port = 0, .token = Secret(kToken)}, *deck_, *deck_, *deck_,
                                     metrics_, log_));
  }

  const pipeline::Deck& deck() const { return *deck_; }
  std::uint16_t port() const { return server_->port(); }
  Secret url_with_token() const { return server_->url_with_token(); }
  Metrics& metrics() { return metrics_; }
  void close() { server_.reset(); }

 private:
  const std::unique_ptr<Disk> disk_;
  Log log_;
  Metrics metrics_;
  const market::ConditionTables tables_;
  std::optional<pipeline::Deck> deck_;
  std::unique_ptr<api::ApiServer> server_;
};

}  // namespace

void page(const LiveArguments& arguments) {
  Progress progress;
  progress.may_begin = true;  // at once
  const Served served(arguments, progress);
  fmt::print("{{\"address\":\"{}\"}}\n", served.url_with_token().reveal());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  if (const auto why = served.deck().failure()) die(*why);
}

void live(const LiveArguments& arguments) {
  Progress progress;
  Served served(arguments, progress);
  const pipeline::Deck& deck = served.deck();
  const std::uint64_t total = arguments.rate * arguments.duration_s;
  wait_for(
      "the first trades", progress,
      [&] { return deck.status().durable_offset.value >= arguments.series; }, kPatience);
  std::vector<double> latencies_ms, frames_bytes;
  latencies_ms.reserve(total);
  auto client = or_exit(net::WebSocketClient::start({}, kClock, served.metrics()));
  or_exit(client->connect(
      {.url = Secret(fmt::format("ws://127.0.0.1:{}/api/v1/live", served.port())),
       .headers = {{"Authorization", Secret(fmt::format("Bearer {}", kToken))}}},
      std::make_unique<Watcher>(arguments.series, progress, latencies_ms, frames_bytes)));
  wait_for(
      "the snapshots", progress, [&] { return progress.subscribed >= arguments.series; },
      kPatience);
  const double cpu_before_s = cpu_s();
  std::optional<Crowd> crowd;
  if (arguments.crowd > 0) crowd.emplace(served.port(), arguments);
  progress.may_begin = true;
  SyncProbe probe(arguments.directory + "/sync");
  wait_for(
      "the end of the feed", progress,
      [&] {
        return deck.status().state != pipeline::PlayState::kPlaying &&
               deck.status().state != pipeline::PlayState::kLoading;
      },
      kPatience + seconds(static_cast<std::int64_t>(arguments.duration_s)));
  // What is under way arrives; what was skipped, as the newest are sent only, never does.
  for (int i = 0; i < 200 && progress.arrived < total; ++i) {
    pause(std::chrono::milliseconds(10));
  }
  std::vector<double> syncs_ms = probe.finish();
  const std::uint64_t crowd_bytes = crowd ? crowd->received_bytes() : 0;
  crowd.reset();
  const double cpu = cpu_s() - cpu_before_s;
  client.reset();
  served.close();
  if (const auto why = deck.failure()) die(*why);
  fmt::print(
      R"({{"trades":{},"arrived":{},"rate":{},"series":{},"messages":{},"message_bytes":{:.0f},)"
      R"("p50_ms":{:.4f},"p99_ms":{:.4f},"max_ms":{:.4f},"crowd":{},"crowd_bytes":{},)"
      R"("cpu_s":{:.3f},"syncs":{},)"
      R"("sync_p50_ms":{:.4f},"sync_p99_ms":{:.4f}}})"
      "\n",
      total, progress.arrived.load(), arguments.rate, arguments.series, frames_bytes.size(),
      quantile(frames_bytes, 0.5), quantile(latencies_ms, 0.5), quantile(latencies_ms, 0.99),
      quantile(latencies_ms, 1), arguments.crowd, crowd_bytes, cpu, syncs_ms.size(),
      quantile(syncs_ms, 0.5), quantile(syncs_ms, 0.99));
}

}  // namespace tapedeck::bench
