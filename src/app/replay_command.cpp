#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "app/bar_writer.hpp"
#include "app/commands.hpp"
#include "app/recorded_files.hpp"
#include "app/registry.hpp"
#include "base/disk.hpp"
#include "pipeline/pipeline.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "tape/passing/passing_tape.hpp"

namespace tapedeck::app {
namespace {

// The result on standard output, in a file that appears whole or not at all, or in what is no file
// (a pipe, a device), which is written to as it is.
class Output {
 public:
  static Result<Output> open(const std::string& path) {
    Output output;
    output.path_ = path;
    if (path.empty()) return output;
    std::error_code ignored;
    const auto there = std::filesystem::status(path, ignored);
    output.is_file_ = !std::filesystem::exists(there) || std::filesystem::is_regular_file(there);
    output.file_.reset(std::fopen(output.written().c_str(), "wb"));
    if (!output.file_) {
      return fail(ErrorCode::kPermission,
                  fmt::format("cannot write '{}': {}: choose another --output", path,
                              std::strerror(errno)));
    }
    return output;
  }

  Status finish(std::string_view text) {
    std::FILE* file = file_ ? file_.get() : stdout;
    const bool whole =
        std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
    const bool in_place =
        whole && (!file_ || !is_file_ || std::rename(written().c_str(), path_.c_str()) == 0);
    if (!in_place) {
      return fail(ErrorCode::kIo,
                  fmt::format("cannot write {}: {}", path_.empty() ? "standard output" : path_,
                              std::strerror(errno)));
    }
    return {};
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string written() const { return is_file_ ? path_ + ".part" : path_; }

  std::string path_;
  bool is_file_ = true;
  std::unique_ptr<std::FILE, Close> file_;
};

// Says once a second on a terminal how far a long replay is. Thread: "progress".
class Progress {
 public:
  explicit Progress(const pipeline::FeedCounts& counts) {
    if (::isatty(STDERR_FILENO) == 0) return;
    thread_ = std::jthread([this, &counts](const std::stop_token& stop) {
      std::unique_lock lock(mutex_);
      while (!wake_.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; })) {
        if (stop.stop_requested()) break;
        fmt::print(stderr, "\r{} events", counts.events.load());
        shown_ = true;
      }
      if (shown_) fmt::print(stderr, "\r");
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool shown_ = false;
  std::jthread thread_;
};

struct Plan {
  std::vector<market::BarSpec> specs;
  BarFormat format = BarFormat::kCsv;
  BarColumns columns = BarColumns::kReplay;
};

Result<Plan> plan_of(const ReplayArguments& arguments) {
  Plan plan;
  market::BarSpec spec;
  TD_ASSIGN(spec.interval, market::parse_interval(arguments.bars));
  TD_ASSIGN(spec.conditions, market::parse_condition_mode(arguments.conditions));
  TD_ASSIGN(spec.source, market::parse_bar_source(arguments.source));
  if (!arguments.session.empty()) {
    TD_ASSIGN(spec.session, market::parse_session_mode(arguments.session));
  } else if (spec.interval == market::kTradingDay && !arguments.averages && !arguments.means) {
    spec.session = market::SessionMode::kRegular;
  }
  if (arguments.averages) {
    spec.interval = seconds(15);
    spec.slide = seconds(5);
  }
  TD_ASSIGN(plan.format, parse_bar_format(arguments.format));
  TD_ASSIGN(plan.columns, parse_bar_columns(arguments.columns));
  plan.specs = {spec};
  if (spec.source == market::BarSource::kVendor) {
    plan.specs.clear();
    for (const auto adjusted :
         {market::Adjusted::kRaw, market::Adjusted::kSplit, market::Adjusted::kTotal}) {
      spec.adjusted = adjusted;
      plan.specs.push_back(spec);
    }
  }
  if (arguments.means) plan.specs.clear();
  return plan;
}

// Everything on standard error that a person should know of the run. True: all was taken.
bool print_run(const std::vector<feeds::replay::FileReport>& files,
               const pipeline::Pipeline& pipeline, std::size_t bars) {
  const bool whole =
      print_report(files, pipeline.feeds()[0]->counts().duplicates, pipeline.quarantine());
  for (const tape::TornTail& torn : pipeline.tape().recovery().torn) {
    fmt::print(stderr, "tape: cut {} bytes off the end of {}: they were never acknowledged\n",
               torn.bytes, torn.file);
  }
  fmt::print(stderr, "{} bars\n", bars);
  return whole;
}

Result<bool> run_replay(const ReplayArguments& arguments, const Plan& plan) {
  const SystemClock clock;
  const auto disk = real_disk();
  TD_ASSIGN(Output output, Output::open(arguments.output));

  pipeline::PipelineParts parts;
  parts.catalog = std::make_unique<market::Catalog>();
  TD_ASSIGN(parts.quarantine, open_quarantine(*disk, arguments.files));
  if (arguments.tape.empty()) {
    parts.tape = tape::passing::make_passing_tape();
  } else {
    TD_ASSIGN(const auto fsync, tape::embedded::parse_fsync(arguments.fsync));
    TD_ASSIGN(parts.tape, tape::embedded::open_embedded_tape(*disk, clock, *parts.catalog,
                                                             {.directory = arguments.tape,
                                                              .partitions = arguments.partitions,
                                                              .fsync = fsync}));
  }
  TD_ASSIGN(auto source,
            open_files(*disk, arguments.files, *parts.catalog, arguments.speed.has_value()));
  // Owned by the pipeline from here on, which outlives the report.
  const feeds::replay::ReplaySource& files = *source;
  pipeline::FeedPart feed{.id = "replay", .source = std::move(source)};
  if (arguments.speed) feed.pace = pipeline::Pace{.speed = *arguments.speed};
  parts.feeds.push_back(std::move(feed));

  const pipeline::PipelineOptions pipeline_options{
      .specs = plan.specs,
      .means = arguments.means,
      .keeps_tape = !arguments.tape.empty(),
      .batch_events = arguments.batch,
      .window_threads = arguments.threads > 1 ? arguments.threads - 1 : 1};
  pipeline::Pipeline pipeline(std::move(parts), condition_tables(), clock, pipeline_options);
  TD_TRY(pipeline.prepare());

  {
    const Progress progress(pipeline.feeds()[0]->counts());
    if (arguments.threads == 1) {
      pipeline::SingleThreadDriver driver([](Duration wait) {
        std::this_thread::sleep_for(std::chrono::nanoseconds(wait.ns));
        return true;
      });
      TD_TRY(pipeline.run(driver));
    } else {
      pipeline::ThreadedDriver driver;
      TD_TRY(pipeline.run(driver));
    }
  }

  TD_TRY(pipeline.seal());
  const auto bars = pipeline.take_bars();
  market::BarDigest digest;
  for (const market::BarRow& row : bars) digest.add(row);
  const std::string hex = digest.finish_hex() + "\n";
  if (!arguments.digest || !arguments.output.empty()) {
    if (arguments.means) {
      TD_ASSIGN(const auto mode, market::parse_condition_mode(arguments.conditions));
      auto means = pipeline.take_means();
      std::erase_if(means, [&](const store::MeanRow& row) { return row.conditions != mode; });
      TD_TRY(output.finish(render_means(means)));
    } else if (arguments.averages) {
      TD_TRY(output.finish(render_averages(bars)));
    } else {
      TD_TRY(output.finish(render_bars(bars, plan.format, plan.columns)));
    }
  }
  if (arguments.digest) {
    TD_ASSIGN(Output standard_output, Output::open(""));
    TD_TRY(standard_output.finish(hex));
  }
  return print_run(files.files(), pipeline, bars.size());
}

}  // namespace

int replay(const ReplayArguments& arguments) {
  const auto plan = plan_of(arguments);
  if (!plan) return report(plan.error());
  const auto whole = run_replay(arguments, *plan);
  if (!whole) return report(whole.error());
  return *whole ? kExitOk : kExitRefused;
}

}  // namespace tapedeck::app
