#include "feeds/replay/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <utility>

#include "feeds/replay/archive.hpp"
#include "feeds/replay/capture_source.hpp"
#include "feeds/replay/column_map.hpp"
#include "feeds/replay/lean_files.hpp"
#include "feeds/replay/mapped_records.hpp"
#include "feeds/replay/member_source.hpp"
#include "feeds/replay/merged_source.hpp"
#include "feeds/replay/record_source.hpp"

namespace tapedeck::feeds::replay {
namespace {

constexpr std::size_t kSniffBytes = 64u << 10;
constexpr std::string_view kBlank = " \t\r\n";

// One source after the other.
class Sequence final : public Source {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Source>> sources) : sources_(std::move(sources)) {}

  Result<bool> pull(EventSink& sink, std::size_t events_max) override {
    if (next_ == sources_.size()) return false;
    const auto more = sources_[next_]->pull(sink, events_max);
    if (!more || !*more) sources_[next_++].reset();
    return next_ < sources_.size();
  }

 private:
  std::vector<std::unique_ptr<Source>> sources_;
  std::size_t next_ = 0;
};

class Replay final : public ReplaySource {
 public:
  Replay(std::unique_ptr<Source> events, std::string feed, bool is_single,
         std::shared_ptr<Progress> progress)
      : events_(std::move(events)),
        feed_(std::move(feed)),
        is_single_(is_single),
        progress_(std::move(progress)) {}

  Result<bool> pull(EventSink& sink, std::size_t events_max) override {
    if (!events_) return false;
    TD_ASSIGN(const bool more, events_->pull(sink, events_max));
    if (more) return true;
    events_.reset();
    const market::FeedMark ended{feed_, market::FeedState::kEnded, progress_->ts_recv_max};
    if (!is_single_ || progress_->last != ended) sink.mark(ended);
    return false;
  }
  const std::vector<FileReport>& files() const override { return progress_->files; }

