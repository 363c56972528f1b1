#include "feeds/schema_watch.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/sha256.hpp"

namespace tapedeck::feeds {

SchemaWatch::SchemaWatch(market::Catalog& catalog)
    : catalog_(catalog),
      origin_(catalog.intern(market::Origin{.kind = market::OriginKind::kVenue})) {}

void SchemaWatch::tell(const Message& message, const market::SchemaDrift& drift, Timestamp ts_recv,
                       EventSink& sink) {
  const std::int64_t day = floor_to(ts_recv, hours(24)).ns / hours(24).ns;
  if (std::exchange(day_, day) != day) told_.clear();
  if (told_.size() >= kToldMax) return;
  std::string body = market::to_json(drift);
  std::string key = fmt::format("{}/{} {} {}", message.venue, message.instrument, day, body);
  if (told_.contains(key)) return;
  SeriesTable& table = series_
                           .try_emplace(std::string(message.venue), catalog_,
                                        market::Series{.key = {std::string(message.venue),
                                                               std::string(market::kSchemaChannel),
                                                               {}}})
                           .first->second;
  auto series = table.find_or_add(message.instrument);
  if (!series) series = table.find_or_add(market::kNoInstrument);
  if (!series) return;
  const auto [seq, position] = sha256_numbers(key);
  told_.insert(std::move(key));
  sink.event(market::Record{.series = *series,
                            .ts_event = ts_recv,
                            .ts_recv = ts_recv,
                            .identity = {.origin = origin_, .seq = seq, .position = position | 1},
                            .body = std::move(body)});
}

}  // namespace tapedeck::feeds
