#include "pipeline/seen_entries.hpp"

#include <string_view>
#include <type_traits>

#include "base/wire.hpp"

namespace tapedeck::pipeline {
namespace {

constexpr std::string_view kPrefix = "seen/";

std::unexpected<Error> corrupt() {
  return fail(ErrorCode::kCorrupt, "the store's identities of what was seen make no sense");
}

std::string runs_text(const IntervalSet& seqs) {
  std::string out;
  std::uint64_t end = 0;
  seqs.for_each([&](const IntervalSet::Interval& run) {
    put_varint(out, run.first - end);
    put_varint(out, run.last - run.first);
    end = run.last;
  });
  return out;
}

}  // namespace

void SeenEntries::add(const market::Batch& batch) {
  visit_events(batch, [&](const auto& events) {
    using Event = typename std::remove_cvref_t<decltype(events)>::value_type;
    if constexpr (requires(const Event& event) { event.series; }) {
      for (const Event& event : events) {
        if (event.identity.position == 0) insert(batch.kind, event.series, event.identity);
      }
    }
  });
}

void SeenEntries::insert(market::StreamKind kind, SeriesId series,
                         const market::Identity& identity) {
  const Key key{kind, series.value, identity.origin.value, identity.seq >> kPieceBits};
  if (last_ == nullptr || last_key_ != key) {
    last_ = &seen_[key];
    last_key_ = key;
    changed_.insert(key);
  }
  last_->insert(identity.seq);
}

SeenEntries::Entries SeenEntries::take() {
  Entries entries;
  for (const Key& key : changed_) {
    entries.emplace_back(key_text(key), runs_text(seen_.at(key)));
  }
  changed_.clear();
  last_ = nullptr;
  return entries;
}

std::string SeenEntries::key_text(const Key& key) const {
  std::string out(kPrefix);
  put_fixed(out, static_cast<std::uint8_t>(key.kind));
  market::put_series(out, catalog_.series(SeriesId(key.series)));
  market::put_origin(out, catalog_.origin(OriginId(key.origin)));
  put_varint(out, key.piece);
  return out;
}

Status SeenEntries::restore(const Entries& entries, const Visit& visit) {
  for (const auto& [key_bytes, value] : entries) {
    if (!key_bytes.starts_with(kPrefix)) continue;
    WireReader reader(std::string_view(key_bytes).substr(kPrefix.size()));
    const auto kind = static_cast<market::StreamKind>(reader.fixed<std::uint8_t>());
    const market::Series series = market::read_series(reader);
    const market::Origin origin = market::read_origin(reader);
    const std::uint64_t piece = reader.varint();
    if (!reader.ok() || !reader.at_end()) return corrupt();
    const Key key{kind, catalog_.intern(series).value, catalog_.intern(origin).value, piece};
    IntervalSet& seqs = seen_[key];
    WireReader runs(value);
    std::uint64_t end = 0;
    while (!runs.at_end()) {
      const std::uint64_t first = end + runs.varint();
      const std::uint64_t last = first + runs.varint();
      if (!runs.ok() || last < first || last >> kPieceBits != piece) return corrupt();
      seqs.insert(first, last);
      visit(kind, SeriesId(key.series), OriginId(key.origin), first, last);
      end = last;
    }
  }
  return {};
}

}  // namespace tapedeck::pipeline
