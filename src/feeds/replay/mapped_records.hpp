// src/feeds/replay/mapped_records.hpp: rows of CSV and elements of a JSON array, read by a declared
// column map.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "feeds/replay/column_map.hpp"
#include "feeds/replay/parsed_record.hpp"

namespace tapedeck::feeds::replay {

// Whether the first row is a header: it must be where the map uses names (else an error that names
// the column and the header); where it only uses numbers, it is if none of time, price and size is
// one. The columns of `map` get their indexes.
Result<bool> bind_header(ColumnMap& map, std::string_view first_row);

// `symbol`: of records for which the map has none.
std::unique_ptr<RecordParser> csv_parser(ColumnMap map, std::string symbol);
std::unique_ptr<RecordParser> json_parser(ColumnMap map, std::string symbol);

}  // namespace tapedeck::feeds::replay
