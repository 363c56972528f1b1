// src/store/store.hpp: the door of this room. The store takes results idempotently and can be read.
// Thread: write and clear by one thread; reading from any, beside it.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "market/bar.hpp"

namespace tapedeck::store {

struct BarQuery {
  market::SeriesKey series;
  market::BarSpec spec;
  std::optional<Timestamp> start;  // ts_open >= start
  std::optional<Timestamp> end;    // ts_open < end
  std::size_t limit = 10'000;      // keeps the newest
};

class Store {
 public:
  virtual ~Store() = default;
  // Writes whole bars, each replacing the one with its key (series, spec, ts_open), and `applied`
  // (trades before it are in the results) in one transaction.
  virtual Status write(std::span<const market::BarRow> rows, Offset applied) = 0;
  virtual Result<Offset> applied() const = 0;  // 0 in a new store
  virtual Result<std::vector<market::Bar>> bars(const BarQuery& query) const = 0;  // ascending
  // Forgets all results: they are computed again from the tape.
  virtual Status clear() = 0;
};

}  // namespace tapedeck::store
