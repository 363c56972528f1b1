#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "api/server.hpp"
#include "app/commands.hpp"

namespace {

using namespace tapedeck;
using namespace tapedeck::app;

// Of a speed: CLI11's own check lets "nan" and "inf" pass.
const CLI::Validator kSpeed(
    [](std::string& text) {
      double speed = 0;
      const bool valid =
          CLI::detail::lexical_cast(text, speed) && std::isfinite(speed) && speed > 0;
      return valid ? std::string() : "must be a positive number, such as 20: " + text;
    },
    "NUMBER > 0");

void add_log_option(CLI::App& command, LogFormat& format) {
  command.add_option("--log", format, "How the program's log is written to standard error")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, LogFormat>{{"text", LogFormat::kText}, {"json", LogFormat::kJson}}))
      ->default_str("text");
}

void add_files(CLI::App& command, FileArguments& arguments) {
  command.add_option("files", arguments.paths, "Recorded trades: zip, gz, zst or plain")
      ->required();
  command.add_option(
      "--map", arguments.map,
      "Columns of a CSV file or a JSON array: field=column[:unit],...; fields: time, "
      "recv, price, size, id, side, symbol, sequence; column: a name or #index from "
      "0; units: s ms us ns iso");
  command.add_option("--symbol", arguments.symbol, "Instrument of files that do not name it");
  command.add_option("--venue", arguments.venue, "Venue of files that do not tell it");
  command.add_option("--quarantine", arguments.quarantine,
                     "Append what is refused to this file, one JSON object a line");
}

void add_replay(CLI::App& app, ReplayArguments& arguments) {
  CLI::App& command = *app.add_subcommand("replay", "Files in, bars out");
  add_files(command, arguments.files);
  command.add_option("--bars", arguments.bars, "Interval: 1s 5s 15s 30s 1m 5m 15m 30m 1h 1d")
      ->capture_default_str();
  command.add_option("--format", arguments.format, "csv, json or ndjson")->capture_default_str();
  command
      .add_option("--conditions", arguments.conditions,
                  "Which trades make a bar: eligible (the venue's rules) or all")
      ->capture_default_str();
  command.add_option("--session", arguments.session,
                     "extended (every trade) or regular (the regular session's only); "
                     "without it extended, and regular for bars of 1d");
  command
      .add_option("--source", arguments.source,
                  "What bars are made of: trades, last (prices without sizes) or vendor (bars that "
                  "came as bars)")
      ->capture_default_str();
  command
      .add_option("--columns", arguments.columns,
                  "Of CSV: replay, or full with takers' sides, VWAP and source")
      ->capture_default_str();
  CLI::Option* averages = command.add_flag(
      "--averages", arguments.averages,
      "Instead of bars: averages of price and of price x size over 15 s, sliding by 5 s");
  command
      .add_flag(
          "--means", arguments.means,
          "Instead of bars: means of price and of price x size of all trades so far, each 5 s")
      ->excludes(averages);
  command.add_flag("--digest", arguments.digest,
                   "Print only the SHA-256 of the bars; they go to --output, if given");
  command.add_option("--output", arguments.output, "Write the bars to this file");
  command.add_option("--batch", arguments.batch, "Events in one batch")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--threads", arguments.threads, "1: all stages in one thread")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command
      .add_option(
          "--speed", arguments.speed,
          "Play at this many market seconds a second, merged by time; without it, as fast as "
          "possible")
      ->check(kSpeed);
  CLI::Option* tape = command.add_option(
      "--tape", arguments.tape,
      "Keep a durable tape in this folder; run again, it goes on where it ended");
  command
      .add_option("--partitions", arguments.partitions,
                  "Partitions of a new tape; the number belongs to the tape")
      ->check(CLI::Range(1, 1024))
      ->needs(tape);
  command
      .add_option("--fsync", arguments.fsync,
                  "always and group: what is acknowledged survives a power cut; never: it survives "
                  "the end of the program, and a power cut takes about the last 30 seconds")
      ->check(CLI::IsMember({"always", "group", "never"}))
      ->needs(tape)
      ->capture_default_str();
  add_log_option(command, arguments.log);
}

