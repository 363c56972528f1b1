// src/feeds/trade_row.hpp: a trade from the texts of a row whose fields somebody named: of a
// program that hands in rows, of a venue that is declared in a pipeline file. Inside this room
// only.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "base/time.hpp"
#include "feeds/event_time.hpp"
#include "feeds/flaw.hpp"
#include "market/decimal.hpp"
#include "market/trade.hpp"

namespace tapedeck::feeds {

// As they stand there; nothing: not there.
struct RowTexts {
  using Text = std::optional<std::string_view>;
  Text symbol{}, price{}, size{}, time{}, id{}, side{}, conditions{};
};

// What makes an id of the sender an identity: a whole number below 2^64 is itself, any other text
// of at most 128 bytes is the first 128 bits of its SHA-256.
struct RowId {
  std::uint64_t seq = 0;
  std::uint64_t position = 0;  // 0: a number
  bool is_number() const { return position == 0; }
};
std::expected<RowId, Flaw> take_row_id(std::string_view text);

// All but its series, origin and ts_recv; ids go into `identity` and, where they are numbers, into
// venue_sequence. A side that is neither buy nor sell is "malformed".
struct RowTrade {
  market::Trade trade{};
  bool has_id = false;
};
std::expected<RowTrade, Flaw> take_row(const RowTexts& texts, TimeUnit unit);

}  // namespace tapedeck::feeds
