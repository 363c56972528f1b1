// src/base/metrics.hpp: counters, gauges and histograms by name and labels. Passed in, never
// global. Names: base units, counters end in `_total`. Thread: any; adding is one atomic operation.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace tapedeck {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t v) { value_.store(v, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// How long things take, from a microsecond to a minute and a half. One more bucket is for all
// above.
class Histogram {
 public:
  static constexpr std::size_t kBuckets = 27;
  static constexpr Duration bound(std::size_t bucket) {  // of what is counted in it, inclusive
    return microseconds(std::int64_t{1} << bucket);
  }

  void observe(Duration took) {
    std::size_t bucket = 0;
    while (bucket < kBuckets && took > bound(bucket)) ++bucket;
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(took.ns > 0 ? static_cast<std::uint64_t>(took.ns) : 0,
                      std::memory_order_relaxed);
  }
  std::uint64_t count(std::size_t bucket) const {
    return counts_[bucket].load(std::memory_order_relaxed);
  }
  std::uint64_t sum_ns() const { return sum_ns_.load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets + 1> counts_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  // The same name and labels give the same object, which lives as long as this one.
  Counter& counter(const std::string& name, const std::string& help, Labels labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, Labels labels = {});

  // Its name ends in `_seconds`.
  Histogram& histogram(const std::string& name, const std::string& help, Labels labels = {});

  // OpenMetrics 1.0 text, ending in "# EOF". `more`: whole families besides.
  std::string open_metrics(const std::string& more = {}) const;
  // "{stage=\"bar\"}"; nothing for none.
  static std::string text_of(const Labels& labels);

 private:
  template <class T>
  struct Family {
    std::string help;
    std::map<Labels, T*> members;
  };
  mutable std::mutex mutex_;
  std::deque<Counter> counters_;  // a deque: its members never move
  std::deque<Gauge> gauges_;
  std::map<std::string, Family<Counter>> counter_families_;
  std::deque<Histogram> histograms_;
  std::map<std::string, Family<Gauge>> gauge_families_;
  std::map<std::string, Family<Histogram>> histogram_families_;
};

}  // namespace tapedeck
