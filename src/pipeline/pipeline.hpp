// src/pipeline/pipeline.hpp: one run of the way of the data: feeds -> tape -> bars -> store and
// live. It knows the stages by their doors only; the app chooses what stands behind them. Thread:
// prepare() and run() by one thread; drain() and everything const from any.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/driver.hpp"
#include "pipeline/feed_stage.hpp"
#include "pipeline/latencies.hpp"
#include "pipeline/live_table.hpp"
#include "pipeline/past.hpp"
#include "pipeline/quality_stage.hpp"
#include "pipeline/store_stage.hpp"
#include "pipeline/tape_stage.hpp"
#include "pipeline/window_stage.hpp"

namespace tapedeck::pipeline {

struct PipelineParts {
  std::unique_ptr<market::Catalog> catalog;
  std::unique_ptr<quality::Quarantine> quarantine;
  std::vector<FeedPart> feeds{};
  std::unique_ptr<tape::Tape> tape;
  std::unique_ptr<store::Store> store;  // null: bars stay in memory, for take_bars()
};

// Final bars of each series that a late trade revises without asking the store, where there is one.
inline constexpr std::size_t kBarsBesideStore = 64;

struct PipelineOptions {
  std::vector<market::BarSpec> specs;
  std::vector<Duration> lateness{seconds(10)};  // as BarBuilderOptions
  std::size_t bars_kept_max = 0;                // as BarBuilderOptions
  bool means = false;                           // as BarBuilderOptions
  bool keeps_seen = false;           // identities stay known when retention drops their events
  bool keeps_tape = true;            // the tape can be read again, for trades that are corrected
  std::size_t batch_events = 4096;   // at most, from feed to tape in one piece
  std::uint32_t window_threads = 1;  // for each partition; 1 where there is a store, whose
                                     // checkpoint is one offset for each
  OnFullDisk on_full_disk = OnFullDisk::kStop;
  Metrics* metrics = nullptr;  // where how long the stages take is counted; borrowed
};

class Pipeline {
 public:
  // Borrows the tables and the clock. `on_change`: see Live::subscribe.
  Pipeline(PipelineParts parts, const market::ConditionTables& tables, const Clock& clock,
           PipelineOptions options, std::function<void()> on_change = {});
  ~Pipeline();

  // Reads what is on the tape already, so that its events are not taken twice and a play goes on
  // where it ended; and the store's checkpoint, so that results go on where they ended. Results of
  // other bars than these are made again from the tape. Errors: kInvalidArgument where tape and
  // store do not belong together, or the tape no longer holds what is needed, with what to do.
  Status prepare();
  // Returns when the sources are at their end and all is stored, on an error, or after
  // driver.stop(). drain(): the sources are at their end now; any thread, after prepare(), and the
  // driver must be woken.
  Status run(Driver& driver);
  void drain();
  // Of plays: where they begin, before prepare(); and how fast they are, any thread after it.
  void play_from(Timestamp from);
  void set_speed(double speed);
  // What a live feed takes from now on, any thread after prepare(). False: it cannot.
  bool set_symbols(std::string_view feed, const std::vector<std::string>& symbols);

  // Brings the tape into its final, compact form. After run().
  Status seal() { return parts_.tape->seal(); }

  // All bars. After run(), where there is no store.
  std::vector<market::BarRow> take_bars();
  std::vector<store::MeanRow> take_means();

  const market::Catalog& catalog() const { return *parts_.catalog; }
  const tape::Tape& tape() const { return *parts_.tape; }
  const store::Store& store() const { return *parts_.store; }
  const quality::Quarantine& quarantine() const { return *parts_.quarantine; }
  const LiveTable& live() const { return live_; }
  const market::ConditionTables& condition_tables() const { return tables_; }
  // Of all partitions; see BarBuilder.
  std::uint64_t late() const;
  std::uint64_t unapplied() const;
  // Results of the events before it are in the store.
  Offset stored() const { return store_stage_ ? store_stage_->stored(PartitionId()) : Offset(); }
  const std::vector<std::unique_ptr<FeedStage>>& feeds() const { return feeds_; }
  // As QualityStage::listing.
  std::string listing(std::string_view venue, std::string_view symbol) const {
    return quality_ ? quality_->listing(venue, symbol) : std::string();
  }
  TapeQuality tape_quality() const { return quality_ ? quality_->look() : TapeQuality(); }
  // As QualityStage's.
  std::optional<quality::Missing> missing(const market::SeriesKey& key, Timestamp start,
                                          Timestamp end) const {
    return quality_ ? quality_->missing(key, start, end) : std::nullopt;
  }
  Timestamp market_time() const;  // the newest of the feeds
  bool is_loading() const;        // some feed is

 private:
  std::uint64_t unread() const;
  // Those before the checkpoint: the windows show the rest.
  Status show_last_trades(const std::vector<Offset>& applied);
  // What the bars are made by. Others are not comparable.
  std::string definition() const;
  Result<std::vector<store::Checkpoint>> find_checkpoints();
  Status read_what_is_there();

  PipelineParts parts_;
  const market::ConditionTables& tables_;
  const Clock& clock_;
  PipelineOptions options_;
  std::unique_ptr<Latencies> latencies_;  // where somebody asks
  LiveTable live_;
  SeenEvents seen_;

  BatchQueue to_tape_;
  BarQueue to_store_;
  std::vector<std::unique_ptr<FeedStage>> feeds_;
  std::unique_ptr<TapeStage> tape_stage_;
  std::vector<std::unique_ptr<TapeAndStorePast>> pasts_;
  std::vector<std::unique_ptr<WindowStage>> windows_;
  std::unique_ptr<TapeCareStage> tape_care_;
  std::unique_ptr<StoreStage> store_stage_;
  std::unique_ptr<QualityStage> quality_;  // where there is a store
};

}  // namespace tapedeck::pipeline
