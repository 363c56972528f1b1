#include "tape/passing/passing_tape.hpp"

#include <deque>
#include <mutex>

#include "base/check.hpp"

namespace tapedeck::tape::passing {
namespace {

struct Passage {
  std::mutex mutex;
  std::deque<market::Batch> committed;
  Offset end;
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
    std::lock_guard lock(passage_->mutex);
    for (market::Batch& batch : pending_) passage_->committed.push_back(std::move(batch));
    pending_.clear();
    passage_->end = end_;
    return end_;
  }
  Offset durable_end() const override {
    std::lock_guard lock(passage_->mutex);
    return passage_->end;
  }
  Result<std::unique_ptr<TapeReader>> read_from(Offset first) const override {
    TD_CHECK(first == Offset());  // what has passed is gone
    return std::make_unique<Reader>(passage_);
  }
  std::uint64_t bytes() const override { return 0; }
  const Recovery& recovery() const override { return recovery_; }

 private:
  std::shared_ptr<Passage> passage_ = std::make_shared<Passage>();
  std::vector<market::Batch> pending_;
  Offset end_;
  Recovery recovery_;
};

}  // namespace

std::unique_ptr<Tape> make_passing_tape() { return std::make_unique<PassingTape>(); }

}  // namespace tapedeck::tape::passing
