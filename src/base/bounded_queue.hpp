// src/base/bounded_queue.hpp: a queue with a limit, between two stages of the pipeline. A full
// queue takes nothing, so its producer stops until there is room: that is the backpressure. Thread:
// any number of producers and consumers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

namespace tapedeck {

template <class T>
class BoundedQueue {
 public:
  // `weight_max`: where items differ in size, what they may weigh together; an item that is heavier
  // than that goes through alone.
  explicit BoundedQueue(std::size_t items_max,
                        std::size_t weight_max = std::numeric_limits<std::size_t>::max())
      : items_max_(items_max), weight_max_(weight_max) {}

  // False, and `item` untouched, if the queue is full or closed.
  bool try_push(T& item, std::size_t weight = 1) {
    std::lock_guard lock(mutex_);
    if (closed_ || items_.size() >= items_max_) return false;
    if (!items_.empty() && weight_ + weight > weight_max_) return false;
    items_.emplace_back(std::move(item), weight);
    weight_ += weight;
    ++pushed_;
    return true;
  }

  std::optional<T> try_pop() {
    std::lock_guard lock(mutex_);
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front().first));
    weight_ -= items_.front().second;
    items_.pop_front();
    return item;
  }

  // No more items come; what is inside can still be taken.
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }

  bool drained() const {
    std::lock_guard lock(mutex_);
    return closed_ && items_.empty();
  }
  // How many items it has taken so far, those that are out again included.
  std::uint64_t pushed() const {
    std::lock_guard lock(mutex_);
    return pushed_;
  }
  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }
  bool full() const {
    std::lock_guard lock(mutex_);
    return items_.size() >= items_max_;
  }
  std::size_t items_max() const { return items_max_; }

 private:
  const std::size_t items_max_;
  const std::size_t weight_max_;
  mutable std::mutex mutex_;
  std::deque<std::pair<T, std::size_t>> items_;  // with their weights
  std::size_t weight_ = 0;
  std::uint64_t pushed_ = 0;
  bool closed_ = false;
};

}  // namespace tapedeck
