#include "feeds/ingest/ingest_reader.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "feeds/recording_sink.hpp"

namespace tapedeck::feeds::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Timestamp kNow{1'714'570'200'000'000'000};

// Says what it was given.
class FakeEvents final : public Feed {
 public:
  std::string_view venue() const override { return "events"; }
  void on_frame(std::string_view frame, Timestamp, std::string_view where,
                EventSink& sink) override {
    sink.refuse({"unknown_message", "an event", std::string(where), frame});
  }
};

class IngestReaderTest : public testing::Test {
 protected:
  RecordingSink read(Rows rows) {
    rows.ts_recv = kNow;
    RecordingSink sink;
    const Status right = reader_.check(rows);
    EXPECT_TRUE(right) << right.error().message;
    if (right) reader_.read(rows, sink);
    return sink;
  }
  std::string complaint(const Rows& rows) {
    const Status right = reader_.check(rows);
    return right ? "" : right.error().message;
  }

  market::Catalog catalog_;
  IngestReader reader_{catalog_, std::make_unique<FakeEvents>(), {"binance"}};
};

TEST_F(IngestReaderTest, TakesExactlyWhatARowSays) {
  const RecordingSink sink = read(
      {.body = R"({"symbol":"GOLD","price":"1928.40","size":2e-3,"time":"2024-05-01T13:30:00.25Z",)"
               R"("id":"7","side":"sell","conditions":"0x5"})",
       .venue = "mine"});
  ASSERT_EQ(sink.trades.size(), 1u);
  const market::Trade& trade = sink.trades[0];
  EXPECT_EQ(to_string(catalog_.series(trade.series).key), "mine/trade/GOLD");
  EXPECT_EQ(to_string(trade.price), "1928.4");
  EXPECT_EQ(to_string(trade.size), "0.002");
  EXPECT_EQ(trade.ts_event.ns, 1'714'570'200'250'000'000);
  EXPECT_EQ(trade.ts_recv, kNow);
  EXPECT_EQ(trade.side, market::Side::kSell);
  EXPECT_EQ(trade.conditions, 5u);
  EXPECT_EQ(trade.identity, (market::Identity{catalog_.intern(market::Origin{}), 7, 0}));
}

TEST_F(IngestReaderTest, TakesCsvByItsHeader) {
  const RecordingSink sink =
      read({.body = "\r\nsize,time,price,symbol\r\n1,1714570200001,9.50,\"A,B\"\r\n2,1714570200002,"
                    "9.60,\n\n3,1714570200002,9.7\n",
            .is_csv = true,
            .venue = "mine",
            .symbol = "C",
            .time = "ms",
            .key = "p-3"});
  ASSERT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(catalog_.series(sink.trades[0].series).key.instrument, "A,B");
  EXPECT_EQ(catalog_.series(sink.trades[1].series).key.instrument, "C");
  ASSERT_EQ(sink.refusals.size(), 1u);
  EXPECT_EQ(sink.refusals[0].where, "6");
  EXPECT_THAT(sink.refusals[0].detail, HasSubstr("3 fields, and the header has 4"));
}

TEST_F(IngestReaderTest, ARowWithoutAnIdIsItsPlaceInItsPiece) {
  const std::string row = R"({"symbol":"A","price":1,"size":1,"time":"2024-05-01T00:00:00Z"})";
  const auto identities = [&](const std::string& key) {
    std::vector<market::Identity> all;
    const std::string body = fmt::format("{0}\nx\n{0}", row);
    for (const auto& trade : read({.body = body, .venue = "v", .key = key}).trades) {
      all.push_back(trade.identity);
    }
    return all;
  };
  const auto seventeen = identities("run-17");
  ASSERT_EQ(seventeen.size(), 2u);
  EXPECT_EQ(seventeen, identities("run-17"));
  EXPECT_EQ(seventeen[1].seq, seventeen[0].seq + 2);  // a refused row keeps its place
  // The next piece comes after it, of the same origin; another name is another origin.
  const auto eighteen = identities("run-18");
  EXPECT_EQ(eighteen[0].origin, seventeen[0].origin);
  EXPECT_GT(eighteen[0].seq, seventeen[1].seq);
  EXPECT_NE(identities("run-x")[0].origin, seventeen[0].origin);
  EXPECT_NE(identities("run-")[0].origin, seventeen[0].origin);
  EXPECT_NE(identities("run-0")[0], identities("run-")[0]);
  EXPECT_NE(identities("run-017")[0], seventeen[0]);
}

TEST_F(IngestReaderTest, NamesAndNumbersOfPieces) {
  EXPECT_EQ(piece_name("a-7"), (PieceName{"a-", 7}));
  EXPECT_EQ(piece_name("7"), (PieceName{"", 7}));
  EXPECT_EQ(piece_name("a-07"), (PieceName{"a-07", 0}));
  EXPECT_EQ(piece_name("a"), (PieceName{"a", 0}));
  EXPECT_EQ(piece_name("a17592186044415"), (PieceName{"a", (1ull << 44) - 1}));
  EXPECT_EQ(piece_name("a17592186044416"), (PieceName{"a17592186044416", 0}));
  EXPECT_EQ(piece_name("a99999999999999999999999"), (PieceName{"a99999999999999999999999", 0}));
}

