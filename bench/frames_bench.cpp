#include "frames_bench.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "feeds/binance/binance_feed.hpp"
#include "feeds/coinbase/coinbase_feed.hpp"
#include "feeds/kraken/kraken_feed.hpp"
#include "feeds/replay/capture_source.hpp"
#include "measure.hpp"

namespace tapedeck::bench {
namespace {

namespace od = simdjson::ondemand;

class SummingSink final : public feeds::EventSink {
 public:
  void trade(const market::Trade& trade) override {
    ++trades;
    sum += static_cast<std::uint64_t>(trade.price.mantissa) + trade.identity.seq;
  }
  void event(const feeds::OtherEvent&) override { ++others; }
  void mark(const market::FeedMark&) override {}
  void control() override {}
  void refuse(const feeds::Refusal& refusal) override { die(refusal.detail); }

  std::uint64_t trades = 0, others = 0, sum = 0;
};

feeds::FeedKind kind_of(std::string_view venue) {
  for (const feeds::FeedKind& kind :
       {feeds::binance::feed_kind(), feeds::coinbase::feed_kind(), feeds::kraken::feed_kind()}) {
    if (kind.venue == venue) return kind;
  }
  die(fmt::format("no frames of '{}' here", venue));
}

// Every key and every value, as text.
simdjson::error_code walk(od::value value, std::uint64_t& sum) {
  od::json_type type{};
  if (const auto code = value.type().get(type)) return code;
  if (type == od::json_type::object) {
    od::object object;
    if (const auto code = value.get_object().get(object)) return code;
    for (auto item : object) {
      od::field field;
      if (const auto code = std::move(item).get(field)) return code;
      sum += static_cast<unsigned char>(*field.key().raw());
      if (const auto code = walk(field.value(), sum)) return code;
    }
    return simdjson::SUCCESS;
  }
  if (type == od::json_type::array) {
    od::array array;
    if (const auto code = value.get_array().get(array)) return code;
    for (auto item : array) {
      od::value element;
      if (const auto code = std::move(item).get(element)) return code;
      if (const auto code = walk(element, sum)) return code;
    }
    return simdjson::SUCCESS;
  }
  sum += value.raw_json_token().size();
  return simdjson::SUCCESS;
}

simdjson::error_code walk_frame(od::parser& parser, const simdjson::padded_string& frame,
                                std::uint64_t& sum) {
  od::document document;
  if (const auto code = parser.iterate(frame).get(document)) return code;
  od::value top;
  if (const auto code = document.get_value().get(top)) return code;
  return walk(top, sum);
}

}  // namespace

void take_frames(const FramesArguments& arguments) {
  const feeds::FeedKind kind = kind_of(arguments.venue);
  std::ifstream in(arguments.file);
  if (!in) die(fmt::format("cannot read {}", arguments.file));
  std::vector<simdjson::padded_string> frames;
  std::uint64_t bytes = 0;
  market::Catalog catalog;
  SummingSink sink;
  const auto feed = kind.make(catalog);
  for (std::string text; std::getline(in, text);) {
    const auto line = feeds::replay::parse_capture_line(text);
    if (!line) continue;
    const std::uint64_t before = sink.trades;
    feed->on_frame(line->frame, Timestamp{1}, arguments.file, sink);
    if (sink.trades == before) continue;
    frames.emplace_back(line->frame);
    bytes += line->frame.size();
  }
  if (frames.empty()) die(fmt::format("{} has no trades of {}", arguments.file, arguments.venue));
  sink = {};
  od::parser parser;
  std::uint64_t rounds = 0, sum = 0;
  const double cpu_before = cpu_s();
  const double began = now_s();
  double took = 0;
  do {
    for (const simdjson::padded_string& frame : frames) {
      if (arguments.simdjson_only) {
        if (walk_frame(parser, frame, sum) != simdjson::SUCCESS) die("not JSON");
      } else {
        feed->on_frame(frame, Timestamp{1}, arguments.file, sink);
      }
    }
    ++rounds;
    took = now_s() - began;
  } while (took < arguments.seconds);
  fmt::print(R"({{"frames":{},"trades":{},"bytes":{},"s":{},"cpu_s":{},"sum":{}}})"
             "\n",
             rounds * frames.size(), sink.trades, rounds * bytes, took, cpu_s() - cpu_before,
             sum + sink.sum);
}

}  // namespace tapedeck::bench
