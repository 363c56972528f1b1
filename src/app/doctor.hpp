// src/app/doctor.hpp: looks at the machine for what makes a pipeline lose, wait or fail.
// Ownership: borrows the probes for the call.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/machine.hpp"

namespace tapedeck::app {

enum class Health { kOk, kWarn, kFail };

struct Finding {
  std::string name;  // "disk.sync"
  Health health = Health::kOk;
  std::string what;
  std::string advice{};  // what to do; empty where all is well
  std::vector<std::pair<std::string, std::int64_t>> values{};  // for programs: "p99_ns"
};

// What a pipeline needs of the machine.
struct Needs {
  std::string tape_directory = "var/tape";
  std::uint64_t free_warn_bytes = 2u << 30;
  std::uint64_t free_stop_bytes = 256u << 20;
  std::string address = "127.0.0.1";
  std::uint16_t port = 8273;  // 0: any
  bool has_tls = false;
};

// Of a certificate that can be used.
struct CertificateState {
  std::vector<std::string> names;  // that clients may ask for
  Timestamp valid_until;
};

struct Probes {
  const Machine& machine;
  Disk& disk;
  const Clock& clock;
  // How far the clocks of a zone are ahead of UTC.
  std::function<Result<Duration>(std::string_view zone, Timestamp t)> utc_offset;
  bool crc32c_by_instruction = false;
  std::function<Result<CertificateState>()> certificate{};  // if it has TLS
};

// Leaves nothing behind. Takes as long as some dozen syncs of the disk.
std::vector<Finding> examine(const Needs& needs, const Probes& probes);

std::string findings_text(const std::vector<Finding>& findings);
std::string findings_json(const std::vector<Finding>& findings);
bool any_failed(const std::vector<Finding>& findings);

}  // namespace tapedeck::app
