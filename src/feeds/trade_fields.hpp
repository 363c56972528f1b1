// src/feeds/trade_fields.hpp: the fields that every trade has, from text, with the rules that hold
// for all venues and files.
#pragma once

#include <cstdint>
#include <expected>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/time.hpp"
#include "feeds/event_time.hpp"
#include "feeds/flaw.hpp"
#include "market/decimal.hpp"
#include "market/trade.hpp"

namespace tapedeck::feeds {

// A field of a message by the venue's name; nothing: it is not there, or of no use.
struct NamedField {
  const std::optional<std::string_view>& text;
  std::string_view name;
};
// What is missing of what `what` ("a trade") cannot be without: "missing_field".
std::optional<Flaw> find_missing(std::string_view what, std::initializer_list<NamedField> fields);
// Above zero; else "bad_price".
std::expected<market::Decimal, Flaw> take_price(std::string_view text);
// Zero or more: some venues report matches without a size; else "bad_size".
std::expected<market::Decimal, Flaw> take_size(std::string_view text);
// Plausible; else "bad_time".
std::expected<Timestamp, Flaw> take_time(std::string_view text, TimeUnit unit);
// A decimal integer below 2^64; else "bad_id".
std::expected<std::uint64_t, Flaw> take_id(std::string_view text);
// "buy", "b", "sell" or "s", whatever the case; of anything else nothing is known.
market::Side take_side(std::string_view text);

}  // namespace tapedeck::feeds
