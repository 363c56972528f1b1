#include "feeds/trade_fields.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace tapedeck::feeds {
namespace {

std::unexpected<Flaw> bad(std::string_view reason, std::string detail) {
  return std::unexpected(Flaw{reason, std::move(detail)});
}

// parse_decimal, with a short way for what venues send: a few digits and perhaps a point.
Result<market::Decimal> decimal(std::string_view text) {
  if (text.size() > 18) return market::parse_decimal(text);
  std::int64_t mantissa = 0;
  int scale = 0;
  bool point = false;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      mantissa = mantissa * 10 + (c - '0');
      if (point) ++scale;
    } else if (c == '.' && !point) {
      point = true;
    } else {
      return market::parse_decimal(text);
    }
  }
  if (text.empty() || text == ".") return market::parse_decimal(text);
  return market::Decimal::make(mantissa, mantissa == 0 ? 0 : scale);
}

}  // namespace

std::optional<Flaw> find_missing(std::string_view what, std::initializer_list<NamedField> fields) {
  if (std::ranges::all_of(fields, [](const auto& field) { return field.text.has_value(); })) {
    return std::nullopt;
  }
  Flaw flaw{.reason = "missing_field", .detail = {}};
  for (const auto& [text, name] : fields) {
    if (!text) flaw.missing.push_back(name);
  }
  flaw.detail = fmt::format("{} without a usable '{}'", what, fmt::join(flaw.missing, "', '"));
  return flaw;
}

std::expected<market::Decimal, Flaw> take_price(std::string_view text) {
  auto price = decimal(text);
  if (!price) return bad("bad_price", "price " + std::move(price.error().message));
  if (price->mantissa <= 0) {
    return bad("bad_price", fmt::format("price '{}' is not above zero", text.substr(0, 64)));
  }
  return *price;
}

std::expected<market::Decimal, Flaw> take_size(std::string_view text) {
  auto size = decimal(text);
  if (!size) return bad("bad_size", "size " + std::move(size.error().message));
  if (size->mantissa < 0) {
    return bad("bad_size", fmt::format("size '{}' is below zero", text.substr(0, 64)));
  }
  return *size;
}

std::expected<Timestamp, Flaw> take_time(std::string_view text, TimeUnit unit) {
  auto time = parse_event_time(text, unit);
  if (!time) return bad("bad_time", std::move(time.error().message));
  return *time;
}

std::expected<std::uint64_t, Flaw> take_id(std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return bad("bad_id",
               fmt::format("id '{}' is not a whole number below 2^64", text.substr(0, 64)));
  }
  return id;
}

market::Side take_side(std::string_view text) {
  const auto is = [text](std::string_view word) {
    return std::ranges::equal(text, word, [](char a, char b) { return (a | 0x20) == b; });
  };
  if (is("buy") || is("b")) return market::Side::kBuy;
  if (is("sell") || is("s")) return market::Side::kSell;
  return market::Side::kUnknown;
}

}  // namespace tapedeck::feeds
