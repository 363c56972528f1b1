#include "feeds/simulator/simulator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.hpp"
#include "market/calendar.hpp"

namespace tapedeck::feeds::simulator {
namespace {

constexpr std::int64_t kOne = 65'536;  // rates are in 1/65536 of a cluster of trades a second

struct Symbol {
  std::string_view name;
  std::int64_t price_cents;  // at the start
  std::int64_t rate;         // clusters a second in the middle of the day, x kOne
};
constexpr std::array<Symbol, 3> kSymbols{
    {{"SIMA", 41'237, 2 * kOne}, {"SIMB", 8'914, kOne / 2}, {"SIMC", 1'662, kOne / 4}}};

// How busy the market is so many seconds after the open, in percent of the middle of the day: a U.
std::int64_t percent_at(std::int64_t since_open_s, std::int64_t until_close_s) {
  const auto edge = [](std::int64_t distance_s, std::int64_t height) {
    constexpr std::int64_t kWidthSeconds = 3600;
    const std::int64_t left = std::max<std::int64_t>(kWidthSeconds - distance_s, 0);
    return height * left * left / (kWidthSeconds * kWidthSeconds);
  };
  return 100 + edge(since_open_s, 400) + edge(until_close_s, 500);
}

class Simulator final : public Source {
 public:
  Simulator(const SimulatorOptions& options, const market::TradingDay& day,
            market::Catalog& catalog)
      : rng_(options.seed), day_(day), second_(day.pre_open) {
    for (const Symbol& symbol : kSymbols) {
      walks_.push_back({.series = catalog.intern(
                            market::Series{.key = {"simulator", "trade", std::string(symbol.name)},
                                           .order = market::TradeOrder::kIdentity,
                                           .calendar = "us_equity",
                                           .conditions = {}}),
                        .price_cents = symbol.price_cents,
                        .anchor_cents = symbol.price_cents});
    }
    while (pending_.empty() && second_ < day_.post_close) simulate_second();
    origin_ = catalog.intern(market::Origin{
        .kind = market::OriginKind::kSession,
        .key = fmt::format("simulator-{}-{:04}-{:02}-{:02}", options.seed, int(options.date.year()),
                           unsigned(options.date.month()), unsigned(options.date.day())),
        .first = pending_.empty() ? day.pre_open : pending_.front().ts_recv});
  }

  Result<bool> pull(EventSink& sink, std::size_t events_max) override {
    if (ended_) return false;
    for (std::size_t given = 0; given < events_max;) {
      if (next_ == pending_.size()) {
        if (second_ >= day_.post_close) {
          ended_ = true;
          sink.mark({"simulator", market::FeedState::kEnded, ts_recv_});
          return false;
        }
        simulate_second();
        continue;
      }
      market::Trade& trade = pending_[next_++];
      trade.identity = {.origin = origin_, .seq = index_++};
      sink.trade(trade);
      ++given;
    }
    return true;
  }

 private:
  struct Walk {
    SeriesId series;
    std::int64_t price_cents;
    std::int64_t anchor_cents;    // where it is drawn back to; wanders too
    std::int64_t busy_until = 0;  // ns: a burst of interest lasts until then
  };

  void simulate_second() {
    pending_.clear();
    next_ = 0;
    for (std::size_t i = 0; i < walks_.size(); ++i) simulate_symbol(kSymbols[i], walks_[i]);
    std::ranges::sort(pending_, {}, [](const market::Trade& trade) {
      return std::pair(trade.ts_event, trade.identity.seq);
    });
    for (market::Trade& trade : pending_) {
      // A quarter to three milliseconds on the way; what left earlier arrives earlier.
      const auto on_the_way = microseconds(250 + static_cast<std::int64_t>(rng_.below(2750)));
      ts_recv_ = std::max(ts_recv_, trade.ts_event + on_the_way);
      trade.ts_recv = ts_recv_;
    }
    second_ = second_ + seconds(1);
  }

  void simulate_symbol(const Symbol& symbol, Walk& walk) {
    const bool regular = day_.open <= second_ && second_ < day_.close;
    std::int64_t percent = 3;  // before and after
    if (regular) {
      percent = percent_at((second_ - day_.open).ns / 1'000'000'000,
                           (day_.close - second_).ns / 1'000'000'000);
    }
    if (second_.ns < walk.busy_until) percent *= 4;
    if (rng_.below(900) == 0) {
      walk.busy_until = second_.ns + seconds(5 + static_cast<std::int64_t>(rng_.below(40))).ns;
    }
    if (rng_.below(20) == 0) walk.anchor_cents += walk_step(symbol.price_cents / 4000 + 1);

    // The auctions are one large print each.
    if (second_ == day_.open || second_ == day_.close) {
      print(walk, second_ + milliseconds(static_cast<std::int64_t>(rng_.below(900))),
            20'000 + 100 * static_cast<std::int64_t>(rng_.below(4000)));
    }
    const std::int64_t rate = symbol.rate * percent / 100;
    std::int64_t clusters = rate / kOne;
    if (clusters > 0)
      clusters = static_cast<std::int64_t>(rng_.below(2 * std::uint64_t(clusters) + 1));
    if (static_cast<std::int64_t>(rng_.below(kOne)) < rate % kOne) ++clusters;
    for (std::int64_t i = 0; i < clusters; ++i) cluster(walk);
  }

  // One order that takes several: trades of one instant, at one price or through a few.
  void cluster(Walk& walk) {
    const Timestamp instant = second_ + milliseconds(static_cast<std::int64_t>(rng_.below(1000)));
    const std::int64_t pull = walk.anchor_cents - walk.price_cents;
    std::int64_t step = walk_step(2);
    if (rng_.below(4) == 0) step += pull > 0 ? 1 : (pull < 0 ? -1 : 0);
    walk.price_cents = std::max<std::int64_t>(walk.price_cents + step, 1);
    do {
      print(walk, instant, size());
      if (step != 0 && rng_.below(6) == 0) {
        walk.price_cents = std::max<std::int64_t>(walk.price_cents + (step > 0 ? 1 : -1), 1);
      }
    } while (rng_.below(100) < 38);
  }

  std::int64_t walk_step(std::int64_t reach) {
    const auto width = static_cast<std::uint64_t>(2 * reach - 1);
    return static_cast<std::int64_t>(rng_.below(width)) - (reach - 1);
  }

  // Round lots mostly, odd ones and a few large ones.
  std::int64_t size() {
    const std::uint64_t kind = rng_.below(100);
    if (kind < 25) return 1 + static_cast<std::int64_t>(rng_.below(99));
    if (kind < 85) return 100;
    if (kind < 98) return 100 * (2 + static_cast<std::int64_t>(rng_.below(9)));
    return 100 * (20 + static_cast<std::int64_t>(rng_.below(180)));
  }

  void print(const Walk& walk, Timestamp instant, std::int64_t shares) {
    pending_.push_back({.series = walk.series,
                        .side = rng_.below(2) == 0 ? market::Side::kBuy : market::Side::kSell,
                        .conditions = 0,
                        .ts_event = instant,
                        .ts_recv = {},
                        .price = market::Decimal::make(walk.price_cents, 2),
                        .size = market::Decimal::make(shares, 0),
                        .identity = {.origin = origin_, .seq = pending_.size()},  // of this second
                        .venue_sequence = 0});
  }

  Rng rng_;
  market::TradingDay day_;
  Timestamp second_;  // the next one to simulate
  std::vector<Walk> walks_;
  std::vector<market::Trade> pending_;  // of one second
  std::size_t next_ = 0;
  std::uint64_t index_ = 0;
  OriginId origin_;
  Timestamp ts_recv_{};
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<Source>> open_simulator(const SimulatorOptions& options,
                                               market::Catalog& catalog) {
  TD_ASSIGN(const market::Calendar* calendar, market::find_calendar("us_equity"));
  if (!options.date.ok()) {
    return fail(ErrorCode::kInvalidArgument, "the simulator needs a date of the calendar");
  }
  const market::TradingDay day = calendar->day_of(options.date);
  if (day.open == day.close) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{:04}-{:02}-{:02} is no trading day of US equities: take another",
                            int(options.date.year()), unsigned(options.date.month()),
                            unsigned(options.date.day())));
  }
  return std::make_unique<Simulator>(options, day, catalog);
}

}  // namespace tapedeck::feeds::simulator
