#include "indicators/vwap.hpp"

namespace tapedeck::indicators {
namespace {

constexpr int kScale = 36;

Int128 power_of_ten(int n) {
  Int128 power = 1;
  while (n-- > 0) power *= 10;
  return power;
}

// nullopt where it overflowed, or is 10^27 or more.
std::optional<Wide> units_of(const market::DecimalSum& sum) {
  static const Wide end = Wide::product(power_of_ten(kScale), power_of_ten(27));
  if (sum.overflowed()) return std::nullopt;
  const Wide units = Wide::product(sum.mantissa(), power_of_ten(kScale - sum.scale()));
  if (units >= end || units <= -end) return std::nullopt;
  return units;
}

}  // namespace

std::optional<Values> Vwap::add(const market::Bar& bar) {
  const auto notional = units_of(bar.notional);
  const auto volume = units_of(bar.volume);
  if (!notional || !volume || volume->negative()) return std::nullopt;
  notional_ += *notional;
  volume_ += *volume;
  if (volume_ == Wide()) return Values{};
  return Values{rounded_ratio(notional_, volume_)};
}

void Vwap::write(SnapshotWriter& out) const {
  out.wide(notional_);
  out.wide(volume_);
}

void Vwap::read(SnapshotReader& in) {
  notional_ = in.wide();
  volume_ = in.wide();
  if (volume_.negative()) in.spoil();
}

}  // namespace tapedeck::indicators
