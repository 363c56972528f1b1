// src/feeds/json_reader.hpp: simdjson's on-demand parser with its padded buffer, kept from text to
// text so that nothing is allocated for each. Only for .cpp files of this room.
// Thread: one at a time.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tapedeck::feeds {

class JsonReader {
 public:
  static constexpr std::size_t kTextBytesMax = 16u << 20;

  // The document and all that is read from it live until the next call.
  simdjson::simdjson_result<simdjson::ondemand::document> iterate(std::string_view text) {
    if (text.size() > kTextBytesMax) return simdjson::CAPACITY;
    if (buffer_.size() < text.size() + simdjson::SIMDJSON_PADDING) {
      buffer_.resize(2 * text.size() + simdjson::SIMDJSON_PADDING);
    }
    if (!text.empty()) std::memcpy(buffer_.data(), text.data(), text.size());
    std::memset(buffer_.data() + text.size(), ' ', simdjson::SIMDJSON_PADDING);
    return parser_.iterate(buffer_.data(), text.size(), buffer_.size());
  }

 private:
  simdjson::ondemand::parser parser_;
  std::vector<char> buffer_;
};

// True where nothing follows the value that was read last: on-demand does not look by itself.
inline bool is_whole(simdjson::ondemand::document& document) {
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

// A key as it stands there. One with an escaped quote is cut short, and so is no key that we know.
inline std::string_view key_of(simdjson::ondemand::field& field) {
  const char* begin = field.key().raw();
  const char* end = begin;
  while (*end != '"') ++end;
  return {begin, static_cast<std::size_t>(end - begin)};
}

// The text of a scalar: of a number, true, false or null as it stands there, of a string what is
// between its quotes. Nothing: an object, an array, or a string that is not right. Lives as long as
// the document.
inline std::optional<std::string_view> text_of(simdjson::ondemand::value& value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.remove_suffix(1);
  if (token.empty() || token.front() == '{' || token.front() == '[') return std::nullopt;
  if (token.front() != '"') return token;
  if (token.size() >= 2 && token.back() == '"' &&
      std::memchr(token.data(), '\\', token.size()) == nullptr) {
    return token.substr(1, token.size() - 2);
  }
  std::string_view unescaped;
  if (value.get_string().get(unescaped) != simdjson::SUCCESS) return std::nullopt;
  return unescaped;
}

// Appends the strings of an array to `out`; of anything else nothing.
inline void append_texts(simdjson::ondemand::value& value, std::vector<std::string>& out) {
  simdjson::ondemand::array texts;
  if (value.get_array().get(texts) != simdjson::SUCCESS) return;
  for (auto element : texts) {
    std::string_view text;
    if (element.get_string().get(text) == simdjson::SUCCESS) out.emplace_back(text);
  }
}

}  // namespace tapedeck::feeds
