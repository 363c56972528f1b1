#include "base/disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace tapedeck {
namespace {

std::unexpected<Error> fail_errno(std::string_view action, const std::string& path, int number) {
  ErrorCode code = ErrorCode::kIo;
  switch (number) {
    case ENOENT:
      code = ErrorCode::kNotFound;
      break;
    case EEXIST:
      code = ErrorCode::kAlreadyExists;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::kPermission;
      break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:  // the size limit of a file: the process's or the file system's
      code = ErrorCode::kNoSpace;
      break;
    case EWOULDBLOCK:
      code = ErrorCode::kBusy;
      break;
    default:
      break;
  }
  return fail(code, fmt::format("cannot {} '{}': {}", action, path,
                                std::generic_category().message(number)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

class RealFile final : public File {
 public:
  RealFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Status append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        return fail_errno("write to", path_, errno);
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
    std::size_t done = 0;
    while (done < count) {
      const ssize_t got =
          ::pread(fd_.get(), out + done, count - done, static_cast<off_t>(offset + done));
      if (got < 0) {
        if (errno == EINTR) continue;
        return fail_errno("read", path_, errno);
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<std::uint64_t> size() const override {
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) return fail_errno("look at", path_, errno);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Status truncate(std::uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
      return fail_errno("truncate", path_, errno);
    }
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_.get()) != 0) return fail_errno("sync", path_, errno);
    return {};
  }

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

 private:
  Descriptor fd_;
  std::string path_;
};

class RealSharedFile final : public SharedFile {
 public:
  RealSharedFile(int fd, std::string path, bool writable)
      : file_(fd, std::move(path)), writable_(writable) {}
  ~RealSharedFile() override {
    for (const auto& [address, count] : maps_) ::munmap(address, count);
  }
  RealSharedFile(const RealSharedFile&) = delete;
  RealSharedFile& operator=(const RealSharedFile&) = delete;

  Result<std::size_t> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
    return file_.read_at(offset, out, count);
  }
  Result<std::uint64_t> size() const override { return file_.size(); }
  Status truncate(std::uint64_t size) override { return file_.truncate(size); }
  Status sync() override { return file_.sync(); }

  Status write_at(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(file_.fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0) {
        if (errno == EINTR) continue;
        return fail_errno("write to", file_.path(), errno);
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
    return {};
  }

  // Open file description locks: they are against those of other objects in this process too, and
  // closing another descriptor of the file does not end them.
  Result<bool> lock(std::uint64_t offset, std::uint64_t count, Lock lock) override {
    struct flock range{};
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(offset);
    range.l_len = static_cast<off_t>(count);
    range.l_type = F_UNLCK;
    if (lock == Lock::kShared) range.l_type = F_RDLCK;
    if (lock == Lock::kExclusive) range.l_type = F_WRLCK;
    while (::fcntl(file_.fd(), F_OFD_SETLK, &range) != 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EACCES) return false;
      return fail_errno("lock a part of", file_.path(), errno);
    }
    return true;
  }

  Result<char*> map(std::uint64_t offset, std::size_t count) override {
    const std::size_t lead = offset % static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const int access = writable_ ? PROT_READ | PROT_WRITE : PROT_READ;
    void* address = ::mmap(nullptr, count + lead, access, MAP_SHARED, file_.fd(),
                           static_cast<off_t>(offset - lead));
    if (address == MAP_FAILED) return fail_errno("map", file_.path(), errno);
    maps_.emplace_back(address, count + lead);
    return static_cast<char*>(address) + lead;
  }

 private:
  RealFile file_;
  bool writable_;
  std::vector<std::pair<void*, std::size_t>> maps_;
};

class RealLock final : public DiskLock {
 public:
  explicit RealLock(int fd) : fd_(fd) {}

 private:
  Descriptor fd_;
};

class RealWatch final : public DiskWatch {
 public:
  RealWatch(int fd, std::string directory) : fd_(fd), directory_(std::move(directory)) {}

  Result<bool> wait(Duration max) override {
    const std::int64_t ns = std::max<std::int64_t>(max.ns, 0);
    const timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
    pollfd poll{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const int ready = ::ppoll(&poll, 1, &timeout, nullptr);
    if (ready > 0) return drain();
    if (ready == 0 || errno == EINTR) return false;
    return fail_errno("watch", directory_, errno);
  }

 private:
  // What happened is all that is asked, not what. An overflowing queue is an event too.
  Result<bool> drain() {
    std::array<char, 4096> events;
    while (true) {
      const ssize_t got = ::read(fd_.get(), events.data(), events.size());
      if (got > 0 || (got < 0 && errno == EINTR)) continue;
      if (got < 0 && errno != EAGAIN) return fail_errno("watch", directory_, errno);
      return true;
    }
  }

  Descriptor fd_;
  std::string directory_;
};

class RealDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    // A pipe would be waited for.
    if (mode == OpenMode::kRead) flags |= O_RDONLY | O_NONBLOCK;
    if (mode == OpenMode::kAppend) flags |= O_RDWR | O_APPEND;
    if (mode == OpenMode::kCreate) flags |= O_RDWR | O_APPEND | O_CREAT | O_EXCL;
    const int fd = ::open(path.c_str(), flags, 0640);
    if (fd < 0) return fail_errno(mode == OpenMode::kCreate ? "create" : "open", path, errno);
    struct stat info{};
    const bool is_known = ::fstat(fd, &info) == 0;
    if (is_known && S_ISDIR(info.st_mode)) {
      ::close(fd);
      return fail_errno("open", path, EISDIR);
    }
    if (is_known && mode == OpenMode::kRead && !S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) {
      ::close(fd);
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("cannot open '{}': it is a pipe or a device, and not a file", path));
    }
    return std::make_unique<RealFile>(fd, path);
  }

