// src/feeds/declared/json_map.hpp: which part of a JSON document is what, as somebody declared it:
//   time=/T:ms,price=/p,size=/q,symbol=/s,id=/t,side=/m:false
// A field, where its value is in a row (a JSON Pointer, RFC 6901), and of a time its unit, of a
// side the word that means that the taker bought.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "feeds/event_time.hpp"

namespace tapedeck::feeds::declared {

enum class JsonField : std::uint8_t {
  kTime,
  kPrice,
  kSize,
  kId,
  kSide,
  kSymbol,
  kBid,
  kBidSize,
  kAsk,
  kAskSize
};
inline constexpr std::size_t kJsonFields = 10;
std::string_view to_string(JsonField field);

struct JsonPlace {
  std::string pointer;  // "" is the row itself
  TimeUnit unit = TimeUnit::kIso;
  std::string buy{};  // of a side; empty: it says "buy" or "sell"
};

struct JsonMap {
  std::array<std::optional<JsonPlace>, kJsonFields> places{};
  const std::optional<JsonPlace>& operator[](JsonField field) const {
    return places.at(static_cast<std::size_t>(field));
  }
};

// Errors: kInvalidArgument, saying what is wrong and how a map is written.
Result<JsonMap> parse_json_map(std::string_view text);

// "/e=trade": rows are in documents that have this text there.
struct JsonFilter {
  std::string pointer;
  std::string text;
};
Result<JsonFilter> parse_json_filter(std::string_view text);

}  // namespace tapedeck::feeds::declared
