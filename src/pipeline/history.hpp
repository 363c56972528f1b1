// src/pipeline/history.hpp: what the api reads of the past.
// Thread: any.
#pragma once

#include <vector>

#include "base/result.hpp"
#include "market/bar.hpp"
#include "market/series.hpp"
#include "store/store.hpp"

namespace tapedeck::pipeline {

struct BarPage {
  std::uint64_t run = 0;          // which play the bars are of; see play.hpp
  Offset offset;                  // trades before it are counted
  std::vector<market::Bar> bars;  // ascending by ts_open
};

class History {
 public:
  virtual ~History() = default;
  virtual std::vector<market::Series> instruments() const = 0;  // as first seen
  // Errors: kNotFound for a series or a bar series that is not kept, saying which there are.
  virtual Result<BarPage> bars(const store::BarQuery& query) const = 0;
};

}  // namespace tapedeck::pipeline
