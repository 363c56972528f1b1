#include "pipeline/live_table.hpp"

#include <gtest/gtest.h>

namespace tapedeck::pipeline {
namespace {

const market::SeriesKey kSeries{"fake", "trade", "S0"};
const market::BarSpec kSpec{};

market::Bar bar(std::int64_t minute, std::uint64_t offset) {
  market::Bar made;
  made.ts_open = Timestamp{} + minutes(minute);
  made.offset = Offset(offset);
  return made;
}

store::BarResult result(std::int64_t minute, std::uint64_t offset) {
  return {.row = {kSeries, kSpec, bar(minute, offset)}, .state = {}};
}

class LiveTableTest : public testing::Test {
 protected:
  void publish(std::int64_t minute, std::uint64_t offset) {
    const std::vector<store::BarResult> results{result(minute, offset)};
    table_.publish(results, Offset(offset));
  }
  LiveTable::Bars since(std::uint64_t offset) {
    return *table_.bars_since(kSeries, kSpec, Offset(offset));
  }

  std::vector<market::Bar> stored_;
  int reads_ = 0;
  LiveTable table_{{kSpec},
                   {},
                   [this](const market::SeriesKey& series, const market::BarSpec& spec,
                          std::size_t max) -> Result<std::vector<market::Bar>> {
                     EXPECT_EQ(series, kSeries);
                     EXPECT_EQ(spec, kSpec);
                     EXPECT_EQ(max, Live::kBarsKept);
                     ++reads_;
                     return stored_;
                   }};
};

TEST_F(LiveTableTest, ShowsBarsFromBeforeTheStartToo) {
  stored_ = {bar(1, 5), bar(2, 8), bar(3, 9)};
  table_.publish({}, Offset(9));
  publish(3, 12);
  publish(4, 13);
  const LiveTable::Bars all = since(0);
  EXPECT_EQ(all.bars, (std::vector{bar(1, 5), bar(2, 8), bar(3, 12), bar(4, 13)}));
  EXPECT_EQ(all.applied, Offset(13));
  EXPECT_EQ(since(8).bars, (std::vector{bar(3, 12), bar(4, 13)}));
  EXPECT_EQ(reads_, 1);
  EXPECT_EQ(all.gone, Offset());
}

TEST_F(LiveTableTest, SaysUpToWhereBarsThatItDoesNotKeepHaveChanged) {
  for (std::uint64_t i = 1; i <= Live::kBarsKept; ++i) publish(static_cast<std::int64_t>(i), i);
  EXPECT_EQ(since(0).gone, Offset());
  publish(5000, 5000);  // the first one goes
  EXPECT_EQ(since(0).bars.size(), Live::kBarsKept);
  EXPECT_EQ(since(0).gone, Offset(1));
  publish(0, 5001);  // a late trade, for a bar that is long gone
  EXPECT_TRUE(since(5000).bars.empty());
  EXPECT_EQ(since(5000).gone, Offset(5001));
}

TEST_F(LiveTableTest, OfOlderBarsThanItReadsAnyMayHaveChanged) {
  for (std::uint64_t i = 1; i <= Live::kBarsKept; ++i) {
    stored_.push_back(bar(static_cast<std::int64_t>(i), i));
  }
  table_.publish({}, Offset(9000));
  EXPECT_EQ(since(0).gone, Offset(9000));
}

TEST_F(LiveTableTest, BarsThatAreNotKeptAreNamed) {
  market::BarSpec other;
  other.interval = hours(1);
  EXPECT_EQ(table_.bars_since(kSeries, other, Offset()).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tapedeck::pipeline
