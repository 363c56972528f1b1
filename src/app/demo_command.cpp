#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "api/server.hpp"
#include "app/commands.hpp"
#include "app/registry.hpp"
#include "app/signals.hpp"
#include "base/disk.hpp"
#include "base/machine.hpp"
#include "feeds/replay/replay.hpp"
#include "feeds/simulator/simulator.hpp"
#include "market/calendar.hpp"
#include "pipeline/deck.hpp"
#include "store/embedded/sqlite_store.hpp"
#include "tape/embedded/embedded_tape.hpp"

namespace tapedeck::app {
namespace {

constexpr std::uint16_t kUsualPort = 8273;
constexpr std::chrono::year_month_day kDay{std::chrono::year(2013), std::chrono::October,
                                           std::chrono::day(7)};
// The play begins this long before the regular session opens; what was traded earlier is loaded.
constexpr Duration kLeadIn = seconds(10);
// Says that a folder is a demo's own, which may be emptied.
constexpr std::string_view kMarker = "TAPEDECK-DEMO";

// The folder of recorded trades: as given, or where the program stands in a checkout or an install.
std::string find_data(const DemoArguments& arguments) {
  if (!arguments.data.empty()) return arguments.data;
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const auto& folder :
       {program / "../../demo/2013-10-07", program / "../share/tapedeck/demo/2013-10-07"}) {
    if (std::filesystem::is_directory(folder, ignored)) {
      return std::filesystem::weakly_canonical(folder, ignored).string();
    }
  }
  return {};
}

std::vector<std::string> files_of(const std::string& data) {
  return {data + "/spy/20131007_trade.zip", data + "/ibm/20131007_trade.zip",
          data + "/aig/20131007_trade.zip"};
}

// The number in "run-12", and nothing for any other name.
std::optional<std::uint64_t> parse_run(std::string_view name) {
  constexpr std::string_view kPrefix = "run-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

// What a demo needs of a folder of recorded trades, before it touches anything.
Status check_data(Disk& disk, const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    if (const auto opened = disk.open(file, OpenMode::kRead); !opened) {
      return fail(opened.error().code,
                  fmt::format("{}: a folder for --data holds spy, ibm and aig, each with "
                              "20131007_trade.zip; or play a simulated day with --synthetic",
                              opened.error().message));
    }
  }
  return {};
}

// The folder in which a demo keeps its runs, locked against a second demo.
class StateFolder {
 public:
  static Result<StateFolder> open(Disk& disk, const std::string& path, bool keep) {
    StateFolder state(disk, path);
    if (const Status made = disk.create_directories(path); !made) {
      return std::unexpected(
          Error{made.error().code, made.error().message + ": choose another folder with --state"});
    }
    TD_ASSIGN(const auto names, disk.list(path));
    if (!names.empty() && std::ranges::find(names, kMarker) == names.end()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' holds files that are no demo's: choose an empty or new folder "
                              "with --state",
                              path));
    }
    auto lock = disk.lock(state.at(kMarker));
    if (!lock && lock.error().code == ErrorCode::kBusy) {
      return fail(ErrorCode::kBusy,
                  fmt::format("another demo uses '{}': open its page, stop it, or choose another "
                              "folder with --state",
                              path));
    }
    if (!lock) return std::unexpected(std::move(lock.error()));
    state.lock_ = *std::move(lock);
    for (const std::string& name : names) {
      const auto number = parse_run(name);
      if (!number) continue;
      if (keep) {
        state.first_run_ = std::max(state.first_run_, *number);
      } else {
        TD_TRY(disk.remove_all(state.at(name)));
      }
    }
    return state;
  }

  // The folder of a run, created; those before the last one are removed.
  Result<std::string> folder_of(std::uint64_t run) {
    const std::uint64_t number = first_run_ + run - 1;
    if (number > 2) TD_TRY(disk_->remove_all(at(fmt::format("run-{}", number - 2))));
    std::string folder = at(fmt::format("run-{}", number));
    TD_TRY(disk_->create_directories(folder));
    return folder;
  }

 private:
  StateFolder(Disk& disk, std::string path) : disk_(&disk), path_(std::move(path)) {}
  std::string at(std::string_view name) const { return fmt::format("{}/{}", path_, name); }

  Disk* disk_;
  std::string path_;
  std::unique_ptr<DiskLock> lock_;
  std::uint64_t first_run_ = 1;
};

