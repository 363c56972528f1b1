// src/feeds/series_table.hpp: from a venue's symbol to the series of the catalog, without a lock or
// an allocation once a symbol is known. Thread: one at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds {

class SeriesTable {
 public:
  // `pattern` is the series of every symbol; its instrument is put in.
  SeriesTable(market::Catalog& catalog, market::Series pattern)
      : catalog_(&catalog), pattern_(std::move(pattern)) {}

  // Errors: kMalformed for what is no symbol (empty, over 128 bytes, control characters, not
  // UTF-8); kOverflow beyond kSeriesMax symbols: names from outside must not fill the memory.
  Result<SeriesId> find_or_add(std::string_view symbol);

  static constexpr std::size_t kSeriesMax = 100'000;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  market::Catalog* catalog_;
  market::Series pattern_;
  std::unordered_map<std::string, SeriesId, Hash, std::equal_to<>> ids_;
};

}  // namespace tapedeck::feeds
