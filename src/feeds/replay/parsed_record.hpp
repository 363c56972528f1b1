// src/feeds/replay/parsed_record.hpp: what a record of a file says, whatever the format.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "base/time.hpp"
#include "feeds/flaw.hpp"
#include "market/decimal.hpp"
#include "market/trade.hpp"

namespace tapedeck::feeds::replay {

struct ParsedRecord {
  Timestamp ts_event{};
  std::optional<Timestamp> ts_recv{};
  market::Decimal price{};
  market::Decimal size{};
  market::Side side = market::Side::kUnknown;
  std::uint64_t conditions = 0;
  std::string_view symbol{};                // until the next parse()
  std::optional<std::uint64_t> id{};        // the venue's, where declared and a number
  std::optional<std::uint64_t> sequence{};  // the venue's, where declared
};

// Thread: one at a time.
class RecordParser {
 public:
  virtual ~RecordParser() = default;
  virtual std::expected<ParsedRecord, Flaw> parse(std::string_view record) = 0;
};

}  // namespace tapedeck::feeds::replay
