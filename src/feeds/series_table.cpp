#include "feeds/series_table.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

namespace tapedeck::feeds {

Result<SeriesId> SeriesTable::find_or_add(std::string_view symbol) {
  if (const auto known = ids_.find(symbol); known != ids_.end()) return known->second;
  const bool control =
      std::ranges::any_of(symbol, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
  if (symbol.empty() || symbol.size() > 128 || control ||
      !simdjson::validate_utf8(symbol.data(), symbol.size())) {
    return fail(ErrorCode::kMalformed, symbol.empty()
                                           ? "the symbol is empty"
                                           : "the symbol is not 1 to 128 bytes of printable UTF-8");
  }
  if (ids_.size() >= kSeriesMax) {
    return fail(ErrorCode::kOverflow, fmt::format("more than {} symbols", kSeriesMax));
  }
  market::Series series = pattern_;
  series.key.instrument = symbol;
  const SeriesId id = catalog_->intern(series);
  ids_.emplace(symbol, id);
  return id;
}

}  // namespace tapedeck::feeds
