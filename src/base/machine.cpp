#include "base/machine.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <ctime>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace tapedeck {
namespace {

// Files of /proc and /sys have no size: they are read to their end, or up to this.
constexpr std::size_t kTextBytesMax = 4u << 20;

std::optional<std::string> read_text(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::string text;
  std::array<char, 16'384> piece{};
  ssize_t got = 0;
  while (text.size() < kTextBytesMax && (got = ::read(fd, piece.data(), piece.size())) > 0) {
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  return got < 0 ? std::nullopt : std::optional(std::move(text));
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(at), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

template <class T>
std::optional<T> number(std::string_view text, int base = 10) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "/mnt/my\040disk" -> "/mnt/my disk"
std::string without_escapes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = text[i] == '\\' && i + 3 < text.size()
                          ? number<unsigned>(text.substr(i + 1, 3), 8)
                          : std::nullopt;
    out += code ? static_cast<char>(*code) : text[i];
    if (code) i += 3;
  }
  return out;
}

// The least of a limit that each group on the way up to the root sets.
template <class Read>
auto least_on_the_way_up(const std::string& mount, std::string group, Read&& read)
    -> decltype(read(mount)) {
  decltype(read(mount)) least{};
  while (true) {
    if (const auto value = read(mount + group)) least = least ? std::min(*least, *value) : value;
    if (group.empty()) return least;
    group.erase(std::min(group.rfind('/'), group.size()));
  }
}

class RealMachine final : public Machine {
 public:
  explicit RealMachine(std::string root) : root_(std::move(root)) {}

  ClockState clock_state() const override {
    ClockState state;
    timespec resolution{};
    ::clock_getres(CLOCK_REALTIME, &resolution);
    state.resolution = seconds(resolution.tv_sec) + nanoseconds(resolution.tv_nsec);
    timex clock{};  // modes 0: only asks
    const int result = ::adjtimex(&clock);
    if (result < 0) return state;
    state.synchronised = result != TIME_ERROR && (clock.status & STA_UNSYNC) == 0;
    state.error_max = microseconds(clock.maxerror);
    return state;
  }

  Result<Limits> limits() const override {
    Limits out;
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return fail_now("limit of open files");
    out.open_files = files.rlim_cur;
    out.cpus = std::thread::hardware_concurrency();  // those that this process may run on
    TD_ASSIGN(out.memory_available_bytes, memory_available());
    read_groups(out);
    return out;
  }

  bool is_container() const override {
    // Docker's and Podman's own signs, then what Kubernetes, containerd and others leave.
    for (const char* sign : {"/.dockerenv", "/run/.containerenv"}) {
      if (::access((root_ + sign).c_str(), F_OK) == 0) return true;
    }
    const std::string groups = read_text(root_ + "/proc/1/cgroup").value_or("");
    return std::ranges::any_of(std::array{"/docker", "kubepods", "containerd", "libpod", "/lxc"},
                               [&](const char* sign) { return groups.find(sign) != groups.npos; });
  }

  Result<std::string> file_system(const std::string& path) const override {
    std::array<char, PATH_MAX> real{};
    if (::realpath(path.c_str(), real.data()) == nullptr) {
      return fail_now(fmt::format("path '{}'", path));
    }
    const auto mounts = read_text(root_ + "/proc/self/mountinfo");
    if (!mounts) return fail_now("list of mounts");
    // "36 35 98:0 /root /mnt/point options shared:1 - ext4 /dev/sda1 rw": of those that hold the
    // path the deepest, and of two at one place the later.
    std::string type;
    std::size_t deepest = 0;
    for (const std::string_view line : split(*mounts, '\n')) {
      const auto fields = split(line, ' ');
      const auto dash = std::ranges::find(fields, "-");
      if (fields.size() < 5 || fields.end() - dash < 2) continue;
      const std::string point = without_escapes(fields[4]);
      if (!holds(point, real.data()) || point.size() < deepest) continue;
      deepest = point.size();
      type = dash[1];
    }
    if (type.empty()) return fail(ErrorCode::kNotFound, fmt::format("no mount holds '{}'", path));
    return type;
  }