// An option that is a parameter of the API's address: "--as-of" is as_of.
void add_parameter(CLI::App& command, QueryArguments& arguments, const std::string& option,
                   const std::string& help) {
  std::string name = option.substr(2);
  std::ranges::replace(name, '-', '_');
  command.add_option_function<std::string>(
      option,
      [&arguments, name](const std::string& value) {
        arguments.parameters.emplace_back(name, value);
      },
      help);
}

void add_form(CLI::App& command, QueryArguments& arguments) {
  add_parameter(command, arguments, "--format", "csv (unless given), json or ndjson");
  add_parameter(command, arguments, "--time", "ns since 1970 (unless given), ms or iso");
  add_parameter(command, arguments, "--tz", "A time zone such as America/New_York; else UTC");
  add_parameter(command, arguments, "--numbers", "In JSON: string (unless given) or number");
}

void add_query(CLI::App& app, QueryArguments& arguments) {
  CLI::App& query = *app.add_subcommand("query", "What a store or a tape holds");
  query.require_subcommand(1);
  const std::string start =
      "From then on: 2013-10-07T13:30:00Z, 2013-10-07, ns since 1970, or -1h before the newest bar";
  const auto add_verb = [&](const std::string& verb, const std::string& help) -> CLI::App& {
    CLI::App& command = *query.add_subcommand(verb, help);
    command.callback([&arguments, verb] { arguments.verb = verb; });
    command.add_option("--limit", arguments.limit, "At most so many")->capture_default_str();
    return command;
  };
  CLI::App& bars = add_verb("bars", "Bars of one series, ascending; the limit keeps the newest");
  bars.add_option("store", arguments.path, "The file of the store")->required();
  add_parameter(bars, arguments, "--series", "venue/channel/instrument");
  add_parameter(bars, arguments, "--interval", "As 'replay --bars'; 1m unless given");
  add_parameter(bars, arguments, "--conditions", "eligible (unless given) or all");
  add_parameter(bars, arguments, "--session", "extended (unless given) or regular");
  add_parameter(bars, arguments, "--source", "trades (unless given), last or vendor");
  add_parameter(bars, arguments, "--adjusted", "Of vendors' bars: raw, split or total");
  add_parameter(bars, arguments, "--start", start);
  add_parameter(bars, arguments, "--end", "Before then");
  add_parameter(bars, arguments, "--as-of",
                "As it was known then: of each bar the newest revision of that time");
  add_parameter(bars, arguments, "--indicators", "Such as 'sma(20),rsi(14)'; see 'list'");
  bars.add_option("--tape", arguments.tape,
                  "The tape that the store was made from: what the store no longer keeps (bars "
                  "of less than a minute, old revisions) is computed from it again");
  add_form(bars, arguments);
  CLI::App& trades = add_verb("trades", "Raw trades of one series, with their conditions");
  trades.add_option("tape", arguments.path, "The folder of the tape")->required();
  add_parameter(trades, arguments, "--series", "venue/channel/instrument");
  add_parameter(trades, arguments, "--start", start);
  add_parameter(trades, arguments, "--end", "Before then");
  add_parameter(trades, arguments, "--order", "newest (unless given) or oldest first");
  add_form(trades, arguments);
  const auto add_quality_verb = [&](const std::string& verb, const std::string& help) {
    CLI::App& command = add_verb(verb, help);
    command.add_option("tape", arguments.path, "The folder of the tape")->required();
    command.add_option("--series", arguments.only, "venue/channel/instrument; all unless given");
    add_form(command, arguments);
  };
  add_quality_verb("quality",
                   "How complete a tape is, by series and trading day: minutes with events, ids "
                   "that are missing, disorder, delay");
  add_quality_verb("gaps", "The venue's ids that a tape has not, and between which trades");
  add_quality_verb("outages", "When the feeds of a tape were not connected");
  add_quality_verb("drift",
                   "Fields that a venue's trades had and nobody knows, or that they lacked");
  CLI::App& sql =
      add_verb("sql", "One SELECT over the tables of a store; the verb may be left out");
  sql.add_option("statement", arguments.statement, "It only reads, for at most 2 s")->required();
  sql.add_option("store", arguments.path, "The file of the store")->required();
  add_parameter(sql, arguments, "--format", "csv (unless given), json or ndjson");
  add_parameter(sql, arguments, "--numbers", "In JSON: string (unless given) or number");
  query.footer(
      "Reads beside the program that writes. The output is that of the API.\n"
      "\n"
      "Examples:\n"
      "  tapedeck query bars var/demo/run-1/store.db --series lean/trade/SPY --limit 5\n"
      "  tapedeck query trades var/demo/run-1/tape --series lean/trade/SPY --limit 5\n"
      "  tapedeck query quality var/demo/run-1/tape --time iso\n"
      "  tapedeck query \"SELECT count(*) FROM bars\" var/demo/run-1/store.db");
}

