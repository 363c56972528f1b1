// src/feeds/csv_row.hpp: the fields of a row of CSV (RFC 4180, but no line break inside of quotes).
// Inside this room only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tapedeck::feeds {

// Cuts the next field of a row off `row`; a quoted one with doubled quotes is put together in
// `scratch`. False: a quoted field does not end as it should.
bool next_csv_field(std::string_view& row, bool& more, std::string_view& field,
                    std::string& scratch);

// Nothing: a quoted field does not end as it should. At most `fields_max` of them; what follows is
// not looked at.
std::optional<std::vector<std::string>> split_csv_row(std::string_view row, std::size_t fields_max);

}  // namespace tapedeck::feeds
