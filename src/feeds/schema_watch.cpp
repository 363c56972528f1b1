#include "feeds/schema_watch.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/sha256.hpp"

namespace tapedeck::feeds {

SchemaWatch::SchemaWatch(market::Catalog& catalog)
    : catalog_(catalog),
      origin_(catalog.intern(market::Origin{.kind = market::OriginKind::kVenue})) {}

void SchemaWatch::tell(const Message& message, std::string_view field, bool is_missing,
                       Timestamp ts_recv, EventSink& sink) {
  const std::int64_t day = floor_to(ts_recv, hours(24)).ns / hours(24).ns;
  if (std::exchange(day_, day) != day) told_.clear();
  auto table = series_.find(message.venue);
  if (table == series_.end()) {
    const std::string venue(message.venue);
    const market::SeriesKey key{venue, std::string(market::kSchemaChannel), {}};
    table = series_.try_emplace(venue, catalog_, market::Series{.key = key}).first;
  }
  auto series = table->second.find_or_add(message.instrument);
  if (!series) series = table->second.find_or_add(market::kNoInstrument);
  if (!series || told_.size() >= kToldMax) return;
  // Two names that begin alike are one: they come from outside, and may be long.
  std::string name(field.substr(0, market::kDriftFieldBytesMax));
  if (!told_.emplace(*series, is_missing, name).second) return;
  std::string body = market::to_json({std::move(name), is_missing});
  const auto [seq, position] =
      sha256_numbers(fmt::format("{} {} {}", to_string(catalog_.series(*series).key), day, body));
  sink.event(market::Record{.series = *series,
                            .ts_event = ts_recv,
                            .ts_recv = ts_recv,
                            .identity = {.origin = origin_, .seq = seq, .position = position | 1},
                            .body = std::move(body)});
}

}  // namespace tapedeck::feeds
