#include "app/doctor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/memory_disk.hpp"

namespace tapedeck::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class FakeMachine final : public Machine {
 public:
  ClockState clock_state() const override { return clock; }
  Result<Limits> limits() const override { return its_limits; }
  Result<std::string> file_system(const std::string& path) const override {
    asked = path;
    return type;
  }
  PortState port(const std::string&, std::uint16_t) const override { return its_port; }
  bool is_container() const override { return false; }

  ClockState clock{true, milliseconds(2), nanoseconds(1)};
  Result<Limits> its_limits =
      Limits{.open_files = 4096, .cpus = 4, .memory_available_bytes = std::uint64_t{4} << 30};
  Result<std::string> type = "ext4";
  PortState its_port{};
  mutable std::string asked;
};

// A wall clock that can be set.
class TwoClocks final : public Clock {
 public:
  Timestamp now() const override { return steady.now() + set_by; }
  Duration elapsed() const override { return steady.elapsed(); }
  ManualClock steady{Timestamp{seconds(1'750'000'000).ns}};
  Duration set_by{};
};

// A machine on which all is well; each test makes one thing worse.
class DoctorTest : public testing::Test {
 protected:
  DoctorTest() {
    EXPECT_TRUE(disk_.create_directories("var/tape"));
    disk_.set_capacity(std::uint64_t{10} << 30);
    disk_.set_fault([this](std::string_view operation, const std::string&) {
      if (operation == "sync") {
        clock_.steady.advance(sync_takes_.at(syncs_++ % sync_takes_.size()));
        clock_.set_by = clock_.set_by + set_with_each_sync_;
      }
      return operation == fails_ ? Status(fail(ErrorCode::kPermission, "told to fail")) : Status();
    });
  }

  std::vector<Finding> look() {
    return examine(needs_,
                   {.machine = machine_,
                    .disk = disk_,
                    .clock = clock_,
                    .utc_offset = [this](std::string_view zone, Timestamp) -> Result<Duration> {
                      if (zone == "UTC") return Duration{};
                      return new_york_;
                    },
                    .crc32c_by_instruction = crc32c_,
                    .certificate = [this] { return certificate_; }});
  }
  // The one that is not well.
  Finding bad() {
    Finding found{.name = "none"};
    for (const Finding& finding : look()) {
      if (finding.health == Health::kOk) continue;
      EXPECT_EQ(found.name, "none") << finding.name << ": " << finding.what;
      EXPECT_NE(finding.advice, "") << finding.name;
      found = finding;
    }
    EXPECT_NE(found.name, "none");
    return found;
  }
  void expect_bad(std::string_view name, Health health, const std::string& what) {
    const Finding finding = bad();
    EXPECT_EQ(finding.name, name);
    EXPECT_EQ(finding.health, health) << finding.what;
    EXPECT_THAT(finding.what + "; " + finding.advice, HasSubstr(what));
  }

  Needs needs_;
  FakeMachine machine_;
  MemoryDisk disk_;
  TwoClocks clock_;
  Result<Duration> new_york_ = hours(-4);
  bool crc32c_ = true;
  Result<CertificateState> certificate_;
  std::vector<Duration> sync_takes_{milliseconds(1)};
  std::size_t syncs_ = 0;
  Duration set_with_each_sync_{};
  std::string fails_;
};

TEST_F(DoctorTest, AllIsWell) {
  const auto findings = look();
  EXPECT_EQ(findings.size(), 13u);
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.health, Health::kOk) << finding.name << ": " << finding.what;
    EXPECT_NE(finding.what, "") << finding.name;
  }
  EXPECT_FALSE(any_failed(findings));
  EXPECT_TRUE(findings_text(findings).ends_with("all good\n"));
  EXPECT_THAT(*disk_.list("var/tape"), IsEmpty());
}

TEST_F(DoctorTest, Certificate) {
  needs_.has_tls = true;
  certificate_ = CertificateState{{"deck.example.org"}, clock_.now() + hours(24) * 90};
  EXPECT_FALSE(any_failed(look()));
  EXPECT_THAT(findings_text(look()), HasSubstr("a certificate for deck.example.org, valid until"));
  certificate_->valid_until = clock_.now() + hours(24) * 13;
  expect_bad("tls", Health::kWarn, "renew it");
  certificate_->names = {};
  expect_bad("tls", Health::kWarn, "names nobody");
  certificate_ = fail(ErrorCode::kNotFound, "cannot read the key 'deck.key'");
  expect_bad("tls", Health::kFail, "cannot read the key 'deck.key'");
}

TEST_F(DoctorTest, Clock) {
  machine_.clock.synchronised = false;
  expect_bad("clock.sync", Health::kWarn, "not synchronised");
  machine_.clock.synchronised = std::nullopt;
  expect_bad("clock.sync", Health::kWarn, "does not say");
  machine_.clock = {true, seconds(3), nanoseconds(1)};
  expect_bad("clock.sync", Health::kWarn, "may be 3s off");
  machine_.clock = {true, milliseconds(1), milliseconds(4)};
  expect_bad("clock.resolution", Health::kWarn, "4ms");
}

TEST_F(DoctorTest, AClockThatWasNeverSet) {
  clock_.set_by = seconds(-1'750'000'000);
  expect_bad("clock.time", Health::kFail, "1970-01-01");
}

TEST_F(DoctorTest, AClockThatIsSetMeanwhile) {
  set_with_each_sync_ = microseconds(-500);
  expect_bad("clock.steps", Health::kWarn, "was set: -24ms off the monotonic clock in 48ms");
  set_with_each_sync_ = microseconds(50);
  EXPECT_FALSE(
      std::ranges::any_of(look(), [](const Finding& f) { return f.health != Health::kOk; }));
}

TEST_F(DoctorTest, Syncs) {
  sync_takes_ = std::vector<Duration>(48, milliseconds(2));
  for (std::size_t i = 10; i < 34; ++i) sync_takes_[i] = milliseconds(3);
  sync_takes_[20] = milliseconds(40);
  const auto findings = look();
  const auto sync = std::ranges::find(findings, "disk.sync", &Finding::name);
  EXPECT_EQ(sync->health, Health::kOk);
  EXPECT_THAT(sync->what, HasSubstr("half within 2ms, 99 of 100 within 40ms, 48 times"));
  EXPECT_THAT(sync->values,
              testing::ElementsAre(std::pair("p50_ns", 2'000'000), std::pair("p99_ns", 40'000'000),
                                   std::pair("max_ns", 40'000'000)));
  sync_takes_ = {milliseconds(60)};
  expect_bad("disk.sync", Health::kWarn, "each durable commit waits so long");
  sync_takes_ = {nanoseconds(700)};
  expect_bad("disk.sync", Health::kWarn, "no disk is as fast");
}

TEST_F(DoctorTest, AFolderThatCannotBeWritten) {
  for (const std::string operation : {"open", "append", "sync", "remove"}) {
    fails_ = operation;
    expect_bad("disk.sync", Health::kFail, "told to fail");
  }
  fails_.clear();
  const auto names = disk_.list("var/tape");
  for (const std::string& name : *names) {
    ASSERT_TRUE(disk_.remove("var/tape/" + name));
  }
  fails_ = "free_bytes";
  expect_bad("disk.room", Health::kFail, "told to fail");
}

TEST_F(DoctorTest, Room) {
  disk_.set_capacity(std::uint64_t{1} << 30);
  expect_bad("disk.room", Health::kWarn, "1.0 GiB free in 'var/tape': below 2.0 GiB a tape warns");
  disk_.set_capacity(std::uint64_t{100} << 20);
  expect_bad("disk.room", Health::kFail, "below 256.0 MiB a tape takes nothing more");
  needs_.free_stop_bytes = 1 << 20;
  needs_.free_warn_bytes = 2 << 20;
  EXPECT_FALSE(any_failed(look()));
}

TEST_F(DoctorTest, WhereTheFolderIsNotThereYetTheOneAboveTells) {
  needs_.tape_directory = "var/other/deep/tape/";
  const auto findings = look();
  const auto room = std::ranges::find(findings, "disk.room", &Finding::name);
  EXPECT_THAT(room->what, HasSubstr("'var' (in which 'var/other/deep/tape/' would be made)"));
  EXPECT_EQ(machine_.asked, "var");
  EXPECT_THAT(*disk_.list("var"), testing::ElementsAre("tape"));
}

TEST_F(DoctorTest, FileSystems) {
  for (const std::string type : {"tmpfs", "overlay", "nfs4", "cifs", "fuse.sshfs", "9p"}) {
    machine_.type = type;
    expect_bad("disk.type", Health::kWarn, type + ": ");
  }
  machine_.type = fail(ErrorCode::kIo, "no list of mounts");
  expect_bad("disk.type", Health::kWarn, "no list of mounts");
}

TEST_F(DoctorTest, Port) {
  using Kind = PortState::Kind;
  machine_.its_port = {.kind = Kind::kTaken, .holder = "nginx, process 7"};
  expect_bad("port", Health::kFail, "port 8273 on 127.0.0.1 is held by nginx, process 7");
  machine_.its_port = {.kind = Kind::kTaken};
  expect_bad("port", Health::kFail, "a program of another user");
  machine_.its_port = {.kind = Kind::kDenied};
  needs_.port = 80;
  expect_bad("port", Health::kFail, "of 1024 or more");
  machine_.its_port = {.kind = Kind::kNoAddress};
  expect_bad("port", Health::kFail, "does not have the address 127.0.0.1");
  machine_.its_port = {.kind = Kind::kUnknown, .error = "Too many open files"};
  expect_bad("port", Health::kFail, "Too many open files");
  machine_.its_port = {.kind = Kind::kTaken, .holder = "tapedeck, process 7"};
  EXPECT_FALSE(any_failed(look()));
}

TEST_F(DoctorTest, LimitsOfTheProcess) {
  machine_.its_limits->open_files = 512;
  expect_bad("limits.files", Health::kWarn, "ulimit -n");
  machine_.its_limits->open_files = 100;
  expect_bad("limits.files", Health::kFail, "100 files");
  machine_.its_limits->open_files = ~std::uint64_t{0};
  EXPECT_FALSE(any_failed(look()));
}

TEST_F(DoctorTest, MemoryIsTheLeastOfBoth) {
  machine_.its_limits->memory_max = 300u << 20;
  expect_bad("limits.memory", Health::kWarn, "300.0 MiB of memory granted by the control group");
  machine_.its_limits->memory_available_bytes = 100u << 20;
  expect_bad("limits.memory", Health::kFail, "100.0 MiB of memory available");
}

TEST_F(DoctorTest, CpusAreTheLeastOfBoth) {
  machine_.its_limits->cpu_quota = 1.5;
  expect_bad("limits.cpus", Health::kWarn, "4 CPUs, and 1.5 of their time by the control group");
  machine_.its_limits->cpu_quota = 8;
  machine_.its_limits->cpus = 1;
  expect_bad("limits.cpus", Health::kWarn, "1 CPU, and 8");
  machine_.its_limits = fail(ErrorCode::kIo, "no limits");
  expect_bad("limits", Health::kWarn, "no limits");
}

TEST_F(DoctorTest, ZonesAndChecksums) {
  new_york_ = fail(ErrorCode::kUnavailable, "no zones");
  expect_bad("zones", Health::kFail, "no zones; install the package tzdata");
  new_york_ = hours(-5);
  expect_bad("zones", Health::kFail, "wrong about New York");
  new_york_ = hours(-4);
  crc32c_ = false;
  expect_bad("cpu.crc32c", Health::kWarn, "computed by the program");
}

TEST_F(DoctorTest, AsTextAndAsJson) {
  machine_.its_port = {.kind = PortState::Kind::kTaken, .holder = "a \"b\", process 7"};
  machine_.type = "tmpfs";
  const auto findings = look();
  EXPECT_TRUE(any_failed(findings));
  const std::string text = findings_text(findings);
  EXPECT_THAT(text,
              HasSubstr("\nfail  port              port 8273 on 127.0.0.1 is held by a \"b\", "
                        "process 7\n                        stop that program, or choose"));
  EXPECT_TRUE(text.ends_with("1 to repair, 1 to look at\n"));
  const std::string json = findings_json(findings);
  EXPECT_THAT(json, AllOf(HasSubstr("{\"failed\":1,\"warned\":1,\"checks\":[\n"),
                          HasSubstr("a \\\"b\\\", process 7"), HasSubstr("\"health\":\"warn\""),
                          HasSubstr("\"values\":{\"p50_ns\":\"1000000\",")));
}

}  // namespace
}  // namespace tapedeck::app
