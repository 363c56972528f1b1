// The small pieces of base: results, checks, clocks, checksums, random numbers, the queue, metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.hpp"
#include "base/check.hpp"
#include "base/clock.hpp"
#include "base/crc32c.hpp"
#include "base/ids.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "base/rng.hpp"
#include "base/sha256.hpp"

namespace tapedeck {
namespace {

// ---- Result

Result<int> half(int n) {
  if (n % 2 != 0) return fail(ErrorCode::kInvalidArgument, "odd");
  return n / 2;
}
Result<int> quarter(int n) {
  TD_ASSIGN(const int once, half(n));
  TD_ASSIGN(const int twice, half(once));
  return twice;
}
Status check_even(int n) {
  TD_TRY(half(n));
  return {};
}

TEST(Result, TravelsUp) {
  EXPECT_EQ(quarter(8), 2);
  EXPECT_EQ(quarter(6).error(), (Error{ErrorCode::kInvalidArgument, "odd"}));
  EXPECT_TRUE(check_even(2));
  EXPECT_FALSE(check_even(3));
}

TEST(Result, ContextIsAddedGoingUp) {
  const Error error = Error{ErrorCode::kMalformed, "price not positive"}.within("frame 17");
  EXPECT_EQ(error.within("feed kraken").message, "feed kraken: frame 17: price not positive");
  EXPECT_EQ(error.message, "frame 17: price not positive");
  const Result<int> outer = fail_within(half(3), "here");
  EXPECT_EQ(outer.error(), (Error{ErrorCode::kInvalidArgument, "here: odd"}));
}

TEST(Result, EveryCodeHasItsOwnWord) {
  std::set<std::string_view> words;
  for (int i = 0; i <= static_cast<int>(ErrorCode::kOverflow); ++i) {
    words.insert(to_string(static_cast<ErrorCode>(i)));
  }
  EXPECT_EQ(words.size(), static_cast<std::size_t>(ErrorCode::kOverflow) + 1);
  EXPECT_FALSE(words.contains("unknown"));
  EXPECT_TRUE(is_retryable(ErrorCode::kUnavailable));
  EXPECT_FALSE(is_retryable(ErrorCode::kCorrupt));
}

TEST(CheckDeathTest, AbortsAndSaysWhere) {
  TD_CHECK(1 + 1 == 2);
  EXPECT_DEATH(TD_CHECK(1 + 1 == 3), "1 \\+ 1 == 3 does not hold.*base_test.cpp");
}

TEST(Ids, CountAndCompare) {
  Offset offset(5);
  EXPECT_EQ(offset + 3, Offset(8));
  EXPECT_EQ(Offset(8) - offset, 3u);
  EXPECT_EQ(++offset, Offset(6));
  EXPECT_LT(Offset(6), Offset(7));
  static_assert(!std::is_convertible_v<Offset, SeriesId>);
  static_assert(!std::is_convertible_v<std::uint64_t, Offset>);
}

// ---- Clocks

TEST(Clock, TheManualOneMovesWhenTold) {
  ManualClock clock(Timestamp{100});
  EXPECT_EQ(clock.now(), Timestamp{100});
  EXPECT_EQ(clock.elapsed(), Duration{});
  clock.advance(seconds(2));
  EXPECT_EQ(clock.now(), Timestamp{2'000'000'100});
  EXPECT_EQ(clock.elapsed(), seconds(2));
}

TEST(Clock, TheSystemsIsOfOurTime) {
  const SystemClock clock;
  EXPECT_TRUE(is_plausible(clock.now()));
  const Duration before = clock.elapsed();
  EXPECT_LE(before, clock.elapsed());
}

// ---- Checksums

TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720 appendix B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

// Fewer than eight bytes go through the table, more through the CPU's instruction.
TEST(Crc32c, TableAndInstructionAgree) {
  Rng rng(7);
  for (std::size_t size = 0; size < 100; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(rng.next());
    std::uint32_t by_table = 0;
    for (const char& c : bytes) by_table = crc32c({&c, 1}, by_table);
    ASSERT_EQ(crc32c(bytes), by_table) << size;
    const std::size_t cut = rng.below(size + 1);
    const std::string_view view = bytes;
    ASSERT_EQ(crc32c(view.substr(cut), crc32c(view.substr(0, cut))), by_table) << size;
  }
}

TEST(Sha256, KnownVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 pieces;
  for (int i = 0; i < 1000; ++i) pieces.update(std::string(1000, 'a'));  // FIPS 180-4's third
  EXPECT_EQ(pieces.finish_hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(RandomHex, IsLongAndDiffers) {
  EXPECT_EQ(random_hex(16).size(), 32u);
  EXPECT_EQ(random_hex(4).find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(random_hex(16), random_hex(16));
}

TEST(Rng, KnownVector) {
  Rng rng(1234567);
  EXPECT_EQ(rng.next(), 6457827717110365317u);
  EXPECT_EQ(rng.next(), 3203168211198807973u);
  EXPECT_EQ(rng.next(), 9817491932198370423u);
}

TEST(Rng, StaysInItsRange) {
  Rng rng(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    seen.insert(rng.below(7));
    const double u = rng.unit();
    ASSERT_TRUE(u >= 0.0 && u < 1.0);
  }
  EXPECT_THAT(seen, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

// ---- The queue

TEST(BoundedQueue, IsInOrderAndBounded) {
  BoundedQueue<int> queue(2);
  for (int item : {1, 2}) EXPECT_TRUE(queue.try_push(item));
  EXPECT_TRUE(queue.full());
  int item = 3;
  EXPECT_FALSE(queue.try_push(item));
  EXPECT_EQ(item, 3);
  EXPECT_EQ(queue.try_pop(), 1);
  EXPECT_FALSE(queue.full());
  EXPECT_TRUE(queue.try_push(item));
  EXPECT_EQ(queue.try_pop(), 2);
  EXPECT_EQ(queue.try_pop(), 3);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
  EXPECT_FALSE(queue.drained());
}

TEST(BoundedQueue, IsBoundedByWhatItsItemsWeigh) {
  BoundedQueue<int> queue(10, 100);
  int item = 1;
  EXPECT_TRUE(queue.try_push(item, 1000));  // alone
  EXPECT_FALSE(queue.try_push(item, 1));
  EXPECT_TRUE(queue.try_pop());
  EXPECT_TRUE(queue.try_push(item, 60));
  EXPECT_TRUE(queue.try_push(item, 40));
  EXPECT_FALSE(queue.try_push(item, 1));
  EXPECT_TRUE(queue.try_pop());
  EXPECT_TRUE(queue.try_push(item, 60));
}

TEST(BoundedQueue, WhatIsInsideOutlivesTheClose) {
  BoundedQueue<std::unique_ptr<int>> queue(2);
  auto first = std::make_unique<int>(1);
  EXPECT_TRUE(queue.try_push(first));
  queue.close();
  auto refused = std::make_unique<int>(2);
  EXPECT_FALSE(queue.try_push(refused));
  EXPECT_NE(refused, nullptr);
  EXPECT_FALSE(queue.drained());
  EXPECT_EQ(**queue.try_pop(), 1);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
  EXPECT_TRUE(queue.drained());
}

TEST(BoundedQueue, ManyOnBothSides) {
  BoundedQueue<int> queue(3);
  std::atomic<int> sum = 0;
  {
    std::vector<std::jthread> consumers;
    for (int c = 0; c < 3; ++c) {
      consumers.emplace_back([&] {
        while (!queue.drained()) {
          if (const auto item = queue.try_pop()) sum += *item;
        }
      });
    }
    {
      std::vector<std::jthread> producers;
      for (int p = 0; p < 3; ++p) {
        producers.emplace_back([&] {
          for (int i = 1; i <= 200;) {
            int item = i;
            if (queue.try_push(item)) ++i;
          }
        });
      }
    }
    queue.close();
  }
  EXPECT_EQ(sum, 3 * 200 * 201 / 2);
}

// ---- Metrics

TEST(Metrics, AHistogramCountsUpToItsBounds) {
  Metrics metrics;
  Histogram& took = metrics.histogram("took_seconds", "How long.", {{"stage", "x"}});
  took.observe(microseconds(1));
  took.observe(nanoseconds(1001));
  took.observe(hours(1));
  took.observe(nanoseconds(-5));  // a clock that stepped: the first bucket, and nothing to the sum
  const std::string text = metrics.open_metrics("# TYPE more gauge\nmore 1\n");
  for (const char* line :
       {"# TYPE took_seconds histogram\n# UNIT took_seconds seconds\n",
        "took_seconds_bucket{stage=\"x\",le=\"1e-06\"} 2\n",
        "took_seconds_bucket{stage=\"x\",le=\"2e-06\"} 3\n",
        "took_seconds_bucket{stage=\"x\",le=\"67.108864\"} 3\n",
        "took_seconds_bucket{stage=\"x\",le=\"+Inf\"} 4\n", "took_seconds_count{stage=\"x\"} 4\n",
        "took_seconds_sum{stage=\"x\"} 3600.000002001\n"}) {
    EXPECT_NE(text.find(line), text.npos) << line << text;
  }
  EXPECT_TRUE(text.ends_with("more 1\n# EOF\n"));
  EXPECT_EQ(&took, &metrics.histogram("took_seconds", "", {{"stage", "x"}}));
}

TEST(Metrics, OpenMetricsText) {
  Metrics metrics;
  Counter& frames = metrics.counter("tapedeck_frames_total", "Frames.", {{"feed", "a\"b\\\n"}});
  frames.add();
  frames.add(2);
  EXPECT_EQ(&frames, &metrics.counter("tapedeck_frames_total", "Frames.", {{"feed", "a\"b\\\n"}}));
  metrics.counter("tapedeck_frames_total", "Frames.").add(7);
  metrics.gauge("tapedeck_queue_items", "Items.").set(-4);
  EXPECT_EQ(metrics.open_metrics(),
            "# TYPE tapedeck_frames counter\n"
            "# HELP tapedeck_frames Frames.\n"
            "tapedeck_frames_total 7\n"
            "tapedeck_frames_total{feed=\"a\\\"b\\\\\\n\"} 3\n"
            "# TYPE tapedeck_queue_items gauge\n"
            "# HELP tapedeck_queue_items Items.\n"
            "tapedeck_queue_items -4\n"
            "# EOF\n");
}

TEST(Metrics, ThreadsAdd) {
  Metrics metrics;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) metrics.counter("n_total", "").add();
      });
    }
  }
  EXPECT_EQ(metrics.counter("n_total", "").value(), 2000u);
}

}  // namespace
}  // namespace tapedeck
