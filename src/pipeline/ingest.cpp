#include "pipeline/ingest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <variant>

namespace tapedeck::pipeline {
namespace {

std::unexpected<Error> not_known(std::string_view why) {
  return fail(ErrorCode::kUnavailable,
              fmt::format("{}: whether the rows are on the tape is not known; send the same again, "
                          "with the same Idempotency-Key, and nothing counts twice",
                          why));
}

}  // namespace

Result<IngestReceipt> IngestDesk::hand_in(Rows rows, std::chrono::nanoseconds patience) {
  const auto piece = std::make_shared<Piece>(Piece{.rows = std::move(rows)});
  const std::size_t bytes = piece->rows.body.size();
  {
    std::lock_guard lock(mutex_);
    if (!is_open_) {
      return fail(ErrorCode::kUnsupported,
                  "this pipeline takes no rows: it needs a feed with venue = \"ingest\"");
    }
    if (waiting_.size() >= kPiecesMax || (!waiting_.empty() && bytes_ + bytes > kBytesMax)) {
      return fail(ErrorCode::kBusy, "rows come faster than they can be written: send them again");
    }
    waiting_.push_back(piece);
    bytes_ += bytes;
  }
  {
    std::lock_guard lock(ready_mutex_);
    if (ready_) ready_();
  }
  std::unique_lock lock(mutex_);
  const auto is_settled = [&] { return piece->outcome.has_value(); };
  if (!settled_.wait_for(lock, patience, is_settled)) {
    if (std::erase(waiting_, piece) == 1) {
      bytes_ -= bytes;
      return fail(ErrorCode::kUnavailable,
                  "the tape takes nothing at the moment, and took none of these rows: send them "
                  "again");
    }
    return not_known("the tape takes long");
  }
  return *std::move(piece->outcome);
}

void IngestDesk::open(bool is_open) {
  std::lock_guard lock(mutex_);
  is_open_ = is_open;
  if (is_open) return;
  for (const auto& piece : std::exchange(waiting_, {})) {
    piece->outcome = fail(ErrorCode::kUnavailable,
                          "the program ends, and took none of these rows: send them again");
  }
  bytes_ = 0;
  settled_.notify_all();
}

std::shared_ptr<IngestDesk::Piece> IngestDesk::take() {
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) return nullptr;
  auto piece = std::move(waiting_.front());
  waiting_.pop_front();
  bytes_ -= piece->rows.body.size();
  return piece;
}

void IngestDesk::settle(Piece& piece, Result<IngestReceipt> outcome) {
  std::lock_guard lock(mutex_);
  piece.outcome = std::move(outcome);
  settled_.notify_all();
}

void IngestDesk::on_ready(std::function<void()> call) {
  std::lock_guard lock(ready_mutex_);
  ready_ = std::move(call);
}

IngestSource::IngestSource(std::string feed, IngestDesk& desk,
                           std::unique_ptr<feeds::RowsReader> reader,
                           const market::Catalog& catalog, const Clock& clock)
    : feed_(std::move(feed)),
      desk_(desk),
      reader_(std::move(reader)),
      catalog_(catalog),
      clock_(clock) {}

IngestSource::~IngestSource() {
  for (const Given& given : given_) desk_.settle(*given.piece, not_known("the pipeline ended"));
}

// Passes a piece on, and counts what becomes of it.
class IngestSource::Counting final : public feeds::EventSink {
 public:
  Counting(IngestSource& source, const feeds::Rows& rows, IngestReceipt& receipt,
           feeds::EventSink& sink)
      : source_(source), rows_(rows), receipt_(receipt), sink_(sink) {}

  void trade(const market::Trade& trade) override {
    count(trade.series, trade.ts_event);
    sink_.trade(trade);
  }
  void event(const feeds::OtherEvent& event) override {
    std::visit([this](const auto& one) { count(one.series, one.ts_event); }, event);
    sink_.event(event);
  }
  void mark(const market::FeedMark& mark) override {
    ++receipt_.taken;
    sink_.mark(mark);
  }
  void control() override { sink_.control(); }
  void refuse(const feeds::Refusal& refusal) override {
    ++receipt_.refused;
    if (receipt_.shown.size() < IngestReceipt::kShownMax) {
      std::uint64_t line = 0;
      std::from_chars(refusal.where.data(), refusal.where.data() + refusal.where.size(), line);
      receipt_.shown.push_back({line, std::string(refusal.reason), refusal.detail});
    }
    sink_.refuse({refusal.reason, refusal.detail,
                  fmt::format("{}: {}: line {}", source_.feed_,
                              rows_.key.empty() ? "rows without a key" : rows_.key, refusal.where),
                  refusal.text});
  }

 private:
  void count(SeriesId series, Timestamp ts_event) {
    ++receipt_.taken;
    auto venue = source_.venues_.find(source_.catalog_.series(series).key.venue);
    if (venue == source_.venues_.end()) {
      venue = source_.venues_.emplace(source_.catalog_.series(series).key.venue, VenueTime{}).first;
    }
    VenueTime& time = venue->second;
    if (ts_event < time.newest) return;
    time = {.newest = std::min(ts_event, rows_.ts_recv), .taken_at = source_.clock_.elapsed()};
  }

  IngestSource& source_;
  const feeds::Rows& rows_;
  IngestReceipt& receipt_;
  feeds::EventSink& sink_;
};

Result<bool> IngestSource::pull(feeds::EventSink& sink, std::size_t events_max) {
  idle_for_.reset();
  std::size_t events = 0;
  while (events < events_max) {
    const auto piece = desk_.take();
    if (!piece) break;
    give(piece, sink);
    if (!given_.empty()) events += given_.back().receipt.taken + given_.back().receipt.refused;
  }
  if (const Duration now = clock_.elapsed(); now - last_mark_ >= kMarkEvery) {
    last_mark_ = now;
    mark_all(sink);
  }
  if (given_.empty()) idle_for_ = last_mark_ + kMarkEvery - clock_.elapsed();
  return true;
}

void IngestSource::give(const std::shared_ptr<IngestDesk::Piece>& piece, feeds::EventSink& sink) {
  piece->rows.ts_recv = clock_.now();
  if (Status right = reader_->check(piece->rows); !right) {
    return desk_.settle(*piece, std::unexpected(std::move(right.error())));
  }
  Given& given = given_.emplace_back(Given{.piece = piece, .receipt = {}});
  const std::uint64_t repeats = sink.repeats();
  Counting counting(*this, piece->rows, given.receipt, sink);
  reader_->read(piece->rows, counting);
  given.receipt.duplicate = sink.repeats() - repeats;
  given.receipt.taken -= given.receipt.duplicate;
  piece->rows.body = {};
}

void IngestSource::on_durable() {
  for (Given& given : std::exchange(given_, {})) {
    desk_.settle(*given.piece, std::move(given.receipt));
  }
}

// The clock of a venue runs on from its newest row: rows of the past close their bars in their own
// time, and do not make later ones of the past late.
void IngestSource::mark_all(feeds::EventSink& sink) {
  const Duration now = clock_.elapsed();
  for (const auto& [venue, time] : venues_) {
    sink.mark({.feed = fmt::format("{}/{}", venue, feed_),
               .state = market::FeedState::kLive,
               .ts_recv = time.newest + (now - time.taken_at)});
  }
}

}  // namespace tapedeck::pipeline
