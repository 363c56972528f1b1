// src/market/bar.hpp: OHLCV over [ts_open, ts_close), and what names a series of them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/sha256.hpp"
#include "base/time.hpp"
#include "market/decimal.hpp"
#include "market/event.hpp"
#include "market/series.hpp"

namespace tapedeck::market {

enum class ConditionMode : std::uint8_t { kEligible = 0, kAll = 1 };
enum class SessionMode : std::uint8_t { kExtended = 0, kRegular = 1 };
// What bars are made of. Sources are never mixed in one bar series.
enum class BarSource : std::uint8_t {
  kTrades = 0,
  kLast = 1,    // price ticks without a size: prices and counts, and all sums are 0
  kVendor = 2,  // bars that came as bars, as they are
};

std::string_view to_string(ConditionMode mode);  // "eligible", "all"
std::string_view to_string(SessionMode mode);    // "extended", "regular"
std::string_view to_string(BarSource source);    // "trades", "last", "vendor"
std::string_view to_string(Adjusted adjusted);   // "raw", "split", "total"
Result<ConditionMode> parse_condition_mode(std::string_view text);
Result<SessionMode> parse_session_mode(std::string_view text);
Result<BarSource> parse_bar_source(std::string_view text);
Result<Adjusted> parse_adjusted(std::string_view text);
// One of 1s 5s 15s 30s 1m 5m 15m 30m 1h 1d. Errors: kInvalidArgument, naming them.
Result<Duration> parse_interval(std::string_view text);

// A day is the exchange's trading date, [midnight, midnight) on the clocks of its calendar.
inline constexpr Duration kTradingDay = hours(24);

// How trades become bars.
struct BarSpec {
  Duration interval = minutes(1);
  ConditionMode conditions = ConditionMode::kEligible;
  SessionMode session = SessionMode::kExtended;
  BarSource source = BarSource::kTrades;
  Adjusted adjusted = Adjusted::kRaw;  // kVendor only
  // Not 0: windows of `interval` begin as often, and so overlap; sliding averages are made so.
  Duration slide{};
  auto operator<=>(const BarSpec&) const = default;
};

// Why a bar that was final changed. Of several at once, the last of these.
enum class RevisionReason : std::uint8_t {
  kNone = 0,
  kLate = 1,        // a trade came after its bar was final
  kRepair = 2,      // one that had been missed was fetched (kRepaired)
  kCancel = 3,      // the venue took a trade back
  kCorrection = 4,  // the venue said what a trade should have been
};
std::string_view to_string(RevisionReason reason);  // "", "late", "repair", "cancel", "correction"

struct Bar {
  Timestamp ts_open;
  // Absent where no trade was allowed to set them: volume without a price draws no candle.
  std::optional<Decimal> open, high, low, close;
  DecimalSum volume;           // sum of size
  DecimalSum notional;         // sum of price x size, of the trades that update volume
  DecimalSum buy_volume;       // of those whose taker bought
  DecimalSum sell_volume;      // of those whose taker sold
  DecimalSum price_sum;        // sum of price, of the trades that update volume
  std::uint64_t trades = 0;    // those that update volume
  std::uint64_t excluded = 0;  // those that do not
  bool is_final = false;       // the watermark has passed its end
  std::uint32_t revision = 0;  // how often it changed after it was final
  RevisionReason reason = RevisionReason::kNone;  // of the last revision
  Offset offset;         // trades before this offset of the tape are counted
  Timestamp ts_known{};  // the greatest ts_recv before it
  // Trades that were taken back or corrected when it could not be made again any more: some of its
  // trades were gone from the tape. It counts them as they were.
  std::uint64_t unapplied = 0;
  bool operator==(const Bar&) const = default;
};

// A bar and what it is a bar of.
struct BarRow {
  SeriesKey series;
  BarSpec spec;
  Bar bar;
};

// SHA-256 over the last revision of each bar, in the order (series, interval, ts_open). One line a
// bar: venue/channel/instrument|interval_ns|conditions|session|ts_open|open|high|low|close|volume|
// trades|excluded|notional, canonical decimals, an absent price empty, ended by '\n'.
class BarDigest {
 public:
  void add(const BarRow& row);  // in the order above; the caller sorts
  std::string finish_hex() { return sha_.finish_hex(); }

 private:
  Sha256 sha_;
};

}  // namespace tapedeck::market
