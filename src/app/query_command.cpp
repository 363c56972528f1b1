#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "api/json.hpp"
#include "api/parameters.hpp"
#include "api/tables.hpp"
#include "app/commands.hpp"
#include "app/registry.hpp"
#include "base/disk.hpp"
#include "pipeline/indicator_columns.hpp"
#include "pipeline/pipeline.hpp"
#include "pipeline/tape_bars.hpp"
#include "pipeline/tape_quality.hpp"
#include "pipeline/trade_history.hpp"
#include "store/embedded/sqlite_store.hpp"
#include "tape/embedded/embedded_tape.hpp"
#include "tape/embedded/inspect.hpp"

namespace tapedeck::app {
namespace {

Status print(std::string text) {
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return fail(ErrorCode::kIo, "cannot write standard output");
  }
  return {};
}

// As the API answers; see table_response() there.
Status print_table(const api::Form& form, std::string_view head, std::string_view name,
                   std::string rows) {
  if (form.format != api::Format::kJson) return print(std::move(rows));
  return print(fmt::format("{{{}{}\"{}\":{}}}", head, head.empty() ? "" : ",", name, rows));
}

net::Fields parameters_of(const QueryArguments& arguments) {
  net::Fields fields = arguments.parameters;
  if (std::ranges::find(fields, "format", &net::Fields::value_type::first) == fields.end()) {
    fields.emplace_back("format", "csv");
  }
  return fields;
}

Result<std::vector<market::Bar>> compute_again(Disk& disk, const std::string& tape,
                                               const store::BarQuery& query) {
  market::Catalog catalog;
  TD_ASSIGN(const auto view, tape::embedded::open_embedded_view(disk, catalog, tape));
  return pipeline::bars_from_tape(*view, catalog, condition_tables(), query,
                                  pipeline::PipelineOptions{}.lateness.front());
}

// From the store; what it no longer keeps from the tape, where one is named.
Result<pipeline::BarPage> page_of(Disk& disk, const store::Store& store, const std::string& tape,
                                  const api::BarRequest& asked) {
  const store::BarQuery& query = asked.query;
  const auto again = [&]() -> Result<pipeline::BarPage> {
    if (!asked.indicators.empty()) {
      return fail(ErrorCode::kUnsupported,
                  "indicators are computed from bars of the store: leave out --tape, or ask for "
                  "bars that it keeps");
    }
    TD_ASSIGN(auto bars, compute_again(disk, tape, query));
    return pipeline::BarPage{.bars = std::move(bars)};
  };
  TD_ASSIGN(const auto kept_from, store.kept_from(query.series, query.spec));
  const bool is_cut = kept_from && (!query.start || *query.start < *kept_from);
  if (is_cut && !tape.empty()) return again();
  if (is_cut) {
    fmt::print(stderr, "bars that open before {} are no longer kept: --tape computes them again\n",
               to_iso(*kept_from));
  }
  auto page = pipeline::read_bars(store, query, asked.indicators, nullptr);
  if (page || page.error().code != ErrorCode::kNotFound) return page;
  if (tape.empty()) {
    return fail(page.error().code,
                page.error().message + ", or name the tape (--tape) to compute it again");
  }
  auto computed = again();
  if (computed || computed.error().code != ErrorCode::kNotFound) return computed;
  return fail(ErrorCode::kNotFound,
              fmt::format("{}; {}", page.error().message, computed.error().message));
}

// Where the newest stored bar of the series ends: what "-1h" counts from.
Timestamp newest_of(const store::Store& store, const net::Fields& fields) {
  net::Fields plain;
  for (const auto& field : fields) {
    if (field.first != "start" && field.first != "end" && field.first != "as_of") {
      plain.push_back(field);
    }
  }
  auto asked = api::parse_bar_query(plain, Timestamp{});
  if (!asked) return {};
  asked->query.limit = 1;
  const auto bars = store.bars(asked->query);
  if (!bars || bars->empty()) return {};
  return bars->back().ts_open + asked->query.spec.interval;
}

Status query_bars(Disk& disk, const QueryArguments& arguments) {
  const net::Fields fields = parameters_of(arguments);
  // What is wrong with the options is said even where there is no store.
  TD_TRY(api::parse_bar_query(fields, Timestamp{kLatestPlausible}));
  TD_ASSIGN(const auto store, store::embedded::open_sqlite_reader(disk, arguments.path));
  TD_ASSIGN(api::BarRequest asked, api::parse_bar_query(fields, newest_of(*store, fields)));
  asked.query.limit = arguments.limit;
  TD_ASSIGN(const auto page, page_of(disk, *store, arguments.tape, asked));
  const Timestamp newest = page.bars.empty() ? Timestamp{} : page.bars.back().ts_open;
  TD_TRY(print_table(asked.form, api::bars_head(asked, page, {}, newest), "bars",
                     api::bar_rows(asked.form, asked.query.spec, page)));
  fmt::print(stderr, "{} bars\n", page.bars.size());
  return {};
}

Status query_trades(Disk& disk, const QueryArguments& arguments) {
  const net::Fields fields = parameters_of(arguments);
  TD_TRY(api::parse_trade_query(fields, Timestamp{kLatestPlausible}));
  market::Catalog catalog;
  // Says what is wrong with the folder, and which series there are.
  TD_TRY(tape::embedded::list_tape(disk, catalog, arguments.path));
  TD_ASSIGN(const auto view, tape::embedded::open_embedded_view(disk, catalog, arguments.path));
  const auto read = [&](const pipeline::TradeQuery& query) {
    return pipeline::read_trades(*view, catalog, condition_tables(), query);
  };
  TD_ASSIGN(api::TradeRequest asked, api::parse_trade_query(fields, Timestamp{}));
  TD_ASSIGN(const auto newest, read({.series = asked.query.series, .limit = 1}));
  if (!newest.trades.empty()) {
    TD_ASSIGN(asked, api::parse_trade_query(fields, newest.trades.front().trade.ts_event));
  }
  asked.query.limit = arguments.limit;
  TD_ASSIGN(const auto page, read(asked.query));
  TD_TRY(print_table(asked.form, api::trades_head(asked, page), "trades",
                     api::trade_rows(asked.form, page.trades)));
  fmt::print(stderr, "{} trades{}\n", page.trades.size(),
             page.limited ? ", and there are more: see --limit" : "");
  return {};
}

// Whether a row says something of a series, by its text. Of an outage: any feed of its venue may
// bring it.
bool is_of(const auto& row, const std::string& series) { return to_string(row.series) == series; }
bool is_of(const quality::Outage& row, const std::string& series) {
  return series.starts_with(std::string(row.venue()) + "/");
}

// Leaves the rows of one series, where one is asked for, and as many as the limit says.
template <class Row>
Status choose(std::vector<Row>& rows, const market::Catalog& catalog,
              const QueryArguments& arguments) {
  if (!arguments.only.empty()) {
    std::vector<std::string> there;
    for (std::uint32_t id = 0; id < catalog.series_count(); ++id) {
      there.push_back(to_string(catalog.series(SeriesId(id)).key));
    }
    if (std::ranges::find(there, arguments.only) == there.end()) {
      return fail(ErrorCode::kNotFound,
                  fmt::format("series '{}' is not on this tape; its series: {}", arguments.only,
                              there.empty() ? "none" : fmt::format("{}", fmt::join(there, ", "))));
    }
    std::erase_if(rows, [&](const Row& row) { return !is_of(row, arguments.only); });
  }
  const std::size_t all = rows.size();
  if (all > arguments.limit) {
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(arguments.limit), rows.end());
  }
  fmt::print(stderr, "{} rows{}\n", rows.size(),
             rows.size() < all ? ", and there are more: see --limit" : "");
  return {};
}

