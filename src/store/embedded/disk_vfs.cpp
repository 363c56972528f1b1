#include "store/embedded/disk_vfs.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <cstring>
#include <new>
#include <vector>

#include "base/crc32c.hpp"

namespace tapedeck::store::embedded {
namespace {

// Of SQLite's file format: which bytes are locked for what.
constexpr std::uint64_t kPendingByte = 0x4000'0000;
constexpr std::uint64_t kReservedByte = kPendingByte + 1;
constexpr std::uint64_t kSharedFirst = kPendingByte + 2;
constexpr std::uint64_t kSharedBytes = 510;
constexpr std::uint64_t kMemoryLocks = 120;
constexpr std::uint64_t kMemoryInUse = kMemoryLocks + SQLITE_SHM_NLOCK;
constexpr std::size_t kReservedField = 20;  // in the first page: bytes reserved in each

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The last bytes of a page: CRC-32C of the others and of the page's number, which is from 1; then
// the number.
std::array<char, kReservedBytes> checksum(const char* page, std::uint64_t offset) {
  const auto number = static_cast<std::uint32_t>(offset / kPageBytes + 1);
  std::array<char, kReservedBytes> bytes{};
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
  };
  put(4, number);
  const std::uint32_t crc = crc32c({page, kPageBytes - kReservedBytes});
  put(0, crc32c({bytes.data() + 4, 4}, crc));
  return bytes;
}

bool is_intact(const char* page, std::uint64_t offset) {
  const auto wanted = checksum(page, offset);
  return std::memcmp(page + kPageBytes - kReservedBytes, wanted.data(), wanted.size()) == 0;
}

bool is_blank(const char* page) {
  const std::string_view sum(page + kPageBytes - kReservedBytes, kReservedBytes);
  return sum.find_first_not_of('\0') == sum.npos;
}

bool is_page(std::uint64_t offset, std::size_t count) {
  return count == kPageBytes && offset % kPageBytes == 0;
}

}  // namespace

struct VfsState {
  Disk& disk;
  std::string name;
  sqlite3_vfs vfs{};
  std::optional<Error> error{};

  // Notes why, and gives SQLite's word for it.
  int failed(Error why, int code) {
    if (why.code == ErrorCode::kNoSpace) code = SQLITE_FULL;
    if (why.code == ErrorCode::kCorrupt) code = SQLITE_CORRUPT;
    error = std::move(why);
    return code;
  }
  template <class T>
  int done(const Result<T>& result, int code) {
    return result ? SQLITE_OK : failed(result.error(), code);
  }
};

namespace {

class DiskFile {
 public:
  DiskFile(VfsState& vfs, std::string path, std::unique_ptr<SharedFile> file, int flags)
      : vfs_(vfs),
        path_(std::move(path)),
        file_(std::move(file)),
        is_database_((flags & SQLITE_OPEN_MAIN_DB) != 0),
        is_log_((flags & SQLITE_OPEN_WAL) != 0),
        is_name_synced_((flags & SQLITE_OPEN_CREATE) == 0),
        may_be_lost_(is_log_) {}

  int read(char* out, std::size_t count, std::uint64_t offset) {
    const auto got = file_->read_at(offset, out, count);
    if (!got) return vfs_.failed(got.error(), SQLITE_IOERR_READ);
    std::memset(out + *got, 0, count - *got);
    if (is_database_) {
      if (offset == 0 && count > kReservedField)
        has_checksums_ = out[kReservedField] == kReservedBytes;
      if (!take_checksum(out, count, *got, offset)) {
        return vfs_.failed(
            {ErrorCode::kCorrupt,
             fmt::format("'{}' is damaged at byte {}, or another program wrote to it", path_,
                         offset)},
            SQLITE_CORRUPT);
      }
    }
    return *got == count ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
  }

  int write(const char* bytes, std::size_t count, std::uint64_t offset) {
    if (is_database_ && offset == 0 && count > kReservedField) {
      has_checksums_ = bytes[kReservedField] == kReservedBytes;
    }
    if (!is_database_ || !has_checksums_ || !is_page(offset, count)) {
      return vfs_.done(file_->write_at(offset, {bytes, count}), SQLITE_IOERR_WRITE);
    }
    std::array<char, kPageBytes> page;
    std::memcpy(page.data(), bytes, kPageBytes);
    const auto sum = checksum(bytes, offset);
    std::memcpy(page.data() + kPageBytes - sum.size(), sum.data(), sum.size());
    return vfs_.done(file_->write_at(offset, {page.data(), kPageBytes}), SQLITE_IOERR_WRITE);
  }