void add_quality(CLI::App& app, QueryArguments& arguments) {
  CLI::App& command = *app.add_subcommand(
      "quality", "How complete a tape is: what came, what is missing, late or disordered");
  arguments.verb = "quality";
  command.add_option("tape", arguments.path, "The folder of the tape")->required();
  command.add_flag_callback(
      "--gaps", [&arguments] { arguments.verb = "gaps"; },
      "The ids that are missing, in place of a line for each series and trading day");
  command.add_flag_callback(
      "--outages", [&arguments] { arguments.verb = "outages"; },
      "When feeds were not connected: what a venue without ids sent then is lost");
  command.add_flag_callback(
      "--drift", [&arguments] { arguments.verb = "drift"; },
      "Changes of the venues' formats: fields that nobody knows, or that were missing");
  command.add_option("--series", arguments.only, "venue/channel/instrument; all unless given");
  command.add_option("--limit", arguments.limit, "At most so many")->capture_default_str();
  add_form(command, arguments);
  command.footer(
      "The same as 'query quality', 'query gaps', 'query outages' and 'query drift'; beside a "
      "program that writes, too.");
}

// `query "SELECT ..." STORE` is `query sql "SELECT ..." STORE`.
bool begins_like_sql(std::string_view text) {
  for (const std::string_view word : {"select", "with", "values", "explain"}) {
    if (text.size() > word.size() && text[word.size()] <= ' ' &&
        std::ranges::equal(text.substr(0, word.size()), word, {},
                           [](unsigned char c) { return std::tolower(c); })) {
      return true;
    }
  }
  return false;
}

void add_insecure(CLI::App& command, bool& insecure) {
  command.add_flag("--insecure", insecure,
                   "Let other machines reach it without TLS, if it listens where they can: "
                   "everybody on the way reads along");
}

void add_run(CLI::App& app, RunArguments& arguments) {
  CLI::App& command = *app.add_subcommand(
      "run", "Run a pipeline, of a file or of live symbols, and show it in the browser");
  command
      .add_option("what", arguments.what,
                  "A pipeline file (docs/reference/config.md), or symbols as venue:symbol, which "
                  "are kept in var/live")
      ->required();
  add_insecure(command, arguments.insecure);
  command.footer(
      "SIGTERM or Ctrl-C: what came in is stored, then it stops; a second one stops it at once, "
      "and\n"
      "nothing is lost. SIGHUP: the file is read again. Started again it goes on where it ended.\n"
      "\n"
      "Examples:\n"
      "  tapedeck run binance:BTCUSDT coinbase:BTC-USD kraken:BTC/USD\n"
      "  tapedeck run pipelines/recorded/pipeline.toml");
}

