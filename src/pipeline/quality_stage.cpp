#include "pipeline/quality_stage.hpp"

#include <utility>

#include "market/about.hpp"

namespace tapedeck::pipeline {

QualityStage::QualityStage(const tape::Tape& tape, const market::Catalog& catalog,
                           std::function<bool()> upstream_done)
    : tape_(tape),
      catalog_(catalog),
      upstream_done_(std::move(upstream_done)),
      readers_(tape.partitions()),
      completeness_(catalog),
      read_(tape.partitions()) {}

Result<Step> QualityStage::step() {
  const bool last_look = upstream_done_();
  bool any = false;
  for (std::uint32_t p = 0; p < tape_.partitions() && !draining_; ++p) {
    const auto more = read(PartitionId(p));
    if (!more) {
      std::lock_guard lock(mutex_);
      problem_ = more.error().message;
      return Step::done();
    }
    any = any || *more;
  }
  if (draining_) return Step::done();
  if (any) return Step::progress();
  return last_look ? Step::done() : Step::idle().after(kRest);
}

Status QualityStage::open() {
  for (std::uint32_t p = 0; p < tape_.partitions(); ++p) TD_TRY(open(PartitionId(p)));
  return {};
}

Status QualityStage::open(PartitionId partition) {
  const Offset first = tape_.first_offset(partition);
  TD_ASSIGN(readers_[partition.value], tape_.read({.partition = partition, .first = first}));
  std::lock_guard lock(mutex_);
  read_[partition.value] = first;
  return {};
}

Result<bool> QualityStage::read(PartitionId partition) {
  const auto batch = readers_[partition.value]->next();
  if (!batch && batch.error().code == ErrorCode::kNotFound) {
    TD_TRY(open(partition));  // retention was faster: on with what it left
    return true;
  }
  if (!batch) return std::unexpected(batch.error());
  if (!*batch) return false;
  std::lock_guard lock(mutex_);
  TD_TRY(completeness_.add(**batch));
  take_listings((*batch)->records);
  read_[partition.value] = (*batch)->end();
  return true;
}

void QualityStage::take_listings(const std::vector<market::Record>& records) {
  constexpr std::size_t kBytesMax = 4096;  // anybody may write such a record
  for (const market::Record& record : records) {
    const market::SeriesKey& key = catalog_.series(record.series).key;
    if (key.channel != market::kInstrumentChannel || record.body.size() > kBytesMax) continue;
    listings_[{key.venue, key.instrument}] = record.body;
  }
}

std::string QualityStage::listing(std::string_view venue, std::string_view symbol) const {
  std::lock_guard lock(mutex_);
  const auto found = listings_.find({std::string(venue), std::string(symbol)});
  return found == listings_.end() ? std::string() : found->second;
}

void QualityStage::add_duplicate(SeriesId series, Timestamp ts_event) {
  std::lock_guard lock(mutex_);
  if (const auto added = completeness_.add_duplicate(series, ts_event); !added) {
    problem_ = added.error().message;
  }
}

std::optional<quality::Missing> QualityStage::missing(const market::SeriesKey& key, Timestamp start,
                                                      Timestamp end) const {
  std::lock_guard lock(mutex_);
  return completeness_.missing(key, start, end);
}

TapeQuality QualityStage::look() const {
  std::lock_guard lock(mutex_);
  TapeQuality quality{.gaps = completeness_.gaps(),
                      .outages = completeness_.outages(),
                      .drift = completeness_.drift(),
                      .problem = problem_};
  quality.days = completeness_.days(quality.gaps);
  for (std::uint32_t p = 0; p < tape_.partitions(); ++p) {
    const Offset durable = tape_.durable_end(PartitionId(p));
    if (durable > read_[p]) quality.behind += durable.value - read_[p].value;
  }
  quality.is_whole = problem_.empty() && quality.behind == 0;
  return quality;
}

}  // namespace tapedeck::pipeline
