#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <stop_token>

#include "app/commands.hpp"
#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/percent.hpp"
#include "base/sha256.hpp"
#include "net/https_client.hpp"

namespace tapedeck::app {
namespace {

// Rows of a piece. Of an input with a name each piece has exactly so many, but the last: so the
// same input is the same pieces.
constexpr std::size_t kRows = 1000;
constexpr std::size_t kRowBytesMax = 1u << 20;
constexpr std::size_t kPieceBytesMax = 4u << 20;
// Of an input without a name, rows are sent when nothing came for so long.
constexpr Duration kPause = milliseconds(100);

Result<Secret> token_of(Disk& disk, const std::string& file) {
  if (file.empty()) {
    if (const auto token = config::process_environment("TAPEDECK_TOKEN")) return Secret(*token);
  }
  constexpr std::size_t kBytesMax = 4096;
  const std::string path = file.empty() ? "var/live/store/token" : file;
  auto opened = disk.open(path, OpenMode::kRead);
  if (!opened) {
    return std::unexpected(std::move(opened.error())
                               .within("the token of the pipeline (TAPEDECK_TOKEN, --token-file)"));
  }
  std::string text(kBytesMax, '\0');
  TD_ASSIGN(const std::size_t got, (*opened)->read_at(0, text.data(), text.size()));
  text.resize(got);
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return Secret(std::move(text));
}

// Lines of standard input.
class Lines {
 public:
  // The next one with its end; empty: none yet, or no more (is_at_end()). Waits for at most `max`,
  // without one for as long as it takes.
  Result<std::string> next(std::optional<Duration> max) {
    while (true) {
      const auto end = buffer_.find('\n', scanned_);
      scanned_ = buffer_.size();
      if (end != buffer_.npos) return take(end + 1);
      if (buffer_.size() > kRowBytesMax) {
        return fail(ErrorCode::kMalformed,
                    fmt::format("a row of standard input is over {} bytes", kRowBytesMax));
      }
      if (at_end_) return take(buffer_.size());
      pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      const int wait = max ? static_cast<int>(max->ns / milliseconds(1).ns) : -1;
      const int ready = ::poll(&input, 1, wait);
      if (ready == 0) return std::string();
      std::array<char, 64 << 10> bytes;
      const ssize_t got = ready < 0 ? -1 : ::read(STDIN_FILENO, bytes.data(), bytes.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        return fail(ErrorCode::kIo, fmt::format("standard input: {}", std::strerror(errno)));
      }
      at_end_ = got == 0;
      buffer_.append(bytes.data(), static_cast<std::size_t>(got));
    }
  }
  bool is_at_end() const { return at_end_ && buffer_.empty(); }

 private:
  std::string take(std::size_t bytes) {
    std::string line = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    scanned_ = 0;
    return line;
  }

  std::string buffer_;
  std::size_t scanned_ = 0;  // no end of a line is before it
  bool at_end_ = false;
};

std::uint64_t number_of(std::string_view answer, std::string_view name) {
  const std::string key = fmt::format("\"{}\":", name);
  const auto at = answer.find(key);
  std::uint64_t number = 0;
  if (at == answer.npos) return number;
  std::from_chars(answer.data() + at + key.size(), answer.data() + answer.size(), number);
  return number;
}

class Sender {
 public:
  Sender(net::HttpsClient& client, std::string url, Secret token, std::string key)
      : client_(client), url_(std::move(url)), token_(std::move(token)), key_(std::move(key)) {}

  // Until it is taken. Errors: what sending it again does not change.
  Status send(const std::string& body, std::uint64_t first_line) {
    const std::string key = fmt::format("{}-{}", key_, piece_++);
    Backoff backoff({}, piece_);
    while (true) {
      const auto answer =
          client_.call({.url = Secret(url_),
                        .headers = {{"Authorization", Secret("Bearer " + token_.reveal())},
                                    {"Idempotency-Key", Secret(key)}},
                        .body = body},
                       {});
      if (answer && answer->status == 200) {
        count(answer->body, first_line);
        return {};
      }
      if (answer && answer->status != 429 && answer->status != 503) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("{} of the pipeline: {}", answer->status, answer->body));
      }
      Duration wait = backoff.next_wait({});
      if (answer) wait = answer->retry_after().value_or(wait);
      fmt::print(stderr, "tapedeck ingest: not taken yet ({}): again in {} ms\n",
                 answer ? fmt::format("{}", answer->status) : answer.error().message,
                 wait.ns / milliseconds(1).ns);
      ::poll(nullptr, 0, static_cast<int>(wait.ns / milliseconds(1).ns));
    }
  }

  std::uint64_t refused() const { return refused_; }
  void tell() const {
    fmt::print(stderr, "tapedeck ingest: {} rows taken, {} were there already, {} refused\n",
               taken_, duplicate_, refused_);
  }

 private:
  void count(std::string_view answer, std::uint64_t first_line) {
    taken_ += number_of(answer, "taken");
    duplicate_ += number_of(answer, "duplicate");
    const std::uint64_t refused = number_of(answer, "refused");
    refused_ += refused;
    if (refused == 0) return;
    fmt::print(stderr, "tapedeck ingest: {} rows refused of the piece that begins in line {}: {}\n",
               refused, first_line, answer);
  }

  net::HttpsClient& client_;
  const std::string url_;
  const Secret token_;
  const std::string key_;
  std::uint64_t piece_ = 1;
  std::uint64_t taken_ = 0;
  std::uint64_t duplicate_ = 0;
  std::uint64_t refused_ = 0;
};

Status send_all(Sender& sender, bool has_name, bool is_csv) {
  Lines lines;
  std::string header;
  if (is_csv) {
    TD_ASSIGN(header, lines.next({}));
  }
  std::uint64_t line = is_csv ? 1 : 0;  // that was read last
  while (!lines.is_at_end()) {
    std::string body = header;
    std::size_t rows = 0;
    while (rows < kRows && body.size() < kPieceBytesMax && !lines.is_at_end()) {
      const bool waits = rows == 0 || has_name;
      TD_ASSIGN(const std::string row, lines.next(waits ? std::nullopt : std::optional(kPause)));
      if (row.empty()) break;
      body += row;
      ++rows;
    }
    if (rows > 0) TD_TRY(sender.send(body, line + 1));
    line += rows;
  }
  return {};
}

}  // namespace

int ingest(const IngestArguments& arguments) {
  signal(SIGPIPE, SIG_IGN);
  const auto disk = real_disk();
  const SystemClock clock;
  auto token = token_of(*disk, arguments.token_file);
  if (!token) return report(token.error());
  const auto client = net::HttpsClient::make({}, clock);
  if (!client) return report(client.error());
  std::string url = arguments.url + "/api/v1/ingest?format=";
  url += arguments.is_csv ? "csv" : "ndjson";
  for (const auto& [name, value] : arguments.parameters) {
    url += fmt::format("&{}={}", name, percent_encode(value));
  }
  Sender sender(**client, std::move(url), *std::move(token),
                arguments.key.empty() ? random_hex(8) : arguments.key);
  const Status sent = send_all(sender, !arguments.key.empty(), arguments.is_csv);
  sender.tell();
  if (!sent) return report(sent.error());
  return sender.refused() == 0 ? kExitOk : kExitRefused;
}

}  // namespace tapedeck::app
