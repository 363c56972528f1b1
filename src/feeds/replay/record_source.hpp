// src/feeds/replay/record_source.hpp: a member whose records are trades numbered by their place in
// it. Read twice: its SHA-256 and its first time are part of every trade's identity.
#pragma once

#include <memory>

#include "feeds/replay/member_source.hpp"
#include "feeds/replay/parsed_record.hpp"
#include "market/series.hpp"

namespace tapedeck::feeds::replay {

struct RecordFormat {
  Cut cut = Cut::kLines;
  bool has_header = false;  // the first record that is not blank
  bool declares_ids = false;
  bool declares_recv = false;
  market::Series series{};  // the instrument is each record's
};

// The catalog outlives the source.
std::unique_ptr<Source> record_source(MemberPlace place, RecordFormat format,
                                      std::unique_ptr<RecordParser> parser,
                                      market::Catalog& catalog, std::shared_ptr<Progress> progress);

}  // namespace tapedeck::feeds::replay
