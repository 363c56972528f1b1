#include "app/registry.hpp"

#include <fmt/format.h>

#include <array>

#include "feeds/alpha_vantage/alpha_vantage_answers.hpp"
#include "feeds/alpha_vantage/alpha_vantage_poll.hpp"
#include "feeds/binance/binance_feed.hpp"
#include "feeds/coinbase/coinbase_feed.hpp"
#include "feeds/declared/declared_venue.hpp"
#include "feeds/events/events_feed.hpp"
#include "feeds/finnhub/finnhub_feed.hpp"
#include "feeds/ingest/ingest_reader.hpp"
#include "feeds/kraken/kraken_feed.hpp"
#include "feeds/random_user/random_user.hpp"
#include "feeds/replay/lean_conditions.hpp"
#include "feeds/yahoo/yahoo_feed.hpp"

namespace tapedeck::app {
namespace {

// What is no venue's.
struct Slice {
  std::string_view room;
  std::string_view name;
  std::string_view help;
};

constexpr std::string_view kLean = "lean";

constexpr Slice kSlices[]{
    {"feeds", kLean, "US equities and futures, from tick files of QuantConnect's Lean"},
    {"feeds", kEventsVenue,
     "events of every kind, one JSON object a line, as 'tape cat' prints them"},
    {"feeds", kIngestVenue, "rows that your own program sends: POST /api/v1/ingest"},
    {"feeds", feeds::alpha_vantage::kVenue, "bars of US equities, polled; wants a key"},
    {"feeds", config::kHttpJsonVenue, "any HTTP endpoint of JSON, declared in the pipeline file"},
    {"feeds", config::kWsJsonVenue, "any WebSocket of JSON, declared in the pipeline file"},
    {"feeds", "replay", "recorded files: Lean ticks, captures, CSV and JSON by a column map"},
    {"feeds", "simulator", "a market day made from a seed"},
    {"tape", "embedded", "segment files of one folder"},
    {"tape", "passing", "nothing is kept: for replay without a folder"},
    {"store", "embedded", "one SQLite file"},
};

}  // namespace

const market::ConditionTables& condition_tables() {
  static const market::ConditionTables tables{
      {std::string(feeds::binance::kFuturesConditions), &feeds::binance::futures_conditions()},
      {std::string(feeds::finnhub::kConditions), &feeds::finnhub::conditions()},
      {std::string(feeds::replay::kLeanConditions), &feeds::replay::lean_conditions()},
      {std::string(feeds::replay::kLeanFutureConditions), &feeds::replay::lean_future_conditions()},
  };
  return tables;
}

std::span<const feeds::FeedKind> recorded_kinds() {
  static const std::array kinds{
      feeds::binance::feed_kind(),
      feeds::coinbase::feed_kind(),
      feeds::kraken::feed_kind(),
      feeds::finnhub::feed_kind(),
      feeds::yahoo::feed_kind(),
      feeds::events::feed_kind<condition_tables>(),  // the last: it is no venue
  };
  return kinds;
}

std::span<const feeds::FeedKind> feed_kinds() {
  return recorded_kinds().first(recorded_kinds().size() - 1);
}

std::vector<EmulatedVenue> emulated_venues() {
  std::vector<EmulatedVenue> all;
  for (const feeds::FeedKind& kind : feed_kinds()) {
    if (kind.emulation) all.push_back({kind.venue, *kind.emulation});
  }
  all.push_back({feeds::alpha_vantage::kVenue, feeds::alpha_vantage::emulation()});
  all.push_back({feeds::random_user::kVenue, feeds::random_user::emulation()});
  return all;
}

std::unique_ptr<feeds::RowsReader> make_ingest_reader(market::Catalog& catalog) {
  std::vector<std::string> taken;
  for (config::VenueRules& rules : venues()) taken.push_back(std::move(rules.name));
  return std::make_unique<feeds::ingest::IngestReader>(
      catalog, std::make_unique<feeds::events::EventsFeed>(catalog, condition_tables()),
      std::move(taken));
}

Result<std::optional<SpecialFeed>> make_special_feed(const config::FeedConfig& config,
                                                     market::Catalog& catalog) {
  if (config.venue == feeds::alpha_vantage::kVenue) {
    SpecialFeed made;
    TD_ASSIGN(made.poll,
              feeds::alpha_vantage::make_poll({.symbols = config.symbols,
                                               .key = config.token,
                                               .interval = config.interval.value_or(minutes(1)),
                                               .months = config.months,
                                               .adjusted = config.adjusted,
                                               .every = config.every.value_or(hours(1)),
                                               .url = config.rest_url},
                                              catalog));
    return made;
  }
  const bool is_polled = config.venue == config::kHttpJsonVenue;
  if (!is_polled && config.venue != config::kWsJsonVenue) return std::nullopt;
  const feeds::declared::Declaration declared{
      .name = config.id,
      .kind = static_cast<feeds::declared::RowKind>(config.kind),
      .rows = config.rows,
      .only = config.only,
      .map = config.map,
      .symbol = config.symbols.size() == 1 ? config.symbols.front() : std::string(),
      .consecutive_ids = config.consecutive_ids};
  SpecialFeed made;
  if (is_polled) {
    TD_ASSIGN(made.poll,
              feeds::declared::make_http_json(declared,
                                              {.url = config.url,
                                               .symbols = config.symbols,
                                               .token = config.token,
                                               .every = config.every.value_or(minutes(1))},
                                              catalog));
    return made;
  }
  constexpr std::size_t kSymbolsMax = 1000;
  TD_ASSIGN(made.feed, feeds::declared::make_ws_json(declared, catalog));
  made.live = {.url = {},
               .symbols_max = kSymbolsMax,
               .subscribe =
                   [texts = config.subscribe](std::span<const std::string> symbols) {
                     return feeds::declared::subscriptions(texts, symbols);
                   },
               .silence_max = config.silence};
  return made;
}

std::vector<config::VenueRules> venues() {
  std::vector<config::VenueRules> all;
  for (const std::string_view name : {kLean, kEventsVenue, kIngestVenue, config::kHttpJsonVenue,
                                      config::kWsJsonVenue, feeds::alpha_vantage::kVenue}) {
    all.push_back({.name = std::string(name)});
  }
  for (const feeds::FeedKind& feed : feed_kinds()) {
    config::VenueRules rules{.name = std::string(feed.venue)};
    if (feed.live) {
      rules.needs_token = !feed.live->key_parameter.empty();
      if (feed.live->one_connection) rules.symbols_max_of_token = feed.live->symbols_max;
    }
    all.push_back(std::move(rules));
  }
  return all;
}

std::vector<market::BarSpec> chart_specs() {
  std::vector<market::BarSpec> specs;
  for (const Duration interval : {minutes(1), minutes(5), minutes(15), hours(1)}) {
    for (const auto conditions : {market::ConditionMode::kEligible, market::ConditionMode::kAll}) {
      for (const auto session : {market::SessionMode::kExtended, market::SessionMode::kRegular}) {
        specs.push_back({interval, conditions, session});
      }
    }
  }
  return specs;
}

std::string registry_text() {
  std::string text = "| room | name | what |\n| --- | --- | --- |\n";
  for (const feeds::FeedKind& feed : feed_kinds()) {
    text += fmt::format("| feeds | {} | {} |\n", feed.venue, feed.help);
  }
  for (const Slice& slice : kSlices) {
    text += fmt::format("| {} | {} | {} |\n", slice.room, slice.name, slice.help);
  }
  return text;
}

}  // namespace tapedeck::app
