// src/feeds/recording_sink.hpp: a sink that keeps everything. For tests only.
#pragma once

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "feeds/feed.hpp"
#include "market/about.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds {

class RecordingSink final : public EventSink {
 public:
  void trade(const market::Trade& trade) override { trades.push_back(trade); }
  void event(const OtherEvent& event) override {
    const auto* record = std::get_if<market::Record>(&event);
    const auto drift = record != nullptr ? market::parse_schema_drift(record->body) : std::nullopt;
    drift ? drifts.push_back(*drift) : others.push_back(event);
  }
  void mark(const market::FeedMark& mark) override { marks.push_back(mark); }
  void control() override { ++controls; }
  void refuse(const Refusal& refusal) override {
    refusals.push_back(refusal);
    texts.emplace_back(refusal.text);
    refusals.back().text = {};
  }

  // The reasons, in order.
  std::vector<std::string> reasons() const {
    std::vector<std::string> out;
    for (const Refusal& refusal : refusals) out.emplace_back(refusal.reason);
    return out;
  }

  std::vector<market::Trade> trades;
  std::vector<OtherEvent> others;
  std::vector<market::SchemaDrift> drifts;
  std::vector<market::FeedMark> marks;
  std::vector<Refusal> refusals;
  std::vector<std::string> texts;  // of the refusals
  int controls = 0;
};

inline std::string read_test_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace tapedeck::feeds
