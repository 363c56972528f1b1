#include "feeds/csv_row.hpp"

namespace tapedeck::feeds {

bool next_csv_field(std::string_view& row, bool& more, std::string_view& field,
                    std::string& scratch) {
  if (!row.starts_with('"')) {
    const auto comma = row.find(',');
    field = row.substr(0, comma);
    more = comma != row.npos;
    row = more ? row.substr(comma + 1) : std::string_view{};
    return true;
  }
  scratch.clear();
  row.remove_prefix(1);
  for (;;) {
    const auto quote = row.find('"');
    if (quote == row.npos) return false;
    scratch += row.substr(0, quote);
    row.remove_prefix(quote + 1);
    if (row.starts_with('"')) {
      scratch += '"';
      row.remove_prefix(1);
      continue;
    }
    field = scratch;
    more = row.starts_with(',');
    if (!more && !row.empty()) return false;
    if (more) row.remove_prefix(1);
    return true;
  }
}

std::optional<std::vector<std::string>> split_csv_row(std::string_view row,
                                                      std::size_t fields_max) {
  std::vector<std::string> fields;
  std::string_view field;
  std::string scratch;
  bool more = true;
  while (more && fields.size() < fields_max) {
    if (!next_csv_field(row, more, field, scratch)) return std::nullopt;
    fields.emplace_back(field);
  }
  return fields;
}

}  // namespace tapedeck::feeds
