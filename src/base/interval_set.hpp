// src/base/interval_set.hpp: a set of numbers kept as runs of neighbours: 16 bytes a run, however
// long it is. Appending at the end is O(1); anywhere else a binary search and a short move.
// Thread: one at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace tapedeck {

class IntervalSet {
 public:
  struct Interval {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  // inclusive
    bool operator==(const Interval&) const = default;
  };

  // True: `value` was not in the set.
  bool insert(std::uint64_t value) {
    const std::optional<Place> left = at_or_before(value);
    if (left && value <= get(*left).last) return false;
    const std::optional<Place> right = left ? after(*left) : front();
    const bool joins_left = left && get(*left).last + 1 == value;
    const bool joins_right = right && value + 1 == get(*right).first;
    ++count_;
    if (joins_left && joins_right) {
      get(*left).last = get(*right).last;
      erase(*right);
    } else if (joins_left) {
      get(*left).last = value;
    } else if (joins_right) {
      get(*right).first = value;
    } else {
      insert_after(left, {value, value});
    }
    return true;
  }

  bool contains(std::uint64_t value) const {
    const std::optional<Place> left = at_or_before(value);
    return left && value <= blocks_[left->block][left->index].last;
  }

  std::uint64_t count() const { return count_; }

  // Ascending; no two touch.
  std::vector<Interval> intervals() const {
    std::vector<Interval> all;
    for (const Block& block : blocks_) all.insert(all.end(), block.begin(), block.end());
    return all;
  }

 private:
  // Two levels, so that an insertion in the middle moves a block and not the whole set.
  static constexpr std::size_t kBlockIntervalsMax = 512;
  using Block = std::vector<Interval>;  // never empty
  struct Place {
    std::size_t block = 0;
    std::size_t index = 0;
  };

  Interval& get(Place place) { return blocks_[place.block][place.index]; }

  // The last interval that begins at `value` or before it.
  std::optional<Place> at_or_before(std::uint64_t value) const {
    if (blocks_.empty() || value < blocks_.front().front().first) return std::nullopt;
    if (value >= blocks_.back().back().first) {
      return Place{blocks_.size() - 1, blocks_.back().size() - 1};
    }
    const auto block = std::ranges::upper_bound(blocks_, value, {},
                                                [](const Block& b) { return b.front().first; });
    const auto b = static_cast<std::size_t>(block - blocks_.begin()) - 1;
    const auto interval = std::ranges::upper_bound(blocks_[b], value, {}, &Interval::first);
    return Place{b, static_cast<std::size_t>(interval - blocks_[b].begin()) - 1};
  }

  std::optional<Place> front() const {
    return blocks_.empty() ? std::nullopt : std::optional(Place{});
  }

  std::optional<Place> after(Place place) const {
    if (place.index + 1 < blocks_[place.block].size()) return Place{place.block, place.index + 1};
    if (place.block + 1 < blocks_.size()) return Place{place.block + 1, 0};
    return std::nullopt;
  }

  void insert_after(std::optional<Place> left, Interval interval) {
    const bool at_end = left ? !after(*left) : blocks_.empty();
    if (at_end && (blocks_.empty() || blocks_.back().size() == kBlockIntervalsMax)) {
      blocks_.push_back({interval});
      return;
    }
    const std::size_t b = left ? left->block : 0;
    const std::size_t i = left ? left->index + 1 : 0;
    blocks_[b].insert(at(blocks_[b], i), interval);
    if (blocks_[b].size() > kBlockIntervalsMax) {
      Block upper(at(blocks_[b], kBlockIntervalsMax / 2), blocks_[b].end());
      blocks_[b].resize(kBlockIntervalsMax / 2);
      blocks_.insert(at(blocks_, b + 1), std::move(upper));
    }
  }

  void erase(Place place) {
    Block& block = blocks_[place.block];
    block.erase(at(block, place.index));
    if (block.empty()) blocks_.erase(at(blocks_, place.block));
  }

  template <class V>
  static typename V::iterator at(V& v, std::size_t index) {
    return v.begin() + static_cast<std::ptrdiff_t>(index);
  }

  std::vector<Block> blocks_;
  std::uint64_t count_ = 0;
};

}  // namespace tapedeck
