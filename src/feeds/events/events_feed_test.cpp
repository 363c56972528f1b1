#include "feeds/events/events_feed.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/rng.hpp"
#include "feeds/events/event_writer.hpp"
#include "feeds/recording_sink.hpp"

namespace tapedeck::feeds::events {
namespace {

using market::Batch;
using market::Decimal;
using market::StreamKind;

constexpr std::int64_t kNow = 1'783'465'204'585'581'003;

const market::ConditionTables& tables() {
  static const market::ConditionTable table;
  static const market::ConditionTables all{{"lean", &table}};
  return all;
}

class EventsFeedTest : public testing::Test {
 protected:
  void read(std::string_view line) { feed.on_frame(line, {}, "x: line 1", sink); }
  // The reason for which the line is refused; empty where it is not.
  std::string refused(std::string_view line) {
    sink = {};
    read(line);
    EXPECT_EQ(sink.refusals.size() + sink.trades.size() + sink.others.size() + sink.marks.size(),
              1u);
    return sink.refusals.empty() ? "" : std::string(sink.refusals[0].reason);
  }

  market::Catalog catalog;
  EventsFeed feed{catalog, tables()};
  RecordingSink sink;
};

// Batches of every kind with every field set to something, and some twice.
std::vector<Batch> every_kind(market::Catalog& catalog, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<SeriesId> series;
  for (const char* instrument : {"BTC/USD", "quo\"te, \\ \xC3\xA9", "S"}) {
    series.push_back(
        catalog.intern({.key = {"v", "trade", instrument},
                        .order = instrument[0] == 'B' ? market::TradeOrder::kVenueSequence
                                                      : market::TradeOrder::kIdentity,
                        .calendar = instrument[0] == 'S' ? "us_equity" : "24x7",
                        .conditions = instrument[0] == 'S' ? "lean" : ""}));
  }
  const std::vector<OriginId> origins{
      catalog.intern(market::Origin{}),
      catalog.intern(market::Origin{market::OriginKind::kFile, std::string(64, 'a'), {kNow}, true}),
      catalog.intern(
          market::Origin{market::OriginKind::kFile, std::string(64, 'a'), {kNow}, false}),
      catalog.intern(market::Origin{market::OriginKind::kSession, "s \"1\"", {kNow + 1}, false}),
      catalog.intern(market::Origin{market::OriginKind::kTopic, "md.trades/3", {}, false})};
  const auto identity = [&] {
    return market::Identity{origins[rng.below(origins.size())], rng.below(UINT64_MAX),
                            rng.below(2) * rng.below(9)};
  };
  const auto decimal = [&] {
    return Decimal::make(1 + static_cast<std::int64_t>(rng.below(INT64_MAX - 1)),
                         static_cast<int>(rng.below(19)));
  };
  const auto time = [&] {
    return Timestamp{kNow + static_cast<std::int64_t>(rng.below(1'000'000'000'000))};
  };
  std::vector<Batch> batches(7);
  std::size_t next = 0;
  Offset first;
  for (const StreamKind kind :
       {StreamKind::kTrade, StreamKind::kQuote, StreamKind::kPriceTick, StreamKind::kVendorBar,
        StreamKind::kCorrection, StreamKind::kRecord, StreamKind::kStatus}) {
    Batch& batch = batches[next++];
    batch.kind = kind;
    batch.first = first;
    visit_events(batch, [&](auto& events) {
      events.resize(20);
      for (auto& event : events) {
        event.ts_recv = time();
        if constexpr (requires { event.series; }) {
          event.series = series[rng.below(3)];
          event.ts_event = time();
          event.conditions = rng.below(2) == 0 ? 0 : rng.below(UINT64_MAX);
          event.identity = identity();
          event.venue_sequence = rng.below(UINT64_MAX);
        }
      }
    });
    first = batch.end();
  }
  for (auto& trade : batches[0].trades) {
    trade.side = static_cast<market::Side>(rng.below(3));
    trade.price = decimal();
    trade.size = rng.below(5) == 0 ? Decimal{} : decimal();
  }
  for (auto& quote : batches[1].quotes) {
    if (rng.below(4) != 0) quote.bid = decimal(), quote.bid_size = decimal();
    if (rng.below(4) != 0) quote.ask = decimal(), quote.ask_size = decimal();
  }
  for (auto& tick : batches[2].ticks) tick.price = decimal();
  for (auto& bar : batches[3].vendor_bars) {
    bar.adjusted = static_cast<market::Adjusted>(rng.below(3));
    bar.interval = minutes(1 + static_cast<std::int64_t>(rng.below(100)));
    for (Decimal* field : {&bar.open, &bar.high, &bar.low, &bar.close, &bar.volume}) {
      *field = decimal();
    }
  }
  for (auto& correction : batches[4].corrections) {
    correction.target = identity();
    if (rng.below(2) == 0) continue;
    correction.kind = market::CorrectionKind::kCorrect;
    correction.side = static_cast<market::Side>(rng.below(3));
    correction.price = decimal();
    correction.size = decimal();
  }
  for (auto& record : batches[5].records) {
    for (std::uint64_t n = rng.below(12); n > 0; --n) {
      record.body += static_cast<char>(rng.below(rng.below(2) == 0 ? 128 : 256));
    }
  }
  for (auto& mark : batches[6].marks) {
    mark.feed = rng.below(2) == 0 ? "crypto" : "us";
    mark.state = static_cast<market::FeedState>(rng.below(3));
  }
  batches[6].marks[3].ts_recv = {};
  return batches;
}

std::string written(const market::Catalog& catalog, const std::vector<Batch>& batches) {
  std::string text;
  EventWriter writer(catalog, EventFormat::kNdjson);
  for (const Batch& batch : batches) {
    for (std::size_t i = 0; i < batch.size(); ++i) writer.write(batch, i, "p0", text);
  }
  return text;
}

// The same events in batches again.
std::vector<Batch> gathered(const RecordingSink& sink) {
  std::vector<Batch> batches(7);
  batches[0].trades = sink.trades;
  batches[6].marks = sink.marks;
  for (const OtherEvent& event : sink.others) {
    std::visit(
        [&]<class Event>(const Event& one) {
          if constexpr (std::is_same_v<Event, market::Quote>) batches[1].quotes.push_back(one);
          if constexpr (std::is_same_v<Event, market::PriceTick>) batches[2].ticks.push_back(one);
          if constexpr (std::is_same_v<Event, market::VendorBar>) {
            batches[3].vendor_bars.push_back(one);
          }
          if constexpr (std::is_same_v<Event, market::Correction>) {
            batches[4].corrections.push_back(one);
          }
          if constexpr (std::is_same_v<Event, market::Record>) batches[5].records.push_back(one);
        },
        event);
  }
  Offset first;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    batches[i].kind = static_cast<StreamKind>(i + 1);
    batches[i].first = first;
    first = batches[i].end();
  }
  return batches;
}

TEST_F(EventsFeedTest, WhatIsWrittenIsReadAgain) {
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u}) {
    market::Catalog elsewhere;
    const std::string text = written(elsewhere, every_kind(elsewhere, seed));
    sink = {};
    for (const std::string& line : lines_of(text)) read(line);
    ASSERT_TRUE(sink.refusals.empty()) << sink.refusals[0].detail << "\n" << sink.texts[0];
    EXPECT_EQ(sink.trades.size(), 20u);
    EXPECT_EQ(sink.others.size(), 100u);
    EXPECT_EQ(sink.marks.size(), 20u);
    EXPECT_EQ(written(catalog, gathered(sink)), text);
  }
}

