// src/store/embedded/sql_select.hpp: a statement of a person over the tables of a store: it only
// reads, and is bounded in time, memory and size. Thread: any; each call has a connection of its
// own.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/time.hpp"
#include "store/store.hpp"

namespace tapedeck::store::embedded {

struct SelectLimits {
  std::size_t rows_max = 1000;
  Duration time_max = seconds(2);
  std::int64_t memory_bytes_max = 64 << 20;  // of SQLite, beyond what the program used before
  std::size_t answer_bytes_max = 8u << 20;
};

// Errors: kInvalidArgument for what is no single SELECT over these tables, kTimeout, kOverflow; and
// those of opening the store.
Result<Table> select(Disk& disk, const std::string& path, Duration busy_wait,
                     const std::string& sql, const SelectLimits& limits, const Clock& clock);

}  // namespace tapedeck::store::embedded
