#include "pipeline/past.hpp"

#include <fmt/format.h>

namespace tapedeck::pipeline {

using market::Trade;

Result<std::optional<windows::PastBar>> TapeAndStorePast::bar(SeriesId series,
                                                              const market::BarSpec& spec,
                                                              Timestamp ts_open) {
  if (store_ == nullptr) return fail(ErrorCode::kNotFound, "no bars are stored");
  TD_ASSIGN(auto found, store_->find(catalog_.series(series).key, spec, ts_open));
  if (!found) return std::nullopt;
  return windows::PastBar{.bar = found->row.bar, .keys = std::move(found->state)};
}

Status TapeAndStorePast::trades(SeriesId series, Timestamp from, Timestamp to, Offset end,
                                const std::function<void(const Trade&)>& visit) {
  return scan(series, from, to, end, [&](const Trade& trade) {
    if (trade.ts_event >= from && trade.ts_event < to) visit(trade);
    return true;
  });
}

Result<std::optional<Trade>> TapeAndStorePast::trade(SeriesId series,
                                                     const market::Identity& identity,
                                                     Timestamp near, Offset end) {
  // Trades are taken back soon, so most are found without reading the whole tape.
  constexpr Duration kNear = hours(1);
  std::optional<Trade> found;
  const auto is_it = [&](const Trade& trade) {
    if (trade.identity == identity) found = trade;
    return !found;
  };
  TD_TRY(scan(series, near - kNear, near + kNear, end, is_it));
  if (!found) TD_TRY(scan(series, std::nullopt, std::nullopt, end, is_it));
  if (!found && tape_.first_offset(partition_) != Offset()) {
    return fail(ErrorCode::kNotFound, "the tape no longer holds its beginning");
  }
  return found;
}

Status TapeAndStorePast::scan(SeriesId series, std::optional<Timestamp> from,
                              std::optional<Timestamp> to, Offset end,
                              const std::function<bool(const Trade&)>& visit) {
  TD_ASSIGN(const auto reader, tape_.read({.partition = partition_,
                                           .first = tape_.first_offset(partition_),
                                           .from = from,
                                           .to = to,
                                           .series = {{series}}}));
  while (true) {
    TD_ASSIGN(const auto batch, reader->next());
    if (!batch || batch->first >= end) return {};
    Offset offset = batch->first;
    for (const Trade& trade : batch->trades) {
      if (offset >= end) return {};
      ++offset;
      if (trade.series == series && !visit(trade)) return {};
    }
  }
}

}  // namespace tapedeck::pipeline
