#include "quality/seen_identities.hpp"

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

bool SeenIdentities::insert(const market::Trade& trade) {
  const market::Identity& id = trade.identity;
  Seen& seen = seen_[key(trade.series, id.origin)];
  const bool is_new =
      id.position == 0 ? seen.seqs.insert(id.seq) : seen.pairs.insert(id.seq, id.position);
  if (is_new) ++count_;
  return is_new;
}

bool SeenIdentities::contains(SeriesId series, const market::Identity& identity) const {
  const auto found = seen_.find(key(series, identity.origin));
  if (found == seen_.end()) return false;
  return identity.position == 0 ? found->second.seqs.contains(identity.seq)
                                : found->second.pairs.contains(identity.seq, identity.position);
}

}  // namespace tapedeck::quality
