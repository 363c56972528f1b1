#include "net/socket_net.hpp"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

#include "net/https_client.hpp"

namespace tapedeck::net {
namespace {

// One poll() hands over at most so much, so that its caller can look at the time.
constexpr std::size_t kEventsAPoll = 256;

struct Opened {};
struct Frame {
  std::string text;
  Timestamp ts_recv;
};
struct Closed {
  Failure why;
};
struct Fetched {
  std::function<void(Result<HttpAnswer>)> done;
  Result<HttpAnswer> answer;
};
using Happening = std::variant<Opened, Frame, Closed, Fetched>;

struct Session {
  ConnectionEvents events;
  std::atomic<bool> is_gone{false};  // nobody wants to hear of it any more
};

// What has happened and was not asked for yet.
class Inbox {
 public:
  explicit Inbox(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // A frame waits while too much is kept.
  void put(const std::shared_ptr<Session>& session, Happening happening) {
    const auto* frame = std::get_if<Frame>(&happening);
    const std::size_t bytes = frame != nullptr ? frame->text.size() : 0;
    bool was_empty = false;
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [&] {
        return bytes == 0 || bytes_ <= bytes_max_ || is_closed_ || session->is_gone.load();
      });
      was_empty = kept_.empty();
      bytes_ += bytes;
      kept_.emplace_back(session, std::move(happening));
    }
    if (!was_empty) return;
    std::lock_guard lock(call_mutex_);
    if (call_) call_();
  }
  std::optional<std::pair<std::shared_ptr<Session>, Happening>> take() {
    std::lock_guard lock(mutex_);
    if (kept_.empty()) return std::nullopt;
    auto first = std::move(kept_.front());
    kept_.pop_front();
    if (const auto* frame = std::get_if<Frame>(&first.second)) bytes_ -= frame->text.size();
    room_.notify_all();
    return first;
  }
  void drop(Session& session) {
    std::lock_guard lock(mutex_);
    session.is_gone = true;
    room_.notify_all();
  }
  void close() {
    std::lock_guard lock(mutex_);
    is_closed_ = true;
    room_.notify_all();
  }
  void on_ready(std::function<void()> call) {
    std::lock_guard lock(call_mutex_);
    call_ = std::move(call);
  }

 private:
  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::deque<std::pair<std::shared_ptr<Session>, Happening>> kept_;
  std::size_t bytes_ = 0;
  bool is_closed_ = false;
  std::mutex call_mutex_;
  std::function<void()> call_;
};

class ToInbox final : public WebSocketEvents {
 public:
  ToInbox(std::shared_ptr<Inbox> inbox, std::shared_ptr<Session> session)
      : inbox_(std::move(inbox)), session_(std::move(session)) {}

  void on_open(WebSocket&) override { inbox_->put(session_, Opened{}); }
  void on_frame(WebSocket&, std::string_view frame, Timestamp ts_recv) override {
    inbox_->put(session_, Frame{std::string(frame), ts_recv});
  }
  void on_closed(const Failure& why) override { inbox_->put(session_, Closed{why}); }

 private:
  std::shared_ptr<Inbox> inbox_;
  std::shared_ptr<Session> session_;
};

class SocketConnection final : public Connection {
 public:
  SocketConnection(std::shared_ptr<Inbox> inbox, std::shared_ptr<Session> session,
                   std::optional<WebSocket> socket)
      : inbox_(std::move(inbox)), session_(std::move(session)), socket_(std::move(socket)) {}
  ~SocketConnection() override {
    inbox_->drop(*session_);
    if (socket_) socket_->close();
  }
  Status send(std::string_view frame) override {
    if (!socket_) return fail(ErrorCode::kUnavailable, "the connection never opened");
    return socket_->send(std::string(frame));
  }