Status query_quality(Disk& disk, const QueryArguments& arguments) {
  TD_ASSIGN(const api::Form form, api::parse_form_query(parameters_of(arguments)));
  market::Catalog catalog;
  // Says what is wrong with the folder, and which series there are.
  TD_TRY(tape::embedded::list_tape(disk, catalog, arguments.path));
  TD_ASSIGN(const auto view, tape::embedded::open_embedded_view(disk, catalog, arguments.path));
  TD_ASSIGN(const auto completeness, pipeline::completeness_of(*view, catalog));
  if (arguments.verb == "gaps") {
    auto gaps = completeness.gaps();
    TD_TRY(choose(gaps, catalog, arguments));
    return print_table(form, "", "gaps", api::gap_rows(form, gaps));
  }
  if (arguments.verb == "outages") {
    auto outages = completeness.outages();
    TD_TRY(choose(outages, catalog, arguments));
    return print_table(form, "", "outages", api::outage_rows(form, outages));
  }
  if (arguments.verb == "drift") {
    auto drift = completeness.drift();
    TD_TRY(choose(drift, catalog, arguments));
    return print_table(form, "", "drift", api::drift_rows(form, drift));
  }
  auto days = completeness.days();
  TD_TRY(choose(days, catalog, arguments));
  return print_table(form, "", "days", api::day_quality_rows(form, days));
}

Status query_sql(Disk& disk, const QueryArguments& arguments) {
  TD_ASSIGN(const auto asked, api::parse_sql_query(parameters_of(arguments), arguments.statement));
  TD_ASSIGN(const auto store, store::embedded::open_sqlite_reader(disk, arguments.path));
  TD_ASSIGN(const auto table, store->select(asked.statement, arguments.limit));
  TD_TRY(print_table(asked.form, api::sql_head(table), "rows", api::sql_rows(asked.form, table)));
  fmt::print(stderr, "{} rows{}\n", table.rows.size(),
             table.limited ? ", and there are more: see --limit" : "");
  return {};
}

}  // namespace

int query(const QueryArguments& arguments) {
  const auto disk = real_disk();
  const Status done = arguments.verb == "trades" ? query_trades(*disk, arguments)
                      : arguments.verb == "sql"  ? query_sql(*disk, arguments)
                      : arguments.verb == "bars" ? query_bars(*disk, arguments)
                                                 : query_quality(*disk, arguments);
  if (!done) return report(done.error());
  return kExitOk;
}

}  // namespace tapedeck::app
