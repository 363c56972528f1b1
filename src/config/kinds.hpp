// src/config/kinds.hpp: the kinds of value that an option can have: how each is read, what is said
// when it is wrong, how it is described and shown in the reference. Inside this room only.
#pragma once

#include <fmt/format.h>
#include <toml++/toml.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/nearest.hpp"

namespace tapedeck::config {

// One reading of a file.
struct Reading {
  std::string_view file;
  const Surroundings& surroundings;
  std::vector<ConfigProblem>& problems;
  bool is_torn = false;  // lines that are no TOML were left out, so what is missing may be in them
};

// Where in the file something stands, and where to tell what is wrong with it.
class Place {
 public:
  Place(std::string key, const toml::node& node, const Reading& reading)
      : key_(std::move(key)), node_(&node), region_(node.source()), reading_(&reading) {}

  const std::string& key() const { return key_; }
  const toml::node& node() const { return *node_; }
  const Surroundings& surroundings() const { return reading_->surroundings; }

  // The place of a member: "feed[1]" -> "feed[1].token".
  Place member(std::string_view name, const toml::node& node) const {
    name = name.substr(0, 64);
    return Place(key_.empty() ? std::string(name) : fmt::format("{}.{}", key_, name), node,
                 *reading_);
  }
  // The place of an element, counted from 1.
  Place element(std::size_t index, const toml::node& node) const {
    return Place(fmt::format("{}[{}]", key_, index + 1), node, *reading_);
  }
  // The same node, told of where its key stands.
  Place at(const toml::key& key) const {
    Place place = *this;
    place.region_ = key.source();
    return place;
  }

  // Whether anything is wrong with this or what is inside of it; warnings aside.
  bool has_errors() const;
  // Nothing, so that a reader can return it.
  std::nullopt_t error(std::string message) const {
    tell(std::move(message), ConfigProblem::Severity::kError);
    return std::nullopt;
  }
  // Of what does not stand there.
  void missing(std::string message) const {
    if (!reading_->is_torn) error(std::move(message));
  }
  void warning(std::string message) const {
    tell(std::move(message), ConfigProblem::Severity::kWarning);
  }
  // "must be a duration, such as "10s"; here stands a whole number".
  std::nullopt_t wrong_type(std::string_view wanted) const;

 private:
  void tell(std::string message, ConfigProblem::Severity severity) const {
    reading_->problems.push_back({std::string(reading_->file), region_.begin.line,
                                  region_.begin.column, key_, std::move(message), severity});
  }

