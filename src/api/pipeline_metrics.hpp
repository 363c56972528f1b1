// src/api/pipeline_metrics.hpp: what the pipeline says of itself, as OpenMetrics families. Thread:
// any.
#pragma once

#include <string>

#include "pipeline/history.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::api {

std::string pipeline_metrics(const pipeline::PlayStatus& status, const pipeline::Quality& quality,
                             const pipeline::TapeQuality& tape_quality);

}  // namespace tapedeck::api
