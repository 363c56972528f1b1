// src/app/options.hpp: from what a pipeline file says to what each part takes.
#pragma once

#include <optional>

#include "app/doctor.hpp"
#include "config/config.hpp"
#include "net/tls_identity.hpp"
#include "tape/embedded/embedded_tape.hpp"

namespace tapedeck::app {

tape::embedded::EmbeddedTapeOptions embedded_tape_options(const config::TapeConfig& config);
Needs needs_of(const config::Config& config);
// What [api] names for TLS, if it does. Errors: as TlsIdentity::read.
Result<std::optional<net::TlsIdentity>> tls_identity(const config::ApiConfig& config,
                                                     Timestamp now);

}  // namespace tapedeck::app
