// Events of real sockets, kept until they are asked for.
#include "net/socket_net.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "net/loopback_server.hpp"

namespace tapedeck::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Peer = LoopbackServer::Peer;

constexpr std::chrono::seconds kPatience{20};

class SocketNetTest : public testing::Test {
 protected:
  void make(std::size_t kept_bytes_max = 1 << 20) {
    SocketNetOptions options;
    options.kept_bytes_max = kept_bytes_max;
    net_ = *make_socket_net(options, clock_, metrics_);
    net_->on_ready([this] {
      std::lock_guard lock(mutex_);
      ++readies_;
      ready_.notify_all();
    });
  }
  ConnectionEvents events() {
    return {
        .on_open = [this] { told_.push_back("open"); },
        .on_frame = [this](std::string_view frame,
                           Timestamp) { told_.push_back(std::string(frame.substr(0, 16))); },
        .on_close = [this](const Error& why, auto) { told_.push_back("close: " + why.message); }};
  }
  static Secret at(const LoopbackServer& server) {
    return Secret(fmt::format("ws://127.0.0.1:{}/", server.port()));
  }
  // Polls when told to, until so many events were told.
  void poll_until(std::size_t events) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (told_.size() < events) {
      if (net_->poll()) continue;
      std::unique_lock lock(mutex_);
      ASSERT_TRUE(ready_.wait_until(lock, deadline, [this] { return readies_ > 0; }));
      readies_ = 0;
    }
  }

  SystemClock clock_;
  Metrics metrics_;
  std::mutex mutex_;
  std::condition_variable ready_;
  int readies_ = 0;
  std::vector<std::string> told_;
  std::unique_ptr<Net> net_;
};

TEST_F(SocketNetTest, TellsWhatHappenedInOrder) {
  LoopbackServer server([](Peer& peer) {
    peer.accept_websocket();
    peer.send_text("one");
    peer.send_text(peer.read_frame()->payload);
    peer.send_frame(8, "\x03\xe8");
    peer.read_frame();
  });
  make();
  const auto connection = net_->connect(at(server), events());
  EXPECT_TRUE(connection->send("two"));
  poll_until(4);
  EXPECT_THAT(told_, ElementsAre("open", "one", "two", HasSubstr("close: ws://127.0.0.1")));
  EXPECT_FALSE(net_->poll());
}

TEST_F(SocketNetTest, ADroppedConnectionIsSilent) {
  LoopbackServer server([](Peer& peer) {
    peer.accept_websocket();
    peer.send_text("one");
    peer.await_end();
  });
  make();
  auto connection = net_->connect(at(server), events());
  poll_until(1);
  connection.reset();
  told_.clear();
  // Another one, on the same thread of sockets: what the first had came before it.
  const auto second = net_->connect(at(server), events());
  poll_until(2);
  EXPECT_THAT(told_, ElementsAre("open", "one"));
}

TEST_F(SocketNetTest, ASlowReaderLosesNothingAndKeepsLittle) {
  constexpr std::size_t kFrames = 400;
  LoopbackServer server([](Peer& peer) {
    peer.accept_websocket();
    for (std::size_t i = 0; i < kFrames; ++i) {
      peer.send_text(fmt::format("{:<16}", i) + std::string(16'384, 'x'));
    }
    peer.await_end();
  });
  make(100'000);
  const auto connection = net_->connect(at(server), events());
  poll_until(1 + kFrames);
  for (std::size_t i = 0; i < kFrames; ++i) EXPECT_EQ(told_[1 + i], fmt::format("{:<16}", i));
}

TEST_F(SocketNetTest, EndsWhileItsSocketsWaitForRoom) {
  LoopbackServer server([](Peer& peer) {
    peer.accept_websocket();
    while (peer.send_text(std::string(16'384, 'x'))) {
    }
  });
  make(20'000);
  const auto connection = net_->connect(at(server), events());
  poll_until(1);
  net_.reset();
}

TEST_F(SocketNetTest, FetchesOneAfterTheOther) {
  LoopbackServer server([](Peer& peer) {
    while (!peer.read_head().empty()) {
      peer.send("HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nenjoy");
    }
  });
  make();
  for (int i = 0; i < 2; ++i) {
    net_->fetch(Secret(fmt::format("http://127.0.0.1:{}/x", server.port())),
                [this](const Result<HttpAnswer>& answer) {
                  ASSERT_TRUE(answer);
                  told_.push_back(fmt::format("{} {} {}", answer->status, answer->body,
                                              answer->stay_away->ns / seconds(1).ns));
                });
    poll_until(static_cast<std::size_t>(i) + 1);
  }
  EXPECT_THAT(told_, ElementsAre("429 enjoy 7", "429 enjoy 7"));
}

TEST_F(SocketNetTest, EndsWhileItFetches) {
  LoopbackServer server([](Peer& peer) { peer.await_end(); });
  make();
  net_->fetch(Secret(fmt::format("http://127.0.0.1:{}/x", server.port())),
              [this](const Result<HttpAnswer>&) { told_.emplace_back("answered"); });
  net_.reset();
  EXPECT_TRUE(told_.empty());
}

TEST_F(SocketNetTest, WhatIsNoUrlClosesAtOnce) {
  make();
  const auto connection = net_->connect(Secret("http://x"), events());
  EXPECT_FALSE(connection->send("x"));
  EXPECT_TRUE(told_.empty());  // nothing from inside connect()
  EXPECT_TRUE(net_->poll());
  EXPECT_THAT(told_, ElementsAre(HasSubstr("close: ")));
}

}  // namespace
}  // namespace tapedeck::net
