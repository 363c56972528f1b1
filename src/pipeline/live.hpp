// src/pipeline/live.hpp: what the api pushes: the newest bars and trades, as soon as their trades
// are durable. A reader asks for what changed since an offset, so a slow one is conflated, never
// queued for. Thread: any.
#pragma once

#include <functional>
#include <memory>

#include "pipeline/history.hpp"

namespace tapedeck::pipeline {

class Live {
 public:
  virtual ~Live() = default;

  // The bars of this series that changed by trades at or after `since`, whole values, with the
  // columns of each text of `indicators` as History::bars has them: a bar whose column changed is
  // one that changed. With `since` 0: all that are kept in memory (the newest kBarsKept of each bar
  // series). Errors: kInvalidArgument; kBusy where the bars before are still being counted: it is
  // told as a change when they are.
  static constexpr std::size_t kBarsKept = 1024;
  virtual Result<BarPage> bars_since(const market::SeriesKey& series, const market::BarSpec& spec,
                                     Offset since,
                                     std::span<const std::string> indicators = {}) const = 0;

  // The trades of this series at or after `since`, ascending by offset; of those the newest
  // kTradesKept. `limited`: some are no longer kept. Errors: kNotFound.
  static constexpr std::size_t kTradesKept = 200;
  virtual Result<TradePage> trades_since(const market::SeriesKey& series, Offset since) const = 0;

  // The last trade of each series that has had one at or after `since` that may set a price.
  struct LastPage {
    std::uint64_t run = 0;
    Offset offset;
    std::vector<LastTrade> trades{};
  };
  virtual LastPage last_since(Offset since) const = 0;

  // `on_change` is called after each step that changed a bar, and when a new run begins, on a
  // thread of the pipeline: it must return at once. Destroying the subscription ends the calls;
  // none is running when the destructor returns.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  virtual std::unique_ptr<Subscription> subscribe(std::function<void()> on_change) = 0;
};

}  // namespace tapedeck::pipeline
