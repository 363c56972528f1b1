// src/app/registry.hpp: the table of what this program is made of. With registry.cpp the only place
// that knows concrete feeds, tapes and stores.
#pragma once

#include "market/conditions.hpp"

namespace tapedeck::app {

// By the name in market::Series::conditions.
const market::ConditionTables& condition_tables();

}  // namespace tapedeck::app
