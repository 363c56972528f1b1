// src/api/json.hpp: the JSON forms of the API, as openapi.yaml describes them. Nanoseconds, offsets
// and decimals are strings: they exceed what a browser's numbers hold.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "market/bar.hpp"
#include "market/series.hpp"
#include "pipeline/history.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::api {

std::string error_json(std::string_view code, std::string_view message);
std::string health_json(std::string_view status);
std::string restart_json(std::uint64_t run);
std::string status_json(const pipeline::PlayStatus& status, std::string_view version);

struct InstrumentForm {
  market::Series series;
  std::string zone;  // IANA
};
std::string instruments_json(std::span<const InstrumentForm> instruments);

std::string bars_json(const market::SeriesKey& series, const market::BarSpec& spec,
                      const pipeline::BarPage& page);

// What the live socket sends. `status` is what status_json made.
std::string snapshot_frame(const market::SeriesKey& series, const market::BarSpec& spec,
                           const pipeline::BarPage& page, std::string_view status);
std::string resumed_frame(const pipeline::BarPage& page, std::string_view status);
std::string bars_frame(const pipeline::BarPage& page);
std::string status_frame(std::string_view status);
std::string restarted_frame(std::uint64_t run);

}  // namespace tapedeck::api
