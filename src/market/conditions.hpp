// src/market/conditions.hpp: which trades make a bar. A venue's table gives each flag its answers;
// a trade updates a column only if all its flags allow it. No answer depends on another trade, so
// bars merge exactly.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace tapedeck::market {

enum class TradeSession : std::uint8_t { kPre = 0, kRegular = 1, kPost = 2, kClosed = 3 };

enum class Answer : std::uint8_t { kYes, kNo, kOutsideRegular };  // the last: by the clock

struct ConditionFlag {
  std::string_view name;
  Answer open_close = Answer::kYes;
  Answer high_low = Answer::kYes;
  Answer volume = Answer::kYes;
  bool regular_session = false;  // belongs to the regular session whatever the clock says
};

// This bit of Trade::conditions says how the trade came to us, not what the venue said of it: it
// had been missed, and was fetched later to fill the gap. No table may name it. (The top bit is
// taken: lean's "Suspicious".)
inline constexpr std::uint64_t kRepaired = std::uint64_t{1} << 62;

// Index: bit of Trade::conditions. Bits without a name allow everything.
struct ConditionTable {
  std::array<ConditionFlag, 64> flags;
};

// What one trade may do to its bar.
struct TradeEffect {
  bool open_close = true;
  bool high_low = true;
  bool volume = true;
  TradeSession session = TradeSession::kRegular;
};

// `by_clock`: the session that the calendar gives for ts_event.
TradeEffect effect_of(const ConditionTable& table, std::uint64_t conditions, TradeSession by_clock);

// Names of the flags that are set, for people: "FormT, OddLot, repaired".
std::string describe(const ConditionTable& table, std::uint64_t conditions);

// By Series::conditions. Built by the app from the feeds' own tables.
using ConditionTables = std::map<std::string, const ConditionTable*, std::less<>>;

}  // namespace tapedeck::market
