// src/indicators/price_window.hpp: the last `period` prices and their exact sum. Thread: one.
// Memory: 16 bytes a price.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "indicators/exact.hpp"
#include "indicators/snapshot.hpp"

namespace tapedeck::indicators {

class PriceWindow {
 public:
  explicit PriceWindow(std::size_t period) : period_(period) {}

  std::optional<PriceUnits> add(PriceUnits price);  // the price that it pushed out
  bool full() const { return prices_.size() == period_; }
  PriceUnits sum() const { return sum_; }
  std::optional<market::Decimal> mean() const;  // nullopt until it is full

  void write(SnapshotWriter& out) const;
  void read(SnapshotReader& in);
  const std::vector<PriceUnits>& prices() const { return prices_; }  // in no order

 private:
  std::size_t period_;
  std::vector<PriceUnits> prices_;
  std::size_t oldest_ = 0;  // once it is full
  PriceUnits sum_ = 0;
};

}  // namespace tapedeck::indicators
