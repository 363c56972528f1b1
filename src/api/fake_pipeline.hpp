// src/api/fake_pipeline.hpp: a History, Live and Play of one series, played by hand: for tests.
// Thread: any.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

#include "pipeline/history.hpp"
#include "pipeline/live.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::api {

inline market::Decimal decimal(std::string_view text) {
  return market::parse_decimal(text).value();
}

inline market::DecimalSum sum(std::string_view text) {
  return market::parse_decimal_sum(text).value();
}

// A bar of one trade of size 1, the last of which has offset `offset` - 1.
inline market::Bar bar(std::int64_t minute, std::string_view price, std::uint64_t offset) {
  return {.ts_open = Timestamp{} + minutes(minute),
          .open = decimal(price),
          .high = decimal(price),
          .low = decimal(price),
          .close = decimal(price),
          .volume = sum("1"),
          .notional = sum(price),
          .trades = 1,
          .excluded = 0,
          .is_final = false,
          .revision = 0,
          .offset = Offset(offset)};
}

class FakePipeline final : public pipeline::History, public pipeline::Live, public pipeline::Play {
 public:
  const market::SeriesKey key{"lean", "trade", "SPY"};
  std::vector<market::BarSpec> specs{market::BarSpec{}};
  pipeline::Quality known_quality;
  Timestamp market_time{};
  Result<store::Table> table = store::Table{};
  Offset bars_gone;  // as LiveTable::Bars::gone

  // Puts a bar in, in place of one with its ts_open, and moves the offset up to the bar's.
  void put(const market::Bar& changed) {
    {
      std::lock_guard lock(mutex_);
      std::erase_if(page_.bars, [&](const auto& b) { return b.ts_open == changed.ts_open; });
      page_.bars.push_back(changed);
      page_.offset = changed.offset;
    }
    notify();
  }
  void advance(std::uint64_t offset) {  // trades of other series
    {
      std::lock_guard lock(mutex_);
      page_.offset = Offset(offset);
    }
    notify();
  }
  // At offset `offset`, so that it ends after it.
  void put_trade(std::string_view price, Timestamp ts_event, std::uint64_t offset) {
    {
      std::lock_guard lock(mutex_);
      pipeline::TradeRow row;
      row.trade.price = decimal(price);
      row.trade.size = decimal("100");
      row.trade.ts_event = row.trade.ts_recv = ts_event;
      row.offset = Offset(offset);
      trades_.push_back(row);
      page_.offset = Offset(offset + 1);
    }
    notify();
  }
  void fail_bars(std::optional<Error> why) {
    {
      std::lock_guard lock(mutex_);
      bars_error_ = std::move(why);
    }
    notify();
  }
  void set_state(pipeline::PlayState state) {
    std::lock_guard lock(mutex_);
    state_ = state;
  }
  void refuse_restart(bool refuse) { refuses_restart_ = refuse; }
  std::optional<store::BarQuery> last_query() const {
    std::lock_guard lock(mutex_);
    return last_query_;
  }
  pipeline::TradeQuery last_trade_query() const {
    std::lock_guard lock(mutex_);
    return last_trade_query_;
  }
  std::string last_sql() const {
    std::lock_guard lock(mutex_);
    return last_sql_;
  }
  std::size_t subscribers() const { return on_change_ ? 1 : 0; }

  std::vector<market::Series> instruments() const override {
    return {market::Series{.key = key, .calendar = "us_equity", .conditions = "lean"}};
  }

  std::string listing(const market::SeriesKey&) const override { return known_listing; }

  std::vector<market::BarSpec> bar_series() const override { return specs; }

  Result<pipeline::BarPage> bars(const store::BarQuery& query,
                                 std::span<const std::string> indicators) const override {
    std::lock_guard lock(mutex_);
    last_query_ = query;
    TD_ASSIGN(pipeline::BarPage page, page_since(query.series, Offset(0)));
    std::erase_if(page.bars, [&](const market::Bar& b) {
      return (query.start && b.ts_open < *query.start) || (query.end && b.ts_open >= *query.end);
    });
    add_indicators(page, indicators);
    return page;
  }

  Result<std::vector<pipeline::EmptyTime>> empty_times(const store::BarQuery&) const override {
    return known_empty;
  }
  Result<pipeline::TradePage> trades(const pipeline::TradeQuery& query) const override {
    std::lock_guard lock(mutex_);
    last_trade_query_ = query;
    return trades_of(query.series, Offset(0));
  }
  Result<pipeline::TradePage> trades_since(const market::SeriesKey& series,
                                           Offset since) const override {
    std::lock_guard lock(mutex_);
    return trades_of(series, since);
  }
  LastPage last_since(Offset since) const override {
    std::lock_guard lock(mutex_);
    LastPage page{.run = page_.run, .offset = page_.offset};
    for (const pipeline::TradeRow& row : trades_) {
      if (row.offset < since) continue;
      page.trades.assign(
          1, {key, row.trade.price, row.trade.size, row.trade.ts_event, row.offset + 1});
    }
    return page;
  }
  pipeline::Quality quality() const override { return known_quality; }
  Result<pipeline::TapeQuality> tape_quality() const override { return known_tape_quality; }
  Result<std::optional<quality::Missing>> missing(const market::SeriesKey&, Timestamp start,
                                                  Timestamp end) const override {
    last_missing_range = {start, end};
    return known_missing;
  }
  std::string known_listing{};
  std::optional<quality::Missing> known_missing{};
  mutable std::pair<Timestamp, Timestamp> last_missing_range{};
  pipeline::TapeQuality known_tape_quality;
  std::vector<pipeline::EmptyTime> known_empty;
  Result<store::Table> select(const std::string& sql, std::size_t rows_max) const override {
    std::lock_guard lock(mutex_);
    last_sql_ = sql;
    if (!table) return std::unexpected(table.error());
    store::Table limited = *table;
    limited.limited = limited.rows.size() > rows_max;
    if (limited.limited) limited.rows.resize(rows_max);
    return limited;
  }

