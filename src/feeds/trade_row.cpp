#include "feeds/trade_row.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <system_error>
#include <utility>

#include "base/result.hpp"
#include "base/sha256.hpp"
#include "feeds/trade_fields.hpp"

namespace tapedeck::feeds {
namespace {

std::unexpected<Flaw> bad(std::string_view reason, std::string detail) {
  return std::unexpected(Flaw{reason, std::move(detail)});
}

std::uint64_t hex_number(std::string_view digits) {
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return number;
}

std::expected<std::uint64_t, Flaw> take_conditions(std::string_view text) {
  const bool is_hex = text.starts_with("0x");
  const std::string_view digits = is_hex ? text.substr(2) : text;
  std::uint64_t bits = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), bits, is_hex ? 16 : 10);
  if (error == std::errc{} && end == digits.data() + digits.size()) return bits;
  return bad("bad_conditions",
             fmt::format("conditions '{}' are no number: write the bits, such as 5 or 0x5",
                         text.substr(0, 64)));
}

}  // namespace

std::expected<RowId, Flaw> take_row_id(std::string_view text) {
  constexpr std::size_t kBytesMax = 128;
  if (const auto number = take_id(text)) return RowId{.seq = *number};
  if (text.empty() || text.size() > kBytesMax) {
    return bad("bad_id",
               fmt::format("an id has 1 to {} bytes, and this one {}", kBytesMax, text.size()));
  }
  const std::string hash = sha256_hex(text);
  const std::uint64_t position = hex_number(std::string_view(hash).substr(16, 16));
  return RowId{.seq = hex_number(std::string_view(hash).substr(0, 16)),
               .position = position == 0 ? 1 : position};
}

std::expected<RowTrade, Flaw> take_row(const RowTexts& texts, TimeUnit unit) {
  for (const auto& [text, name] :
       {std::pair{&texts.price, "price"}, {&texts.size, "size"}, {&texts.time, "time"}}) {
    if (!*text) return bad("missing_field", fmt::format("there is no '{}'", name));
  }
  RowTrade row;
  TD_ASSIGN(row.trade.price, take_price(*texts.price));
  TD_ASSIGN(row.trade.size, take_size(*texts.size));
  TD_ASSIGN(row.trade.ts_event, take_time(*texts.time, unit));
  if (texts.id) {
    TD_ASSIGN(const RowId id, take_row_id(*texts.id));
    row.has_id = true;
    row.trade.identity = {.origin = {}, .seq = id.seq, .position = id.position};
    if (id.is_number()) row.trade.venue_sequence = id.seq;
  }
  if (const std::string_view side = texts.side.value_or(""); !side.empty() && side != "unknown") {
    row.trade.side = take_side(side);
    if (row.trade.side == market::Side::kUnknown) {
      return bad("malformed", fmt::format("side '{}' is neither buy nor sell", side.substr(0, 64)));
    }
  }
  if (texts.conditions) {
    TD_ASSIGN(row.trade.conditions, take_conditions(*texts.conditions));
  }
  return row;
}

}  // namespace tapedeck::feeds
