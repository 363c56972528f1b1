#include "indicators/atr.hpp"
#include "indicators/bollinger.hpp"
#include "indicators/ema.hpp"
#include "indicators/indicator.hpp"
#include "indicators/macd.hpp"
#include "indicators/rsi.hpp"
#include "indicators/sma.hpp"
#include "indicators/vwap.hpp"

namespace tapedeck::indicators {
namespace {

template <class T>
std::unique_ptr<Formula> make(Arguments arguments) {
  return std::make_unique<T>(arguments);
}

template <class T>
Status check(Arguments arguments) {
  if constexpr (requires { T::check(arguments); }) return T::check(arguments);
  return {};
}

template <class T>
constexpr IndicatorKind row(std::string_view name, std::string_view help) {
  static_assert(std::size(T::kOutputs) <= kOutputsMax);
  return {name, help, T::kUnit, T::kParameters, T::kOutputs, check<T>, T::warm_up, make<T>};
}

constexpr IndicatorKind kKinds[]{
    row<Sma>("sma", "simple moving average: mean of the last closes"),
    row<Ema>("ema", "exponential moving average: a mean in which older closes fade"),
    row<Rsi>("rsi", "relative strength index: share of the gains in all moves"),
    row<Macd>("macd", "moving average convergence/divergence: a fast mean less a slow one"),
    row<Bollinger>("bollinger", "Bollinger bands: mean of the last closes and their spread"),
    row<Atr>("atr", "average true range: how far the price goes in a bar"),
    row<Vwap>("vwap", "volume-weighted average price, since the first bar or of the session"),
};

}  // namespace

std::span<const IndicatorKind> indicator_kinds() { return kKinds; }

}  // namespace tapedeck::indicators
