#include "base/memory_disk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

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

std::size_t share(double part, std::size_t count) {
  return std::min(count, static_cast<std::size_t>(part * static_cast<double>(count)));
}

constexpr std::size_t kSectorBytes = 512;

}  // namespace

class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<MemoryDisk::State> disk, std::shared_ptr<MemoryDisk::Node> node,
             std::string path)
      : disk_(std::move(disk)), node_(std::move(node)), path_(std::move(path)) {}

  Status append(std::string_view bytes) override {
    std::lock_guard lock(disk_->mutex);
    MemoryDisk::Outcome outcome = disk_->check("append", path_);
    if (!outcome.status) bytes = bytes.substr(0, share(outcome.part.value_or(0), bytes.size()));
    const std::uint64_t room = disk_->room();
    if (outcome.status && bytes.size() > room) {
      outcome.status = fail(ErrorCode::kNoSpace,
                            fmt::format("cannot write to '{}': No space left on device", path_));
    }
    bytes = bytes.substr(0, room);
    node_->append(bytes);
    if (!bytes.empty()) disk_->notice(node_.get());
    return std::move(outcome.status);
  }
  Result<std::size_t> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
    std::lock_guard lock(disk_->mutex);
    TD_TRY(disk_->check("read", path_).status);
    if (offset >= node_->bytes.size()) return std::size_t{0};
    return node_->bytes.copy(out, count, offset);
  }
  Result<std::uint64_t> size() const override {
    std::lock_guard lock(disk_->mutex);
    TD_TRY(disk_->check("size", path_).status);
    return node_->bytes.size();
  }
  Status truncate(std::uint64_t size) override {
    std::lock_guard lock(disk_->mutex);
    TD_TRY(disk_->check("truncate", path_).status);
    node_->truncate(size);
    disk_->notice(node_.get());
    return {};
  }
  Status sync() override {
    std::lock_guard lock(disk_->mutex);
    MemoryDisk::Outcome outcome = disk_->check("sync", path_);
    if (outcome.status) node_->sync();
    if (outcome.part) node_->lose();
    return std::move(outcome.status);
  }

 private:
  std::shared_ptr<MemoryDisk::State> disk_;
  std::shared_ptr<MemoryDisk::Node> node_;
  std::string path_;
};

class MemorySharedFile final : public SharedFile {
 public:
  MemorySharedFile(const std::shared_ptr<MemoryDisk::State>& disk,
                   const std::shared_ptr<MemoryDisk::Node>& node, std::string path)
      : disk_(disk), node_(node), path_(path), file_(disk, node, std::move(path)) {}
  ~MemorySharedFile() override {
    std::lock_guard lock(disk_->mutex);
    for (auto& [place, holders] : node_->locks) holders.erase(this);
  }

  Result<std::size_t> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
    return file_.read_at(offset, out, count);
  }
  Result<std::uint64_t> size() const override { return file_.size(); }
  Status truncate(std::uint64_t size) override { return file_.truncate(size); }
  Status sync() override { return file_.sync(); }

  Status write_at(std::uint64_t offset, std::string_view bytes) override {
    std::lock_guard lock(disk_->mutex);
    MemoryDisk::Outcome outcome = disk_->check("write", path_);
    if (!outcome.status) bytes = bytes.substr(0, share(outcome.part.value_or(0), bytes.size()));
    const std::uint64_t end_max = node_->bytes.size() + disk_->room();
    if (outcome.status && offset + bytes.size() > end_max) {
      outcome.status = fail(ErrorCode::kNoSpace,
                            fmt::format("cannot write to '{}': No space left on device", path_));
    }
    bytes = bytes.substr(0, end_max > offset ? end_max - offset : 0);
    if (bytes.empty()) return std::move(outcome.status);
    node_->write_at(offset, bytes);
    disk_->notice(node_.get());
    return std::move(outcome.status);
  }

  Result<bool> lock(std::uint64_t offset, std::uint64_t count, Lock lock) override {
    std::lock_guard guard(disk_->mutex);
    if (lock != Lock::kNone) TD_TRY(disk_->check("lock_range", path_).status);
    for (std::uint64_t place = offset; place < offset + count; ++place) {
      for (const auto& [holder, held] : node_->locks[place]) {
        const bool clash = lock == Lock::kExclusive || held == Lock::kExclusive;
        if (holder != this && lock != Lock::kNone && clash) return false;
      }
    }
    for (std::uint64_t place = offset; place < offset + count; ++place) {
      if (lock == Lock::kNone) {
        node_->locks[place].erase(this);
      } else {
        node_->locks[place][this] = lock;
      }
    }
    return true;
  }

  Result<char*> map(std::uint64_t offset, std::size_t count) override {
    std::lock_guard lock(disk_->mutex);
    TD_TRY(disk_->check("map", path_).status);
    auto& bytes = node_->maps[offset];
    if (!bytes) bytes = std::make_shared<std::string>(node_->bytes.substr(offset, count));
    maps_.push_back(bytes);
    return bytes->data();
  }

 private:
  std::shared_ptr<MemoryDisk::State> disk_;
  std::shared_ptr<MemoryDisk::Node> node_;
  std::string path_;
  MemoryFile file_;
  std::vector<std::shared_ptr<std::string>> maps_;
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

