// src/windows/bar_cell.hpp: what trades add up to. Cells merge exactly, in any order: each column
// is a sum, an extreme, or follows the trades' own order.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "market/bar.hpp"
#include "market/conditions.hpp"
#include "market/trade.hpp"

namespace tapedeck::windows {

struct BarCell {
  market::Bar bar;
  market::OrderKey open_key;   // of the trade that set bar.open
  market::OrderKey close_key;  // of the one that set bar.close

  void apply(const market::Trade& trade, const market::OrderKey& key,
             const market::TradeEffect& effect);
  // A price without a size: it sets prices and counts as a trade; all sums stay.
  void apply(const market::PriceTick& tick, const market::OrderKey& key,
             const market::TradeEffect& effect);
  // All columns that trades make; not what is said about the bar.
  void merge(const BarCell& part);
  // No trade fell into it, or those that did were taken back: there is no such bar.
  bool is_void() const { return bar.trades == 0 && bar.excluded == 0; }
};

// Order keys point at the texts of origins; these stay where they are.
using KeyTexts = std::set<std::string, std::less<>>;

// The order keys of a cell, for a store beside the bar, and back. Errors: kCorrupt.
std::string encode_keys(const market::OrderKey& open, const market::OrderKey& close);
Result<BarCell> decode_keys(market::Bar bar, std::string_view keys, KeyTexts& texts);

}  // namespace tapedeck::windows
