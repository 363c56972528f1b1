// src/feeds/alpha_vantage/alpha_vantage_answers.hpp: Alpha Vantage's side: GET /query with
// TIME_SERIES_INTRADAY or TIME_SERIES_DAILY, as JSON or CSV. Its bars are those of the trades that
// it is given, each of which counts, at the times that they were recorded.
#pragma once

#include "feeds/emulation.hpp"

namespace tapedeck::feeds::alpha_vantage {

Emulation emulation();

}  // namespace tapedeck::feeds::alpha_vantage
