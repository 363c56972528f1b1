#include "feeds/replay/capture_source.hpp"

#include <fmt/format.h>

#include <iterator>
#include <string>

#include "feeds/trade_fields.hpp"

namespace tapedeck::feeds::replay {
namespace {

class CaptureSource final : public MemberSource {
 public:
  CaptureSource(MemberPlace place, std::unique_ptr<Feed> feed, std::shared_ptr<Progress> progress)
      : MemberSource(std::move(place), Cut::kLines, false, std::move(progress)),
        feed_(std::move(feed)),
        label_(this->place().label()) {}

 private:
  std::expected<void, Flaw> prepare() override {
    if (place().member.packing == Packing::kPlain) return {};  // nothing to check it by
    auto bytes = open_member(file(), place().member);
    if (!bytes) return std::unexpected(std::move(bytes.error()));
    return judge(drain(**bytes));
  }

  void take(const Record& record, CountingSink& sink) override {
    const auto line = parse_capture_line(record.text);
    if (!line) {
      const Flaw flaw{"malformed",
                      "a line of a capture is a JSON object, perhaps behind its "
                      "receive time in ns and a blank"};
      return sink.refuse(flaw, where(record), record.text);
    }
    Timestamp ts_recv;
    if (line->recv) {
      auto recv = take_time(*line->recv, TimeUnit::kNanoseconds);
      if (!recv) {
        recv.error().detail.insert(0, "receive ");
        return sink.refuse(recv.error(), where(record), record.text);
      }
      ts_recv = *recv;
    }
    where_.clear();
    fmt::format_to(std::back_inserter(where_), "{}: line {}", label_, record.line);
    feed_->on_frame(line->frame, ts_recv, where_, sink);
  }

  std::unique_ptr<Feed> feed_;
  std::string label_;
  std::string where_;
};

}  // namespace

std::optional<CaptureLine> parse_capture_line(std::string_view line) {
  const auto first = line.find_first_not_of(" \t");
  if (first == line.npos) return std::nullopt;
  line.remove_prefix(first);
  const auto digits = line.find_first_not_of("0123456789");
  if (digits == line.npos) return std::nullopt;
  CaptureLine out;
  if (digits > 0) {
    out.recv = line.substr(0, digits);
    line.remove_prefix(digits);
    if (!line.starts_with(' ')) return std::nullopt;
    line.remove_prefix(1);
  }
  if (!line.starts_with('{')) return std::nullopt;
  out.frame = line;
  return out;
}

const FeedKind* recognise_venue(std::string_view first_lines, std::span<const FeedKind> feeds) {
  while (!first_lines.empty()) {
    const auto end = first_lines.find('\n');
    std::string frame(first_lines.substr(0, end));
    first_lines = end == first_lines.npos ? std::string_view{} : first_lines.substr(end + 1);
    if (!parse_capture_line(frame)) continue;
    std::erase(frame, ' ');
    for (const FeedKind& feed : feeds) {
      if (feed.recognises(frame)) return &feed;
    }
  }
  return nullptr;
}

std::unique_ptr<Source> capture_source(MemberPlace place, std::unique_ptr<Feed> feed,
                                       std::shared_ptr<Progress> progress) {
  return std::make_unique<CaptureSource>(std::move(place), std::move(feed), std::move(progress));
}

}  // namespace tapedeck::feeds::replay
