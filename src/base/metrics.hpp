// src/base/metrics.hpp: counters and gauges by name and labels. Passed in, never global.
// Names: base units, counters end in `_total`. Thread: any; adding is one atomic operation.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

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

class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  // The same name and labels give the same object, which lives as long as this one.
  Counter& counter(const std::string& name, const std::string& help, Labels labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, Labels labels = {});

  // OpenMetrics 1.0 text, ending in "# EOF".
  std::string open_metrics() const;

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
  std::map<std::string, Family<Gauge>> gauge_families_;
};

}  // namespace tapedeck
