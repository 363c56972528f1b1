#include "feeds/simulator/simulator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/sha256.hpp"
#include "feeds/recording_sink.hpp"
#include "market/calendar.hpp"

namespace tapedeck::feeds::simulator {
namespace {

using std::chrono::day;
using std::chrono::month;
using std::chrono::year;
constexpr std::chrono::year_month_day kDate{year(2013), month(10), day(7)};

RecordingSink simulate(std::uint64_t seed, std::size_t piece, market::Catalog& catalog) {
  RecordingSink sink;
  auto source = open_simulator({seed, kDate}, catalog);
  EXPECT_TRUE(source);
  while (*(*source)->pull(sink, piece)) {
  }
  return sink;
}

TEST(Simulator, TheSameSeedGivesTheSameDay) {
  market::Catalog catalog;
  const auto one = simulate(1, 1, catalog);
  const auto other = simulate(1, 4096, catalog);
  EXPECT_EQ(one.trades, other.trades);
  EXPECT_NE(one.trades, simulate(2, 4096, catalog).trades);
  // On every machine: the golden value of this code.
  std::string text;
  for (const market::Trade& trade : one.trades) {
    text += std::to_string(trade.ts_event.ns) + to_string(trade.price) + to_string(trade.size);
  }
  EXPECT_EQ(sha256_hex(text), "1c4c08c3e5ad0b65b55327a2212ee13dfb543122c6986f48df00eaa5f1e1a749");
}

TEST(Simulator, ADayLooksLikeADay) {
  market::Catalog catalog;
  const auto sink = simulate(1, 1000, catalog);
  const auto& trades = sink.trades;
  ASSERT_GT(trades.size(), 100'000u);
  EXPECT_LT(trades.size(), 400'000u);
  EXPECT_TRUE(std::ranges::is_sorted(trades, {}, &market::Trade::ts_event));
  EXPECT_TRUE(std::ranges::is_sorted(trades, {}, &market::Trade::ts_recv));
  const market::TradingDay today = (*market::find_calendar("us_equity"))->day_of(kDate);

  std::map<market::TradeSession, std::size_t> sessions;
  std::map<std::int64_t, std::size_t> half_hours;
  std::set<std::uint32_t> series;
  std::size_t equal_times = 0;
  for (std::size_t i = 0; i < trades.size(); ++i) {
    const market::Trade& trade = trades[i];
    EXPECT_EQ(trade.identity.seq, i);
    EXPECT_GT(trade.price.mantissa, 0);
    EXPECT_GT(trade.size.mantissa, 0);
    EXPECT_LT(trade.ts_event, trade.ts_recv);
    ++sessions[today.session_of(trade.ts_event)];
    ++half_hours[(trade.ts_event - today.open).ns / minutes(30).ns];
    series.insert(trade.series.value);
    if (i > 0 && trades[i - 1].ts_event == trade.ts_event) ++equal_times;
  }
  EXPECT_EQ(series.size(), 3u);
  EXPECT_EQ(sessions[market::TradeSession::kClosed], 0u);
  EXPECT_GT(sessions[market::TradeSession::kPre], 500u);
  EXPECT_GT(sessions[market::TradeSession::kPost], 500u);
  EXPECT_GT(sessions[market::TradeSession::kRegular], trades.size() * 9 / 10);
  EXPECT_GT(half_hours[0], 2 * half_hours[6]);  // a U
  EXPECT_GT(half_hours[12], 2 * half_hours[6]);
  EXPECT_GT(equal_times, trades.size() / 5);
  ASSERT_EQ(sink.marks.size(), 1u);
  EXPECT_EQ(sink.marks[0].feed, "simulator");
  EXPECT_EQ(sink.marks[0].ts_recv, trades.back().ts_recv);
  const auto& origin = catalog.origin(trades[0].identity.origin);
  EXPECT_EQ(origin.kind, market::OriginKind::kSession);
  EXPECT_EQ(origin.key, "simulator-1-2013-10-07");
  EXPECT_EQ(origin.first, trades[0].ts_recv);
  EXPECT_EQ(to_string(catalog.series(trades[0].series).key), "simulator/trade/SIMA");
}

TEST(Simulator, ADateWithoutTradingIsAnError) {
  market::Catalog catalog;
  const auto sunday = open_simulator({1, {year(2013), month(10), day(6)}}, catalog);
  ASSERT_FALSE(sunday);
  EXPECT_EQ(sunday.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(open_simulator({1, {}}, catalog));
}

}  // namespace
}  // namespace tapedeck::feeds::simulator
