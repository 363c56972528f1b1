// src/feeds/rows.hpp: a door of this room, for what another program hands in: rows in one piece,
// and what it says of all of them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"
#include "feeds/feed.hpp"

namespace tapedeck::feeds {

struct Rows {
  std::string body;
  bool is_csv = false;  // with a header; else one JSON object a line
  // Of trades; events name their own series.
  std::string venue{};
  std::string channel = "trade";
  std::string symbol{};      // of rows that name none
  std::string time = "iso";  // in what unit their times are: s, ms, us, ns, iso
  // The piece's name, for ever: where a row has no id, its place in it is what it is known by, and
  // the same piece again is nothing new. Pieces of one time are in the order of their numbers.
  std::string key{};
  Timestamp ts_recv{};
};

class RowsReader {
 public:
  virtual ~RowsReader() = default;
  // What is wrong with what was said of all rows; the rows are not looked at. Errors:
  // kInvalidArgument.
  virtual Status check(const Rows& rows) const = 0;
  // Of rows that check() finds right: each is an event, or a refusal whose `where` is the number of
  // its line.
  virtual void read(const Rows& rows, EventSink& sink) = 0;
};

}  // namespace tapedeck::feeds
