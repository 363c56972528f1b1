#include "quality/seen_identities.hpp"

#include <algorithm>
#include <random>

namespace tapedeck::quality {
namespace {

// The finisher of SplitMix64 (see base/rng.hpp).
std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

PairSet::PairSet() : seed_(std::random_device{}()) {}

std::size_t PairSet::find(std::uint64_t seq, std::uint64_t position) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = mix(mix(seq ^ seed_) + position) & mask;
  while (slots_[i].position != 0 && (slots_[i].seq != seq || slots_[i].position != position)) {
    i = (i + 1) & mask;
  }
  return i;
}

bool PairSet::contains(std::uint64_t seq, std::uint64_t position) const {
  return !slots_.empty() && slots_[find(seq, position)].position != 0;
}

bool PairSet::insert(std::uint64_t seq, std::uint64_t position) {
  if ((used_ + 1) * 4 > slots_.size() * 3) grow();
  Slot& slot = slots_[find(seq, position)];
  if (slot.position != 0) return false;
  slot = {seq, position};
  ++used_;
  return true;
}

void PairSet::grow() {
  std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.position != 0) slots_[find(slot.seq, slot.position)] = slot;
  }
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> PairSet::sorted() const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
  all.reserve(used_);
  for (const Slot& slot : slots_) {
    if (slot.position != 0) all.emplace_back(slot.seq, slot.position);
  }
  std::ranges::sort(all);
  return all;
}

bool SeenIdentities::insert(SeriesId series, const market::Identity& identity) {
  Seen& seen = seen_[key(series, identity.origin)];
  const bool is_new = identity.position == 0 ? seen.seqs.insert(identity.seq)
                                             : seen.pairs.insert(identity.seq, identity.position);
  if (is_new) ++count_;
  return is_new;
}

std::uint64_t SeenIdentities::insert_run(SeriesId series, OriginId origin, std::uint64_t first,
                                         std::uint64_t last) {
  const std::uint64_t added = seen_[key(series, origin)].seqs.insert(first, last);
  count_ += added;
  return added;
}

bool SeenIdentities::contains(SeriesId series, const market::Identity& identity) const {
  const auto found = seen_.find(key(series, identity.origin));
  if (found == seen_.end()) return false;
  return identity.position == 0 ? found->second.seqs.contains(identity.seq)
                                : found->second.pairs.contains(identity.seq, identity.position);
}

std::optional<IntervalSet::Interval> SeenIdentities::hole_before(
    SeriesId series, const market::Identity& identity) const {
  const auto found = seen_.find(key(series, identity.origin));
  if (found == seen_.end() || identity.position != 0) return std::nullopt;
  return found->second.seqs.hole_before(identity.seq);
}

std::vector<std::uint64_t> SeenIdentities::keys() const {
  std::vector<std::uint64_t> keys;
  keys.reserve(seen_.size());
  for (const auto& [key, seen] : seen_) keys.push_back(key);
  std::ranges::sort(keys);
  return keys;
}

}  // namespace tapedeck::quality
