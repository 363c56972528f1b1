// src/market/about.hpp: records about what is traded, beside the trades: what a venue's list says
// of an instrument, and how its messages differ from what is known of them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "market/series.hpp"

namespace tapedeck::market {

// Series VENUE/instrument/SYMBOL and VENUE/schema/SYMBOL. They have records only, so that there are
// no bars or prices of them to be asked for.
inline constexpr std::string_view kInstrumentChannel = "instrument";
inline constexpr std::string_view kSchemaChannel = "schema";
inline bool is_about(const SeriesKey& key) {
  return key.channel == kInstrumentChannel || key.channel == kSchemaChannel;
}

// In place of a symbol that a message did not tell.
inline constexpr std::string_view kNoInstrument = "-";

// A field that a venue's trades have and nobody knows, or one that they lack though no trade can be
// without it; a renamed one is both. It is told once a day.
struct SchemaDrift {
  std::string field{};
  bool is_missing = false;
  bool operator==(const SchemaDrift&) const = default;
};
inline constexpr std::size_t kDriftFieldBytesMax = 64;
// {"field":"X","is":"unknown"}, or "missing". Of the field's name what is no letter, digit, '.',
// '_' or '-' is '?', and what is longer than kDriftFieldBytesMax is cut.
std::string to_json(const SchemaDrift& drift);
// Of what to_json made; nothing: it is something else.
std::optional<SchemaDrift> parse_schema_drift(std::string_view body);

}  // namespace tapedeck::market
