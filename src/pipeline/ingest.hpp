// src/pipeline/ingest.hpp: rows that other programs hand in. Each piece waits at the desk until the
// pipeline takes it, and its sender until all of it is on the tape for good. Thread: the desk any;
// the source is pulled by one at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "feeds/feed.hpp"
#include "feeds/rows.hpp"
#include "market/series.hpp"

namespace tapedeck::pipeline {

using feeds::Rows;

// What became of a piece; all of it is durable.
struct IngestReceipt {
  std::uint64_t taken = 0;
  std::uint64_t duplicate = 0;  // were there already
  std::uint64_t refused = 0;
  struct Refused {
    std::uint64_t line = 0;
    std::string reason;
    std::string detail;
  };
  static constexpr std::size_t kShownMax = 100;
  std::vector<Refused> shown{};  // the first of those that were refused
};

// It outlives every pipeline that takes from it: a piece that comes between two waits for the next.
class IngestDesk {
 public:
  static constexpr std::size_t kPiecesMax = 64;
  static constexpr std::size_t kBytesMax = 64u << 20;

  // Returns when the piece is durable. Errors: kInvalidArgument for what is said of the rows;
  // kUnsupported where no pipeline takes any; kBusy where too many wait, and this one was not
  // taken; kUnavailable where it was not durable within `patience`, or the program ends: then it
  // may become durable yet, and is to be handed in again under the same name.
  Result<IngestReceipt> hand_in(Rows rows, std::chrono::nanoseconds patience);
  // Whether a pipeline takes pieces, now or soon. At first not.
  void open(bool is_open);

 private:
  friend class IngestSource;
  struct Piece {
    Rows rows;
    std::optional<Result<IngestReceipt>> outcome{};
  };

  std::shared_ptr<Piece> take();  // null: none waits
  void settle(Piece& piece, Result<IngestReceipt> outcome);
  void on_ready(std::function<void()> call);

  std::mutex mutex_;
  std::condition_variable settled_;
  bool is_open_ = false;
  std::deque<std::shared_ptr<Piece>> waiting_;
  std::size_t bytes_ = 0;  // of those that wait
  std::mutex ready_mutex_;
  std::function<void()> ready_;
};

class IngestSource final : public feeds::Source {
 public:
  // How often it says how far the clocks of the venues are.
  static constexpr Duration kMarkEvery = seconds(1);

  // `feed`: as in marks, without a venue. Borrows the desk, the catalog and the clock.
  IngestSource(std::string feed, IngestDesk& desk, std::unique_ptr<feeds::RowsReader> reader,
               const market::Catalog& catalog, const Clock& clock);
  ~IngestSource() override;

  Result<bool> pull(feeds::EventSink& sink, std::size_t events_max) override;
  std::optional<Duration> idle_for() const override { return idle_for_; }
  void on_ready(const std::function<void()>& call) override { desk_.on_ready(call); }
  bool awaits_durable() const override { return !given_.empty(); }
  void on_durable() override;
  std::string_view state() const override { return "live"; }

 private:
  class Counting;
  // How far the rows of a venue are, and since when.
  struct VenueTime {
    Timestamp newest{};
    Duration taken_at{};
  };
  void give(const std::shared_ptr<IngestDesk::Piece>& piece, feeds::EventSink& sink);
  void mark_all(feeds::EventSink& sink);

  const std::string feed_;
  IngestDesk& desk_;
  const std::unique_ptr<feeds::RowsReader> reader_;
  const market::Catalog& catalog_;
  const Clock& clock_;
  struct Given {
    std::shared_ptr<IngestDesk::Piece> piece;
    IngestReceipt receipt;
  };
  std::vector<Given> given_;  // not known to be durable
  std::map<std::string, VenueTime, std::less<>> venues_;
  Duration last_mark_{};
  std::optional<Duration> idle_for_;
};

}  // namespace tapedeck::pipeline