  PortState port(const std::string& address, std::uint16_t port) const override {
    sockaddr_storage where{};
    auto* v4 = reinterpret_cast<sockaddr_in*>(&where);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&where);
    socklen_t size = sizeof *v4;
    if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
      v4->sin_family = AF_INET;
      v4->sin_port = htons(port);
    } else if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(port);
      size = sizeof *v6;
    } else {
      return {.kind = PortState::Kind::kNoAddress};
    }
    const int fd = ::socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const bool free = fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&where), size) == 0 &&
                      ::listen(fd, 1) == 0;
    const int number = errno;
    if (fd >= 0) ::close(fd);
    if (free) return {};
    switch (number) {
      case EADDRINUSE:
        return {.kind = PortState::Kind::kTaken, .holder = holder_of(port)};
      case EACCES:
        return {.kind = PortState::Kind::kDenied};
      case EADDRNOTAVAIL:
      case EAFNOSUPPORT:
        return {.kind = PortState::Kind::kNoAddress};
      default:
        return {.kind = PortState::Kind::kUnknown,
                .error = std::generic_category().message(number)};
    }
  }

 private:
  static std::unexpected<Error> fail_now(std::string_view what) {
    return fail(ErrorCode::kIo, fmt::format("cannot read the {}: {}", what,
                                            std::generic_category().message(errno)));
  }

  static bool holds(std::string_view folder, std::string_view path) {
    if (!path.starts_with(folder)) return false;
    return folder == "/" || path.size() == folder.size() || path[folder.size()] == '/';
  }

  Result<std::uint64_t> memory_available() const {
    const auto text = read_text(root_ + "/proc/meminfo");
    if (!text) return fail_now("state of the memory");
    for (const std::string_view line : split(*text, '\n')) {
      const auto fields = split(line, ' ');  // "MemAvailable:   12345 kB"
      if (fields.size() < 2 || fields[0] != "MemAvailable:") continue;
      if (const auto kilobytes = number<std::uint64_t>(fields[1])) return *kilobytes * 1'024;
    }
    return fail(ErrorCode::kUnsupported, "/proc/meminfo does not say how much memory is available");
  }

  // Control groups, of version 2 ("0::/group") and 1 ("4:memory:/group"). Inside a container the
  // name may be that which the group has outside: then only the root of what is mounted is there.
  void read_groups(Limits& out) const {
    const auto text = read_text(root_ + "/proc/self/cgroup");
    if (!text) return;
    const std::string mount = root_ + "/sys/fs/cgroup";
    for (const std::string_view line : split(*text, '\n')) {
      const std::size_t first = line.find(':');
      const std::size_t second = line.find(':', first + 1);
      if (first == line.npos || second == line.npos) continue;
      const std::string_view controllers = line.substr(first + 1, second - first - 1);
      std::string group(line.substr(second + 1));
      if (group == "/") group.clear();
      if (controllers.empty()) {
        take(out.memory_max, least_on_the_way_up(mount, group, [](const std::string& folder) {
               return number_in(folder + "/memory.max");
             }));
        take(out.cpu_quota, least_on_the_way_up(mount, group, cpu_max));
      }
      for (const std::string_view controller : split(controllers, ',')) {
        const std::string place = fmt::format("{}/{}", mount, controllers);
        if (controller == "memory") {
          take(out.memory_max, least_on_the_way_up(place, group, [](const std::string& folder) {
                 const auto bytes = number_in(folder + "/memory.limit_in_bytes");
                 return bytes && *bytes < kNoLimitBytes ? bytes : std::nullopt;
               }));
        } else if (controller == "cpu") {
          take(out.cpu_quota, least_on_the_way_up(place, group, cpu_quota));
        }
      }
    }
  }

  template <class T>
  static void take(std::optional<T>& into, const std::optional<T>& value) {
    if (value) into = into ? std::min(*into, *value) : *value;
  }

  static std::optional<std::uint64_t> number_in(const std::string& path) {
    const auto text = read_text(path);
    return text ? number<std::uint64_t>(*text) : std::nullopt;  // "max" is none
  }

  // "150000 100000": so much time in each period.
  static std::optional<double> cpu_max(const std::string& folder) {
    const auto text = read_text(folder + "/cpu.max");
    if (!text) return std::nullopt;
    const auto fields = split(*text, ' ');
    if (fields.size() < 2) return std::nullopt;
    return ratio(number<std::uint64_t>(fields[0]), number<std::uint64_t>(fields[1]));
  }
  static std::optional<double> cpu_quota(const std::string& folder) {
    return ratio(number_in(folder + "/cpu.cfs_quota_us"), number_in(folder + "/cpu.cfs_period_us"));
  }
  static std::optional<double> ratio(std::optional<std::uint64_t> time,
                                     std::optional<std::uint64_t> period) {
    if (!time || !period || *period == 0) return std::nullopt;
    return static_cast<double>(*time) / static_cast<double>(*period);
  }

  // "tapedeck, process 123": who listens on the port; empty where that cannot be seen.
  std::string holder_of(std::uint16_t port) const {
    std::set<std::string> sockets;
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
      const std::string text = read_text(root_ + table).value_or("");
      for (const std::string_view line : split(text, '\n')) {
        // "0: 0100007F:2051 00000000:0000 0A ... inode": 0A is listening.
        const auto fields = split(line, ' ');
        if (fields.size() < 10 || fields[3] != "0A") continue;
        const auto colon = fields[1].rfind(':');
        if (colon == std::string_view::npos) continue;
        if (number<std::uint16_t>(fields[1].substr(colon + 1), 16) != port) continue;
        sockets.insert(fmt::format("socket:[{}]", fields[9]));
      }
    }
    for (const std::string& process : names_in(root_ + "/proc")) {
      if (!number<std::uint32_t>(process)) continue;
      const std::string folder = fmt::format("{}/proc/{}", root_, process);
      for (const std::string& fd : names_in(folder + "/fd")) {
        std::array<char, 64> target{};
        const ssize_t size =
            ::readlink(fmt::format("{}/fd/{}", folder, fd).c_str(), target.data(), target.size());
        if (size <= 0 || !sockets.contains({target.data(), static_cast<std::size_t>(size)})) {
          continue;
        }
        std::string name = read_text(folder + "/comm").value_or("a program");
        while (name.ends_with('\n')) name.pop_back();
        return fmt::format("{}, process {}", name, process);
      }
    }
    return {};
  }

  static std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    DIR* dir = ::opendir(folder.c_str());
    if (dir == nullptr) return names;
    while (const dirent* entry = ::readdir(dir)) names.emplace_back(entry->d_name);
    ::closedir(dir);
    return names;
  }

  // Without a limit, version 1 says the greatest number of whole pages.
  static constexpr std::uint64_t kNoLimitBytes = std::uint64_t{1} << 62;

  const std::string root_;
};

}  // namespace

std::unique_ptr<Machine> real_machine(std::string root) {
  return std::make_unique<RealMachine>(std::move(root));
}

}  // namespace tapedeck
