// src/feeds/replay/merged_source.hpp: several sources as one, ordered by ts_event as far as each is
// in order itself. Thread: one at a time.
#pragma once

#include <memory>
#include <vector>

#include "feeds/feed.hpp"

namespace tapedeck::feeds::replay {

// A mark goes by its ts_recv. What is no event (a refusal, a control frame) keeps its place behind
// the event before it in its own source. Of equal times the earlier source goes first. Holds a
// bounded number of events of each source.
std::unique_ptr<Source> merge_by_time(std::vector<std::unique_ptr<Source>> sources);

}  // namespace tapedeck::feeds::replay
