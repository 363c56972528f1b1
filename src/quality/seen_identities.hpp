// src/quality/seen_identities.hpp: which trades were seen, by identity, so that the same one is not
// counted twice. Exact: it neither forgets nor takes one for another.
// Memory: identities without a position (venue ids, record numbers) cost 16 bytes for each run
// without holes, so near nothing for a venue that counts; with one (UUIDs, places in a frame) 22 to
// 43 bytes each.
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/interval_set.hpp"
#include "market/trade.hpp"

namespace tapedeck::quality {

// Pairs (seq, position) with position > 0.
class PairSet {
 public:
  PairSet();
  bool insert(std::uint64_t seq, std::uint64_t position);  // true: it is new
  bool contains(std::uint64_t seq, std::uint64_t position) const;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> sorted() const;

 private:
  struct Slot {
    std::uint64_t seq = 0;
    std::uint64_t position = 0;  // 0: free
  };
  std::size_t find(std::uint64_t seq, std::uint64_t position) const;  // its slot, or a free one
  void grow();

  std::uint64_t seed_;  // so that nobody can choose ids that collide
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

class SeenIdentities {
 public:
  // True: the trade is new.
  bool insert(const market::Trade& trade) { return insert(trade.series, trade.identity); }
  bool insert(SeriesId series, const market::Identity& identity);
  // Those with position 0 and seq from `first` to `last`. Returns how many are new.
  std::uint64_t insert_run(SeriesId series, OriginId origin, std::uint64_t first,
                           std::uint64_t last);
  bool contains(SeriesId series, const market::Identity& identity) const;
  // The seqs that are missing right before the run that holds this one, which has position 0;
  // nothing: none, or nothing came before it.
  std::optional<IntervalSet::Interval> hole_before(SeriesId series,
                                                   const market::Identity& identity) const;
  std::uint64_t count() const { return count_; }

  // All that it holds, in ascending order: visit(series, origin, first, last) for what insert_run
  // takes (no two runs touch), visit(series, identity) for what has a position.
  template <class F>
  void for_each_run(F&& visit) const {
    for (const std::uint64_t k : keys()) {
      seen_.at(k).seqs.for_each([&](const IntervalSet::Interval& run) {
        visit(series_of(k), origin_of(k), run.first, run.last);
      });
    }
  }
  template <class F>
  void for_each_pair(F&& visit) const {
    for (const std::uint64_t k : keys()) {
      for (const auto& [seq, position] : seen_.at(k).pairs.sorted()) {
        visit(series_of(k), market::Identity{origin_of(k), seq, position});
      }
    }
  }

 private:
  // Of one series and origin.
  struct Seen {
    IntervalSet seqs;  // with position 0
    PairSet pairs;     // with any other
  };
  static std::uint64_t key(SeriesId series, OriginId origin) {
    return std::uint64_t{series.value} << 32 | origin.value;
  }
  static SeriesId series_of(std::uint64_t key) {
    return SeriesId(static_cast<std::uint32_t>(key >> 32));
  }
  static OriginId origin_of(std::uint64_t key) { return OriginId(static_cast<std::uint32_t>(key)); }
  std::vector<std::uint64_t> keys() const;  // ascending

  std::unordered_map<std::uint64_t, Seen> seen_;
  std::uint64_t count_ = 0;
};

}  // namespace tapedeck::quality