TEST_F(EventsFeedTest, TheSameEventsWhereTheCatalogIsTheSame) {
  const auto batches = every_kind(catalog, 7);
  for (const std::string& line : lines_of(written(catalog, batches))) read(line);
  ASSERT_TRUE(sink.refusals.empty()) << sink.refusals[0].detail;
  const auto again = gathered(sink);
  EXPECT_EQ(again[0].trades, batches[0].trades);
  EXPECT_EQ(again[1].quotes, batches[1].quotes);
  EXPECT_EQ(again[2].ticks, batches[2].ticks);
  EXPECT_EQ(again[3].vendor_bars, batches[3].vendor_bars);
  EXPECT_EQ(again[4].corrections, batches[4].corrections);
  EXPECT_EQ(again[5].records, batches[5].records);
  EXPECT_EQ(again[6].marks, batches[6].marks);
}

TEST_F(EventsFeedTest, ALineOfEveryKindIsReadAndWrittenAsItStands) {
  const std::string text = read_test_file(TD_SOURCE_DIR "/events/testdata/every_kind.ndjson");
  EventWriter writer(catalog, EventFormat::kNdjson);
  std::string again;
  Offset next;
  for (const std::string& line : lines_of(text)) {
    EXPECT_EQ(refused(line), "") << line;
    for (Batch& batch : gathered(sink)) {
      batch.first = next;
      if (batch.size() > 0) writer.write(batch, 0, "p0", again);
    }
    next = next + 1;
  }
  EXPECT_EQ(again, text);
}

// What a line needs at least; `more` is added to it.
std::string trade_line(std::string_view more = "") {
  return fmt::format(
      R"({{"kind":"trade","series":"v/trade/X","ts_event":"{}","ts_recv":"{}","price":"10.50",)"
      R"("size":"2","seq":"7"{}}})",
      kNow, kNow + 5, more);
}
std::string changed(std::string line, std::string_view from, std::string_view to) {
  const auto at = line.find(from);
  EXPECT_NE(at, line.npos) << from;
  return line.replace(at, from.size(), to);
}

