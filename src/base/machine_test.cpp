#include "base/machine.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace tapedeck {
namespace {

using testing::HasSubstr;

// A /proc and a /sys of our own.
class MachineTest : public testing::Test {
 public:
  ~MachineTest() override { std::filesystem::remove_all(root_); }

 protected:
  MachineTest() { write("/proc/meminfo", "MemTotal:  9 kB\nMemAvailable:    2048 kB\n"); }

  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  Limits limits() const { return real_machine(root_)->limits().value(); }

  const std::string root_ = [] {
    std::string name = testing::TempDir() + "td_machine_XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    return std::filesystem::canonical(name).string();
  }();
};

TEST_F(MachineTest, IsAContainerBySigns) {
  EXPECT_FALSE(real_machine(root_)->is_container());
  write("/proc/1/cgroup", "0::/init.scope\n");
  EXPECT_FALSE(real_machine(root_)->is_container());
  write("/proc/1/cgroup", "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-2.scope\n");
  EXPECT_TRUE(real_machine(root_)->is_container());
  write("/proc/1/cgroup", "0::/\n");
  EXPECT_FALSE(real_machine(root_)->is_container());
  write("/run/.containerenv", "");
  EXPECT_TRUE(real_machine(root_)->is_container());
}

TEST_F(MachineTest, ADockerContainer) {
  write("/.dockerenv", "");
  EXPECT_TRUE(real_machine(root_)->is_container());
}

TEST_F(MachineTest, Memory) {
  EXPECT_EQ(limits().memory_available_bytes, 2'048u * 1'024);
  write("/proc/meminfo", "MemTotal:  9 kB\n");
  const auto none = real_machine(root_)->limits();
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("does not say how much memory"));
}

TEST_F(MachineTest, WithoutGroupsThereIsNoLimit) {
  EXPECT_EQ(limits().memory_max, std::nullopt);
  EXPECT_EQ(limits().cpu_quota, std::nullopt);
  write("/proc/self/cgroup", "0::/\nnonsense\n");
  write("/sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(limits().memory_max, std::nullopt);
  EXPECT_EQ(limits().cpu_quota, std::nullopt);
}

TEST_F(MachineTest, TheLeastOfTheGroupsOnTheWayUpHolds) {
  write("/proc/self/cgroup", "0::/a/b\n");
  write("/sys/fs/cgroup/a/b/memory.max", "3000\n");
  write("/sys/fs/cgroup/a/memory.max", "2000\n");
  write("/sys/fs/cgroup/memory.max", "max\n");
  write("/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
  write("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
  EXPECT_EQ(limits().memory_max, 2'000u);
  EXPECT_EQ(limits().cpu_quota, 1.5);
}

TEST_F(MachineTest, GroupsOfVersion1) {
  write("/proc/self/cgroup", "4:memory:/a\n2:cpu,cpuacct:/a\n0::/\n");
  write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "5000\n");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(limits().memory_max, 5'000u);
  EXPECT_EQ(limits().cpu_quota, std::nullopt);
  write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(limits().cpu_quota, 0.5);
}

TEST_F(MachineTest, TheDeepestMountHoldsAPath) {
  const auto machine = real_machine(root_);
  const std::string folder = root_ + "/my disk/tape";
  std::filesystem::create_directories(folder);
  write("/proc/self/mountinfo",
        "1 0 8:1 / / rw - ext4 /dev/a rw\n"
        "2 1 0:2 / " +
            root_ + "/my\\040disk rw shared:1 - nfs4 host:/x rw\n3 1 0:3 / " + root_ +
            "/my\\040disk/tap rw - tmpfs none rw\n");
  EXPECT_EQ(machine->file_system(folder), "nfs4");
  EXPECT_EQ(machine->file_system(root_), "ext4");
  EXPECT_FALSE(machine->file_system(root_ + "/nowhere"));
  // Mounted over it later.
  std::ofstream(root_ + "/proc/self/mountinfo", std::ios::app)
      << "4 1 0:4 / " << root_ << "/my\\040disk rw - overlay none rw\nnot a mount\n";
  EXPECT_EQ(machine->file_system(folder), "overlay");
}

class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_TRUE(fd_ >= 0 && ::bind(fd_, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    socklen_t size = sizeof where;
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&where), &size), 0);
    port_ = ntohs(where.sin_port);
  }
  ~Listener() { ::close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  std::uint16_t port() const { return port_; }

 private:
  const int fd_;
  std::uint16_t port_ = 0;
};

TEST(RealMachine, SaysWhoHoldsAPort) {
  const auto machine = real_machine();
  std::uint16_t port = 0;
  {
    const Listener listener;
    port = listener.port();
    const PortState taken = machine->port("127.0.0.1", port);
    EXPECT_EQ(taken.kind, PortState::Kind::kTaken);
    EXPECT_THAT(taken.holder, HasSubstr(", process " + std::to_string(::getpid())));
  }
  EXPECT_EQ(machine->port("127.0.0.1", port).kind, PortState::Kind::kFree);
  EXPECT_EQ(machine->port("192.0.2.1", port).kind, PortState::Kind::kNoAddress);
  EXPECT_EQ(machine->port("nowhere", port).kind, PortState::Kind::kNoAddress);
}

TEST(RealMachine, IsThis) {
  const auto machine = real_machine();
  const auto limits = machine->limits();
  ASSERT_TRUE(limits) << limits.error().message;
  EXPECT_GT(limits->open_files, 2u);
  EXPECT_GE(limits->cpus, 1u);
  EXPECT_GT(limits->memory_available_bytes, 1u << 20);
  EXPECT_GT(machine->clock_state().resolution, Duration{});
  EXPECT_EQ(machine->file_system("/proc"), "proc");
}

}  // namespace
}  // namespace tapedeck
