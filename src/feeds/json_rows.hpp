// src/feeds/json_rows.hpp: JSON objects as rows of texts, for what a venue lists. Only for .cpp
// files of this room.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "feeds/json_reader.hpp"

namespace tapedeck::feeds {

// The texts of these members, in the order of `names`; empty where there is none.
template <std::size_t N>
Result<std::array<std::string, N>> read_row(simdjson::ondemand::object object,
                                            const std::array<std::string_view, N>& names) {
  std::array<std::string, N> texts;
  for (auto item : object) {
    simdjson::ondemand::field field;
    if (const auto code = std::move(item).get(field)) {
      return fail(ErrorCode::kMalformed, simdjson::error_message(code));
    }
    const std::string_view key = key_of(field);
    for (std::size_t i = 0; i < N; ++i) {
      if (key != names[i]) continue;
      if (const auto text = text_of(field.value()); text && *text != "null") texts[i] = *text;
      break;
    }
  }
  return texts;
}

// Calls `take(texts)` for each object of a list.
template <std::size_t N, class Take>
Status for_each_row(simdjson::ondemand::array rows, const std::array<std::string_view, N>& names,
                    Take&& take) {
  for (auto element : rows) {
    simdjson::ondemand::object object;
    if (const auto code = std::move(element).get_object().get(object)) {
      return fail(ErrorCode::kMalformed, simdjson::error_message(code));
    }
    TD_ASSIGN(auto texts, read_row(object, names));
    take(texts);
  }
  return {};
}

}  // namespace tapedeck::feeds
