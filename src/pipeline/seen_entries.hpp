// src/pipeline/seen_entries.hpp: the identities of what is in the results, as entries of the
// checkpoint. A tape whose beginning retention has dropped does not know them any more, and a feed
// may send them again. Those with a position (UUIDs, places in a frame of a session that is over)
// are left out: they would grow without end.
// Thread: one at a time. Memory: 16 bytes for each run without holes.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/interval_set.hpp"
#include "market/event.hpp"
#include "market/series.hpp"

namespace tapedeck::pipeline {

class SeenEntries {
 public:
  using Entries = std::vector<std::pair<std::string, std::string>>;
  // Identities of one series and origin, seq `first` to `last`, without a position.
  using Visit = std::function<void(market::StreamKind kind, SeriesId series, OriginId origin,
                                   std::uint64_t first, std::uint64_t last)>;

  // Borrows the catalog.
  explicit SeenEntries(market::Catalog& catalog) : catalog_(catalog) {}

  void add(const market::Batch& batch);
  // What changed since the last call.
  Entries take();
  // What take() gave at any time, the newest of each key, into an empty one, telling `visit` of it.
  // Entries of others are passed over. Errors: kCorrupt.
  Status restore(const Entries& entries, const Visit& visit);

 private:
  // Ids come in pieces of this many, so that a change of one does not write them all.
  static constexpr unsigned kPieceBits = 20;
  struct Key {
    market::StreamKind kind{};
    std::uint32_t series = 0;
    std::uint32_t origin = 0;
    std::uint64_t piece = 0;
    auto operator<=>(const Key&) const = default;
  };

  void insert(market::StreamKind kind, SeriesId series, const market::Identity& identity);
  std::string key_text(const Key& key) const;

  market::Catalog& catalog_;
  std::map<Key, IntervalSet> seen_;
  std::set<Key> changed_;
  Key last_key_;  // of the last event, for the next one like it
  IntervalSet* last_ = nullptr;
};

}  // namespace tapedeck::pipeline