 private:
  std::unique_ptr<Source> events_;
  const std::string feed_;
  const bool is_single_;  // so what was given last is known, merged or not
  std::shared_ptr<Progress> progress_;
};

// The first bytes of a member, and what damaged them if that is early.
struct Beginning {
  std::string text;
  std::optional<Flaw> damage;
};

Beginning read_beginning(const File& file, const Member& member) {
  Beginning out;
  auto bytes = open_member(file, member);
  if (!bytes) return {{}, std::move(bytes.error())};
  out.text.resize(kSniffBytes);
  std::size_t got = 0;
  while (got < kSniffBytes) {
    auto piece = (*bytes)->read(out.text.data() + got, kSniffBytes - got);
    if (!piece) out.damage = std::move(piece.error());
    if (!piece || *piece == 0) break;
    got += *piece;
  }
  out.text.resize(got);
  if (out.text.starts_with("\xef\xbb\xbf")) out.text.erase(0, 3);
  return out;
}

std::string_view first_line(std::string_view text) {
  const auto first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  text = text.substr(text.rfind('\n', first) == text.npos ? 0 : text.rfind('\n', first) + 1);
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::string printable(std::string_view text) {
  std::string out(text.substr(0, 200));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

class Opener {
 public:
  Opener(Disk& disk, const ReplayOptions& options, market::Catalog& catalog)
      : disk_(disk), options_(options), catalog_(catalog) {}

  Status read_options() {
    if (options_.map.empty()) return {};
    TD_ASSIGN(map_, parse_column_map(options_.map));
    if (options_.venue.contains('/')) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("venue '{}': a venue has no '/'", options_.venue));
    }
    if (options_.symbol.empty() && !(*map_)[ColumnField::kSymbol]) {
      return fail(ErrorCode::kInvalidArgument,
                  "the map names no symbol column: say which instrument it is with --symbol");
    }
    return {};
  }

  Status add_file(const std::string& path) {
    auto file = disk_.open(path, OpenMode::kRead);
    if (!file) return std::unexpected(std::move(file.error()));
    const std::size_t index = progress_->files.size();
    progress_->files.push_back({.path = path});
    progress_->members_left.push_back(1);
    auto members = list_members(**file, path);
    if (!members || members->empty()) {
      std::optional<Flaw> flaw;
      if (!members) flaw = std::move(members.error());
      sources_.push_back(barren_member({&disk_, path, {}, index}, std::move(flaw), progress_));
      return {};
    }
    progress_->members_left.back() = members->size();
    for (Member& member : *members) {
      TD_ASSIGN(auto source, open_source({&disk_, path, std::move(member), index}, **file));
      sources_.push_back(std::move(source));
    }
    return {};
  }

  std::unique_ptr<ReplaySource> finish(bool merged) {
    std::unique_ptr<Source> events;
    const bool is_single = sources_.size() == 1;
    if (merged) {
      events = merge_by_time(std::move(sources_));
    } else {
      events = std::make_unique<Sequence>(std::move(sources_));
    }
    return std::make_unique<Replay>(std::move(events), options_.feed, is_single, progress_);
  }

 private:
  using MadeSource = Result<std::unique_ptr<Source>>;

  MadeSource open_source(MemberPlace place, const File& file) {
    const Beginning beginning = read_beginning(file, place.member);
    const bool blank = beginning.text.find_first_not_of(kBlank) == std::string::npos;
    if (blank && beginning.text.size() < kSniffBytes) {
      return barren_member(std::move(place), beginning.damage, progress_);
    }
    const bool is_array = map_ && beginning.text[beginning.text.find_first_not_of(kBlank)] == '[';
    if (beginning.damage && !is_array && !beginning.text.contains('\n')) {
      return barren_member(std::move(place), beginning.damage, progress_);  // no line is whole
    }
    if (map_) return open_mapped(std::move(place), beginning.text, is_array);
    if (const auto lean = parse_lean_name(place.member.name)) {
      auto parser = lean_parser(*lean);
      if (!parser) return fail_within(std::move(parser), place.label());
      return record_source(std::move(place), {.series = lean->series()}, std::move(*parser),
                           catalog_, progress_);
    }
    if (parse_capture_line(first_line(beginning.text))) {
      return open_capture(std::move(place), beginning.text);
    }
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: neither a Lean trade file by its name nor a capture of frames; if "
                            "it is CSV or a JSON array, say which column is what: {}. It begins "
                            "with '{}'",
                            place.label(), kMapGrammar, printable(first_line(beginning.text))));
  }

  MadeSource open_mapped(MemberPlace place, std::string_view beginning, bool is_array) {
    const ColumnMap& declared = *map_;
    RecordFormat format{
        .declares_ids = declared[ColumnField::kId].has_value(),
        .declares_recv = declared[ColumnField::kRecv].has_value(),
        .series = {.key = {options_.venue.empty() ? "file" : options_.venue, "trade", {}},
                   .order = declared[ColumnField::kSequence] ? market::TradeOrder::kVenueSequence
                                                             : market::TradeOrder::kIdentity,
                   .calendar = "24x7",
                   .conditions = {}}};
    if (is_array) {
      format.cut = Cut::kJsonArray;
      return record_source(std::move(place), std::move(format),
                           json_parser(declared, options_.symbol), catalog_, progress_);
    }
    ColumnMap bound = declared;
    auto header = bind_header(bound, first_line(beginning));
    if (!header) return fail_within(std::move(header), place.label());
    format.has_header = *header;
    return record_source(std::move(place), std::move(format),
                         csv_parser(std::move(bound), options_.symbol), catalog_, progress_);
  }

  MadeSource open_capture(MemberPlace place, std::string_view beginning) {
    const auto named = std::ranges::find(options_.feeds, options_.venue, &FeedKind::venue);
    const FeedKind* feed = named == options_.feeds.end() ? nullptr : &*named;
    if (options_.venue.empty()) feed = recognise_venue(beginning, options_.feeds);
    if (feed == nullptr) {
      std::string known;
      for (const FeedKind& kind : options_.feeds) {
        known += fmt::format("{}{}", known.empty() ? "" : ", ", kind.venue);
      }
      const bool asked = !options_.venue.empty();
      return fail(
          asked ? ErrorCode::kInvalidArgument : ErrorCode::kUnsupported,
          fmt::format("{}: {}; those that can be read are {}: name one with --venue, or "
                      "for other JSON arrays and CSV {}",
                      place.label(),
                      asked ? fmt::format("there are no frames of '{}'", options_.venue)
                            : "a capture, but of no venue that is known by its first frames",
                      known, kMapGrammar));
    }
    return capture_source(std::move(place), feed->make(catalog_), feed->has_ids, progress_);
  }

  Disk& disk_;
  const ReplayOptions& options_;
  market::Catalog& catalog_;
  std::optional<ColumnMap> map_;
  std::shared_ptr<Progress> progress_ = std::make_shared<Progress>();
  std::vector<std::unique_ptr<Source>> sources_;
};

}  // namespace

Result<std::unique_ptr<ReplaySource>> open_replay(Disk& disk, const std::vector<std::string>& paths,
                                                  const ReplayOptions& options,
                                                  market::Catalog& catalog, bool merged) {
  Opener opener(disk, options, catalog);
  TD_TRY(opener.read_options());
  for (const std::string& path : paths) TD_TRY(opener.add_file(path));
  return opener.finish(merged);
}

}  // namespace tapedeck::feeds::replay
