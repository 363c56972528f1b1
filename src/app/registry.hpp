// src/app/registry.hpp: the table of what this program is made of. With registry.cpp the only place
// that knows concrete feeds, tapes and stores.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "feeds/feed.hpp"
#include "feeds/rows.hpp"
#include "market/bar.hpp"
#include "market/conditions.hpp"

namespace tapedeck::app {

// By the name in market::Series::conditions.
const market::ConditionTables& condition_tables();

// The venues whose frames this program understands.
std::span<const feeds::FeedKind> feed_kinds();
// Those, and events as the program writes them: what a recorded file may hold.
std::span<const feeds::FeedKind> recorded_kinds();

// The venue of recorded events of any venue.
inline constexpr std::string_view kEventsVenue = "events";
// The venue of rows that other programs hand in.
using config::kIngestVenue;
// What can be played.
struct EmulatedVenue {
  std::string_view venue;
  feeds::Emulation emulation;
};
std::vector<EmulatedVenue> emulated_venues();

// What reads the rows of other programs.
std::unique_ptr<feeds::RowsReader> make_ingest_reader(market::Catalog& catalog);
// What the feed of a pipeline file is that needs more than a connection and symbols: a venue that
// is polled, or that the file declares; nothing: it is none. Errors: kInvalidArgument.
struct SpecialFeed {
  std::unique_ptr<feeds::PollFeed> poll{};
  // Or
  std::unique_ptr<feeds::Feed> feed{};
  feeds::LiveProtocol live{};
};
Result<std::optional<SpecialFeed>> make_special_feed(const config::FeedConfig& config,
                                                     market::Catalog& catalog);
// What a feed of a pipeline file can name as its venue: those, and the ones that are read from
// files only.
std::vector<config::VenueRules> venues();

// The bar series that the page offers, where nothing else is said.
std::vector<market::BarSpec> chart_specs();

// All slices by room, for people: one line each.
std::string registry_text();

}  // namespace tapedeck::app