void add_init(CLI::App& app, InitArguments& arguments) {
  CLI::App& command = *app.add_subcommand(
      "init", "Write a pipeline file with comments, asking for what is not said; then 'doctor'");
  command.add_option("symbols", arguments.symbols, "As venue:symbol; without any it asks");
  command.add_option("--file", arguments.file, "The file to write; one that is there stays")
      ->capture_default_str();
  command.add_option("--dir", arguments.directory,
                     "Where what comes in is kept; without it it asks, or with symbols var/live");
  command.footer(
      "Answers are read from standard input, a line each, so a script can give them. A key goes "
      "into\n"
      "a file that only you can read; where the environment has it (FINNHUB_TOKEN), nothing is "
      "asked.\n"
      "\n"
      "Examples:\n"
      "  tapedeck init\n"
      "  tapedeck init binance:BTCUSDT yahoo:^GSPC --file crypto.toml --dir var/crypto");
}

void add_search(CLI::App& app, SearchArguments& arguments) {
  CLI::App& command =
      *app.add_subcommand("search", "Ask a venue for its instruments, as symbols that 'run' takes");
  command.add_option("venue", arguments.venue, "binance, coinbase, kraken or finnhub")->required();
  command.add_option("text", arguments.text, "What symbol or name must have, in any case")
      ->required();
  command.add_option("--limit", arguments.limit, "At most so many")->capture_default_str();
  command.add_option("--rest-url", arguments.rest_url, "Whom to ask in place of the venue");
  command.footer(
      "Example:\n"
      "  tapedeck search coinbase btc");
}

void add_ingest(CLI::App& app, IngestArguments& arguments) {
  CLI::App& command = *app.add_subcommand(
      "ingest", "Send rows from standard input to a running pipeline (NDJSON or CSV)");
  for (const auto& [option, help] :
       {std::pair{"venue", "The name of their venue, as you choose it"},
        {"channel", "Of the series; trade unless given"},
        {"symbol", "Of rows that name none"},
        {"time", "The unit of their times: s, ms, us, ns; iso unless given"}}) {
    command.add_option_function<std::string>(
        fmt::format("--{}", option),
        [&arguments, name = std::string(option)](const std::string& value) {
          arguments.parameters.emplace_back(name, value);
        },
        help);
  }
  command
      .add_option_function<std::string>(
          "--format", [&arguments](const std::string& value) { arguments.is_csv = value == "csv"; },
          "ndjson, or csv with a header")
      ->check(CLI::IsMember({"ndjson", "csv"}));
  command.add_option("--key", arguments.key,
                     "The name of this input: sent again under it, it counts once. Without one, "
                     "rows without ids count each time");
  command.add_option("--url", arguments.url, "Where the pipeline listens")->capture_default_str();
  command.add_option("--token-file", arguments.token_file,
                     "What holds its token; else TAPEDECK_TOKEN, or that of 'run' in this folder");
  command.footer(
      "Ends with status 3 if rows were refused, which are named. docs/how-to/"
      "write-a-feed-in-15-lines.md\n"
      "says what a row has.\n"
      "\n"
      "Example:\n"
      "  some-program | tapedeck ingest --venue mine --time ms");
}

void add_emulate(CLI::App& app, EmulateArguments& arguments) {
  CLI::App& command = *app.add_subcommand(
      "emulate", "Be a venue: serve trades or bars as it would, with its faults");
  command
      .add_option("venue", arguments.venue,
                  "binance, coinbase, finnhub, kraken, yahoo, alpha_vantage or random_user")
      ->required();
  add_files(command, arguments.files);
  command.get_option("files")->required(false);  // random_user has none
  command.add_option("--port", arguments.port, "Of this machine; any that is free unless given");
  command.add_option("--speed", arguments.speed, "Market seconds a second")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--fault", arguments.faults,
                     "Such as cut@5s, any number of times: cut, mute, stall, duplicate, reorder, "
                     "drop, malformed, unknown, oversized, renamed, added, kick, skew, drip, 429, "
                     "quota; since the play began");
  command.add_option("--faults", arguments.random_faults, "So many at random");
  command.add_option("--seed", arguments.seed, "Of those; the same seed, the same faults")
      ->capture_default_str();
  command.add_option("--mute", arguments.mute, "How long each of that kind lasts")
      ->capture_default_str();
  command.add_option(
      "--capture", arguments.capture,
      "Write what a client that misses nothing gets to this file; 'replay' reads it");
  CLI::Option* const certificate = command.add_option(
      "--tls-certificate", arguments.tls_certificate, "Serve wss and https as this (PEM)");
  CLI::Option* const key =
      command.add_option("--tls-key", arguments.tls_key, "Its key (PEM)")->needs(certificate);
  certificate->needs(key);
  command.footer(
      "The play begins when the first client has asked for symbols; what was traded comes with "
      "the\n"
      "time of now. A client that asks later, or comes again, gets what is traded from then on.\n"
      "\n"
      "Example:\n"
      "  tapedeck emulate binance capture.gz --fault cut@10s\n"
      "  tapedeck run FILE.toml, where a feed has url = \"ws://127.0.0.1:PORT/stream\"");
}

