#include "windows/bar_cell.hpp"

#include "base/wire.hpp"

namespace tapedeck::windows {
namespace {

using market::Bar;
using market::OrderKey;

constexpr std::uint8_t kVersion = 1;

// Nearly always the time decides.
bool is_before(const OrderKey& a, const OrderKey& b) {
  return a.ts_event != b.ts_event ? a.ts_event < b.ts_event : a < b;
}

void set_prices(BarCell& cell, const market::Decimal& price, const OrderKey& key,
                const market::TradeEffect& effect) {
  Bar& bar = cell.bar;
  if (effect.open_close) {
    if (!bar.open || is_before(key, cell.open_key)) {
      bar.open = price;
      cell.open_key = key;
    }
    if (!bar.close || is_before(cell.close_key, key)) {
      bar.close = price;
      cell.close_key = key;
    }
  }
  if (effect.high_low) {
    if (!bar.high || *bar.high < price) bar.high = price;
    if (!bar.low || price < *bar.low) bar.low = price;
  }
}

void put_key(std::string& out, const OrderKey& key) {
  put_fixed(out, key.ts_event.ns);
  put_fixed(out, key.venue_sequence);
  put_fixed(out, key.origin_first.ns);
  put_text(out, key.origin_key);
  put_varint(out, key.seq);
  put_varint(out, key.position);
}

OrderKey get_key(WireReader& reader, KeyTexts& texts) {
  OrderKey key;
  key.ts_event = {reader.fixed<std::int64_t>()};
  key.venue_sequence = reader.fixed<std::uint64_t>();
  key.origin_first = {reader.fixed<std::int64_t>()};
  const std::string_view text = reader.text();
  if (!text.empty()) {
    auto known = texts.find(text);
    if (known == texts.end()) known = texts.emplace(text).first;
    key.origin_key = *known;
  }
  key.seq = reader.varint();
  key.position = reader.varint();
  return key;
}

}  // namespace

void BarCell::apply(const market::Trade& trade, const OrderKey& key,
                    const market::TradeEffect& effect) {
  set_prices(*this, trade.price, key, effect);
  if (!effect.volume) {
    ++bar.excluded;
    return;
  }
  ++bar.trades;
  bar.volume.add(trade.size);
  bar.notional.add_product(trade.price, trade.size);
  bar.price_sum.add(trade.price);
  if (trade.side == market::Side::kBuy) bar.buy_volume.add(trade.size);
  if (trade.side == market::Side::kSell) bar.sell_volume.add(trade.size);
}

void BarCell::apply(const market::PriceTick& tick, const OrderKey& key,
                    const market::TradeEffect& effect) {
  set_prices(*this, tick.price, key, effect);
  ++(effect.volume ? bar.trades : bar.excluded);
}

void BarCell::merge(const BarCell& part) {
  const Bar& from = part.bar;
  if (from.open && (!bar.open || is_before(part.open_key, open_key))) {
    bar.open = from.open;
    open_key = part.open_key;
  }
  if (from.close && (!bar.close || is_before(close_key, part.close_key))) {
    bar.close = from.close;
    close_key = part.close_key;
  }
  if (from.high && (!bar.high || *bar.high < *from.high)) bar.high = from.high;
  if (from.low && (!bar.low || *from.low < *bar.low)) bar.low = from.low;
  bar.volume.add(from.volume);
  bar.notional.add(from.notional);
  bar.buy_volume.add(from.buy_volume);
  bar.sell_volume.add(from.sell_volume);
  bar.price_sum.add(from.price_sum);
  bar.trades += from.trades;
  bar.excluded += from.excluded;
}

std::string encode_keys(const OrderKey& open, const OrderKey& close) {
  std::string out;
  out.reserve(2 * (sizeof(OrderKey) + open.origin_key.size()));
  put_fixed(out, kVersion);
  put_key(out, open);
  put_key(out, close);
  return out;
}

Result<BarCell> decode_keys(Bar bar, std::string_view keys, KeyTexts& texts) {
  WireReader reader(keys);
  BarCell cell{.bar = bar, .open_key = {}, .close_key = {}};
  const auto version = reader.fixed<std::uint8_t>();
  cell.open_key = get_key(reader, texts);
  cell.close_key = get_key(reader, texts);
  if (version != kVersion || !reader.ok() || !reader.at_end()) {
    return fail(ErrorCode::kCorrupt, "the order keys of a stored bar do not decode");
  }
  return cell;
}

}  // namespace tapedeck::windows
