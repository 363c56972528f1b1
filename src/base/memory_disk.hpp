// src/base/memory_disk.hpp: a disk in memory, for tests. It knows what was synced and what was not,
// so a power cut can be played at any moment, and any operation can be made to fail.
// Thread: any (one lock for all).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "base/rng.hpp"

namespace tapedeck {

class MemoryDisk final : public Disk {
 public:
  MemoryDisk();

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::vector<std::string>> list(const std::string& directory) const override;
  Status create_directories(const std::string& directory) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_all(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;
  Result<std::unique_ptr<DiskLock>> lock(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& directory) const override;

  // What is left of this disk after a power cut now: all that was synced, plus, of each file, a
  // random part of what was appended since, some of it perhaps lost; of the changes of names
  // that were not synced in their folder, each by chance, renaming as a whole.
  std::unique_ptr<MemoryDisk> after_power_cut(Rng& rng) const;

  // Called before each operation with its name ("append", "sync", "open", ...) and path; an error
  // that it returns becomes the operation's result and the operation does nothing.
  using Fault = std::function<Status(std::string_view operation, const std::string& path)>;
  void set_fault(Fault fault);

  // Overwrites bytes in place, as a failing disk does.
  void corrupt(const std::string& path, std::uint64_t offset, std::string_view bytes);
  std::string contents(const std::string& path) const;

 private:
  friend class MemoryFile;
  friend class MemoryLock;
  struct Node {
    std::string bytes;
    std::uint64_t synced_size = 0;
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;
  // A file created (no `from`), removed (no `to`) or renamed.
  struct NameChange {
    std::string from;
    std::string to;
    std::shared_ptr<Node> node;
    void apply(Names& names) const;
  };
  struct State {
    mutable std::mutex mutex;
    Names names;                       // as processes see them
    Names synced_names;                // as they are for certain after a power cut, but for ...
    std::vector<NameChange> unsynced;  // ... what changed since
    std::set<std::string> directories;
    std::set<std::string> locks;
    Fault fault;
    Status check(std::string_view operation, const std::string& path) const;
    void change(NameChange change);
  };
  std::shared_ptr<State> state_;
};

}  // namespace tapedeck
