// src/feeds/yahoo/pricing.hpp: one price of Yahoo's streamer as it travels: a message of protocol
// buffers in base64. Reads any bytes; passes over fields that it does not know. Inside this slice
// only.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "feeds/flaw.hpp"

namespace tapedeck::feeds::yahoo {

struct Pricing {
  std::string id;               // the symbol
  std::optional<float> price;   // they send no more than 24 bits of it
  std::int64_t time_ms = 0;     // since 1970 UTC
  std::string exchange;         // "NMS"
  std::int64_t quote_type = 0;  // 8: a share
  std::int64_t market_hours = 0;
  std::optional<std::int64_t> price_hint;  // decimals that the price has
  std::string unknown{};                   // the number of the last field that is not known
};

inline constexpr std::int64_t kHeartbeat = 7;  // a quote_type

// Strict: padded, nothing else in it. Nothing: it is no base64.
std::optional<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

// Flaws: "malformed".
std::expected<Pricing, Flaw> decode_pricing(std::string_view bytes);
std::string encode_pricing(const Pricing& pricing);

// The shortest decimal that is this float, at most `hint` digits behind the point where something
// is left of it then: "307.2" of 307.20001220703125. Exact from there on.
std::string price_text(float price, std::optional<std::int64_t> hint);

}  // namespace tapedeck::feeds::yahoo
