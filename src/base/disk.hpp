// src/base/disk.hpp: the disk as an argument. The real one, and one in memory that can lose
// everything that was not synced, as a power cut does.
// Paths are UTF-8, '/'-separated. Errors name the path and say what the system said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace tapedeck {

// Thread: one at a time for writing; read_at from any number of threads beside it.
class File {
 public:
  virtual ~File() = default;
  // All of it, or an error; after one (kNoSpace where the disk is full), a part may be in the file.
  virtual Status append(std::string_view bytes) = 0;
  // Reads up to `count` bytes at `offset`; fewer only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, char* out, std::size_t count) const = 0;
  virtual Result<std::uint64_t> size() const = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  // After it returns, what was appended survives a power cut (fdatasync). After an error it may
  // not, for good: a later call that succeeds says nothing about what this one was to sync.
  virtual Status sync() = 0;
};

// A file written in place by one and read by others beside it: a database. Who uses it agrees by
// locks on ranges of bytes and by memory that all see; both are the system's own, so other programs
// can take part. Thread: one at a time; any number of objects of one file beside each other.
class SharedFile {
 public:
  virtual ~SharedFile() = default;
  // As File's.
  virtual Result<std::size_t> read_at(std::uint64_t offset, char* out, std::size_t count) const = 0;
  virtual Result<std::uint64_t> size() const = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  virtual Status sync() = 0;
  // Overwrites what is there, and makes the file longer where it ends before. After an error, a
  // part may be in the file.
  virtual Status write_at(std::uint64_t offset, std::string_view bytes) = 0;
  enum class Lock { kNone, kShared, kExclusive };
  // Locks bytes, which need not exist, in place of what this object held of them. False: another
  // object, of any process, holds what is against it; then nothing has changed. The locks end with
  // the object and with its process.
  virtual Result<bool> lock(std::uint64_t offset, std::uint64_t count, Lock lock) = 0;
  // The bytes of the file from `offset`, which exist, as memory shared with all who map them. Lives
  // as long as this object. Bytes that a truncate has cut off must not be touched.
  virtual Result<char*> map(std::uint64_t offset, std::size_t count) = 0;
};

// Held while the object lives; the system releases it when the process dies.
class DiskLock {
 public:
  virtual ~DiskLock() = default;
};

// Sees what this and other processes do in one directory, not below it. What other machines do to a
// network file system is not seen. Thread: one at a time.
class DiskWatch {
 public:
  virtual ~DiskWatch() = default;
  // Waits until something was created, appended to, truncated, renamed or removed there since the
  // last wait (or since the watch began), for `max` at most. False: nothing was (a signal may end
  // the wait early).
  virtual Result<bool> wait(Duration max) = 0;
};

enum class OpenMode {
  kRead,    // must exist
  kAppend,  // read and append; must exist
  kCreate,  // read and append; must not exist
};

enum class ShareMode {
  kRead,           // must exist
  kWrite,          // must exist
  kWriteOrCreate,  // created where missing
};

class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<std::unique_ptr<SharedFile>> open_shared(const std::string& path,
                                                          ShareMode mode) = 0;
  // Names in `directory`, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& directory) const = 0;
  // After it returns, the directories survive a power cut.
  virtual Status create_directories(const std::string& directory) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  // Removes a directory and all in it; success where there is none.
  virtual Status remove_all(const std::string& directory) = 0;
  // After it returns, names created, renamed and removed in `directory` survive a power cut.
  virtual Status sync_directory(const std::string& directory) = 0;
  // An exclusive lock on `path`, created where missing. kBusy: another holder, of any process.
  virtual Result<std::unique_ptr<DiskLock>> lock(const std::string& path) = 0;
  virtual Result<std::uint64_t> free_bytes(const std::string& directory) const = 0;
  virtual Result<std::unique_ptr<DiskWatch>> watch(const std::string& directory) = 0;
};

// The machine's own file system. Stateless.
std::unique_ptr<Disk> real_disk();

}  // namespace tapedeck
