// src/base/machine.hpp: what this machine says of itself, as an argument: the state of its clock,
// its limits, its file systems and its ports. Changes nothing. Thread: any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"

namespace tapedeck {

struct ClockState {
  std::optional<bool> synchronised{};  // with UTC, by NTP or such; nothing: the system does not say
  Duration error_max{};                // as its keeper estimates it, where it is synchronised
  Duration resolution{};
};

struct Limits {
  std::uint64_t open_files = 0;               // that this process may have
  std::uint32_t cpus = 0;                     // that it may run on
  std::optional<double> cpu_quota{};          // CPUs' worth of time that its cgroups grant
  std::uint64_t memory_available_bytes = 0;   // of the machine
  std::optional<std::uint64_t> memory_max{};  // bytes that its cgroups grant
};

struct PortState {
  enum class Kind {
    kFree,
    kTaken,
    kDenied,     // not for this user
    kNoAddress,  // this machine does not have the address
    kUnknown,
  };
  Kind kind = Kind::kFree;
  std::string holder{};  // its program and process id, where they can be seen
  std::string error{};   // of kUnknown
};

class Machine {
 public:
  virtual ~Machine() = default;
  virtual ClockState clock_state() const = 0;
  virtual Result<Limits> limits() const = 0;
  // Of the file system that `path` is in, as mount(8) calls it: "ext4", "nfs4", "fuse.sshfs".
  virtual Result<std::string> file_system(const std::string& path) const = 0;
  // Whether a server could listen there. Listens for a moment.
  virtual PortState port(const std::string& address, std::uint16_t port) const = 0;
  // Whether this is a container, whose ports other machines reach only where they are published.
  virtual bool is_container() const = 0;
};

// `root` stands before /proc, /sys and what tells a container: for tests.
std::unique_ptr<Machine> real_machine(std::string root = "");

}  // namespace tapedeck
