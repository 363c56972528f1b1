// src/indicators/formula.hpp: what an indicator's own files implement; a row in kinds.cpp makes it
// known. Thread: one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "indicators/snapshot.hpp"
#include "market/bar.hpp"

namespace tapedeck::indicators {

// A Decimal where the formula is one ratio of exact sums, rounded half-even to 18 significant
// digits; else a double, made by the same operations in the same order on every machine.
using Value = std::variant<market::Decimal, double>;

// One for each output, in the order of IndicatorKind::outputs; absent while it warms up.
inline constexpr std::size_t kOutputsMax = 3;
using Values = std::array<std::optional<Value>, kOutputsMax>;

using Arguments = std::span<const market::Decimal>;  // checked against the parameters

struct Parameter {
  std::string_view name;
  int minimum = 1;
  int maximum = 1;
  int standard = 1;   // where the text gives no arguments
  bool whole = true;  // else any decimal from minimum to maximum
};

inline constexpr int kPeriodMax = 10'000;

constexpr std::size_t whole(const market::Decimal& argument) {
  return static_cast<std::size_t>(argument.mantissa);  // a whole number has scale 0
}

// The accumulators, from their anchor on. O(1) a bar.
class Formula {
 public:
  virtual ~Formula() = default;
  // The outputs after this bar. nullopt where it lacks a price that the formula reads: then it is
  // no bar for it, and nothing changed.
  virtual std::optional<Values> add(const market::Bar& bar) = 0;
  virtual void write(SnapshotWriter& out) const = 0;
  // Into one that is as new. Spoils `in` where the state makes no sense.
  virtual void read(SnapshotReader& in) = 0;
};

struct IndicatorKind {
  std::string_view name;
  std::string_view help;
  std::string_view unit;  // "price", "price difference", "0 to 100"
  std::span<const Parameter> parameters;
  std::span<const std::string_view> outputs;
  Status (*check)(Arguments);         // what the parameters' bounds cannot say
  std::size_t (*warm_up)(Arguments);  // bars that count, up to the first with every output
  std::unique_ptr<Formula> (*make)(Arguments);
};

}  // namespace tapedeck::indicators
