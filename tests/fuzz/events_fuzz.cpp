// tests/fuzz/events_fuzz.cpp: any bytes as a line of events. What is taken is written and read
// again, and is the same.
#include <string>

#include "base/check.hpp"
#include "feeds/events/event_writer.hpp"
#include "feeds/events/events_feed.hpp"
#include "feeds/recording_sink.hpp"
#include "fuzz/checking_sink.hpp"

namespace {

using namespace tapedeck;

const market::ConditionTables& tables() {
  static const market::ConditionTable table;
  static const market::ConditionTables all{{"lean", &table}};
  return all;
}

class AnyFeed final : public feeds::Feed {
 public:
  explicit AnyFeed(market::Catalog& catalog) : feed_(catalog, tables()) {}
  std::string_view venue() const override { return feed_.venue(); }
  void on_frame(std::string_view frame, Timestamp ts_recv, std::string_view where,
                feeds::EventSink& sink) override {
    feed_.on_frame(frame, ts_recv, where, sink);
  }

 private:
  feeds::events::EventsFeed feed_;
};

std::string write(const feeds::RecordingSink& sink, const market::Catalog& catalog) {
  market::Batch batch;
  if (!sink.trades.empty()) batch.trades = sink.trades;
  if (!sink.marks.empty()) {
    batch.kind = market::StreamKind::kStatus;
    batch.marks = sink.marks;
  }
  for (const feeds::OtherEvent& event : sink.others) {
    if (const auto* quote = std::get_if<market::Quote>(&event)) {
      batch.kind = market::StreamKind::kQuote;
      batch.quotes.push_back(*quote);
    } else if (const auto* tick = std::get_if<market::PriceTick>(&event)) {
      batch.kind = market::StreamKind::kPriceTick;
      batch.ticks.push_back(*tick);
    } else if (const auto* bar = std::get_if<market::VendorBar>(&event)) {
      batch.kind = market::StreamKind::kVendorBar;
      batch.vendor_bars.push_back(*bar);
    } else if (const auto* correction = std::get_if<market::Correction>(&event)) {
      batch.kind = market::StreamKind::kCorrection;
      batch.corrections.push_back(*correction);
    } else {
      batch.kind = market::StreamKind::kRecord;
      batch.records.push_back(std::get<market::Record>(event));
    }
  }
  std::string line;
  feeds::events::EventWriter writer(catalog, feeds::events::EventFormat::kNdjson);
  writer.write(batch, 0, "p0", line);
  line.pop_back();
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view frame(reinterpret_cast<const char*>(data), size);
  feeds::fuzz_feed<AnyFeed>(frame);

  market::Catalog catalog;
  feeds::events::EventsFeed feed(catalog, tables());
  feeds::RecordingSink taken;
  feed.on_frame(frame, {}, "fuzz", taken);
  if (!taken.refusals.empty()) return 0;
  const std::string line = write(taken, catalog);
  feeds::RecordingSink again;
  feed.on_frame(line, {}, "fuzz", again);
  TD_CHECK(again.refusals.empty());
  TD_CHECK(write(again, catalog) == line);
  return 0;
}
