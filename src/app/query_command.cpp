#include <fmt/format.h>

#include <cstdio>

#include "app/bar_writer.hpp"
#include "app/commands.hpp"
#include "app/registry.hpp"
#include "base/disk.hpp"
#include "pipeline/pipeline.hpp"
#include "pipeline/tape_bars.hpp"
#include "store/embedded/sqlite_store.hpp"
#include "tape/embedded/embedded_tape.hpp"

namespace tapedeck::app {
namespace {

// Digits are nanoseconds since 1970; else a time such as 2013-10-07T13:30:00Z.
Result<std::optional<Timestamp>> time_of(std::string_view option, const std::string& text) {
  if (text.empty()) return std::nullopt;
  if (text.find_first_not_of("0123456789") == text.npos && text.size() <= 19) {
    return Timestamp{std::strtoll(text.c_str(), nullptr, 10)};
  }
  const auto parsed = parse_iso(text);
  if (!parsed) return std::unexpected(parsed.error().within(std::string(option)));
  return *parsed;
}

Result<std::vector<market::Bar>> compute_again(Disk& disk, const std::string& tape,
                                               const store::BarQuery& query) {
  market::Catalog catalog;
  TD_ASSIGN(const auto view, tape::embedded::open_embedded_view(disk, catalog, tape));
  return pipeline::bars_from_tape(*view, catalog, condition_tables(), query,
                                  pipeline::PipelineOptions{}.lateness.front());
}

// From the store; what it no longer keeps from the tape, where one is named.
Result<std::vector<market::Bar>> bars_of(Disk& disk, const QueryArguments& arguments,
                                         const store::BarQuery& query) {
  TD_ASSIGN(const auto store, store::embedded::open_sqlite_reader(disk, arguments.store));
  TD_ASSIGN(const auto kept_from, store->kept_from(query.series, query.spec));
  const bool is_cut = kept_from && (!query.start || *query.start < *kept_from);
  if (is_cut && !arguments.tape.empty()) return compute_again(disk, arguments.tape, query);
  if (is_cut) {
    fmt::print(stderr, "bars that open before {} are no longer kept: --tape computes them again\n",
               to_iso(*kept_from));
  }
  auto bars = store->bars(query);
  if (bars || bars.error().code != ErrorCode::kNotFound) return bars;
  if (arguments.tape.empty()) {
    return fail(bars.error().code,
                bars.error().message + ", or name the tape (--tape) to compute it again");
  }
  auto again = compute_again(disk, arguments.tape, query);
  if (again || again.error().code != ErrorCode::kNotFound) return again;
  return fail(ErrorCode::kNotFound,
              fmt::format("{}; {}", bars.error().message, again.error().message));
}

Status run_query(const QueryArguments& arguments) {
  store::BarQuery query;
  TD_ASSIGN(query.series, market::parse_series_key(arguments.series));
  TD_ASSIGN(query.spec.interval, market::parse_interval(arguments.interval));
  TD_ASSIGN(query.spec.conditions, market::parse_condition_mode(arguments.conditions));
  TD_ASSIGN(query.spec.session, market::parse_session_mode(arguments.session));
  TD_ASSIGN(query.spec.source, market::parse_bar_source(arguments.source));
  TD_ASSIGN(query.spec.adjusted, market::parse_adjusted(arguments.adjusted));
  TD_ASSIGN(query.start, time_of("--start", arguments.start));
  TD_ASSIGN(query.end, time_of("--end", arguments.end));
  TD_ASSIGN(query.as_of, time_of("--as-of", arguments.as_of));
  TD_ASSIGN(const BarFormat format, parse_bar_format(arguments.format));
  query.limit = arguments.limit;

  const auto disk = real_disk();
  TD_ASSIGN(const auto bars, bars_of(*disk, arguments, query));
  std::vector<market::BarRow> rows;
  for (const market::Bar& bar : bars) {
    const bool is_void =
        bar.trades == 0 && bar.excluded == 0 && query.spec.source != market::BarSource::kVendor;
    if (!is_void) rows.push_back({query.series, query.spec, bar});
  }
  const std::string text = render_bars(rows, format, BarColumns::kStored);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return fail(ErrorCode::kIo, "cannot write standard output");
  }
  fmt::print(stderr, "{} bars\n", rows.size());
  return {};
}

}  // namespace

int query(const QueryArguments& arguments) {
  if (const Status status = run_query(arguments); !status) return report(status.error());
  return kExitOk;
}

}  // namespace tapedeck::app
