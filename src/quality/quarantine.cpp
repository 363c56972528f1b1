#include "quality/quarantine.hpp"

#include <fmt/format.h>

#include "base/log.hpp"

namespace tapedeck::quality {

Result<std::unique_ptr<Quarantine>> Quarantine::with_file(Disk& disk, const std::string& path) {
  auto quarantine = std::make_unique<Quarantine>();
  auto file = disk.open(path, OpenMode::kCreate);
  if (!file && file.error().code == ErrorCode::kAlreadyExists) {
    file = disk.open(path, OpenMode::kAppend);
  }
  if (!file) return fail_within(std::move(file), "quarantine");
  TD_ASSIGN(quarantine->file_bytes_, (*file)->size());
  quarantine->file_ = *std::move(file);
  return quarantine;
}

void Quarantine::refuse(std::string_view reason, std::string_view detail, std::string_view where,
                        std::string_view text) {
  const std::string_view kept = text.substr(0, kTextBytesMax);
  std::lock_guard lock(mutex_);
  ++total_;
  ++by_reason_[std::string(reason)];
  auto& examples = examples_[std::string(reason)];
  if (examples.size() < kExamplesPerReason) {
    examples.push_back(
        {std::string(reason), std::string(detail), std::string(where), std::string(kept)});
  }
  if (!file_ || !file_problem_.empty()) return;
  const std::string line = fmt::format(
      "{{\"reason\":{},\"where\":{},\"detail\":{},\"text\":{},\"bytes\":{}}}\n", json_quote(reason),
      json_quote(where), json_quote(detail), json_quote(kept), text.size());
  if (file_bytes_ + line.size() > kFileBytesMax) {
    file_problem_ = fmt::format(
        "the quarantine file is full ({} MiB): what is refused from here on "
        "is counted only; move the file away",
        kFileBytesMax >> 20);
    return;
  }
  if (const Status written = file_->append(line); !written) {
    file_problem_ = written.error().message;
    return;
  }
  file_bytes_ += line.size();
}

std::uint64_t Quarantine::total() const {
  std::lock_guard lock(mutex_);
  return total_;
}

std::map<std::string, std::uint64_t> Quarantine::by_reason() const {
  std::lock_guard lock(mutex_);
  return by_reason_;
}

std::vector<Refused> Quarantine::examples() const {
  std::lock_guard lock(mutex_);
  std::vector<Refused> all;
  for (const auto& [reason, examples] : examples_) {
    all.insert(all.end(), examples.begin(), examples.end());
  }
  return all;
}

std::string Quarantine::file_problem() const {
  std::lock_guard lock(mutex_);
  return file_problem_;
}

}  // namespace tapedeck::quality