Result<pipeline::PlayStatus> describe(const DemoArguments& arguments, bool synthetic) {
  TD_ASSIGN(const market::Calendar* calendar, market::find_calendar("us_equity"));
  const market::TradingDay day = calendar->day_of(kDay);
  pipeline::PlayStatus about;
  about.mode = "demo";
  about.date = fmt::format("{:04}-{:02}-{:02}", int(kDay.year()), unsigned(kDay.month()),
                           unsigned(kDay.day()));
  about.speed = arguments.speed;
  about.zone = calendar->zone();
  about.start_time = day.open - kLeadIn;
  about.end_time = day.post_close;
  if (synthetic) {
    about.label = "simulated";
    about.title = "SIMA, SIMB, SIMC";
    about.source = fmt::format("the simulator of tapedeck, seed {}", arguments.seed);
    about.licence = "none needed";
  } else {
    about.label = "recorded";
    about.title = "SPY, IBM, AIG";
    about.source = "QuantConnect Lean sample data, recorded by AlgoSeek";
    about.licence = "Apache-2.0";
  }
  return about;
}

Result<std::unique_ptr<feeds::Source>> open_source(const DemoArguments& arguments, Disk& disk,
                                                   const std::string& data,
                                                   market::Catalog& catalog) {
  if (data.empty()) {
    return feeds::simulator::open_simulator({.seed = arguments.seed, .date = kDay}, catalog);
  }
  TD_ASSIGN(auto source, feeds::replay::open_replay(disk, files_of(data), {}, catalog, true));
  return source;
}

Status run_demo(const DemoArguments& arguments) {
  config::Endpoint listen{"127.0.0.1", arguments.port.value_or(kUsualPort)};
  if (!arguments.listen.empty()) {
    TD_ASSIGN(listen, config::parse_endpoint(arguments.listen));
  }
  const bool is_fixed = arguments.port || !arguments.listen.empty();
  const api::ApiOptions serving{.address = listen.address,
                                .port = listen.port,
                                .port_is_fixed = is_fixed,
                                .token = {},
                                .insecure = arguments.insecure,
                                .is_container = real_machine()->is_container(),
                                .version = TAPEDECK_VERSION};
  TD_TRY(api::check_address(serving));
  const SystemClock clock;
  Log log(clock, arguments.log);
  const auto disk = real_disk();
  const std::string data = arguments.synthetic ? std::string() : find_data(arguments);
  if (!data.empty()) TD_TRY(check_data(*disk, files_of(data)));
  TD_ASSIGN(StateFolder state, StateFolder::open(*disk, arguments.state, arguments.keep));
  TD_ASSIGN(const pipeline::PlayStatus about, describe(arguments, data.empty()));

  Metrics metrics;
  const auto make_run =
      [&](std::uint64_t run,
          std::function<void()> on_change) -> Result<std::unique_ptr<pipeline::Pipeline>> {
    TD_ASSIGN(const std::string folder, state.folder_of(run));
    pipeline::PipelineParts parts;
    parts.catalog = std::make_unique<market::Catalog>();
    TD_ASSIGN(parts.quarantine,
              quality::Quarantine::with_file(*disk, folder + "/quarantine.ndjson"));
    TD_ASSIGN(parts.tape, tape::embedded::open_embedded_tape(*disk, clock, *parts.catalog,
                                                             {.directory = folder + "/tape"}));
    TD_ASSIGN(parts.store, store::embedded::open_sqlite_store(*disk, folder + "/store.db"));
    pipeline::FeedPart feed{
        .id = "replay", .pace = pipeline::Pace{.from = about.start_time, .speed = arguments.speed}};
    TD_ASSIGN(feed.source, open_source(arguments, *disk, data, *parts.catalog));
    parts.feeds.push_back(std::move(feed));
    const pipeline::PipelineOptions options{.specs = chart_specs(),
                                            .bars_kept_max = pipeline::kBarsBesideStore,
                                            .on_full_disk = pipeline::OnFullDisk::kWait,
                                            .metrics = &metrics};
    return std::make_unique<pipeline::Pipeline>(std::move(parts), condition_tables(), clock,
                                                options, std::move(on_change));
  };
  const Signals signals{SIGINT, SIGTERM};
  pipeline::Deck deck(about, pipeline::Deck::NextRun::kAnew, make_run, log);
  TD_TRY(deck.start());
  TD_ASSIGN(const auto server, api::start_api(serving, deck, deck, deck, metrics, log));
  fmt::print(
      "tapedeck demo: {} trades of {} on {}, played at {}x.\n"
      "Source: {}. Licence: {}.\n"
      "Open {}\n"
      "Stop with Ctrl-C.\n",
      about.label, about.title, about.date, arguments.speed, about.source, about.licence,
      server->url_with_token().reveal());
  print_tunnel(server->port());
  std::fflush(stdout);
  signals.wait();
  return {};
}

}  // namespace

int demo(const DemoArguments& arguments) {
  if (const Status status = run_demo(arguments); !status) return report(status.error());
  return kExitOk;
}

}  // namespace tapedeck::app
