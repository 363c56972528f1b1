#include "pipeline/ingest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/memory_disk.hpp"
#include "pipeline/fakes_test.hpp"
#include "pipeline/pipeline.hpp"
#include "tape/embedded/embedded_tape.hpp"

namespace tapedeck::pipeline {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

// One trade a byte of the body, known by it; "!" is refused.
class ByteReader final : public feeds::RowsReader {
 public:
  explicit ByteReader(market::Catalog& catalog) : catalog_(catalog) {}
  Status check(const Rows& rows) const override {
    if (rows.venue == "wrong") return fail(ErrorCode::kInvalidArgument, "wrong");
    return {};
  }
  void read(const Rows& rows, feeds::EventSink& sink) override {
    const SeriesId series = catalog_.intern({.key = {"v", "trade", "A"}});
    for (const char c : rows.body) {
      if (c == '!') {
        sink.refuse({"malformed", "no", "7", rows.body});
        continue;
      }
      sink.trade({.series = series,
                  .ts_event = kFakeOpen,
                  .ts_recv = rows.ts_recv,
                  .price = market::Decimal::make(1, 0),
                  .size = market::Decimal::make(1, 0),
                  .identity = {.origin = catalog_.intern(market::Origin{}),
                               .seq = static_cast<std::uint64_t>(c)}});
    }
  }

 private:
  market::Catalog& catalog_;
};

// A pipeline in threads, on a disk that can be full.
class IngestTest : public testing::Test {
 public:
  ~IngestTest() override { stop(); }

 protected:
  void start() {
    PipelineParts parts;
    parts.catalog = std::make_unique<market::Catalog>();
    parts.quarantine = std::make_unique<quality::Quarantine>();
    market::Catalog& catalog = *parts.catalog;
    parts.feeds.push_back(
        {.id = "rows",
         .source = std::make_unique<IngestSource>(
             "rows", desk_, std::make_unique<ByteReader>(catalog), catalog, clock_)});
    auto tape = tape::embedded::open_embedded_tape(
        disk_, clock_, catalog, {.directory = "tape", .free_warn_bytes = 0, .free_stop_bytes = 0});
    ASSERT_TRUE(tape) << tape.error().message;
    parts.tape = *std::move(tape);
    parts.store = std::make_unique<FakeStore>();
    PipelineOptions options;
    options.specs = {{.interval = minutes(1)}};
    options.on_full_disk = OnFullDisk::kWait;
    pipeline_ = std::make_unique<Pipeline>(std::move(parts), tables_, clock_, options);
    const Status prepared = pipeline_->prepare();
    ASSERT_TRUE(prepared) << prepared.error().message;
    driver_ = std::make_unique<ThreadedDriver>();
    thread_ = std::thread([this] { EXPECT_TRUE(pipeline_->run(*driver_)); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    pipeline_->drain();
    driver_->wake();
    thread_.join();
    pipeline_.reset();
  }
  std::uint64_t durable() const { return pipeline_->tape().durable_end(PartitionId()).value; }
  Result<IngestReceipt> hand_in(std::string body, std::chrono::nanoseconds patience = 60s) {
    return desk_.hand_in({.body = std::move(body)}, patience);
  }

  MemoryDisk disk_;
  SystemClock clock_;
  market::ConditionTables tables_;
  IngestDesk desk_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<ThreadedDriver> driver_;
  std::thread thread_;
};

TEST_F(IngestTest, WhatIsAcknowledgedIsDurableAndCounted) {
  desk_.open(true);
  start();
  const auto first = hand_in("ab!b");
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->taken, 2u);
  EXPECT_EQ(first->duplicate, 1u);
  EXPECT_EQ(first->refused, 1u);
  ASSERT_EQ(first->shown.size(), 1u);
  EXPECT_EQ(first->shown[0].line, 7u);
  EXPECT_EQ(first->shown[0].reason, "malformed");
  EXPECT_GE(durable(), 2u);
  const auto second = hand_in("abc");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->taken, 1u);
  EXPECT_EQ(second->duplicate, 2u);
  stop();
  // Also after a restart.
  start();
  const auto third = hand_in("abcd");
  ASSERT_TRUE(third);
  EXPECT_EQ(third->taken, 1u);
  EXPECT_EQ(third->duplicate, 3u);
}

TEST_F(IngestTest, ManySendersAreEachToldOfTheirOwn) {
  desk_.open(true);
  start();
  std::vector<std::thread> senders;
  for (char c = 'A'; c <= 'P'; ++c) {
    senders.emplace_back([this, c] {
      for (int i = 0; i < 20; ++i) {
        const auto receipt = hand_in(std::string(1, c));
        ASSERT_TRUE(receipt) << receipt.error().message;
        EXPECT_EQ(receipt->taken, i == 0 ? 1u : 0u);
        EXPECT_EQ(receipt->duplicate, i == 0 ? 0u : 1u);
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
}

TEST_F(IngestTest, RefusesWhatItCannotTake) {
  EXPECT_EQ(hand_in("a").error().code, ErrorCode::kUnsupported);
  desk_.open(true);
  // Nobody takes it.
  EXPECT_EQ(hand_in("a", 1ns).error().code, ErrorCode::kUnavailable);
  std::vector<std::thread> senders;
  for (std::size_t i = 0; i < IngestDesk::kPiecesMax; ++i) {
    senders.emplace_back([this] {
      auto receipt = hand_in("a");
      // The one that looks whether all have come takes a place for a moment.
      while (receipt.error().code == ErrorCode::kBusy) receipt = hand_in("a");
      EXPECT_EQ(receipt.error().code, ErrorCode::kUnavailable);
      EXPECT_THAT(receipt.error().message, HasSubstr("took none of these"));
    });
  }
  while (hand_in("b", 1ns).error().code != ErrorCode::kBusy) std::this_thread::yield();
  desk_.open(false);
  for (std::thread& sender : senders) sender.join();
  desk_.open(true);
  start();
  EXPECT_EQ(desk_.hand_in({.body = "a", .venue = "wrong"}, 60s).error().code,
            ErrorCode::kInvalidArgument);
}

TEST_F(IngestTest, NothingIsAcknowledgedWhileTheDiskIsFull) {
  desk_.open(true);
  start();
  ASSERT_TRUE(hand_in("a"));
  disk_.set_capacity(1);
  const auto unknown = hand_in("bc", 50ms);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kUnavailable);
  disk_.set_capacity(std::uint64_t{1} << 30);
  const auto again = hand_in("bcd");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_GE(again->taken, 1u);  // of the first two it depends on how far they had come
  EXPECT_EQ(again->taken + again->duplicate, 3u);
  EXPECT_GE(durable(), 4u);
  EXPECT_EQ(hand_in("abcd")->duplicate, 4u);
}

}  // namespace
}  // namespace tapedeck::pipeline
