#include "base/net.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace tapedeck {
namespace {

using Kind = ScriptedNet::Step::Kind;
using testing::ElementsAre;

class ScriptedNetTest : public testing::Test {
 protected:
  ConnectionEvents events() {
    return {
        .on_open = [this] { told_.push_back("open"); },
        .on_frame = [this](std::string_view frame,
                           Timestamp) { told_.push_back("frame " + std::string(frame)); },
        .on_close = [this](const Error& why, auto) { told_.push_back("close " + why.message); }};
  }
  ManualClock clock_;
  std::vector<std::string> told_;
};

TEST_F(ScriptedNetTest, PlaysTheScriptByTheClock) {
  ScriptedNet net(clock_, {{{seconds(1), Kind::kFrame, "a"},
                            {seconds(2), Kind::kFrame, "b"},
                            {seconds(2), Kind::kClose, "bye"},
                            {seconds(3), Kind::kFrame, "never"}}});
  const auto connection = net.connect(Secret("wss://x"), events());
  EXPECT_THAT(told_, ElementsAre());  // nothing from inside connect()
  EXPECT_TRUE(net.poll());
  EXPECT_THAT(told_, ElementsAre("open"));
  EXPECT_FALSE(net.poll());
  clock_.advance(seconds(1));
  EXPECT_TRUE(net.poll());
  EXPECT_TRUE(connection->send("hello"));
  clock_.advance(seconds(5));
  EXPECT_TRUE(net.poll());
  EXPECT_FALSE(net.poll());
  EXPECT_THAT(told_, ElementsAre("open", "frame a", "frame b", "close bye"));
  EXPECT_FALSE(connection->send("too late"));
  EXPECT_THAT(net.sent(), ElementsAre("hello"));
}

TEST_F(ScriptedNetTest, FramesCarryTheTimeOfArrival) {
  ScriptedNet net(clock_, {{{seconds(1), Kind::kFrame, "a"}}});
  Timestamp arrived;
  const auto connection = net.connect(
      Secret("x"),
      {.on_open = {}, .on_frame = [&](auto, Timestamp t) { arrived = t; }, .on_close = {}});
  clock_.advance(milliseconds(1500));
  net.poll();
  EXPECT_EQ(arrived, Timestamp{} + milliseconds(1500));
}

TEST_F(ScriptedNetTest, WithoutAScriptConnectingFails) {
  ScriptedNet net(clock_, {});
  const auto connection = net.connect(Secret("wss://x"), events());
  net.poll();
  EXPECT_THAT(told_, ElementsAre("close cannot connect to wss://x"));
}

TEST_F(ScriptedNetTest, ADestroyedConnectionIsSilent) {
  ScriptedNet net(clock_, {{{Duration{}, Kind::kFrame, "a"}}});
  net.connect(Secret("x"), events()).reset();
  EXPECT_FALSE(net.poll());
  EXPECT_THAT(told_, ElementsAre());
}

// What a feed does after a cut: from inside on_close it drops the connection and makes another.
TEST_F(ScriptedNetTest, ReconnectsFromInsideAnEvent) {
  ScriptedNet net(clock_, {{{Duration{}, Kind::kClose, "cut"}}, {{Duration{}, Kind::kFrame, "b"}}});
  std::unique_ptr<Connection> connection;
  ConnectionEvents first = events();
  first.on_close = [&](const Error&, auto) { connection = net.connect(Secret("x"), events()); };
  connection = net.connect(Secret("x"), first);
  while (net.poll()) {
  }
  EXPECT_THAT(told_, ElementsAre("open", "open", "frame b"));
}

}  // namespace
}  // namespace tapedeck
