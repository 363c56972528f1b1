// src/feeds/replay/lean_conditions.hpp: what the sale conditions of Lean's tick files let a trade
// do to a bar. Names as in their public source.
#pragma once

#include <cstdint>
#include <string_view>

#include "market/conditions.hpp"

namespace tapedeck::feeds::replay {

// Names of the tables in Series::conditions.
inline constexpr std::string_view kLeanConditions = "lean";
inline constexpr std::string_view kLeanFutureConditions = "lean-future";

// A column of its own in the files: flagged by the recorder.
inline constexpr std::uint64_t kSuspicious = std::uint64_t{1} << 63;

const market::ConditionTable& lean_conditions();
const market::ConditionTable& lean_future_conditions();  // knows nothing but `suspicious`

}  // namespace tapedeck::feeds::replay
