#include "feeds/replay/capture_source.hpp"

#include <fmt/format.h>

#include <iterator>
#include <string>

#include "feeds/replay/hashing_stream.hpp"
#include "feeds/trade_fields.hpp"

namespace tapedeck::feeds::replay {
namespace {

class CaptureSource final : public MemberSource {
 public:
  CaptureSource(MemberPlace place, std::unique_ptr<Feed> feed, bool has_ids,
                std::shared_ptr<Progress> progress)
      : MemberSource(std::move(place), Cut::kLines, false, std::move(progress)),
        feed_(std::move(feed)),
        has_ids_(has_ids),
        label_(this->place().label()) {}

 private:
  std::expected<void, Flaw> prepare() override {
    // Nothing to check it by, and nothing to know of it.
    if (place().member.packing == Packing::kPlain && has_ids_) return {};
    auto bytes = open_member(file(), place().member);
    if (!bytes) return std::unexpected(std::move(bytes.error()));
    if (has_ids_) return judge(drain(**bytes));
    HashingStream hashing(*std::move(bytes));
    drain(hashing);
    if (auto judged = judge(hashing.damage()); !judged) return judged;
    feed_->begin_session({.kind = market::OriginKind::kFile, .key = hashing.finish_hex()});
    return {};
  }

  void take(const Record& record, CountingSink& sink) override {
    const auto line = parse_capture_line(record.text);
    if (!line) {
      const Flaw flaw{
          "malformed",
          "a line of a capture is a JSON object (of yahoo also base64), perhaps behind its "
          "receive time in ns and a blank"};
      return sink.refuse(flaw, where(record), record.text);
    }
    if (line->frame.empty()) return sink.control();
    Timestamp ts_recv;
    if (line->recv) {
      auto recv = take_time(*line->recv, line->unit);
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
  const bool has_ids_;
  std::string label_;
  std::string where_;
};

}  // namespace

std::optional<CaptureLine> parse_capture_line(std::string_view line) {
  const auto first = line.find_first_not_of(" \t");
  if (first == line.npos) return std::nullopt;
  line.remove_prefix(first);
  CaptureLine out;
  if (line.starts_with("wss://") && (line.contains(" <- ") || line.contains(" <-> "))) return out;
  constexpr std::string_view kDigits = "0123456789";
  const auto digits = line.find_first_not_of(kDigits);
  if (digits == line.npos) return std::nullopt;
  if (const auto end = line.find_first_not_of(kDigits, digits + 1);
      digits > 0 && line[digits] == '.' && end != line.npos && line.substr(end).starts_with(": ")) {
    return CaptureLine{line.substr(0, end), TimeUnit::kSeconds, line.substr(end + 2)};
  }
  if (digits > 0) {
    out.recv = line.substr(0, digits);
    line.remove_prefix(digits);
    if (!line.starts_with(' ')) return std::nullopt;
    line.remove_prefix(1);
  }
  // Yahoo's first version is base64 alone, of something that begins with a name.
  if (!line.starts_with('{') && !line.starts_with("Cg")) return std::nullopt;
  out.frame = line;
  return out;
}

const FeedKind* recognise_venue(std::string_view first_lines, std::span<const FeedKind> feeds) {
  while (!first_lines.empty()) {
    const auto end = first_lines.find('\n');
    std::string frame(first_lines.substr(0, end));
    first_lines = end == first_lines.npos ? std::string_view{} : first_lines.substr(end + 1);
    if (const auto line = parse_capture_line(frame); !line || line->frame.empty()) continue;
    std::erase(frame, ' ');
    for (const FeedKind& feed : feeds) {
      if (feed.recognises(frame)) return &feed;
    }
  }
  return nullptr;
}

std::unique_ptr<Source> capture_source(MemberPlace place, std::unique_ptr<Feed> feed, bool has_ids,
                                       std::shared_ptr<Progress> progress) {
  return std::make_unique<CaptureSource>(std::move(place), std::move(feed), has_ids,
                                         std::move(progress));
}

}  // namespace tapedeck::feeds::replay
