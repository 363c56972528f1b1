#include "indicators/price_window.hpp"

namespace tapedeck::indicators {

std::optional<PriceUnits> PriceWindow::add(PriceUnits price) {
  sum_ += price;
  if (!full()) {
    prices_.push_back(price);
    return std::nullopt;
  }
  const PriceUnits left = prices_[oldest_];
  prices_[oldest_] = price;
  oldest_ = (oldest_ + 1) % period_;
  sum_ -= left;
  return left;
}

std::optional<market::Decimal> PriceWindow::mean() const {
  if (!full()) return std::nullopt;
  return rounded_ratio(sum_, Wide::product(static_cast<Int128>(period_), kUnitsPerPrice));
}

void PriceWindow::write(SnapshotWriter& out) const {
  out.u32(static_cast<std::uint32_t>(prices_.size()));
  for (std::size_t i = 0; i < prices_.size(); ++i) {
    out.price(prices_[(oldest_ + i) % prices_.size()]);
  }
}

void PriceWindow::read(SnapshotReader& in) {
  const std::uint32_t count = in.u32();
  if (count > period_) in.spoil();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) add(in.price());
}

}  // namespace tapedeck::indicators
