#include "feeds/replay/record_source.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "feeds/replay/hashing_stream.hpp"
#include "feeds/series_table.hpp"

namespace tapedeck::feeds::replay {
namespace {

class RecordSource final : public MemberSource {
 public:
  RecordSource(MemberPlace place, RecordFormat format, std::unique_ptr<RecordParser> parser,
               market::Catalog& catalog, std::shared_ptr<Progress> progress)
      : MemberSource(std::move(place), format.cut, format.has_header, std::move(progress)),
        format_(std::move(format)),
        parser_(std::move(parser)),
        catalog_(catalog),
        series_(catalog, format_.series) {}

 private:
  std::expected<void, Flaw> prepare() override {
    auto bytes = open_member(file(), place().member);
    if (!bytes) return std::unexpected(std::move(bytes.error()));
    auto owned = std::make_unique<HashingStream>(std::move(*bytes));
    HashingStream& hashing = *owned;
    RecordReader reader(std::move(owned), cut());

    std::optional<Timestamp> first;
    bool ids_are_numbers = format_.declares_ids;
    bool header = has_header();
    while (!first || ids_are_numbers) {
      const Record record = reader.next();
      if (record.kind == Record::Kind::kEnd || record.kind == Record::Kind::kDamaged) break;
      if (record.kind == Record::Kind::kTooLong || is_blank(record)) continue;
      if (std::exchange(header, false)) continue;
      const auto parsed = parser_->parse(record.text);
      if (!parsed) continue;
      if (!first) first = parsed->ts_event;
      if (!parsed->id) ids_are_numbers = false;
    }
    drain(hashing);
    if (auto judged = judge(hashing.damage()); !judged) return judged;
    ids_are_venues_ = ids_are_numbers;
    origin_ =
        catalog_.intern(ids_are_numbers ? market::Origin{.kind = market::OriginKind::kVenue}
                                        : market::Origin{.kind = market::OriginKind::kFile,
                                                         .key = hashing.finish_hex(),
                                                         .first = first.value_or(Timestamp{}),
                                                         .recv_assumed = !format_.declares_recv});
    return {};
  }

  void take(const Record& record, CountingSink& sink) override {
    auto parsed = parser_->parse(record.text);
    if (!parsed) return sink.refuse(parsed.error(), where(record), record.text);
    const auto series = series_.find_or_add(parsed->symbol);
    if (!series) {
      return sink.refuse({"bad_symbol", series.error().message}, where(record), record.text);
    }
    market::Trade trade{
        .series = *series,
        .side = parsed->side,
        .conditions = parsed->conditions,
        .ts_event = parsed->ts_event,
        .ts_recv = parsed->ts_recv.value_or(parsed->ts_event),
        .price = parsed->price,
        .size = parsed->size,
        .identity = {.origin = origin_, .seq = record.number - (has_header() ? 1 : 0)},
        .venue_sequence = parsed->sequence.value_or(0)};
    if (ids_are_venues_) trade.identity.seq = *parsed->id;
    sink.trade(trade);
  }

  RecordFormat format_;
  std::unique_ptr<RecordParser> parser_;
  market::Catalog& catalog_;
  SeriesTable series_;
  OriginId origin_;
  bool ids_are_venues_ = false;
};

}  // namespace

std::unique_ptr<Source> record_source(MemberPlace place, RecordFormat format,
                                      std::unique_ptr<RecordParser> parser,
                                      market::Catalog& catalog,
                                      std::shared_ptr<Progress> progress) {
  return std::make_unique<RecordSource>(std::move(place), std::move(format), std::move(parser),
                                        catalog, std::move(progress));
}

}  // namespace tapedeck::feeds::replay
