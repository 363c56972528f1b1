// What a Deck shows of the past, and of its newest trades.
#include <algorithm>

#include "pipeline/deck.hpp"
#include "pipeline/indicator_columns.hpp"
#include "pipeline/trade_history.hpp"

namespace tapedeck::pipeline {

std::vector<market::BarSpec> Deck::bar_series() const {
  const Reading now = reading();
  return now.run == nullptr ? std::vector<market::BarSpec>() : now.run->pipeline->live().specs();
}

Result<BarPage> Deck::bars(const store::BarQuery& query,
                           std::span<const std::string> indicators) const {
  TD_ASSIGN(const Reading now, reading_of_a_run());
  const Pipeline& pipeline = *now.run->pipeline;
  TD_TRY(pipeline.live().check(query.spec));
  const market::Calendar* calendar = nullptr;
  if (!indicators.empty()) {
    TD_ASSIGN(const SeriesId series, find_series(pipeline.catalog(), query.series));
    TD_ASSIGN(calendar, market::find_calendar(pipeline.catalog().series(series).calendar));
  }
  // Asked before the bars: they are never older than the offset says.
  const Offset stored = pipeline.stored();
  TD_ASSIGN(BarPage page, read_bars(pipeline.store(), query, indicators, calendar));
  if (page.bars.empty()) TD_TRY(find_series(pipeline.catalog(), query.series));
  page.run = now.run->number;
  page.offset = stored;
  return page;
}

Result<std::vector<EmptyTime>> Deck::empty_times(const store::BarQuery& query) const {
  TD_ASSIGN(const Reading now, reading_of_a_run());
  const Pipeline& pipeline = *now.run->pipeline;
  TD_TRY(pipeline.live().check(query.spec));
  TD_ASSIGN(const SeriesId series, find_series(pipeline.catalog(), query.series));
  return pipeline::empty_times(pipeline.store(), pipeline.tape(), pipeline.catalog().series(series),
                               query, status().market_time);
}

Result<TradePage> Deck::trades(const TradeQuery& query) const {
  TD_ASSIGN(const Reading now, reading_of_a_run());
  const Pipeline& pipeline = *now.run->pipeline;
  TD_ASSIGN(TradePage page,
            read_trades(pipeline.tape(), pipeline.catalog(), pipeline.condition_tables(), query));
  page.run = now.run->number;
  return page;
}

Result<BarPage> Deck::bars_since(const market::SeriesKey& key, const market::BarSpec& spec,
                                 Offset since, std::span<const std::string> indicators) const {
  TD_ASSIGN(const Reading now, reading_of_a_run());
  const Pipeline& pipeline = *now.run->pipeline;
  TD_TRY(pipeline.live().check(spec));
  BarPage page;
  if (!find_series(pipeline.catalog(), key)) {
    page.offset = pipeline.live().applied();  // its first trade may come
  } else if (indicators.empty()) {
    TD_ASSIGN(LiveTable::Bars kept, pipeline.live().bars_since(key, spec, since));
    page.offset = kept.applied;
    page.limited = kept.gone > since;
    page.bars = std::move(kept.bars);
  } else {
    TD_ASSIGN(page, now.run->indicators->bars_since(key, spec, since, indicators));
  }
  page.run = now.run->number;
  return page;
}

Result<TradePage> Deck::trades_since(const market::SeriesKey& key, Offset since) const {
  TD_ASSIGN(const Reading now, reading_of_a_run());
  const Pipeline& pipeline = *now.run->pipeline;
  TD_ASSIGN(const SeriesId series, find_series(pipeline.catalog(), key));
  const LiveTable::Trades kept = pipeline.live().trades_since(series, since);
  TradePage page{
      .run = now.run->number, .offset = kept.applied, .trades = {}, .limited = kept.limited};
  for (const auto& [trade, offset] : kept.trades) {
    TD_ASSIGN(TradeRow row,
              describe_trade(trade, offset, pipeline.catalog(), pipeline.condition_tables()));
    page.trades.push_back(std::move(row));
  }
  return page;
}

Live::LastPage Deck::last_since(Offset since) const {
  LastPage page;
  const Reading now = reading();
  if (now.run == nullptr) return page;
  const Pipeline& pipeline = *now.run->pipeline;
  const market::Catalog& catalog = pipeline.catalog();
  page.run = now.run->number;
  const auto may_set_price = [&](const market::Trade& trade) {
    const auto row = describe_trade(trade, Offset(), catalog, pipeline.condition_tables());
    return row && row->effect.open_close;
  };
  page.offset = pipeline.live().last_since(
      since, may_set_price, [&](const market::Trade& trade, Offset offset) {
        page.trades.push_back({.series = catalog.series(trade.series).key,
                               .price = trade.price,
                               .size = trade.size,
                               .ts_event = trade.ts_event,
                               .offset = offset + 1});
      });
  return page;
}

Quality Deck::quality() const {
  Quality quality;
  const Reading now = reading();
  if (now.run == nullptr) return quality;
  const Pipeline& pipeline = *now.run->pipeline;
  for (const auto& feed : pipeline.feeds()) {
    quality.duplicates += feed->counts().duplicates;
    quality.refused += feed->counts().refused;
    quality.control += feed->counts().control;
  }
  quality.late = pipeline.late();
  quality.unapplied = pipeline.unapplied();
  quality.quarantine_total = pipeline.quarantine().total();
  quality.quarantine_reasons = pipeline.quarantine().by_reason();
  quality.quarantine_examples = pipeline.quarantine().examples();
  quality.quarantine_file_problem = pipeline.quarantine().file_problem();
  return quality;
}

std::string Deck::listing(const market::SeriesKey& key) const {
  const Reading now = reading();
  return now.run == nullptr ? std::string() : now.run->pipeline->listing(key.venue, key.instrument);
}

Result<TapeQuality> Deck::tape_quality() const {
  TD_ASSIGN(const Reading now, reading_of_a_run());
  return now.run->pipeline->tape_quality();
}

Result<std::optional<quality::Missing>> Deck::missing(const market::SeriesKey& key, Timestamp start,
                                                      Timestamp end) const {
  TD_ASSIGN(const Reading now, reading_of_a_run());
  return now.run->pipeline->missing(key, start, end);
}

Result<store::Table> Deck::select(const std::string& sql, std::size_t rows_max) const {
  TD_ASSIGN(const Reading now, reading_of_a_run());
  return now.run->pipeline->store().select(sql, rows_max);
}

}  // namespace tapedeck::pipeline
