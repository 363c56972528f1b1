// src/app/event_writer.hpp: events of the tape as lines of CSV or JSON, every field exactly.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "market/event.hpp"
#include "market/series.hpp"

namespace tapedeck::app {

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
  // By id, as they stand in a line.
  std::vector<std::string> series_;
  std::vector<std::string> origins_;
};

}  // namespace tapedeck::app
