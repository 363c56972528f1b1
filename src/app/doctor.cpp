#include "app/doctor.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/log.hpp"

namespace tapedeck::app {
namespace {

constexpr Duration kResolutionMost = microseconds(1);
constexpr Duration kClockErrorMost = milliseconds(100);
constexpr Duration kStepLeast = milliseconds(5);
constexpr int kSyncs = 48;
constexpr std::size_t kSyncBytes = 4096;
constexpr Duration kSyncLeast = microseconds(2);  // faster than any disk that keeps it
constexpr Duration kSyncP99Most = milliseconds(50);
constexpr Duration kCertificateLeast = hours(24) * 14;
constexpr std::uint64_t kFilesFew = 1024;
constexpr std::uint64_t kFilesTooFew = 256;
constexpr std::uint64_t kMemoryLow = 512u << 20;
constexpr std::uint64_t kMemoryTooLow = 128u << 20;
constexpr std::uint16_t kPortsOfRoot = 1024;

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

// Three digits are enough here: "1.23ms".
std::string rounded(Duration d) {
  const auto ns = static_cast<double>(d.ns);
  if (std::abs(ns) < 1e3) return fmt::format("{}ns", d.ns);
  if (std::abs(ns) < 1e6) return fmt::format("{:.3g}us", ns / 1e3);
  if (std::abs(ns) < 1e9) return fmt::format("{:.3g}ms", ns / 1e6);
  return fmt::format("{:.3g}s", ns / 1e9);
}

class Examination {
 public:
  Examination(const Needs& needs, const Probes& probes) : needs_(needs), probes_(probes) {}

  std::vector<Finding> run() {
    const Timestamp wall = probes_.clock.now();
    const Duration monotonic = probes_.clock.elapsed();
    look_at_clock(wall);
    look_at_disk();
    look_at_steps(wall, monotonic);
    look_at_port();
    if (needs_.has_tls) look_at_certificate(wall);
    look_at_limits();
    look_at_zones(wall);
    look_at_processor();
    return std::move(findings_);
  }

 private:
  void add(std::string name, Health health, std::string what, std::string advice = {},
           std::vector<std::pair<std::string, std::int64_t>> values = {}) {
    findings_.push_back(
        {std::move(name), health, std::move(what), std::move(advice), std::move(values)});
  }

  void look_at_clock(Timestamp wall) {
    if (is_plausible(wall)) {
      add("clock.time", Health::kOk, "it is " + to_iso(wall));
    } else {
      add("clock.time", Health::kFail, fmt::format("the clock says {}", to_iso(wall)),
          "set it: every event would be stamped so");
    }
    const ClockState state = probes_.machine.clock_state();
    const std::string start =
        "start a time service, such as chrony or systemd-timesyncd (on the "
        "host, where this is a container)";
    if (!state.synchronised) {
      add("clock.sync", Health::kWarn, "the system does not say whether the clock is synchronised",
          "see to it that it is: ts_recv comes from it");
    } else if (!*state.synchronised) {
      add("clock.sync", Health::kWarn, "the clock is not synchronised: ts_recv drifts", start);
    } else if (state.error_max > kClockErrorMost) {
      add("clock.sync", Health::kWarn,
          fmt::format("the clock may be {} off", rounded(state.error_max)),
          "see whether the time service reaches its servers",
          {{"error_max_ns", state.error_max.ns}});
    } else {
      add("clock.sync", Health::kOk,
          fmt::format("synchronised, at most {} off", rounded(state.error_max)), {},
          {{"error_max_ns", state.error_max.ns}});
    }
    const bool coarse = state.resolution > kResolutionMost;
    add("clock.resolution", coarse ? Health::kWarn : Health::kOk, rounded(state.resolution),
        coarse ? "events that come shortly after each other get the same ts_recv: boot a kernel "
                 "with high-resolution timers"
               : "",
        {{"resolution_ns", state.resolution.ns}});
  }

