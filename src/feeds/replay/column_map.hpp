// src/feeds/replay/column_map.hpp: --map, which column of a file is what.
//   field=column[:unit],...    column: a name of the header or a key, or #N from 0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "feeds/event_time.hpp"

namespace tapedeck::feeds::replay {

enum class ColumnField : std::uint8_t {
  kTime,
  kRecv,
  kPrice,
  kSize,
  kId,
  kSide,
  kSymbol,
  kSequence
};
inline constexpr std::size_t kColumnFields = 8;

struct Column {
  std::string name;                        // as written: "price", "#4"
  std::optional<std::size_t> index;        // of "#4"
  TimeUnit unit = TimeUnit::kNanoseconds;  // of time and recv
};

struct ColumnMap {
  std::array<std::optional<Column>, kColumnFields> columns;

  const std::optional<Column>& operator[](ColumnField field) const {
    return columns.at(static_cast<std::size_t>(field));
  }
  bool uses_names() const;
};

// Errors: kInvalidArgument, saying what is wrong and how a map is written.
Result<ColumnMap> parse_column_map(std::string_view spec);

}  // namespace tapedeck::feeds::replay
