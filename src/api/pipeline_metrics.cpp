#include "api/pipeline_metrics.hpp"

#include <fmt/format.h>

#include <functional>
#include <iterator>
#include <map>
#include <string>

#include "base/metrics.hpp"

namespace tapedeck::api {
namespace {

class Families {
 public:
  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    family(name, "counter", help);
    fmt::format_to(std::back_inserter(out_), "{}_total {}\n", name, value);
  }
  void gauge(std::string_view name, std::string_view help, double value) {
    family(name, "gauge", help);
    fmt::format_to(std::back_inserter(out_), "{} {}\n", name, value);
  }
  void family(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(std::back_inserter(out_), "# TYPE {} {}\n# HELP {} {}\n", name, type, name,
                   help);
  }
  void sample(std::string_view name, const Metrics::Labels& labels, std::uint64_t value) {
    fmt::format_to(std::back_inserter(out_), "{}{} {}\n", name, Metrics::text_of(labels), value);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Of the tape, which retention shortens: gauges.
void put_tape_quality(Families& out, const pipeline::TapeQuality& quality) {
  struct Sums {
    std::uint64_t missing = 0, reordered = 0, late = 0, drift = 0;
  };
  std::map<std::string, Sums> by_venue;
  for (const quality::DayQuality& day : quality.days) {
    Sums& sums = by_venue[day.series.venue];
    sums.missing += day.missing.value_or(0);
    sums.reordered += day.reordered;
    sums.late += day.late;
  }
  for (const quality::DriftSeen& seen : quality.drift) ++by_venue[seen.series.venue].drift;
  const auto put = [&](std::string_view name, std::string_view help, std::uint64_t Sums::* sum) {
    out.family(name, "gauge", help);
    for (const auto& [venue, sums] : by_venue) out.sample(name, {{"venue", venue}}, sums.*sum);
  };
  put("tapedeck_quality_missing", "Ids that a venue gave and the tape has not.", &Sums::missing);
  put("tapedeck_quality_reordered", "Events stamped before one that was there already.",
      &Sums::reordered);
  put("tapedeck_quality_late", "Those of them that are more than 10 s older than the newest.",
      &Sums::late);
  put("tapedeck_quality_schema_drift",
      "Fields of trades that nobody knows, or that are missing: per instrument and day.",
      &Sums::drift);
}

}  // namespace

std::string pipeline_metrics(const pipeline::PlayStatus& status, const pipeline::Quality& quality,
                             const pipeline::TapeQuality& tape_quality) {
  Families out;
  const auto by_feed = [&](std::string_view name, std::string_view help,
                           std::uint64_t pipeline::FeedStatus::* count) {
    out.family(name, "counter", help);
    for (const pipeline::FeedStatus& feed : status.feeds) {
      out.sample(fmt::format("{}_total", name), {{"feed", feed.id}}, feed.*count);
    }
  };
  by_feed("tapedeck_feed_events", "Events that a feed gave.", &pipeline::FeedStatus::events);
  by_feed("tapedeck_feed_duplicates", "Those that were on the tape already, and dropped.",
          &pipeline::FeedStatus::duplicates);
  by_feed("tapedeck_feed_refused", "What could not be understood, and went into quarantine.",
          &pipeline::FeedStatus::refused);
  out.family("tapedeck_quarantine", "counter", "Refused input, by reason.");
  for (const auto& [reason, count] : quality.quarantine_reasons) {
    out.sample("tapedeck_quarantine_total", {{"reason", reason}}, count);
  }
  out.counter("tapedeck_windows_late", "Trades that came after their bar was final.", quality.late);
  out.counter("tapedeck_windows_unapplied",
              "Trades that no bar could take any more; they are on the tape.", quality.unapplied);
  put_tape_quality(out, tape_quality);
  out.family("tapedeck_tape_offset", "gauge", "Events that are durable on the tape.");
  out.sample("tapedeck_tape_offset", {}, status.durable_offset.value);
  out.family("tapedeck_tape_bytes", "gauge", "Size of the tape.");
  out.sample("tapedeck_tape_bytes", {}, status.tape.bytes);
  out.family("tapedeck_tape_free_bytes", "gauge", "Room on its disk.");
  out.sample("tapedeck_tape_free_bytes", {}, status.tape.free_bytes);
  out.family("tapedeck_tape_state", "gauge", "1 for the state that the tape is in.");
  for (const auto state : {tape::TapeState::kWriting, tape::TapeState::kDiskLow,
                           tape::TapeState::kDiskFull, tape::TapeState::kDiskFailing}) {
    out.sample("tapedeck_tape_state", {{"state", std::string(to_string(state))}},
               state == status.tape.state ? 1 : 0);
  }
  out.gauge("tapedeck_market_time_seconds", "How far the market's time has come, since 1970 UTC.",
            static_cast<double>(status.market_time.ns) * 1e-9);
  out.family("tapedeck_run", "gauge", "Number of the run; rises with every restart.");
  out.sample("tapedeck_run", {}, status.run);
  return out.take();
}

}  // namespace tapedeck::api
