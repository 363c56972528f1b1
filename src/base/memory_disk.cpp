#include "base/memory_disk.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.hpp"

namespace tapedeck {
namespace {

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == path.npos ? std::string() : path.substr(0, slash);
}

std::unexpected<Error> not_found(std::string_view action, const std::string& path) {
  return fail(ErrorCode::kNotFound,
              fmt::format("cannot {} '{}': No such file or directory", action, path));
}

}  // namespace

class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<MemoryDisk::State> disk, std::shared_ptr<MemoryDisk::Node> node,
             std::string path)
      : disk_(std::move(disk)), node_(std::move(node)), path_(std::move(path)) {}

  Status append(std::string_view bytes) override {
    std::lock_guard lock(disk_->mutex);
    TD_TRY(disk_->check("append", path_));
    node_->bytes += bytes;
    return {};
  }
  Result<std::size_t> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
    std::lock_guard lock(disk_->mutex);
    TD_TRY(disk_->check("read", path_));
    if (offset >= node_->bytes.size()) return std::size_t{0};
    return node_->bytes.copy(out, count, offset);
  }
  Result<std::uint64_t> size() const override {
    std::lock_guard lock(disk_->mutex);
    return node_->bytes.size();
  }
  Status truncate(std::uint64_t size) override {
    std::lock_guard lock(disk_->mutex);
    TD_TRY(disk_->check("truncate", path_));
    node_->bytes.resize(size);
    node_->synced_size = std::min<std::uint64_t>(node_->synced_size, size);
    return {};
  }
  Status sync() override {
    std::lock_guard lock(disk_->mutex);
    TD_TRY(disk_->check("sync", path_));
    node_->synced_size = node_->bytes.size();
    return {};
  }

 private:
  std::shared_ptr<MemoryDisk::State> disk_;
  std::shared_ptr<MemoryDisk::Node> node_;
  std::string path_;
};

class MemoryLock final : public DiskLock {
 public:
  MemoryLock(std::shared_ptr<MemoryDisk::State> disk, std::string path)
      : disk_(std::move(disk)), path_(std::move(path)) {}
  ~MemoryLock() override {
    std::lock_guard lock(disk_->mutex);
    disk_->locks.erase(path_);
  }

 private:
  std::shared_ptr<MemoryDisk::State> disk_;
  std::string path_;
};

Status MemoryDisk::State::check(std::string_view operation, const std::string& path) const {
  if (!fault) return {};
  return fault(operation, path);
}

void MemoryDisk::NameChange::apply(Names& names) const {
  if (!from.empty()) names.erase(from);
  if (!to.empty()) names[to] = node;
}

void MemoryDisk::State::change(NameChange change) {
  change.apply(names);
  unsynced.push_back(std::move(change));
}

MemoryDisk::MemoryDisk() : state_(std::make_shared<State>()) {}

Result<std::unique_ptr<File>> MemoryDisk::open(const std::string& path, OpenMode mode) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("open", path));
  auto found = state_->names.find(path);
  if (mode == OpenMode::kCreate) {
    if (found != state_->names.end()) {
      return fail(ErrorCode::kAlreadyExists, fmt::format("cannot create '{}': File exists", path));
    }
    if (!state_->directories.contains(parent_of(path))) return not_found("create", path);
    state_->change({.from = {}, .to = path, .node = std::make_shared<Node>()});
    found = state_->names.find(path);
  }
  if (found == state_->names.end()) return not_found("open", path);
  return std::make_unique<MemoryFile>(state_, found->second, path);
}

Result<std::vector<std::string>> MemoryDisk::list(const std::string& directory) const {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("list", directory));
  if (!state_->directories.contains(directory)) return not_found("list", directory);
  std::set<std::string> names;
  const std::string prefix = directory + "/";
  const auto add = [&](const std::string& path) {
    if (path.starts_with(prefix)) {
      names.insert(path.substr(prefix.size(), path.find('/', prefix.size()) - prefix.size()));
    }
  };
  for (const auto& [path, node] : state_->names) add(path);
  for (const auto& path : state_->directories) add(path);
  return std::vector<std::string>(names.begin(), names.end());
}

Status MemoryDisk::create_directories(const std::string& directory) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("mkdir", directory));
  for (std::string path = directory; !path.empty(); path = parent_of(path)) {
    state_->directories.insert(path);
  }
  return {};
}