void add_audit(CLI::App& app, AuditArguments& arguments) {
  CLI::App& command = *app.add_subcommand(
      "audit", "What an older pipeline's key or formula loses or misstates of your own trades");
  command.add_option("--as", arguments.as, "Whose table: s1, s2, s3, s4 or s5")->required();
  add_files(command, arguments.files);
  command.add_flag("--json", arguments.json, "One JSON object instead of text");
  command.footer(
      "Reads what 'replay' reads. Says how many trades would have no row in the old table, what\n"
      "bars and averages made from it would say, and five of the lost trades by name. All trades\n"
      "count, whatever their conditions. What had to be assumed is said at the end.\n"
      "\n"
      "  s1   financial_data.stock_<symbol>  bars of an hour, id = md5(symbol_timestamp)\n"
      "  s2   market.trades                  PRIMARY KEY ((symbol), trade_timestamp)\n"
      "  s3   spark_streams.created_users    id = a new uuid for each row\n"
      "  s4   streams.yahoofinance           id = the ticker\n"
      "  s5   market.trades                  as s2, with a trigger of 5 s\n"
      "\n"
      "Example:\n"
      "  tapedeck audit --as s2 demo/2013-10-07/spy/20131007_trade.zip");
}

void add_demo(CLI::App& app, DemoArguments& arguments) {
  CLI::App& command =
      *app.add_subcommand("demo", "Play a recorded market day and show it in the browser");
  command.add_flag("--synthetic", arguments.synthetic, "Play a simulated day instead");
  command.add_option("--seed", arguments.seed, "Of the simulated day")->capture_default_str();
  command.add_option("--speed", arguments.speed, "Market seconds in a second")
      ->check(kSpeed)
      ->capture_default_str();
  CLI::Option* const port = command.add_option(
      "--port", arguments.port, "Port on 127.0.0.1; without it 8273, or the next that is free");
  command.add_option("--listen", arguments.listen, "ADDRESS:PORT of this machine, in its place")
      ->excludes(port);
  add_insecure(command, arguments.insecure);
  command.add_option("--state", arguments.state, "Folder of the demo's tape and store")
      ->capture_default_str();
  command.add_option("--data", arguments.data, "Folder of the recorded day");
  command.add_flag("--keep", arguments.keep, "Go on with the last run instead of a fresh one");
  add_log_option(command, arguments.log);
}

