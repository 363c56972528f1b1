// src/app/audit_writer.hpp: what an audit found, for people and as one JSON object.
#pragma once

#include <string>

#include "market/series.hpp"
#include "quality/old_keys.hpp"

namespace tapedeck::app {

std::string audit_text(const quality::OldKeyReport& report, const market::Catalog& catalog);

// Counts and means are numbers; ids, times (ns) and decimals are strings; a mean of nothing is
// null.
std::string audit_json(const quality::OldKeyReport& report, const market::Catalog& catalog);

}  // namespace tapedeck::app