  Result<pipeline::BarPage> bars_since(const market::SeriesKey& series, const market::BarSpec&,
                                       Offset since,
                                       std::span<const std::string> indicators) const override {
    std::lock_guard lock(mutex_);
    TD_ASSIGN(pipeline::BarPage page, page_since(series, since));
    page.limited = since.value < bars_gone.value;
    add_indicators(page, indicators);
    return page;
  }

  std::unique_ptr<Subscription> subscribe(std::function<void()> on_change) override {
    std::lock_guard lock(subscription_mutex_);
    on_change_ = std::move(on_change);
    struct Ending final : Subscription {
      explicit Ending(FakePipeline& fake_in) : fake(fake_in) {}
      ~Ending() override {
        std::lock_guard lock(fake.subscription_mutex_);
        fake.on_change_ = {};
      }
      FakePipeline& fake;
    };
    return std::make_unique<Ending>(*this);
  }

  pipeline::PlayStatus status() const override {
    std::lock_guard lock(mutex_);
    pipeline::PlayStatus status;
    status.mode = "demo";
    status.state = state_;
    status.run = page_.run;
    status.durable_offset = page_.offset;
    status.zone = "America/New_York";
    status.market_time = market_time;
    status.speed = speed_;
    status.paused = paused_;
    return status;
  }

  Status set_speed(double speed) override {
    if (speed <= 0) return fail(ErrorCode::kInvalidArgument, "a speed is above 0");
    speed_ = speed;
    return {};
  }
  Status pause(bool paused) override {
    paused_ = paused;
    return {};
  }
  std::optional<Timestamp> restarted_from() const { return restarted_from_; }

  Result<std::uint64_t> restart(std::optional<Timestamp> from = {}) override {
    restarted_from_ = from;
    if (refuses_restart_) return fail(ErrorCode::kBusy, "a restart is under way: wait for it");
    std::uint64_t run = 0;
    {
      std::lock_guard lock(mutex_);
      run = ++page_.run;
      page_.offset = Offset(0);
      page_.bars.clear();
      trades_.clear();
    }
    notify();
    return run;
  }

 private:
  static void add_indicators(pipeline::BarPage& page, std::span<const std::string> indicators) {
    for (const std::string& name : indicators) {
      page.indicators.push_back({name, {page.bars.size(), "1.5"}});
      if (!page.bars.empty()) page.indicators.back().values.front().reset();
    }
    if (!indicators.empty()) page.indicator_anchor = Timestamp{7};
  }

  Result<pipeline::BarPage> page_since(const market::SeriesKey& series, Offset since) const {
    if (bars_error_) return std::unexpected(*bars_error_);
    if (series != key) {
      return fail(ErrorCode::kNotFound,
                  "there is no series " + to_string(series) + ": there is lean/trade/SPY");
    }
    pipeline::BarPage page{.run = page_.run, .offset = page_.offset, .bars = {}};
    for (const market::Bar& b : page_.bars) {
      if (b.offset > since) page.bars.push_back(b);
    }
    return page;
  }

  Result<pipeline::TradePage> trades_of(const market::SeriesKey& series, Offset since) const {
    if (series != key) {
      return fail(ErrorCode::kNotFound,
                  "there is no series " + to_string(series) + ": there is lean/trade/SPY");
    }
    pipeline::TradePage page{.run = page_.run, .offset = page_.offset, .trades = {}};
    for (const pipeline::TradeRow& row : trades_) {
      if (row.offset >= since) page.trades.push_back(row);
    }
    return page;
  }

  void notify() {
    std::lock_guard lock(subscription_mutex_);
    if (on_change_) on_change_();
  }

  mutable std::mutex mutex_;
  pipeline::BarPage page_{.run = 1, .offset = Offset(0), .bars = {}};
  std::optional<Error> bars_error_;
  pipeline::PlayState state_ = pipeline::PlayState::kPlaying;
  mutable std::optional<store::BarQuery> last_query_;
  mutable pipeline::TradeQuery last_trade_query_;
  mutable std::string last_sql_;
  std::vector<pipeline::TradeRow> trades_;  // ascending by offset
  std::atomic<bool> refuses_restart_ = false;
  std::atomic<double> speed_ = 1;
  std::atomic<bool> paused_ = false;
  std::optional<Timestamp> restarted_from_{};
  std::mutex subscription_mutex_;
  std::function<void()> on_change_;
};

}  // namespace tapedeck::api