void add_tape(CLI::App& app, TapeArguments& arguments) {
  CLI::App& tape = *app.add_subcommand("tape", "Look into a tape; verify and repair it");
  tape.require_subcommand(1);
  const auto add = [&](const std::string& verb, const std::string& what) {
    CLI::App& command = *tape.add_subcommand(verb, what);
    command.add_option("dir", arguments.directory, "The folder of the tape")->required();
    return &command;
  };

  CLI::App* ls = add("ls", "List the segments: offsets, times, events by kind, bytes");
  ls->add_option("--format", arguments.format, "text (the default) or json")
      ->check(CLI::IsMember({"text", "json"}));

  CLI::App* cat = add("cat", "Print events, every field exactly, in the order of their offsets");
  cat->add_option("--partition", arguments.partition,
                  "A number, or raw (frames as received); without it all but raw");
  cat->add_option("--from-offset", arguments.from_offset, "Events from this offset on");
  cat->add_option("--to-offset", arguments.to_offset, "Events before this offset");
  cat->add_option("--from", arguments.from,
                  "Events whose ts_event (marks and frames: ts_recv) is this or later, such as "
                  "2013-10-07T13:30:00Z");
  cat->add_option("--to", arguments.to, "Events before this time");
  cat->add_option("--series", arguments.series,
                  "Events of this series, such as kraken/trade/BTC/USD; may be repeated")
      ->allow_extra_args(false);
  cat->add_option("--kind", arguments.kinds,
                  "trade, quote, tick, bar, correction, record, status or frame; may be repeated")
      ->allow_extra_args(false);
  cat->add_option("--format", arguments.format,
                  "ndjson (the default), or csv: of one kind, trade unless --kind says another")
      ->check(CLI::IsMember({"ndjson", "csv"}));
  cat->add_option("--limit", arguments.limit, "At most so many events");

  CLI::App* frames =
      add("frames", "Print frames as they were received, as a capture that 'replay' reads");
  frames->add_option("--feed", arguments.feed,
                     "Those of this feed, such as coinbase/crypto; not needed where there is one");
  frames->add_option("--from", arguments.from, "Frames received at this time or later");
  frames->add_option("--to", arguments.to, "Frames received before this time");

  CLI::App* tail = add("tail", "Print the last events, and follow what another process writes");
  tail->add_option("-n,--lines", arguments.lines, "So many of the last events")
      ->capture_default_str();
  tail->add_flag("-f,--follow", arguments.follow, "Go on with what comes, until Ctrl-C");
  tail->add_option("--partition", arguments.partition, "A number, or raw; without it 0");

  add("verify", "Read back everything and compute again what can be: exit status 3 for damage");

  CLI::App* repair =
      add("repair", "Make a damaged tape whole: keep what can be read, mark the rest as lost");
  repair->add_flag("--dry-run", arguments.dry_run, "Say what would be done, and change nothing");

  // Last, for the commands above would inherit it.
  tape.footer(
      "A tape is the folder in which tapedeck keeps every event that it takes, such as that of\n"
      "'replay --tape'. Offsets number the events of a partition from 0. Prices and sizes are "
      "exact\n"
      "decimals, times are nanoseconds since 1970 UTC.\n"
      "All but 'repair' change nothing, and may run beside the program that writes the tape.\n"
      "\n"
      "Examples:\n"
      "  tapedeck tape ls var/tape                 what there is\n"
      "  tapedeck tape cat var/tape --limit 5      its first events, one JSON object a line\n"
      "  tapedeck tape cat var/tape --kind trade --format csv --series kraken/trade/BTC/USD\n"
      "  tapedeck tape tail var/tape -f            what is being written just now\n"
      "  tapedeck tape verify var/tape             is it whole? If not, the exit status is 3\n"
      "  tapedeck tape repair var/tape --dry-run   what a repair would do");
}

void add_doctor(CLI::App& app, DoctorArguments& arguments) {
  CLI::App& command = *app.add_subcommand(
      "doctor", "Look at this machine for what makes a pipeline lose, wait or fail");
  command.add_option("file", arguments.file,
                     "A pipeline file: its folders and its port; without it the usual ones");
  command.add_flag("--json", arguments.json, "For programs");
  command.footer("The exit status is 1 where something fails; a warning alone does not.");
}

// What is wrong with argv[1], which should be a command of `app`; empty where nothing is.
std::string unknown_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return "";
  std::string known;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == argv[1]) return "";
    known += (known.empty() ? "" : ", ") + command->get_name();
  }
  return fmt::format("there is no command '{}': there are {}", argv[1], known);
}

}  // namespace

namespace tapedeck::app {

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7F ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return out;
}

void print_tunnel(std::uint16_t port) {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  const std::string command =
      api::tunnel_command(variable("SSH_CONNECTION"), variable("USER"), port);
  if (!command.empty()) {
    fmt::print(
        "You came over SSH: run this where the browser is, and open the address there.\n  {}\n",
        command);
  }
}

