// src/app/commands.hpp: the verbs of the command line. Each returns the program's exit code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/recorded_files.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "config/config.hpp"

namespace tapedeck::app {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitRefused = 3,  // it ran to its end, and some of the input was refused or damaged
};

struct ReplayArguments {
  FileArguments files;
  std::string bars = "1m";
  std::string format = "csv";
  std::string conditions = "eligible";
  std::string session;  // empty: extended; of daily bars regular
  std::string source = "trades";
  std::string columns = "replay";
  bool averages = false;  // sliding, of 15 s, instead of bars
  bool means = false;     // cumulative, each 5 s, instead of bars
  bool digest = false;
  std::string output;
  std::size_t batch = 4096;
  std::uint32_t threads = 2;
  std::optional<double> speed;
  std::string tape;
  std::optional<std::uint32_t> partitions;  // of a new tape; nothing: 1
  std::string fsync = "group";
  LogFormat log = LogFormat::kText;
};
int replay(const ReplayArguments& arguments);

struct AuditArguments {
  std::string as;  // "s1" to "s5"
  FileArguments files;
  bool json = false;
};
int audit(const AuditArguments& arguments);

struct QueryArguments {
  std::string verb;  // "bars", "trades", "quality", "gaps", "sql"
  std::string path;  // of a store; "trades", "quality", "gaps": of a tape
  std::string only;  // "quality", "gaps": one series; empty: all
  std::string tape;  // "bars": a folder, for what the store no longer keeps
  std::string statement;
  std::size_t limit = 10'000;
  // As in an address of the API: series, interval, start, format, ...
  std::vector<std::pair<std::string, std::string>> parameters;
};
int query(const QueryArguments& arguments);

struct DemoArguments {
  bool synthetic = false;
  std::uint64_t seed = 1;
  double speed = 20;
  std::optional<std::uint16_t> port;  // nothing: the usual one, or the next that is free
  std::string listen;                 // "ADDRESS:PORT", in place of a port
  bool insecure = false;
  std::string state = "var/demo";
  std::string data;  // empty: beside the program
  bool keep = false;
  LogFormat log = LogFormat::kText;
};
int demo(const DemoArguments& arguments);

struct IngestArguments {
  std::string url = "http://127.0.0.1:8273";
  std::string token_file;  // empty: the environment, else that of `run` in this folder
  std::string key;         // empty: one of this run alone
  bool is_csv = false;
  // As in the address of the API: venue, channel, symbol, time.
  std::vector<std::pair<std::string, std::string>> parameters;
};
// Sends rows from standard input to a running pipeline, until they are taken.
int ingest(const IngestArguments& arguments);

struct RunArguments {
  std::vector<std::string> what;  // a pipeline file, or symbols
  bool insecure = false;
};
// Runs a pipeline until it is told to stop: SIGTERM or Ctrl-C drains it, a second one ends it at
// once; SIGHUP reads the file again.
int run(const RunArguments& arguments);

struct InitArguments {
  std::string file = "pipeline.toml";
  std::vector<std::string> symbols;  // "binance:BTCUSDT"; empty: it asks
  std::string directory;             // of tape and store; empty: it asks, or "var/live"
};
// Writes a pipeline file with comments, asking for what is not said, and looks at the machine.
int init(const InitArguments& arguments);

struct SearchArguments {
  std::string venue;
  std::string text;
  std::size_t limit = 20;
  std::string rest_url;  // empty: the venue's own
};
// Prints the instruments of a venue whose symbol or name has this text.
int search(const SearchArguments& arguments);

struct EmulateArguments {
  std::string venue;
  FileArguments files;
  std::uint16_t port = 0;  // 0: any that is free
  double speed = 1;
  std::vector<std::string> faults;  // "cut@5s"
  std::size_t random_faults = 0;
  std::uint64_t seed = 1;
  std::string mute = "20s";
  std::string capture;                   // a file, for what a client that misses nothing gets
  std::string tls_certificate, tls_key;  // files; empty: no TLS
};
int emulate(const EmulateArguments& arguments);

struct TapeArguments {
  std::string verb;  // "ls", "cat", "frames", "tail", "verify", "repair"
  std::string directory;
  std::string format;     // ls: "text" or "json"; cat: "ndjson" or "csv"
  std::string feed;       // of frames: "coinbase/crypto"; empty: the only one
  std::string partition;  // a number or "raw"; empty: all, or the first
  std::optional<std::uint64_t> from_offset, to_offset, limit;
  std::string from, to;  // ISO times
  std::vector<std::string> series, kinds;
  std::uint64_t lines = 10;
  bool follow = false;
  bool dry_run = false;
};
int tape_command(const TapeArguments& arguments);

struct DoctorArguments {
  std::string file;  // a pipeline file; empty: the usual folders and port
  bool json = false;
};
int doctor(const DoctorArguments& arguments);

// Reads a pipeline file. All that is wrong with it goes to standard error. `insecure`: as if it
// stood in [api].
Result<config::Config> load_config(const std::string& path, bool insecure = false);

// Says all that is wrong with a pipeline file.
int check_config(const std::string& path);

// Prints the slices of this program and every option, as Markdown.
int list();

// Says what the code of an error means and what to do; of an empty one, lists them all.
int explain(const std::string& code);

// Foreign text in our own: without the control characters that a terminal would obey.
std::string printable(std::string_view text);

// Where the person came over SSH: prints the command that makes the page reachable from there.
void print_tunnel(std::uint16_t port);

// Prints "tapedeck: error[<code>]: <message>" on standard error and returns the exit code that
// fits.
int report(const Error& error);

}  // namespace tapedeck::app