  Result<std::unique_ptr<SharedFile>> open_shared(const std::string& path,
                                                  ShareMode mode) override {
    int flags = O_CLOEXEC | (mode == ShareMode::kRead ? O_RDONLY : O_RDWR);
    if (mode == ShareMode::kWriteOrCreate) flags |= O_CREAT;
    const int fd = ::open(path.c_str(), flags | O_NONBLOCK, 0640);
    if (fd < 0) return fail_errno("open", path, errno);
    auto file = std::make_unique<RealSharedFile>(fd, path, mode != ShareMode::kRead);
    struct stat info{};
    if (::fstat(fd, &info) != 0) return fail_errno("look at", path, errno);
    if (S_ISDIR(info.st_mode)) return fail_errno("open", path, EISDIR);
    if (!S_ISREG(info.st_mode)) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("cannot open '{}': it is a pipe or a device, and not a file", path));
    }
    return file;
  }

  Result<std::vector<std::string>> list(const std::string& directory) const override {
    DIR* dir = ::opendir(directory.c_str());
    if (dir == nullptr) return fail_errno("list", directory, errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(dir);
    std::ranges::sort(names);
    return names;
  }

  Status create_directories(const std::string& directory) override {
    for (std::size_t end = 0; end != directory.npos;) {
      end = directory.find('/', end + 1);
      const std::string path = directory.substr(0, end);
      if (::mkdir(path.c_str(), 0777) == 0) {
        const std::string parent = std::filesystem::path(path).parent_path();
        TD_TRY(sync_directory(parent.empty() ? "." : parent));
        continue;
      }
      const int number = errno;
      std::error_code error;
      if (std::filesystem::is_directory(path, error)) continue;
      return fail_errno("create the folder", directory, number == EEXIST ? ENOTDIR : number);
    }
    return {};
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno("rename to", to, errno);
    return {};
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return fail_errno("remove", path, errno);
    return {};
  }

  Status remove_all(const std::string& directory) override {
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    if (error) return fail_errno("remove the folder", directory, error.value());
    return {};
  }

  Status sync_directory(const std::string& directory) override {
    const Descriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0 || ::fsync(fd.get()) != 0) {
      return fail_errno("sync the folder", directory, errno);
    }
    return {};
  }

  Result<std::unique_ptr<DiskLock>> lock(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) return fail_errno("lock", path, errno);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int number = errno;
      ::close(fd);
      return fail_errno("lock", path, number);
    }
    return std::make_unique<RealLock>(fd);
  }

  Result<std::uint64_t> free_bytes(const std::string& directory) const override {
    struct statvfs info{};
    if (::statvfs(directory.c_str(), &info) != 0) return fail_errno("look at", directory, errno);
    return std::uint64_t{info.f_bavail} * info.f_frsize;
  }

  Result<std::unique_ptr<DiskWatch>> watch(const std::string& directory) override {
    const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) return fail_watch(directory, errno);
    auto watch = std::make_unique<RealWatch>(fd, directory);
    if (::inotify_add_watch(
            fd, directory.c_str(),
            IN_CREATE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR) < 0) {
      return fail_watch(directory, errno);
    }
    return watch;
  }

 private:
  static std::unexpected<Error> fail_watch(const std::string& directory, int number) {
    if (number != EMFILE && number != ENOSPC) return fail_errno("watch", directory, number);
    return fail(
        ErrorCode::kUnavailable,
        fmt::format(
            "cannot watch '{}': the system's limit of watches is reached: raise {}", directory,
            number == EMFILE ? "fs.inotify.max_user_instances" : "fs.inotify.max_user_watches"));
  }
};

}  // namespace

std::unique_ptr<Disk> real_disk() { return std::make_unique<RealDisk>(); }

}  // namespace tapedeck