class MemoryWatch final : public DiskWatch {
 public:
  MemoryWatch(std::shared_ptr<MemoryDisk::State> disk, std::string directory)
      : disk_(std::move(disk)), directory_(std::move(directory)), seen_(changes()) {}

  Result<bool> wait(Duration max) override {
    std::unique_lock lock(disk_->mutex);
    const bool changed = disk_->changed.wait_for(lock, std::chrono::nanoseconds(max.ns),
                                                 [&] { return changes() != seen_; });
    seen_ = changes();
    return changed;
  }

 private:
  std::uint64_t changes() const { return disk_->changes[directory_]; }

  std::shared_ptr<MemoryDisk::State> disk_;
  std::string directory_;
  std::uint64_t seen_;
};

void MemoryDisk::Node::append(std::string_view more) { write_at(bytes.size(), more); }

void MemoryDisk::Node::write_at(std::size_t offset, std::string_view more) {
  const std::size_t end = offset + more.size();
  settled = std::min({settled, offset, bytes.size()});
  if (bytes.size() < end) bytes.resize(end);
  more.copy(bytes.data() + offset, more.size());
  if (offset < lost.size()) {
    std::fill_n(lost.data() + offset, std::min(end, lost.size()) - offset, '\0');
  }
}

void MemoryDisk::Node::truncate(std::size_t size) {
  settled = std::min({settled, size, bytes.size()});
  kept = std::min(kept, size);
  bytes.resize(size);
  lost.resize(std::min(lost.size(), size));
  maps.erase(maps.lower_bound(size), maps.end());
}

void MemoryDisk::Node::sync() {
  durable.resize(bytes.size());
  for (std::size_t i = settled; i < bytes.size(); ++i) {
    if (i >= lost.size() || lost[i] == 0) durable[i] = bytes[i];
  }
  settled = kept = bytes.size();
}

void MemoryDisk::Node::lose() {
  lost.resize(bytes.size());
  std::fill_n(lost.data() + settled, bytes.size() - settled, '\1');
}

std::string MemoryDisk::Node::survivor(Rng& rng) const {
  const std::size_t sizes[] = {durable.size(), bytes.size(), kept,
                               kept + rng.below(bytes.size() - kept + 1)};
  const std::size_t choice = rng.below(std::size(sizes));
  std::string left(sizes[choice], '\0');
  // What was cut off may be there again, even below what was appended later, or it was freed first.
  const bool freed = choice != 0 && rng.below(2) == 0;
  const std::size_t old_end = freed ? kept : durable.size();
  const bool garbage = rng.below(4) == 0;
  const auto before = [&](std::size_t i) {
    if (i < old_end) return durable[i];
    return garbage ? static_cast<char>(rng.next()) : '\0';
  };
  enum { kAll, kNone, kUpToAPlace, kSomeSectors, kTornSectors };
  const std::uint64_t written = rng.below(kTornSectors + 1);
  const std::size_t place = settled + rng.below(bytes.size() - settled + 1);
  for (std::size_t from = 0; from < left.size(); from += kSectorBytes) {
    const std::size_t to = std::min(from + kSectorBytes, left.size());
    std::size_t written_to = from;
    if (written == kAll) written_to = to;
    if (written == kUpToAPlace) written_to = std::clamp(place, from, to);
    if (written == kSomeSectors && rng.below(2) == 0) written_to = to;
    if (written == kTornSectors) written_to = from + rng.below(to - from + 1);
    for (std::size_t i = from; i < to; ++i) {
      left[i] = i < written_to && i < bytes.size() ? bytes[i] : before(i);
    }
  }
  return left;
}