  std::string key_;
  const toml::node* node_;
  toml::source_region region_;
  const Reading* reading_;
};

// A kind has: Value, describe(), show(value) and read(place), which tells what is wrong and then
// gives nothing.

// Text without control characters.
struct Text {
  using Value = std::string;
  std::string describe() const { return "text"; }
  // Nothing for an empty one, which cannot be written.
  std::string show(const Value& value) const {
    return value.empty() ? value : fmt::format("\"{}\"", value);
  }
  std::optional<Value> read(const Place& place) const;
};

// A name for logs, metrics and folders.
struct Name {
  using Value = std::string;
  std::string describe() const { return "name: letters, digits, - and _, at most 64"; }
  std::string show(const Value& value) const { return Text().show(value); }
  std::optional<Value> read(const Place& place) const;
};

struct Venue {
  using Value = std::string;
  std::string describe() const { return "one of the venues that `tapedeck list` shows"; }
  std::string show(const Value& value) const { return Text().show(value); }
  std::optional<Value> read(const Place& place) const;
};

struct Texts {
  using Value = std::vector<std::string>;
  std::string describe() const { return "list of text, none twice"; }
  std::string show(const Value& value) const { return fmt::format("[{}]", fmt::join(value, ", ")); }
  std::optional<Value> read(const Place& place) const;
};

struct WholeNumber {
  using Value = std::uint32_t;
  Value least = 0;
  Value most = 0;
  std::string describe() const { return fmt::format("whole number, {} to {}", least, most); }
  std::string show(const Value& value) const { return fmt::format("{}", value); }
  std::optional<Value> read(const Place& place) const;
};

struct Flag {
  using Value = bool;
  std::string describe() const { return "true or false"; }
  std::string show(const Value& value) const { return value ? "true" : "false"; }
  std::optional<Value> read(const Place& place) const;
};

struct PositiveNumber {
  using Value = double;
  double most = 0;
  std::string describe() const { return fmt::format("number above 0, at most {}", most); }
  std::string show(const Value& value) const { return fmt::format("{}", value); }
  std::optional<Value> read(const Place& place) const;
};

struct Span {
  using Value = Duration;
  Duration most;
  Duration least{};
  std::string describe() const {
    const std::string from =
        least == Duration{} ? "" : fmt::format("at least \"{}\", ", tapedeck::to_string(least));
    return fmt::format("duration, such as \"10s\", {}at most \"{}\"", from,
                       tapedeck::to_string(most));
  }
  std::string show(const Value& value) const { return Text().show(tapedeck::to_string(value)); }
  std::optional<Value> read(const Place& place) const;
};

// How much: a whole number of bytes, or one with a unit in quotes.
struct Bytes {
  using Value = std::uint64_t;
  Value least = 0;
  Value most = 0;
  std::string describe() const;
  std::string show(const Value& value) const;
  std::optional<Value> read(const Place& place) const;
};

struct BarInterval {
  using Value = Duration;
  std::string describe() const { return "interval, such as \"1m\""; }
  std::string show(const Value& value) const { return Text().show(tapedeck::to_string(value)); }
  std::optional<Value> read(const Place& place) const;
};

// An address of this machine and a port.
struct ListenAt {
  using Value = Endpoint;
  std::string describe() const { return "\"ADDRESS:PORT\", such as \"127.0.0.1:8273\""; }
  std::string show(const Value& value) const;
  std::optional<Value> read(const Place& place) const;
};

// Never in the file itself: the name of an environment variable, or of a file.
struct SecretSource {
  using Value = Secret;
  std::string describe() const { return "secret: \"env:NAME\" or \"file:PATH\""; }
  std::string show(const Value&) const { return {}; }
  std::optional<Value> read(const Place& place) const;
};

// A file that only its owner may read. That it is right is seen when it is read.
struct PrivateFile {
  using Value = std::string;
  std::string describe() const { return "file that only its owner may read"; }
  std::string show(const Value& value) const { return Text().show(value); }
  std::optional<Value> read(const Place& place) const;
};

// What may be left out, and then has no value.
template <class Kind>
struct Maybe {
  using Value = std::optional<typename Kind::Value>;
  Kind kind;
  std::string describe() const { return kind.describe(); }
  std::string show(const Value& value) const { return value ? kind.show(*value) : std::string(); }
  std::optional<Value> read(const Place& place) const {
    auto value = kind.read(place);
    return value ? std::optional<Value>(*std::move(value)) : std::nullopt;
  }
};

// One of some words, each with its meaning.
template <class T>
struct Choice {
  using Value = T;
  std::vector<std::pair<std::string, T>> words;

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [word, value] : words) all.push_back(word);
    return all;
  }
  std::string describe() const {
    return fmt::format("{}\"{}\"", words.size() > 1 ? "one of " : "", fmt::join(names(), "\", \""));
  }
  std::string show(const Value& value) const {
    for (const auto& [word, meaning] : words) {
      if (meaning == value) return Text().show(word);
    }
    return {};
  }
  std::optional<Value> read(const Place& place) const {
    const auto text = Text().read(place);
    if (!text) return std::nullopt;
    for (const auto& [word, value] : words) {
      if (word == *text) return value;
    }
    return place.error(not_known(*text, names()));
  }
};

}  // namespace tapedeck::config
