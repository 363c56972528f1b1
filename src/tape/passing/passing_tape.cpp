#include "tape/passing/passing_tape.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/check.hpp"

namespace tapedeck::tape::passing {
namespace {

// What was committed and one reader has not read.
struct Passage {
  std::mutex mutex;
  std::deque<market::Batch> committed;
};

class Reader final : public TapeReader {
 public:
  explicit Reader(std::shared_ptr<Passage> passage) : passage_(std::move(passage)) {}
  Result<std::optional<market::Batch>> next() override {
    std::lock_guard lock(passage_->mutex);
    if (passage_->committed.empty()) return std::nullopt;
    std::optional<market::Batch> batch(std::move(passage_->committed.front()));
    passage_->committed.pop_front();
    return batch;
  }

 private:
  std::shared_ptr<Passage> passage_;
};

class PassingTape final : public Tape {
 public:
  std::uint32_t partitions() const override { return 1; }
  Offset first_offset(PartitionId) const override { return durable_end({}); }
  Offset durable_end(PartitionId) const override {
    std::lock_guard lock(mutex_);
    return committed_end_;
  }
  Result<std::unique_ptr<TapeReader>> read(ReadRange range) const override {
    std::lock_guard lock(mutex_);
    TD_CHECK(range.first == Offset() && committed_end_ == Offset());  // what has passed is gone
    passages_.push_back(std::make_shared<Passage>());
    return std::make_unique<Reader>(passages_.back());
  }
  bool wait(PartitionId, Offset offset, Duration max) const override {
    std::unique_lock lock(mutex_);
    return committed_.wait_for(lock, std::chrono::nanoseconds(max.ns),
                               [&] { return committed_end_ > offset; });
  }
  Status identities(const std::function<void(const IdentityRun&)>&) const override { return {}; }

  Status append(market::Batch batch) override {
    batch.first = end_;
    end_ = batch.end();
    pending_.push_back(std::move(batch));
    return {};
  }
  Status commit() override {
    std::lock_guard lock(mutex_);
    for (const auto& passage : passages_) {
      std::lock_guard passage_lock(passage->mutex);
      passage->committed.insert(passage->committed.end(), pending_.begin(), pending_.end());
    }
    pending_.clear();
    committed_end_ = end_;
    committed_.notify_all();
    return {};
  }
  Status seal() override { return commit(); }
  Result<bool> maintain(const std::vector<Offset>&) override { return false; }
  TapeStatus status() const override { return {}; }
  const Recovery& recovery() const override { return recovery_; }

 private:
  // The writer's own.
  std::vector<market::Batch> pending_;
  Offset end_;
  const Recovery recovery_;

  mutable std::mutex mutex_;
  mutable std::condition_variable committed_;
  mutable std::vector<std::shared_ptr<Passage>> passages_;  // one a reader
  Offset committed_end_;
};

}  // namespace

std::unique_ptr<Tape> make_passing_tape() { return std::make_unique<PassingTape>(); }

}  // namespace tapedeck::tape::passing
