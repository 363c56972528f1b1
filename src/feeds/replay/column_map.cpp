#include "feeds/replay/column_map.hpp"

#include <fmt/format.h>

#include <charconv>
#include <system_error>

#include "feeds/replay/replay.hpp"

namespace tapedeck::feeds::replay {

const std::string_view kMapGrammar =
    "--map field=column[:unit],... with the fields time, recv (unit s, ms, us, ns or iso), price, "
    "size, id, side, symbol, sequence and as column a header name, an object key or #N from 0; "
    "such as time=#0:ms,price=#1,size=#2";

namespace {

constexpr std::array<std::string_view, kColumnFields> kNames{"time", "recv", "price",  "size",
                                                             "id",   "side", "symbol", "sequence"};

bool has_unit(std::size_t field) {
  return field == std::size_t(ColumnField::kTime) || field == std::size_t(ColumnField::kRecv);
}

std::unexpected<Error> wrong(std::string what) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("map: {}; write {}", what, kMapGrammar));
}

Result<Column> parse_column(std::size_t field, std::string_view text) {
  Column out;
  if (has_unit(field)) {
    const auto colon = text.rfind(':');
    if (colon == text.npos) {
      return wrong(fmt::format("{} needs a unit behind its column: {}={}:ms", kNames[field],
                               kNames[field], text));
    }
    auto unit = parse_time_unit(text.substr(colon + 1));
    if (!unit) return wrong(fmt::format("{}: {}", kNames[field], unit.error().message));
    out.unit = *unit;
    text = text.substr(0, colon);
  }
  if (text.empty()) return wrong(fmt::format("{} names no column", kNames[field]));
  out.name = text;
  if (text.front() == '#') {
    std::uint16_t index = 0;
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), index);
    if (error != std::errc{} || end != text.data() + text.size()) {
      return wrong(fmt::format("'{}' is no column number: they are #0 to #65535", text));
    }
    out.index = index;
  }
  return out;
}

}  // namespace

bool ColumnMap::uses_names() const {
  for (const auto& column : columns) {
    if (column && !column->index) return true;
  }
  return false;
}

Result<ColumnMap> parse_column_map(std::string_view spec) {
  ColumnMap map;
  for (std::string_view left = spec; !left.empty();) {
    const auto comma = left.find(',');
    const std::string_view part = left.substr(0, comma);
    left = comma == left.npos ? std::string_view{} : left.substr(comma + 1);
    const auto equals = part.find('=');
    if (equals == part.npos) return wrong(fmt::format("'{}' has no '='", part));
    std::size_t field = 0;
    while (field < kNames.size() && kNames[field] != part.substr(0, equals)) ++field;
    if (field == kNames.size()) {
      return wrong(fmt::format("there is no field '{}'", part.substr(0, equals)));
    }
    if (map.columns[field]) return wrong(fmt::format("{} is there twice", kNames[field]));
    auto column = parse_column(field, part.substr(equals + 1));
    if (!column) return std::unexpected(std::move(column.error()));
    map.columns[field] = std::move(*column);
  }
  for (const ColumnField field : {ColumnField::kTime, ColumnField::kPrice, ColumnField::kSize}) {
    if (!map[field]) {
      return wrong(fmt::format("{} is missing", kNames[static_cast<std::size_t>(field)]));
    }
  }
  return map;
}

Status check_map(std::string_view spec) {
  auto map = parse_column_map(spec);
  if (!map) return std::unexpected(std::move(map.error()));
  return {};
}

}  // namespace tapedeck::feeds::replay
