// src/feeds/ingest/ingest_reader.hpp: rows that somebody's own program hands in:
//   {"symbol":"GOLD","price":"1928.40","size":"2","time":"2024-05-01T13:30:00.25Z","id":"7"}
//   symbol,price,size,time
//   GOLD,1928.40,2,2024-05-01T13:30:00.25Z
// and, as JSON, events of every kind as they stand on a tape (src/feeds/events). Thread: check()
// any, read() one at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "feeds/feed.hpp"
#include "feeds/rows.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::ingest {

class IngestReader final : public RowsReader {
 public:
  // Of one piece; the number of a row goes into an identity.
  static constexpr std::size_t kRowsMax = 1u << 20;
  // Names from outside must not fill the memory.
  static constexpr std::size_t kVenuesMax = 1'000;   // with a channel each
  static constexpr std::size_t kNamesMax = 100'000;  // of pieces, without their numbers

  // `events` reads lines that are events. `taken`: venues that have a feed, which says what their
  // series are. The catalog outlives the reader.
  IngestReader(market::Catalog& catalog, std::unique_ptr<Feed> events,
               std::vector<std::string> taken);
  ~IngestReader() override;

  Status check(const Rows& rows) const override;
  void read(const Rows& rows, EventSink& sink) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// "prices-17" is piece 17 of "prices-"; one that does not end in a number is its only one.
struct PieceName {
  std::string_view name;
  std::uint64_t number = 0;
  bool operator==(const PieceName&) const = default;
};
PieceName piece_name(std::string_view key);

}  // namespace tapedeck::feeds::ingest