  int truncate(std::uint64_t size) {
    return vfs_.done(file_->truncate(size), SQLITE_IOERR_TRUNCATE);
  }

  int size(sqlite3_int64* out) {
    const auto size = file_->size();
    if (size) *out = static_cast<sqlite3_int64>(*size);
    return vfs_.done(size, SQLITE_IOERR_FSTAT);
  }

  // A sync that failed may have lost for good what it was to write, in this life of the program or
  // in an earlier one, and the next would not tell. What the log holds can still be read, and a
  // checkpoint relies on it: so it is written again. Of a database, SQLite itself does so.
  int sync() {
    if (is_log_ && may_be_lost_) {
      if (Status again = write_again(); !again) return vfs_.done(again, SQLITE_IOERR_FSYNC);
    }
    may_be_lost_ = true;
    Status synced = file_->sync();
    if (synced) may_be_lost_ = false;
    if (synced && !is_name_synced_) {
      synced = vfs_.disk.sync_directory(folder_of(path_));
      is_name_synced_ = synced.has_value();
    }
    return vfs_.done(synced, SQLITE_IOERR_FSYNC);
  }

  int lock(int level) {
    using enum SharedFile::Lock;
    if (level <= level_) return SQLITE_OK;
    if (level_ == SQLITE_LOCK_NONE) {
      // Who wants all of it holds the pending byte: it waits for those who read, and no new ones
      // come.
      if (const int code = take(kPendingByte, 1, kShared); code != SQLITE_OK) return code;
      const int code = take(kSharedFirst, kSharedBytes, kShared);
      give_back(kPendingByte, 1);
      if (code != SQLITE_OK) return code;
      level_ = SQLITE_LOCK_SHARED;
    } else if (level == SQLITE_LOCK_RESERVED) {
      if (const int code = take(kReservedByte, 1, kExclusive); code != SQLITE_OK) return code;
      level_ = level;
    } else {
      if (const int code = take(kPendingByte, 1, kExclusive); code != SQLITE_OK) return code;
      level_ = SQLITE_LOCK_PENDING;
      const int code = take(kSharedFirst, kSharedBytes, kExclusive);
      if (code != SQLITE_OK) return code;
      level_ = SQLITE_LOCK_EXCLUSIVE;
    }
    return SQLITE_OK;
  }

  int unlock(int level) {
    if (level_ <= level) return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED) {
      if (level_ == SQLITE_LOCK_EXCLUSIVE) {
        const int code = take(kSharedFirst, kSharedBytes, SharedFile::Lock::kShared);
        if (code != SQLITE_OK) return SQLITE_IOERR_UNLOCK;
      }
      give_back(kPendingByte, 2);
    } else {
      give_back(kPendingByte, 2 + kSharedBytes);
    }
    level_ = level;
    return SQLITE_OK;
  }

  int check_reserved(int* out) {
    *out = 1;
    if (level_ >= SQLITE_LOCK_RESERVED) return SQLITE_OK;
    const int code = take(kReservedByte, 1, SharedFile::Lock::kShared);
    if (code == SQLITE_BUSY) return SQLITE_OK;
    *out = 0;
    if (code == SQLITE_OK) give_back(kReservedByte, 1);
    return code;
  }

  // ---- The memory that the connections to a log share

  int map(std::size_t index, std::size_t count, bool extend, void volatile** out) {
    *out = nullptr;
    if (!memory_) {
      if (const int code = open_memory(); code != SQLITE_OK) return code;
    }
    while (regions_.size() <= index) {
      const std::uint64_t from = regions_.size() * count;
      const auto size = memory_->size();
      if (!size) return vfs_.failed(size.error(), SQLITE_IOERR_SHMSIZE);
      if (*size < from + count) {
        if (!extend) return SQLITE_OK;
        // Written, so that there is no page without room on the disk behind it.
        const Status written = memory_->write_at(*size, std::string(from + count - *size, '\0'));
        if (!written) return vfs_.failed(written.error(), SQLITE_IOERR_SHMSIZE);
      }
      const auto region = memory_->map(from, count);
      if (!region) return vfs_.failed(region.error(), SQLITE_IOERR_SHMMAP);
      regions_.push_back(*region);
    }
    *out = regions_[index];
    return SQLITE_OK;
  }