TEST_F(IngestReaderTest, IdsAreNumbersOrTexts) {
  const auto row = [](std::string_view id) {
    return R"({"symbol":"A","price":1,"size":1,"time":"2024-05-01T00:00:00Z","id":)" +
           std::string(id) + "}\n";
  };
  const RecordingSink sink =
      read({.body = row("5") + row("\"5\"") + row("\"five\"") + row("\"five\"") + row("\"six\"") +
                    row("\"\"") + row("18446744073709551616"),
            .venue = "v"});
  ASSERT_EQ(sink.trades.size(), 6u);
  EXPECT_EQ(sink.trades[0].identity, sink.trades[1].identity);
  EXPECT_EQ(sink.trades[2].identity, sink.trades[3].identity);
  EXPECT_NE(sink.trades[2].identity, sink.trades[4].identity);
  EXPECT_NE(sink.trades[2].identity.position, 0u);
  EXPECT_THAT(sink.reasons(), ElementsAre("bad_id"));
}

TEST_F(IngestReaderTest, RefusesRowsAloneAndSaysWhy) {
  const RecordingSink sink =
      read({.body = R"({"symbol":"A","price":"0","size":1,"time":"2024-05-01T00:00:00Z","id":1}
{"symbol":"A","price":"1","size":-1,"time":"2024-05-01T00:00:00Z","id":1}
{"symbol":"A","price":"1","size":1,"time":"1714570200","id":1}
{"symbol":"A","price":"1","size":1,"time":"2024-05-01T00:00:00Z"}
{"symbol":"","price":"1","size":1,"time":"2024-05-01T00:00:00Z","id":1}
{"symbol":"A","size":1,"time":"2024-05-01T00:00:00Z","id":1}
{"symbol":"A","price":"1","size":1,"time":"2024-05-01T00:00:00Z","id":1,"prize":2}
{"symbol":"A","price":"1","price":"1","size":1,"time":"2024-05-01T00:00:00Z","id":1}
{"symbol":"A","price":"1","size":1,"time":"2024-05-01T00:00:00Z","id":1,"side":"up"}
{"symbol":"A","price":"1","size":1,"time":"2024-05-01T00:00:00Z","id":1,"conditions":"odd"}
{"symbol":"A","price":"1","size":1,"time":"2024-05-01T00:00:00Z","id":1} {}
[1]
{"symbol":"A","price":"1","size":1,"time":"2024-05-01T00:00:00Z","id":1})",
            .venue = "v"});
  EXPECT_THAT(sink.reasons(), ElementsAre("bad_price", "bad_size", "bad_time", "bad_id",
                                          "bad_symbol", "missing_field", "malformed", "malformed",
                                          "malformed", "bad_conditions", "malformed", "malformed"));
  EXPECT_EQ(sink.trades.size(), 1u);
  EXPECT_EQ(sink.refusals[3].where, "4");
}

TEST_F(IngestReaderTest, EventsAreHandedToWhoReadsThem) {
  const std::string event = R"({"kind": "tick", "series": "my/last/EUR", "price": "1.07"})";
  const RecordingSink sink = read({.body = "\n" + event + "\n"});
  EXPECT_THAT(sink.reasons(), ElementsAre("unknown_message"));
  EXPECT_EQ(sink.refusals[0].where, "2");
  EXPECT_THAT(sink.texts, ElementsAre(event));
}

TEST_F(IngestReaderTest, WhatIsSaidOfAllRowsIsCheckedFirst) {
  EXPECT_THAT(complaint({.body = {}, .venue = "a/b"}), HasSubstr("'a/b' is no name"));
  EXPECT_THAT(complaint({.body = {}, .venue = "a", .channel = ""}), HasSubstr("channel"));
  EXPECT_THAT(complaint({.body = {}, .venue = "binance"}), HasSubstr("has a feed of its own"));
  EXPECT_THAT(complaint({.body = {}, .venue = "a", .time = "h"}), HasSubstr("no unit of time"));
  EXPECT_THAT(complaint({.body = {}, .venue = "a", .key = "a b"}), HasSubstr("Idempotency-Key"));
  EXPECT_THAT(complaint({.body = "1,2,3\n", .is_csv = true}), HasSubstr("unknown field '1'"));
  EXPECT_THAT(complaint({.body = "price,size\n", .is_csv = true}),
              HasSubstr("price, size and time"));
  EXPECT_THAT(complaint({.body = std::string(IngestReader::kRowsMax, '\n'), .venue = "a"}),
              HasSubstr("1048576 rows"));
  EXPECT_EQ(complaint({.body = {}, .venue = "a"}), "");
}

}  // namespace
}  // namespace tapedeck::feeds::ingest
