#include "feeds/yahoo/pricing.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "market/decimal.hpp"

namespace tapedeck::feeds::yahoo {
namespace {

constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> kValues = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kLetters.size(); ++i) {
    values[static_cast<unsigned char>(kLetters[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}();

// Numbers of the fields.
enum Field : std::uint64_t {
  kId = 1,
  kPrice = 2,
  kTime = 3,
  kExchange = 5,
  kQuoteType = 6,
  kMarketHours = 7,
  kPriceHint = 27,
  kMarketCap = 33,  // the last one that is known
};
enum Wire : std::uint64_t { kVarint = 0, kEight = 1, kBytes = 2, kFour = 5 };

class Bytes {
 public:
  explicit Bytes(std::string_view left) : left_(left) {}
  bool at_end() const { return left_.empty(); }

  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !left_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      if (shift == 63 && byte > 1) return std::nullopt;  // beyond 64 bits
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }
  std::optional<std::string_view> take(std::uint64_t count) {
    if (count > left_.size()) return std::nullopt;
    const auto taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

 private:
  std::string_view left_;
};

std::int64_t from_zigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (0 - (value & 1)));
}
std::uint64_t to_zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

float float_of(std::string_view bytes) {
  std::uint32_t bits = 0;
  for (unsigned i = 0; i < 4; ++i) {
    bits |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return std::bit_cast<float>(bits);
}

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>((value & 0x7F) | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}
void put_tag(std::string& out, Field field, Wire wire) { put_varint(out, field << 3 | wire); }
void put_text(std::string& out, Field field, std::string_view text) {
  put_tag(out, field, kBytes);
  put_varint(out, text.size());
  out += text;
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const auto value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  if ((bits & ((1u << count) - 1)) != 0) return std::nullopt;  // bits that nothing is made of
  return out;
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out += kLetters[bits >> count & 0x3F];
    }
  }
  if (count > 0) out += kLetters[bits << (6 - count) & 0x3F];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

std::expected<Pricing, Flaw> decode_pricing(std::string_view bytes) {
  const auto broken = [](std::string_view what) {
    return std::unexpected(Flaw{"malformed", "its protocol buffer " + std::string(what)});
  };
  Pricing out;
  Bytes in(bytes);
  while (!in.at_end()) {
    const auto tag = in.varint();
    if (!tag || *tag >> 3 == 0) return broken("has a field without a number");
    const std::uint64_t field = *tag >> 3;
    const std::uint64_t wire = *tag & 7;
    std::uint64_t number = 0;
    std::string_view text;
    if (wire == kVarint) {
      const auto value = in.varint();
      if (!value) return broken("ends in a number");
      number = *value;
    } else if (wire == kBytes || wire == kFour || wire == kEight) {
      const auto size = wire == kBytes ? in.varint() : wire == kFour ? 4 : 8;
      const auto taken = size ? in.take(*size) : std::nullopt;
      if (!taken) return broken("ends in a field");
      text = *taken;
    } else {
      return broken("has a field of no kind");
    }
    const auto has = [&](Wire wanted) { return wire == wanted; };
    bool is_right = true;
    switch (field) {
      case kId:
        is_right = has(kBytes);
        out.id = text;
        break;
      case kPrice:
        is_right = has(kFour);
        if (is_right) out.price = float_of(text);
        break;
      case kTime:
        is_right = has(kVarint);
        out.time_ms = from_zigzag(number);
        break;
      case kExchange:
        is_right = has(kBytes);
        out.exchange = text;
        break;
      case kQuoteType:
        is_right = has(kVarint);
        out.quote_type = static_cast<std::int64_t>(number);
        break;
      case kMarketHours:
        is_right = has(kVarint);
        out.market_hours = static_cast<std::int64_t>(number);
        break;
      case kPriceHint:
        is_right = has(kVarint);
        out.price_hint = from_zigzag(number);
        break;
      default:
        if (field > kMarketCap) out.unknown = std::to_string(field);
        break;
    }
    if (!is_right) return broken("has a field of another kind than before");
  }
  return out;
}

std::string encode_pricing(const Pricing& pricing) {
  std::string out;
  put_text(out, kId, pricing.id);
  put_tag(out, kPrice, kFour);
  const auto bits = std::bit_cast<std::uint32_t>(pricing.price.value_or(0));
  for (unsigned i = 0; i < 4; ++i) out += static_cast<char>(bits >> (8 * i) & 0xFF);
  put_tag(out, kTime, kVarint);
  put_varint(out, to_zigzag(pricing.time_ms));
  put_text(out, kExchange, pricing.exchange);
  put_tag(out, kQuoteType, kVarint);
  put_varint(out, static_cast<std::uint64_t>(pricing.quote_type));
  put_tag(out, kMarketHours, kVarint);
  put_varint(out, static_cast<std::uint64_t>(pricing.market_hours));
  if (pricing.price_hint) {
    put_tag(out, kPriceHint, kVarint);
    put_varint(out, to_zigzag(*pricing.price_hint));
  }
  return out;
}

std::string price_text(float price, std::optional<std::int64_t> hint) {
  std::array<char, 64> buffer;  // a float in fixed notation has at most 48 letters
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), price, std::chars_format::fixed);
  std::string text(buffer.data(), error == std::errc() ? end : buffer.data());
  const auto exact = market::parse_decimal(text);
  if (!exact || !hint || *hint < 0 || *hint >= exact->scale) return text;
  std::int64_t unit = 1;
  for (int i = exact->scale; i > *hint; --i) unit *= 10;
  std::int64_t rounded = exact->mantissa / unit;
  const std::int64_t rest = exact->mantissa % unit;
  if (rest > unit / 2 || (rest == unit / 2 && rounded % 2 != 0)) ++rounded;
  if (rounded <= 0) return text;
  return to_string(market::Decimal::make(rounded, static_cast<int>(*hint)));
}

}  // namespace tapedeck::feeds::yahoo
