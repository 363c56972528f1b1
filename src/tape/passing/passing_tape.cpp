#include "tape/passing/passing_tape.hpp"

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
  Result<Offset> append(const market::Batch& batch) override {
    const Offset first = end_;
    pending_.push_back(batch);
    pending_.back().first = first;
    end_ = pending_.back().end();
    return first;
  }
  Result<Offset> commit() override {
    std::lock_guard lock(mutex_);
    for (const auto& passage : passages_) {
      std::lock_guard passage_lock(passage->mutex);
      passage->committed.insert(passage->committed.end(), pending_.begin(), pending_.end());
    }
    pending_.clear();
    committed_end_ = end_;
    return end_;
  }
  Offset durable_end() const override {
    std::lock_guard lock(mutex_);
    return committed_end_;
  }
  Result<std::unique_ptr<TapeReader>> read_from(Offset first) const override {
    std::lock_guard lock(mutex_);
    TD_CHECK(first == Offset() && committed_end_ == Offset());  // what has passed is gone
    passages_.push_back(std::make_shared<Passage>());
    return std::make_unique<Reader>(passages_.back());
  }
  std::uint64_t bytes() const override { return 0; }
  const Recovery& recovery() const override { return recovery_; }

 private:
  // The writer's own.
  std::vector<market::Batch> pending_;
  Offset end_;
  const Recovery recovery_;

  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<Passage>> passages_;  // one a reader
  Offset committed_end_;
};

}  // namespace

std::unique_ptr<Tape> make_passing_tape() { return std::make_unique<PassingTape>(); }

}  // namespace tapedeck::tape::passing
