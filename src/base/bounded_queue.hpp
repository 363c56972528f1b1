// src/base/bounded_queue.hpp: a queue with a limit, between two stages of the pipeline. A full
// queue takes nothing, so its producer stops until there is room: that is the backpressure. Thread:
// any number of producers and consumers.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace tapedeck {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t items_max) : items_max_(items_max) {}

  // False, and `item` untouched, if the queue is full or closed.
  bool try_push(T& item) {
    std::lock_guard lock(mutex_);
    if (closed_ || items_.size() >= items_max_) return false;
    items_.push_back(std::move(item));
    return true;
  }

  std::optional<T> try_pop() {
    std::lock_guard lock(mutex_);
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
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
  mutable std::mutex mutex_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace tapedeck
