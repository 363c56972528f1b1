#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/memory_disk.hpp"
#include "feeds/recording_sink.hpp"
#include "feeds/replay/replay.hpp"
#include "feeds/replay/venues_test.hpp"

namespace tapedeck::feeds::replay {
namespace {

constexpr std::int64_t kNow = 1'783'465'204'585'581'003;

std::string trade_line(int seq = 7) {
  return fmt::format(
      R"({{"kind":"trade","series":"v/trade/X","ts_event":"{}","ts_recv":"{}","price":"10.50",)"
      R"("size":"2","seq":"{}"}})"
      "\n",
      kNow, kNow + 5, seq);
}

std::string end_line(std::int64_t ts_recv) {
  return fmt::format(R"({{"kind":"status","feed":"replay","state":"ended","ts_recv":"{}"}})"
                     "\n",
                     ts_recv);
}

class EventsReplayTest : public testing::Test {
 protected:
  void play(std::string_view text, bool merged = false, std::size_t piece = 3) {
    sink = {};
    static_cast<void>(disk.create_directories("d"));
    static_cast<void>(disk.remove("d/x"));
    ASSERT_TRUE((*disk.open("d/x", OpenMode::kCreate))->append(text));
    auto source = open_replay(disk, {"d/x"}, with_venues({}), catalog, merged);
    ASSERT_TRUE(source) << source.error().message;
    while (*(*source)->pull(sink, piece)) {
    }
    files = (*source)->files();
  }

  MemoryDisk disk;
  market::Catalog catalog;
  RecordingSink sink;
  std::vector<FileReport> files;
};

TEST_F(EventsReplayTest, AFileOfEventsIsToldByItsContent) {
  const std::string text = read_test_file(TD_SOURCE_DIR "/events/testdata/every_kind.ndjson");
  for (const bool merged : {false, true}) {
    play(text, merged);
    EXPECT_TRUE(sink.refusals.empty());
    EXPECT_EQ(sink.trades.size(), 2u);
    EXPECT_EQ(sink.others.size(), 7u);
    ASSERT_EQ(sink.marks.size(), 2u);
    EXPECT_EQ(sink.marks[0].feed, "crypto");
    EXPECT_EQ(sink.marks[1].feed, "replay");
    EXPECT_EQ(files[0].records, 10u);
    EXPECT_EQ(files[0].trades, 2u);
    EXPECT_EQ(files[0].others, 8u);
  }
}

TEST_F(EventsReplayTest, ItsEndIsNotSaidTwice) {
  play(trade_line());
  ASSERT_EQ(sink.marks.size(), 1u);
  EXPECT_EQ(sink.marks[0], (market::FeedMark{"replay", market::FeedState::kEnded, {kNow + 5}}));
  play(trade_line() + end_line(kNow + 5));
  EXPECT_EQ(sink.marks.size(), 1u);
  play(trade_line() + end_line(kNow + 5), true);
  EXPECT_EQ(sink.marks.size(), 1u);
  play(trade_line() + end_line(kNow));  // not that of this file
  EXPECT_EQ(sink.marks.size(), 2u);
  play(end_line(kNow + 5) + trade_line());  // not at its end
  EXPECT_EQ(sink.marks.size(), 2u);
}

TEST_F(EventsReplayTest, TheReceiveTimeIsTheLinesOwn) {
  play("1783465204000000001 " + trade_line());
  ASSERT_EQ(sink.trades.size(), 1u);
  EXPECT_EQ(sink.trades[0].ts_recv.ns, kNow + 5);
}

TEST_F(EventsReplayTest, MergedItKeepsItsOwnOrderAndHoldsLittle) {
  std::string text;
  for (const int second : {5, 1, 3}) {
    text += fmt::format(
        R"({{"kind":"tick","series":"v/last/X","ts_event":{0},"ts_recv":{0},"price":1,"seq":{1}}})"
        "\n",
        kNow + second * 1'000'000'000LL, second);
  }
  play(text, true, 1);
  std::vector<std::uint64_t> order;
  for (const OtherEvent& event : sink.others) {
    order.push_back(std::get<market::PriceTick>(event).identity.seq);
  }
  EXPECT_EQ(order, (std::vector<std::uint64_t>{5, 1, 3}));
}

TEST_F(EventsReplayTest, ABadLineIsRefusedAlone) {
  play(trade_line() + "{\"kind\":\"trade\"}\nrubbish\n\n" + trade_line(8));
  EXPECT_EQ(sink.trades.size(), 2u);
  EXPECT_EQ(sink.reasons(), (std::vector<std::string>{"missing_field", "malformed"}));
  EXPECT_EQ(sink.refusals[0].where, "d/x: line 2");
}

}  // namespace
}  // namespace tapedeck::feeds::replay
