#include "pipeline/driver.hpp"

#include <gtest/gtest.h>

#include "base/bounded_queue.hpp"
#include "base/clock.hpp"

namespace tapedeck::pipeline {
namespace {

class Producer final : public Stage {
 public:
  Producer(BoundedQueue<int>& out, int count) : out_(out), count_(count) {}
  std::string_view name() const override { return "producer"; }
  Result<Step> step() override {
    if (next_ == count_) {
      out_.close();
      return Step::done();
    }
    int item = next_;
    if (!out_.try_push(item)) return Step::idle();
    ++next_;
    return Step::progress();
  }

 private:
  BoundedQueue<int>& out_;
  int count_;
  int next_ = 0;
};

class Consumer final : public Stage {
 public:
  explicit Consumer(BoundedQueue<int>& in, int fail_at = -1) : in_(in), fail_at_(fail_at) {}
  std::string_view name() const override { return "consumer"; }
  Result<Step> step() override {
    const auto item = in_.try_pop();
    if (!item) return in_.drained() ? Step::done() : Step::idle();
    if (*item == fail_at_) return fail(ErrorCode::kIo, "the consumer broke");
    sum += *item;
    return Step::progress();
  }
  long sum = 0;

 private:
  BoundedQueue<int>& in_;
  int fail_at_;
};

// Waits for a clock that a test advances.
class Waiter final : public Stage {
 public:
  explicit Waiter(const Clock& clock) : clock_(clock) {}
  std::string_view name() const override { return "waiter"; }
  Result<Step> step() override {
    const Duration left = seconds(5) - clock_.elapsed();
    return left.ns > 0 ? Step::idle_for(left) : Step::done();
  }

 private:
  const Clock& clock_;
};

std::unique_ptr<Driver> make_driver(bool threaded) {
  if (threaded) return std::make_unique<ThreadedDriver>();
  return std::make_unique<SingleThreadDriver>([](Duration) { return false; });
}

class EitherDriver : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Drivers, EitherDriver, testing::Bool());

TEST_P(EitherDriver, RunsAllStagesToTheirEnd) {
  BoundedQueue<int> queue(3);
  Producer producer(queue, 10'000);
  Consumer consumer(queue);
  ASSERT_TRUE(make_driver(GetParam())->run({&producer, &consumer}));
  EXPECT_EQ(consumer.sum, 49'995'000);
}

TEST_P(EitherDriver, AnErrorEndsAllStagesAndIsReturned) {
  BoundedQueue<int> queue(3);
  Producer producer(queue, 1'000'000);
  Consumer consumer(queue, 500);
  const Status status = make_driver(GetParam())->run({&producer, &consumer});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "the consumer broke");
}

TEST(ThreadedDriver, StopEndsStagesThatWait) {
  BoundedQueue<int> queue(3);
  Consumer consumer(queue);  // nobody ever closes its queue
  ThreadedDriver driver;
  std::thread stopper([&] { driver.stop(); });
  EXPECT_TRUE(driver.run({&consumer}));
  stopper.join();
}

TEST(SingleThreadDriver, HandsTheShortestWaitToTheClock) {
  ManualClock clock;
  Waiter waiter(clock);
  std::vector<std::int64_t> waits;
  SingleThreadDriver driver([&](Duration wait) {
    waits.push_back(wait.ns);
    clock.advance(wait);
    return true;
  });
  ASSERT_TRUE(driver.run({&waiter}));
  EXPECT_EQ(waits, (std::vector<std::int64_t>{seconds(5).ns}));
}

TEST(SingleThreadDriverDeathTest, ADeadlockIsABugOfOurs) {
  BoundedQueue<int> queue(3);
  Consumer consumer(queue);
  SingleThreadDriver driver([](Duration) { return true; });
  EXPECT_DEATH(static_cast<void>(driver.run({&consumer})), "error\\[internal\\]");
}

}  // namespace
}  // namespace tapedeck::pipeline
