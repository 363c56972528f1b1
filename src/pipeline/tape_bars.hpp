// src/pipeline/tape_bars.hpp: bars computed from the tape again, for what a store no longer keeps:
// short bars, and bars as they were known long ago. Reads the whole tape up to there. Thread: any.
// Memory: the bars that are asked for.
#pragma once

#include <vector>

#include "market/conditions.hpp"
#include "store/store.hpp"
#include "tape/tape.hpp"

namespace tapedeck::pipeline {

// As Store::bars. As of an instant: made of the events before the first one that was received after
// it. They have no revisions. Errors: kNotFound where the tape no longer holds its beginning.
Result<std::vector<market::Bar>> bars_from_tape(const tape::TapeView& tape,
                                                market::Catalog& catalog,
                                                const market::ConditionTables& tables,
                                                const store::BarQuery& query, Duration lateness);

}  // namespace tapedeck::pipeline
