#include "feeds/replay/lean_conditions.hpp"

namespace tapedeck::feeds::replay {
namespace {

using market::Answer;
using market::ConditionTable;
constexpr Answer kYes = Answer::kYes;
constexpr Answer kNo = Answer::kNo;
constexpr Answer kOutside = Answer::kOutsideRegular;

// Flag: sets open and close, high and low, volume; belongs to the regular session.
// clang-format off
constexpr ConditionTable kLean{{{
    /*  0 */ {"Regular"},
    /*  1 */ {"Cash", kNo, kNo, kYes},
    /*  2 */ {"NextDay", kNo, kNo, kYes},
    /*  3 */ {"Seller", kNo, kNo, kYes},
    /*  4 */ {"YellowFlag"},
    /*  5 */ {"IntermarketSweep"},
    /*  6 */ {"OpeningPrints", kYes, kYes, kYes, true},
    /*  7 */ {"ClosingPrints", kYes, kYes, kYes, true},
    /*  8 */ {"ReOpeningPrints", kYes, kYes, kYes, true},
    /*  9 */ {"DerivativelyPriced", kNo, kYes, kYes},
    /* 10 */ {"FormT", kOutside, kOutside, kYes},
    /* 11 */ {"Sold", kNo, kYes, kYes},
    /* 12 */ {"Stopped"},
    /* 13 */ {"ExtendedHours", kOutside, kOutside, kYes},
    /* 14 */ {"OutOfSequence", kNo, kYes, kYes},
    /* 15 */ {"Split"},
    /* 16 */ {"Acquisition"},
    /* 17 */ {"Bunched"},
    /* 18 */ {"StockOption", kNo, kNo, kYes},
    /* 19 */ {"Distribution"},
    /* 20 */ {"AveragePrice", kNo, kNo, kYes},
    /* 21 */ {"Cross"},
    /* 22 */ {"PriceVariation", kNo, kNo, kYes},
    /* 23 */ {"Rule155"},
    /* 24 */ {"OfficialClose", kNo, kNo, kNo, true},
    /* 25 */ {"PriorReferencePrice", kNo, kYes, kYes},
    /* 26 */ {"OfficialOpen", kNo, kNo, kNo, true},
    /* 27 */ {"CapElection"},
    /* 28 */ {"AutoExecution"},
    /* 29 */ {"TradeThroughExempt"},
    /* 30 */ {"Bit30"},  // undocumented
    /* 31 */ {"OddLot", kNo, kNo, kYes},
    {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},
    {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},
    /* 63 */ {"Suspicious", kNo, kNo, kNo},
}}};
// clang-format on
static_assert(kLean.flags[31].name == "OddLot" && kLean.flags[63].name == "Suspicious");

constexpr ConditionTable kLeanFuture = [] {
  ConditionTable table{};
  table.flags[63] = kLean.flags[63];
  return table;
}();

}  // namespace

const ConditionTable& lean_conditions() { return kLean; }
const ConditionTable& lean_future_conditions() { return kLeanFuture; }

}  // namespace tapedeck::feeds::replay