int report(const Error& error) {
  fmt::print(stderr, "tapedeck: error[{}]: {}\n", to_string(error.code), printable(error.message));
  return error.code == ErrorCode::kInvalidArgument ? kExitUsage : kExitFailed;
}

}  // namespace tapedeck::app

int main(int argc, char** argv) {
  CLI::App app("tapedeck: market data from the feed to the browser, with nothing lost", "tapedeck");
  app.set_version_flag("--version", std::string(TAPEDECK_VERSION));
  app.require_subcommand(1);
  ReplayArguments replay_arguments;
  DemoArguments demo_arguments;
  InitArguments init_arguments;
  add_init(app, init_arguments);
  SearchArguments search_arguments;
  add_search(app, search_arguments);
  IngestArguments ingest_arguments;
  add_ingest(app, ingest_arguments);
  EmulateArguments emulate_arguments;
  add_emulate(app, emulate_arguments);
  RunArguments run_arguments;
  add_run(app, run_arguments);
  QueryArguments query_arguments;
  add_query(app, query_arguments);
  QueryArguments quality_arguments;
  add_quality(app, quality_arguments);
  AuditArguments audit_arguments;
  add_replay(app, replay_arguments);
  add_demo(app, demo_arguments);
  add_audit(app, audit_arguments);
  TapeArguments tape_arguments;
  add_tape(app, tape_arguments);
  DoctorArguments doctor_arguments;
  add_doctor(app, doctor_arguments);
  std::string config_file;
  app.add_subcommand("check-config", "Say all that is wrong with a pipeline file")
      ->add_option("file", config_file, "A TOML file")
      ->required();
  std::string error_code;
  app.add_subcommand("explain", "What the code of an error means, and what to do about it")
      ->add_option("code", error_code, "As in 'tapedeck: error[CODE]'; without it all are listed");
  app.add_subcommand("list", "What there is, and every option of a pipeline file");
  app.add_subcommand("version", "Print the version");
  const CLI::App& tape = *app.get_subcommand("tape");
  const bool for_tape = argc > 1 && tape.get_name() == argv[1];
  if (const std::string wrong =
          for_tape ? unknown_command(tape, argc - 1, argv + 1) : unknown_command(app, argc, argv);
      !wrong.empty()) {
    return report({ErrorCode::kInvalidArgument, wrong});
  }
  try {
    std::vector<std::string> given(argv + 1, argv + argc);
    if (given.size() > 1 && given[0] == "query" && begins_like_sql(given[1])) {
      given.insert(given.begin() + 1, "sql");
    }
    std::ranges::reverse(given);  // as CLI11 takes them
    app.parse(std::move(given));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // what --help and --version print
    return report({ErrorCode::kInvalidArgument,
                   fmt::format("{} (--help lists what there is)", error.what())});
  }
  if (app.got_subcommand("replay")) return replay(replay_arguments);
  if (app.got_subcommand("demo")) return demo(demo_arguments);
  if (app.got_subcommand("init")) return init(init_arguments);
  if (app.got_subcommand("search")) return search(search_arguments);
  if (app.got_subcommand("emulate")) return emulate(emulate_arguments);
  if (app.got_subcommand("run")) return run(run_arguments);
  if (app.got_subcommand("ingest")) return ingest(ingest_arguments);
  if (app.got_subcommand("query")) return query(query_arguments);
  if (app.got_subcommand("quality")) return query(quality_arguments);
  if (app.got_subcommand("audit")) return audit(audit_arguments);
  if (app.got_subcommand("tape")) {
    tape_arguments.verb = app.get_subcommand("tape")->get_subcommands().front()->get_name();
    return tape_command(tape_arguments);
  }
  if (app.got_subcommand("doctor")) return doctor(doctor_arguments);
  if (app.got_subcommand("check-config")) return check_config(config_file);
  if (app.got_subcommand("explain")) return explain(error_code);
  if (app.got_subcommand("list")) return list();
  fmt::print("tapedeck {}\n", TAPEDECK_VERSION);
  return kExitOk;
}
