#include "config/kinds.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <unordered_set>

namespace tapedeck::config {
namespace {

std::string_view name_of(toml::node_type type) {
  switch (type) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "text";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

bool has_control_characters(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

struct ByteUnit {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array kByteUnits{ByteUnit{"TiB", std::uint64_t{1} << 40},
                                ByteUnit{"GiB", std::uint64_t{1} << 30},
                                ByteUnit{"MiB", std::uint64_t{1} << 20},
                                ByteUnit{"KiB", std::uint64_t{1} << 10}, ByteUnit{"B", 1}};

std::string bytes_text(std::uint64_t bytes) {
  for (const ByteUnit& unit : kByteUnits) {
    if (bytes != 0 && bytes % unit.bytes == 0) {
      return fmt::format("{}{}", bytes / unit.bytes, unit.name);
    }
  }
  return "0B";
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view name(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const auto unit = std::ranges::find(kByteUnits, name, &ByteUnit::name);
  std::uint64_t bytes = 0;
  if (error != std::errc{} || unit == kByteUnits.end() ||
      __builtin_mul_overflow(count, unit->bytes, &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

bool is_open_to_others(const struct stat& info) { return (info.st_mode & 077) != 0; }

// The content of a file of at most a few thousand bytes, and whether others than its owner may
// read it.
struct SecretFile {
  std::string content;
  bool open_to_others = false;
};

Result<SecretFile> read_secret_file(const std::string& path) {
  constexpr std::size_t kBytesMax = 4096;
  const auto cannot = [&](std::string_view why) {
    return fail(ErrorCode::kNotFound, fmt::format("cannot read the file '{}': {}", path, why));
  };
  // O_NONBLOCK: a pipe without a writer must not hold us up.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return cannot(std::generic_category().message(errno));
  SecretFile file;
  struct stat info{};
  std::array<char, kBytesMax + 1> bytes{};
  const bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  const ssize_t got = regular ? ::read(fd, bytes.data(), bytes.size()) : -1;
  ::close(fd);
  if (!regular) return cannot("it is not a regular file");
  if (got < 0) return cannot("reading failed");
  if (static_cast<std::size_t>(got) > kBytesMax) return cannot("it is longer than a secret is");
  file.content.assign(bytes.data(), static_cast<std::size_t>(got));
  file.open_to_others = is_open_to_others(info);
  return file;
}

void warn_of_others(const Place& place, std::string_view path) {
  place.warning(fmt::format("others may read '{}': chmod 600 it", path));
}

}  // namespace

bool Place::has_errors() const {
  return std::ranges::any_of(reading_->problems, [&](const ConfigProblem& problem) {
    return problem.severity == ConfigProblem::Severity::kError &&
           (problem.key == key_ || problem.key.starts_with(key_ + "."));
  });
}

std::nullopt_t Place::wrong_type(std::string_view wanted) const {
  return error(fmt::format("must be {}; here stands {}", wanted, name_of(node_->type())));
}

std::optional<std::string> Text::read(const Place& place) const {
  auto text = place.node().value_exact<std::string>();
  if (!text) return place.wrong_type("text in quotes");
  if (text->empty()) return place.error("must not be empty");
  if (has_control_characters(*text)) return place.error("must not hold control characters");
  return text;
}

std::optional<std::string> Name::read(const Place& place) const {
  auto text = Text().read(place);
  if (!text) return std::nullopt;
  const bool plain = std::ranges::all_of(*text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  if (!plain || text->size() > 64) {
    return place.error(fmt::format(
        "'{}' cannot be a name: use letters, digits, - and _, at most 64", text->substr(0, 80)));
  }
  return text;
}

std::optional<std::string> Venue::read(const Place& place) const {
  auto text = Text().read(place);
  if (!text) return std::nullopt;
  std::vector<std::string> names;
  for (const VenueRules& venue : place.surroundings().venues) names.push_back(venue.name);
  if (std::ranges::find(names, *text) == names.end()) return place.error(not_known(*text, names));
  return text;
}

std::optional<std::vector<std::string>> Texts::read(const Place& place) const {
  const toml::array* list = place.node().as_array();
  if (list == nullptr) return place.wrong_type("a list of text, such as [\"a\", \"b\"]");
  if (list->empty()) return place.error("must not be empty: leave it out, or name something");
  std::vector<std::string> texts;
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Place element = place.element(i, *list->get(i));
    auto text = Text().read(element);
    if (!text) continue;
    if (!seen.insert(*text).second) {
      element.error(fmt::format("'{}' stands twice", text->substr(0, 64)));
    }
    texts.push_back(*std::move(text));
  }
  return texts;
}

std::optional<std::uint32_t> WholeNumber::read(const Place& place) const {
  const auto number = place.node().value_exact<std::int64_t>();
  if (!number) return place.wrong_type(fmt::format("a {}", describe()));
  if (*number < least || *number > most) {
    return place.error(fmt::format("{} is out of range: {} to {}", *number, least, most));
  }
  return static_cast<std::uint32_t>(*number);
}

std::optional<bool> Flag::read(const Place& place) const {
  const auto value = place.node().value_exact<bool>();
  if (!value) return place.wrong_type("true or false");
  return value;
}

std::optional<double> PositiveNumber::read(const Place& place) const {
  if (!place.node().is_number()) return place.wrong_type(fmt::format("a {}", describe()));
  const double number = place.node().value<double>().value_or(0);
  if (!(number > 0 && number <= most)) {  // NaN too
    return place.error(fmt::format("{} is out of range: above 0, at most {}", number, most));
  }
  return number;
}

std::optional<Duration> Span::read(const Place& place) const {
  const auto text = place.node().value_exact<std::string>();
  if (!text) return place.wrong_type("a duration in quotes, such as \"10s\"");
  const auto duration = parse_duration(*text);
  if (!duration) return place.error(duration.error().message);
  if (*duration > most || *duration < least) {
    const std::string from =
        least == Duration{} ? "" : fmt::format("at least {}, ", tapedeck::to_string(least));
    return place.error(
        fmt::format("{} is out of range: {}at most {}", *text, from, tapedeck::to_string(most)));
  }
  return *duration;
}

std::optional<Duration> BarInterval::read(const Place& place) const {
  const auto text = place.node().value_exact<std::string>();
  if (!text) return place.wrong_type("an interval in quotes, such as \"1m\"");
  const auto interval = market::parse_interval(*text);
  if (!interval) return place.error(interval.error().message);
  return *interval;
}

std::string Bytes::describe() const {
  return fmt::format("bytes, such as 1048576 or \"64MiB\", {} to {}", bytes_text(least),
                     bytes_text(most));
}

std::string Bytes::show(const Value& value) const { return Text().show(bytes_text(value)); }

std::optional<std::uint64_t> Bytes::read(const Place& place) const {
  std::optional<std::uint64_t> bytes;
  std::string shown;
  if (const auto number = place.node().value_exact<std::int64_t>()) {
    shown = fmt::format("{}", *number);
    bytes = *number < 0 ? 0 : static_cast<std::uint64_t>(*number);
    if (*number < 0) return place.error(fmt::format("{} is out of range: at least 0", *number));
  } else if (const auto text = place.node().value_exact<std::string>()) {
    shown = text->substr(0, 64);
    bytes = parse_bytes(*text);
    if (!bytes) {
      return place.error(
          fmt::format("'{}' is no number of bytes: write a whole number and a unit "
                      "(B, KiB, MiB, GiB, TiB), such as \"64MiB\"",
                      shown));
    }
  } else {
    return place.wrong_type("a number of bytes, such as 1048576 or \"64MiB\"");
  }
  if (*bytes < least || *bytes > most) {
    return place.error(
        fmt::format("{} is out of range: {} to {}", shown, bytes_text(least), bytes_text(most)));
  }
  return bytes;
}

std::string ListenAt::show(const Value& value) const {
  const auto& [address, port] = value;
  return Text().show(address.contains(':') ? fmt::format("[{}]:{}", address, port)
                                           : fmt::format("{}:{}", address, port));
}

std::optional<Endpoint> ListenAt::read(const Place& place) const {
  const auto text = Text().read(place);
  if (!text) return std::nullopt;
  auto endpoint = parse_endpoint(*text);
  if (!endpoint) return place.error(endpoint.error().message);
  return *std::move(endpoint);
}

std::optional<Secret> SecretSource::read(const Place& place) const {
  // What stands here may be the secret itself, so no message repeats it.
  const auto text = place.node().value_exact<std::string>();
  if (!text) return place.wrong_type("\"env:NAME\" or \"file:PATH\"");
  const auto colon = text->find(':');
  const std::string source = text->substr(0, colon);
  const std::string name = colon == text->npos ? std::string() : text->substr(colon + 1);
  if ((source != "env" && source != "file") || name.empty() || has_control_characters(name)) {
    return place.error(
        "a secret does not stand in this file: write \"env:NAME\" for an "
        "environment variable, or \"file:PATH\"");
  }
  std::string value;
  if (source == "env") {
    auto found = place.surroundings().environment(name);
    if (!found || found->empty()) {
      return place.error(fmt::format("the environment variable '{}' is not set", name));
    }
    value = *std::move(found);
  } else {
    auto file = read_secret_file(name);
    if (!file) return place.error(file.error().message);
    if (file->open_to_others) warn_of_others(place, name);
    value = std::move(file->content);
    while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
    if (value.empty()) return place.error(fmt::format("the file '{}' is empty", name));
  }
  if (has_control_characters(value)) {
    return place.error(fmt::format("what '{}' holds is more than one line of text", name));
  }
  return Secret(std::move(value));
}

std::optional<std::string> PrivateFile::read(const Place& place) const {
  auto path = Text().read(place);
  if (!path) return std::nullopt;
  struct stat info{};
  if (::stat(path->c_str(), &info) == 0 && is_open_to_others(info)) warn_of_others(place, *path);
  return path;
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto wrong = [&](std::string_view what) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}': {}: write \"127.0.0.1:8273\" or \"[::1]:8273\"",
                            text.substr(0, 64), what));
  };
  const auto colon = text.rfind(':');
  std::string address(text.substr(0, colon));
  if (colon == text.npos || address.empty()) return wrong("an address and a port are needed");
  in6_addr parsed{};
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
    if (::inet_pton(AF_INET6, address.c_str(), &parsed) != 1) {
      return wrong("what is in brackets is no IPv6 address");
    }
  } else if (::inet_pton(AF_INET, address.c_str(), &parsed) != 1) {
    return wrong("no address of a machine, as names are not looked up");
  }
  const std::string_view port = text.substr(colon + 1);
  Endpoint endpoint{.address = std::move(address)};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc{} || end != port.data() + port.size()) {
    return wrong("the port is a whole number, 0 to 65535");
  }
  return endpoint;
}

}  // namespace tapedeck::config