  int lock_memory(int first, int count, int flags) {
    const std::uint64_t from = kMemoryLocks + static_cast<std::uint64_t>(first);
    auto lock = SharedFile::Lock::kNone;
    if ((flags & SQLITE_SHM_LOCK) != 0) {
      const bool shared = (flags & SQLITE_SHM_SHARED) != 0;
      lock = shared ? SharedFile::Lock::kShared : SharedFile::Lock::kExclusive;
    }
    return take_of(*memory_, from, static_cast<std::uint64_t>(count), lock);
  }

  int unmap(bool remove) {
    if (!memory_) return SQLITE_OK;
    regions_.clear();
    memory_.reset();
    if (!remove) return SQLITE_OK;
    const Status removed = vfs_.disk.remove(memory_path());
    if (!removed && removed.error().code != ErrorCode::kNotFound) {
      return vfs_.failed(removed.error(), SQLITE_IOERR_DELETE);
    }
    return SQLITE_OK;
  }

 private:
  // Verifies a page and takes its checksum out: SQLite hands it on with what it writes to the log.
  // A page without one is of a program that copied our log into the database, which copied the
  // first page too: each write changes that.
  bool take_checksum(char* bytes, std::size_t count, std::size_t got, std::uint64_t offset) {
    if (!has_checksums_ || count < 512) return true;  // a look into the header is no page
    if (!is_page(offset, count) || got < count) return false;
    const bool has_one = !is_blank(bytes);
    if (offset == 0) may_lack_checksums_ = !has_one;
    if (has_one ? !is_intact(bytes, offset) : !may_lack_checksums_) return false;
    std::memset(bytes + kPageBytes - kReservedBytes, 0, kReservedBytes);
    return true;
  }

  Status write_again() {
    TD_ASSIGN(const std::uint64_t size, file_->size());
    std::string bytes(std::size_t{1} << 16, '\0');
    for (std::uint64_t offset = 0; offset < size;) {
      TD_ASSIGN(const std::size_t got, file_->read_at(offset, bytes.data(), bytes.size()));
      if (got == 0) break;
      TD_TRY(file_->write_at(offset, std::string_view(bytes).substr(0, got)));
      offset += got;
    }
    return {};
  }

  int take_of(SharedFile& file, std::uint64_t offset, std::uint64_t count, SharedFile::Lock lock) {
    const auto taken = file.lock(offset, count, lock);
    if (!taken) return vfs_.failed(taken.error(), SQLITE_IOERR_LOCK);
    return *taken ? SQLITE_OK : SQLITE_BUSY;
  }
  int take(std::uint64_t offset, std::uint64_t count, SharedFile::Lock lock) {
    return take_of(*file_, offset, count, lock);
  }
  // Cannot fail: it takes nothing from anybody.
  void give_back(std::uint64_t offset, std::uint64_t count) {
    (void)file_->lock(offset, count, SharedFile::Lock::kNone);
  }

  std::string memory_path() const { return path_ + "-shm"; }

  // Who comes first finds what a dead process left: it begins anew, and SQLite fills it from the
  // log.
  int open_memory() {
    auto memory = vfs_.disk.open_shared(memory_path(), ShareMode::kWriteOrCreate);
    if (!memory) return vfs_.failed(memory.error(), SQLITE_CANTOPEN);
    const int alone = take_of(**memory, kMemoryInUse, 1, SharedFile::Lock::kExclusive);
    if (alone == SQLITE_OK) {
      const Status emptied = (*memory)->truncate(0);
      if (!emptied) return vfs_.failed(emptied.error(), SQLITE_IOERR_SHMOPEN);
    } else if (alone != SQLITE_BUSY) {
      return alone;
    }
    const int code = take_of(**memory, kMemoryInUse, 1, SharedFile::Lock::kShared);
    if (code == SQLITE_OK) memory_ = *std::move(memory);
    return code;
  }

