#include "app/registry.hpp"

#include "feeds/binance/binance_feed.hpp"
#include "feeds/replay/lean_conditions.hpp"

namespace tapedeck::app {

const market::ConditionTables& condition_tables() {
  static const market::ConditionTables tables{
      {std::string(feeds::binance::kFuturesConditions), &feeds::binance::futures_conditions()},
      {std::string(feeds::replay::kLeanConditions), &feeds::replay::lean_conditions()},
      {std::string(feeds::replay::kLeanFutureConditions), &feeds::replay::lean_future_conditions()},
  };
  return tables;
}

}  // namespace tapedeck::app
