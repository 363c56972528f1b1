// src/feeds/replay/progress.hpp: counts what becomes of each file, and what all of them gave.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "feeds/feed.hpp"
#include "feeds/flaw.hpp"
#include "feeds/replay/replay.hpp"

namespace tapedeck::feeds::replay {

struct Progress {
  std::vector<FileReport> files;
  std::vector<std::size_t> members_left;  // of each file
  Timestamp ts_recv_max{};
  std::optional<market::FeedMark> last;  // what was given last, if it was a mark
};

// Passes on and counts; lives for one pull(). An event that came without a receive time, so with
// ts_recv 0, gets its ts_event.
class CountingSink final : public EventSink {
 public:
  static constexpr std::size_t kTextBytesMax = 4096;  // of a refused record

  CountingSink(EventSink& sink, Progress& progress, FileReport& file)
      : sink_(sink), progress_(progress), file_(file) {}

  void trade(const market::Trade& trade) override {
    ++file_.trades;
    if (trade.ts_recv != Timestamp{}) {
      received(trade.ts_recv);
      sink_.trade(trade);
      return;
    }
    market::Trade assumed = trade;
    assumed.ts_recv = trade.ts_event;
    received(assumed.ts_recv);
    sink_.trade(assumed);
  }
  void event(const OtherEvent& event) override {
    ++file_.others;
    OtherEvent given = event;
    std::visit(
        [this](auto& one) {
          if (one.ts_recv == Timestamp{}) one.ts_recv = one.ts_event;
          received(one.ts_recv);
        },
        given);
    sink_.event(given);
  }
  void mark(const market::FeedMark& mark) override {
    ++file_.others;
    received(mark.ts_recv);
    progress_.last = mark;
    sink_.mark(mark);
  }
  void control() override {
    ++file_.control;
    sink_.control();
  }
  void refuse(const Refusal& refusal) override {
    ++file_.refused;
    Refusal cut = refusal;
    cut.text = cut.text.substr(0, kTextBytesMax);
    sink_.refuse(cut);
  }
  void refuse(const Flaw& flaw, std::string where, std::string_view text) {
    refuse(Refusal{flaw.reason, flaw.detail, std::move(where), text});
  }
  // A member ended, whole or damaged. A file that gave nothing at all says so.
  void end_member(std::size_t& members_left, const std::string& label, const Flaw* damage) {
    if (damage != nullptr) {
      file_.error = damage->detail;
      refuse(*damage, label, {});
    }
    if (--members_left == 0 && file_.records == 0 && file_.refused == 0) {
      refuse({"empty", "there are no records in it"}, file_.path, {});
    }
  }

 private:
  void received(Timestamp ts_recv) {
    progress_.ts_recv_max = std::max(progress_.ts_recv_max, ts_recv);
    progress_.last.reset();
  }

  EventSink& sink_;
  Progress& progress_;
  FileReport& file_;
};

}  // namespace tapedeck::feeds::replay