  VfsState& vfs_;
  const std::string path_;
  const std::unique_ptr<SharedFile> file_;
  const bool is_database_;
  const bool is_log_;
  bool is_name_synced_;
  bool may_be_lost_;
  bool has_checksums_ = false;
  bool may_lack_checksums_ = false;
  int level_ = SQLITE_LOCK_NONE;
  std::unique_ptr<SharedFile> memory_;
  std::vector<char*> regions_;
};

// ---- What SQLite calls

struct OpenFile {
  sqlite3_file base;  // SQLite's own, which comes first
  DiskFile* file;
};

DiskFile& of(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file)->file; }
VfsState& of(sqlite3_vfs* vfs) { return *static_cast<VfsState*>(vfs->pAppData); }

const sqlite3_io_methods kMethods{
    .iVersion = 2,
    .xClose =
        [](sqlite3_file* file) noexcept {
          delete reinterpret_cast<OpenFile*>(file)->file;
          file->pMethods = nullptr;
          return SQLITE_OK;
        },
    .xRead =
        [](sqlite3_file* file, void* out, int count, sqlite3_int64 offset) noexcept {
          return of(file).read(static_cast<char*>(out), static_cast<std::size_t>(count),
                               static_cast<std::uint64_t>(offset));
        },
    .xWrite =
        [](sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) noexcept {
          return of(file).write(static_cast<const char*>(bytes), static_cast<std::size_t>(count),
                                static_cast<std::uint64_t>(offset));
        },
    .xTruncate =
        [](sqlite3_file* file, sqlite3_int64 size) noexcept {
          return of(file).truncate(static_cast<std::uint64_t>(size));
        },
    .xSync = [](sqlite3_file* file, int) noexcept { return of(file).sync(); },
    .xFileSize = [](sqlite3_file* file,
                    sqlite3_int64* size) noexcept { return of(file).size(size); },
    .xLock = [](sqlite3_file* file, int level) noexcept { return of(file).lock(level); },
    .xUnlock = [](sqlite3_file* file, int level) noexcept { return of(file).unlock(level); },
    .xCheckReservedLock = [](sqlite3_file* file,
                             int* out) noexcept { return of(file).check_reserved(out); },
    .xFileControl = [](sqlite3_file*, int, void*) noexcept { return SQLITE_NOTFOUND; },
    .xSectorSize = [](sqlite3_file*) noexcept { return 512; },
    .xDeviceCharacteristics =
        [](sqlite3_file*) noexcept { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; },
    .xShmMap =
        [](sqlite3_file* file, int index, int count, int extend, void volatile** out) noexcept {
          return of(file).map(static_cast<std::size_t>(index), static_cast<std::size_t>(count),
                              extend != 0, out);
        },
    .xShmLock = [](sqlite3_file* file, int first, int count,
                   int flags) noexcept { return of(file).lock_memory(first, count, flags); },
    .xShmBarrier = [](sqlite3_file*) noexcept { __sync_synchronize(); },
    .xShmUnmap = [](sqlite3_file* file,
                    int remove) noexcept { return of(file).unmap(remove != 0); },
    .xFetch = nullptr,
    .xUnfetch = nullptr};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* out, int flags,
              int* out_flags) noexcept {
  out->pMethods = nullptr;
  if (name == nullptr) return SQLITE_CANTOPEN;  // temporary: those are kept in memory
  VfsState& state = of(vfs);
  auto mode = ShareMode::kRead;
  if ((flags & SQLITE_OPEN_READWRITE) != 0) mode = ShareMode::kWrite;
  if ((flags & SQLITE_OPEN_CREATE) != 0) mode = ShareMode::kWriteOrCreate;
  auto file = state.disk.open_shared(name, mode);
  if (!file) return state.failed(file.error(), SQLITE_CANTOPEN);
  auto* const opened = new (std::nothrow) DiskFile(state, name, *std::move(file), flags);
  if (opened == nullptr) return SQLITE_NOMEM;
  reinterpret_cast<OpenFile*>(out)->file = opened;
  out->pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int remove_file(sqlite3_vfs* vfs, const char* name, int sync_folder) noexcept {
  VfsState& state = of(vfs);
  const Status removed = state.disk.remove(name);
  if (!removed && removed.error().code == ErrorCode::kNotFound) return SQLITE_IOERR_DELETE_NOENT;
  if (!removed) return state.failed(removed.error(), SQLITE_IOERR_DELETE);
  if (sync_folder == 0) return SQLITE_OK;
  return state.done(state.disk.sync_directory(folder_of(name)), SQLITE_IOERR_DIR_FSYNC);
}

// Whether there is such a file with something in it; nothing else is asked of a file of one's own.
int look_at_file(sqlite3_vfs* vfs, const char* name, int, int* out) noexcept {
  VfsState& state = of(vfs);
  *out = 0;
  const auto file = state.disk.open_shared(name, ShareMode::kRead);
  if (!file && file.error().code == ErrorCode::kNotFound) return SQLITE_OK;
  if (!file) return state.failed(file.error(), SQLITE_IOERR_ACCESS);
  const auto size = (*file)->size();
  if (!size) return state.failed(size.error(), SQLITE_IOERR_ACCESS);
  *out = *size > 0;
  return SQLITE_OK;
}

// Undoes name_of().
int full_name(sqlite3_vfs*, const char* name, int count, char* out) noexcept {
  const std::string_view path(name + 2);
  if (path.size() >= static_cast<std::size_t>(count)) return SQLITE_CANTOPEN;
  path.copy(out, path.size());
  out[path.size()] = '\0';
  return SQLITE_OK;
}

sqlite3_vfs* usual() { return sqlite3_vfs_find("unix"); }

}  // namespace

