// src/base/net.hpp: the network as an argument: message connections, such as WebSockets. A feed
// says what to send and what a frame means; whoever implements Net moves the bytes.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/result.hpp"

namespace tapedeck {

class Connection {
 public:
  virtual ~Connection() = default;  // closes it; no event comes after
  virtual Status send(std::string_view frame) = 0;
};

// What happens on a connection. Called from Net::poll only, never from inside send().
struct ConnectionEvents {
  std::function<void()> on_open;
  std::function<void(std::string_view frame, Timestamp ts_recv)> on_frame;
  // The last call. The other side may have said how long to stay away.
  std::function<void(const Error& why, std::optional<Duration> stay_away)> on_close;
};

// What an address of HTTP answered, with any status.
struct HttpAnswer {
  int status = 0;
  std::string body;
  Timestamp ts_recv;                    // when the last of it was read
  std::optional<Duration> stay_away{};  // as the other side asked
};

class Net {
 public:
  virtual ~Net() = default;
  // Starts connecting; how it went is told by the events.
  virtual std::unique_ptr<Connection> connect(const Secret& url, ConnectionEvents events) = 0;
  // Asks once, with GET. One at a time: `done` is called from poll(), and then the next may be
  // asked.
  virtual void fetch(const Secret& url, std::function<void(Result<HttpAnswer>)> done) = 0;
  // Runs some of what is ready. False: nothing was.
  virtual bool poll() = 0;
  // What to call, from any thread, when something has become ready; nothing: nobody.
  virtual void on_ready(std::function<void()> call) = 0;
};

// A network of one far side, played by a script under a simulated clock: for tests.
class ScriptedNet final : public Net {
 public:
  struct Step {
    Duration after;  // since the connection was opened
    enum class Kind { kFrame, kClose } kind = Kind::kFrame;
    std::string text;  // the frame, or the reason of the close
  };
  // Each connection plays the next script; with none left, connecting fails.
  ScriptedNet(const Clock& clock, std::vector<std::vector<Step>> scripts);

  std::unique_ptr<Connection> connect(const Secret& url, ConnectionEvents events) override;
  // As `rest` answers, at the next poll.
  void fetch(const Secret& url, std::function<void(Result<HttpAnswer>)> done) override;
  bool poll() override;
  void on_ready(std::function<void()>) override {}  // its clock says when

  std::function<Result<HttpAnswer>(const std::string& url)> rest;
  bool is_rest_mute = false;  // its answers wait

  const std::vector<std::string>& sent() const { return *sent_; }

 private:
  struct Session {
    ConnectionEvents events;
    std::vector<Step> script;
    std::size_t next = 0;
    Timestamp opened{};
    bool announced = false;
    bool closed = false;
  };
  class ScriptedConnection;

  const Clock& clock_;
  std::deque<std::vector<Step>> scripts_;
  std::vector<std::shared_ptr<Session>> sessions_;
  std::shared_ptr<std::vector<std::string>> sent_;
  std::vector<std::function<void()>> answers_;
};

}  // namespace tapedeck
