#include "market/conditions.hpp"

#include <gtest/gtest.h>

namespace tapedeck::market {
namespace {

constexpr std::uint64_t bit(int n) { return std::uint64_t{1} << n; }

// Flags as a venue's table has them.
const ConditionTable& table() {
  static const ConditionTable made = [] {
    ConditionTable t;
    t.flags[0] = {"Regular", Answer::kYes, Answer::kYes, Answer::kYes, false};
    t.flags[7] = {"Closing", Answer::kYes, Answer::kYes, Answer::kYes, true};
    t.flags[9] = {"Derivative", Answer::kNo, Answer::kYes, Answer::kYes, false};
    t.flags[13] = {"FormT", Answer::kOutsideRegular, Answer::kOutsideRegular, Answer::kYes, false};
    t.flags[24] = {"OfficialClose", Answer::kNo, Answer::kNo, Answer::kNo, true};
    t.flags[63] = {"OddLot", Answer::kNo, Answer::kNo, Answer::kYes, false};
    return t;
  }();
  return made;
}

// "ohv" and the session, where each is allowed.
std::string effect(std::uint64_t conditions, TradeSession session,
                   const ConditionTable& by = table()) {
  const TradeEffect e = effect_of(by, conditions, session);
  const auto sessions = {"pre", "regular", "post", "closed"};
  return std::string(e.open_close ? "o" : "-") + (e.high_low ? "h" : "-") +
         (e.volume ? "v " : "- ") + *(sessions.begin() + static_cast<int>(e.session));
}

TEST(Conditions, WithoutFlagsAllIsAllowed) {
  EXPECT_EQ(effect(0, TradeSession::kRegular), "ohv regular");
  EXPECT_EQ(effect(0, TradeSession::kClosed), "ohv closed");
  EXPECT_EQ(effect(bit(50), TradeSession::kPre), "ohv pre");  // a bit without a name
}

TEST(Conditions, AllFlagsMustAllow) {
  EXPECT_EQ(effect(bit(0), TradeSession::kRegular), "ohv regular");
  EXPECT_EQ(effect(bit(9), TradeSession::kRegular), "-hv regular");
  EXPECT_EQ(effect(bit(63), TradeSession::kRegular), "--v regular");
  EXPECT_EQ(effect(bit(0) | bit(9), TradeSession::kRegular), "-hv regular");
  EXPECT_EQ(effect(bit(9) | bit(63), TradeSession::kPost), "--v post");
  EXPECT_EQ(effect(~std::uint64_t{0}, TradeSession::kPre), "--- regular");
}

TEST(Conditions, ExtendedHoursMarksSetPricesOutsideOnly) {
  EXPECT_EQ(effect(bit(13), TradeSession::kPre), "ohv pre");
  EXPECT_EQ(effect(bit(13), TradeSession::kPost), "ohv post");
  EXPECT_EQ(effect(bit(13), TradeSession::kRegular), "--v regular");
}

TEST(Conditions, ClosingPrintsBelongToTheRegularSession) {
  EXPECT_EQ(effect(bit(7), TradeSession::kPost), "ohv regular");
  EXPECT_EQ(effect(bit(24), TradeSession::kPost), "--- regular");
}

TEST(Conditions, ThatATradeWasFetchedLaterChangesNoAnswer) {
  ConditionTable hostile = table();
  hostile.flags[62] = {"None", Answer::kNo, Answer::kNo, Answer::kNo, true};
  for (const std::uint64_t conditions : {std::uint64_t{0}, bit(9), bit(13)}) {
    for (const TradeSession session : {TradeSession::kPre, TradeSession::kRegular}) {
      EXPECT_EQ(effect(conditions | kRepaired, session, hostile), effect(conditions, session));
    }
  }
}

TEST(Conditions, NamesForPeople) {
  EXPECT_EQ(describe(table(), 0), "");
  EXPECT_EQ(describe(table(), bit(63) | bit(13) | bit(50)), "FormT, bit 50, OddLot");
  EXPECT_EQ(describe(table(), kRepaired), "repaired");
  EXPECT_EQ(describe(table(), bit(13) | kRepaired), "FormT, repaired");
}

}  // namespace
}  // namespace tapedeck::market
