// src/app/options.hpp: from what a pipeline file says to what each part takes.
#pragma once

#include "app/doctor.hpp"
#include "config/config.hpp"
#include "tape/embedded/embedded_tape.hpp"

namespace tapedeck::app {

tape::embedded::EmbeddedTapeOptions embedded_tape_options(const config::TapeConfig& config);
Needs needs_of(const config::Config& config);

}  // namespace tapedeck::app
