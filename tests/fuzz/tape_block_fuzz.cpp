// tests/fuzz/tape_block_fuzz.cpp: any bytes as the payload of a block of the tape, as if its
// checksum matched. The first byte is the kind, the next four the number of events. What decodes
// is written again, and decodes to the same.
#include <array>

#include "base/check.hpp"
#include "base/wire.hpp"
#include "tape/embedded/block.hpp"
#include "tape/embedded/segment.hpp"

namespace {

using namespace tapedeck;
using namespace tapedeck::tape;
using namespace tapedeck::tape::embedded;
using market::Batch;
using market::StreamKind;

constexpr std::size_t kHeadBytes = 5;
constexpr std::uint64_t kIndexEnd = 1u << 20;

// What the dictionary of the segment would hold.
SegmentIds some_ids(market::Catalog& catalog) {
  SegmentIds ids;
  for (const char* instrument : {"A", "B", "C", "D"}) {
    ids.series.push_back(catalog.intern(market::Series{.key = {"v", "trade", instrument}}));
  }
  for (const char* key : {"", "x", "y"}) {
    ids.origins.push_back(
        catalog.intern(market::Origin{.kind = market::OriginKind::kFile, .key = key, .first = {}}));
  }
  return ids;
}

void events(StreamKind kind, std::uint32_t count, std::string_view payload,
            const market::Catalog& catalog, const SegmentIds& ids) {
  const BlockHeader header{.kind = kind, .count = count, .first = Offset(7)};
  std::vector<Batch> batches;
  if (!decode_block(header, payload, ids, batches)) return;
  std::vector<Slice> slices;
  std::size_t size = 0;
  for (const Batch& batch : batches) {
    TD_CHECK(batch.first >= header.first && batch.end() <= header.end());
    size += batch.size();
    if (batch.size() > 0) slices.push_back({&batch, 0, batch.size()});
  }
  TD_CHECK(size <= count);
  if (slices.empty()) return;
  SegmentDictionary dictionary(catalog);
  dictionary.restore(ids);
  std::string bytes;
  write_event_block(bytes, slices, header.first, 0, dictionary);
  const auto again = read_block_header(bytes);
  TD_CHECK(again && again->kind != StreamKind::kDictionary && again->count == size);
  std::vector<Batch> same;
  const std::string_view rows = std::string_view(bytes).substr(kBlockHeaderBytes);
  TD_CHECK(check_payload(*again, rows).has_value());
  TD_CHECK(decode_block(*again, rows, ids, same).has_value());
  TD_CHECK(same.size() == slices.size());
  for (std::size_t i = 0; i < same.size(); ++i) {
    const Batch& before = *slices[i].batch;
    TD_CHECK(same[i].kind == before.kind && same[i].trades == before.trades &&
             same[i].quotes == before.quotes && same[i].ticks == before.ticks &&
             same[i].vendor_bars == before.vendor_bars &&
             same[i].corrections == before.corrections && same[i].records == before.records &&
             same[i].marks == before.marks && same[i].frames == before.frames);
  }
}

void identities(std::string_view payload, const market::Catalog& catalog, const SegmentIds& ids) {
  const auto runs = decode_identities(payload, ids);
  if (!runs) return;
  SegmentDictionary dictionary(catalog);
  dictionary.restore(ids);
  const std::string bytes = encode_identities(*runs, dictionary);
  const auto same = decode_identities(bytes, ids);
  TD_CHECK(same && same->size() == runs->size());
  for (std::size_t i = 0; i < runs->size(); ++i) {
    TD_CHECK((*same)[i].first == (*runs)[i].first && (*same)[i].last == (*runs)[i].last);
  }
  TD_CHECK(encode_identities(*same, dictionary) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size < kHeadBytes) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto kind = static_cast<StreamKind>(bytes[0]);
  const auto count = get_fixed<std::uint32_t>(bytes.data() + 1);
  const std::string_view payload = bytes.substr(kHeadBytes);
  market::Catalog catalog;
  SegmentIds ids = some_ids(catalog);
  if (kind == StreamKind::kDictionary) {
    if (decode_dictionary(payload, catalog, ids)) {
      for (const SeriesId id : ids.series) TD_CHECK(id.value < catalog.series_count());
      for (const OriginId id : ids.origins) TD_CHECK(id.value < catalog.origin_count());
    }
  } else if (kind == StreamKind::kIndex) {
    if (const auto index = decode_index(payload, kIndexEnd, ids.series.size())) {
      TD_CHECK(decode_index(encode_index(*index), kIndexEnd, ids.series.size()) == index);
    }
  } else if (kind == StreamKind::kIdentities) {
    identities(payload, catalog, ids);
  } else {
    events(kind, count, payload, catalog, ids);
  }
  return 0;
}
