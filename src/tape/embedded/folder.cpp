#include "tape/embedded/folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/crc32c.hpp"
#include "base/murmur2.hpp"

namespace tapedeck::tape::embedded {
namespace {

constexpr std::string_view kManifestName = "TAPE";

// The lines that the checksum covers.
std::string manifest_lines(std::uint32_t format, std::uint32_t partitions) {
  return fmt::format("tapedeck tape\nformat {}\npartitions {}\n", format, partitions);
}

std::optional<std::uint32_t> number_after(std::string_view text, std::string_view name) {
  const auto at = text.find(name);
  if (at == text.npos) return std::nullopt;
  const char* begin = text.data() + at + name.size();
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  return value;
}

}  // namespace

std::string log_name(PartitionId partition) {
  return partition == kRawFrames ? "raw" : fmt::format("p{}", partition.value);
}

std::string log_directory(const std::string& tape, PartitionId partition) {
  return tape + "/" + log_name(partition);
}

PartitionId partition_of(const market::SeriesKey& key, std::uint32_t partitions) {
  if (partitions == 1) return PartitionId(0);
  return PartitionId(partition_of_key(to_string(key), partitions));
}

Result<Manifest> read_manifest(Disk& disk, const std::string& tape) {
  const std::string path = tape + "/" + std::string(kManifestName);
  TD_ASSIGN(const auto file, disk.open(path, OpenMode::kRead));
  std::string text(256, '\0');
  TD_ASSIGN(const std::size_t size, file->read_at(0, text.data(), text.size()));
  text.resize(size);
  const auto format = number_after(text, "format ");
  const auto partitions = number_after(text, "partitions ");
  const auto crc = number_after(text, "crc32c ");
  if (!format || !partitions || !crc || *partitions == 0 || *partitions > kPartitionsMax ||
      *crc != crc32c(manifest_lines(*format, *partitions))) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("tape: {} is damaged: 'tapedeck tape repair' writes it anew", path));
  }
  if (*format != kFormatVersion) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("tape: {} is of format {}, this release reads format {}: use the "
                            "release that wrote it",
                            tape, *format, kFormatVersion));
  }
  return Manifest{.partitions = *partitions};
}

Status write_manifest(Disk& disk, const std::string& tape, const Manifest& manifest) {
  const std::string lines = manifest_lines(kFormatVersion, manifest.partitions);
  const std::string path = tape + "/" + std::string(kManifestName);
  const std::string fresh = path + ".new";
  if (Status s = disk.remove(fresh); !s && s.error().code != ErrorCode::kNotFound) return s;
  TD_ASSIGN(auto file, disk.open(fresh, OpenMode::kCreate));
  TD_TRY(file->append(lines + fmt::format("crc32c {}\n", crc32c(lines))));
  TD_TRY(file->sync());
  file.reset();
  TD_TRY(disk.rename(fresh, path));
  return disk.sync_directory(tape);
}

Result<std::vector<SegmentView>> FolderSegments::all() const {
  TD_ASSIGN(const auto names, disk_.list(directory_));
  std::vector<SegmentView> views;
  for (const std::string& name : names) {
    const auto first = parse_segment_name(name);
    if (!first) continue;
    SegmentView view{.path = directory_ + "/" + name, .first = *first};
    auto file = disk_.open(view.path, OpenMode::kRead);
    if (!file && file.error().code == ErrorCode::kNotFound) continue;  // dropped just now
    if (!file) return std::unexpected(file.error());
    TD_ASSIGN(view.bytes, (*file)->size());
    std::string head(kSegmentHeaderBytes, '\0');
    TD_ASSIGN(const std::size_t got, (*file)->read_at(0, head.data(), head.size()));
    const auto header = read_segment_header({head.data(), got});
    if (!header) {
      // The last one may have been begun just now.
      if (got < kSegmentHeaderBytes && &name == &names.back()) continue;
      return std::unexpected(header.error().within("tape: " + view.path));
    }
    view.sealed = header->sealed;
    if (!views.empty()) views.back().finished = true;
    views.push_back(std::move(view));
  }
  return views;
}

Result<std::optional<SegmentView>> FolderSegments::segment_of(Offset offset) const {
  TD_ASSIGN(const auto views, all());
  if (views.empty()) return std::nullopt;
  if (offset < views.front().first) {
    return fail(ErrorCode::kNotFound,
                fmt::format("the tape no longer holds offset {}: its first is {}", offset.value,
                            views.front().first.value));
  }
  const auto after = std::ranges::upper_bound(views, offset, {}, &SegmentView::first);
  return *std::prev(after);
}

Status visit_identities(Disk& disk, market::Catalog& catalog, const SegmentView& view,
                        const std::function<void(const IdentityRun&)>& visit, bool growing) {
  TD_ASSIGN(const auto segment, OpenSegment::open(disk, catalog, view));
  if (segment->header().sealed) {
    TD_ASSIGN(const auto runs, segment->identities());
    for (const IdentityRun& run : runs) visit(run);
    return {};
  }
  IdentityTable table;
  std::uint64_t position = kSegmentHeaderBytes;
  const auto add_next = [&]() -> Result<bool> {
    TD_ASSIGN(const auto block, segment->next_block(position));
    if (!block) return false;
    TD_ASSIGN(const auto runs, segment->events(*block));
    std::vector<Slice> slices;
    for (const market::Batch& run : runs) slices.push_back({&run, 0, run.size()});
    table.add(slices);
    return true;
  };
  while (true) {
    const auto added = add_next();
    if (!added && growing && added.error().code == ErrorCode::kCorrupt) break;  // half written
    if (!added) return std::unexpected(added.error());
    if (!*added) break;
  }
  for (const IdentityRun& run : table.take()) visit(run);
  return {};
}

}  // namespace tapedeck::tape::embedded