MemoryDisk::Outcome MemoryDisk::State::check(std::string_view operation,
                                             const std::string& path) const {
  return fault ? fault(operation, path) : Outcome(Status());
}

void MemoryDisk::NameChange::apply(Names& names) const {
  if (!from.empty()) names.erase(from);
  if (!to.empty()) names[to] = node;
}

bool MemoryDisk::NameChange::touches(const std::set<std::string>& names) const {
  return names.contains(from) || names.contains(to);
}

void MemoryDisk::NameChange::add_to(std::set<std::string>& names) const {
  if (!from.empty()) names.insert(from);
  if (!to.empty()) names.insert(to);
}

void MemoryDisk::State::change(NameChange change) {
  change.apply(names);
  if (!change.from.empty()) notice(change.from);
  if (!change.to.empty()) notice(change.to);
  unsynced.push_back(std::move(change));
}

std::uint64_t MemoryDisk::State::room() const {
  if (!capacity) return std::uint64_t{1} << 40;
  std::uint64_t used = 0;
  for (const auto& [path, node] : names) used += node->bytes.size();
  return *capacity > used ? *capacity - used : 0;
}

void MemoryDisk::State::notice(const std::string& path) {
  const auto watched = changes.find(parent_of(path));
  if (watched == changes.end()) return;
  ++watched->second;
  changed.notify_all();
}

void MemoryDisk::State::notice(const Node* node) {
  if (changes.empty()) return;
  for (const auto& [path, other] : names) {
    if (other.get() == node) notice(path);
  }
}

MemoryDisk::MemoryDisk() : state_(std::make_shared<State>()) {}

Result<std::unique_ptr<File>> MemoryDisk::open(const std::string& path, OpenMode mode) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("open", path).status);
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

Result<std::unique_ptr<SharedFile>> MemoryDisk::open_shared(const std::string& path,
                                                            ShareMode mode) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("open", path).status);
  auto found = state_->names.find(path);
  if (found == state_->names.end()) {
    if (mode != ShareMode::kWriteOrCreate) return not_found("open", path);
    if (!state_->directories.contains(parent_of(path))) return not_found("create", path);
    state_->change({.from = {}, .to = path, .node = std::make_shared<Node>()});
    found = state_->names.find(path);
  }
  return std::make_unique<MemorySharedFile>(state_, found->second, path);
}

Result<std::vector<std::string>> MemoryDisk::list(const std::string& directory) const {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("list", directory).status);
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
  TD_TRY(state_->check("create_directories", directory).status);
  for (std::string path = directory; !path.empty(); path = parent_of(path)) {
    if (state_->directories.insert(path).second) state_->notice(path);
  }
  return {};
}

Status MemoryDisk::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("rename", to).status);
  const auto found = state_->names.find(from);
  if (found == state_->names.end()) return not_found("rename", from);
  state_->change({.from = from, .to = to, .node = found->second});
  return {};
}

Status MemoryDisk::remove(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("remove", path).status);
  if (!state_->names.contains(path)) return not_found("remove", path);
  state_->change({.from = path, .to = {}, .node = {}});
  return {};
}

Status MemoryDisk::remove_all(const std::string& directory) {
  std::lock_guard lock(state_->mutex);
  Outcome outcome = state_->check("remove_all", directory);
  const auto inside = [&](const std::string& path) {
    return path == directory || path.starts_with(directory + "/");
  };
  std::vector<std::string> paths;
  for (const auto& [path, node] : state_->names) {
    if (inside(path)) paths.push_back(path);
  }
  if (!outcome.status) paths.resize(share(outcome.part.value_or(0), paths.size()));
  for (const std::string& path : paths) state_->change({.from = path, .to = {}, .node = {}});
  if (outcome.status && std::erase_if(state_->directories, inside) > 0) state_->notice(directory);
  return std::move(outcome.status);
}

