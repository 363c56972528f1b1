#include "indicators/macd.hpp"

namespace tapedeck::indicators {

Status Macd::check(Arguments arguments) {
  if (arguments[0] < arguments[1]) return {};
  return fail(ErrorCode::kInvalidArgument, "fast must be less than slow");
}

std::optional<Values> Macd::add(const market::Bar& bar) {
  if (!price_units(bar.close)) return std::nullopt;
  const double close = price_double(*bar.close);
  const auto fast = fast_.add(close);
  const auto slow = slow_.add(close);
  if (!fast || !slow) return Values{};
  const double macd = *fast - *slow;
  const auto signal = signal_.add(macd);
  if (!signal) return Values{macd};
  return Values{macd, *signal, macd - *signal};
}

void Macd::write(SnapshotWriter& out) const {
  fast_.write(out);
  slow_.write(out);
  signal_.write(out);
}

void Macd::read(SnapshotReader& in) {
  fast_.read(in);
  slow_.read(in);
  signal_.read(in);
}

}  // namespace tapedeck::indicators
