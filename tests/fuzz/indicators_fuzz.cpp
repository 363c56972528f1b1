// tests/fuzz/indicators_fuzz.cpp: a line that names an indicator, then any bytes as its state, as
// if spec, calendar and checksum of the snapshot matched. What is taken goes on without harm, and
// is written again as it was read.
#include <algorithm>

#include "base/check.hpp"
#include "indicators/indicator_series.hpp"

namespace {

using namespace tapedeck;
using namespace tapedeck::indicators;

constexpr Timestamp kStart{1'381'152'600'000'000'000};

// Some of them without prices.
market::Bar bar_of(int n) {
  market::Bar bar;
  bar.ts_open = kStart + minutes(n * 100);
  bar.is_final = n % 3 != 0;
  const auto price = market::Decimal::make(n * n % 17 - 5, n % 7);
  if (n % 5 != 0) bar.open = bar.high = bar.low = bar.close = price;
  bar.volume.add(market::Decimal::make(n, 2));
  bar.notional.add_product(price, market::Decimal::make(n, 2));
  return bar;
}

void go_on(Indicator& indicator) {
  for (int n = 0; n < 30; ++n) {
    for (const auto& value : indicator.add(bar_of(n))) {
      if (value) TD_CHECK(!to_string(*value).empty());
    }
  }
}

std::string signed_bytes(SnapshotWriter head, std::string_view state) {
  for (const char byte : state) head.u8(static_cast<std::uint8_t>(byte));
  return std::move(head).finish();
}

void one(const IndicatorSpec& spec, const market::Calendar* calendar, std::string_view state) {
  const bool session = spec.anchor == Anchor::kSession;
  SnapshotWriter head;
  head.bytes(to_string(spec));
  head.bytes(session ? calendar->name() : std::string_view());
  const std::string bytes = signed_bytes(std::move(head), state);
  Indicator indicator = Indicator::make(spec, calendar).value();
  if (!indicator.restore(bytes)) return;
  TD_CHECK(indicator.snapshot() == bytes);
  go_on(indicator);
  TD_CHECK(Indicator::make(spec, calendar).value().restore(indicator.snapshot()).has_value());
}

void series_of(const IndicatorSpec& spec, const market::Calendar* calendar,
               std::string_view state) {
  IndicatorSeries series(Indicator::make(spec, calendar).value(), 2);
  if (!series.restore(signed_bytes(SnapshotWriter(), state))) return;
  const auto source = [](Timestamp from, const VisitBar& visit) -> Status {
    for (int n = 0; n < 30; ++n) {
      if (const market::Bar bar = bar_of(n); bar.ts_open >= from) visit(bar);
    }
    return {};
  };
  for (const int n : {29, 3, 29, 17}) {
    const market::Bar bar = bar_of(n);
    (void)series.update({&bar, 1}, source, [](Timestamp, const Values&) {});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(input.find('\n'), size);
  const auto spec = parse_indicator(input.substr(0, line));
  if (!spec) return 0;
  TD_CHECK(to_string(parse_indicator(to_string(*spec)).value()) == to_string(*spec));
  TD_CHECK(spec->warm_up() > 0);
  static const market::Calendar* const calendar = market::find_calendar("us_equity").value();
  const std::string_view state = input.substr(std::min(line + 1, size));
  one(*spec, calendar, state);
  series_of(*spec, calendar, state);
  return 0;
}
