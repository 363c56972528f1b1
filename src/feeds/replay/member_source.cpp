#include "feeds/replay/member_source.hpp"

#include <fmt/format.h>

#include <utility>

namespace tapedeck::feeds::replay {
namespace {

class BarrenMember final : public Source {
 public:
  BarrenMember(MemberPlace place, std::optional<Flaw> flaw, std::shared_ptr<Progress> progress)
      : place_(std::move(place)), flaw_(std::move(flaw)), progress_(std::move(progress)) {}

  Result<bool> pull(EventSink& sink, std::size_t) override {
    if (!done_) {
      done_ = true;
      CountingSink(sink, *progress_, progress_->files[place_.file])
          .end_member(progress_->members_left[place_.file], place_.label(),
                      flaw_ ? &*flaw_ : nullptr);
    }
    return false;
  }

 private:
  MemberPlace place_;
  std::optional<Flaw> flaw_;
  std::shared_ptr<Progress> progress_;
  bool done_ = false;
};

Flaw nothing_taken(const Flaw& damage) {
  return {damage.reason,
          fmt::format("{}; nothing of it was taken: get the file again", damage.detail)};
}

}  // namespace

std::string MemberPlace::label() const {
  return member.in_zip() ? fmt::format("{}:{}", path, member.name) : path;
}

MemberSource::MemberSource(MemberPlace place, Cut cut, bool has_header,
                           std::shared_ptr<Progress> progress)
    : place_(std::move(place)),
      cut_(cut),
      has_header_(has_header),
      progress_(std::move(progress)),
      label_(place_.label()),
      header_left_(has_header) {}

Result<bool> MemberSource::pull(EventSink& sink, std::size_t events_max) {
  FileReport& report = progress_->files[place_.file];
  CountingSink counting(sink, *progress_, report);
  if (!done_ && !reader_) {
    if (auto started = start(); !started) end(counting, &started.error());
  }
  for (std::size_t i = 0; i < events_max && !done_; ++i) {
    const Record record = reader_->next();
    switch (record.kind) {
      case Record::Kind::kWhole:
        if (is_blank(record) || std::exchange(header_left_, false)) continue;
        ++report.records;
        ++records_;
        take(record, counting);
        break;
      case Record::Kind::kTooLong:
        ++report.records;
        counting.refuse({"too_long", fmt::format("a record of more than {} bytes",
                                                 RecordReader::kRecordBytesMax)},
                        where(record), record.text);
        break;
      case Record::Kind::kEnd:
        end(counting, nullptr);
        break;
      case Record::Kind::kDamaged: {
        const Flaw& damage = reader_->damage();
        const Flaw told{damage.reason, fmt::format("{}; records taken before it: {}, the rest is "
                                                   "lost: get the file again",
                                                   damage.detail, records_)};
        end(counting, &told);
        break;
      }
    }
  }
  return !done_;
}

std::expected<void, Flaw> MemberSource::start() {
  auto file = place_.disk->open(place_.path, OpenMode::kRead);
  if (!file) return std::unexpected(Flaw{"unreadable", std::move(file.error().message)});
  file_ = std::move(*file);
  if (auto prepared = prepare(); !prepared) return prepared;
  auto bytes = open_member(*file_, place_.member);
  if (!bytes) return std::unexpected(nothing_taken(bytes.error()));
  reader_ = std::make_unique<RecordReader>(std::move(*bytes), cut_);
  return {};
}

void MemberSource::end(CountingSink& sink, const Flaw* damage) {
  done_ = true;
  sink.end_member(progress_->members_left[place_.file], label_, damage);
  reader_.reset();
  file_.reset();
}

std::expected<void, Flaw> MemberSource::judge(const std::optional<Flaw>& damage) const {
  if (!damage || (damage->reason == "truncated" && !place_.member.in_zip())) return {};
  return std::unexpected(nothing_taken(*damage));
}

bool MemberSource::is_blank(const Record& record) const {
  return cut_ == Cut::kLines && record.text.find_first_not_of(" \t") == record.text.npos;
}

std::string MemberSource::where(const Record& record) const {
  return fmt::format("{}: line {}", label_, record.line);
}

std::unique_ptr<Source> barren_member(MemberPlace place, std::optional<Flaw> flaw,
                                      std::shared_ptr<Progress> progress) {
  if (flaw && flaw->reason != "unsupported") flaw = nothing_taken(*flaw);
  return std::make_unique<BarrenMember>(std::move(place), std::move(flaw), std::move(progress));
}

}  // namespace tapedeck::feeds::replay
