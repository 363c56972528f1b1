// What befalls markets, feeds and clocks: wrong stamps, silence, bursts, backfills, jumps. After
// each scenario every bar must be what a simple computation over all trades gives.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "base/rng.hpp"
#include "windows/bar_builder.hpp"

namespace tapedeck::windows {
namespace {

using market::Bar;
using market::BarSpec;
using market::Correction;
using market::CorrectionKind;
using market::Decimal;
using market::FeedMark;
using market::FeedState;
using market::RevisionReason;
using market::Trade;

constexpr Timestamp kOpen{1'381'152'600'000'000'000};  // 2013-10-07 13:30:00 UTC
constexpr Duration kLateness = seconds(10);

const BarSpec kSecond{.interval = seconds(1)};
const BarSpec kMinute{.interval = minutes(1)};
const BarSpec kHour{.interval = hours(1)};
const BarSpec kAverage{.interval = seconds(15), .slide = seconds(5)};

// A bar of whole prices and sizes, computed without any of the code under test.
struct SimpleBar {
  std::int64_t open = 0, high = 0, low = 0, close = 0, volume = 0, notional = 0;
  std::uint64_t trades = 0;
  bool operator==(const SimpleBar&) const = default;
};
std::ostream& operator<<(std::ostream& out, const SimpleBar& b) {
  return out << fmt::format("{} {} {} {} v{} n{} t{}", b.open, b.high, b.low, b.close, b.volume,
                            b.notional, b.trades);
}

SimpleBar simple(const Bar& bar) {
  const auto whole = [](const std::optional<Decimal>& price) {
    return price ? std::stoll(to_string(*price)) : 0;
  };
  return {.open = whole(bar.open),
          .high = whole(bar.high),
          .low = whole(bar.low),
          .close = whole(bar.close),
          .volume = std::stoll(bar.volume.to_string()),
          .notional = std::stoll(bar.notional.to_string()),
          .trades = bar.trades};
}

// A tape, a store and a builder between them; the machine's clock is `now`.
class World : public Past {
 public:
  explicit World(std::size_t bars_kept_max = 0)
      : options_{.specs = {kSecond, kMinute, kHour, kAverage},
                 .lateness = {kLateness},
                 .bars_kept_max = bars_kept_max} {
    begin();
  }

  SeriesId series(const std::string& venue, const std::string& name) {
    return catalog_.intern(
        market::Series{.key = {venue, "trade", name}, .order = market::TradeOrder::kVenueSequence});
  }

  // Received now.
  const Trade& trade(SeriesId series, Timestamp ts_event, std::int64_t price = 0,
                     std::uint64_t conditions = 0) {
    const std::uint64_t n = ++trades_;
    tape_.push_back(Trade{
        .series = series,
        .conditions = conditions,
        .ts_event = ts_event,
        .ts_recv = now,
        .price =
            Decimal::make(price != 0 ? price : 1 + static_cast<std::int64_t>(rng_.below(100)), 0),
        .size = Decimal::make(1 + static_cast<std::int64_t>(rng_.below(9)), 0),
        .identity = {venue_origin_, n, 0},
        .venue_sequence = n});
    const Trade& added = std::get<Trade>(tape_.back());
    EXPECT_TRUE(builder_->add(added));
    return added;
  }
  void amend(Trade target, CorrectionKind kind, std::int64_t price = 0) {
    const std::uint64_t n = ++trades_;
    tape_.push_back(Correction{.series = target.series,
                               .kind = kind,
                               .ts_event = now,
                               .ts_recv = now,
                               .price = Decimal::make(price, 0),
                               .size = Decimal::make(price == 0 ? 0 : 1, 0),
                               .identity = {venue_origin_, n, 0},
                               .venue_sequence = n,
                               .target = target.identity});
    const auto done = builder_->add(std::get<Correction>(tape_.back()), Offset(tape_.size() - 1));
    EXPECT_TRUE(done) << done.error().message;
  }
  void mark(const std::string& feed, FeedState state = FeedState::kLive) {
    tape_.push_back(FeedMark{.feed = feed, .state = state, .ts_recv = now});
    builder_->add(std::get<FeedMark>(tape_.back()));
  }