Status MemoryDisk::sync_directory(const std::string& directory) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("sync_directory", directory).status);
  // With what changed in the folder goes what changed before it of the same names, elsewhere too.
  std::set<std::string> names;
  std::vector<bool> goes(state_->unsynced.size());
  for (std::size_t i = goes.size(); i-- > 0;) {
    const NameChange& change = state_->unsynced[i];
    goes[i] = parent_of(change.from) == directory || parent_of(change.to) == directory ||
              change.touches(names);
    if (goes[i]) change.add_to(names);
  }
  std::vector<NameChange> stays;
  for (std::size_t i = 0; i < goes.size(); ++i) {
    if (goes[i]) {
      state_->unsynced[i].apply(state_->synced_names);
    } else {
      stays.push_back(std::move(state_->unsynced[i]));
    }
  }
  state_->unsynced = std::move(stays);
  return {};
}

Result<std::unique_ptr<DiskLock>> MemoryDisk::lock(const std::string& path) {
  std::lock_guard guard(state_->mutex);
  TD_TRY(state_->check("lock", path).status);
  if (!state_->locks.insert(path).second) {
    return fail(ErrorCode::kBusy,
                fmt::format("cannot lock '{}': Resource temporarily unavailable", path));
  }
  return std::make_unique<MemoryLock>(state_, path);
}

Result<std::uint64_t> MemoryDisk::free_bytes(const std::string& directory) const {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("free_bytes", directory).status);
  return state_->room();
}

Result<std::unique_ptr<DiskWatch>> MemoryDisk::watch(const std::string& directory) {
  std::lock_guard lock(state_->mutex);
  TD_TRY(state_->check("watch", directory).status);
  if (!state_->directories.contains(directory)) return not_found("watch", directory);
  return std::make_unique<MemoryWatch>(state_, directory);
}

std::unique_ptr<MemoryDisk> MemoryDisk::after_power_cut(Rng& rng) const {
  std::lock_guard lock(state_->mutex);
  auto left = std::make_unique<MemoryDisk>();
  left->state_->directories = state_->directories;
  left->state_->capacity = state_->capacity;
  Names names = state_->synced_names;
  std::set<std::string> behind;
  for (const NameChange& change : state_->unsynced) {
    if (!change.touches(behind) && rng.below(2) == 0) {
      change.apply(names);
    } else {
      change.add_to(behind);
    }
  }
  for (const auto& [path, node] : names) {
    auto copy = std::make_shared<Node>();
    copy->bytes = copy->durable = node->survivor(rng);
    copy->settled = copy->kept = copy->bytes.size();
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

void MemoryDisk::set_capacity(std::uint64_t bytes) {
  std::lock_guard lock(state_->mutex);
  state_->capacity = bytes;
}

void MemoryDisk::corrupt(const std::string& path, std::uint64_t offset, std::string_view bytes) {
  std::lock_guard lock(state_->mutex);
  Node& node = *state_->names.at(path);
  node.bytes.replace(offset, bytes.size(), bytes);
  if (offset < node.durable.size()) {
    bytes = bytes.substr(0, node.durable.size() - offset);
    node.durable.replace(offset, bytes.size(), bytes);
  }
}

std::string MemoryDisk::contents(const std::string& path) const {
  std::lock_guard lock(state_->mutex);
  const auto found = state_->names.find(path);
  return found == state_->names.end() ? std::string() : found->second->bytes;
}

MemoryDisk::Outcome FaultSchedule::operator()(std::string_view name, const std::string& path) {
  if (!operation.empty() && name != operation) return Status();
  ++seen;
  if (fail_at == 0 || seen < fail_at || seen - fail_at >= fail_count) return Status();
  Error error{code, fmt::format("cannot {} '{}': told to fail", name, path)};
  if (part) return {std::move(error), *part};
  return Status(std::unexpected(std::move(error)));
}

}  // namespace tapedeck
