// src/pipeline/tape_quality.hpp: what the events of a whole tape say of how complete it is.
// Thread: one. Ownership: borrows all for the call; the result borrows the catalog.
#pragma once

#include "market/series.hpp"
#include "quality/completeness.hpp"
#include "tape/tape.hpp"

namespace tapedeck::pipeline {

// From the oldest event that retention has left. Errors: as TapeReader::next.
Result<quality::Completeness> completeness_of(const tape::TapeView& tape,
                                              const market::Catalog& catalog);

}  // namespace tapedeck::pipeline
