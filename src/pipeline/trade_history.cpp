#include "pipeline/trade_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "market/calendar.hpp"

namespace tapedeck::pipeline {
namespace {

using market::Trade;

struct Found {
  Trade trade;
  Offset offset;
};

// Keeps the `limit` newest of what is added, or the oldest.
class Best {
 public:
  Best(std::size_t limit, bool oldest_first) : limit_(limit), oldest_first_(oldest_first) {}

  void add(const Trade& trade, Offset offset) {
    // A heap, on top of which is the one to go first.
    found_.push_back({trade, offset});
    std::ranges::push_heap(found_, order());
    if (found_.size() <= limit_) return;
    std::ranges::pop_heap(found_, order());
    found_.pop_back();
    limited_ = true;
  }
  bool is_full() const { return found_.size() == limit_; }
  bool limited() const { return limited_; }
  std::vector<Found> take() {
    std::ranges::sort_heap(found_, order());
    return std::move(found_);
  }

 private:
  struct Before {
    bool oldest_first;
    bool operator()(const Found& a, const Found& b) const {
      const auto key = [](const Found& f) { return std::tuple(f.trade.ts_event, f.offset); };
      return oldest_first ? key(a) < key(b) : key(b) < key(a);
    }
  };
  Before order() const { return {oldest_first_}; }

  const std::size_t limit_;
  const bool oldest_first_;
  std::vector<Found> found_;
  bool limited_ = false;
};

class TradeScan {
 public:
  TradeScan(const tape::TapeView& tape, SeriesId series, const TradeQuery& query,
            std::uint64_t events_max)
      : tape_(tape),
        series_(series),
        query_(query),
        events_left_(events_max),
        best_(query.limit, query.oldest_first) {}

  Status read(PartitionId partition) {
    const Offset first = tape_.first_offset(partition);
    const Offset end = tape_.durable_end(partition);
    if (query_.start || query_.oldest_first) return read(partition, first, end);
    // Backwards in ever larger pieces.
    std::uint64_t piece = std::uint64_t{1} << 16;
    for (Offset piece_end = end; piece_end > first; piece *= 4) {
      const Offset piece_first =
          piece_end - first > piece ? Offset(piece_end.value - piece) : first;
      TD_TRY(read(partition, piece_first, piece_end));
      piece_end = piece_first;
      if (best_.is_full()) {
        more_before_ = more_before_ || piece_end > first;
        break;
      }
    }
    return {};
  }

  bool limited() const { return best_.limited() || more_before_; }
  std::vector<Found> take() { return best_.take(); }

 private:
  Status read(PartitionId partition, Offset first, Offset end) {
    if (first >= end) return {};
    TD_ASSIGN(const auto reader, tape_.read({.partition = partition,
                                             .first = first,
                                             .from = query_.start,
                                             .to = query_.end,
                                             .series = {{series_}}}));
    while (true) {
      TD_ASSIGN(const auto batch, reader->next());
      if (!batch || batch->first >= end) return {};
      if (batch->size() > events_left_) {
        return fail(ErrorCode::kTimeout,
                    "the range holds more trades than are read for one answer: give a start that "
                    "is nearer to the end");
      }
      events_left_ -= batch->size();
      Offset offset = batch->first;
      for (const Trade& trade : batch->trades) {
        if (offset >= end) break;
        if (offset >= first && trade.series == series_ && is_in_range(trade.ts_event)) {
          best_.add(trade, offset);
        }
        ++offset;
      }
    }
  }

  bool is_in_range(Timestamp t) const {
    return (!query_.start || t >= *query_.start) && (!query_.end || t < *query_.end);
  }

  const tape::TapeView& tape_;
  const SeriesId series_;
  const TradeQuery& query_;
  std::uint64_t events_left_;
  Best best_;
  bool more_before_ = false;
};

}  // namespace

Result<SeriesId> find_series(const market::Catalog& catalog, const market::SeriesKey& key) {
  constexpr std::uint32_t kNamedMax = 5;
  const auto count = static_cast<std::uint32_t>(catalog.series_count());
  std::string named;
  for (std::uint32_t id = 0; id < count; ++id) {
    const market::SeriesKey& there = catalog.series(SeriesId(id)).key;
    if (there == key) return SeriesId(id);
    if (id < kNamedMax) named += fmt::format("{}{}", id == 0 ? "" : ", ", to_string(there));
  }
  return fail(
      ErrorCode::kNotFound,
      fmt::format("there is no series {}: there {} {}{}", to_string(key), count == 1 ? "is" : "are",
                  count == 0 ? "none yet" : named, count > kNamedMax ? ", ..." : ""));
}

Result<TradeRow> describe_trade(const Trade& trade, Offset offset, const market::Catalog& catalog,
                                const market::ConditionTables& tables) {
  static constexpr market::ConditionTable kNoFlags{};
  const market::Series& series = catalog.series(trade.series);
  const auto table = tables.find(series.conditions);
  const market::ConditionTable& flags = table == tables.end() ? kNoFlags : *table->second;
  TD_ASSIGN(const market::Calendar* calendar, market::find_calendar(series.calendar));
  TradeRow row{.trade = trade, .offset = offset};
  row.effect = market::effect_of(flags, trade.conditions, calendar->session_of(trade.ts_event));
  row.origin = catalog.origin(trade.identity.origin).kind;
  for (std::uint32_t bit = 0; bit < 64; ++bit) {
    if ((trade.conditions >> bit & 1) == 0) continue;
    const std::string_view name = flags.flags[bit].name;
    row.conditions.push_back(name.empty() ? fmt::format("bit{}", bit) : std::string(name));
  }
  return row;
}

Result<TradePage> read_trades(const tape::TapeView& tape, const market::Catalog& catalog,
                              const market::ConditionTables& tables, const TradeQuery& query,
                              std::uint64_t events_max) {
  TD_ASSIGN(const SeriesId series, find_series(catalog, query.series));
  TradePage page;
  TradeScan scan(tape, series, query, events_max);
  // A series lies in one of them; the index tells which without reading.
  for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
    page.offset = std::max(page.offset, tape.durable_end(PartitionId(p)));
    TD_TRY(scan.read(PartitionId(p)));
  }
  page.limited = scan.limited();
  for (const Found& found : scan.take()) {
    TD_ASSIGN(TradeRow row, describe_trade(found.trade, found.offset, catalog, tables));
    page.trades.push_back(std::move(row));
  }
  return page;
}

}  // namespace tapedeck::pipeline
