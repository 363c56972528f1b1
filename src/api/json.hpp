// src/api/json.hpp: the JSON forms of the API that are no tables, as openapi.yaml describes them,
// and what the live socket sends. Nanoseconds, offsets and decimals are strings: they exceed what a
// browser's numbers hold.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "api/last_values.hpp"
#include "api/parameters.hpp"
#include "market/bar.hpp"
#include "market/series.hpp"
#include "pipeline/history.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::api {

// With what to do about errors of that code, as explain_error() says.
std::string error_json(std::string_view code, std::string_view message);
std::string health_json(std::string_view status);
std::string ingest_json(const pipeline::IngestReceipt& receipt);
std::string restart_json(std::uint64_t run);
std::string session_json(std::string_view role, std::string_view version,
                         const pipeline::PlayStatus& status);
std::string pace_json(const pipeline::PlayStatus& status);
std::string status_json(const pipeline::PlayStatus& status, std::string_view version);
std::string tape_json(const pipeline::PlayStatus& status);
std::string quality_json(const pipeline::Quality& quality);

// Members of what stands beside the rows, without braces: "\"series\":...,\"offset\":...".
std::string bars_head(const BarRequest& request, const pipeline::BarPage& page,
                      const std::optional<quality::Missing>& missing, Timestamp market_time);
std::string trades_head(const TradeRequest& request, const pipeline::TradePage& page);
std::string sql_head(const store::Table& table);

// What the live socket sends. `id`: of the subscription; empty: it has none. `status` is what
// status_json made; empty: it is left out. `type`: "snapshot", "resumed", or the channel's name.
struct FrameHead {
  std::string_view type;
  std::string_view id;
};
std::string bars_frame(const FrameHead& head, const market::BarSpec& spec,
                       const pipeline::BarPage& page, std::string_view status = {});
std::string bars_snapshot_frame(const FrameHead& head, const market::SeriesKey& series,
                                const market::BarSpec& spec, const pipeline::BarPage& page,
                                std::string_view status = {});
std::string last_frame(const FrameHead& head, const LastValues::Page& page);
std::string trades_frame(const FrameHead& head, const pipeline::TradePage& page);
std::string status_frame(std::string_view status);
std::string restarted_frame(std::string_view id, std::uint64_t run);
std::string unsubscribed_frame(std::string_view id);
std::string error_frame(std::string_view id, const Error& error);  // no id: null

}  // namespace tapedeck::api
