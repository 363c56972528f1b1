// src/api/parameters.hpp: the query of an address to typed values. What is unknown, given twice or
// wrong is an error that names the parameter, what was given and what is allowed.
#pragma once

#include <optional>

#include "net/http_message.hpp"
#include "store/store.hpp"

namespace tapedeck::api {

inline constexpr std::size_t kBarsLimitMax = 10'000;  // also when none is given

// series, interval, conditions, session, start, end, limit. Errors: kInvalidArgument.
Result<store::BarQuery> parse_bar_query(const net::Fields& query);

struct LiveQuery {
  market::SeriesKey series;
  market::BarSpec spec;
  struct Resume {
    std::uint64_t run = 0;
    Offset offset;  // trades before it are known to the client
  };
  std::optional<Resume> resume;
};
// series, interval, conditions, session, run, resume. Errors: kInvalidArgument.
Result<LiveQuery> parse_live_query(const net::Fields& query);

}  // namespace tapedeck::api
