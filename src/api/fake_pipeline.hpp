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
  std::size_t subscribers() const { return on_change_ ? 1 : 0; }

  std::vector<market::Series> instruments() const override {
    return {market::Series{.key = key, .calendar = "us_equity", .conditions = "lean"}};
  }

  Result<pipeline::BarPage> bars(const store::BarQuery& query) const override {
    std::lock_guard lock(mutex_);
    last_query_ = query;
    return page_since(query.series, Offset(0));
  }

  Result<pipeline::BarPage> bars_since(const market::SeriesKey& series, const market::BarSpec&,
                                       Offset since) const override {
    std::lock_guard lock(mutex_);
    return page_since(series, since);
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
    return status;
  }

  Result<std::uint64_t> restart() override {
    if (refuses_restart_) return fail(ErrorCode::kBusy, "a restart is under way: wait for it");
    std::uint64_t run = 0;
    {
      std::lock_guard lock(mutex_);
      run = ++page_.run;
      page_.offset = Offset(0);
      page_.bars.clear();
    }
    notify();
    return run;
  }

 private:
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

  void notify() {
    std::lock_guard lock(subscription_mutex_);
    if (on_change_) on_change_();
  }

  mutable std::mutex mutex_;
  pipeline::BarPage page_{.run = 1, .offset = Offset(0), .bars = {}};
  std::optional<Error> bars_error_;
  pipeline::PlayState state_ = pipeline::PlayState::kPlaying;
  mutable std::optional<store::BarQuery> last_query_;
  std::atomic<bool> refuses_restart_ = false;
  std::mutex subscription_mutex_;
  std::function<void()> on_change_;
};

}  // namespace tapedeck::api
