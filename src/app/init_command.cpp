#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "app/commands.hpp"
#include "app/live_symbols.hpp"
#include "base/log.hpp"

namespace tapedeck::app {
namespace {

constexpr std::string_view kDirectory = "var/live";

// What is typed is not shown, where it is typed by a person.
class NoEcho {
 public:
  NoEcho() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    is_set_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~NoEcho() {
    if (!is_set_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    fmt::print("\n");
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios before_{};
  bool is_set_ = false;
};

// One line of standard input. `instead`: what to do where there is none.
Result<std::string> ask(std::string_view question, std::string_view instead) {
  fmt::print("{} ", question);
  std::fflush(stdout);
  std::string line;
  if (!std::getline(std::cin, line)) {
    fmt::print("\n");
    return fail(ErrorCode::kInvalidArgument, fmt::format("there is no answer: {}", instead));
  }
  while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.pop_back();
  return line;
}

// Makes a file that only we can read. Errors: kIo; one that is there stays as it is.
Status write_new(const std::string& path, std::string_view text, mode_t mode) {
  const auto failed = [&] {
    return fail(ErrorCode::kIo,
                fmt::format("'{}': {}{}", path, std::strerror(errno),
                            errno == EEXIST ? ": remove it, or choose another name" : ""));
  };
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return failed();
  const bool whole = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                     ::fsync(file) == 0;
  const Status done = whole ? Status() : failed();
  ::close(file);
  if (!whole) ::unlink(path.c_str());
  return done;
}

Result<std::vector<config::FeedConfig>> ask_for_feeds(std::vector<std::string> words) {
  if (words.empty()) {
    TD_ASSIGN(const std::string line,
              ask("What to take, as venue:symbol with blanks between (binance:BTCUSDT):",
                  "name the symbols, as in 'tapedeck init binance:BTCUSDT'"));
    std::istringstream in(line);
    for (std::string word; in >> word;) words.push_back(word);
    if (words.empty()) words.emplace_back("binance:BTCUSDT");
  }
  return live_feeds(words);
}

// Where the key of this venue will be found: "env:NAME" or "file:PATH", having written that file.
Result<std::string> place_of_key(const std::string& venue, const std::filesystem::path& folder) {
  const std::string variable = key_variable(venue);
  if (const auto key = config::process_environment(variable); key && !key->empty()) {
    return "env:" + variable;
  }
  const std::string path = (folder / (venue + ".key")).string();
  if (std::filesystem::exists(path)) {
    fmt::print("The key of {} is taken from {}, which is there.\n", venue, path);
    return "file:" + path;
  }
  const NoEcho no_echo;
  TD_ASSIGN(
      const std::string key,
      ask(fmt::format("The key of {}, which goes into {} (only you can read it):", venue, path),
          fmt::format("put the key into the environment variable {}", variable)));
  if (key.empty()) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} does not work without a key", venue));
  }
  TD_TRY(write_new(path, key + "\n", S_IRUSR | S_IWUSR));
  return "file:" + path;
}

std::string text_of(const std::vector<config::FeedConfig>& feeds,
                    const std::vector<std::string>& keys, const std::string& directory) {
  std::string text = fmt::format(
      "# A pipeline of tapedeck: what comes in, and what is made of it. Run it:\n"
      "#   tapedeck run THIS_FILE\n"
      "# Change it while it runs, and send SIGHUP. Every option: tapedeck list\n\n"
      "[tape]  # the durable log of all that came in\n"
      "dir = {}\n"
      "# retention_age = \"720h\"  # without it, it is kept for ever\n"
      "# raw = \"keep\"            # keeps the venues' frames as they came, too\n\n"
      "[store]  # bars and what else is computed; all of it can be made from the tape again\n"
      "dir = {}\n",
      json_quote(directory + "/tape"), json_quote(directory + "/store"));
  for (std::size_t i = 0; i < feeds.size(); ++i) {
    std::vector<std::string> symbols;
    for (const std::string& symbol : feeds[i].symbols) symbols.push_back(json_quote(symbol));
    text += fmt::format("\n[[feed]]\nid = {0}\nvenue = {0}\nsymbols = [{1}]\n",
                        json_quote(feeds[i].venue), fmt::join(symbols, ", "));
    if (!keys[i].empty()) {
      text += fmt::format("token = {}  # where the key is; never the key itself\n",
                          json_quote(keys[i]));
    }
  }
  text += "\n# Bars to make of each instrument: 1s 5s 15s 30s 1m 5m 15m 30m 1h 1d.\n";
  for (const std::string_view interval : {"1m", "5m", "15m", "1h"}) {
    text += fmt::format("[[bars]]\ninterval = \"{}\"\n", interval);
  }
  if (gives_prices(feeds)) {
    text += "\n# Of prices that come without trades.\n";
    for (const std::string_view interval : {"1m", "5m", "15m", "1h"}) {
      text += fmt::format("[[bars]]\ninterval = \"{}\"\nsource = \"last\"\n", interval);
    }
  }
  return text +
         "\n[api]  # the dashboard and the interface for programs\n"
         "listen = \"127.0.0.1:8273\"  # this machine only\n";
}

Status write_pipeline(const InitArguments& arguments) {
  const std::filesystem::path folder = std::filesystem::path(arguments.file).parent_path();
  if (std::filesystem::exists(arguments.file)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is there: remove it, or write another one, --file NAME.toml",
                            arguments.file));
  }
  TD_ASSIGN(const auto feeds, ask_for_feeds(arguments.symbols));
  std::string directory = arguments.directory;
  if (directory.empty() && arguments.symbols.empty()) {
    TD_ASSIGN(directory, ask(fmt::format("The folder for what comes in ({}):", kDirectory),
                             "name it, --dir FOLDER"));
  }
  if (directory.empty()) directory = kDirectory;
  std::vector<std::string> keys;
  for (const config::FeedConfig& feed : feeds) {
    keys.emplace_back();
    if (wants_key(feed.venue)) {
      TD_ASSIGN(keys.back(), place_of_key(feed.venue, folder));
    }
  }
  return write_new(arguments.file, text_of(feeds, keys, directory),
                   S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
}

}  // namespace

int init(const InitArguments& arguments) {
  if (const Status done = write_pipeline(arguments); !done) return report(done.error());
  fmt::print("Written: {}. This machine:\n\n", arguments.file);
  std::fflush(stdout);
  const int found = doctor({.file = arguments.file});
  fmt::print("\nNext: tapedeck run {}\n", arguments.file);
  return found;
}

}  // namespace tapedeck::app
