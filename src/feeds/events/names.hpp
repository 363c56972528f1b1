// src/feeds/events/names.hpp: the words of the format of events, for writing and for reading.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "market/event.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::events {

constexpr std::array<std::pair<market::StreamKind, std::string_view>, 8> kKinds{
    {{market::StreamKind::kTrade, "trade"},
     {market::StreamKind::kQuote, "quote"},
     {market::StreamKind::kPriceTick, "tick"},
     {market::StreamKind::kVendorBar, "bar"},
     {market::StreamKind::kCorrection, "correction"},
     {market::StreamKind::kRecord, "record"},
     {market::StreamKind::kStatus, "status"},
     {market::StreamKind::kRawFrame, "frame"}}};

// By the number of the value.
constexpr std::array<std::string_view, 3> kSides{"unknown", "buy", "sell"};
constexpr std::array<std::string_view, 4> kOriginKinds{"venue", "file", "session", "topic"};
constexpr std::array<std::string_view, 2> kOrders{"identity", "venue_sequence"};
constexpr std::array<std::string_view, 3> kAdjusted{"raw", "split", "total"};
constexpr std::array<std::string_view, 2> kCorrections{"cancel", "correct"};
constexpr std::array<std::string_view, 3> kStates{"live", "down", "ended"};

template <std::size_t N>
constexpr std::string_view word_of(const std::array<std::string_view, N>& words, auto value) {
  return words.at(static_cast<std::size_t>(value));
}

}  // namespace tapedeck::feeds::events
