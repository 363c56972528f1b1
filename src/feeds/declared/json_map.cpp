#include "feeds/declared/json_map.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace tapedeck::feeds::declared {
namespace {

constexpr std::array<std::string_view, kJsonFields> kNames{
    "time", "price", "size", "id", "side", "symbol", "bid", "bid_size", "ask", "ask_size"};

std::unexpected<Error> wrong(const std::string& what) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}; write field=/pointer,... with the fields {}, such as "
                          "time=/T:ms,price=/p,size=/q,side=/m:false",
                          what, fmt::join(kNames, ", ")));
}

bool is_pointer(std::string_view text) {
  if (!text.empty() && text.front() != '/') return false;
  for (std::size_t i = text.find('~'); i != text.npos; i = text.find('~', i + 1)) {
    if (i + 1 == text.size() || (text[i + 1] != '0' && text[i + 1] != '1')) return false;
  }
  return true;
}

Result<JsonPlace> parse_place(JsonField field, std::string_view text) {
  JsonPlace place;
  const auto colon = text.rfind(':');
  if (field == JsonField::kTime) {
    if (colon == text.npos) return wrong("time needs a unit behind its pointer: time=/T:ms");
    const auto unit = parse_time_unit(text.substr(colon + 1));
    if (!unit) return wrong(unit.error().message);
    place.unit = *unit;
    text = text.substr(0, colon);
  } else if (field == JsonField::kSide && colon != text.npos) {
    place.buy = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  if (!is_pointer(text)) {
    return wrong(fmt::format("'{}' is no JSON Pointer: it begins with '/'", text.substr(0, 64)));
  }
  place.pointer = text;
  return place;
}

}  // namespace

std::string_view to_string(JsonField field) { return kNames.at(static_cast<std::size_t>(field)); }

Result<JsonMap> parse_json_map(std::string_view text) {
  JsonMap map;
  for (std::string_view left = text; !left.empty();) {
    const auto comma = left.find(',');
    const std::string_view part = left.substr(0, comma);
    left = comma == left.npos ? std::string_view{} : left.substr(comma + 1);
    const auto equals = part.find('=');
    if (equals == part.npos) return wrong(fmt::format("'{}' has no '='", part.substr(0, 64)));
    const auto* name = std::ranges::find(kNames, part.substr(0, equals));
    if (name == kNames.end()) {
      return wrong(fmt::format("there is no field '{}'", part.substr(0, equals).substr(0, 64)));
    }
    const auto index = static_cast<std::size_t>(name - kNames.begin());
    if (map.places.at(index)) return wrong(fmt::format("{} is there twice", *name));
    TD_ASSIGN(map.places.at(index),
              parse_place(static_cast<JsonField>(index), part.substr(equals + 1)));
  }
  return map;
}

Result<JsonFilter> parse_json_filter(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == text.npos || !is_pointer(text.substr(0, equals))) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no filter: write /pointer=text, such as /type=trade",
                            text.substr(0, 64)));
  }
  return JsonFilter{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

}  // namespace tapedeck::feeds::declared