  void commit() {
    bars_read_.clear();
    const Status flushed = builder_->flush(Offset(tape_.size()));
    ASSERT_TRUE(flushed) << flushed.error().message;
    for (BarChange& change : builder_->take_changes(Offset(tape_.size()))) {
      auto& revisions = bars_[{change.series, change.spec, change.bar.ts_open}];
      if (!revisions.empty() && revisions.back().bar.revision == change.bar.revision) {
        revisions.pop_back();
      }
      revisions.push_back({change.bar, change.keys()});
    }
    for (auto& [key, value] : builder_->take_state()) entries_[key] = value;
  }
  // A new process, with what was stored.
  void restart() {
    begin();
    const Status restored = builder_->restore({entries_.begin(), entries_.end()});
    ASSERT_TRUE(restored) << restored.error().message;
  }
  // Retention drops the tape so far.
  void drop_tape() { first_ = tape_.size(); }

  const std::vector<PastBar>& revisions(SeriesId series, const BarSpec& spec, Timestamp ts_open) {
    return bars_[{series, spec, ts_open}];
  }
  const Bar& last(SeriesId series, const BarSpec& spec, Timestamp ts_open) {
    return revisions(series, spec, ts_open).back().bar;
  }
  BarBuilder& builder() { return *builder_; }
  // How often some stored bar was read in the last commit, at most.
  std::uint64_t reads_of_a_bar() const {
    std::uint64_t most = 0;
    for (const auto& [bar, reads] : bars_read_) most = std::max(most, reads);
    return most;
  }

  // Every bar there is, and no other, is what its trades say.
  void check() {
    std::map<IdentityKey, const Correction*> amended;
    for (const auto& event : tape_) {
      if (const auto* one = std::get_if<Correction>(&event)) amended[key_of(one->target)] = one;
    }
    std::map<Key, std::vector<Trade>> parts;
    for (const auto& event : tape_) {
      if (!std::holds_alternative<Trade>(event)) continue;
      Trade trade = std::get<Trade>(event);
      if (const auto found = amended.find(key_of(trade.identity)); found != amended.end()) {
        if (found->second->kind == CorrectionKind::kCancel) continue;
        trade.price = found->second->price;
        trade.size = found->second->size;
      }
      for (const BarSpec& spec : options_.specs) {
        const std::int64_t step = spec.slide.ns == 0 ? spec.interval.ns : spec.slide.ns;
        for (std::int64_t t = trade.ts_event.ns / step * step;
             t > trade.ts_event.ns - spec.interval.ns; t -= step) {
          parts[{trade.series, spec, Timestamp{t}}].push_back(trade);
        }
      }
    }
    std::map<Key, SimpleBar> wanted;
    for (auto& [key, trades] : parts) {
      std::ranges::sort(trades, {},
                        [](const Trade& t) { return std::pair(t.ts_event, t.venue_sequence); });
      SimpleBar bar{.open = trades.front().price.mantissa,
                    .high = trades.front().price.mantissa,
                    .low = trades.front().price.mantissa,
                    .close = trades.back().price.mantissa};
      for (const Trade& trade : trades) {
        bar.high = std::max(bar.high, trade.price.mantissa);
        bar.low = std::min(bar.low, trade.price.mantissa);
        bar.volume += trade.size.mantissa;
        bar.notional += trade.price.mantissa * trade.size.mantissa;
        ++bar.trades;
      }
      wanted[key] = bar;
    }
    std::map<Key, SimpleBar> found;
    for (const auto& [key, revisions] : bars_) {
      if (revisions.empty() || revisions.back().bar.trades == 0) continue;
      found[key] = simple(revisions.back().bar);
      for (std::size_t r = 1; r < revisions.size(); ++r) {
        const Bar& bar = revisions[r].bar;
        // One that was begun late is revision 1 at once: it had been final without trades.
        ASSERT_EQ(bar.revision, revisions[r - 1].bar.revision + 1);
        ASSERT_NE(bar.reason, RevisionReason::kNone);
        ASSERT_GE(bar.ts_known, revisions[r - 1].bar.ts_known);
        ASSERT_GT(bar.offset, revisions[r - 1].bar.offset);
      }
    }
    ASSERT_EQ(found.size(), wanted.size());
    for (const auto& [key, bar] : wanted) {
      ASSERT_EQ(found[key], bar) << std::get<BarSpec>(key).interval.ns << " "
                                 << to_iso(std::get<Timestamp>(key));
    }
  }

  // ---- Past

