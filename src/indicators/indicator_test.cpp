#include "indicators/indicator.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "base/crc32c.hpp"
#include "indicators/test_bars.hpp"

namespace tapedeck::indicators {
namespace {

using market::Bar;

// Every kind, from both anchors.
std::vector<std::string> all_indicators() {
  std::vector<std::string> out;
  for (const IndicatorKind& kind : indicator_kinds()) {
    out.push_back(std::string(kind.name));
    out.push_back(fmt::format("{}(session)", kind.name));
  }
  return out;
}

std::string error_of(std::string_view text) {
  const auto spec = parse_indicator(text);
  if (spec) return "no error: " + to_string(*spec);
  EXPECT_EQ(spec.error().code, ErrorCode::kInvalidArgument);
  return spec.error().message;
}

TEST(ParseIndicator, ReadsWhatItWrites) {
  for (const std::string_view text :
       {"sma(20)", "ema(50)", "macd(12,26,9)", "bollinger(20,2)", "bollinger(20,2.5)", "rsi(14)",
        "atr(14)", "vwap", "vwap(session)", "ema(9,session)"}) {
    EXPECT_EQ(to_string(parse_indicator(text).value()), text);
  }
}

TEST(ParseIndicator, FillsInAndTakesOutBlanks) {
  EXPECT_EQ(to_string(parse_indicator("macd").value()), "macd(12,26,9)");
  EXPECT_EQ(to_string(parse_indicator("rsi(session)").value()), "rsi(14,session)");
  EXPECT_EQ(to_string(parse_indicator(" macd ( 3, 10 ,16 )").value()), "macd(3,10,16)");
  EXPECT_EQ(to_string(parse_indicator("sma(020)").value()), "sma(20)");
}

TEST(ParseIndicator, SaysWhatWouldBeRight) {
  EXPECT_EQ(error_of("smaa(20)"),
            "indicator 'smaa(20)': there is no 'smaa'; use one of sma, ema, rsi, macd, bollinger, "
            "atr, vwap");
  EXPECT_EQ(error_of("sma(20"), "indicator 'sma(20': its last character must be ')'");
  EXPECT_EQ(error_of("macd(12,26)"),
            "indicator 'macd(12,26)': takes 3 arguments (fast, slow, signal), as in macd(12,26,9)");
  EXPECT_EQ(error_of("sma(5,6)"), "indicator 'sma(5,6)': takes 1 argument (period), as in sma(20)");
  EXPECT_EQ(error_of("vwap(20)"),
            "indicator 'vwap(20)': takes no arguments but 'session', as in vwap(session)");
  for (const std::string_view bad : {"0", "-1", "2.5", "10001", "x", "", "1e99", "(3)"}) {
    EXPECT_EQ(error_of(fmt::format("sma({})", bad)),
              fmt::format("indicator 'sma({0})': period must be a whole number from 1 to 10000, "
                          "not '{0}'",
                          bad));
  }
  EXPECT_EQ(error_of("bollinger(20,-2)"),
            "indicator 'bollinger(20,-2)': width must be a number from 0 to 100, not '-2'");
  EXPECT_LT(error_of(std::string(100'000, 'x')).size(), 300u);
  EXPECT_LT(error_of("sma(" + std::string(100'000, ',') + ")").size(), 300u);
  EXPECT_FALSE(parse_indicator(""));
  EXPECT_FALSE(parse_indicator("("));
  EXPECT_FALSE(parse_indicator(")"));
}

TEST(Indicators, TheTableIsWhole) {
  std::set<std::string_view> names;
  for (const IndicatorKind& kind : indicator_kinds()) {
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
    EXPECT_FALSE(kind.help.empty() || kind.unit.empty() || kind.outputs.empty()) << kind.name;
    for (const Parameter& parameter : kind.parameters) {
      EXPECT_TRUE(parameter.minimum <= parameter.standard &&
                  parameter.standard <= parameter.maximum);
    }
  }
  EXPECT_EQ(names,
            (std::set<std::string_view>{"sma", "ema", "rsi", "macd", "bollinger", "atr", "vwap"}));
}

TEST(Indicators, ASessionNeedsACalendar) {
  const auto made = Indicator::make(parse_indicator("ema(3,session)").value());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "indicator 'ema(3,session)': a session needs a calendar");
  EXPECT_TRUE(Indicator::make(parse_indicator("ema(3)").value()));
}

TEST(Indicators, WarmUpEndsWithTheFirstBarThatHasEveryOutput) {
  for (const std::string& text : all_indicators()) {
    Indicator indicator = indicator_of(text);
    const std::size_t outputs = indicator.outputs().size();
    std::size_t bars = 0;
    std::string values = "-";
    while (values.find('-') != values.npos && bars < 100) {
      Bar bar = bar_at(static_cast<std::int64_t>(bars), std::to_string(500 + bars * bars));
      bar.volume.add(decimal("1"));
      bar.notional.add(*bar.close);
      ++bars;
      values = text_of(indicator.add(bar), outputs);
    }
    EXPECT_EQ(bars, indicator.spec().warm_up()) << text;
  }
}

TEST(Indicators, ABarWithoutAPriceIsNoBar) {
  auto bars = random_bars(7, 400);
  const std::size_t all = bars.size();
  for (const std::string& text : all_indicators()) {
    if (text.starts_with("vwap")) continue;  // it reads volume alone
    Indicator indicator = indicator_of(text);
    std::vector<std::string> of_priced;
    for (const Bar& bar : bars) {
      const std::string said = text_of(indicator.add(bar), indicator.outputs().size());
      if (bar.close) of_priced.push_back(said);
      if (!bar.close) {
        EXPECT_EQ(said.find_first_of("0123456789"), said.npos) << text;
      }
    }
    EXPECT_EQ(indicator.not_counted(), all - of_priced.size());
    EXPECT_GT(indicator.not_counted(), 0u);
    auto priced = bars;
    std::erase_if(priced, [](const Bar& bar) { return !bar.close; });
    EXPECT_EQ(values_of(text, priced), of_priced) << text;
  }
}

TEST(Indicators, APriceBeyondReasonIsNoBar) {
  for (const std::string_view text :
       {"sma(2)", "ema(2)", "rsi(1)", "macd(1,2,1)", "bollinger(2,1)", "atr(1)"}) {
    Indicator indicator = indicator_of(text);
    const auto with = values_of(indicator, closes({"1", "2", "1000000000000000", "4"}));
    EXPECT_EQ(with.back(), values_of(text, closes({"1", "2", "4"})).back()) << text;
    EXPECT_EQ(indicator.not_counted(), 1u) << text;
  }
}

TEST(Indicators, ASessionStartsEachOfThemAgain) {
  const auto today = random_bars(8, 300);
  auto bars = random_bars(9, 300);
  for (Bar& bar : bars) bar.ts_open = bar.ts_open + hours(24);
  auto both = today;
  both.insert(both.end(), bars.begin(), bars.end());
  for (const IndicatorKind& kind : indicator_kinds()) {
    const std::string text = fmt::format("{}(session)", kind.name);
    auto said = values_of(text, both);
    said.erase(said.begin(), said.begin() + 300);
    EXPECT_EQ(said, values_of(kind.name, bars)) << text;
  }
}

TEST(Snapshot, GoesOnBitByBitFromEveryBar) {
  const auto bars = random_bars(11, 120);
  for (const std::string& text : all_indicators()) {
    const auto whole = values_of(text, bars);
    Indicator first = indicator_of(text);
    for (std::size_t cut = 0; cut < bars.size(); ++cut) {
      Indicator second = indicator_of(text);
      values_of(second, random_bars(12, 50));  // what it held before is gone
      ASSERT_TRUE(second.restore(first.snapshot())) << text;
      EXPECT_EQ(second.snapshot(), first.snapshot());
      EXPECT_EQ(second.not_counted(), first.not_counted());
      ASSERT_EQ(
          values_of(second, {bars.begin() + static_cast<std::ptrdiff_t>(cut), bars.end()}),
          (std::vector<std::string>{whole.begin() + static_cast<std::ptrdiff_t>(cut), whole.end()}))
          << text << " from bar " << cut;
      first.add(bars[cut]);
    }
  }
}

std::string snapshot_after(std::string_view text, std::size_t bars) {
  Indicator indicator = indicator_of(text);
  values_of(indicator, random_bars(13, bars));
  return indicator.snapshot();
}

TEST(Snapshot, OfAnotherIndicatorIsRefused) {
  Indicator sma = indicator_of("sma(20)");
  const auto status = sma.restore(snapshot_after("sma(21)", 30));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(status.error().message, "the snapshot is of 'sma(21)' (calendar ''), not of 'sma(20)'");
  const auto spec = parse_indicator("sma(20,session)").value();
  Indicator elsewhere = Indicator::make(spec, market::find_calendar("24x7").value()).value();
  EXPECT_FALSE(elsewhere.restore(snapshot_after("sma(20,session)", 30)));
}

TEST(Snapshot, OfAnotherVersionIsRefused) {
  std::string bytes = snapshot_after("ema(5)", 30);
  bytes[0] = 2;
  const auto status = indicator_of("ema(5)").restore(bytes);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
}

// Damage never goes unnoticed; bytes made by hand, with the right checksum, never do harm.
TEST(Snapshot, AnyBytesAreRefusedOrTaken) {
  const auto more = random_bars(14, 60);
  Rng rng(15);
  int taken = 0;
  for (const std::string& text : all_indicators()) {
    const std::string good = snapshot_after(text, 40);
    Indicator indicator = indicator_of(text);
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_FALSE(indicator.restore(good.substr(0, size)));
    }
    EXPECT_FALSE(indicator.restore(good + "x"));
    for (std::size_t at = 0; at < good.size(); ++at) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(8)));
      EXPECT_FALSE(indicator.restore(bytes)) << text << " byte " << at;
    }
    EXPECT_EQ(values_of(indicator, more), values_of(text, more)) << text << " must be as new";
    for (int i = 0; i < 500; ++i) {
      std::string bytes = good.substr(0, good.size() - 4);
      for (auto changes = rng.below(4); changes-- > 0;) {
        bytes[rng.below(bytes.size())] = static_cast<char>(rng.below(3) == 0 ? 0xFF : rng.next());
      }
      if (rng.below(4) == 0) bytes.resize(rng.below(bytes.size()) + 1);
      const std::uint32_t crc = crc32c(bytes);
      for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(crc >> shift & 0xFF);
      if (!indicator.restore(bytes)) continue;
      ++taken;
      values_of(indicator, more);
      EXPECT_TRUE(indicator_of(text).restore(indicator.snapshot()));
    }
  }
  EXPECT_GT(taken, 500);
}

TEST(Snapshot, AStateThatCannotBeIsRefused) {
  struct State {
    std::string_view indicator;
    std::function<void(SnapshotWriter&)> write;
    bool good = false;
  };
  const auto first_bar = [](SnapshotWriter& out) {
    out.u64(0);
    out.u8(0);
  };
  const auto mean = [first_bar](std::uint32_t count, double value) {
    return [=](SnapshotWriter& out) {
      first_bar(out);
      out.u32(count);
      out.f64(value);
    };
  };
  const auto window = [first_bar](std::uint32_t count, PriceUnits price) {
    return [=](SnapshotWriter& out) {
      first_bar(out);
      out.u32(count);
      for (std::uint32_t i = 0; i < count; ++i) out.price(price);
    };
  };
  const auto sums = [first_bar](const Wide& notional, const Wide& volume) {
    return [=](SnapshotWriter& out) {
      first_bar(out);
      out.wide(notional);
      out.wide(volume);
    };
  };
  const auto session = [](Timestamp last) {
    return [=](SnapshotWriter& out) {
      out.u64(0);
      out.u8(1);
      out.i64(last.ns);
      out.u32(0);
      out.f64(0);
    };
  };
  const Wide wide_end = Wide::product(kPriceUnitsEnd, kPriceUnitsEnd).times(100'000'000);
  const std::vector<State> states{
      {"ema(5)", mean(5, 99e18), true},
      {"ema(5)", mean(6, 1)},
      {"ema(5)", mean(5, 1e20)},
      {"ema(5)", mean(5, -INFINITY)},
      {"ema(5)", mean(5, NAN)},
      {"sma(3)", window(3, kPriceUnitsEnd - 1), true},
      {"sma(3)", window(4, 1)},
      {"sma(3)", window(1, kPriceUnitsEnd)},
      {"sma(3)", window(1, -kPriceUnitsEnd)},
      {"vwap", sums(-wide_end + Wide(1), wide_end - Wide(1)), true},
      {"vwap", sums(wide_end, 1)},
      {"vwap", sums(1, -1)},
      {"ema(5,session)", session(kTestStart), true},
      {"ema(5,session)", session(kLatestPlausible)},
      {"ema(5,session)", session(Timestamp{-1})},
      {"ema(5)", session(kTestStart)},  // has no session
  };
  for (const State& state : states) {
    Indicator indicator = indicator_of(state.indicator);
    SnapshotWriter out;
    out.bytes(state.indicator);
    out.bytes(state.indicator.ends_with("session)") ? "us_equity" : "");
    state.write(out);
    const auto status = indicator.restore(std::move(out).finish());
    EXPECT_EQ(status.has_value(), state.good) << state.indicator << " " << (&state - &states[0]);
    if (status) continue;
    EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  }
}

// FORMAT.md, byte by byte. A change of these is a new version.
TEST(Snapshot, IsWhatTheFormatSays) {
  Indicator ema = indicator_of("ema(2)");
  values_of(ema, {volume_only(0, "1", "1"), bar_at(1, "1.5")});
  using namespace std::string_view_literals;
  const std::string_view before_crc =
      "\x01"
      "\x06\0\0\0ema(2)"
      "\0\0\0\0"
      "\x01\0\0\0\0\0\0\0"
      "\0"
      "\x01\0\0\0"
      "\0\0\0\0\0\0\xF8\x3F"sv;
  const std::string bytes = ema.snapshot();
  EXPECT_EQ(bytes.substr(0, bytes.size() - 4), before_crc);
  EXPECT_EQ(bytes.size(), before_crc.size() + 4);
}

}  // namespace
}  // namespace tapedeck::indicators
