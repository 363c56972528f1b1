#include "base/net.hpp"

#include <algorithm>
#include <utility>

namespace tapedeck {

class ScriptedNet::ScriptedConnection final : public Connection {
 public:
  ScriptedConnection(std::shared_ptr<Session> session,
                     std::shared_ptr<std::vector<std::string>> sent)
      : session_(std::move(session)), sent_(std::move(sent)) {}
  ~ScriptedConnection() override { session_->closed = true; }
  Status send(std::string_view frame) override {
    if (session_->closed) return fail(ErrorCode::kUnavailable, "the connection is closed");
    sent_->emplace_back(frame);
    return {};
  }

 private:
  std::shared_ptr<Session> session_;
  std::shared_ptr<std::vector<std::string>> sent_;
};

ScriptedNet::ScriptedNet(const Clock& clock, std::vector<std::vector<Step>> scripts)
    : clock_(clock),
      scripts_(scripts.begin(), scripts.end()),
      sent_(std::make_shared<std::vector<std::string>>()) {}

std::unique_ptr<Connection> ScriptedNet::connect(const Secret& url, ConnectionEvents events) {
  auto session = std::make_shared<Session>();
  session->events = std::move(events);
  session->opened = clock_.now();
  if (scripts_.empty()) {
    session->script = {{Duration{}, Step::Kind::kClose, "cannot connect to " + url.reveal()}};
    session->announced = true;  // it never opens
  } else {
    session->script = std::move(scripts_.front());
    scripts_.pop_front();
  }
  sessions_.push_back(session);
  return std::make_unique<ScriptedConnection>(session, sent_);
}

void ScriptedNet::fetch(const Secret& url, std::function<void(Result<HttpAnswer>)> done) {
  answers_.push_back([answer = rest ? rest(url.reveal())
                                    : Result<HttpAnswer>(fail(ErrorCode::kUnavailable, "no REST")),
                      done = std::move(done)] { done(answer); });
}

bool ScriptedNet::poll() {
  const auto answers =
      is_rest_mute ? std::vector<std::function<void()>>() : std::exchange(answers_, {});
  for (const auto& answer : answers) answer();
  bool progress = !answers.empty();
  const auto sessions = sessions_;  // an event may connect again
  for (const auto& session : sessions) {
    if (session->closed) continue;
    if (!session->announced) {
      session->announced = true;
      progress = true;
      if (session->events.on_open) session->events.on_open();
    }
    while (!session->closed && session->next < session->script.size() &&
           session->opened + session->script[session->next].after <= clock_.now()) {
      const Step& step = session->script[session->next++];
      progress = true;
      if (step.kind == Step::Kind::kFrame) {
        if (session->events.on_frame) session->events.on_frame(step.text, clock_.now());
      } else {
        session->closed = true;
        if (session->events.on_close) {
          session->events.on_close(Error{ErrorCode::kUnavailable, step.text}, {});
        }
      }
    }
  }
  std::erase_if(sessions_, [](const auto& session) { return session->closed; });
  return progress;
}

}  // namespace tapedeck
