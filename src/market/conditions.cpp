#include "market/conditions.hpp"

#include <bit>

namespace tapedeck::market {

TradeEffect effect_of(const ConditionTable& table, std::uint64_t conditions,
                      TradeSession by_clock) {
  TradeEffect effect;
  effect.session = by_clock;
  const bool outside = by_clock != TradeSession::kRegular;
  const auto allows = [&](Answer answer) {
    return answer == Answer::kYes || (answer == Answer::kOutsideRegular && outside);
  };
  for (std::uint64_t rest = conditions & ~kRepaired; rest != 0; rest &= rest - 1) {
    const ConditionFlag& flag = table.flags[static_cast<std::size_t>(std::countr_zero(rest))];
    effect.open_close &= allows(flag.open_close);
    effect.high_low &= allows(flag.high_low);
    effect.volume &= allows(flag.volume);
    if (flag.regular_session) effect.session = TradeSession::kRegular;
  }
  return effect;
}

std::string describe(const ConditionTable& table, std::uint64_t conditions) {
  std::string names;
  for (std::uint64_t rest = conditions & ~kRepaired; rest != 0; rest &= rest - 1) {
    const int bit = std::countr_zero(rest);
    if (!names.empty()) names += ", ";
    const std::string_view name = table.flags[static_cast<std::size_t>(bit)].name;
    names += name.empty() ? "bit " + std::to_string(bit) : std::string(name);
  }
  if ((conditions & kRepaired) != 0) names += names.empty() ? "repaired" : ", repaired";
  return names;
}

}  // namespace tapedeck::market
