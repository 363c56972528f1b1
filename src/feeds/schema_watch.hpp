// src/feeds/schema_watch.hpp: tells what a venue's trades have that nobody knows, and what they
// lack, as records of the series VENUE/schema/SYMBOL: of each instrument, field and day (UTC, by
// when it came) once, so that a changed format is seen, and when it began, though every trade of it
// may still be read. The same on the same day is the same event, also after a restart. Thread: one
// at a time. Ownership: borrows the catalog.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>

#include "base/time.hpp"
#include "feeds/feed.hpp"
#include "feeds/flaw.hpp"
#include "feeds/series_table.hpp"
#include "market/about.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds {

// The names of a trade's fields that no trade had yet: the first few, in the message.
class UnknownFields {
 public:
  void add(std::string_view name) {
    if (count_ < names_.size()) names_[count_++] = name;
  }
  std::span<const std::string_view> names() const { return std::span(names_).first(count_); }

 private:
  std::array<std::string_view, 4> names_{};
  std::size_t count_ = 0;
};

class SchemaWatch {
 public:
  // Of a day so many are told: a venue could make up names without end.
  static constexpr std::size_t kToldMax = 10'000;

  explicit SchemaWatch(market::Catalog& catalog);

  // What was read of a trade, by its venue's names.
  struct Message {
    std::string_view venue;
    std::string_view instrument;                // empty: it does not tell
    std::span<const std::string_view> unknown;  // fields that no trade had yet
  };
  // `flaw`: why it is no trade; null: it is one.
  void look(const Message& message, const Flaw* flaw, Timestamp ts_recv, EventSink& sink) {
    for (const std::string_view field : message.unknown) tell(message, field, false, ts_recv, sink);
    if (flaw == nullptr) return;
    for (const std::string_view field : flaw->missing) tell(message, field, true, ts_recv, sink);
  }

 private:
  void tell(const Message& message, std::string_view field, bool is_missing, Timestamp ts_recv,
            EventSink& sink);

  market::Catalog& catalog_;
  const OriginId origin_;
  std::map<std::string, SeriesTable, std::less<>> series_;  // by venue
  std::int64_t day_ = 0;                                    // since 1970
  std::set<std::tuple<SeriesId, bool, std::string>> told_;  // on that day
};

}  // namespace tapedeck::feeds
