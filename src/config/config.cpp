#include "config/config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <tuple>

#include "config/kinds.hpp"

namespace tapedeck::config {
namespace {

// ---- The tables: one row an option.

template <class C>
struct Option {
  OptionReference reference;
  std::function<void(C&, const Place&)> read;
};

enum class Need { kOptional, kRequired };

template <class C, class Kind>
Option<C> option(std::string_view name, const Kind& kind, typename Kind::Value C::* member,
                 std::string_view help, Need need = Need::kOptional) {
  const bool required = need == Need::kRequired;
  return {.reference = {.name = std::string(name),
                        .kind = kind.describe(),
                        .default_value = required ? std::string() : kind.show(C{}.*member),
                        .required = required,
                        .help = std::string(help)},
          .read = [kind, member](C& component, const Place& place) {
            if (auto value = kind.read(place)) component.*member = *std::move(value);
          }};
}

template <class C>
using Options = std::vector<Option<C>>;

Options<TapeConfig> tape_options() {
  using C = TapeConfig;
  return {
      option("kind", Choice<std::string>{{{"embedded", "embedded"}}}, &C::kind,
             "Where the log is kept: in files of this machine."),
      option("dir", Text{}, &C::dir, "The folder of the log, made where missing."),
      option("fsync",
             Choice<Fsync>{
                 {{"always", Fsync::kAlways}, {"group", Fsync::kGroup}, {"never", Fsync::kNever}}},
             &C::fsync,
             "When events are durable. `always` and `group`: before they are acknowledged, one "
             "batch at a time or what came in meanwhile together; power loss loses nothing "
             "acknowledged. `never`: when the system writes them; power loss loses about the last "
             "30 s."),
  };
}

Options<FeedConfig> feed_options() {
  using C = FeedConfig;
  return {
      option("id", Name{}, &C::id, "What this feed is called. No two are the same.",
             Need::kRequired),
      option("venue", Venue{}, &C::venue, "Whose protocol it speaks.", Need::kRequired),
      option("symbols", Texts{}, &C::symbols, "What to take, in the venue's own spelling."),
      option("files", Texts{}, &C::files, "Recordings to play in place of a live connection."),
      option("token", SecretSource{}, &C::token, "The venue's key, where it wants one."),
      option("speed", PositiveNumber{1'000'000}, &C::speed,
             "How fast a recording plays: seconds of the market a second."),
  };
}

Options<BarsConfig> bars_options() {
  using C = BarsConfig;
  return {
      option("interval", BarInterval{}, &C::interval, "How long a bar is.", Need::kRequired),
      option("conditions",
             Choice<market::ConditionMode>{{{"eligible", market::ConditionMode::kEligible},
                                            {"all", market::ConditionMode::kAll}}},
             &C::conditions,
             "Which trades count: those that the venue's conditions allow, or all."),
      option("session",
             Choice<market::SessionMode>{{{"extended", market::SessionMode::kExtended},
                                          {"regular", market::SessionMode::kRegular}}},
             &C::session, "All trades, or those of regular hours only."),
      option("lateness", Span{hours(24)}, &C::lateness,
             "How long a bar waits for late trades before it is final. One that comes later still "
             "makes a new revision."),
  };
}

Options<StoreConfig> store_options() {
  using C = StoreConfig;
  return {
      option("kind", Choice<std::string>{{{"embedded", "embedded"}}}, &C::kind,
             "Where results are kept: in a file of this machine."),
      option("path", Text{}, &C::path, "The file. Its folder must exist."),
  };
}

Options<ApiConfig> api_options() {
  using C = ApiConfig;
  return {
      option("address", IpAddress{}, &C::address, "Which address of this machine to listen on."),
      option("port", WholeNumber{0, 65535}, &C::port, "0: any that is free."),
  };
}

Options<LogConfig> log_options() {
  using C = LogConfig;
  return {
      option("format", Choice<LogFormat>{{{"text", LogFormat::kText}, {"json", LogFormat::kJson}}},
             &C::format, "For people, or one JSON object a line."),
      option("level",
             Choice<LogLevel>{{{"debug", LogLevel::kDebug},
                               {"info", LogLevel::kInfo},
                               {"warning", LogLevel::kWarning},
                               {"error", LogLevel::kError}}},
             &C::level, "The least that is told."),
  };
}

// All components. A list in Config is written [[name]], any number of times.
template <class F>
void for_each_component(F&& f) {
  f("tape", "The durable log of all that came in.", tape_options(), &Config::tape);
  f("feed", "Where market data comes from.", feed_options(), &Config::feeds);
  f("bars", "A series of bars to make of every instrument. Without any: 1 minute.", bars_options(),
    &Config::bars);
  f("store", "Where results are kept. All of it can be computed again from the tape.",
    store_options(), &Config::store);
  f("api", "The dashboard, and the interface for programs.", api_options(), &Config::api);
  f("log", "What the program tells of itself, on standard error.", log_options(), &Config::log);
}

// ---- What one row alone cannot see. `before`: those of the same kind that stand above.

const toml::table& table_of(const Place& place) { return *place.node().as_table(); }

template <class C>
void check(const C&, const std::vector<C>&, const Place&) {}

void check(const FeedConfig& feed, const std::vector<FeedConfig>& before, const Place& place) {
  if (!feed.id.empty() && std::ranges::find(before, feed.id, &FeedConfig::id) != before.end()) {
    place.member("id", *table_of(place).get("id"))
        .error(fmt::format("there is another feed with the id '{}': give each its own", feed.id));
  }
  if (!table_of(place).contains("symbols") && !table_of(place).contains("files")) {
    place.error("has neither symbols nor files: name what to take, or the recordings to play");
  }
}

void check(const BarsConfig& bars, const std::vector<BarsConfig>& before, const Place& place) {
  // A value that could not be read looks like its default: say nothing more about those.
  if (!place.has_problems() &&
      std::ranges::any_of(before, [&](const auto& b) { return b.spec() == bars.spec(); })) {
    place.error("the same interval, conditions and session stand above: remove one of them");
  }
}

void check(const ApiConfig& api, const std::vector<ApiConfig>&, const Place& place) {
  if (!api.address.starts_with("127.") && api.address != "::1") {
    place.member("address", *table_of(place).get("address"))
        .warning(fmt::format("other machines can reach {} and there is no encryption: use "
                             "127.0.0.1, or a proxy with TLS",
                             api.address));
  }
}

// ---- Reading

template <class C>
C read_component(const Place& place, const Options<C>& options) {
  const toml::table& table = table_of(place);
  std::vector<std::string> names;
  for (const Option<C>& o : options) names.push_back(o.reference.name);
  C component;
  for (const auto& [key, node] : table) {
    const Place member = place.member(key.str(), node);
    const auto row = std::ranges::find(names, key.str());
    if (row == names.end()) {
      member.at(key).error(not_known(key.str(), names));
    } else {
      options[static_cast<std::size_t>(row - names.begin())].read(component, member);
    }
  }
  for (const Option<C>& o : options) {
    if (o.reference.required && !table.contains(o.reference.name)) {
      place.error(fmt::format("'{}' is missing: {}", o.reference.name, o.reference.kind));
    }
  }
  return component;
}

template <class C>
void read_into(C& component, std::string_view name, const Place& place, const Options<C>& options) {
  if (!place.node().is_table()) {
    place.wrong_type(fmt::format("a table, written [{}]", name));
    return;
  }
  component = read_component(place, options);
  check(component, std::vector<C>(), place);
}

template <class C>
void read_into(std::vector<C>& components, std::string_view name, const Place& place,
               const Options<C>& options) {
  const toml::array* list = place.node().as_array();
  if (list == nullptr || !std::ranges::all_of(*list, &toml::node::is_table)) {
    place.wrong_type(fmt::format("written [[{}]], with two brackets: there can be several", name));
    return;
  }
  components.clear();
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Place element = place.element(i, *list->get(i));
    C component = read_component(element, options);
    check(component, components, element);
    components.push_back(std::move(component));
  }
}

void read_file(Config& config, const Place& root) {
  std::vector<std::string> names;
  for_each_component([&](std::string_view name, auto&&...) { names.emplace_back(name); });
  for (const auto& [key, node] : *root.node().as_table()) {
    const Place place = root.member(key.str(), node);
    bool known = false;
    for_each_component([&](std::string_view name, auto&&, const auto& options, auto member) {
      if (name != key.str()) return;
      known = true;
      read_into(config.*member, name, place, options);
    });
    if (!known) place.at(key).error(not_known(key.str(), names));
  }
}

std::string escape_pipes(std::string text) {
  for (std::size_t i = text.find('|'); i != text.npos; i = text.find('|', i + 2)) {
    text.insert(i, 1, '\\');
  }
  return text;
}

template <class C>
constexpr bool is_list(C Config::*) {
  return false;
}
template <class C>
constexpr bool is_list(std::vector<C> Config::*) {
  return true;
}

}  // namespace

