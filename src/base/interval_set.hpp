// src/base/interval_set.hpp: a set of numbers kept as runs of neighbours: 16 bytes a run, however
// long it is. Appending at the end is O(1), a number or a run; anywhere else a binary search and a
// short move.
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
  bool insert(std::uint64_t value) { return insert(value, value) == 1; }

  // From `first` to `last`, not below it. Returns how many of them were not in the set.
  std::uint64_t insert(std::uint64_t first, std::uint64_t last) {
    if (!blocks_.empty() && first - 1 == blocks_.back().back().last && first != 0) {
      blocks_.back().back().last = last;  // the usual case
      count_ += last - first + 1;
      return last - first + 1;
    }
    const std::optional<Place> left = at_or_before(first);
    if (left && last <= get(*left).last) return 0;
    const bool joins_left = left && (first <= get(*left).last || first - 1 == get(*left).last);
    const std::optional<Place> begin = joins_left ? left : left ? after(*left) : front();
    std::optional<Place> end = begin;
    Interval run{first, last};
    std::uint64_t known = 0;
    for (; end && (get(*end).first <= last || get(*end).first - 1 == last); end = after(*end)) {
      const Interval& met = get(*end);
      run = {std::min(run.first, met.first), std::max(run.last, met.last)};
      known += met.last - met.first + 1;
    }
    if (begin == end) {
      insert_after(left, run);
    } else {
      replace(*begin, end, run);
    }
    const std::uint64_t added = run.last - run.first + 1 - known;
    count_ += added;
    return added;
  }

  bool contains(std::uint64_t value) const {
    const std::optional<Place> left = at_or_before(value);
    return left && value <= blocks_[left->block][left->index].last;
  }

  // What is not in the set between the run that holds `value` and the one before it; nothing: there
  // is none before it, or `value` is not in the set.
  std::optional<Interval> hole_before(std::uint64_t value) const {
    const std::optional<Place> run = at_or_before(value);
    if (!run || value > get(*run).last) return std::nullopt;
    const std::uint64_t first = get(*run).first;
    if (first == 0) return std::nullopt;
    const std::optional<Place> before = at_or_before(first - 1);
    if (!before) return std::nullopt;
    return Interval{get(*before).last + 1, first - 1};
  }

  std::uint64_t count() const { return count_; }

  // Calls visit(interval) for each, ascending; no two touch.
  template <class F>
  void for_each(F&& visit) const {
    for (const Block& block : blocks_) std::ranges::for_each(block, visit);
  }
  std::vector<Interval> intervals() const {
    std::vector<Interval> all;
    for_each([&](const Interval& interval) { all.push_back(interval); });
    return all;
  }

 private:
  // Two levels, so that an insertion in the middle moves a block and not the whole set.
  static constexpr std::size_t kBlockIntervalsMax = 512;
  using Block = std::vector<Interval>;  // never empty
  struct Place {
    std::size_t block = 0;
    std::size_t index = 0;
    bool operator==(const Place&) const = default;
  };

  Interval& get(Place place) { return blocks_[place.block][place.index]; }
  const Interval& get(Place place) const { return blocks_[place.block][place.index]; }

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

  // Puts `interval` in place of those from `begin` to before `end` (nothing: to the last).
  void replace(Place begin, std::optional<Place> end, Interval interval) {
    get(begin) = interval;
    Block& block = blocks_[begin.block];
    if (end && end->block == begin.block) {
      block.erase(at(block, begin.index + 1), at(block, end->index));
      return;
    }
    block.resize(begin.index + 1);
    if (end) {
      Block& rest = blocks_[end->block];
      rest.erase(rest.begin(), at(rest, end->index));
    }
    blocks_.erase(at(blocks_, begin.block + 1), end ? at(blocks_, end->block) : blocks_.end());
  }

  template <class V>
  static typename V::iterator at(V& v, std::size_t index) {
    return v.begin() + static_cast<std::ptrdiff_t>(index);
  }

  std::vector<Block> blocks_;
  std::uint64_t count_ = 0;
};

}  // namespace tapedeck
