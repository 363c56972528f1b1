#include "config/config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
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

constexpr std::uint64_t kMebibyte = 1u << 20;
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 60;
constexpr Duration kYears100 = hours(24) * 36'500;

Options<TapeConfig> tape_options() {
  using C = TapeConfig;
  const Maybe<Span> age{{.most = kYears100, .least = minutes(1)}};
  const Maybe<Bytes> kept{{.least = kMebibyte, .most = kBytesMax}};
  const Bytes room{.least = 0, .most = kBytesMax};
  return {
      option("kind", Choice<std::string>{{{"embedded", "embedded"}}}, &C::kind,
             "Where the log is kept: in files of this machine."),
      option("dir", Text{}, &C::dir, "The folder of the log, made where missing."),
      option("fsync",
             Choice<Fsync>{
                 {{"always", Fsync::kAlways}, {"group", Fsync::kGroup}, {"never", Fsync::kNever}}},
             &C::fsync,
             "When events are acknowledged. `always`: when each batch alone is on the disk. "
             "`group`: when what came in meanwhile is, together. Both lose nothing acknowledged, "
             "whatever stops. `never`: when the system has them, which loses about the last 30 s "
             "when the power fails, and nothing when the program dies."),
      option("partitions", Maybe<WholeNumber>{{.least = 1, .most = 1'024}}, &C::partitions,
             "Of a new tape, 1 unless said; the number then belongs to the tape, and another one "
             "is refused."),
      option("segment_bytes", Bytes{.least = kMebibyte, .most = 1024 * kMebibyte},
             &C::segment_bytes,
             "How large a file grows before the next one begins. Retention drops whole files."),
      option("retention_age", age, &C::retention_age,
             "How long a finished file is kept. Without it, for ever. What the results still need "
             "is never dropped."),
      option("retention_bytes", kept, &C::retention_bytes,
             "How much of each partition is kept. Without it, all."),
      option("raw", Choice<RawFrames>{{{"drop", RawFrames::kDrop}, {"keep", RawFrames::kKeep}}},
             &C::raw,
             "Whether frames are kept as they were received, beside what was made of them."),
      option("raw_retention_age", age, &C::raw_retention_age, "As above, of raw frames."),
      option("raw_retention_bytes", kept, &C::raw_retention_bytes, "As above, of raw frames."),
      option("free_warn", room, &C::free_warn_bytes,
             "Less room than this on the disk is a warning."),
      option("free_stop", room, &C::free_stop_bytes,
             "With less room than this the tape takes nothing more, until there is."),
  };
}

Options<FeedConfig> feed_options() {
  using C = FeedConfig;
  return {
      option("id", Name{}, &C::id, "What this feed is called. No two are the same.",
             Need::kRequired),
      option("venue", Venue{}, &C::venue,
             "Whose protocol it speaks; `ingest`: rows that your own programs send (docs/how-to/"
             "write-a-feed-in-15-lines.md).",
             Need::kRequired),
      option("symbols", Texts{}, &C::symbols, "What to take, in the venue's own spelling."),
      option("files", Texts{}, &C::files, "Recordings to play in place of a live connection."),
      option("token", SecretSource{}, &C::token, "The venue's key, where it wants one."),
      option("url", Text{}, &C::url,
             "Where to connect, in place of the venue's own address: of another region, a proxy or "
             "an emulator. It begins with wss:// or ws://."),
      option("rest_url", Text{}, &C::rest_url,
             "Of live feeds the same for what is asked over HTTP: what was missed, and the venue's "
             "list. With a url and without this nothing is. It begins with https:// or http://."),
      option("ca_file", Text{}, &C::ca_file,
             "Certificates (PEM) to trust for this connection in place of the system's."),
      option("speed", Maybe<PositiveNumber>{{1'000'000}}, &C::speed,
             "How fast a recording plays: seconds of the market a second. Without it, as fast as "
             "it can be taken, in the order of the files."),
      option("every", Maybe<Span>{{.most = hours(24) * 7, .least = milliseconds(100)}}, &C::every,
             "How often a venue that is polled is asked for each symbol; `http_json`: 1m unless "
             "said."),
      option("interval", Maybe<BarInterval>{}, &C::interval,
             "`alpha_vantage`: how long its bars are, 1m unless said; 5m, 15m, 30m, 1h, 1d."),
      option("months", Texts{}, &C::months,
             "`alpha_vantage`: what is fetched of the past, once and first: \"2024-01\"."),
      option(
          "adjusted", Flag{}, &C::adjusted,
          "`alpha_vantage`: whether its bars within a day are adjusted for splits and dividends."),
      option("map", Text{}, &C::map,
             "`http_json`, `ws_json`: which part of a row of JSON is what, as field=/pointer,... "
             "with the fields time (and its unit), price, size, id, side (and what it says when "
             "the taker bought), symbol, bid, bid_size, ask, ask_size: "
             "\"time=/T:ms,price=/p,size=/q,id=/t,side=/m:false\"."),
      option("kind",
             Choice<RowKind>{{{"trade", RowKind::kTrade},
                              {"tick", RowKind::kTick},
                              {"quote", RowKind::kQuote},
                              {"record", RowKind::kRecord}}},
             &C::kind,
             "The same: what a row is: a trade, a last price, best bid and ask, or a document that "
             "is kept as it is."),
      option("rows", Text{}, &C::rows,
             "The same: the pointer to the list of rows, or to the only one. Without it, the whole "
             "document is."),
      option("only", Text{}, &C::only,
             "The same: documents that have rows, as /pointer=text. Others are passed over."),
      option("subscribe", Texts{}, &C::subscribe,
             "`ws_json`: what to send when the connection opens; with {symbol} or {symbol_lower}, "
             "once for each symbol."),
      option("silence", Maybe<Span>{{.most = hours(24), .least = seconds(1)}}, &C::silence,
             "`ws_json`: when nothing came for so long, the connection is made anew. Without it, "
             "the venue may be silent."),
      option("consecutive_ids", Flag{}, &C::consecutive_ids,
             "`http_json`, `ws_json`: whether ids rise by one from trade to trade of a symbol: "
             "then a missing one is a gap."),
  };
}

Options<BarsConfig> bars_options() {
  using C = BarsConfig;
  return {
      option("interval", BarInterval{}, &C::interval, "How long a bar is.", Need::kRequired),
      option("slide", Maybe<Span>{{.most = hours(24), .least = seconds(1)}}, &C::slide,
             "A bar begins each so often, and they overlap: averages, such as of 15 s each 5 s. "
             "Without it one begins where the last one ends."),
      option("conditions",
             Choice<market::ConditionMode>{{{"eligible", market::ConditionMode::kEligible},
                                            {"all", market::ConditionMode::kAll}}},
             &C::conditions,
             "Which trades count: those that the venue's conditions allow, or all."),
      option("session",
             Choice<market::SessionMode>{{{"extended", market::SessionMode::kExtended},
                                          {"regular", market::SessionMode::kRegular}}},
             &C::session, "All trades, or those of regular hours only."),
      option(
          "source",
          Choice<market::BarSource>{{{"trades", market::BarSource::kTrades},
                                     {"last", market::BarSource::kLast},
                                     {"vendor", market::BarSource::kVendor}}},
          &C::source,
          "What bars are made of: trades, price ticks without a size, or bars that came as bars. "
          "They are never mixed."),
      option("adjusted",
             Choice<market::Adjusted>{{{"raw", market::Adjusted::kRaw},
                                       {"split", market::Adjusted::kSplit},
                                       {"total", market::Adjusted::kTotal}}},
             &C::adjusted,
             "Which of a vendor's bars: as traded, or adjusted for splits, or for splits and "
             "dividends."),
      option("lateness", Span{hours(24)}, &C::lateness,
             "How long a bar waits for late trades before it is final. One that comes later still "
             "makes a new revision."),
  };
}

Options<StoreConfig> store_options() {
  using C = StoreConfig;
  return {
      option("kind", Choice<std::string>{{{"embedded", "embedded"}}}, &C::kind,
             "Where results are kept: in files of this machine."),
      option("dir", Text{}, &C::dir, "The folder of the results, made where missing."),
      option("means", Flag{}, &C::means,
             "Whether the means of price and of price x size of all trades so far are kept too, "
             "each 5 s."),
  };
}

Options<ApiConfig> api_options() {
  using C = ApiConfig;
  return {
      option("listen", ListenAt{}, &C::listen,
             "Which address of this machine to listen on, and which port; 0: any that is free."),
      option("token", SecretSource{}, &C::token,
             "What opens the dashboard and the interface. Without it one is made at the first "
             "start."),
      option("viewer_token", SecretSource{}, &C::viewer_token,
             "What opens them to read only. Without it there are no viewers."),
      option("metrics_token", SecretSource{}, &C::metrics_token,
             "What reads /metrics and nothing else."),
      option("tls_certificate", Text{}, &C::tls_certificate,
             "With these two, HTTPS and WSS and nothing else: a file (PEM) with the server's "
             "certificate first and those that lead to an authority behind it. It answers to the "
             "names that the certificate has."),
      option("tls_key", PrivateFile{}, &C::tls_key,
             "The certificate's key (PEM), without a passphrase. A renewed one takes a restart."),
      option(
          "insecure", Flag{}, &C::insecure,
          "Whether other machines may reach an address without TLS; they still need a token. In a "
          "container 0.0.0.0 and :: need no such word: what reaches it is for you to publish."),
      option("hosts", Maybe<Texts>{}, &C::hosts,
             "Names by which a proxy serves this, as browsers ask for them: "
             "\"market.example.org\"."),
      option("trusted_proxies", Maybe<Texts>{}, &C::trusted_proxies,
             "Addresses and networks of proxies that say truly who asks (X-Forwarded-For, -Host, "
             "-Proto)."),
      option("base_path", Maybe<Text>{}, &C::base_path,
             "Where a proxy serves this below a path: \"/tapedeck\"."),
      option("access_log", Flag{}, &C::access_log, "Whether each request goes into the log."),
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

bool stands(const Place& place, std::string_view name) { return table_of(place).contains(name); }

// Of the first of these options that stands there, else of the component.
Place place_of(const Place& place, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const toml::node* node = table_of(place).get(name)) return place.member(name, *node);
  }
  return place;
}

template <class C>
void check(const C&, const std::vector<C>&, const Place&) {}

void check(const TapeConfig& tape, const std::vector<TapeConfig>&, const Place& place) {
  if (tape.fsync == Fsync::kNever) {
    place_of(place, {"fsync"})
        .warning(
            "when the power fails, about the last 30 s of what was acknowledged are lost: "
            "write \"group\" to lose nothing");
  }
  // A value that could not be read looks like its default: say nothing more about those.
  if (place.has_errors()) return;
  if (tape.free_stop_bytes > tape.free_warn_bytes) {
    place_of(place, {"free_stop", "free_warn"})
        .error("free_stop is more than free_warn: nothing would warn before it stops");
  }
  const auto holds_a_segment = [&](std::string_view name, std::optional<std::uint64_t> bytes) {
    if (bytes && *bytes < tape.segment_bytes) {
      place_of(place, {name})
          .error(
              "is less than segment_bytes, and whole segments are kept: write more, or smaller "
              "segments");
    }
  };
  holds_a_segment("retention_bytes", tape.retention_bytes);
  holds_a_segment("raw_retention_bytes", tape.raw_retention_bytes);
  for (const std::string_view name : {"raw_retention_age", "raw_retention_bytes"}) {
    if (stands(place, name) && tape.raw == RawFrames::kDrop) {
      place_of(place, {name})
          .error("raw frames are not kept: write raw = \"keep\" too, or remove this");
    }
  }
}

// What the venue asks of a live feed.
void check_rules(const FeedConfig& feed, const std::vector<FeedConfig>& before,
                 const Place& place) {
  const auto& venues = place.surroundings().venues;
  const auto venue = std::ranges::find(venues, feed.venue, &VenueRules::name);
  if (venue == venues.end()) return;
  if (venue->needs_token && !stands(place, "token")) {
    place.missing(
        fmt::format("{} wants a key: write token = \"env:NAME\" or \"file:PATH\"", venue->name));
  }
  const std::size_t most = venue->symbols_max_of_token;
  if (most == 0) return;
  if (feed.symbols.size() > most) {
    place_of(place, {"symbols"})
        .error(fmt::format("{} serves {} symbols to a key, and these are {}: take fewer, or a "
                           "second key in a feed of its own",
                           venue->name, most, feed.symbols.size()));
  }
  const auto has_same = [&](const FeedConfig& other) {
    return other.venue == feed.venue && other.files.empty() && !feed.token.empty() &&
           other.token.reveal() == feed.token.reveal();
  };
  if (const auto other = std::ranges::find_if(before, has_same); other != before.end()) {
    place_of(place, {"token"})
        .error(fmt::format("feed '{}' has the same key, and {} serves one connection of a key: "
                           "put the symbols into one feed",
                           other->id, venue->name));
  }
}

void check(const FeedConfig& feed, const std::vector<FeedConfig>& before, const Place& place) {
  if (!feed.id.empty() && std::ranges::find(before, feed.id, &FeedConfig::id) != before.end()) {
    place_of(place, {"id"})
        .error(fmt::format("there is another feed with the id '{}': give each its own", feed.id));
  }
  if (feed.venue == kIngestVenue) {
    for (const std::string_view name :
         {"symbols", "files", "token", "url", "rest_url", "ca_file"}) {
      if (stands(place, name)) {
        place_of(place, {name})
            .error("a feed of rows that are sent to it asks nobody: remove this");
      }
    }
    if (std::ranges::find(before, feed.venue, &FeedConfig::venue) != before.end()) {
      place.error("rows go to one feed, and there is one above: remove this");
    }
    return;
  }
  const bool is_polled = feed.venue == kHttpJsonVenue;
  if (is_polled || feed.venue == kWsJsonVenue) {
    for (const std::string_view name : {"url", "map"}) {
      if (!stands(place, name)) {
        place.missing(fmt::format("'{}' is missing: this file declares the venue", name));
      }
    }
  } else if (!stands(place, "symbols") && !stands(place, "files")) {
    place.missing("has neither symbols nor files: name what to take, or the recordings to play");
  }
  for (const std::string_view name : {"url", "rest_url", "ca_file"}) {
    if (stands(place, name) && stands(place, "files")) {
      place_of(place, {name}).error("a feed of files connects to nothing: remove this, or files");
    }
  }
  const auto is_http = [](const std::string& url) {
    return url.starts_with("https://") || url.starts_with("http://");
  };
  if (is_polled && !feed.url.empty() && !is_http(feed.url)) {
    place_of(place, {"url"}).error("is no address of HTTP: write https://host/path");
  }
  if (!is_polled && !feed.url.empty() && !feed.url.starts_with("wss://") &&
      !feed.url.starts_with("ws://")) {
    place_of(place, {"url"}).error("is no address of a WebSocket: write wss://host/path");
  }
  if (!feed.rest_url.empty() && !is_http(feed.rest_url)) {
    place_of(place, {"rest_url"}).error("is no address of HTTP: write https://host");
  }
  if (feed.files.empty()) check_rules(feed, before, place);
}

void check(const BarsConfig& bars, const std::vector<BarsConfig>& before, const Place& place) {
  if (place.has_errors()) return;  // as above
  if (bars.slide && (bars.interval == market::kTradingDay || bars.slide->ns % seconds(1).ns != 0 ||
                     bars.interval.ns % bars.slide->ns != 0)) {
    place_of(place, {"slide"})
        .error(
            "a bar holds a whole number of slides, and a slide whole seconds: write such as "
            "interval = \"15s\" and slide = \"5s\"");
  }
  if (stands(place, "conditions") && bars.source != market::BarSource::kTrades) {
    place_of(place, {"conditions"})
        .error(fmt::format("only trades have conditions: remove this, or source = \"{}\"",
                           to_string(bars.source)));
  }
  if (stands(place, "adjusted") && bars.source != market::BarSource::kVendor) {
    place_of(place, {"adjusted"})
        .error("only a vendor's bars come adjusted: remove this, or write source = \"vendor\"");
  }
  if (std::ranges::any_of(before, [&](const auto& b) { return b.spec() == bars.spec(); })) {
    place.error(
        "the same interval, slide, conditions, session, source and adjustment stand above: remove "
        "one of them");
  }
}

void check(const ApiConfig& api, const std::vector<ApiConfig>&, const Place& place) {
  if (stands(place, "tls_certificate") != stands(place, "tls_key")) {
    place_of(place, {"tls_certificate", "tls_key"})
        .error("TLS needs both, tls_certificate and tls_key: write the other one too");
    return;
  }
  const std::string& address = api.listen.address;
  if (address.starts_with("127.") || address == "::1" || stands(place, "tls_certificate")) return;
  const bool is_all = address == "0.0.0.0" || address == "::";
  const Surroundings& around = place.surroundings();
  if (!api.insecure && !around.insecure && !(is_all && around.is_container)) {
    place_of(place, {"listen"})
        .error(fmt::format("other machines can reach {} and there is no encryption: write "
                           "tls_certificate and tls_key, use 127.0.0.1 behind a proxy with TLS, or "
                           "write insecure = true",
                           address));
  } else {
    place_of(place, {"listen"})
        .warning(fmt::format("other machines can reach {} and there is no encryption: write "
                             "tls_certificate and tls_key, or use 127.0.0.1, or a proxy with TLS",
                             address));
  }
}

// What no component alone can see.
void check(const Config& config, const Place& root) {
  const auto normal = [](const std::string& path) {
    return std::filesystem::path(path + "/").lexically_normal();
  };
  if (normal(config.tape.dir) != normal(config.store.dir)) return;
  for (const std::string_view name : {"store", "tape"}) {
    const toml::node* node = table_of(root).get(name);
    if (node == nullptr || !node->is_table()) continue;
    const Place place = place_of(root.member(name, *node), {"dir"});
    if (place.has_errors()) return;
    place.error("tape and store have the same folder: give each its own");
    return;
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
      place.missing(fmt::format("'{}' is missing: {}", o.reference.name, o.reference.kind));
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
  check(config, root);
}

// ---- Lines that are no TOML. The parser stops at the first: it is left out, and it begins again.

class Lines {
 public:
  explicit Lines(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
      lines_.emplace_back(text.substr(0, end));
      text.remove_prefix(end);
    }
  }

  std::string text() const { return fmt::format("{}", fmt::join(lines_, "")); }

  // Leaves out the statement that is wrong at line `number`, from 1. False: nothing more to try.
  bool leave_out(std::size_t number, bool is_inside_brackets) {
    if (number == 0 || number > lines_.size() || is_blank(number - 1)) return false;
    const std::size_t at = number - 1;
    // Of a list that nobody closed, this is the line behind it.
    for (std::size_t i = at; is_inside_brackets; --i) {
      const bool begins = lines_[i].contains('=') && i < at;
      if (begins) clear(i, at);
      if (begins || i == 0 || is_header(i)) break;
    }
    // The names below a table whose header is wrong are not those of the table above it.
    std::size_t end = number;
    while (is_header(at) && end < lines_.size() && !is_header(end)) ++end;
    clear(at, end);
    return true;
  }

  std::string_view line(std::size_t number) const {
    return number == 0 || number > lines_.size() ? std::string_view() : lines_[number - 1];
  }

 private:
  bool is_blank(std::size_t i) const {
    return lines_[i].find_first_not_of(" \t\r\n") == std::string::npos;
  }
  bool is_header(std::size_t i) const {
    const std::size_t begin = lines_[i].find_first_not_of(" \t");
    return begin != std::string::npos && lines_[i][begin] == '[';
  }
  void clear(std::size_t from, std::size_t to) {
    for (; from < to; ++from) lines_[from] = "\n";
  }

  std::vector<std::string> lines_;
};

// What the parser says may repeat what stands there.
bool may_hold_a_secret(std::string_view line) {
  for (const ComponentReference& component : reference()) {
    for (const OptionReference& o : component.options) {
      if (o.kind.starts_with("secret") && line.contains(o.name)) return true;
    }
  }
  return false;
}

toml::table parse_what_is_toml(std::string_view text, Reading& reading) {
  constexpr int kErrorsMax = 50;
  Lines lines(text);
  for (int errors = 0; errors < kErrorsMax; ++errors) {
    try {
      return toml::parse(errors == 0 ? text : std::string_view(lines.text()));
    } catch (const toml::parse_error& e) {
      const toml::source_position& at = e.source().begin;
      const std::string_view what = e.description();
      reading.is_torn = true;
      reading.problems.push_back(
          {.file = std::string(reading.file),
           .line = at.line,
           .column = at.column,
           .key = {},
           .message = may_hold_a_secret(lines.line(at.line))
                          ? "not TOML: values stand in quotes, and a secret as \"env:NAME\" or "
                            "\"file:PATH\""
                          : fmt::format("not TOML: {}", what)});
      const bool in_brackets = what.contains("array") || what.contains("inline table");
      if (!lines.leave_out(at.line, in_brackets)) return {};
    }
  }
  return {};
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
  Reading reading{.file = file, .surroundings = surroundings, .problems = parsed.problems};
  const toml::table root = parse_what_is_toml(text, reading);
  read_file(parsed.config, Place("", root, reading));
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

std::string_view example() {
  return R"([tape]
dir = "var/tape"
fsync = "group"
retention_age = "90d"

[[feed]]
id = "crypto"
venue = "coinbase"
symbols = ["BTC-USD", "ETH-USD"]

[[bars]]
interval = "1m"
lateness = "10s"

[[bars]]
interval = "1d"
session = "regular"

[store]
dir = "var/store"

[api]
listen = "127.0.0.1:8273"
)";
}

std::string reference_markdown() {
  std::string text = fmt::format(
      "# The pipeline file\n\n"
      "TOML. What is not written has its default; an unknown name is an error. All "
      "that is wrong with a file is told at once, by `tapedeck check-config FILE`.\n\n"
      "```toml\n{}```\n",
      example());
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
