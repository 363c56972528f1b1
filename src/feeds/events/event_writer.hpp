// src/feeds/events/event_writer.hpp: events as lines of CSV or JSON, every field exactly. The lines
// of JSON are what events_feed.hpp reads.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "market/event.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::events {

enum class EventFormat { kCsv, kNdjson };

// "trade", "quote", "tick", "bar", "correction", "record", "status", "frame"; of what is no kind of
// event: "mixed", "lost", "unknown".
std::string_view kind_name(market::StreamKind kind);
Result<market::StreamKind> parse_kind(std::string_view text);

// The columns of one kind, with the end of the line.
std::string csv_header(market::StreamKind kind);

// Ownership: borrows the catalog.
class EventWriter {
 public:
  EventWriter(const market::Catalog& catalog, EventFormat format)
      : catalog_(catalog), format_(format) {}
  // Appends the line of one event of `batch` to `out`. `log`: "p0", "raw".
  void write(const market::Batch& batch, std::size_t index, std::string_view log, std::string& out);

 private:
  const market::Catalog& catalog_;
  const EventFormat format_;
  // By id, as fields of a line.
  std::vector<std::string> series_;
  std::vector<std::string> origins_;
};

}  // namespace tapedeck::feeds::events
