#include "api/message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace tapedeck::api {
namespace {

constexpr std::size_t kMembersMax = 32;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<net::Fields> object() {
    net::Fields fields;
    skip_blanks();
    if (!take('{')) return wrong("a JSON object begins with '{'");
    skip_blanks();
    if (!take('}')) {
      do {
        skip_blanks();
        TD_ASSIGN(std::string name, string());
        skip_blanks();
        if (!take(':')) return wrong("a ':' is missing");
        skip_blanks();
        TD_ASSIGN(std::string value, value_text());
        if (std::ranges::find(fields, name, &net::Fields::value_type::first) != fields.end()) {
          return wrong("a member is named twice");
        }
        if (fields.size() == kMembersMax) return wrong("there are too many members");
        fields.emplace_back(std::move(name), std::move(value));
        skip_blanks();
      } while (take(','));
      if (!take('}')) return wrong("a ',' or '}' is missing");
    }
    skip_blanks();
    if (at_ != text_.size()) return wrong("something follows the object");
    return fields;
  }

 private:
  std::unexpected<Error> wrong(std::string_view why) const {
    return fail(ErrorCode::kMalformed,
                fmt::format("the message is no flat JSON object: {}, at byte {}", why, at_));
  }

  void skip_blanks() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
      ++at_;
    }
  }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<std::string> value_text() {
    if (at_ < text_.size() && text_[at_] == '"') return string();
    for (const std::string_view word : {"true", "false"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return std::string(word);
      }
    }
    // A number, as JSON has them. What it may be is up to who reads the member.
    const std::size_t begin = at_;
    take('-');
    const std::size_t digits = at_;
    skip_digits();
    if (at_ == digits || (text_[digits] == '0' && at_ > digits + 1)) {
      return wrong("a value is a string, a number, true or false");
    }
    if (take('.') && !skip_digits()) return wrong("a number ends after its point");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!skip_digits()) return wrong("a number ends in its exponent");
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  bool skip_digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > begin;
  }

  Result<std::string> string() {
    if (!take('"')) return wrong("a string is missing");
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) return wrong("a string holds a control character");
      if (c != '\\') {
        out += c;
        continue;
      }
      TD_TRY(escaped(out));
    }
    return wrong("a string does not end");
  }

  Status escaped(std::string& out) {
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    if (const auto known = kEscapes.find(c); c != '\0' && known != kEscapes.npos) {
      out += kMeant[known];
      return {};
    }
    if (c != 'u') return wrong("a string has an unknown escape");
    auto code = hex4();
    if (code && *code >= 0xD800 && *code < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
      at_ += 2;
      const auto low = hex4();
      if (!low || *low < 0xDC00 || *low > 0xDFFF) return wrong("half of a surrogate is missing");
      code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
    }
    if (!code || (*code >= 0xD800 && *code <= 0xDFFF)) return wrong("a \\u escape is wrong");
    append_utf8(out, *code);
    return {};
  }

  std::optional<std::uint32_t> hex4() {
    if (text_.size() - at_ < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_++];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return std::nullopt;
      value = value << 4 | static_cast<std::uint32_t>(digit);
    }
    return value;
  }

  static void append_utf8(std::string& out, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xC0 | code >> 6);
      put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      put(0xE0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3F));
      put(0x80 | (code & 0x3F));
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
      put(0x80 | (code >> 6 & 0x3F));
      put(0x80 | (code & 0x3F));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<net::Fields> parse_message(std::string_view text) { return Reader(text).object(); }

}  // namespace tapedeck::api
