#include "feeds/replay/merged_source.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <variant>

namespace tapedeck::feeds::replay {
namespace {

struct Control {};
// A refusal with text of its own.
struct Refused {
  Refusal refusal;
  std::string text;
};
using Event = std::variant<market::Trade, OtherEvent, market::FeedMark, Control, Refused>;

// Nothing: it is no event.
std::optional<Timestamp> time_of(const Event& event) {
  if (const auto* trade = std::get_if<market::Trade>(&event)) return trade->ts_event;
  if (const auto* mark = std::get_if<market::FeedMark>(&event)) return mark->ts_recv;
  if (const auto* other = std::get_if<OtherEvent>(&event)) {
    return std::visit([](const auto& one) { return one.ts_event; }, *other);
  }
  return std::nullopt;
}

// Keeps what a source gives until its turn comes.
class Buffer final : public EventSink {
 public:
  void trade(const market::Trade& trade) override { events.emplace_back(trade); }
  void event(const OtherEvent& event) override { events.emplace_back(event); }
  void mark(const market::FeedMark& mark) override { events.emplace_back(mark); }
  void control() override { events.emplace_back(Control{}); }
  void refuse(const Refusal& refusal) override {
    events.emplace_back(Refused{refusal, std::string(refusal.text)});
  }

  std::deque<Event> events;
};

void give(const Event& event, EventSink& sink) {
  if (const auto* trade = std::get_if<market::Trade>(&event)) return sink.trade(*trade);
  if (const auto* other = std::get_if<OtherEvent>(&event)) return sink.event(*other);
  if (const auto* mark = std::get_if<market::FeedMark>(&event)) return sink.mark(*mark);
  if (std::holds_alternative<Control>(event)) return sink.control();
  const auto& refused = std::get<Refused>(event);
  Refusal refusal = refused.refusal;
  refusal.text = refused.text;
  sink.refuse(refusal);
}

class MergedSource final : public Source {
 public:
  explicit MergedSource(std::vector<std::unique_ptr<Source>> sources) {
    for (auto& source : sources) inputs_.push_back({std::move(source), {}});
  }

  Result<bool> pull(EventSink& sink, std::size_t events_max) override {
    if (!started_) {
      started_ = true;
      for (std::size_t i = 0; i < inputs_.size(); ++i) advance(i, sink);
    }
    for (std::size_t given = 0; given < events_max && !heads_.empty(); ++given) {
      const std::size_t next = heads_.top().second;
      heads_.pop();
      auto& events = inputs_[next].buffer.events;
      give(events.front(), sink);
      events.pop_front();
      advance(next, sink);
    }
    return !heads_.empty();
  }

 private:
  static constexpr std::size_t kEventsAhead = 512;

  struct Input {
    std::unique_ptr<Source> source;  // none: at its end
    Buffer buffer;
  };

  // Gives what is no event, and puts the input's next event among the heads.
  void advance(std::size_t index, EventSink& sink) {
    Input& input = inputs_[index];
    auto& events = input.buffer.events;
    for (;;) {
      while (!events.empty()) {
        if (const auto at = time_of(events.front())) {
          heads_.emplace(*at, index);
          return;
        }
        give(events.front(), sink);
        events.pop_front();
      }
      if (!input.source) return;
      // An error has been told as a refusal, which is in the buffer now.
      const auto more = input.source->pull(input.buffer, kEventsAhead);
      if (!more || !*more) input.source.reset();
    }
  }

  using Head = std::pair<Timestamp, std::size_t>;
  std::vector<Input> inputs_;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<Source> merge_by_time(std::vector<std::unique_ptr<Source>> sources) {
  return std::make_unique<MergedSource>(std::move(sources));
}

}  // namespace tapedeck::feeds::replay