  Result<std::optional<PastBar>> bar(SeriesId series, const BarSpec& spec,
                                     Timestamp ts_open) override {
    const Key key{series, spec, ts_open};
    ++bars_read_[key];
    const auto found = bars_.find(key);
    if (found == bars_.end() || found->second.empty()) return std::nullopt;
    return found->second.back();
  }
  Status trades(SeriesId series, Timestamp from, Timestamp to, Offset end,
                const std::function<void(const Trade&)>& visit) override {
    for (std::size_t i = first_; i < std::min<std::size_t>(end.value, tape_.size()); ++i) {
      const auto* trade = std::get_if<Trade>(&tape_[i]);
      if (trade == nullptr || trade->series != series) continue;
      if (trade->ts_event >= from && trade->ts_event < to) visit(*trade);
    }
    return {};
  }
  Result<std::optional<Trade>> trade(SeriesId, const market::Identity& identity, Timestamp,
                                     Offset end) override {
    for (std::size_t i = first_; i < std::min<std::size_t>(end.value, tape_.size()); ++i) {
      const auto* trade = std::get_if<Trade>(&tape_[i]);
      if (trade != nullptr && trade->identity == identity) return *trade;
    }
    if (first_ > 0) return fail(ErrorCode::kNotFound, "it may be gone");
    return std::nullopt;
  }

  Timestamp now = kOpen;

 private:
  using Key = std::tuple<SeriesId, BarSpec, Timestamp>;
  using IdentityKey = std::tuple<std::uint32_t, std::uint64_t>;
  static IdentityKey key_of(const market::Identity& identity) {
    return {identity.origin.value, identity.seq};
  }
  void begin() { builder_ = std::make_unique<BarBuilder>(catalog_, tables_, options_, this); }

