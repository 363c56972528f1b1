// src/quality/quarantine.hpp: where refused input goes: counted by reason, the first of each kept,
// and written as NDJSON where a file is given.
// Thread: any.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "base/result.hpp"

namespace tapedeck::quality {

struct Refused {
  std::string reason;
  std::string detail;
  std::string where;
  std::string text;  // cut at kTextBytesMax
};

class Quarantine {
 public:
  static constexpr std::size_t kTextBytesMax = 4096;
  static constexpr std::size_t kExamplesPerReason = 3;
  static constexpr std::uint64_t kFileBytesMax = 256u << 20;  // then it only counts, and says so

  Quarantine() = default;  // counts only
  // Appends to `path` from its end. Errors name the path.
  static Result<std::unique_ptr<Quarantine>> with_file(Disk& disk, const std::string& path);

  void refuse(std::string_view reason, std::string_view detail, std::string_view where,
              std::string_view text);

  std::uint64_t total() const;
  std::map<std::string, std::uint64_t> by_reason() const;
  std::vector<Refused> examples() const;
  // Set when the file could not be written or is full: counts go on, the texts are lost.
  std::string file_problem() const;

 private:
  mutable std::mutex mutex_;
  std::unique_ptr<File> file_;
  std::uint64_t file_bytes_ = 0;
  std::string file_problem_;
  std::uint64_t total_ = 0;
  std::map<std::string, std::uint64_t> by_reason_;
  std::map<std::string, std::vector<Refused>> examples_;
};

}  // namespace tapedeck::quality
