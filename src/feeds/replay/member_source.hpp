// src/feeds/replay/member_source.hpp: one member of a recorded file as a source: opens it when it
// is first pulled, takes it record by record, and tells what damaged it. Thread: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/disk.hpp"
#include "feeds/feed.hpp"
#include "feeds/replay/archive.hpp"
#include "feeds/replay/progress.hpp"
#include "feeds/replay/record_reader.hpp"

namespace tapedeck::feeds::replay {

// Where a member is. The disk outlives it.
struct MemberPlace {
  Disk* disk = nullptr;
  std::string path;
  Member member;
  std::size_t file = 0;  // index in Progress::files

  std::string label() const;  // "20131007_trade.zip:20131007_spy_Trade_Tick.csv"
};

class MemberSource : public Source {
 public:
  // `has_header`: the first record that is not blank is none.
  MemberSource(MemberPlace place, Cut cut, bool has_header, std::shared_ptr<Progress> progress);

  Result<bool> pull(EventSink& sink, std::size_t events_max) final;

 protected:
  // Before the first record; the file is open. An error: nothing of the member is taken. What a cut
  // leaves of a gz or zst is whole records; bytes that fail a check may say anything.
  virtual std::expected<void, Flaw> prepare() { return {}; }
  // A record that is neither blank nor the header.
  virtual void take(const Record& record, CountingSink& sink) = 0;

  // Whether anything may be taken of a member whose bytes end with `damage`.
  std::expected<void, Flaw> judge(const std::optional<Flaw>& damage) const;
  const File& file() const { return *file_; }
  const MemberPlace& place() const { return place_; }
  Cut cut() const { return cut_; }
  bool has_header() const { return has_header_; }
  bool is_blank(const Record& record) const;
  // "20131007_trade.zip:20131007_spy_Trade_Tick.csv: line 17"
  std::string where(const Record& record) const;

 private:
  std::expected<void, Flaw> start();
  void end(CountingSink& sink, const Flaw* damage);

  MemberPlace place_;
  Cut cut_;
  bool has_header_;
  std::shared_ptr<Progress> progress_;
  std::string label_;
  std::unique_ptr<File> file_;
  std::unique_ptr<RecordReader> reader_;
  bool header_left_;
  std::uint64_t records_ = 0;
  bool done_ = false;
};

// A member of which nothing can be taken: it holds nothing, or (`flaw`) it is damaged.
std::unique_ptr<Source> barren_member(MemberPlace place, std::optional<Flaw> flaw,
                                      std::shared_ptr<Progress> progress);

}  // namespace tapedeck::feeds::replay
