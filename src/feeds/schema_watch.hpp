// src/feeds/schema_watch.hpp: tells what a venue's trades have that nobody knows, and what they
// lack, as records of the series VENUE/schema/SYMBOL: of each instrument, field and day (UTC, by
// when it came) once, so that a changed format is seen, and when it began, though every trade of it
// may still be read. The same on the same day is the same event, also after a restart. Thread: one
// at a time. Ownership: borrows the catalog.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "feeds/feed.hpp"
#include "feeds/flaw.hpp"
#include "feeds/series_table.hpp"
#include "market/about.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds {

class SchemaWatch {
 public:
  // Of a day so many are told: a venue could make up names without end.
  static constexpr std::size_t kToldMax = 1000;

  explicit SchemaWatch(market::Catalog& catalog);

  // What was read of a trade, by its venue's names.
  struct Message {
    std::string_view venue;
    std::string_view instrument;  // empty: it does not tell
    std::string_view unknown;     // a field that no trade had yet; empty: there is none
  };
  // `flaw`: why it is no trade; null: it is one.
  void look(const Message& message, const Flaw* flaw, Timestamp ts_recv, EventSink& sink) {
    if (!message.unknown.empty()) tell(message, {std::string(message.unknown)}, ts_recv, sink);
    if (flaw != nullptr && !flaw->field.empty()) {
      tell(message, {std::string(flaw->field), true}, ts_recv, sink);
    }
  }

 private:
  void tell(const Message& message, const market::SchemaDrift& drift, Timestamp ts_recv,
            EventSink& sink);

  market::Catalog& catalog_;
  const OriginId origin_;
  std::map<std::string, SeriesTable, std::less<>> series_;  // by venue
  std::int64_t day_ = 0;                                    // since 1970
  std::set<std::string, std::less<>> told_;                 // on that day
};

}  // namespace tapedeck::feeds