  market::Catalog catalog_;
  const market::ConditionTables tables_;
  const OriginId venue_origin_ = catalog_.intern(market::Origin{});
  const BarBuilderOptions options_;
  std::unique_ptr<BarBuilder> builder_;
  Rng rng_{5};
  std::uint64_t trades_ = 0;
  std::vector<std::variant<Trade, Correction, FeedMark>> tape_;
  std::size_t first_ = 0;
  std::map<Key, std::vector<PastBar>> bars_;  // and their revisions
  std::map<std::string, std::string> entries_;
  std::map<Key, std::uint64_t> bars_read_;
};

constexpr std::int64_t kDay = std::int64_t{24} * 60 * 60;

TEST(Scenario, OneTradeStampedInTheYear2100) {
  constexpr Timestamp k2100{4'102'444'800'000'000'000};
  World world(4);
  const SeriesId series = world.series("v", "A");
  for (int s = 0; s < 600; ++s, world.now = world.now + seconds(1)) {
    if (s == 100) world.trade(series, k2100);
    world.trade(series, world.now);
    world.mark("v/feed");
    world.commit();
    if (s == 300) world.restart();
  }
  world.check();
  EXPECT_EQ(world.builder().late(), 0u);
  EXPECT_FALSE(world.last(series, kMinute, k2100).is_final);
  for (int m = 0; m < 9; ++m) {
    EXPECT_TRUE(world.last(series, kMinute, kOpen + minutes(m)).is_final) << m;
    EXPECT_EQ(world.revisions(series, kMinute, kOpen + minutes(m)).size(), 1u) << m;
  }
}

TEST(Scenario, AFeedThatIsIdleForAnHour) {
  World world;
  const SeriesId series = world.series("v", "A");
  const auto live = [&](int s) {
    for (; s > 0; --s, world.now = world.now + seconds(1)) {
      world.trade(series, world.now);
      world.mark("v/feed");
      world.commit();
    }
  };
  live(90);
  const Timestamp last_close = kOpen + minutes(2);
  for (int s = 0; s < 3'600; ++s, world.now = world.now + seconds(1)) {
    world.mark("v/feed");
    world.commit();
    const bool is_final = world.last(series, kMinute, kOpen + minutes(1)).is_final;
    EXPECT_EQ(is_final, world.now >= last_close + kLateness) << s;
  }
  live(90);
  world.check();
  EXPECT_EQ(world.builder().late(), 0u);
}

// It says nothing at all, but another feed of the venue does: for an hour it may still bring what
// it has received.
TEST(Scenario, AFeedThatIsGone) {
  World world;
  const SeriesId series = world.series("v", "A");
  world.trade(series, world.now);
  world.mark("v/gone");
  const Timestamp gone = world.now;
  for (int s = 0; s < 4'000; ++s, world.now = world.now + seconds(1)) {
    world.mark("v/other");
    world.commit();
    EXPECT_EQ(world.last(series, kMinute, kOpen).is_final, world.now > gone + hours(1)) << s;
  }
  world.trade(series, kOpen + seconds(30));  // there it is again
  world.mark("v/gone");
  world.commit();
  world.check();
  EXPECT_EQ(world.last(series, kMinute, kOpen).revision, 1u);
  EXPECT_EQ(world.last(series, kMinute, kOpen).reason, RevisionReason::kLate);
}

TEST(Scenario, ASymbolThatIsSilentForADay) {
  World world;
  const SeriesId silent = world.series("v", "SILENT");
  const SeriesId busy = world.series("v", "BUSY");
  world.trade(silent, world.now);
  std::map<BarSpec, Timestamp> final_at;
  for (std::int64_t s = 0; s < kDay; ++s, world.now = world.now + seconds(1)) {
    if (s % 60 == 0) world.trade(busy, world.now);
    world.mark("v/feed");
    world.commit();
    for (const BarSpec& spec : {kSecond, kMinute, kHour}) {
      const Timestamp ts_open = floor_to(kOpen, spec.interval);
      if (final_at.contains(spec) || !world.last(silent, spec, ts_open).is_final) continue;
      final_at[spec] = world.now;
      EXPECT_LE(world.now, ts_open + spec.interval + kLateness + seconds(2));
      EXPECT_GE(world.now, ts_open + spec.interval + kLateness);
    }
    if (s % 20'000 == 0) world.restart();
  }
  EXPECT_EQ(final_at.size(), 3u);
  world.trade(silent, world.now);
  world.commit();
  world.check();
  EXPECT_EQ(world.builder().late(), 0u);
}

TEST(Scenario, ABurst) {
  World world(2);
  std::vector<SeriesId> all;
  for (int i = 0; i < 20; ++i) all.push_back(world.series("v", std::to_string(i)));
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto t = nanoseconds(static_cast<std::int64_t>(i * 7'919 % 20'000) * 50'000);
    world.trade(all[i % all.size()], world.now + t);
  }
  world.now = world.now + seconds(1);
  world.mark("v/feed");
  world.commit();
  world.check();
  EXPECT_EQ(world.last(all[3], kSecond, kOpen).trades, 1'000u);
}

// Last week comes in while today goes on; some of it is corrected at once, and today's too.
TEST(Scenario, ABackfillOfLastWeekWhileLive) {
  World world(8);
  const SeriesId series = world.series("v", "A");
  const Timestamp live_from = world.now + seconds(7 * kDay);
  // It was there before, but for what was missed.
  for (int m = 0; m < 7 * 24 * 60; m += 3) {
    world.now = kOpen + minutes(m);
    world.trade(series, world.now);
    world.mark("v/feed");
    if (m % 60 == 0) world.commit();
  }
  world.now = live_from;
  world.mark("v/feed");
  world.commit();
  const std::uint64_t reads_before = world.builder().reads_of_trades();
  ASSERT_EQ(reads_before, 0u);

  std::uint64_t minutes_amended = 0;
  Rng rng(3);
  for (int m = 0; m < 7 * 24 * 60;) {
    std::set<Timestamp> amended;
    std::vector<Trade> fetched;
    for (int i = 0; i < 200 && m < 7 * 24 * 60; ++i, ++m) {
      const Timestamp t = kOpen + minutes(m);
      for (const int s : {3, 40, 40, 59}) {
        fetched.push_back(world.trade(series, t + seconds(s), 0, market::kRepaired));
      }
    }
    for (int i = 0; i < 10; ++i) {
      const Trade& one = fetched[rng.below(fetched.size())];
      const bool cancel = rng.below(2) == 0;
      world.amend(one, cancel ? CorrectionKind::kCancel : CorrectionKind::kCorrect,
                  cancel ? 0 : 77);
      amended.insert(floor_to(one.ts_event, minutes(1)));
    }
    minutes_amended += amended.size();
    const std::uint64_t reads = world.builder().reads_of_trades();
    world.now = world.now + seconds(1);
    world.trade(series, world.now);
    world.mark("v/feed");
    world.commit();
    ASSERT_LE(world.builder().reads_of_trades() - reads, amended.size());
    ASSERT_LE(world.reads_of_a_bar(), 1u);
    if (m % 1'000 == 0) world.restart();
  }
  world.check();
  // What came late was added to its bars; trades were only read for what was taken back.
  EXPECT_GT(minutes_amended, 100u);
  const Bar& bar = world.last(series, kMinute, kOpen + minutes(7));
  EXPECT_EQ(bar.revision, 1u);
  EXPECT_EQ(bar.reason, RevisionReason::kRepair);
  EXPECT_TRUE(bar.is_final);
}

TEST(Scenario, ClocksThatJump) {
  World world(3);
  const SeriesId series = world.series("v", "A");
  const auto run = [&](Duration venue_ahead) {
    for (int s = 0; s < 200; ++s, world.now = world.now + seconds(1)) {
      world.trade(series, world.now + venue_ahead);
      world.mark("v/feed");
      world.commit();
      if (s == 100) world.restart();
    }
  };
  run({});
  world.now = world.now + hours(24);  // ours goes ahead,
  run(Duration{} - hours(24));
  world.now = world.now - hours(24);  // and back
  run({});
  run(hours(1));  // the venue's
  run({});
  world.now = world.now - minutes(10);
  run({});
  world.check();
  EXPECT_EQ(world.builder().unapplied(), 0u);
}

// ---- Reasons

TEST(Scenario, EachRevisionSaysWhy) {
  World world(2);
  const SeriesId series = world.series("v", "A");
  const Trade first = world.trade(series, kOpen, 10);
  const Trade second = world.trade(series, kOpen + seconds(1), 20);
  world.now = kOpen + minutes(3);
  world.mark("v/feed");
  world.commit();
  ASSERT_TRUE(world.last(series, kMinute, kOpen).is_final);
  std::vector<RevisionReason> reasons;
  const auto then = [&](auto&& what) {
    world.now = world.now + seconds(1);
    what();
    world.commit();
    reasons.push_back(world.last(series, kMinute, kOpen).reason);
    EXPECT_EQ(world.last(series, kMinute, kOpen).ts_known, world.now);
    EXPECT_EQ(world.last(series, kHour, floor_to(kOpen, hours(1))).reason, RevisionReason::kNone)
        << "it is open still";
    world.restart();
  };
  then([&] { world.trade(series, kOpen + seconds(2)); });
  then([&] { world.trade(series, kOpen + seconds(3), 0, market::kRepaired); });
  then([&] { world.amend(first, CorrectionKind::kCancel); });
  then([&] { world.amend(second, CorrectionKind::kCorrect, 25); });
  // Of several, the last in this order.
  then([&] {
    world.amend(second, CorrectionKind::kCancel);
    world.trade(series, kOpen + seconds(4));
  });
  then([&] {
    world.trade(series, kOpen + seconds(5));
    world.trade(series, kOpen + seconds(6), 0, market::kRepaired);
    world.trade(series, kOpen + seconds(7));
  });
  using enum RevisionReason;
  EXPECT_EQ(reasons, (std::vector{kLate, kRepair, kCancel, kCorrection, kCancel, kRepair}));
  world.check();
}

// ---- What can be applied no more

TEST(Scenario, ABarIsNeverMadeFromAPartOfItsTrades) {
  World world(2);
  const SeriesId series = world.series("v", "A");
  const Trade gone = world.trade(series, kOpen + seconds(1), 10);
  world.trade(series, kOpen + seconds(2), 20);
  world.now = kOpen + minutes(3);
  world.mark("v/feed");
  world.commit();
  world.drop_tape();
  const Trade left = world.trade(series, kOpen + seconds(2), 30);   // of the same second
  const Trade alone = world.trade(series, kOpen + seconds(3), 40);  // the only one of its second
  const Trade whole = world.trade(series, kOpen + minutes(1), 50);  // and of its minute
  world.commit();

  world.amend(left, CorrectionKind::kCancel);
  world.amend(alone, CorrectionKind::kCorrect, 41);
  world.amend(whole, CorrectionKind::kCancel);
  world.commit();
  const auto show = [&](const BarSpec& spec, Timestamp ts_open) {
    const Bar& bar = world.last(series, spec, ts_open);
    return fmt::format("{} t{} u{} r{}", simple(bar).close, bar.trades, bar.unapplied,
                       bar.revision);
  };
  EXPECT_EQ(show(kSecond, kOpen + seconds(2)), "30 t2 u1 r2");
  EXPECT_EQ(show(kSecond, kOpen + seconds(3)), "41 t1 u0 r2");
  EXPECT_EQ(show(kMinute, kOpen), "40 t4 u2 r2");
  EXPECT_EQ(show(kMinute, kOpen + minutes(1)), "0 t0 u0 r2");
  // What could be applied to its minutes is in it.
  EXPECT_EQ(show(kHour, floor_to(kOpen, hours(1))), "40 t4 u2 r0");
  const std::uint64_t before = world.builder().unapplied();
  EXPECT_GE(before, 4u);

  // Nobody can say which bar it is in.
  world.amend(gone, CorrectionKind::kCancel);
  world.commit();
  EXPECT_EQ(world.builder().unapplied(), before + 1);
  EXPECT_EQ(show(kMinute, kOpen), "40 t4 u2 r2");

  // What comes late is added to the bar as it stands.
  world.restart();
  world.trade(series, kOpen + seconds(2), 60);
  world.commit();
  EXPECT_EQ(show(kSecond, kOpen + seconds(2)), "60 t3 u1 r3");
  EXPECT_EQ(show(kMinute, kOpen), "40 t5 u2 r3");
}

}  // namespace
}  // namespace tapedeck::windows
