// One indicator over bars that arrive on standard input, for indicators_test.py.
//
//   td_indicators_cli SPEC [--calendar NAME] [--restart-every ROWS] < bars.csv
//
// Rows: ts_open,open,high,low,close,volume,notional,final; an absent price is empty. A ts_open that
// came before is a revision of that bar. With --restart-every, the series goes through bytes after
// so many rows. At the end the last value of each bar is written: ts_open, then the outputs, an
// absent one empty.

#include <fmt/format.h>

#include <charconv>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "indicators/indicator_series.hpp"

namespace tapedeck::indicators {
namespace {

struct Options {
  std::string_view spec;
  std::string_view calendar = "24x7";
  std::uint64_t restart_every = 0;
};

Result<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a number", text));
  }
  return value;
}

Result<Options> parse_options(std::vector<std::string_view> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool more = i + 1 < arguments.size();
    if (arguments[i] == "--calendar" && more) {
      options.calendar = arguments[++i];
    } else if (arguments[i] == "--restart-every" && more) {
      TD_ASSIGN(options.restart_every, parse_number(arguments[++i]));
    } else if (options.spec.empty()) {
      options.spec = arguments[i];
    } else {
      return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is too much", arguments[i]));
    }
  }
  return options;
}

Result<std::optional<market::Decimal>> parse_price(std::string_view text) {
  if (text.empty()) return std::nullopt;
  TD_ASSIGN(const market::Decimal price, market::parse_decimal(text));
  return price;
}

Result<market::Bar> parse_bar(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t comma; (comma = line.find(',')) != line.npos; line.remove_prefix(comma + 1)) {
    fields.push_back(line.substr(0, comma));
  }
  fields.push_back(line);
  if (fields.size() != 8) return fail(ErrorCode::kMalformed, "a row has eight fields");
  market::Bar bar;
  TD_ASSIGN(const std::uint64_t ts_open, parse_number(fields[0]));
  bar.ts_open = Timestamp{static_cast<std::int64_t>(ts_open)};
  TD_ASSIGN(bar.open, parse_price(fields[1]));
  TD_ASSIGN(bar.high, parse_price(fields[2]));
  TD_ASSIGN(bar.low, parse_price(fields[3]));
  TD_ASSIGN(bar.close, parse_price(fields[4]));
  TD_ASSIGN(bar.volume, market::parse_decimal_sum(fields[5]));
  TD_ASSIGN(bar.notional, market::parse_decimal_sum(fields[6]));
  bar.is_final = fields[7] == "1";
  return bar;
}

void write_values(const Indicator& indicator, const std::map<Timestamp, Values>& said) {
  for (const auto& [ts_open, values] : said) {
    std::string line = fmt::format("{}", ts_open.ns);
    for (std::size_t i = 0; i < indicator.outputs().size(); ++i) {
      line += "," + (values[i] ? to_string(*values[i]) : std::string());
    }
    std::cout << line << '\n';
  }
}

Status run(const Options& options) {
  TD_ASSIGN(const IndicatorSpec spec, parse_indicator(options.spec));
  TD_ASSIGN(const market::Calendar* calendar, market::find_calendar(options.calendar));
  TD_ASSIGN(Indicator indicator, Indicator::make(spec, calendar));
  IndicatorSeries series(std::move(indicator));

  std::map<Timestamp, market::Bar> bars;
  std::map<Timestamp, Values> said;
  const auto source = [&bars](Timestamp from, const VisitBar& visit) -> Status {
    for (auto it = bars.lower_bound(from); it != bars.end(); ++it) visit(it->second);
    return {};
  };
  const auto sink = [&said](Timestamp ts_open, const Values& values) { said[ts_open] = values; };

  std::string line;
  std::getline(std::cin, line);  // the names
  for (std::uint64_t rows = 1; std::getline(std::cin, line); ++rows) {
    auto bar = parse_bar(line);
    if (!bar) return fail_within(std::move(bar), fmt::format("row {}", rows));
    bars[bar->ts_open] = *bar;
    TD_TRY(series.update({&*bar, 1}, source, sink));
    if (options.restart_every == 0 || rows % options.restart_every != 0) continue;
    const std::string bytes = series.snapshot();
    TD_ASSIGN(Indicator fresh, Indicator::make(spec, calendar));
    series = IndicatorSeries(std::move(fresh));
    TD_TRY(series.restore(bytes));
  }
  write_values(series.indicator(), said);
  return {};
}

}  // namespace
}  // namespace tapedeck::indicators

int main(int count, char** arguments) {
  using namespace tapedeck;
  Status done;
  auto options = indicators::parse_options({arguments + 1, arguments + count});
  if (!options) {
    done = std::unexpected(options.error());
  } else {
    done = indicators::run(*options);
  }
  if (done) return 0;
  std::cerr << "td_indicators_cli: " << done.error().message << '\n';
  return 1;
}
