// src/store/embedded/disk_vfs.hpp: SQLite's files on a Disk. The locks and the shared memory are
// those of SQLite's own file layer, byte for byte, so `sqlite3` reads beside us.
// Where a database reserves kReservedBytes at the end of its pages, they hold the page's CRC-32C
// and its number: a page that is not as it was written is an error, never a wrong value. Another
// program must not write to it, but it may copy our log into it, as `sqlite3` does after a crash.
// Thread: one connection, one at a time. Make one of these for each.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/disk.hpp"

namespace tapedeck::store::embedded {

inline constexpr int kReservedBytes = 8;
inline constexpr std::size_t kPageBytes = 4096;  // of databases that have checksums

class DiskVfs {
 public:
  explicit DiskVfs(Disk& disk);  // outlives this
  ~DiskVfs();                    // after its connection was closed
  DiskVfs(const DiskVfs&) = delete;
  DiskVfs& operator=(const DiskVfs&) = delete;

  const char* name() const;
  // What SQLite is given to open `path`: it has a meaning of its own for some names.
  static std::string name_of(const std::string& path) { return "./" + path; }

  // What failed last: more than SQLite tells.
  const std::optional<Error>& error() const;
  void forget_error();

 private:
  std::unique_ptr<struct VfsState> state_;
};

// What `sqlite3` copied into the database has no checksums: gives it some. For who alone writes to
// it, before it is opened.
Status add_checksums(Disk& disk, const std::string& path);

}  // namespace tapedeck::store::embedded