TEST_F(EventsFeedTest, WhatALineNeedsAtLeast) {
  read(trade_line());
  ASSERT_EQ(sink.trades.size(), 1u);
  const market::Trade& trade = sink.trades[0];
  EXPECT_EQ(catalog.series(trade.series), (market::Series{.key = {"v", "trade", "X"}}));
  EXPECT_EQ(catalog.origin(trade.identity.origin), market::Origin{});
  EXPECT_EQ(trade, (market::Trade{.series = trade.series,
                                  .ts_event = {kNow},
                                  .ts_recv = {kNow + 5},
                                  .price = Decimal::make(105, 1),
                                  .size = Decimal::make(2, 0),
                                  .identity = {.origin = trade.identity.origin, .seq = 7}}));
  // Numbers need no quotes, blanks may be anywhere.
  EXPECT_EQ(refused(changed(trade_line(), R"("10.50")", " 10.50 ")), "");
  EXPECT_EQ(sink.trades[0].price, Decimal::make(105, 1));
}

TEST_F(EventsFeedTest, RefusesWhatCannotBe) {
  const std::string good = trade_line();
  const std::string now = fmt::format(R"("{}")", kNow);
  const auto with = [&](std::string_view from, std::string_view to) {
    return refused(changed(good, from, to));
  };
  EXPECT_EQ(refused(""), "malformed");
  EXPECT_EQ(refused("[1]"), "malformed");
  EXPECT_EQ(refused(good.substr(0, good.size() - 1)), "malformed");
  EXPECT_EQ(refused(good + "{}"), "malformed");
  EXPECT_EQ(refused(R"({"feed":"x"})"), "missing_field");
  EXPECT_EQ(with(R"("kind":"trade")", R"("kind":"trades")"), "unknown_message");
  EXPECT_EQ(with(R"("kind":"trade")", R"("kind":"frame")"), "unknown_message");
  EXPECT_EQ(with("10.50", "-1"), "bad_price");
  EXPECT_EQ(with("10.50", "0"), "bad_price");
  EXPECT_EQ(with("10.50", "1e999"), "bad_price");
  EXPECT_EQ(with(R"("size":"2")", R"("size":"-2")"), "bad_size");
  EXPECT_EQ(with(R"("size":"2")", R"("size":[2])"), "malformed");
  EXPECT_EQ(with(R"("size":"2")", R"("size":null)"), "bad_size");
  EXPECT_EQ(with(R"("size":"2",)", ""), "missing_field");
  EXPECT_EQ(with(now, R"("4102444800000000000")"), "bad_time");  // 2100
  EXPECT_EQ(with(now, R"("0")"), "bad_time");
  EXPECT_EQ(with(now, R"("1.5")"), "bad_time");
  EXPECT_EQ(with(R"("seq":"7")", R"("seq":"-7")"), "bad_id");
  EXPECT_EQ(with(R"("seq":"7")", R"("seq":"18446744073709551616")"), "bad_id");
  EXPECT_EQ(with("v/trade/X", "v/trade"), "bad_symbol");
  EXPECT_EQ(with("v/trade/X", "v/trade/X\\u0000"), "bad_symbol");
  EXPECT_EQ(with("v/trade/X", "v/trade/" + std::string(129, 'x')), "bad_symbol");
  EXPECT_EQ(with(R"("v/trade/X")", "7"), "malformed");
  const auto and_also = [&](std::string_view more) { return refused(trade_line(more)); };
  EXPECT_EQ(and_also(R"(,"side":"both")"), "malformed");
  EXPECT_EQ(and_also(R"(,"seq":"7")"), "malformed");            // twice
  EXPECT_EQ(and_also(R"(,"bid":"7")"), "malformed");            // of another kind
  EXPECT_EQ(and_also(R"(,"venue_sequnce":"7")"), "malformed");  // misspelled
  EXPECT_EQ(and_also(R"(,"venue_sequence":"x")"), "bad_sequence");
  EXPECT_EQ(and_also(R"(,"conditions":"10")"), "bad_conditions");
  EXPECT_EQ(and_also(R"(,"conditions":"0x11111111111111111")"), "bad_conditions");
  EXPECT_EQ(and_also(R"(,"recv_assumed":"maybe")"), "malformed");
  EXPECT_EQ(and_also(R"(,"origin_kind":"mine")"), "malformed");
  EXPECT_EQ(and_also(R"(,"origin_first":"7")"), "bad_time");
  EXPECT_EQ(and_also(R"(,"origin":"\n")"), "bad_id");
  EXPECT_EQ(and_also(R"(,"calendar":"moon")"), "bad_symbol");
  EXPECT_EQ(and_also(R"(,"condition_table":"moon")"), "bad_symbol");
  EXPECT_EQ(and_also(R"(,"order":"alphabet")"), "malformed");
  EXPECT_EQ(catalog.series_count(), 0u);  // nothing of all that has defined a series
  EXPECT_EQ(refused(good), "");
}

