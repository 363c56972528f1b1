// src/base/memory_disk.hpp: a disk in memory, for tests. It knows what was synced and what was not,
// so a power cut can be played at any moment; any operation can be made to fail, and it can be
// full. Thread: any (one lock for all).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/disk.hpp"
#include "base/rng.hpp"

namespace tapedeck {

class MemoryDisk final : public Disk {
 public:
  MemoryDisk();

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  // What is written to mapped memory is not in the file, and not on the disk after a power cut.
  Result<std::unique_ptr<SharedFile>> open_shared(const std::string& path, ShareMode mode) override;
  Result<std::vector<std::string>> list(const std::string& directory) const override;
  Status create_directories(const std::string& directory) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_all(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;
  Result<std::unique_ptr<DiskLock>> lock(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& directory) const override;
  Result<std::unique_ptr<DiskWatch>> watch(const std::string& directory) override;

  // What may be left of this disk after a power cut now: all that was synced, and by chance of the
  // rest as a journalled file system may have it.
  // - Of a file: its old size, its new one or one between; each 512-byte sector written, not
  //   written (zeros, what stood there before, or now and then garbage) or torn inside. Of a sector
  //   written twice, not what it was between.
  // - Of the names: each change that was not synced in its folder, unless an earlier change of the
  //   same name is missing. Renaming is atomic.
  std::unique_ptr<MemoryDisk> after_power_cut(Rng& rng) const;

  // What a fault makes of an operation.
  struct Outcome {
    // An error becomes the operation's result, and it does nothing.
    Outcome(Status s) : status(std::move(s)) {}
    // It fails, but has done a part (0 to 1). append, write: has written so much of its bytes.
    // remove_all: has removed so many of the files. sync: has lost what it was to sync, as Linux
    // does: that can be read until a power cut, and later syncs of the file succeed without making
    // it durable.
    Outcome(Error error, double p) : status(std::unexpected(std::move(error))), part(p) {}
    Status status;
    std::optional<double> part;
  };
  // Called, under the disk's lock, before each operation with its name (that of the function:
  // "open" for both, "append", "read" for read_at, "write" for write_at, "size", "truncate",
  // "sync", "lock_range" for a file's lock but when it unlocks, "map", "list",
  // "create_directories", "rename", "remove", "remove_all", "sync_directory", "lock", "free_bytes",
  // "watch") and its path.
  using Fault = std::function<Outcome(std::string_view operation, const std::string& path)>;
  void set_fault(Fault fault);

  // Of the bytes in all files that have a name. Writing beyond it writes what fits and fails with
  // kNoSpace. Unlimited unless set.
  void set_capacity(std::uint64_t bytes);

  // Overwrites bytes in place, as a failing disk does: for certain, after a power cut too.
  void corrupt(const std::string& path, std::uint64_t offset, std::string_view bytes);
  std::string contents(const std::string& path) const;

 private:
  friend class MemoryFile;
  friend class MemorySharedFile;
  friend class MemoryLock;
  friend class MemoryWatch;
  struct Node {
    std::string bytes;        // as processes see them
    std::string durable;      // as they were when last synced
    std::size_t settled = 0;  // so many of them nobody wrote since
    std::size_t kept = 0;     // so many of them nobody cut off since
    // Not empty: those of `bytes` that are not 0 here are lost, and syncs go over them.
    std::string lost;
    // By place: what is mapped, and who locks it how. They need no disk.
    std::map<std::uint64_t, std::shared_ptr<std::string>> maps;
    std::map<std::uint64_t, std::map<const void*, SharedFile::Lock>> locks;
    void append(std::string_view more);
    void write_at(std::size_t offset, std::string_view more);
    void truncate(std::size_t size);
    void sync();
    void lose();  // what a sync would have written
    std::string survivor(Rng& rng) const;
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;
  // A file created (no `from`), removed (no `to`) or renamed.
  struct NameChange {
    std::string from;
    std::string to;
    std::shared_ptr<Node> node;
    void apply(Names& names) const;
    bool touches(const std::set<std::string>& names) const;
    void add_to(std::set<std::string>& names) const;
  };
  struct State {
    mutable std::mutex mutex;
    Names names;                       // as processes see them
    Names synced_names;                // as they are for certain after a power cut, but for ...
    std::vector<NameChange> unsynced;  // ... what changed since
    std::set<std::string> directories;
    std::set<std::string> locks;
    std::optional<std::uint64_t> capacity;
    Fault fault;
    std::map<std::string, std::uint64_t> changes;  // counted for each directory that was watched
    std::condition_variable changed;
    Outcome check(std::string_view operation, const std::string& path) const;
    void change(NameChange change);
    std::uint64_t room() const;
    void notice(const std::string& path);
    void notice(const Node* node);
  };
  std::shared_ptr<State> state_;
};

// A fault for set_fault(std::ref(x)): counts the operations that it is about and fails some of
// them. "Every operation fails once" is fail_at = 1, 2, ... until a run ends with seen < fail_at.
// Read `seen` when nobody uses the disk.
struct FaultSchedule {
  std::string operation;         // its name; empty: any
  std::uint64_t fail_at = 0;     // the first that fails, from 1; 0: none does
  std::uint64_t fail_count = 1;  // so many fail, one after the other
  ErrorCode code = ErrorCode::kIo;
  std::optional<double> part;  // see MemoryDisk::Outcome
  std::uint64_t seen = 0;

  MemoryDisk::Outcome operator()(std::string_view name, const std::string& path);
};

}  // namespace tapedeck