Status MemoryDisk::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("rename", to));
  const auto found = state_->names.find(from);
  if (found == state_->names.end()) return not_found("rename", from);
  state_->change({.from = from, .to = to, .node = found->second});
  return {};
}

Status MemoryDisk::remove(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("remove", path));
  if (!state_->names.contains(path)) return not_found("remove", path);
  state_->change({.from = path, .to = {}, .node = {}});
  return {};
}

Status MemoryDisk::remove_all(const std::string& directory) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("remove", directory));
  const auto inside = [&](const std::string& path) {
    return path == directory || path.starts_with(directory + "/");
  };
  const Names names = state_->names;
  for (const auto& [path, node] : names) {
    if (inside(path)) state_->change({.from = path, .to = {}, .node = {}});
  }
  std::erase_if(state_->directories, inside);
  return {};
}

Status MemoryDisk::sync_directory(const std::string& directory) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("sync_directory", directory));
  std::erase_if(state_->unsynced, [&](const NameChange& change) {
    const bool here = parent_of(change.from) == directory || parent_of(change.to) == directory;
    if (here) change.apply(state_->synced_names);
    return here;
  });
  return {};
}

Result<std::unique_ptr<DiskLock>> MemoryDisk::lock(const std::string& path) {
  std::lock_guard guard(state_->mutex);
  TD_TRY(state_->check("lock", path));
  if (!state_->locks.insert(path).second) {
    return fail(ErrorCode::kBusy,
                fmt::format("cannot lock '{}': Resource temporarily unavailable", path));
  }
  return std::make_unique<MemoryLock>(state_, path);
}

Result<std::uint64_t> MemoryDisk::free_bytes(const std::string& directory) const {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("free_bytes", directory));
  return std::uint64_t{1} << 40;
}

std::unique_ptr<MemoryDisk> MemoryDisk::after_power_cut(Rng& rng) const {
  std::lock_guard lock(state_->mutex);
  auto left = std::make_unique<MemoryDisk>();
  left->state_->directories = state_->directories;
  const auto survivor = [&](const Node& node) {
    auto copy = std::make_shared<Node>();
    const std::uint64_t unsynced = node.bytes.size() - node.synced_size;
    const std::uint64_t kept = node.synced_size + (unsynced > 0 ? rng.below(unsynced + 1) : 0);
    copy->bytes = node.bytes.substr(0, kept);
    // Writes reach the disk in any order: a part of what was not synced may be missing (zeros, or
    // what stood there before) while what was written after it is there.
    if (kept > node.synced_size && rng.below(2) == 0) {
      const std::uint64_t from = node.synced_size + rng.below(kept - node.synced_size);
      const std::uint64_t to = from + 1 + rng.below(kept - from);
      const bool zeros = rng.below(2) == 0;
      for (std::uint64_t i = from; i < to; ++i) {
        copy->bytes[i] = zeros ? '\0' : static_cast<char>(rng.next());
      }
    }
    copy->synced_size = copy->bytes.size();
    return copy;
  };
  Names names = state_->synced_names;
  for (const NameChange& change : state_->unsynced) {
    if (rng.below(2) == 0) change.apply(names);
  }
  std::map<const Node*, std::shared_ptr<Node>> copies;
  for (const auto& [path, node] : names) {
    auto& copy = copies[node.get()];
    if (!copy) copy = survivor(*node);
    left->state_->names[path] = copy;
    left->state_->synced_names[path] = copy;
    for (std::string parent = parent_of(path); !parent.empty(); parent = parent_of(parent)) {
      left->state_->directories.insert(parent);
    }
  }
  return left;
}

void MemoryDisk::set_fault(Fault fault) {
  std::lock_guard lock(state_->mutex);
  state_->fault = std::move(fault);
}

void MemoryDisk::corrupt(const std::string& path, std::uint64_t offset, std::string_view bytes) {
  std::lock_guard lock(state_->mutex);
  state_->names.at(path)->bytes.replace(offset, bytes.size(), bytes);
}

std::string MemoryDisk::contents(const std::string& path) const {
  std::lock_guard lock(state_->mutex);
  const auto found = state_->names.find(path);
  return found == state_->names.end() ? std::string() : found->second->bytes;
}

}  // namespace tapedeck