TEST_F(EventsFeedTest, RefusesWhatCannotBeOfOtherKinds) {
  const auto line = [](std::string_view kind, std::string_view more) {
    return fmt::format(
        R"({{"kind":"{}","series":"v/trade/X","ts_event":{},"ts_recv":{},"seq":"7",{}}})", kind,
        kNow, kNow, more);
  };
  EXPECT_EQ(refused(line("quote", R"("bid":"1","bid_size":"1","ask":"0","ask_size":"0")")), "");
  EXPECT_EQ(refused(line("quote", R"("bid":"0","bid_size":"1","ask":"0","ask_size":"0")")),
            "bad_price");
  EXPECT_EQ(refused(line("quote", R"("bid":"1","bid_size":"1","ask":"0","ask_size":"-1")")),
            "bad_size");
  EXPECT_EQ(refused(line("tick", R"("price":"0")")), "bad_price");
  EXPECT_EQ(refused(line("tick", R"("price":"1","size":"1")")), "malformed");
  const std::string bar = R"("open":"1","high":"1","low":"1","close":"1","volume":"0","interval":)";
  EXPECT_EQ(refused(line("bar", bar + "60000000000")), "");
  EXPECT_EQ(refused(line("bar", bar + "0")), "bad_time");
  EXPECT_EQ(refused(line("bar", bar + "18446744073709551615")), "bad_time");
  EXPECT_EQ(refused(line("correction", R"("correction":"cancel","target_seq":"7")")), "");
  EXPECT_EQ(refused(line("correction", R"("correction":"cancel")")), "missing_field");
  EXPECT_EQ(refused(line("correction", R"("target_seq":"7")")), "missing_field");
  EXPECT_EQ(refused(line("correction", R"("correction":"correct","target_seq":"7")")),
            "missing_field");
  EXPECT_EQ(refused(line("record", R"("body":"{}")")), "");
  EXPECT_EQ(refused(line("record", R"("body":{})")), "malformed");
  EXPECT_EQ(refused(line("record", R"("body_hex":"0g")")), "malformed");
  EXPECT_EQ(refused(line("record", R"("body_hex":"00f")")), "malformed");
  EXPECT_EQ(refused(line("record", R"("body_hex":"00ff")")), "");
  EXPECT_EQ(std::get<market::Record>(sink.others[0]).body, std::string("\0\xff", 2));
  EXPECT_EQ(refused(R"({"kind":"status","feed":"f","state":"live","ts_recv":"0"})"), "");
  EXPECT_EQ(refused(R"({"kind":"status","feed":"f","state":"up","ts_recv":"0"})"), "malformed");
  EXPECT_EQ(refused(R"({"kind":"status","feed":"f","state":"up"})"), "malformed");
  EXPECT_EQ(refused(R"({"kind":"status","state":"live","ts_recv":"0"})"), "missing_field");
}

TEST_F(EventsFeedTest, WhatASeriesIsCannotChange) {
  EXPECT_EQ(refused(trade_line(R"(,"calendar":"us_equity","condition_table":"lean")")), "");
  EXPECT_EQ(refused(trade_line()), "");  // once said is enough
  EXPECT_EQ(refused(trade_line(R"(,"calendar":"24x7")")), "bad_symbol");
  EXPECT_EQ(refused(trade_line(R"(,"condition_table":"")")), "bad_symbol");
  EXPECT_EQ(refused(trade_line(R"(,"order":"venue_sequence")")), "bad_symbol");
  // Of what the catalog knew before, too.
  catalog.intern(market::Series{.key = {"v", "trade", "Y"}, .calendar = "us_equity"});
  const std::string other = changed(trade_line(R"(,"calendar":"24x7")"), "trade/X", "trade/Y");
  EXPECT_EQ(refused(other), "bad_symbol");
}

TEST_F(EventsFeedTest, RecognisesItsLinesOnly) {
  EXPECT_TRUE(recognises(trade_line()));
  EXPECT_TRUE(recognises(R"({"kind":"status","feed":"f","state":"live","ts_recv":"0"})"));
  EXPECT_FALSE(recognises(R"({"kind":"trade","price":"1"})"));
  EXPECT_FALSE(recognises(R"({"stream":"btcusdt@trade","data":{"e":"trade"}})"));
}

}  // namespace
}  // namespace tapedeck::feeds::events
