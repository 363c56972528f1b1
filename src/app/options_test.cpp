#include "app/options.hpp"

#include <gtest/gtest.h>

namespace tapedeck::app {
namespace {

// A file that says nothing means what the tape means without one.
TEST(TapeOptions, HaveTheTapesOwnDefaults) {
  const auto options = embedded_tape_options({});
  const tape::embedded::EmbeddedTapeOptions own;
  EXPECT_EQ(options.directory, "var/tape");
  EXPECT_EQ(options.partitions, own.partitions);
  EXPECT_EQ(options.fsync, own.fsync);
  EXPECT_EQ(options.segment_bytes_max, own.segment_bytes_max);
  EXPECT_EQ(options.retention.age, own.retention.age);
  EXPECT_EQ(options.retention.bytes, own.retention.bytes);
  EXPECT_EQ(options.free_warn_bytes, own.free_warn_bytes);
  EXPECT_EQ(options.free_stop_bytes, own.free_stop_bytes);
}

TEST(TapeOptions, AreThoseOfTheFile) {
  const auto options = embedded_tape_options({.dir = "d",
                                              .fsync = config::Fsync::kNever,
                                              .partitions = 3,
                                              .segment_bytes = 4,
                                              .retention_age = seconds(5),
                                              .retention_bytes = 6,
                                              .raw_retention_age = seconds(7),
                                              .raw_retention_bytes = 8,
                                              .free_warn_bytes = 9,
                                              .free_stop_bytes = 10});
  EXPECT_EQ(options.directory, "d");
  EXPECT_EQ(options.partitions, 3u);
  EXPECT_EQ(options.fsync, tape::embedded::Fsync::kNever);
  EXPECT_EQ(options.segment_bytes_max, 4u);
  EXPECT_EQ(options.retention.age, seconds(5));
  EXPECT_EQ(options.retention.bytes, 6u);
  EXPECT_EQ(options.raw_retention.age, seconds(7));
  EXPECT_EQ(options.raw_retention.bytes, 8u);
  EXPECT_EQ(options.free_warn_bytes, 9u);
  EXPECT_EQ(options.free_stop_bytes, 10u);
  EXPECT_EQ(embedded_tape_options({.fsync = config::Fsync::kAlways}).fsync,
            tape::embedded::Fsync::kAlways);
}

TEST(Needs, AreThoseOfTheFile) {
  const Needs usual;
  const Needs none = needs_of({});
  EXPECT_EQ(none.tape_directory, usual.tape_directory);
  EXPECT_EQ(none.free_warn_bytes, usual.free_warn_bytes);
  EXPECT_EQ(none.free_stop_bytes, usual.free_stop_bytes);
  EXPECT_EQ(none.address, usual.address);
  EXPECT_EQ(none.port, usual.port);
  config::Config config;
  config.tape.dir = "d";
  config.api.listen = {"::1", 5};
  EXPECT_EQ(needs_of(config).tape_directory, "d");
  EXPECT_EQ(needs_of(config).address, "::1");
  EXPECT_EQ(needs_of(config).port, 5);
}

}  // namespace
}  // namespace tapedeck::app
