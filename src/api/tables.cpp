#include "api/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <variant>

#include "base/log.hpp"
#include "market/ratio.hpp"

namespace tapedeck::api {
namespace {

std::string date_text(const std::chrono::year_month_day& date) {
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string_view to_string(market::Side side) {
  switch (side) {
    case market::Side::kUnknown:
      return "unknown";
    case market::Side::kBuy:
      return "buy";
    case market::Side::kSell:
      return "sell";
  }
  return "unknown";
}

std::string_view to_string(market::TradeSession session) {
  switch (session) {
    case market::TradeSession::kPre:
      return "pre";
    case market::TradeSession::kRegular:
      return "regular";
    case market::TradeSession::kPost:
      return "post";
    case market::TradeSession::kClosed:
      return "closed";
  }
  return "closed";
}

std::string_view to_string(market::OriginKind kind) {
  switch (kind) {
    case market::OriginKind::kVenue:
      return "venue";
    case market::OriginKind::kFile:
      return "file";
    case market::OriginKind::kSession:
      return "session";
    case market::OriginKind::kTopic:
      return "topic";
  }
  return "venue";
}

std::vector<std::string> updates_of(const market::TradeEffect& effect) {
  std::vector<std::string> updates;
  if (effect.open_close) updates.emplace_back("open_close");
  if (effect.high_low) updates.emplace_back("high_low");
  if (effect.volume) updates.emplace_back("volume");
  return updates;
}

std::string hex_of(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

}  // namespace

std::string bar_rows(const Form& form, const market::BarSpec& spec, const pipeline::BarPage& page) {
  // A vendor's bar has no notional to make one of.
  const bool has_vwap = spec.source != market::BarSource::kVendor;
  std::vector<std::string> columns{"ts_open",    "open",        "high",      "low",      "close",
                                   "volume",     "trades",      "excluded",  "notional", "vwap",
                                   "buy_volume", "sell_volume", "final",     "complete", "revision",
                                   "reason",     "ts_known",    "unapplied", "offset"};
  for (const auto& column : page.indicators) columns.push_back(column.name);
  RowWriter rows(form, std::move(columns));
  for (std::size_t i = 0; i < page.bars.size(); ++i) {
    const market::Bar& bar = page.bars[i];
    rows.instant(bar.ts_open);
    for (const auto* price : {&bar.open, &bar.high, &bar.low, &bar.close}) rows.decimal(*price);
    rows.decimal(bar.volume.to_string());
    rows.small(bar.trades);
    rows.small(bar.excluded);
    rows.decimal(bar.notional.to_string());
    rows.decimal(has_vwap ? market::ratio_text(bar.notional, bar.volume) : std::string());
    rows.decimal(bar.buy_volume.to_string());
    rows.decimal(bar.sell_volume.to_string());
    rows.flag(bar.is_final);
    rows.flag(is_complete(bar));
    rows.small(bar.revision);
    bar.reason == market::RevisionReason::kNone ? rows.absent()
                                                : rows.text(market::to_string(bar.reason));
    rows.instant(bar.ts_known);
    rows.small(bar.unapplied);
    rows.count(bar.offset.value);
    for (const auto& column : page.indicators) rows.decimal(column.values[i].value_or(""));
  }
  return std::move(rows).finish();
}

std::string empty_rows(const Form& form, std::span<const pipeline::EmptyTime> times) {
  RowWriter rows(form, {"start", "end", "reason"});
  for (const pipeline::EmptyTime& time : times) {
    rows.instant(time.start);
    rows.instant(time.end);
    rows.text(to_string(time.reason));
  }
  return std::move(rows).finish();
}

std::string trade_rows(const Form& form, std::span<const pipeline::TradeRow> trades) {
  RowWriter rows(form, {"ts_event", "ts_recv", "price", "size", "side", "conditions", "eligible",
                        "updates", "session", "origin", "seq", "position", "offset"});
  for (const pipeline::TradeRow& row : trades) {
    rows.instant(row.trade.ts_event);
    rows.instant(row.trade.ts_recv);
    rows.decimal(row.trade.price);
    rows.decimal(row.trade.size);
    rows.text(to_string(row.trade.side));
    rows.list(row.conditions);
    const auto updates = updates_of(row.effect);
    rows.flag(updates.size() == 3);
    rows.list(updates);
    rows.text(to_string(row.effect.session));
    rows.text(to_string(row.origin));
    rows.count(row.trade.identity.seq);
    rows.count(row.trade.identity.position);
    rows.count(row.offset.value);
  }
  return std::move(rows).finish();
}

std::string last_rows(const Form& form, std::span<const LastValue> values) {
  RowWriter rows(form, {"series", "price", "size", "ts_event", "change", "change_percent", "basis",
                        "basis_price", "basis_time", "offset"});
  for (const LastValue& value : values) {
    rows.text(to_string(value.series));
    rows.decimal(value.price);
    rows.decimal(value.size);
    rows.instant(value.ts_event);
    rows.decimal(value.change());
    rows.decimal(value.change_percent());
    value.basis ? rows.text(to_string(value.basis->kind)) : rows.absent();
    rows.decimal(value.basis ? std::optional(value.basis->price) : std::nullopt);
    rows.instant(value.basis ? std::optional(value.basis->ts_open) : std::nullopt);
    rows.count(value.offset.value);
  }
  return std::move(rows).finish();
}

std::string feed_rows(const Form& form, std::span<const pipeline::FeedStatus> feeds) {
  RowWriter rows(form, {"id", "state", "events", "duplicates", "refused"});
  for (const pipeline::FeedStatus& feed : feeds) {
    rows.text(feed.id);
    rows.text(feed.state);
    rows.count(feed.events);
    rows.count(feed.duplicates);
    rows.count(feed.refused);
  }
  return std::move(rows).finish();
}

std::string bar_series_rows(const Form& form, std::span<const market::BarSpec> specs) {
  RowWriter rows(form, {"interval", "conditions", "session", "source", "adjusted"});
  for (const market::BarSpec& spec : specs) {
    if (spec.slide != Duration{}) continue;  // averages: not asked for as bars
    rows.text(tapedeck::to_string(spec.interval));
    rows.text(market::to_string(spec.conditions));
    rows.text(market::to_string(spec.session));
    rows.text(market::to_string(spec.source));
    rows.text(market::to_string(spec.adjusted));
  }
  return std::move(rows).finish();
}

std::string instrument_rows(const Form& form, std::span<const InstrumentForm> instruments) {
  RowWriter rows(form, {"series", "instrument", "venue", "channel", "calendar", "zone", "name",
                        "type", "currency", "status"});
  for (const InstrumentForm& instrument : instruments) {
    const market::SeriesKey& key = instrument.series.key;
    rows.text(to_string(key));
    rows.text(key.instrument);
    rows.text(key.venue);
    rows.text(key.channel);
    rows.text(instrument.series.calendar);
    rows.text(instrument.zone);
    for (const std::string_view name : {"name", "type", "currency", "status"}) {
      const auto value =
          std::ranges::find(instrument.listed, name, &net::Fields::value_type::first);
      value == instrument.listed.end() ? rows.absent() : rows.text(value->second);
    }
  }
  return std::move(rows).finish();
}

std::string day_quality_rows(const Form& form, std::span<const quality::DayQuality> days) {
  RowWriter rows(form, {"series", "date", "trades", "others", "first", "last", "minutes",
                        "session_minutes", "missing", "duplicates", "reordered", "late",
                        "disorder_ns", "delay_min_ns", "delay_max_ns"});
  const auto duration = [&rows](const std::optional<Duration>& value) {
    value ? rows.integer(value->ns) : rows.absent();
  };
  for (const quality::DayQuality& day : days) {
    rows.text(to_string(day.series));
    rows.text(date_text(day.date));
    rows.count(day.trades);
    rows.count(day.others);
    rows.instant(day.first);
    rows.instant(day.last);
    rows.small(day.minutes);
    rows.small(day.session_minutes);
    day.missing ? rows.count(*day.missing) : rows.absent();
    day.duplicates ? rows.count(*day.duplicates) : rows.absent();
    rows.count(day.reordered);
    rows.count(day.late);
    rows.integer(day.disorder.ns);
    duration(day.delay_min);
    duration(day.delay_max);
  }
  return std::move(rows).finish();
}

std::string gap_rows(const Form& form, std::span<const quality::IdGap> gaps) {
  RowWriter rows(form, {"series", "first_id", "last_id", "missing", "after", "before", "cause"});
  for (const quality::IdGap& gap : gaps) {
    rows.text(to_string(gap.series));
    rows.count(gap.first);
    rows.count(gap.last);
    rows.count(gap.count());
    rows.instant(gap.after);
    rows.instant(gap.before);
    rows.text(to_string(gap.cause));
  }
  return std::move(rows).finish();
}

std::string outage_rows(const Form& form, std::span<const quality::Outage> outages) {
  RowWriter rows(form, {"feed", "from", "to"});
  for (const quality::Outage& outage : outages) {
    rows.text(outage.feed);
    rows.instant(outage.from);
    rows.instant(outage.to);
  }
  return std::move(rows).finish();
}

std::string drift_rows(const Form& form, std::span<const quality::DriftSeen> drift) {
  RowWriter rows(form, {"series", "venue", "instrument", "date", "field", "is", "first"});
  for (const quality::DriftSeen& seen : drift) {
    rows.text(to_string(seen.series));
    rows.text(seen.series.venue);
    rows.text(seen.series.instrument);
    rows.text(date_text(seen.date));
    rows.text(seen.drift.field);
    rows.text(seen.drift.is_missing ? "missing" : "unknown");
    rows.instant(seen.first);
  }
  return std::move(rows).finish();
}

std::string sql_rows(const Form& form, const store::Table& table) {
  if (form.format != Format::kJson) {
    RowWriter rows(form, table.columns);
    for (const auto& row : table.rows) {
      for (const store::Table::Cell& cell : row) {
        std::visit(
            [&](const auto& value) {
              using T = std::decay_t<decltype(value)>;
              if constexpr (std::is_same_v<T, std::monostate>) rows.absent();
              if constexpr (std::is_same_v<T, std::int64_t>) rows.integer(value);
              if constexpr (std::is_same_v<T, double>) rows.real(value);
              if constexpr (std::is_same_v<T, std::string>) rows.text(value);
              if constexpr (std::is_same_v<T, store::Table::Blob>) rows.text(hex_of(value.bytes));
            },
            cell);
      }
    }
    return std::move(rows).finish();
  }
  // Two columns may have one name, so that a row is no object.
  const bool as_numbers = form.numbers == NumberForm::kNumber;
  std::string out = "[";
  for (const auto& row : table.rows) {
    out += &row == table.rows.data() ? "[" : ",[";
    for (const store::Table::Cell& cell : row) {
      if (&cell != row.data()) out += ',';
      std::visit(
          [&](const auto& value) {
            using T = std::decay_t<decltype(value)>;
            if constexpr (std::is_same_v<T, std::monostate>) out += "null";
            if constexpr (std::is_same_v<T, std::int64_t>) {
              out += as_numbers ? fmt::format("{}", value) : fmt::format("\"{}\"", value);
            }
            if constexpr (std::is_same_v<T, double>) out += fmt::format("{}", value);
            if constexpr (std::is_same_v<T, std::string>) out += json_quote(value);
            if constexpr (std::is_same_v<T, store::Table::Blob>) {
              out += fmt::format("\"{}\"", hex_of(value.bytes));
            }
          },
          cell);
    }
    out += ']';
  }
  return out + ']';
}

}  // namespace tapedeck::api