DiskVfs::DiskVfs(Disk& disk) : state_(new VfsState{.disk = disk, .name = {}}) {
  state_->name = fmt::format("tapedeck-{}", static_cast<const void*>(state_.get()));
  sqlite3_vfs& vfs = state_->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(OpenFile);
  vfs.mxPathname = 4096;
  vfs.zName = state_->name.c_str();
  vfs.pAppData = state_.get();
  vfs.xOpen = open_file;
  vfs.xDelete = remove_file;
  vfs.xAccess = look_at_file;
  vfs.xFullPathname = full_name;
  vfs.xRandomness = [](sqlite3_vfs*, int count, char* out) {
    return usual()->xRandomness(usual(), count, out);
  };
  vfs.xSleep = [](sqlite3_vfs*, int us) { return usual()->xSleep(usual(), us); };
  vfs.xCurrentTime = [](sqlite3_vfs*, double* out) { return usual()->xCurrentTime(usual(), out); };
  vfs.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
  vfs.xCurrentTimeInt64 = [](sqlite3_vfs*, sqlite3_int64* out) {
    return usual()->xCurrentTimeInt64(usual(), out);
  };
  sqlite3_vfs_register(&vfs, 0);
}

DiskVfs::~DiskVfs() { sqlite3_vfs_unregister(&state_->vfs); }

Status add_checksums(Disk& disk, const std::string& path) {
  auto file = disk.open_shared(path, ShareMode::kWrite);
  if (!file && file.error().code == ErrorCode::kNotFound) return {};
  if (!file) return std::unexpected(std::move(file.error()));
  std::array<char, kPageBytes> page;
  const auto read = [&](std::uint64_t offset) -> Result<bool> {
    TD_ASSIGN(const std::size_t got, (*file)->read_at(offset, page.data(), page.size()));
    return got == page.size();
  };
  const auto add = [&](std::uint64_t offset) -> Status {
    const auto sum = checksum(page.data(), offset);
    return (*file)->write_at(offset + kPageBytes - sum.size(), {sum.data(), sum.size()});
  };
  TD_ASSIGN(const bool has_first, read(0));
  if (!has_first || page[kReservedField] != kReservedBytes || !is_blank(page.data())) return {};
  for (std::uint64_t offset = kPageBytes;; offset += kPageBytes) {
    TD_ASSIGN(const bool is_there, read(offset));
    if (!is_there) break;
    if (is_blank(page.data())) TD_TRY(add(offset));
  }
  // The first page last: it tells that the others lack theirs.
  TD_TRY((*file)->sync());
  TD_TRY(read(0));
  TD_TRY(add(0));
  return (*file)->sync();
}

const char* DiskVfs::name() const { return state_->name.c_str(); }
const std::optional<Error>& DiskVfs::error() const { return state_->error; }
void DiskVfs::forget_error() { state_->error.reset(); }

}  // namespace tapedeck::store::embedded
