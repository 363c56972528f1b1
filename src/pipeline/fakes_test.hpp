// src/pipeline/fakes_test.hpp: a source that gives what it was told to, and a store in memory.
#pragma once

#include <map>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "base/rng.hpp"
#include "feeds/feed.hpp"
#include "market/trade.hpp"
#include "store/store.hpp"

namespace tapedeck::pipeline {

inline constexpr Timestamp kFakeOpen{1'381'152'600'000'000'000};  // 2013-10-07 09:30 New York

class FakeSource final : public feeds::Source {
 public:
  explicit FakeSource(std::vector<market::Trade> trades) : trades_(std::move(trades)) {}
  Result<bool> pull(feeds::EventSink& sink, std::size_t events_max) override {
    for (std::size_t i = 0; i < events_max; ++i) {
      if (next_ == trades_.size()) {
        if (!std::exchange(ended_, true)) {
          sink.mark({.feed = "fake", .state = market::FeedState::kEnded, .ts_recv = kFakeOpen});
        }
        return false;
      }
      sink.trade(trades_[next_++]);
    }
    return true;
  }

 private:
  std::vector<market::Trade> trades_;
  std::size_t next_ = 0;
  bool ended_ = false;
};

class FakeStore final : public store::Store {
 public:
  // Holds what `other` does, without its last `lost` writes.
  void take_over(const FakeStore& other, std::size_t lost = 0) {
    for (std::size_t i = 0; i + lost < other.log_.size(); ++i) {
      TD_CHECK(write(other.log_[i].bars, {}, other.log_[i].checkpoint));
    }
  }

  Status write(std::span<const store::BarResult> bars, std::span<const store::MeanRow>,
               const store::Checkpoint& checkpoint) override {
    std::lock_guard lock(mutex_);
    log_.push_back({{bars.begin(), bars.end()}, checkpoint});
    for (const store::BarResult& bar : bars) {
      bars_.insert_or_assign({bar.row.series, bar.row.spec, bar.row.bar.ts_open}, bar);
    }
    checkpoint_.applied = checkpoint.applied;
    for (const auto& [key, value] : checkpoint.changed) {
      std::erase_if(checkpoint_.changed, [&](const auto& entry) { return entry.first == key; });
      if (!value.empty()) checkpoint_.changed.emplace_back(key, value);
    }
    ++writes_;
    return {};
  }
  Status sync() override { return {}; }
  Result<store::Checkpoint> checkpoint(PartitionId) const override {
    std::lock_guard lock(mutex_);
    return checkpoint_;
  }
  Result<std::optional<store::BarResult>> find(const market::SeriesKey& series,
                                               const market::BarSpec& spec,
                                               Timestamp ts_open) const override {
    std::lock_guard lock(mutex_);
    const auto found = bars_.find({series, spec, ts_open});
    if (found == bars_.end()) return std::nullopt;
    return found->second;
  }
  Result<std::vector<market::Bar>> revisions(const market::SeriesKey&, const market::BarSpec&,
                                             Timestamp) const override {
    return std::vector<market::Bar>();
  }
  Result<std::vector<store::MeanRow>> means(const market::SeriesKey&, market::ConditionMode,
                                            std::optional<Timestamp>, std::optional<Timestamp>,
                                            std::size_t) const override {
    return std::vector<store::MeanRow>();
  }
  Result<std::vector<market::Bar>> bars(const store::BarQuery& query) const override {
    std::lock_guard lock(mutex_);
    std::vector<market::Bar> found;
    for (const auto& [key, bar] : bars_) {
      const market::BarRow& row = bar.row;
      if (row.series != query.series || row.spec != query.spec) continue;
      if (query.start && row.bar.ts_open < *query.start) continue;
      if (query.end && row.bar.ts_open >= *query.end) continue;
      found.push_back(row.bar);
    }
    if (found.size() > query.limit) {
      found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(query.limit));
    }
    return found;
  }
  Status clear() override {
    std::lock_guard lock(mutex_);
    bars_.clear();
    checkpoint_ = {};
    return {};
  }

  std::string digest() const {
    std::lock_guard lock(mutex_);
    market::BarDigest digest;
    for (const auto& [key, bar] : bars_) digest.add(bar.row);
    return digest.finish_hex();
  }
  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return bars_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::tuple<market::SeriesKey, market::BarSpec, Timestamp>, store::BarResult> bars_;
  store::Checkpoint checkpoint_;
  struct Write {
    std::vector<store::BarResult> bars;
    store::Checkpoint checkpoint;
  };
  std::vector<Write> log_;
  std::uint64_t writes_ = 0;
};

// Trades of four series over twenty minutes: out of order, with ties and with repeats.
inline std::vector<market::Trade> fake_trades(market::Catalog& catalog, std::size_t count) {
  Rng rng(11);
  const OriginId file = catalog.intern(market::Origin{
      .kind = market::OriginKind::kFile, .key = "f", .first = kFakeOpen, .recv_assumed = true});
  std::vector<market::Trade> trades;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t which = rng.below(4);
    market::Trade trade;
    trade.series =
        catalog.intern(market::Series{.key = {"fake", "trade", "S" + std::to_string(which)}});
    trade.ts_event =
        kFakeOpen +
        milliseconds(static_cast<std::int64_t>(i * 1'200'000 / count + rng.below(20'000)));
    trade.ts_recv = trade.ts_event;
    trade.price = market::Decimal::make(static_cast<std::int64_t>(1 + rng.below(10'000)), 2);
    trade.size = market::Decimal::make(static_cast<std::int64_t>(1 + rng.below(100)), 0);
    trade.identity = {file, i, 0};
    trades.push_back(trade);
    if (rng.below(20) == 0) trades.push_back(trades[rng.below(trades.size())]);
  }
  return trades;
}

}  // namespace tapedeck::pipeline