std::string to_string(const ConfigProblem& problem) {
  return fmt::format("{}:{}:{}: {}{}{}{}", problem.file, problem.line, problem.column,
                     problem.severity == ConfigProblem::Severity::kWarning ? "warning: " : "",
                     problem.key, problem.key.empty() ? "" : ": ", problem.message);
}

bool ParsedConfig::usable() const {
  return std::ranges::all_of(problems, [](const ConfigProblem& problem) {
    return problem.severity == ConfigProblem::Severity::kWarning;
  });
}

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

ParsedConfig parse_config(std::string_view text, std::string_view file,
                          const Surroundings& surroundings) {
  ParsedConfig parsed;
  try {
    const toml::table root = toml::parse(text);
    read_file(parsed.config, Place("", root, file, surroundings, parsed.problems));
  } catch (const toml::parse_error& e) {
    const toml::source_position& at = e.source().begin;
    parsed.problems.push_back({.file = std::string(file),
                               .line = at.line,
                               .column = at.column,
                               .key = {},
                               .message = fmt::format("not TOML: {}", e.description())});
  }
  std::ranges::stable_sort(parsed.problems, {}, [](const ConfigProblem& problem) {
    return std::tuple(problem.line, problem.column);
  });
  return parsed;
}

std::vector<ComponentReference> reference() {
  std::vector<ComponentReference> components;
  for_each_component(
      [&](std::string_view name, std::string_view help, const auto& options, auto member) {
        ComponentReference& component = components.emplace_back();
        component.name = name;
        component.many = is_list(member);
        component.help = help;
        for (const auto& o : options) component.options.push_back(o.reference);
      });
  return components;
}

std::string reference_markdown() {
  std::string text =
      "# The pipeline file\n\n"
      "TOML. What is not written has its default; an unknown name is an error. All that is wrong "
      "with a file is told at once, by `tapedeck check-config FILE`.\n";
  for (const ComponentReference& component : reference()) {
    const std::string heading = component.many ? fmt::format("[[{}]]", component.name)
                                               : fmt::format("[{}]", component.name);
    text +=
        fmt::format("\n## `{}`\n\n{}\n\n| option | kind | default | |\n| --- | --- | --- | --- |\n",
                    heading, component.help);
    for (const OptionReference& o : component.options) {
      const std::string default_value =
          o.required ? "required"
                     : (o.default_value.empty() ? "none" : "`" + o.default_value + "`");
      text += fmt::format("| `{}` | {} | {} | {} |\n", o.name, escape_pipes(o.kind),
                          escape_pipes(default_value), escape_pipes(o.help));
    }
  }
  return text;
}

}  // namespace tapedeck::config