  // What came between: the disk's syncs.
  void look_at_steps(Timestamp wall, Duration monotonic) {
    const Duration passed = probes_.clock.elapsed() - monotonic;
    const Duration off = probes_.clock.now() - wall - passed;
    const Duration most = std::max(kStepLeast, Duration{passed.ns / 1'000});  // slewing is slower
    const std::string what =
        fmt::format("{} off the monotonic clock in {}", rounded(off), rounded(passed));
    if (std::abs(off.ns) > most.ns) {
      add("clock.steps", Health::kWarn, "the clock was set: " + what,
          "let one time service alone set it, slowly: ts_recv jumps with it",
          {{"step_ns", off.ns}});
    } else {
      add("clock.steps", Health::kOk, what, {}, {{"step_ns", off.ns}});
    }
  }

  void look_at_disk() {
    // Where the folder is not there yet, it will be made: the one above it tells.
    std::string folder = needs_.tape_directory;
    while (is_missing(folder)) folder = parent_of(folder);
    const std::string where =
        folder == needs_.tape_directory
            ? fmt::format("'{}'", folder)
            : fmt::format("'{}' (in which '{}' would be made)", folder, needs_.tape_directory);
    look_at_file_system(folder);
    look_at_room(folder, where);
    look_at_syncs(folder, where);
  }

  bool is_missing(const std::string& folder) const {
    if (folder == "." || folder == "/") return false;
    const auto names = probes_.disk.list(folder);
    return !names && names.error().code == ErrorCode::kNotFound;
  }

  static std::string parent_of(std::string folder) {
    while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
    const std::size_t slash = folder.rfind('/');
    if (slash == folder.npos) return ".";
    return slash == 0 ? "/" : folder.substr(0, slash);
  }

  void look_at_file_system(const std::string& folder) {
    const auto type = probes_.machine.file_system(folder);
    if (!type) {
      return add("disk.type", Health::kWarn, type.error().message,
                 "see to it that the tape is on a disk of this machine");
    }
    const auto is_one_of = [&](std::initializer_list<std::string_view> types) {
      return std::ranges::find(types, *type) != types.end();
    };
    if (is_one_of({"tmpfs", "ramfs", "devtmpfs"})) {
      add("disk.type", Health::kWarn, fmt::format("{}: memory, and no disk", *type),
          "put the tape on a disk: here it is gone when the machine stops");
    } else if (is_one_of({"overlay", "overlayfs", "aufs"})) {
      add("disk.type", Health::kWarn, fmt::format("{}: a layer of this container", *type),
          "mount a volume for the tape: here it is gone with the container");
    } else if (is_one_of({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "lustre",
                          "glusterfs", "virtiofs", "ocfs2", "gfs2"}) ||
               type->starts_with("fuse")) {
      add("disk.type", Health::kWarn,
          fmt::format("{}: behind a network, a host or another program", *type),
          "use a disk of this machine: whether what is acknowledged survives a crash depends on "
          "the other side, and each commit waits for it");
    } else {
      add("disk.type", Health::kOk, *type);
    }
  }

  void look_at_room(const std::string& folder, const std::string& where) {
    const auto free = probes_.disk.free_bytes(folder);
    if (!free) {
      return add("disk.room", Health::kFail, free.error().message,
                 "see to it that this user can use the folder, or choose another one");
    }
    const std::vector<std::pair<std::string, std::int64_t>> values{
        {"free_bytes", static_cast<std::int64_t>(*free)}};
    const std::string left = fmt::format("{} free in {}", bytes_text(*free), where);
    const std::string advice = "make room, put the tape on another disk, or let it keep less";
    if (*free < needs_.free_stop_bytes) {
      add("disk.room", Health::kFail,
          fmt::format("{}: below {} a tape takes nothing more", left,
                      bytes_text(needs_.free_stop_bytes)),
          advice, values);
    } else if (*free < needs_.free_warn_bytes) {
      add("disk.room", Health::kWarn,
          fmt::format("{}: below {} a tape warns", left, bytes_text(needs_.free_warn_bytes)),
          advice, values);
    } else {
      add("disk.room", Health::kOk, left, {}, values);
    }
  }

  void look_at_syncs(const std::string& folder, const std::string& where) {
    const std::string path = fmt::format("{}/.tapedeck-doctor-{}", folder, ::getpid());
    auto times = time_syncs(path);
    const Status removed = probes_.disk.remove(path);
    if (!times) {
      return add("disk.sync", Health::kFail, times.error().message,
                 "a tape cannot be written here: give this user the folder, or choose another one");
    }
    if (!removed) {
      return add("disk.sync", Health::kFail, removed.error().message, "remove this file");
    }
    std::ranges::sort(*times);
    const auto quantile = [&](double q) {
      const double rank = std::ceil(q * static_cast<double>(times->size())) - 1;
      return (*times)[static_cast<std::size_t>(rank)];
    };
    const Duration p50 = quantile(0.5);
    const Duration p99 = quantile(0.99);
    const std::string what = fmt::format(
        "writing and syncing 4 KiB in {}: half within {}, 99 of 100 within {}, {} times", where,
        rounded(p50), rounded(p99), times->size());
    const std::vector<std::pair<std::string, std::int64_t>> values{
        {"p50_ns", p50.ns}, {"p99_ns", p99.ns}, {"max_ns", times->back().ns}};
    if (p50 < kSyncLeast) {
      add("disk.sync", Health::kWarn, what,
          "no disk is as fast: syncing is switched off somewhere, and a power cut would lose what "
          "was acknowledged",
          values);
    } else if (p99 > kSyncP99Most) {
      add("disk.sync", Health::kWarn, what,
          "each durable commit waits so long: use a faster disk, or one that nobody else keeps "
          "busy",
          values);
    } else {
      add("disk.sync", Health::kOk, what, {}, values);
    }
  }

  Result<std::vector<Duration>> time_syncs(const std::string& path) {
    TD_ASSIGN(const auto file, probes_.disk.open(path, OpenMode::kCreate));
    const std::string bytes(kSyncBytes, 'x');
    std::vector<Duration> times;
    for (int i = 0; i < kSyncs; ++i) {
      const Duration before = probes_.clock.elapsed();
      TD_TRY(file->append(bytes));
      TD_TRY(file->sync());
      times.push_back(probes_.clock.elapsed() - before);
    }
    return times;
  }

  void look_at_port() {
    const std::string name = fmt::format("port {} on {}", needs_.port, needs_.address);
    const PortState state = probes_.machine.port(needs_.address, needs_.port);
    const std::string another = "choose another one in [api]";
    switch (state.kind) {
      case PortState::Kind::kFree:
        return add("port", Health::kOk, needs_.port == 0 ? "any free one" : name + " is free");
      case PortState::Kind::kTaken:
        if (state.holder.starts_with("tapedeck,")) {
          return add("port", Health::kOk, fmt::format("{} is served by {}", name, state.holder));
        }
        return add("port", Health::kFail,
                   fmt::format("{} is held by {}", name,
                               state.holder.empty() ? "a program of another user" : state.holder),
                   "stop that program, or " + another);
      case PortState::Kind::kDenied:
        return add(
            "port", Health::kFail, fmt::format("this user may not listen on {}", name),
            needs_.port < kPortsOfRoot ? fmt::format("{} of 1024 or more", another) : another);
      case PortState::Kind::kNoAddress:
        return add("port", Health::kFail,
                   fmt::format("this machine does not have the address {}", needs_.address),
                   "listen on one that it has, such as 127.0.0.1");
      case PortState::Kind::kUnknown:
        return add("port", Health::kFail, fmt::format("cannot listen on {}: {}", name, state.error),
                   another);
    }
  }

  void look_at_certificate(Timestamp now) {
    const auto certificate = probes_.certificate();
    if (!certificate) {
      return add("tls", Health::kFail, certificate.error().message, "put right what [api] names");
    }
    const Duration left = certificate->valid_until - now;
    const std::string what =
        fmt::format("a certificate for {}, valid until {}", fmt::join(certificate->names, ", "),
                    to_iso(certificate->valid_until));
    const std::vector<std::pair<std::string, std::int64_t>> values{{"valid_for_ns", left.ns}};
    if (certificate->names.empty()) {
      add("tls", Health::kWarn, "the certificate names nobody",
          "get one with the name that browsers ask for (subjectAltName): they take no other",
          values);
    } else if (left < kCertificateLeast) {
      add("tls", Health::kWarn, what, "renew it, and start again with the new one", values);
    } else {
      add("tls", Health::kOk, what, {}, values);
    }
  }

  void look_at_limits() {
    const auto limits = probes_.machine.limits();
    if (!limits) {
      return add("limits", Health::kWarn, limits.error().message,
                 "see to it that /proc is mounted");
    }
    const std::uint64_t files = limits->open_files;
    add("limits.files",
        files < kFilesTooFew ? Health::kFail
        : files < kFilesFew  ? Health::kWarn
                             : Health::kOk,
        fmt::format("{} files and connections may be open", files),
        files < kFilesFew ? fmt::format("raise it to {} or more: ulimit -n, or LimitNOFILE= of a "
                                        "systemd unit",
                                        kFilesFew)
                          : "",
        {{"open_files", static_cast<std::int64_t>(std::min(files, std::uint64_t{1} << 62))}});

    const std::uint64_t memory =
        std::min(limits->memory_available_bytes,
                 limits->memory_max.value_or(limits->memory_available_bytes));
    const bool by_group = limits->memory_max && *limits->memory_max == memory;
    const bool is_low = memory < kMemoryLow;
    add("limits.memory",
        memory < kMemoryTooLow ? Health::kFail
        : is_low               ? Health::kWarn
                               : Health::kOk,
        fmt::format("{} of memory {}", bytes_text(memory),
                    by_group ? "granted by the control group" : "available"),
        is_low ? fmt::format("give it {} or more", bytes_text(kMemoryLow)) : "",
        {{"memory_bytes", static_cast<std::int64_t>(memory)}});

    const double cpus = std::min(static_cast<double>(limits->cpus),
                                 limits->cpu_quota.value_or(static_cast<double>(limits->cpus)));
    const std::string group =
        limits->cpu_quota
            ? fmt::format(", and {:.3g} of their time by the control group", *limits->cpu_quota)
            : "";
    add("limits.cpus", cpus < 2 ? Health::kWarn : Health::kOk,
        fmt::format("{} CPU{}{}", limits->cpus, limits->cpus == 1 ? "" : "s", group),
        cpus < 2 ? "the stages of a pipeline take turns: give it 2 for bursts to be taken in while "
                   "bars are made"
                 : "",
        {{"cpus", limits->cpus}});
  }

  void look_at_zones(Timestamp now) {
    for (const std::string_view zone : {"UTC", "America/New_York"}) {
      if (const auto offset = probes_.utc_offset(zone, now); !offset) {
        return add("zones", Health::kFail, offset.error().message,
                   "install the package tzdata: days and sessions of exchanges depend on it");
      }
    }
    // A rule that has been since 2007: EDT on this day.
    const auto summer =
        probes_.utc_offset("America/New_York", Timestamp{seconds(1'720'000'000).ns});
    if (summer && *summer != hours(-4)) {
      return add("zones", Health::kFail, "the time zone database is wrong about New York in 2024",
                 "install the package tzdata anew");
    }
    add("zones", Health::kOk, "the time zone database is there");
  }

  void look_at_processor() {
    if (probes_.crc32c_by_instruction) {
      add("cpu.crc32c", Health::kOk, "the processor computes checksums");
    } else {
      add("cpu.crc32c", Health::kWarn, "checksums are computed by the program",
          "all works; the tape is slower than on an x86-64 processor with SSE 4.2");
    }
  }

  const Needs& needs_;
  const Probes& probes_;
  std::vector<Finding> findings_;
};

std::string_view word(Health health) {
  switch (health) {
    case Health::kOk:
      return "ok";
    case Health::kWarn:
      return "warn";
    case Health::kFail:
      return "fail";
  }
  return "";
}

std::int64_t count(const std::vector<Finding>& findings, Health health) {
  return std::ranges::count(findings, health, &Finding::health);
}

}  // namespace

std::vector<Finding> examine(const Needs& needs, const Probes& probes) {
  return Examination(needs, probes).run();
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& finding : findings) {
    out += fmt::format("{:<6}{:<18}{}\n", word(finding.health), finding.name, finding.what);
    if (!finding.advice.empty()) out += fmt::format("{:24}{}\n", "", finding.advice);
  }
  const auto warned = count(findings, Health::kWarn);
  const auto failed = count(findings, Health::kFail);
  if (warned + failed == 0) return out + "all good\n";
  return out + fmt::format("{} to repair, {} to look at\n", failed, warned);
}

std::string findings_json(const std::vector<Finding>& findings) {
  std::string out = fmt::format("{{\"failed\":{},\"warned\":{},\"checks\":[",
                                count(findings, Health::kFail), count(findings, Health::kWarn));
  for (std::size_t i = 0; i < findings.size(); ++i) {
    const Finding& finding = findings[i];
    std::string values;
    for (const auto& [name, value] : finding.values) {
      values += fmt::format("{}\"{}\":\"{}\"", values.empty() ? "" : ",", name, value);
    }
    out += fmt::format(
        "{}\n{{\"name\":\"{}\",\"health\":\"{}\",\"what\":{},\"advice\":{},\"values\":{{{}}}}}",
        i == 0 ? "" : ",", finding.name, word(finding.health), json_quote(finding.what),
        finding.advice.empty() ? "null" : json_quote(finding.advice), values);
  }
  return out + "\n]}\n";
}

bool any_failed(const std::vector<Finding>& findings) { return count(findings, Health::kFail) > 0; }

}  // namespace tapedeck::app