 private:
  std::shared_ptr<Inbox> inbox_;
  std::shared_ptr<Session> session_;
  std::optional<WebSocket> socket_;
};

class SocketNet final : public Net {
 public:
  SocketNet(SocketNetOptions options, std::unique_ptr<WebSocketClient> client, const Clock& clock)
      : options_(std::move(options)),
        clock_(clock),
        inbox_(std::make_shared<Inbox>(options_.kept_bytes_max)),
        client_(std::move(client)) {}
  ~SocketNet() override { inbox_->close(); }

  void fetch(const Secret& url, std::function<void(Result<HttpAnswer>)> done) override {
    if (fetcher_.joinable()) fetcher_.join();  // it has answered: one at a time
    fetcher_ = std::jthread([this, url, done = std::move(done)](const std::stop_token& stop) {
      pthread_setname_np(pthread_self(), "net-rest");
      Result<HttpAnswer> answer = ask(url, stop);
      inbox_->put(nullptr, Fetched{done, std::move(answer)});
    });
  }

  std::unique_ptr<Connection> connect(const Secret& url, ConnectionEvents events) override {
    auto session = std::make_shared<Session>();
    session->events = std::move(events);
    WebSocketOptions options = options_.sockets;
    options.url = url;
    auto socket = client_->connect(std::move(options), std::make_unique<ToInbox>(inbox_, session));
    if (socket) return std::make_unique<SocketConnection>(inbox_, session, *std::move(socket));
    Failure why{.kind = FailureKind::kMalformed, .message = socket.error().message};
    inbox_->put(session, Closed{std::move(why)});
    return std::make_unique<SocketConnection>(inbox_, session, std::nullopt);
  }

  bool poll() override {
    for (std::size_t i = 0; i < kEventsAPoll; ++i) {
      auto next = inbox_->take();
      if (!next) return i > 0;
      const auto& [session, happening] = *next;
      if (const auto* fetched = std::get_if<Fetched>(&happening)) {
        fetched->done(fetched->answer);
        continue;
      }
      if (session->is_gone) continue;
      const ConnectionEvents& events = session->events;
      if (std::holds_alternative<Opened>(happening)) {
        if (events.on_open) events.on_open();
      } else if (const auto* frame = std::get_if<Frame>(&happening)) {
        if (events.on_frame) events.on_frame(frame->text, frame->ts_recv);
      } else if (const auto* closed = std::get_if<Closed>(&happening)) {
        if (events.on_close) {
          events.on_close(Error{ErrorCode::kUnavailable, closed->why.message},
                          closed->why.retry_after);
        }
      }
    }
    return true;
  }

  void on_ready(std::function<void()> call) override { inbox_->on_ready(std::move(call)); }

 private:
  // On the thread of the fetcher.
  Result<HttpAnswer> ask(const Secret& url, const std::stop_token& stop) {
    if (https_ == nullptr) {
      TD_ASSIGN(https_, HttpsClient::make(options_.ca_file, clock_));
    }
    auto answer = https_->call({.url = url}, stop);
    if (!answer) return fail(ErrorCode::kUnavailable, std::move(answer.error().message));
    const auto stay_away = answer->retry_after();
    return HttpAnswer{.status = answer->status,
                      .body = std::move(answer->body),
                      .ts_recv = answer->ts_recv,
                      .stay_away = stay_away};
  }

  const SocketNetOptions options_;
  const Clock& clock_;
  const std::shared_ptr<Inbox> inbox_;
  const std::unique_ptr<WebSocketClient> client_;  // ends before the inbox
  std::unique_ptr<HttpsClient> https_;
  std::jthread fetcher_;  // ends first
};

}  // namespace

Result<std::unique_ptr<Net>> make_socket_net(SocketNetOptions options, const Clock& clock,
                                             Metrics& metrics) {
  TD_ASSIGN(auto client, WebSocketClient::start(options.ca_file, clock, metrics));
  return std::make_unique<SocketNet>(std::move(options), std::move(client), clock);
}

}  // namespace tapedeck::net
